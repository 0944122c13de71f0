"""Stage tasks: each stage is a Prefect task with a name, a run name and the error boundary.

A stage takes references. Some stages also take the run's workers and a progress callback, live objects of the run's own
process. The engine keeps only the names of a task's parameters: because a stage's result is not persisted, Prefect neither
hashes nor stores their values.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.states import Failed

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import TransientFault
from tasks.runtime.chunks import Counts, StageResult
from tasks.runtime.error_boundary import error_boundary
from tasks.runtime.memory import release_memory
from tasks.runtime.run_log import log_stage
from tasks.runtime.visibility import sentence

#: Seconds before each new try of a stage.
RETRY_SECONDS = [5.0, 30.0]


def over_all_tries(before: dict[str, Counts], now: dict[str, Counts]) -> dict[str, Counts]:
    """Add up counts by authority over the tries of a stage that counts only new items; faults are the last try's."""
    counts = {la: dict(of_la) for la, of_la in before.items()}
    for la, of_la in now.items():
        earlier = counts.get(la, {})
        counts[la] = {name: n if name == "faults" else earlier.get(name, 0) + n for name, n in of_la.items()}
    return counts


def stage_task(
    name: str, run_name: str, *, retried: bool = False, counts_new: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Make a stage of a function: a Prefect task with the given name and run name, and the error boundary.

    Args:
        name: the stage's word, the same in code, tables and reports.
        run_name: template over the function's parameters, references only.
        retried: whether the engine tries the stage again if our storage was unreachable or busy. Only for a stage that
            may be repeated and writes only below the data root; never for one that hands anything over.
        counts_new: whether a try counts only what earlier tries left, as receive and read do. The run then adds up all
            tries.
    """

    def wrap(function: Callable[..., Any]) -> Any:
        def attempt(*args: Any, **kwargs: Any) -> Any:
            arguments = {**dict(zip(function.__code__.co_varnames, args, strict=False)), **kwargs}
            cycle, data = str(arguments.get("cycle", "returns")), str(arguments["data"])
            began = time.monotonic()
            done = error_boundary(lambda: function(*args, **kwargs), data=data, cycle=cycle, stage=name)
            log_stage(name, cycle, int((time.monotonic() - began) * 1000))
            release_memory()
            return done

        @functools.wraps(function)
        def stage(*args: Any, **kwargs: Any) -> Any:
            if TaskRunContext.get() is None:
                return attempt(*args, **kwargs)
            # Tried again here, not by Prefect: its next try would not know the counts of the one before.
            before: dict[str, Counts] = {}
            for seconds in [*(RETRY_SECONDS if retried else ()), None]:
                try:
                    done = attempt(*args, **kwargs)
                except TransientFault as fault:
                    if seconds is None:
                        raise
                    faults = [str(fault)]
                else:
                    if counts_new:
                        done.counts = before = over_all_tries(before, done.counts)
                    if seconds is None or not _is_worth_retry(done):
                        return _as_state(name, done)
                    faults = list(done.faults.values())
                _log_retry(name, faults, seconds)
                time.sleep(seconds)
            raise AssertionError("the last try returns or raises")

        stage_of: Any = task(name=name, task_run_name=run_name, persist_result=False, log_prints=False)(stage)
        stage_of.retried = retried
        return stage_of

    return wrap


def _is_worth_retry(done: Any) -> bool:
    return isinstance(done, StageResult) and bool(done.faults) and done.is_transient


def _log_retry(name: str, faults: list[str], seconds: float) -> None:
    """Log why a stage is tried again: the next try may leave no other trace of these faults."""
    again = bilingual("log.retry", stage=name, seconds=int(seconds))
    for fault in faults:
        get_run_logger().warning("%s: %s (%s)", name, sentence(fault), again)


def _as_state(name: str, done: Any) -> Any:
    """Return a Failed state that names the authorities with faults: red on the dashboard, but the flow gets the result."""
    if isinstance(done, StageResult) and done.faults:
        return Failed(message=f"{name}: {', '.join(done.faults)}", data=done)
    return done
