"""What travels between a run and its workers on other machines: files of the data root, private, gone once they are read.

Over the network between the machines goes a reference alone: a name and the hash of what the file must hold. Whoever
reads compares, so that a file which another machine sees in part or as it was is not taken for the file that was meant.
A run has a folder of its own; what a worker that was lost has left there goes with the folder, at the run's end or, where
the run itself was killed, when the next one begins (`data_root.clear_parts`).
"""

import hashlib
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.io.data_root.data_root import DataRoot, make_folder, write_whole

#: A shared file system may show a new file to another machine late: how often it is looked for, and how long between.
_LOOKS, _BETWEEN_LOOKS_SECONDS = 120, 0.5


@dataclass(frozen=True)
class Staged:
    """A reference to a file in a run's folder.

    Attributes:
        name: of the file, made of a number and, for a result, its hash: nothing of a pupil.
        sha256: of its content.
    """

    name: str
    sha256: str


class NotAsStaged(OSError):
    """A staged file is not there, or holds something else, however long one waits."""


def open_staging(root: DataRoot) -> Path:
    """A new folder for what travels in one run."""
    make_folder(root.staging)
    return Path(tempfile.mkdtemp(dir=root.staging, prefix="run-"))


def close_staging(folder: Path) -> None:
    """Remove a run's folder with all that is left in it; a worker that still writes there is not waited for."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # another run's is there
        folder.parent.rmdir()


def put_call(folder: Path, number: int, content: bytes) -> Staged:
    """Write what a worker shall do.

    Raises:
        NotWritten: there is no room, or no right.
    """
    staged = Staged(f"{number:06}.call", hashlib.sha256(content).hexdigest())
    write_whole(folder / staged.name, content)
    return staged


def put_result(folder: Path, call: Staged, content: bytes) -> Staged | None:
    """Write what a worker has found: by its content, so that two workers that did the same call write the same file.

    Returns:
        The reference; None where the run is over and its folder gone.

    Raises:
        NotWritten: there is no room, or no right.
    """
    if not folder.is_dir():
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    staged = Staged(f"{Path(call.name).stem}.{sha256[:16]}.result", sha256)
    write_whole(folder / staged.name, content)
    return staged


def staged_content(folder: Path, staged: Staged) -> bytes | None:
    """Read a staged file.

    Returns:
        Its content; None where the run is over and its folder gone.

    Raises:
        NotAsStaged: it is not there, or is another, after a minute.
    """
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS_SECONDS)
        try:
            content = (folder / staged.name).read_bytes()
        except FileNotFoundError:
            if not folder.is_dir():
                return None
            continue
        if hashlib.sha256(content).hexdigest() == staged.sha256:
            return content
    raise NotAsStaged(f"{staged.name} in {folder.name} is not what was put there")


def appears(folder: Path) -> bool:
    """Whether a run's folder is here, or comes within a minute: a machine may see late that another has made it.

    To list the folder around it makes a shared file system look anew, where it remembers that nothing was there.
    """
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS_SECONDS)
        with suppress(OSError):
            if folder in folder.parent.iterdir():
                return True
    return False


def let_go_of(folder: Path, *staged: Staged) -> None:
    """Remove what has been read and is not needed again."""
    for one in staged:
        (folder / one.name).unlink(missing_ok=True)
