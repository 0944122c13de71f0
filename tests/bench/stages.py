"""The stages one after the other on a data root, without the engine: seconds, rows and peak memory of each.

They are called as the flows call them, with the workers that the flows open; between release and collect the stand-in
answers, in a process of its own and not timed.

The stages are imported where they are needed: a worker begins by importing the module that the run began with, and it
shall hold no more than a worker of `uln` does, which knows no engine.
"""

import argparse
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from schemas.lrs.profiles import all_profiles
from tasks.io.data_root.reference import authorities
from tasks.runtime.executor import IN_PLACE, Workers, workers_for
from tasks.runtime.memory import keep_memory
from tests.bench.common import CYCLE, HOME, SEED, moments, told

Counts = dict[str, int]
#: The counts that say how many rows a stage had before it: stage -> names of `stage.count`.
_ROWS = {
    "receive": ("read.records",),
    "read": ("read.records",),
    "select": ("select.records",),
    "validate": ("validate.rows",),
    "batch": ("batch.learners",),
    "release": ("release.learners",),
    "conserve": ("conserve.records",),
    "collect": ("collect.rows",),
    "merge": ("merge.learners",),
    "publish": ("publish.ulns", "publish.exceptions"),
    "snapshot": ("snapshot.learners",),
}


@dataclass
class Taken:
    """What a stage took.

    Attributes:
        seconds: by the clock that was given.
        rows: records, learners or answers, whichever the stage is about (`_ROWS`).
        peak_mib: of the stages' own process.
        worker_peak_mib: of the largest worker.
    """

    seconds: float = 0.0
    rows: int = 0
    peak_mib: float = 0.0
    worker_peak_mib: float = 0.0


