"""What one worker is, on whichever machine, and how it does a call: what fails comes back as a result does.

Does not belong here: how work is shared out (`tasks.runtime.executor`, `tasks.runtime.dask_executor`), or what the work
is (`census_work`, `returns_work`).
"""

import gc
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow as pa

from tasks.runtime.error_boundary import OUR_OWN
from tasks.runtime.memory import give_back, keep_memory
from tasks.runtime.process_guard import guard, quiet_output

Result = TypeVar("Result")


class WorkFault(Exception):
    """What a worker met that was not foreseen: the text of its traceback, for the evidence and nowhere else."""


def all_tried(function: Callable[..., Result], calls: list[tuple[Any, ...]]) -> list[Result | Exception]:
    """In a worker: some calls of a function, one after the other (`tried`)."""
    results = [tried(function, *call) for call in calls]
    give_back()
    return results


def tried(function: Callable[..., Result], *call: Any) -> Result | Exception:
    """The result, or the exception that the function raised; one that was not foreseen as a WorkFault."""
    try:
        return function(*call)
    except OUR_OWN as fault:
        return fault
    except Exception as error:  # noqa: BLE001 - not every exception gets from one process to another; its text does
        return WorkFault("".join(traceback.format_exception(error)))


def become_worker(data: str | None) -> None:
    """Make this process a worker, for good.

    It is one of several, so that Arrow's own threads would only be in each other's way; and it makes much that lives as
    long as a call, which the search for rings of dead objects need not look through every few hundred of them.

    Args:
        data: the data root of a guarded run; what the worker tells and prints goes there too.
    """
    if data is not None:
        guard(data)
        quiet_output(data)
    pa.set_cpu_count(1)
    gc.set_threshold(100_000, 50, 100)
    keep_memory()
