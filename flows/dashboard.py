"""What the engine is told of a run: log lines and artifacts, seen by each of its users. The only module that tells it.

Takes what has passed the gate (`tasks.showing`) and the service's own sentences; nothing else has a way in (a test of the
house looks for others that write to a log or make an artifact).
"""

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from tasks.showing import Shown, sentence


def log_counts(stage: str, counts: Shown) -> None:
    """One line for a stage: what it counted, by authority.

    Args:
        stage: its word.
        counts: rows of `views.STAGE_COUNTS`.
    """
    of_las: dict[str, list[str]] = {}
    for row in counts.rows():
        of_las.setdefault(row["la_code"], []).append(f"{row['count']} {row['number']}")
    get_run_logger().info("%s: %s", stage, "; ".join(f"{la}: {', '.join(told)}" for la, told in of_las.items()))


def log_fault(stage: str, fault: str) -> None:
    """One line for what could not be done; one of the service's sentences."""
    get_run_logger().error("%s: %s", stage, sentence(fault))


def log_decision(told: str) -> None:
    """One line for what became of an operator's decision; one of the service's sentences."""
    get_run_logger().info("%s", sentence(told))


def make_table(counts: Shown, fault: str | None, key: str, title: str) -> None:
    """A table artifact: what the stages counted, and the fault, if there was one."""
    table = [{name: row[name] for name in ("stage", "count", "number")} for row in counts.rows()]
    if fault is not None:
        table.append({"stage": "fault", "count": sentence(fault), "number": 1})
    create_table_artifact(table, key=key, description=title)
