"""The instrument: every change of a data root is a point, found where Python or the Delta library makes it.

No list is kept of what the service writes. Python itself says so before it opens a file for writing, renames, removes,
makes a folder, and so on (`sys.addaudithook`); the Delta library writes past Python, so each of its calls is looked at:
one that has left an entry in a table's log is a commit. What neither sees, a file written by other native code, is
found by `unseen`, which holds the folders as they were against what was noticed.

A process can be stopped at a point in these ways:

- KILLED: by SIGKILL, before Python's change, after a commit. Nothing else changes between two points, so that before a
  change is after the one before it; the last point of all is the end of the command.
- TORN: by SIGKILL in the middle: the file is opened and nothing in it; half of what shall be renamed is written; the
  data of a commit stand there, its entry in the log does not (it is staged, as the library leaves it).
- FULL: the disk is full from here on, nothing more can be written.
"""

import contextlib
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake.table
import deltalake.writer.writer

from tests.crash import far, service
from tests.support.paths import PROJECT

KILLED, TORN, FULL = "killed", "torn", "full"
#: What the engine keeps there for itself, and what runs tell of themselves: nothing is decided by either.
ASIDE = ("prefect", "logs")
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Python's events, and which of their arguments are paths, each with the place of the folder that it is relative to.
_EVENTS = {
    "open": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
}
_COMMIT, _END = "commit", "end"
#: Who makes changes on another machine; from a thread of its library.
_BY_SFTP = "tasks/io/remote/sftp.py"
#: What can be stopped in its middle.
TEARABLE = frozenset({"open", "os.rename", _COMMIT})


@dataclass(frozen=True)
class Point:
    """A change of a data root.

    Attributes:
        kind: Python's name for it, `commit`, or `end`.
        paths: what is changed, relative to the data root; of a commit the table's folder.
        by: the file of the project, relative to it, whose code made the change.
    """

    kind: str
    paths: tuple[str, ...]
    by: str


@dataclass(frozen=True)
class Stop:
    """Where and how a process is stopped: at its n-th point, from 0."""

    at: int
    how: str


def watch(root: Path, met: Callable[[Point], None], stop: Stop | None = None) -> Callable[[], None]:
    """From now on notice every change of a data root by this process; for the rest of its life.

    Args:
        root: the data root.
        met: is told each point before it is passed.
        stop: where to stop.

    Returns:
        Call it at the end of the command: the last point.
    """
    instrument = _Instrument(root.resolve(), met, stop)
    sys.addaudithook(instrument.heard)
    deltalake.table.RawDeltaTable = _watched_table(instrument)
    deltalake.writer.writer.write_deltalake_rust = instrument.committing(deltalake.writer.writer.write_deltalake_rust)
    if far.in_use():
        far.watch(root.resolve(), lambda kind, paths: instrument.pass_by(kind, paths, by=_BY_SFTP))
    if service.in_use():
        service.watch(lambda kind, paths: instrument.pass_by(kind, paths, by=service.BY))
    return lambda: instrument.pass_by(_END, ())


