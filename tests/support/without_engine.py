"""Stages and flows run without the engine."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.texts.faults import ServiceFault


def run_stage(
    stage: Any, root: Path | str, cycle: str, as_of: str, las: Sequence[str] = ("660",), **more: Any
) -> dict[str, int]:
    """Run a stage for some authorities; its counts.

    Raises:
        ServiceFault: an authority could not be done.
    """
    done = stage.fn(data=str(root), cycle=cycle, las=list(las), as_of=as_of, **more)
    if done.faults:
        raise ServiceFault("; ".join(done.faults.values()))
    return done.total()


def without_an_engine(monkeypatch: Any) -> list[tuple[str, Any]]:
    """Let flows tell nobody; what they would have told, the key of each artifact and its content, in order."""
    told: list[tuple[str, Any]] = []

    def make(content: Any, *, key: str, description: str) -> UUID:  # noqa: ARG001 - as the engine takes it
        told.append((key, content))
        return UUID(int=len(told))

    monkeypatch.setattr("flows.run.artifacts.get_run_logger", lambda: logging.getLogger("test"))
    for name in ("artifacts.create_markdown", "artifacts.create_table", "progress.create_progress"):
        monkeypatch.setattr(f"flows.run.{name}_artifact", make)
    monkeypatch.setattr(
        "flows.run.progress.update_progress_artifact",
        lambda one, share, **_: told.append((f"progress {one.int}", share)),
    )
    return told
