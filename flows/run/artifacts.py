"""Log lines and artifacts of a run, seen by every user of the engine. The only module that writes them.

It takes rows that have passed the disclosure gate (`tasks.runtime.visibility`), the pages made from them
(`flows.run.run_page`) and the service's own sentences. A test in `tests/architecture` refuses other writers.

No artifact fails a run: if one cannot be made, the log says so, the evidence is kept, and the run goes on (`attempted`).
"""

import re
import time
from collections.abc import Callable
from typing import TypeVar, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from flows.run.run_page import Page
from schemas.texts.catalogue import bilingual
from tasks.runtime.error_boundary import sentence_of
from tasks.runtime.visibility import VisibleRows, sentence

Made = TypeVar("Made")


def log_counts(stage: str, las: list[str], counts: VisibleRows) -> None:
    """Log one line for a stage: the authorities it did, each with its counts (rows of `views.STAGE_COUNTS`)."""
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
    """Return an artifact key of small letters, digits and dashes; the same parts give the same key, hence a history."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def make_page(page: Page, key: str) -> None:
    """Create a markdown or table artifact from a page."""
    if isinstance(page.content, str):
        create_markdown_artifact(page.content, key=key, description=page.title)
    else:
        create_table_artifact(page.content, key=key, description=page.title)


#: Seconds between two updates within a stage: a page shows no more, and each costs the server a write.
TOLD_EVERY_SECONDS = 5.0


class Progress:
    """Progress of a run, as one artifact; the first step makes it, so a run with nothing to do makes none.

    Each step updates it. Within a step it is updated every few seconds, but only on a permanent server, because nobody
    looks at the server that a terminal's run starts for itself.
    """

    def __init__(
        self, flow: str, *, data: str, cycle: str, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._about = artifact_key(flow, cycle, "progress")
        self._steps, self._where = steps, {"data": data, "cycle": cycle, "about": self._about}
        self._title, self._begun, self._lost = f"{flow} {cycle}", 0, False
        self._id: UUID | None = None
        self._clock, self._updated_at, self._stage, self._share = clock, clock(), "", 0.0

    def step(self, stage: str) -> None:
        """Begin the next step of the run."""
        self._stage, self._share = stage, 0.0
        self._update(stage, 100 * self._begun / self._steps)
        self._begun += 1

    def within(self, share: float) -> None:
        """Report the share of the current step that is done, from 0 to 1; published at intervals, and never lowered."""
        if share <= self._share or self._clock() - self._updated_at < TOLD_EVERY_SECONDS or not PREFECT_API_URL.value():
            return
        self._share = share
        self._update(self._stage, 100 * (self._begun - 1 + share) / self._steps)

    def done(self) -> None:
        """Report that the run has ended."""
        self._update(bilingual("run_page.over"), 100.0)

    def _update(self, stage: str, percent: float) -> None:
        if self._lost:
            return
        description = bilingual("run_page.progress", cycle=self._title, stage=stage)
        made = attempted(lambda: self._publish(min(percent, 100.0), description), **self._where)
        self._updated_at = self._clock()
        self._lost = made is None  # once a server has refused the artifact, later steps do not try again

    def _publish(self, percent: float, description: str) -> UUID:
        if self._id is None:
            self._id = cast(UUID, create_progress_artifact(percent, key=self._about, description=description))
        else:
            update_progress_artifact(self._id, percent, description=description)
        return self._id
