"""Open a folder by its location; only this module knows which class serves which kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from schemas.settings.locations import AzureLocation, FileLocation, Location, S3Location, SftpLocation
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.remote.local_folder import _File
from tasks.io.remote.transport import Transport


@contextmanager
def open_folder(way: Location) -> Iterator[Transport]:
    """Open a folder by URL, and close its connection at the end.

    Raises:
        Unreachable, Rejected: the server cannot be reached, is not the expected one, or refuses the login.
        ServiceFault: a package that the location needs is not installed.
    """
    from tasks.io.remote.object_stores import AzureFolder, S3Folder  # noqa: PLC0415 - they are Transports
    from tasks.io.remote.sftp import SftpFolder  # noqa: PLC0415

    kinds: dict[type, Callable[[Any], Transport]] = {
        FileLocation: _File,
        SftpLocation: SftpFolder,
        S3Location: S3Folder,
        AzureLocation: AzureFolder,
    }
    try:
        transport = kinds[type(way)](way)
    except ModuleNotFoundError as missing:
        raise ServiceFault(bilingual("fault.way_not_installed", way=way.shown, package=missing.name or "")) from None
    try:
        yield transport
    finally:
        with suppress(Exception):
            transport.close()
