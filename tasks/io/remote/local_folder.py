"""The transport for a folder of this machine, or of a share that it has mounted."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.texts.catalogue import Bilingual, bilingual
from tasks.io.data_root.data_root import NOTHING_DONE
from tasks.io.remote.transport import Rejected, Seen, Transport, part_name


class LocalFolder(Transport):
    """A folder of this machine."""

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Rejected(_message_of(self.shown, error)) from error

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """List the folder without its links."""
        listed: dict[str, Seen | None] = {}
        with self._translate_errors(), os.scandir(self._at(folder)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    listed[entry.name] = None
                elif entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # removed since the listing began
                        status = entry.stat(follow_symlinks=False)
                        listed[entry.name] = Seen(status.st_size, str(status.st_mtime_ns))
        return listed

    def content(self, path: str, most: int = -1) -> bytes | None:
        """Read the file."""
        with self._translate_errors(), suppress(FileNotFoundError), Path(self._at(path)).open("rb") as file:
            return file.read(most)
        return None

    def put_new(self, path: str, data: bytes) -> None:
        """Write under a hidden name, then link once: a link never replaces a file."""
        with self._translate_errors():
            part = self._write_part(path, data)
        try:
            os.link(part, self._at(path))
        except OSError as fault:
            if fault.errno in NOTHING_DONE:
                raise Rejected(_message_of(self.shown, fault)) from fault
            # After any other error the file may be there: a share may have lost its answer. "File exists" may mean ours.
            self._confirm_put(path, data, fault)
        finally:
            with suppress(OSError):  # the next hand-over removes a part that is left
                part.unlink(missing_ok=True)

    def put(self, path: str, data: bytes) -> None:
        """Write under a hidden name, then rename once."""
        with self._translate_errors():
            Path(self._at(path)).parent.mkdir(parents=True, exist_ok=True)
            self._write_part(path, data).replace(self._at(path))

    def _write_part(self, path: str, data: bytes) -> Path:
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
        """Remove the file; a missing one is no fault."""
        with self._translate_errors():
            Path(self._at(path)).unlink(missing_ok=True)

    def close(self) -> None:
        """There is no connection."""


def _message_of(shown: str, error: OSError) -> Bilingual:
    """Return the message for the error number of the system."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return bilingual("fault.way_denied", way=shown)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return bilingual("fault.way_no_folder", way=shown)
    return bilingual("fault.way_not_taken", way=shown)
