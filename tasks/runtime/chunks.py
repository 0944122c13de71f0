"""What every stage has in common: how it walks the authorities, its name in the engine, the boundary for exceptions.

A stage is one task run for all authorities of a run: a task run costs the engine a tenth of a second, an authority's own
work often less. One authority's failure is that authority's: where a lot fails, its authorities are tried one by one.

Every task is made by `stage_task`, so that no exception gets to the engine but through `tasks.runtime.error_boundary`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from tasks.runtime.context import Ground
from tasks.runtime.error_boundary import OUR_OWN, may_pass, sentence_of
from tasks.runtime.memory import give_back
from tasks.runtime.partition import Lot, lots
from tasks.runtime.progress import lot_begins

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
