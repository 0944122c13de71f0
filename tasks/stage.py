"""What every stage has in common: how it walks the authorities, its name in the engine, the boundary for exceptions.

A stage is one task run for all authorities of a run: a task run costs the engine a tenth of a second, an authority's own
work often less. One authority's failure is that authority's: where a lot fails, its authorities are tried one by one.

Every task is made by `stage_task`, so that no exception gets to the engine but through `tasks.boundary`.
"""

import functools
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect import task
from prefect.context import TaskRunContext
from prefect.states import Failed

from schemas.faults import PassingFault
from tasks.advance import lot_begins
from tasks.boundary import OUR_OWN, may_pass, sentence_of, within
from tasks.ground import Ground, Lot, lots
from tasks.one_worker import give_back
from tasks.run_log import stage_done

Counts = dict[str, int]


@dataclass
class Walked:
    """What became of a stage's walk over the authorities.

    Attributes:
        counts: by authority.
        faults: one sentence for each authority that could not be done.
        rules: of validating, how many rows each rule tried and how many failed it: tried, failed, by its code.
        may_pass: whether some of them may pass by themselves (`boundary.may_pass`).
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    rules: dict[str, Counts] = field(default_factory=dict)
    may_pass: bool = False

    def total(self) -> Counts:
        """The counts of all authorities together."""
        total: Counts = {}
        for counts in self.counts.values():
            for name, n in counts.items():
                total[name] = total.get(name, 0) + n
        return total


class Undone(Exception):
    """A lot of which some authorities could not be done, though the others were.

    Attributes:
        counts: by authority, of what was done.
        faults: what stopped those that were not.
    """

    def __init__(self, counts: dict[str, Counts], faults: dict[str, Exception]) -> None:
        super().__init__(", ".join(faults))
        self.counts, self.faults = counts, faults


#: A lot's work in two steps, with one `yield` between them: before it the workers are handed the work (`workers.begin`),
#: after it what they found is written; counts by authority.
Steps = Generator[None, None, dict[str, Counts]]


def walk(stage: str, work: Callable[..., Steps], ground: Ground, las: list[str], **given: Any) -> Walked:
    """Do a stage's work for some authorities, lot by lot.

    The workers have a lot's work already while what they found of the lot before is written; so its first step sees the
    lake without what the lot before it leaves there.

    Args:
        stage: its word.
        work: takes the ground, a lot and what is given. Doing it again must do no harm.
        ground: the data root, lake and cycle.
        las: the authorities.
        given: what else the work takes.
    """
    walked = Walked()
    cut = lots(ground, las)
    before: _Begun | None = None
    for number, lot in enumerate(cut):
        begun = _Begun(lot, work(ground, lot, **given))
        if before is not None:
            lot_begins(number - 1, len(cut))
            _finish(stage, work, ground, before, given, walked)
        before = begun
    if before is not None:
        lot_begins(len(cut) - 1, len(cut))
        _finish(stage, work, ground, before, given, walked)
    return walked


class _Begun:
    """A lot whose work the workers have, or what went wrong before they had it."""

    def __init__(self, lot: Lot, steps: Steps) -> None:
        self.lot, self._steps = lot, steps
        self._fault: Exception | None = None
        try:
            next(steps)
        except Exception as error:  # noqa: BLE001 - told when it is the lot's turn
            self._fault = error

    def finish(self) -> dict[str, Counts]:
        if self._fault is not None:
            raise self._fault
        try:
            next(self._steps)
        except StopIteration as done:
            counts: dict[str, Counts] = done.value
            return counts
        raise TypeError("a stage's work has two steps")


def _finish(
    stage: str, work: Callable[..., Steps], ground: Ground, begun: _Begun, given: dict[str, Any], walked: Walked
) -> None:
    lot = begun.lot
    try:
        walked.counts.update(begun.finish())
        give_back()
        return
    except Undone as undone:
        counts, faults = undone.counts, undone.faults
    except Exception as error:  # noqa: BLE001 - told below
        counts, faults = {}, dict.fromkeys(lot.las, error)
    if len(lot.las) > 1 and not counts:
        for la in lot.las:
            own = Lot((la,), {school: n for school, n in lot.sizes.items() if school[:3] == la})
            _finish(stage, work, ground, _Begun(own, work(ground, own, **given)), given, walked)
        return
    walked.counts.update(counts)
    walked.may_pass |= any(may_pass(fault) for fault in faults.values())
    walked.faults |= {la: _told(stage, ground, la, fault) for la, fault in faults.items()}


def _told(stage: str, ground: Ground, la: str, fault: Exception) -> str:
    if isinstance(fault, OUR_OWN):
        return str(fault)
    return sentence_of(fault, data=str(ground.root.path), cycle=ground.cycle.id, stage=stage, about=la)


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
        name: the stage's word (design: the same in code, tables, reports).
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
