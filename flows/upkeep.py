"""The upkeep flow: once a week the lake's small files are put together, and what has outlived its days goes.

It changes no row and may be ended at any moment. Pupils' data goes only where the controller of the data has decided for how
long its kind is kept (`decided` in `retention.toml`); all else stays a person's decision, `uln purge`.
"""

from typing import Any

from prefect import flow

from flows.run.flow_run import Counts, bounded, root_of
from flows.run.forms import MaybeFolder
from flows.run.progress import step
from flows.run.schedule import scheduled_time
from tasks.stages.compact import compact
from tasks.stages.purge_decided import purge_decided

#: As a census's (`flows.census`).
LONGEST_SECONDS = 4 * 3600


def steps(day: str) -> tuple[tuple[Any, dict[str, str]], ...]:
    """The tasks, in order, each with what it is given besides the data root.

    What goes is judged by snapshots taken at the lake's present versions, and compaction moves these on: it is the last.
    """
    return (purge_decided, {"day": day}), (compact, {})


@flow(
    name="upkeep",
    flow_run_name="upkeep",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def upkeep(data: MaybeFolder = None) -> Counts:
    """Cynnal y llyn: cywasgu, a dileu'r hyn sy'n ddyledus / Keep the lake: compact it, and remove what is due.

    Days are counted from when the run was scheduled, and by nobody's word.

    Args:
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Returns:
        Counts by `step.count`.

    Raises:
        ConfigurationFault: `reference/retention.toml` is wrong.
        ServiceFault: another run holds the data root for too long.
    """
    root, day = root_of(data), scheduled_time(None)[:10]
    total: Counts = {}
    for task, given in steps(day):
        step(task.name, "lake", 1)
        total |= {f"{task.name}.{name}": n for name, n in task(data=root, **given).items()}
    return total
