"""The run's log under the data root, for programs that collect logs: `logs/<day>.jsonl`, a JSON object a line.

A line holds time, level, logger, flow, run, cycle, authority, school, batch, stage, event, message, numbers. The service
writes its own sentences and rows that have passed the gate (`tasks.runtime.visibility`). Other libraries' records come from
WARNING on, masked (`tasks.runtime.process_guard`), and only their text. Several processes can append to a day's file.

Worker processes write nothing here: their counts and faults come back with their results, and the run logs them by stage
and authority. A worker would log single calls, which other machines and tries may repeat, and would have to know the run.
To log something more: a function here that takes a `VisibleRows`, and its sentence `log.*` in `texts.csv`.
"""

import datetime as dt
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import bilingual
from tasks.core.masking import masked
from tasks.io.data_root.data_root import DataRoot, make_folder
from tasks.runtime.visibility import VisibleRows, sentence

#: The service's own logger; only this log listens to it.
_LOGGER = logging.getLogger("uln.run")
_FIELDS = ("run", "cycle", "authority", "school", "batch", "stage")
#: Fields of every line written while it is set.
_scope: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def run_log(data: str, run: str, flow: str, cycle: str | None) -> Iterator[None]:
    """Keep the log of a run, with the engine's id of the run. The lines of a run within a run go to the outer run's log."""
    root, handler = logging.getLogger(), _LineHandler(DataRoot(Path(data)))
    outer = any(isinstance(other, _LineHandler) for other in root.handlers)
    token = _scope.set({"run": run, "flow": flow} | ({"cycle": cycle} if cycle else {}))
    if not outer:
        root.addHandler(handler)
        _LOGGER.setLevel(logging.INFO)
    try:
        _log("log.run_began", flow=flow)
        yield
        _log("log.run_ended", flow=flow)
    except BaseException as stopped:
        _log("log.run_failed", logging.ERROR, flow=flow, fault=type(stopped).__name__)
        raise
    finally:
        _scope.reset(token)
        root.removeHandler(handler)


def log_stage(stage: str, cycle: str, milliseconds: int) -> None:
    """Log the end of a stage and its duration; `cycle` is the cycle's id, or `returns`."""
    _log("log.stage_done", fields={"stage": stage, "cycle": cycle}, numbers={"milliseconds": milliseconds}, stage=stage)


def log_stage_counts(cycle: str, counts: VisibleRows) -> None:
    """Log the counts of the stages (`views.STAGE_COUNTS`), a line for each stage and authority."""
    of_las: dict[tuple[str, str], dict[str, int]] = {}
    for row in counts.rows():
        of_las.setdefault((row["stage"], row["la_code"]), {})[row["count"]] = row["number"]
    for (stage, la), numbers in of_las.items():
        fields = {"stage": stage, "cycle": cycle, "authority": la}
        _log("log.authority_done", fields=fields, numbers=numbers, stage=stage, authority=la)


def log_stage_faults(stage: str, cycle: str, faults: Mapping[str, str]) -> None:
    """Log the faults of a stage, a line for each authority; the service's own sentences."""
    for la, fault in faults.items():
        fields = {"stage": stage, "cycle": cycle, "authority": la}
        _log("log.fault", logging.ERROR, fields=fields, stage=stage, fault=sentence(fault))


def log_batches(stage: str, batches: VisibleRows, level: int = logging.INFO) -> None:
    """Log the new states of some batches (`views.BATCHES_NAMED`), each on a line; `level` is WARNING if a person must act."""
    for row in batches.rows():
        fields = {"stage": stage, "cycle": row["cycle"], "authority": row["la_code"]}
        fields |= {"school": row["school_number"], "batch": row["batch_ref"]}
        numbers: dict[str, int] = {name: row[name] for name in ("rows", "answered", "age") if name in row}
        _log("log.batch", level, fields=fields, numbers=numbers, batch=row["batch_ref"], state=row["state"])


def log_published(cycle: str, schools: VisibleRows) -> None:
    """Log the schools that got a zip (`views.PUBLISHED`), a line for each."""
    for row in schools.rows():
        fields = {"stage": "publish", "cycle": cycle, "authority": row["la_code"], "school": row["school_number"]}
        numbers = {"ulns": row["ulns"], "exceptions": row["exceptions"]}
        _log("log.school_published", fields=fields, numbers=numbers, school=row["school_number"])


def _log(
    key: str,
    level: int = logging.INFO,
    *,
    fields: Mapping[str, str] | None = None,
    numbers: Mapping[str, int] | None = None,
    **places: object,
) -> None:
    """Write a line, if a run log is open."""
    if any(isinstance(handler, _LineHandler) for handler in logging.getLogger().handlers):
        extra = {"fields": dict(fields or {}), "numbers": dict(numbers or {}), "event": key.partition(".")[2]}
        _LOGGER.log(level, "%s", bilingual(key, **places), extra={"uln": extra})


class _LineHandler(logging.Handler):
    """Appends records to the day's file."""

    def __init__(self, root: DataRoot) -> None:
        super().__init__()
        self._folder = root.logs

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep our own lines, and warnings of others; those of `flows.run.artifacts` are logged by the run itself."""
        return record.name == _LOGGER.name or (record.levelno >= logging.WARNING and record.module != "artifacts")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. If there is no room, write nothing: a run does not fail because of its log."""
        line = json.dumps(_line_of(record), ensure_ascii=False) + "\n"
        with suppress(OSError):
            make_folder(self._folder)
            day = dt.datetime.fromtimestamp(record.created, tz=dt.UTC).date()
            handle = os.open(self._folder / f"{day}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "wb", buffering=0) as file:  # one write a line, as other processes write too
                file.write(line.encode(errors="backslashreplace"))


def _line_of(record: logging.LogRecord) -> dict[str, Any]:
    extra: Mapping[str, Any] = getattr(record, "uln", None) or {}
    at = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
    about = {**_scope.get(), **extra.get("fields", {})}
    line = {"time": at.isoformat(timespec="milliseconds"), "level": record.levelname, "logger": record.name}
    line |= {name: about[name] for name in ("flow", *_FIELDS) if about.get(name)}
    line |= {"event": extra["event"]} if extra else {}
    return {**line, "message": masked(record.getMessage()), **extra.get("numbers", {})}
