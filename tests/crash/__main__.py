"""`python -m tests.crash`: each act stopped at each of its points, and run again until it ends (`make crash`).

The last line counts the points that were tried, and at how many of them something differs at the end from what stands
there when nothing was stopped; the exit code is 1 where there is one.
"""

import argparse
import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.crash import far, service
from tests.crash.acts import ACTS, ACTS_BY_SERVICE, Act, Played, decide_to_send, differing, ended, unknown_to_the_lrs
from tests.crash.hazards import HAZARDS, impossible
from tests.crash.points import FULL, KILLED, TEARABLE, TORN, Point, Stop, stands, unseen
from tests.crash.processes import aside, engine, load, load_also, uln

_KILL = -9


@dataclass(frozen=True)
class Tried:
    """What came of one stop.

    Attributes:
        act: the act's name.
        how: killed, torn, full.
        at: the number of the point.
        point: as the stopped process met it.
        waited: batches that waited for a person, as it is meant: nobody knows whether they were handed over.
        wrong: what was not as it should be.
    """

    act: str
    how: str
    at: int
    point: Point | None
    waited: int = 0
    wrong: list[str] = field(default_factory=list)


def play(home: Path, acts: Sequence[Act] = ACTS) -> list[Played]:
    """Play acts, one upon the other, keeping what stood before each.

    Raises:
        RuntimeError: a command failed, or changed a file though no point was noticed.
    """
    played = []
    root = home / "unstopped"
    for act in acts:
        aside(far.before, act.before, root)
        start = Path(shutil.copytree(root, home / f"before-{act.name}"))
        before = stands(root)
        with service.standing(root):
            done = uln(*act.command, root=root)
        if done.status:
            raise RuntimeError(f"{act.name}: {done.said}")
        load_also(done.loaded)
        missed = unseen(before, stands(root), done.points)
        if missed:
            raise RuntimeError(f"{act.name}: changed without a point: {missed}")
        played.append(Played(act, start, done.points, aside(ended, root)))
    return played


def stops(played: Played) -> Iterator[Stop]:
    """Every way of stopping at every point of an act."""
    for at, point in enumerate(played.points):
        yield Stop(at, KILLED)
        if point.kind in TEARABLE:
            yield Stop(at, TORN)
        if point.kind in ("open", "os.mkdir", "commit"):
            yield Stop(at, FULL)


def attempt(played: Played, stop: Stop, home: Path) -> Tried:
    """Stop an act's command once, run it again until it ends, and hold what stands there against the unstopped act."""
    root = Path(tempfile.mkdtemp(dir=home))
    try:
        shutil.copytree(played.start, root, dirs_exist_ok=True)
        with service.standing(root):
            return _attempted(played, stop, root)
    finally:
        shutil.rmtree(root)


def _attempted(played: Played, stop: Stop, root: Path) -> Tried:
    wrong: list[str] = []
    stopped = uln(*played.act.command, root=root, stop=stop)
    expected = (1,) if stop.how == FULL else (_KILL,)
    if stopped.status not in expected:
        wrong.append(f"stopped with {stopped.status} instead of {expected}: {stopped.said[-500:]}")
    if "Traceback" in stopped.said:
        wrong.append(f"a traceback on the terminal: {stopped.said[-1500:]}")
    unknown = aside(unknown_to_the_lrs, root)
    again = uln(*played.act.command, root=root)
    if again.status:
        wrong.append(f"the next run ended with {again.status}: {again.said[-500:]}")
    waiting = aside(unknown_to_the_lrs, root)
    if waiting != unknown:
        wrong.append(f"wait for a person: {waiting}, and should: {unknown}")
    if waiting:
        aside(decide_to_send, root)
        again = uln(*played.act.command, root=root)
    found = differing(aside(ended, root), played.end)
    heard = aside(service.waiting, root) if service.in_use() else []
    if heard:
        # It stays with a person until its answers come, who is told; all else is as if nothing had been.
        if any(name not in again.said for name in aside(service.unconfirmed, root)):
            wrong.append(f"nobody is told that a batch waits: {again.said[-500:]}")
        found = [name for name in found if not service.says_where_batches_are(name, heard)]
    wrong += [f"differs: {name}" for name in found]
    point = stopped.points[-1] if stopped.points else None
    return Tried(played.act.name, stop.how, stop.at, point, len(waiting), wrong)


def _attempt(given: tuple[Played, Stop, Path]) -> Tried:
    return attempt(*given)


#: What the everyday tests try: the hand-over before and after its file stands, a table's first commit, a full disk.
_SAMPLE = (
    ("census", KILLED, "os.rename", "lrs/outbox/"),
    ("census", TORN, "commit", "lake/batches"),
    ("returns", TORN, "os.rename", "snapshots/"),
    ("returns", FULL, "open", "dewi/outbox/"),
)


