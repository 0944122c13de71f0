"""What every stage has in common: its data root and lake, its name in the engine, and the boundary for exceptions.

An exception's text may be read by every user of the engine, so the traceback of an unforeseen one goes to the data root
(`reports/<cycle>/faults/`) and the engine gets a reference. Our own faults, whose texts carry no pupil, pass through.
"""

import datetime as dt
import functools
import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import task

from schemas.cycles import Cycle, cycle_by_id
from schemas.faults import ConfigurationFault, Refused, ServiceFault
from schemas.texts import both
from tasks.io.data_root import DataRoot, write_whole
from tasks.io.lake import Lake

Counts = dict[str, int]


@dataclass(frozen=True)
class Ground:
    """What a stage stands on: the data root, its lake, the cycle."""

    root: DataRoot
    lake: Lake
    cycle: Cycle

    @classmethod
    def of(cls, data: str, cycle: str) -> "Ground":
        """Resolve the references that a task was given."""
        root = DataRoot(Path(data))
        return cls(root, Lake(root.lake), cycle_by_id(cycle))


def moment(as_of: str) -> dt.datetime:
    """The scheduled time of a run, as every stage of it uses it.

    Raises:
        ServiceFault: the text is not a date or a date with time.
    """
    try:
        return dt.datetime.fromisoformat(as_of)
    except ValueError:
        raise ServiceFault(both("fault.not_a_moment", text=as_of)) from None


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
                given = {**dict(zip(function.__code__.co_varnames, args, strict=False)), **kwargs}
                cycle = str(given.get("cycle", "returns"))
                about = str(given.get("la", "all"))
                where = keep_evidence(str(given["data"]), cycle, name, about, error)
                message = both("fault.unforeseen", stage=name, about=about, where=where)
            raise ServiceFault(message)

        return task(name=name, task_run_name=run_name, persist_result=False, log_prints=False)(guarded)

    return wrap
