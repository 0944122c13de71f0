"""Microsoft's Azurite on loopback, in a process of its own: Azure's blob storage as its makers' own tests have it.

`make engine` puts it under build/azurite, by npm. What it keeps is in its memory and goes with it.

Belongs here: the server, its containers and tokens. Does not belong here: what is tried against it.
"""

import base64
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.paths import PROJECT

PROGRAM = PROJECT / "build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
_ACCOUNT = "ulnwales"


@dataclass(frozen=True)
class AzuriteServer:
    """A running server.

    Attributes:
        endpoint, port: where it is.
        account, account_key: of the one account that it has.
        log: a line for each request.
    """

    endpoint: str
    port: int
    account: str
    account_key: str
    log: Path

    def client(self) -> Any:
        """Azure's own client, as a second opinion on what lies there."""
        from azure.storage.blob import BlobServiceClient

        key = {"account_name": self.account, "account_key": self.account_key}
        return BlobServiceClient(self.endpoint, credential=key, retry_total=0)

    def container(self, name: str) -> str:
        """Make a container.

        Returns:
            Its name.
        """
        with self.client() as client:
            client.create_container(name)
        return name

    def token(self, container: str, rights: str, expiry: datetime = datetime(2999, 1, 1, tzinfo=UTC)) -> str:
        """A shared access signature for a container; rights by their letters, such as "rl"."""
        from azure.storage.blob import generate_container_sas

        return generate_container_sas(
            self.account, container, account_key=self.account_key, permission=rights, expiry=expiry
        )

    def requests(self) -> list[str]:
        """Every request so far: method, path with query, status."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line.partition('"')[2].replace(' HTTP/1.1"', "") for line in lines if 'HTTP/1.1"' in line]


@contextmanager
def azurite_server() -> Iterator[AzuriteServer]:
    """A server, until the end of the block."""
    assert PROGRAM.exists(), "Azurite is missing: make engine puts it under build"
    key = base64.b64encode(bytes(range(64))).decode()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [
            str(PROGRAM),
            "--blobPort",
            "0",
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
        ]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}", "HOME": folder}
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder)
        try:
            port = _port(process, log)
            yield AzuriteServer(f"http://127.0.0.1:{port}/{_ACCOUNT}", port, _ACCOUNT, key, log)
        finally:
            process.terminate()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that it says it listens on; it chooses a free one."""
    for _ in range(1200):
        said = log.read_text(encoding="utf-8")
        if "successfully listens on" in said:
            return int(said.partition("successfully listens on")[2].split()[0].rpartition(":")[2])
        assert process.poll() is None, said
        time.sleep(0.1)
    raise AssertionError(said)
