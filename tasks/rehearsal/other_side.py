"""The other side of a rehearsal over SFTP or an object store: servers of DEWi's and the LRS's folders, on loopback.

The rehearsal's files are put on the other side, and the service fetches them from there: files pass between the two only
over the rehearsed transport. A server's keys are made for the rehearsal and kept below `rehearsal/`.

Does not belong here: learners (`synthetic_*`), the LRS's answers (`lrs_stand_in`), transport (`tasks.io.remote.transport`).
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.settings.locations import FOLDERS, PREFIX, locations_of
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot, make_folder, write_whole
from tasks.io.remote.folders import open_folder
from tasks.rehearsal.s3_stand_in import s3_server

_ACCOUNT = "uln"


@contextmanager
def other_side(root: DataRoot, via: str) -> Iterator[dict[str, str]]:
    """Serve the four folders by `sftp` or `s3` until the end of the block.

    Yields:
        The environment variables of the locations.

    Raises:
        ServiceFault: a package that the server needs is not installed.
    """
    served = {"sftp": _by_sftp, "s3": _by_s3}[via]
    try:
        with served(root) as locations:
            yield {f"{PREFIX}{name}__{key}".upper(): v for name, keys in locations.items() for key, v in keys.items()}
    except ModuleNotFoundError as missing:
        raise ServiceFault(bilingual("fault.rehearsal_needs", via=via, package=missing.name or "")) from None


@contextmanager
def _by_s3(_root: DataRoot) -> Iterator[dict[str, dict[str, str]]]:
    with s3_server() as server:
        bucket = server.bucket("uln")
        keys = {"endpoint": server.endpoint, "region": server.region}
        keys |= {"access_key": server.access_key, "secret_key": server.secret_key}
        yield {name: {"url": f"s3://{bucket}/{_folder(name)}", **keys} for name in FOLDERS}


@contextmanager
def _by_sftp(root: DataRoot) -> Iterator[dict[str, dict[str, str]]]:
    import asyncssh  # noqa: PLC0415 - of an extra

    served, keys = root.path / "rehearsal" / "other-side", root.path / "rehearsal" / "keys"
    for name in FOLDERS:
        make_folder(served / _folder(name))
    make_folder(keys)
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    write_whole(keys / "user", user.export_private_key())
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait_for(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def serve() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host],
            authorized_client_keys=asyncssh.import_authorized_keys(user.export_public_key().decode()),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(served)),
        )

    server = wait_for(serve())
    port = server.sockets[0].getsockname()[1]
    write_whole(keys / "known_hosts", f"[127.0.0.1]:{port} {host.export_public_key().decode()}".encode())
    keys_of_all = {"known_hosts": str(keys / "known_hosts"), "key_file": str(keys / "user"), "settled_seconds": "0"}
    try:
        yield {name: {"url": f"sftp://{_ACCOUNT}@127.0.0.1:{port}/{_folder(name)}", **keys_of_all} for name in FOLDERS}
    finally:
        loop.call_soon_threadsafe(server.close)
        wait_for(server.wait_closed())
        loop.call_soon_threadsafe(loop.stop)


def _folder(name: str) -> str:
    return name.replace("_", "/")


def bring(root: DataRoot, way: str) -> int:
    """Act as DEWi or the LRS: move the files of the data root's inbox to the other side; return their number."""
    inbox: Path = getattr(root, way)
    files = sorted(path for path in inbox.rglob("*") if path.is_file())
    with open_folder(getattr(locations_of(root.reference), way)) as remote:
        for path in files:
            remote.put(path.relative_to(inbox).as_posix(), path.read_bytes())
            path.unlink()
    return len(files)


def take(root: DataRoot) -> None:
    """Act as the LRS: copy the batches handed over into the folder that the stand-in reads."""
    with open_folder(locations_of(root.reference).lrs_outbox) as remote:  # type: ignore[arg-type]
        for name in remote.listing():
            content = remote.content(name)
            if content is not None:
                write_whole(root.lrs_outbox / name, content)
