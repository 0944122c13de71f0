"""Progress of a flow run: the only receiver of the stages' callback (`tasks.runtime.chunks.Progress`).

It moves a bar on the terminal, if a command shows bars (`terminal_bars`), and the run's progress artifact on the dashboard.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.settings import PREFECT_API_URL
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from flows.run.artifacts import artifact_key, attempted
from schemas.texts.catalogue import bilingual
from tasks.runtime.chunks import Progress

#: Least seconds between two updates of the artifact within a step: each update costs the server a write.
UPDATE_SECONDS = 5.0

_bars: ContextVar[Bars | None] = ContextVar("bars", default=None)


@contextmanager
def terminal_bars(console: Console) -> Iterator[None]:
    """Show a bar for each step of the flows that run in this block; nothing if the console is not a terminal."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        token = _bars.set(bars)
        try:
            yield
            _complete(bars)
        finally:
            _bars.reset(token)


def begin_step(stage: str, about: str, of: int = 1) -> Progress:
    """Mark the last step on the terminal as complete, begin the next one, and return its callback.

    `about` is its subject: a cycle or another word. `of` is the number of parts that its bar counts, such as schools.
    """
    bars = _bars.get()
    if bars is None:
        return lambda _: None
    _complete(bars)
    bar = bars.add_task(f"{stage} {about}" if of == 1 else stage, total=of)
    return lambda share: bars.update(bar, completed=round(share * of, 2))


def _complete(bars: Bars) -> None:
    for task in bars.tasks:
        bars.update(task.id, completed=task.total)


class RunProgress:
    """Progress of a run's steps, on the terminal and as one artifact.

    The first step makes the artifact, so a run with nothing to do makes none. Each step updates it. Within a step it is
    updated every few seconds, but only on a permanent server, because nobody looks at the server that a terminal's run
    starts for itself.
    """

    def __init__(
        self, flow: str, *, data: str, cycle: str, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._flow, self._data, self._cycle, self._steps = flow, data, cycle, steps
        self._key = artifact_key(flow, cycle, "progress")
        self._id: UUID | None = None
        self._begun, self._stage, self._share, self._is_refused = 0, "", 0.0, False
        self._clock, self._updated_at = clock, clock()
        self._move_bar: Progress = lambda _: None

    def step(self, stage: str) -> None:
        """Begin the next step of the run; `stage` names it."""
        self._move_bar = begin_step(stage, self._cycle)
        self._stage, self._share = stage, 0.0
        self._update(stage, self._begun)
        self._begun += 1

    def within(self, share: float) -> None:
        """Report the share of the current step that is done, from 0 to 1; the artifact never goes back."""
        self._move_bar(share)
        is_due = self._clock() - self._updated_at >= UPDATE_SECONDS and PREFECT_API_URL.value()
        if is_due and share > self._share:
            self._share = share
            self._update(self._stage, self._begun - 1 + share)

    def done(self) -> None:
        """Report that the run has ended."""
        self._update(bilingual("run_page.over"), self._steps)

    def _update(self, stage: str, steps_done: float) -> None:
        if self._is_refused:
            return
        percent = min(100 * steps_done / self._steps, 100.0)
        description = bilingual("run_page.progress", cycle=f"{self._flow} {self._cycle}", stage=stage)

        def publish() -> UUID:
            if self._id is None:
                return cast(UUID, create_progress_artifact(percent, key=self._key, description=description))
            update_progress_artifact(self._id, percent, description=description)
            return self._id

        self._id = attempted(publish, data=self._data, cycle=self._cycle, about=self._key)
        self._updated_at = self._clock()
        self._is_refused = self._id is None  # once a server has refused the artifact, later steps do not try again
