"""The upkeep flow: once a week it compacts the lake's small files and removes data whose retention has passed.

Compaction changes no row, and the flow may be ended at any moment. Pupils' data is removed only if the data controller has
decided how long its kind is kept (`decided` in `retention.toml`); everything else waits for a person (`uln purge`).
"""

from typing import Any

from flows.run.flow_run import Counts, root_of, service_flow
from flows.run.forms import MaybeFolder
from flows.run.progress import begin_step
from flows.run.schedule import scheduled_time
from tasks.stages.upkeep import compact, purge_decided

#: The same limit as a census run's (`flows.census`).
LONGEST_SECONDS = 4 * 3600


def steps(day: str) -> tuple[tuple[Any, dict[str, str]], ...]:
    """Return the tasks in order, each with its parameters besides the data root."""
    # Compaction comes last: it makes new table versions, and the purge spares a cycle whose snapshot is of older versions.
    return (purge_decided, {"day": day}), (compact, {})


@service_flow("upkeep", longest=LONGEST_SECONDS)
def upkeep(data: MaybeFolder = None) -> Counts:
    """Cynnal y llyn: cywasgu, a dileu'r hyn sy'n ddyledus / Maintain the lake: compact it, and remove what is due.

    Days are counted from the run's scheduled time; no parameter changes it.

    Args:
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Returns:
        Counts by `<task>.<count>`, such as `compact.files`.

    Raises:
        ConfigurationFault: `reference/retention.toml` is wrong.
        ServiceFault: another run did not release the data root in time.
    """
    root, day = root_of(data), scheduled_time(None)[:10]
    total: Counts = {}
    for task, parameters in steps(day):
        begin_step(task.name, "lake")
        total |= {f"{task.name}.{name}": n for name, n in task(data=root, **parameters).items()}
    return total
