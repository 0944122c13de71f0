"""`python -m tests.crash`: each act stopped at each of its points, and run again until it ends (`make crash`).

The last line counts the points that were tried, and at how many of them something differs at the end from what stands
there when nothing was stopped; the exit code is 1 where there is one.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.crash.acts import ACTS, Act, decide_to_send, differing, ended, unknown_to_the_lrs
from tests.crash.points import FULL, KILLED, TEARABLE, TORN, Point, Stop, stands, unseen
from tests.crash.processes import aside, engine, load, uln

_KILL = -9


@dataclass(frozen=True)
class Played:
    """An act that nobody stopped.

    Attributes:
        act: the act.
        start: the data root before its command.
        points: that its command passed.
        end: what stood at its end.
    """

    act: Act
    start: Path
    points: list[Point]
    end: dict[str, str]


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


def play(home: Path) -> list[Played]:
    """Play all acts, one upon the other, keeping what stood before each.

    Raises:
        RuntimeError: a command failed, or changed a file though no point was noticed.
    """
    played = []
    root = home / "unstopped"
    for act in ACTS:
        aside(act.before, root)
        start = Path(shutil.copytree(root, home / f"before-{act.name}"))
        before = stands(root)
        done = uln(*act.command, root=root)
        if done.status:
            raise RuntimeError(f"{act.name}: {done.said}")
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
    wrong: list[str] = []
    try:
        shutil.copytree(played.start, root, dirs_exist_ok=True)
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
        wrong += [f"differs: {name}" for name in differing(aside(ended, root), played.end)]
        point = stopped.points[-1] if stopped.points else None
        return Tried(played.act.name, stop.how, stop.at, point, len(waiting), wrong)
    finally:
        shutil.rmtree(root)


def _attempt(given: tuple[Played, Stop, Path]) -> Tried:
    return attempt(*given)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--act", choices=[act.name for act in ACTS], help="only this one")
    parser.add_argument("--at", type=int, nargs="*", help="only these points")
    parser.add_argument("--how", choices=[KILLED, TORN, FULL], help="only so")
    parser.add_argument("--lanes", type=int, default=2, help="commands that run at once")
    parser.add_argument("--report", type=Path, help="a file for what came of each point, a line of JSON each")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        home = Path(folder)
        for name in ("engine", "client", "roots"):
            (home / name).mkdir()
        with engine(home / "engine") as address:
            load(home / "client", address)
            sys.stdout.write(f"ready after {time.monotonic() - began:.0f} s\n")
            played = play(home)
            sys.stdout.write(f"played after {time.monotonic() - began:.0f} s: {[len(p.points) for p in played]}\n")
            work = [
                (one, stop, home / "roots")
                for one in played
                if chosen.act in (None, one.act.name)
                for stop in stops(one)
                if chosen.how in (None, stop.how) and (chosen.at is None or stop.at in chosen.at)
            ]
            with multiprocessing.get_context("fork").Pool(chosen.lanes) as lanes:
                found = [_told(tried) for tried in lanes.imap_unordered(_attempt, work)]
    if chosen.report:
        chosen.report.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found), encoding="utf-8")
    differences = sum(bool(one.wrong) for one in found)
    waited = sum(bool(one.waited) for one in found)
    sys.stdout.write(f"{waited} points left a hand-over to a person; {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(f"crash: {len(found)} points tried, {differences} differences\n")
    return int(differences > 0 or not found)


def _told(tried: Tried) -> Tried:
    if tried.wrong:
        where = f"{tried.point.kind} {' '.join(tried.point.paths)} by {tried.point.by}" if tried.point else "nowhere"
        sys.stdout.write(f"{tried.act} {tried.how} at {tried.at}, {where}:\n")
        sys.stdout.writelines(f"  {line}\n" for line in tried.wrong)
        sys.stdout.flush()
    return tried


if __name__ == "__main__":
    sys.exit(main())