@dataclass
class Run:
    """A whole cycle: what each stage took, in order, and the counts by `stage.count`."""

    stages: dict[str, Taken] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All stages together, the start of workers counted in."""
        return sum(one.seconds for one in self.stages.values())

    @property
    def peak_mib(self) -> float:
        """Of the largest process."""
        return max(max(one.peak_mib, one.worker_peak_mib) for one in self.stages.values())


def census_stages(root: Path, cycle: str, as_of: str) -> dict[str, Callable[[], Counts]]:
    """The stages of the census flow, in order."""
    from tasks.stages.batch import batch
    from tasks.stages.conserve import conserve
    from tasks.stages.read import read
    from tasks.stages.receive import receive
    from tasks.stages.release import release
    from tasks.stages.select import select
    from tasks.stages.validate import validate

    of = {"data": str(root), "cycle": cycle}
    by_la = {
        task.name: partial(_by_authority, task, as_of=as_of, **of)
        for task in (receive, read, select, validate, batch, release)
    }
    return by_la | {"conserve": partial(conserve.fn, **of)}


def returns_stages(root: Path, cycle: str, as_of: str, workers: Workers = IN_PLACE) -> dict[str, Callable[[], Counts]]:
    """The stages of the returns flow, in order."""
    from tasks.stages.collect import collect
    from tasks.stages.conserve import conserve
    from tasks.stages.merge import merge
    from tasks.stages.publish import publish
    from tasks.stages.snapshot import snapshot

    of = {"data": str(root), "cycle": cycle}
    return {
        "collect": partial(collect.fn, data=str(root), as_of=as_of),
        "merge": partial(merge.fn, data=str(root)),
        "conserve": partial(conserve.fn, **of),
        "publish": partial(_by_authority, publish, as_of=as_of, workers=workers, **of),
        "snapshot": partial(snapshot.fn, **of),
    }


def _by_authority(task: Any, **references: Any) -> Counts:
    """A stage for all authorities.

    Raises:
        RuntimeError: an authority failed; the figures would mean nothing.
    """
    las = [str(la) for la in authorities()["la_code"]]
    walked = task.fn(las=las, **references)
    if walked.faults:
        raise RuntimeError(f"{task.name}: {walked.faults}")
    total: Counts = walked.total()
    return total


def run(
    root: Path,
    cycle: str = CYCLE,
    *,
    processes: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
    answer: Callable[[Path], None] | None = None,
    memory: bool = True,
    before_each: Callable[[], None] = lambda: None,
    after_each: Callable[[str, float], None] = lambda _name, _seconds: None,
) -> Run:
    """Walk a cycle through the stages.

    Args:
        root: a fresh data root.
        cycle: the cycle.
        processes: how many workers, started by the first stage that spreads; as a run has them where None, none for 1.
        clock: what counts as time.
        answer: plays the LRS; the stand-in, in a process of its own, where None.
        memory: whether to look at it; the looking takes time of its own.
        before_each: called before each stage, and once after the last.
        after_each: called with a stage's name and what it took this time.

    Raises:
        RuntimeError: a stage tells of faults.
    """
    sent, answered = moments(cycle)
    keep_memory()
    found = Run()
    with _watched(found, clock, memory) as watch:
        for name, stage in census_stages(root, cycle, sent).items():
            before_each()
            after_each(name, watch(name, stage))
        (answer or in_own_process_answer)(root)
        with workers_for(str(root), processes) as workers:
            for name, stage in returns_stages(root, cycle, answered, workers).items():
                before_each()
                after_each(name, watch(name, stage))
    before_each()
    for name, counts in _ROWS.items():
        found.stages[name].rows = sum(found.counts[c] for c in counts)
    return found


@contextmanager
def _watched(
    found: Run, clock: Callable[[], float], memory: bool
) -> Iterator[Callable[[str, Callable[[], Any]], float]]:
    peaks = _Peaks() if memory else _NoPeaks()

    def watch(name: str, stage: Callable[[], Any]) -> float:
        peaks.begin()
        began = clock()
        counts = stage()
        seconds = clock() - began
        own, largest = peaks.end()
        taken = found.stages.setdefault(name, Taken())
        taken.seconds += seconds
        taken.peak_mib, taken.worker_peak_mib = max(taken.peak_mib, own), max(taken.worker_peak_mib, largest)
        for what, n in counts.items() if isinstance(counts, dict) else ():
            found.counts[f"{name}.{what}"] = n
        if found.counts.get(f"{name}.faults"):
            raise RuntimeError(f"{name}: {found.counts[f'{name}.faults']} faults")
        return seconds

    with peaks:
        yield watch


class _Peaks:
    """The highest resident memory of this process and of its workers within a span.

    The kernel keeps each process's high-water mark and forgets it when told to; a thread only looks now and then, for the
    sake of workers that end within the span. Where there is no /proc, the marks are those of the whole run.
    """

    _LOOK = 0.1

    def __init__(self) -> None:
        self._own, self._workers = 0.0, 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> "_Peaks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def begin(self) -> None:
        with self._lock:
            for pid in (os.getpid(), *_children()):
                _forget_peak(pid)
            self._own = self._workers = 0.0

    def end(self) -> tuple[float, float]:
        self._look()
        return self._own, self._workers

    def _look_again(self) -> None:
        while not self._stop.wait(self._LOOK):
            self._look()

    def _look(self) -> None:
        with self._lock:
            self._own = max(self._own, _peak(os.getpid()))
            self._workers = max([self._workers, *map(_peak, _children())])


class _NoPeaks(AbstractContextManager["_NoPeaks"]):
    """Looks at nothing."""

    def __exit__(self, *_: object) -> None: ...

    def begin(self) -> None: ...

    def end(self) -> tuple[float, float]:
        return 0.0, 0.0


def _children() -> list[int]:
    """The processes that this one has started."""
    pids: list[int] = []
    for task in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        try:
            pids += map(int, task.read_text(encoding="ascii").split())
        except (OSError, ValueError):
            continue
    return pids


def _peak(pid: int) -> float:
    """MiB; 0 for a process that has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        who = resource.RUSAGE_SELF if pid == os.getpid() else resource.RUSAGE_CHILDREN
        return 0.0 if Path("/proc/self").exists() else resource.getrusage(who).ru_maxrss / 1024
    marks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(marks[0]) / 1024 if marks else 0.0


def _forget_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def answer(root: Path) -> None:
    """Let the stand-in answer what stands in the outbox."""
    from tasks.rehearsal.lrs_stand_in import answer_outbox

    answer_outbox(root, profiles=all_profiles(), seed=SEED)


def in_own_process_answer(root: Path) -> None:
    """Let it answer in a process of its own."""
    # What the stand-in keeps in memory is none of the service's.
    subprocess.run([sys.executable, "-m", "tests.bench.stages", str(root), "--answer"], cwd=HOME, check=True)


def as_found(taken: Run) -> dict[str, Any]:
    """A run as a part's figures."""
    return {
        "seconds": taken.seconds,
        "peak_mib": taken.peak_mib,
        "records": taken.counts["read.records"],
        "counts": taken.counts,
        "stages": {name: asdict(one) for name, one in taken.stages.items()},
    }


def main() -> None:
    """Walk a fresh data root through a cycle and tell what each stage took."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("root", type=Path)
    options.add_argument("--cycle", default=CYCLE)
    options.add_argument("--processes", type=int)
    options.add_argument("--answer", action="store_true", help="only let the stand-in answer what was sent")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    if given.answer:
        answer(given.root)
    else:
        told(as_found(run(given.root.resolve(), given.cycle, processes=given.processes)), given.out)


if __name__ == "__main__":
    main()
