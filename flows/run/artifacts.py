"""What the engine is told of a run: log lines and artifacts, seen by each of its users. The only module that tells it.

Takes what has passed the gate (`tasks.runtime.visibility`), the pages made of it (`flows.run.run_page`) and the
service's own sentences; nothing else has a way in (a test of the house looks for others that write to a log or make an
artifact).

No artifact fails a run: what cannot be made is told in the log, its evidence is kept, and the run goes on (`attempted`).
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
    """One line for a stage: the authorities for which it was done, and what it counted of each.

    Args:
        stage: its word.
        las: the authorities.
        counts: rows of `views.STAGE_COUNTS`.
    """
    of_las: dict[str, list[str]] = {la: [] for la in las}
    for row in counts.rows():
        of_las[row["la_code"]].append(f"{row['count']} {row['number']}")
    told = (f"{la}: {', '.join(counted)}" if counted else la for la, counted in of_las.items())
    get_run_logger().info("%s: %s", stage, "; ".join(told))


def log_fault(stage: str, fault: str) -> None:
    """One line for what could not be done; one of the service's sentences."""
    get_run_logger().error("%s: %s", stage, sentence(fault))


def log_decision(told: str) -> None:
    """One line for what became of an operator's decision; one of the service's sentences."""
    get_run_logger().info("%s", sentence(told))


def attempted(make: Callable[[], Made], *, data: str, cycle: str, about: str) -> Made | None:
    """Make something for the dashboard; where it cannot be made, say so in the log and go on.

    Args:
        make: makes it.
        data: the data root, for the evidence.
        cycle: the cycle.
        about: what it is, a reference.

    Returns:
        What was made; None where it could not be.
    """
    try:
        return make()
    except Exception as fault:  # noqa: BLE001 - the returns of a country do not wait for a picture of them
        log_fault("artifacts", sentence_of(fault, data=data, cycle=cycle, stage="artifacts", about=about))
        return None


def artifact_key(*parts: str) -> str:
    """A key as the engine takes it: small letters, digits and dashes. The same parts, the same key: so it has a history."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def make_page(page: Page, key: str) -> None:
    """An artifact of a page."""
    if isinstance(page.content, str):
        create_markdown_artifact(page.content, key=key, description=page.title)
    else:
        create_table_artifact(page.content, key=key, description=page.title)


#: Seconds between two words of how far a stage is: a page shows no more, and each costs the server a write.
TOLD_EVERY_SECONDS = 5.0


class Progress:
    """How far a run is, as one artifact that moves: made with the first step, so that a run with nothing to do makes none.

    It moves with each step, and within a step every few seconds; that only on a server that stands, as nobody looks at the
    one that a terminal's run has for itself.
    """

    def __init__(
        self, flow: str, *, data: str, cycle: str, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._about = artifact_key(flow, cycle, "progress")
        self._of, self._where = steps, {"data": data, "cycle": cycle, "about": self._about}
        self._title, self._begun, self._lost = f"{flow} {cycle}", 0, False
        self._id: UUID | None = None
        self._clock, self._told_at, self._stage, self._share = clock, clock(), "", 0.0

    def step(self, stage: str) -> None:
        """A step of the run begins."""
        self._stage, self._share = stage, 0.0
        self._tell(stage, 100 * self._begun / self._of)
        self._begun += 1

    def within(self, share: float) -> None:
        """So much of the step that began last is done, from 0 to 1; told once in a while, and never taken back."""
        if share <= self._share or self._clock() - self._told_at < TOLD_EVERY_SECONDS or not PREFECT_API_URL.value():
            return
        self._share = share
        self._tell(self._stage, 100 * (self._begun - 1 + share) / self._of)

    def done(self) -> None:
        """The run has done all that it does."""
        self._tell(bilingual("run_page.over"), 100.0)

    def _tell(self, stage: str, percent: float) -> None:
        if self._lost:
            return
        told = bilingual("run_page.progress", cycle=self._title, stage=stage)
        made = attempted(lambda: self._told(min(percent, 100.0), told), **self._where)
        self._told_at = self._clock()
        self._lost = made is None  # a server that does not take it is not asked again at each step

    def _told(self, percent: float, told: str) -> UUID:
        if self._id is None:
            self._id = cast(UUID, create_progress_artifact(percent, key=self._about, description=told))
        else:
            update_progress_artifact(self._id, percent, description=told)
        return self._id
