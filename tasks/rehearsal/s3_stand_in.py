"""An S3 server on loopback with users, in its own process: moto's server, made stricter for tests of faults.

moto answers as S3 does, but mixes concurrent requests, accepts half a body as a whole one, and does not check users. Here
requests are answered one after another (so that a conditional put is atomic), a truncated body is refused, and keys and
policies are checked. The store is in memory and ends with the process.

Does not belong here: tests against the server. For a faulty connection: `tests/support/faults/faulty_line.py`, between a
client and `port`.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

_ACCOUNT, _REGION = "123456789012", "us-east-1"
_FILL = "_fill"


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint, port: the server's address.
        access_key, secret_key: of a user with every permission.
        region: of the buckets.
        log: a line for each request: method, path with query, status.
    """

    endpoint: str
    port: int
    access_key: str
    secret_key: str
    log: Path
    region: str = _REGION

    def client(self, service: str = "s3") -> Any:
        """Return boto3's client of the service, for a second view of the stored objects."""
        import boto3  # noqa: PLC0415 - comes with moto, which only this server needs

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def bucket(self, name: str) -> str:
        """Make a bucket and return its name."""
        self.client().create_bucket(Bucket=name)
        return name

    def user(self, name: str, *statements: dict[str, Any]) -> tuple[str, str]:
        """Make a user with only the permissions of an IAM policy's statements; return access key and secret key."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def fill(self, bucket: str, names: list[str]) -> None:
        """Put many objects of one byte into a bucket in one request of our own, which is not part of the S3 protocol."""
        body = "\n".join(names).encode()
        request = Request(f"{self.endpoint}/{_FILL}/{bucket}", body, {"Content-Type": "text/plain"})  # noqa: S310 - our own address
        urlopen(request, timeout=60).close()  # noqa: S310 - likewise

    def requests(self) -> list[str]:
        """Return every request so far."""
        return self.log.read_text(encoding="utf-8").splitlines()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server until the end of the block.

    Raises:
        ModuleNotFoundError: moto is not installed, so the server announced nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "requests"
        log.touch()
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0", "MOTO_ACCOUNT_ID": _ACCOUNT}
        process = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-W", "ignore", __file__, str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        try:
            announced = (process.stdout.readline() if process.stdout else "").split()
            if not announced:
                raise ModuleNotFoundError("moto[s3]", name="moto[s3]")
            port, access_key, secret_key = announced
            yield S3Server(f"http://127.0.0.1:{port}", int(port), access_key, secret_key, log)
        finally:
            process.communicate()  # closes its standard input, which ends it


def _in_turn(app: Any, store: Any, log: Path) -> Any:
    """Wrap moto's application so that it answers complete requests one after another."""
    from werkzeug.test import run_wsgi_app  # noqa: PLC0415

    turn = threading.Lock()

    def answered(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        # The body is read before the request's turn, so that a slow sender delays no other.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        chunked = environ.get("wsgi.input_terminated")
        body = environ["wsgi.input"].read() if chunked else environ["wsgi.input"].read(length)
        path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}".encode("latin-1").decode().rstrip("?")
        with turn:
            status, headers = "", [("Content-Type", "application/xml")]
            if path.startswith(f"/{_FILL}/"):
                for name in body.decode().splitlines():
                    store.put_object(path.rpartition("/")[2], name, b"x")
                status = "200 Filled"
            elif not chunked and len(body) != length:
                status = "400 IncompleteBody"
            elif "HTTP_AUTHORIZATION" not in environ:
                status = "403 AccessDenied"
            if status:  # from here, not from moto
                logged, content = status, f"<Error><Code>{status.split()[1]}</Code><Message/></Error>".encode()
            else:
                environ = {**environ, "wsgi.input": io.BytesIO(body)}
                parts, status, all_headers = run_wsgi_app(app, environ, buffered=True)
                logged, headers, content = status.split()[0], list(all_headers), b"".join(parts)
            with log.open("a", encoding="utf-8") as lines:
                lines.write(f"{environ['REQUEST_METHOD']} {path} {logged}\n")
            start_response(status, headers)
            return [content]

    return answered


def _serve(log: Path) -> None:
    """Serve until the parent closes our standard input."""
    from moto.iam.models import iam_backends  # noqa: PLC0415
    from moto.moto_server import werkzeug_app as moto  # noqa: PLC0415
    from moto.s3.models import s3_backends  # noqa: PLC0415
    from werkzeug.serving import make_server  # noqa: PLC0415

    iam = iam_backends[_ACCOUNT]["aws"]
    iam.create_user(_REGION, "all")
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_user_policy("all", "all", json.dumps({"Version": "2012-10-17", "Statement": [anything]}))
    key = iam.create_access_key("all")
    app = _in_turn(moto.DomainDispatcherApplication(moto.create_backend_app), s3_backends[_ACCOUNT]["aws"], log)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=moto.MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.write(1, f"{server.server_port} {key.access_key_id} {key.secret_access_key}\n".encode())
    sys.stdin.read()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
