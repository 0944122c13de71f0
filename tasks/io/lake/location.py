"""Location of the lake: the data root's own folder, another folder, or a prefix of an S3-compatible store.

Two libraries use it: `deltalake` commits, by address and options; Arrow reads files. A commit is a put that must fail if
its name is taken (`If-None-Match`). The store must honour this, so that two writers never replace each other's commit.

A lake at another address is another memory, and an empty one knows no learner who was sent. So the data root remembers its
lake's address, and refuses another until a person confirms that the lake was moved.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from schemas.settings.locations import S3Location, locations_of
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.data_root import DataRoot, write_whole


@dataclass(frozen=True)
class LakePlace:
    """A location for tables; two with the same address are equal.

    Attributes:
        uri: the address for both libraries; without credentials.
        folder: the folder on this machine; None for a store.
        endpoint: of the store, if not the provider's own.
        options: other settings of `deltalake`.
        files: Arrow's file system; paths are relative to the location.
    """

    uri: str
    folder: Path | None
    endpoint: str | None = None
    options: dict[str, str] | None = field(default=None, compare=False, repr=False)
    files: Any = field(default=None, compare=False, repr=False)

    @property
    def address(self) -> str:
        """The address as people read it and as the data root remembers it."""
        return self.uri if self.endpoint is None else f"{self.uri} ({self.endpoint})"

    def sizes(self, name: str) -> dict[str, int]:
        """Return the sizes in bytes of all files below a name, by their path relative to it."""
        if self.files.get_file_info(name).type != pafs.FileType.Directory:
            return {}
        below = self.files.get_file_info(pafs.FileSelector(name, recursive=True))
        return {file.path.removeprefix(f"{name}/"): int(file.size) for file in below if file.is_file}


@cache
def folder_place(folder: Path) -> LakePlace:
    """Return the location of a folder on this machine."""
    return LakePlace(str(folder), folder, files=pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem()))


def place_of(root: DataRoot) -> LakePlace:
    """Return the location of a data root's lake.

    Raises:
        ConfigurationFault: the settings are wrong, or name a location that is not the one the data root remembers.
    """
    location = locations_of(root.reference).lake
    if isinstance(location, S3Location):
        place = _in_store(location)
    else:
        place = folder_place(root.lake if location is None else Path(location.folder))
    known = _remembered(root)
    if known not in (None, place.address):
        file = _memory(root).relative_to(root.path).as_posix()
        raise ConfigurationFault(
            "reference/ways.toml, ULN_WAY_LAKE__*",
            [bilingual("fault.lake_elsewhere", known=known, named=place.address, file=file)],
        )
    return place


def remember_place(root: DataRoot) -> None:
    """Write down the lake's address (`place_of`) unless it is the data root's own folder; only for the run lock's holder."""
    place = place_of(root)
    if place.folder != root.lake:
        write_whole(_memory(root), f"{place.address}\n".encode())


def _memory(root: DataRoot) -> Path:
    return root.lake / ".place"


def _remembered(root: DataRoot) -> str | None:
    """Return the remembered address of the lake; None if there is no lake yet."""
    try:
        return _memory(root).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return str(root.lake) if any(root.lake.glob("*/_delta_log")) else None


@cache
def _in_store(s3: S3Location) -> LakePlace:
    patience = s3.patience_seconds
    options = {"AWS_REGION": s3.region, "conditional_put": "etag", "timeout": f"{patience}s"}
    options |= {"connect_timeout": f"{patience}s", "max_retries": "3", "retry_timeout": f"{patience}s"}
    arrow: dict[str, Any] = {"region": s3.region, "connect_timeout": patience, "request_timeout": patience}
    for name, option in (("access_key", "ACCESS_KEY_ID"), ("secret_key", "SECRET_ACCESS_KEY"), ("session_token",) * 2):
        secret = getattr(s3, name)
        if secret is not None:
            arrow[name] = options[f"AWS_{option.upper()}"] = secret.get_secret_value()
    if s3.endpoint is not None:
        address = urlsplit(s3.endpoint)
        options |= {"AWS_ENDPOINT_URL": s3.endpoint, "AWS_ALLOW_HTTP": str(address.scheme == "http").lower()}
        arrow |= {"endpoint_override": address.netloc, "scheme": address.scheme}
    files = pafs.SubTreeFileSystem(s3.folder, pafs.S3FileSystem(**arrow))
    return LakePlace(f"s3://{s3.folder}", None, s3.endpoint, options, files)
