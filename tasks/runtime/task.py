"""Stage tasks: each stage is a Prefect task with a name, a run name and the error boundary."""

import functools
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect import task
from prefect.context import TaskRunContext
from prefect.states import Failed

from schemas.texts.faults import PassingFault
from tasks.runtime.chunks import Counts, Walked
from tasks.runtime.error_boundary import within
from tasks.runtime.memory import give_back
from tasks.runtime.run_log import stage_done

#: After how many seconds a stage is tried again.
RETRY_SECONDS = [5.0, 30.0]


def _may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Whether what ended a try may pass, as the engine asks before it tries again."""
    return isinstance(state.data, PassingFault)


#: What the tries before this one did, by task run, of stages that count what is new; gone when the run has its next try.
_tries_before: dict[UUID, dict[str, Counts]] = {}


def with_tries_before(before: dict[str, Counts], now: dict[str, Counts]) -> dict[str, Counts]:
    """Counts by authority over all tries of a stage that counts what is new; faults are those that are left."""
    counts = {la: dict(own) for la, own in before.items()}
    for la, own in now.items():
        earlier = counts.get(la, {})
        counts[la] = {name: n if name == "faults" else earlier.get(name, 0) + n for name, n in own.items()}
    return counts


def stage_task(
    name: str, run_name: str, *, retried: bool = False, counts_new: bool = False
) -> Callable[[Callable[..., Any]], Any]:
    """Make a stage of a function: a Prefect task with that name, run name and the exception boundary.

    Args:
        name: the stage's word (the same in code, tables and reports).
        run_name: template over the function's parameters, references only.
        retried: whether it is tried again where our storage was away or busy: for a stage that reads, and writes to the lake
            and the reports alone. Never for one that hands anything over.
        counts_new: whether a try counts only what the tries before it left, as those who receive and read do: then the run
            counts all of them.
    """

    def wrap(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            given = {**dict(zip(function.__code__.co_varnames, args, strict=False)), **kwargs}
            cycle, data = str(given.get("cycle", "returns")), str(given["data"])
            began = time.monotonic()
            done = within(lambda: function(*args, **kwargs), data=data, cycle=cycle, stage=name)
            stage_done(name, cycle, int((time.monotonic() - began) * 1000))
            give_back()
            return done

        @functools.wraps(function)
        def shown(*args: Any, **kwargs: Any) -> Any:
            done = guarded(*args, **kwargs)
            run = TaskRunContext.get()
            if run is None or not isinstance(done, Walked):
                return done
            if counts_new:
                done.counts = with_tries_before(_tries_before.pop(run.task_run.id, {}), done.counts)
            if done.faults:
                if retried and done.may_pass and run.task_run.run_count <= len(RETRY_SECONDS):
                    if counts_new:
                        _tries_before[run.task_run.id] = done.counts
                    raise PassingFault("; ".join(done.faults.values()))
                # On the dashboard the run is red, and says for whom; the flow gets what became of the others.
                return Failed(message=f"{name}: {', '.join(done.faults)}", data=done)
            return done

        return task(
            name=name,
            task_run_name=run_name,
            persist_result=False,
            log_prints=False,
            retries=len(RETRY_SECONDS) if retried else 0,
            retry_delay_seconds=RETRY_SECONDS,
            retry_condition_fn=_may_pass,
        )(shown)

    return wrap
