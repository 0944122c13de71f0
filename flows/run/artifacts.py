"""Log lines and artifacts of a run, seen by every user of the engine; the progress artifact is in `flows.run.progress`.

The functions take rows that have passed the disclosure gate (`tasks.runtime.visibility`), the pages made from them
(`flows.run.run_page`) and the service's own sentences. A test in `tests/architecture` refuses other writers.

No artifact fails a run: if one cannot be made, the log says so, the evidence is kept, and the run goes on (`attempted`).
"""

import re
from collections.abc import Callable
from typing import TypeVar

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.logging import get_run_logger

from flows.run.run_page import Page
from tasks.runtime.error_boundary import sentence_of
from tasks.runtime.visibility import VisibleRows, sentence

Made = TypeVar("Made")


def log_counts(stage: str, las: list[str], counts: VisibleRows) -> None:
    """Log one line for a stage: the authorities that it processed, each with its counts (rows of `views.STAGE_COUNTS`)."""
    by_authority: dict[str, list[str]] = {la: [] for la in las}
    for row in counts.rows():
        by_authority[row["la_code"]].append(f"{row['count']} {row['number']}")
    authority_counts = (f"{la}: {', '.join(counted)}" if counted else la for la, counted in by_authority.items())
    get_run_logger().info("%s: %s", stage, "; ".join(authority_counts))


def log_fault(stage: str, fault: str) -> None:
    """Log one fault of a stage: one of the service's sentences."""
    get_run_logger().error("%s: %s", stage, sentence(fault))


def log_decision(message: str) -> None:
    """Log the result of an operator's decision: one of the service's sentences."""
    get_run_logger().info("%s", sentence(message))


def attempted(make: Callable[[], Made], *, data: str, cycle: str, about: str) -> Made | None:
    """Return the result of `make`; if it fails, log the fault, keep the evidence in the data root, and return None."""
    try:
        return make()
    except Exception as fault:  # noqa: BLE001 - no artifact may hold up a country's returns
        log_fault("artifacts", sentence_of(fault, data=data, cycle=cycle, stage="artifacts", about=about))
        return None


def artifact_key(*parts: str) -> str:
    """Return an artifact key of small letters, digits and dashes; artifacts with the same parts share a history."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def make_page(page: Page, key: str) -> None:
    """Create a markdown or table artifact from a page."""
    if isinstance(page.content, str):
        create_markdown_artifact(page.content, key=key, description=page.title)
    else:
        create_table_artifact(page.content, key=key, description=page.title)
