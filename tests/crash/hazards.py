"""What else may happen to a run: another at the same time, an outbox that may not be written, a disk that is full.

Each takes the acts as they were played unstopped and says what is wrong at its end; nothing where all is well.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.states import BatchState
from tasks.io.lake.lake import Lake
from tests.crash.acts import Played, differing, ended
from tests.crash.processes import Ended, aside, started, uln, waited

NOBODY = 65534
#: What a run may say whose disk is full or whose outbox is closed: a sentence, and that it may be run again.
_FAILED = 1


def two_at_once(played: dict[str, Played], home: Path) -> list[str]:
    """Two runs of one cycle begin at the same moment: one waits, and finds nothing to do."""
    act = played["census"]
    with _copy(act.start, home) as root:
        both = [started(*act.act.command, root=root) for _ in range(2)]
        ends = waited(*both)
        return [*_failed(*ends), *differing(aside(ended, root), act.end)]


def census_during_returns(played: dict[str, Played], home: Path) -> list[str]:
    """A census begins while answers are merged: it ends as if one had come after the other."""
    returns, census = played["returns"], played["census-again"]
    with _copy(returns.start, home) as root, _copy(returns.start, home) as other:
        for one in (root, other):
            aside(census.act.before, one)
        both = [started(*one.act.command, root=root) for one in (returns, census)]
        ends = waited(*both)
        reverse = [uln(*one.act.command, root=other) for one in (census, returns)]
        found = aside(ended, root)
        # Whichever has come first.
        wrong = min(differing(found, census.end), differing(found, aside(ended, other)), key=len)
        return [*_failed(*ends, *reverse), *wrong]


def closed_outbox(played: dict[str, Played], home: Path) -> list[str]:
    """The outbox is another account's and may not be written: nothing counts as sent, and all goes once it may.

    One of its own the service would give its rights back as it begins.
    """
    act = played["census"]
    with _copy(act.start, home) as root:
        outbox = root / "lrs" / "outbox"
        stopped = uln(*act.act.command, root=root, first=_as_nobody(home, but=outbox))
        wrong = _told_once(stopped)
        states = set(aside(_states, root))
        if states != {BatchState.READY.value} or list(outbox.iterdir()):
            wrong.append(f"batches are {states}, the outbox holds {len(list(outbox.iterdir()))}")
        if not list(root.glob("reports/*/faults/release-*")):
            wrong.append("there is no evidence")
        again = uln(*act.act.command, root=root, first=_as_nobody(home))
        shutil.rmtree(root / "reports" / "2012-01" / "faults", ignore_errors=True)
        return [*wrong, *_failed(again), *differing(aside(ended, root), act.end)]


def full_disk(played: dict[str, Played], home: Path) -> list[str]:
    """A real file system that is too small, by ever less, until the run ends on it."""
    act = played["census"]
    wrong: list[str] = []
    failures = 0
    for more in range(0, 4096, 32):
        with _small_disk(home) as (disk, grow):
            root = disk / "root"
            shutil.copytree(act.start, root)
            used = sum(-(-p.stat().st_size // 4096) * 4 for p in disk.rglob("*"))
            grow(used + more)
            stopped = uln(*act.act.command, root=root)
            if stopped.status == 0:
                break
            failures += 1
            wrong += [f"{more} KiB: {one}" for one in _told_once(stopped)]
            grow(used + 65536)
            again = uln(*act.act.command, root=root)
            shutil.rmtree(root / "reports" / "2012-01" / "faults", ignore_errors=True)
            wrong += [f"{more} KiB: {one}" for one in (*_failed(again), *differing(aside(ended, root), act.end))]
    return wrong if failures > 2 else [*wrong, f"only {failures} disks were too small"]


HAZARDS: dict[str, Callable[[dict[str, Played], Path], list[str]]] = {
    one.__name__.replace("_", "-"): one for one in (two_at_once, census_during_returns, closed_outbox, full_disk)
}


def impossible(name: str) -> str:
    """Why a hazard cannot be played here; empty where it can."""
    reasons = {
        "full-disk": "a small file system can be mounted by root alone",
        "closed-outbox": "a folder can be given to another account by root alone",
    }
    return reasons.get(name, "") if os.getuid() else ""


def _failed(*ends: Ended) -> list[str]:
    return [f"ended with {end.status}: {end.said[-500:]}" for end in ends if end.status]


def _told_once(end: Ended) -> list[str]:
    """A run that could not go on says so in a sentence, and fails."""
    wrong = [] if end.status == _FAILED else [f"ended with {end.status} instead of {_FAILED}"]
    if "Traceback" in end.said or ("uln:" not in end.said and "reports/" not in end.said):
        wrong.append(f"said: {end.said[-1500:]}")
    return wrong


def _states(root: Path) -> list[str]:
    return list(Lake(root / "lake").read("batches", ["state"])["state"])


@contextmanager
def _copy(start: Path, home: Path) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(dir=home))
    try:
        yield Path(shutil.copytree(start, root, dirs_exist_ok=True))
    finally:
        shutil.rmtree(root)


def _as_nobody(home: Path, but: Path | None = None) -> Callable[[], None]:
    """Root may write anywhere; so the command is nobody's, and all that it needs is too, but for one folder."""

    def become() -> None:
        for path in (home.parent, *home.parent.rglob("*")):
            if path != but:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    return become


@contextmanager
def _small_disk(home: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A file system in memory, and a way to give it another size, in KiB."""
    disk = Path(tempfile.mkdtemp(dir=home))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)

    def grow(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)

    try:
        yield disk, grow
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()
