"""A folder of this machine, or on a share mounted here."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.texts.catalogue import Bilingual, bilingual
from tasks.io.data_root.data_root import NOTHING_DONE
from tasks.io.remote.transport import Rejected, Seen, Transport, part_name


class _File(Transport):
    """A folder of this machine, or of a share that it has mounted."""

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as refused:
            raise Rejected(_of_errno(self.shown, refused)) from refused

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        listed: dict[str, Seen | None] = {}
        with self._told(), os.scandir(self._at(folder)) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    listed[one.name] = None
                elif one.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # it was taken away just now
                        there = one.stat(follow_symlinks=False)
                        listed[one.name] = Seen(there.st_size, str(there.st_mtime_ns))
        return listed

    def fetch(self, path: str, into: Path, most: int) -> None:
        try:
            with Path(self._at(path)).open("rb") as file:
                content = file.read(most)
        except FileNotFoundError:
            raise
        except OSError as refused:
            raise Rejected(_of_errno(self.shown, refused)) from refused
        into.write_bytes(content)

    def content(self, path: str) -> bytes | None:
        with self._told():
            file = Path(self._at(path))
            return file.read_bytes() if file.exists() else None

    def put_new(self, path: str, data: bytes) -> None:
        with self._told():
            part = self._written(path, data)
        try:
            os.link(part, self._at(path))
        except OSError as fault:
            if fault.errno in NOTHING_DONE:
                raise Rejected(_of_errno(self.shown, fault)) from fault
            # Of a share, any other answer may stand for one that was lost: also that a file is there, which may be ours.
            self._settled(path, data, fault)
        finally:
            with suppress(OSError):  # what is left of it, the next hand-over puts away
                part.unlink(missing_ok=True)

    def put(self, path: str, data: bytes) -> None:
        with self._told():
            Path(self._at(path)).parent.mkdir(parents=True, exist_ok=True)
            self._written(path, data).replace(self._at(path))

    def _written(self, path: str, data: bytes) -> Path:
        part = Path(self._at(path)).parent / part_name()
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def remove(self, path: str) -> None:
        with self._told():
            Path(self._at(path)).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held."""


def _of_errno(shown: str, refused: OSError) -> Bilingual:
    """What a system's own number says."""
    if refused.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return bilingual("fault.way_denied", way=shown)
    if refused.errno in (errno.ENOENT, errno.ENOTDIR):
        return bilingual("fault.way_no_folder", way=shown)
    return bilingual("fault.way_not_taken", way=shown)
