"""Open a folder by its location: the one place that knows which class serves which kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from schemas.settings.locations import AzureWay, FileWay, S3Way, SftpWay, Way
from schemas.texts.catalogue import both
from schemas.texts.faults import ServiceFault
from tasks.io.remote.local_folder import _File
from tasks.io.remote.transport import Transport


@contextmanager
def opened(way: Way) -> Iterator[Transport]:
    """A folder by URL.

    Raises:
        Away, Declined: the server is not to be had, is not the one that it should be, or does not let us in.
        ServiceFault: what is needed for it is not installed.
    """
    from tasks.io.remote.object_stores import AzureFolder, S3Folder  # noqa: PLC0415 - they are Transports
    from tasks.io.remote.sftp import SftpFolder  # noqa: PLC0415

    kinds: dict[type, Callable[[Any], Transport]] = {
        FileWay: _File,
        SftpWay: SftpFolder,
        S3Way: S3Folder,
        AzureWay: AzureFolder,
    }
    try:
        transport = kinds[type(way)](way)
    except ModuleNotFoundError as missing:
        raise ServiceFault(both("fault.way_not_installed", way=way.shown, package=missing.name or "")) from None
    try:
        yield transport
    finally:
        with suppress(Exception):
            transport.close()
