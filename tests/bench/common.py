"""What the parts share: where roots stand, a fresh copy of one, a part in a process of its own."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.cycles import cycle_by_id
from tests.support.paths import PROJECT

HOME = PROJECT
BUILD = HOME / "build" / "bench"
CYCLE = "2012-01"
SEED = 1


def moments(cycle_id: str) -> tuple[str, str]:
    """When a cycle's census and its answers count as happening; as a rehearsal has it, 28 and 42 days after the opening."""
    opened = dt.datetime.combine(cycle_by_id(cycle_id).census_from, dt.time(9, 15))
    return (opened + dt.timedelta(days=28)).isoformat(), (opened + dt.timedelta(days=42)).isoformat()


def fresh(made: Path, run: Path) -> Path:
    """A data root with what a made one was given and nothing that the service has made of it.

    Files are linked, not copied: the service never changes its inbox, and twenty times Wales is two gigabytes.

    Args:
        made: holds dewi/inbox and reference.
        run: where the new one shall stand; what stood there goes.

    Returns:
        `run`.
    """
    if run.exists():
        shutil.rmtree(run)
    for folder in ("dewi/inbox", "reference"):
        shutil.copytree(made / folder, run / folder, copy_function=os.link)
    for folder in ("dewi/outbox", "lrs/outbox", "lrs/inbox", "quarantine", "lake", "snapshots", "reports"):
        (run / folder).mkdir(parents=True)
    return run


def in_own_process(part: str, *arguments: str | Path) -> Any:
    """Run a part by itself.

    Returns:
        What it measured, by its `--out`.

    Raises:
        subprocess.CalledProcessError: the part failed.
    """
    out = BUILD / f"{part}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"tests.bench.{part}", *map(str, arguments), "--out", str(out)]
    settings = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "GX_ANALYTICS_ENABLED": "false"}
    subprocess.run(command, cwd=HOME, check=True, env=settings | os.environ)
    return json.loads(out.read_text(encoding="utf-8"))


def told(found: Any, out: Path | None) -> None:
    """Give a part's figures to whoever asked: a file, else the screen."""
    text = json.dumps(found, indent=1) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


class Stopwatch:
    """Adds up seconds by name.

    Attributes:
        seconds: by name, in the order in which they were first taken.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what happens within to a name."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def total(self) -> float:
        """All seconds."""
        return sum(self.seconds.values())