#: And where the folders are elsewhere: before a batch has its name there and right after, as files come and go.
_SAMPLE_BY_SFTP = (
    ("census", KILLED, "sftp.rename", "far/lrs/outbox/"),
    ("census", KILLED, "sftp.open", "far/lrs/outbox/"),
    ("returns", KILLED, "os.rename", "lrs/inbox/"),
    ("returns", KILLED, "sftp.posix_rename", "far/dewi/outbox/"),
)
#: And where batches go by the web service: before a call and after its answer, and once its job was kept.
_SAMPLE_BY_SERVICE = (
    ("census", KILLED, "soap.call", service.JOBS.as_posix()),
    ("census", KILLED, "soap.heard", service.JOBS.as_posix()),
    ("census", KILLED, "commit", "lake/lrs_jobs"),
    ("returns", KILLED, "os.rename", "lrs/inbox/"),
)
_SAMPLES = {"folders": _SAMPLE, "sftp": _SAMPLE_BY_SFTP, "soap": _SAMPLE_BY_SERVICE}


def sample(played: list[Played], kinds: tuple[tuple[str, str, str, str], ...]) -> list[tuple[Played, Stop]]:
    """One stop of each kind, the first of its kind."""
    found = []
    for name, how, kind, below in kinds:
        act = next(one for one in played if one.act.name == name)
        at = next(n for n, p in enumerate(act.points) if p.kind == kind and p.paths[0].startswith(below))
        found.append((act, Stop(at, how)))
    return found


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", action="store_true", help="a few points, and of the hazards the first")
    parser.add_argument("--act", choices=[act.name for act in ACTS], help="only this one")
    parser.add_argument("--at", type=int, nargs="*", help="only these points")
    parser.add_argument("--how", choices=[KILLED, TORN, FULL], help="only so")
    parser.add_argument("--hazard", nargs="*", choices=list(HAZARDS), default=list(HAZARDS), help="only these")
    parser.add_argument("--via", choices=list(_SAMPLES), default="folders", help="how all is handed over")
    parser.add_argument("--lanes", type=int, default=2, help="commands that run at once")
    parser.add_argument("--report", type=Path, help="a file for the points of each act and what came of each, in JSON")
    chosen = parser.parse_args()
    # Whoever ends it ends its server, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        home = Path(folder)
        for name in ("engine", "client", "roots", "certificates"):
            (home / name).mkdir()
        if chosen.via == "soap":
            service.use(home / "certificates")
        acts = ACTS_BY_SERVICE if chosen.via == "soap" else ACTS
        (home / "machine").mkdir()
        with (
            far.machine(home / "machine") if chosen.via == "sftp" else nullcontext(),
            engine(home / "engine") as address,
        ):
            load(home / "client", address)
            played = play(home, acts[:2] if chosen.sample else acts)
            _say(f"{', '.join(f'{one.act.name} {len(one.points)} points' for one in played)}; {_since(began)}")
            work = (
                sample(played, _SAMPLES[chosen.via])
                if chosen.sample
                else [(one, stop) for one in played for stop in stops(one)]
            )
            wanted = [
                (one, stop, home / "roots")
                for one, stop in work
                if chosen.act in (None, one.act.name)
                and chosen.how in (None, stop.how)
                and (chosen.at is None or stop.at in chosen.at)
            ]
            # A lane that is lost is told; multiprocessing's own pool would wait for it for ever.
            with ProcessPoolExecutor(chosen.lanes, multiprocessing.get_context("fork")) as lanes:
                begun = [lanes.submit(_attempt, one) for one in wanted]
                found = [_told(n, one.result()) for n, one in enumerate(as_completed(begun), 1)]
            _say(f"{sum(bool(one.waited) for one in found)} stops left a hand-over to a person; {_since(began)}")
            hazards = {
                name: _met(name, played, home / "roots")
                for name in chosen.hazard[: 1 if chosen.sample else None]
                if chosen.via == "folders"
            }
    if chosen.report:
        points = {one.act.name: [asdict(point) for point in one.points] for one in played}
        report = {"acts": points, "tried": [asdict(one) for one in found], "hazards": hazards}
        chosen.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    differences = sum(bool(one.wrong) for one in found) + sum(bool(wrong) for wrong in hazards.values())
    _say(f"{len(hazards)} hazards; {_since(began)}")
    _say(f"crash: {len(found)} points tried, {differences} differences")
    return int(differences > 0 or not found)


def _met(name: str, played: list[Played], home: Path) -> list[str]:
    """What was wrong at the end of a hazard."""
    if impossible(name):
        _say(f"{name}: NOT PLAYED, {impossible(name)}")
        return []
    wrong = HAZARDS[name]({one.act.name: one for one in played}, home)
    _say(f"{name}: {'as it should be' if not wrong else ''}", *(f"  {line}" for line in wrong))
    return wrong


def _told(n: int, tried: Tried) -> Tried:
    if n % 50 == 0:
        _say(f"{n} tried")
    if tried.wrong:
        where = f"{tried.point.kind} {' '.join(tried.point.paths)} by {tried.point.by}" if tried.point else "nowhere"
        _say(f"{tried.act} {tried.how} at {tried.at}, {where}:", *(f"  {line}" for line in tried.wrong))
    return tried


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
