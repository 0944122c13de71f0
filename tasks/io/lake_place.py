"""Where the lake lies: the data root's own folder, another folder, or a part of an S3-compatible store (`schemas.ways`).

Two libraries look at it: the lake's own, which commits, by an address and options; and Arrow, which reads files. A commit is
one put that fails where something stands already (`If-None-Match`), so the store must honour it; then two writers at once
never take each other's commit away.

Belongs here: the address, and what opens the door. Does not belong here: tables (`lake`).
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from schemas.ways import FileWay, S3Way, ways_of
from tasks.io.data_root import DataRoot


@dataclass(frozen=True)
class LakePlace:
    """A place for tables; two are one where their addresses are.

    Attributes:
        uri: its address; no credential stands in it.
        folder: of this machine; None where it is none.
        options: what the lake's library needs besides.
        files: for Arrow; paths are below the place.
    """

    uri: str
    folder: Path | None
    options: dict[str, str] | None = field(default=None, compare=False, repr=False)
    files: Any = field(default=None, compare=False, repr=False)

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
        ConfigurationFault: what is said of the ways is wrong.
    """
    way = ways_of(root.reference).lake
    if way is None:
        return folder_place(root.lake)
    return folder_place(Path(way.folder)) if isinstance(way, FileWay) else _in_store(way)


@cache
def _in_store(way: S3Way) -> LakePlace:
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
    return LakePlace(f"s3://{way.folder}", None, options, files)