class _Instrument:
    def __init__(self, root: Path, met: Callable[[Point], None], stop: Stop | None) -> None:
        self.root, self._met, self._stop = root, met, stop
        self._passed = 0
        self._busy = False

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit hook: the change is made when this returns."""
        places = _EVENTS.get(event)
        if places is None or self._busy:
            return
        if event == "open" and (isinstance(arguments[0], int) or not arguments[2] & _FOR_WRITING):
            return  # it is read, or was opened before
        found = [self._place(arguments, path, folder) for path, folder in places]
        paths = tuple(path for path in found if path is not None)
        if paths and self._changes(event, paths):
            self.pass_by(event, paths)

    def _place(self, arguments: tuple[Any, ...], at: int, folder: int | None) -> str | None:
        """A path of the data root, relative to it; None for any other."""
        given = arguments[at]
        path = _behind(given) if isinstance(given, int) else Path(os.fsdecode(given))
        within = arguments[folder] if folder is not None else -1
        base = _behind(within) if isinstance(within, int) and within >= 0 else Path.cwd()
        # Not resolved: the change is made to a link, where it is one.
        path = Path(os.path.normpath(base / path))
        if not path.is_relative_to(self.root) or path == self.root:
            return None
        relative = path.relative_to(self.root)
        return None if relative.parts[0] in ASIDE else relative.as_posix()

    def _changes(self, event: str, paths: tuple[str, ...]) -> bool:
        """A folder that is there, or whose own is not, is not made; what is not there is not removed."""
        path = self.root / paths[0]
        there = os.path.lexists(path)
        if event == "os.mkdir":
            return not there and path.parent.is_dir()
        return there or event not in ("os.remove", "os.rmdir")

    def committing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A call of the Delta library, after which is looked whether it has committed."""

        def watched(*given: Any, **named: Any) -> Any:
            before = self._log()
            done = call(*given, **named)
            new = sorted(self._log() - before)
            if new:
                self.pass_by(_COMMIT, (Path(new[0]).parents[1].as_posix(),), new)
            return done

        return watched

    def _log(self) -> set[str]:
        entries = (self.root / "lake").glob("*/_delta_log/*")
        return {entry.relative_to(self.root).as_posix() for entry in entries if "#" not in entry.name}

    def pass_by(self, kind: str, paths: tuple[str, ...], new: list[str] | None = None, by: str | None = None) -> None:
        """A point: tell it, and stop there if this is where to."""
        self._busy = True
        try:
            self._met(Point(kind, paths, by or _whose()))
            here = self._stop is not None and self._stop.at == self._passed
            self._passed += 1
            if self._stop is None:
                return
            if here and self._stop.how == TORN:
                self._tear(kind, paths, new or [])
            if here and self._stop.how in (KILLED, TORN):
                os.kill(os.getpid(), signal.SIGKILL)
            if here and self._stop.how == FULL:
                # What writes past Python meets its end here.
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            if self._stop.how == FULL and self._passed > self._stop.at and kind in ("open", "os.mkdir"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.root / paths[0]))
        finally:
            self._busy = False

    def _tear(self, kind: str, paths: tuple[str, ...], new: list[str]) -> None:
        first = self.root / paths[0]
        if kind == "open":
            os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        elif kind == "os.rename":
            os.truncate(first, first.stat().st_size // 2)
        elif kind == _COMMIT:
            for entry in new:
                (self.root / entry).rename(self.root / f"{entry}#1")


def _behind(handle: int) -> Path:
    """What a file handle has open."""
    return Path(f"/proc/self/fd/{handle}").readlink()


def _whose() -> str:
    """The innermost file of the project, beside this one, that is being executed."""
    frame = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PROJECT) and "site-packages" not in path.parts and path.parent != Path(__file__).parent:
            return path.relative_to(PROJECT).as_posix()
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def _watched_table(instrument: _Instrument) -> type:
    """The library's table, with each of its calls looked at."""
    raw = deltalake.table.RawDeltaTable

    class Watched:
        def __init__(self, *given: Any, **named: Any) -> None:
            self._raw = raw(*given, **named)

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._raw, name)
            return instrument.committing(found) if callable(found) else found

    for name, member in vars(raw).items():
        if isinstance(member, staticmethod):
            setattr(Watched, name, staticmethod(getattr(raw, name)))
    return Watched


def stands(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below a data root but the engine's: its number and when it was last written."""
    found = {}
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        with contextlib.suppress(FileNotFoundError):
            if relative.parts[0] not in ASIDE and path.is_file():
                found[relative.as_posix()] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def unseen(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], points: list[Point]) -> list[str]:
    """The files that have changed though no point says so, sorted."""
    named = {path for point in points for path in point.paths}
    # The jobs are written by the LRS.
    written = (_COMMIT, "soap.call")
    tables = tuple(f"{path}/" for point in points if point.kind in written for path in point.paths)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return sorted(path for path in changed - named if not path.startswith(tables))
