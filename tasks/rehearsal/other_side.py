"""Plays the machines on which DEWi's and the LRS's folders are, for a rehearsal by SFTP or by an object store; on loopback.

What the rehearsal makes is brought to the other side, and the service gets it from there: nothing passes from one to
the other but by the way that is rehearsed. A server's keys are made on the spot, and kept below `rehearsal/`.

Belongs here: who serves, and what the others do there. Does not belong here: learners (`synthetic_*`), what the LRS answers
(`lrs_stand_in`), bytes on the way (`tasks.io.remote.transport`).
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
from tasks.io.remote.open import open_folder
from tasks.rehearsal.s3_stand_in import s3_server

_ACCOUNT = "uln"


@contextmanager
def other_side(root: DataRoot, via: str) -> Iterator[dict[str, str]]:
    """Serve the four folders as long as it lasts.

    Args:
        root: the data root.
        via: `sftp` or `s3`.

    Yields:
        What the environment has to say of the ways there.

    Raises:
        ServiceFault: what it takes is not installed.
    """
    served = {"sftp": _by_sftp, "s3": _by_s3}[via]
    try:
        with served(root) as said:
            yield {f"{PREFIX}{way}__{key}".upper(): value for way, own in said.items() for key, value in own.items()}
    except ModuleNotFoundError as missing:
        raise ServiceFault(bilingual("fault.rehearsal_needs", via=via, package=missing.name or "")) from None


@contextmanager
def _by_s3(_root: DataRoot) -> Iterator[dict[str, dict[str, str]]]:
    with s3_server() as server:
        bucket = server.bucket("uln")
        keys = {"endpoint": server.endpoint, "region": server.region}
        keys |= {"access_key": server.access_key, "secret_key": server.secret_key}
        yield {way: {"url": f"s3://{bucket}/{_folder(way)}", **keys} for way in FOLDERS}


@contextmanager
def _by_sftp(root: DataRoot) -> Iterator[dict[str, dict[str, str]]]:
    import asyncssh  # noqa: PLC0415 - of an extra

    there, keys = root.path / "rehearsal" / "other-side", root.path / "rehearsal" / "keys"
    for way in FOLDERS:
        make_folder(there / _folder(way))
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
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(there)),
        )

    server = wait_for(serve())
    port = server.sockets[0].getsockname()[1]
    write_whole(keys / "known_hosts", f"[127.0.0.1]:{port} {host.export_public_key().decode()}".encode())
    keys_of_all = {"known_hosts": str(keys / "known_hosts"), "key_file": str(keys / "user"), "settled_seconds": "0"}
    try:
        yield {way: {"url": f"sftp://{_ACCOUNT}@127.0.0.1:{port}/{_folder(way)}", **keys_of_all} for way in FOLDERS}
    finally:

        async def end() -> None:
            server.close()
            await server.wait_closed()

        wait_for(end())
        loop.call_soon_threadsafe(loop.stop)


def _folder(way: str) -> str:
    return way.replace("_", "/")


def bring(root: DataRoot, way: str) -> int:
    """As the one whose folder it is: bring what lies in the data root's inbox there, and leave it there alone.

    Returns:
        How many files.
    """
    inbox: Path = getattr(root, way)
    files = sorted(path for path in inbox.rglob("*") if path.is_file())
    with open_folder(getattr(locations_of(root.reference), way)) as there:
        for path in files:
            there.put(path.relative_to(inbox).as_posix(), path.read_bytes())
            path.unlink()
    return len(files)


def take(root: DataRoot) -> None:
    """As the LRS: take the batches that were handed over to where its stand-in looks for them."""
    with open_folder(locations_of(root.reference).lrs_outbox) as there:  # type: ignore[arg-type]
        for name in there.listing():
            content = there.content(name)
            if content is not None:
                write_whole(root.lrs_outbox / name, content)
