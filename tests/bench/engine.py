"""What the engine costs: both flows through Prefect, against the seconds that the service's own work in them takes.

That is the stages, and after them what everybody may see of the cycle (overview) and its pages; what puts them before people
there is the engine's.

The engine's start (its import, its database, its own server, the first flow of all) is told apart: a server that runs
already does not pay it. A poll that finds nothing is measured without the engine, and in a process that has read
nothing yet: the flow's own code with its stages called directly.
"""

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from flows.run.engine import configure_engine
from tests.bench.common import CYCLE, Stopwatch, moments, told


def through_the_engine(root: Path, cycle: str = CYCLE) -> dict[str, Any]:
    """Run census and returns on a fresh root as a person would.

    Args:
        root: a fresh data root; the engine is settled in it and not imported yet.
        cycle: the cycle.
    """
    began = time.perf_counter()
    _first_flow()
    start = time.perf_counter() - began
    from flows import census, lrs_returns
    from flows.run import flow_run as stages
    from tests.bench.stages import in_own_process_answer

    own, flows = Stopwatch(), Stopwatch()
    for task in {id(t): t for module in (census, lrs_returns) for t in _tasks(module).values()}.values():
        task.fn = _timed(task.fn, own, task.name)
    after = {
        "overview_of": _timed(stages.overview_of, own, "overview"),
        "make_pages": _timed(stages.make_pages, own, "pages"),
    }
    sent, answered = moments(cycle)
    with mock.patch.multiple(stages, **after):
        with flows.of("census"):
            census.census(cycle=cycle, as_of=sent, data=str(root))
        in_own_process_answer(root)
        with flows.of("lrs-returns"):
            lrs_returns.lrs_returns(as_of=answered, data=str(root))
    overhead = flows.total() - own.total()
    return {
        "start_s": start,
        "flows": flows.seconds,
        "stages": own.seconds,
        "overhead_s": overhead,
        "share": overhead / flows.total(),
    }


def nothing_to_do(root: Path, cycle: str = CYCLE) -> dict[str, float]:
    """Run the returns flow's own code, without the engine, on a root where there is nothing new."""
    from flows import lrs_returns

    own = Stopwatch()
    direct = {name: _timed(task.fn, own, name) for name, task in _tasks(lrs_returns).items()}
    with mock.patch.multiple(lrs_returns, **direct):
        began = time.perf_counter()
        counts = lrs_returns.lrs_returns.fn(as_of=moments(cycle)[1], data=str(root))
        seconds = time.perf_counter() - began
    if any(counts.values()):
        raise RuntimeError(f"there was something to do: {counts}")
    return {"seconds": seconds, **own.seconds}


def _first_flow() -> None:
    from prefect import flow

    @flow(name="first", persist_result=False)
    def first() -> None:
        """Nothing: what is left is the engine's start."""

    first()


def _tasks(module: Any) -> dict[str, Any]:
    from prefect import Task

    return {name: value for name, value in vars(module).items() if isinstance(value, Task)}


def _timed(function: Callable[..., Any], watch: Stopwatch, name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        with watch.of(name):
            return function(*args, **kwargs)

    return timed


def main() -> None:
    """Tell what the engine costs on a fresh root, or what a poll with nothing new costs on a finished one."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("root", type=Path)
    options.add_argument("--cycle", default=CYCLE)
    options.add_argument("--again", action="store_true", help="the root is finished: poll it, without the engine")
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    configure_engine(str(given.root.resolve()))
    measure = nothing_to_do if given.again else through_the_engine
    told(measure(given.root.resolve(), given.cycle), given.out)


if __name__ == "__main__":
    main()
