"""What every stage has in common: how it walks the authorities, its name in the engine, the boundary for exceptions.

A stage is one task run for all authorities of a run: a task run costs the engine a tenth of a second, an authority's own
work often less. One authority's failure is that authority's: where a lot fails, its authorities are tried one by one.

An exception's text may be read by every user of the engine, so the traceback of an unforeseen one goes to the data root
(`reports/<cycle>/faults/`) and the engine gets a reference. Our own faults, whose texts carry no pupil, pass through.
"""

import errno
import functools
import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import task
from prefect.context import TaskRunContext
from prefect.states import Failed

from schemas.faults import ConfigurationFault, Refused, ServiceFault
from schemas.texts import both
from tasks.ground import Ground, Lot, lots
from tasks.io.data_root import DataRoot, NotWritten, write_whole

Counts = dict[str, int]


@dataclass
class Walked:
    """What became of a stage's walk over the authorities.

    Attributes:
        counts: by authority.
        faults: one sentence for each authority that could not be done.
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

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


def walk(stage: str, work: Callable[..., dict[str, Counts]], ground: Ground, las: list[str], **given: Any) -> Walked:
    """Do a stage's work for some authorities, lot by lot.

    Args:
        stage: its word.
        work: takes the ground, a lot and what is given; returns counts by authority. Doing it again must do no harm.
        ground: the data root, lake and cycle.
        las: the authorities.
        given: what else the work takes.
    """
    walked = Walked()
    for lot in lots(ground, las):
        _attempt(stage, work, ground, lot, given, walked)
    return walked


def _attempt(
    stage: str, work: Callable[..., dict[str, Counts]], ground: Ground, lot: Lot, given: dict[str, Any], walked: Walked
) -> None:
    try:
        walked.counts.update(work(ground, lot, **given))
        return
    except Undone as undone:
        counts, faults = undone.counts, undone.faults
    except Exception as error:  # noqa: BLE001 - told below
        counts, faults = {}, dict.fromkeys(lot.las, error)
    if len(lot.las) > 1 and not counts:
        for la in lot.las:
            own = {school: n for school, n in lot.sizes.items() if school[:3] == la}
            _attempt(stage, work, ground, Lot((la,), own), given, walked)
        return
    walked.counts.update(counts)
    walked.faults |= {la: _told(stage, ground, la, fault) for la, fault in faults.items()}


def _told(stage: str, ground: Ground, la: str, fault: Exception) -> str:
    if isinstance(fault, ServiceFault | ConfigurationFault | Refused):
        return str(fault)
    return _sentence(stage, str(ground.root.path), ground.cycle.id, la, fault)


#: What the system says where a disk, or a user's share of it, is full.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _sentence(stage: str, data: str, cycle: str, about: str, fault: Exception) -> str:
    """What may be told of a fault that is not one of ours: where its evidence is, or which file could not be written."""
    where = ""
    try:
        where = keep_evidence(data, cycle, stage, about, fault)
    except NotWritten as full:
        fault = full  # there is no room for the evidence of anything else
    if not isinstance(fault, NotWritten):
        return both("fault.unforeseen", stage=stage, about=about, where=where)
    path = Path(fault.filename)
    shown = path.relative_to(data) if path.is_relative_to(data) else path
    return both("fault.no_room" if fault.errno in _NO_ROOM else "fault.no_right", path=shown.as_posix())


def keep_evidence(data: str, cycle: str, stage: str, about: str, error: BaseException) -> str:
    """Write an unforeseen exception's traceback under the data root.

    Returns:
        The file's path relative to the data root.
    """
    text = "".join(traceback.format_exception(error))
    name = f"{stage}-{about}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.txt"
    path = DataRoot(Path(data)).reports(cycle) / "faults" / name
    write_whole(path, text.encode())
    return f"reports/{cycle}/faults/{name}"


def stage_task(name: str, run_name: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a stage of a function: a Prefect task with that name, run name and the exception boundary.

    Args:
        name: the stage's word (design: the same in code, tables, reports).
        run_name: template over the function's parameters, references only.
    """

    def wrap(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except (ServiceFault, ConfigurationFault, Refused):
                raise
            except Exception as error:  # noqa: BLE001 - the boundary: evidence to the data root, a reference to the engine
                unforeseen = error
            # Outside of the handler: whatever fails here must not carry the exception, and what it holds, to the engine.
            given = {**dict(zip(function.__code__.co_varnames, args, strict=False)), **kwargs}
            cycle = str(given.get("cycle", "returns"))
            raise ServiceFault(_sentence(name, str(given["data"]), cycle, "all", unforeseen))

        @functools.wraps(function)
        def shown(*args: Any, **kwargs: Any) -> Any:
            done = guarded(*args, **kwargs)
            if isinstance(done, Walked) and done.faults and TaskRunContext.get() is not None:
                # On the dashboard the run is red, and says for whom; the flow gets what became of the others.
                return Failed(message=f"{name}: {', '.join(done.faults)}", data=done)
            return done

        return task(name=name, task_run_name=run_name, persist_result=False, log_prints=False)(shown)

    return wrap
