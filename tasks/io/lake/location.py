"""Location of the lake: the data root's own folder, another folder, or a prefix of an S3-compatible store.

The setting: `schemas.settings.locations`.

Two libraries look at it: the lake's own, which commits, by an address and options; and Arrow, which reads files. A commit is
one put that fails where something stands already (`If-None-Match`), so the store must honour it; then two writers at once
never take each other's commit away.

A lake at another address is another memory: an empty one knows of nobody who was sent. So the data root remembers where
its lake lies, and one that is said to lie elsewhere is not opened until a person has said that it was moved there.

Belongs here: the address, and what opens the door. Does not belong here: tables (`tables`).
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from schemas.settings.locations import FileLocation, S3Location, locations_of
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.data_root import DataRoot, write_whole


@dataclass(frozen=True)
class LakePlace:
    """A place for tables; two are one where their addresses are.

    Attributes:
        uri: where both libraries find it; no credential stands in it.
        folder: of this machine; None where it is none.
        endpoint: of the store, where it is not the provider's own.
        options: what the lake's library needs besides.
        files: for Arrow; paths are below the place.
    """

    uri: str
    folder: Path | None
    endpoint: str | None = None
    options: dict[str, str] | None = field(default=None, compare=False, repr=False)
    files: Any = field(default=None, compare=False, repr=False)

    @property
    def address(self) -> str:
        """As people read it, and as the data root remembers it."""
        return self.uri if self.endpoint is None else f"{self.uri} ({self.endpoint})"

    def sizes(self, name: str) -> dict[str, int]:
        """Every file below a name, by its path below that; its size in bytes."""
        if self.files.get_file_info(name).type != pafs.FileType.Directory:
            return {}
        below = self.files.get_file_info(pafs.FileSelector(name, recursive=True))
        return {one.path.removeprefix(f"{name}/"): int(one.size) for one in below if one.is_file}


@cache
def folder_place(folder: Path) -> LakePlace:
    """A folder of this machine."""
    return LakePlace(str(folder), folder, files=pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem()))


def place_of(root: DataRoot) -> LakePlace:
    """Where a data root's lake lies.

    Raises:
        ConfigurationFault: what is said of the ways is wrong, or names another place than the one where the lake lies.
    """
    way = locations_of(root.reference).lake
    if way is None:
        place = folder_place(root.lake)
    else:
        place = folder_place(Path(way.folder)) if isinstance(way, FileLocation) else _in_store(way)
    known = _remembered(root)
    if known not in (None, place.address):
        file = _memory(root).relative_to(root.path).as_posix()
        raise ConfigurationFault(
            "reference/ways.toml, ULN_WAY_LAKE__*",
            [bilingual("fault.lake_elsewhere", known=known, named=place.address, file=file)],
        )
    return place


def remember_place(root: DataRoot) -> None:
    """Write down where the lake lies, where that is not the data root's own folder; for whoever holds the data root.

    Raises:
        ConfigurationFault: as `place_of`.
    """
    place = place_of(root)
    if place.folder != root.lake:
        write_whole(_memory(root), f"{place.address}\n".encode())


def _memory(root: DataRoot) -> Path:
    return root.lake / ".place"


def _remembered(root: DataRoot) -> str | None:
    """The address at which the lake lies; None where it lies nowhere yet."""
    try:
        return _memory(root).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return str(root.lake) if any(root.lake.glob("*/_delta_log")) else None


@cache
def _in_store(way: S3Location) -> LakePlace:
    patience = way.patience_seconds
    keys = {"ACCESS_KEY_ID": way.access_key, "SECRET_ACCESS_KEY": way.secret_key, "SESSION_TOKEN": way.session_token}
    options = {f"AWS_{name}": key.get_secret_value() for name, key in keys.items() if key is not None}
    options |= {"AWS_REGION": way.region, "conditional_put": "etag", "timeout": f"{patience}s"}
    options |= {"connect_timeout": f"{patience}s", "max_retries": "3", "retry_timeout": f"{patience}s"}
    arrow: dict[str, Any] = {"region": way.region, "connect_timeout": patience, "request_timeout": patience}
    arrow |= {
        name: key.get_secret_value()
        for name, key in zip(("access_key", "secret_key", "session_token"), keys.values(), strict=True)
        if key is not None
    }
    if way.endpoint is not None:
        address = urlsplit(way.endpoint)
        options |= {"AWS_ENDPOINT_URL": way.endpoint, "AWS_ALLOW_HTTP": str(address.scheme == "http").lower()}
        arrow |= {"endpoint_override": address.netloc, "scheme": address.scheme}
    files = pafs.SubTreeFileSystem(way.folder, pafs.S3FileSystem(**arrow))
    return LakePlace(f"s3://{way.folder}", None, way.endpoint, options, files)
