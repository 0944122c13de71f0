"""The run's own log under the data root: a JSON object a line, for programs that collect logs.

`logs/<day>.jsonl`: time, level, run, cycle, authority, school, batch, stage, message, numbers. The service writes what has
passed the gate (`tasks.runtime.visibility`) and its own sentences; of other libraries' records those from WARNING on,
masked as all are (`tasks.runtime.error_boundary`), without whatever they carry besides their text. A file a day, so
that several processes can append. Worker processes write nothing here of their own: what they count and what they could
not do comes back with their results, and the run tells it, by stage and authority. What they would tell besides is of
single calls, which several machines and every try repeat, and each would have to know the run; what they print is kept
as evidence (`process_guard.redirect_output`).
To tell something more: a function here that takes a `VisibleRows`, and its sentence `log.*` in `texts.csv`.
"""

import datetime as dt
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import bilingual
from tasks.core.masking import masked
from tasks.io.data_root.data_root import DataRoot, make_folder
from tasks.runtime.visibility import VisibleRows, sentence

#: The service's own; nothing but this log listens to it.
_OWN = logging.getLogger("uln.run")
_FIELDS = ("run", "cycle", "authority", "school", "batch", "stage")
#: What holds for all that is told while it is set.
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def run_log(data: str, run: str, flow: str, cycle: str | None) -> Iterator[None]:
    """Keep the log of a run; of a run within a run, in the log of the outer one.

    Args:
        data: the data root.
        run: the engine's id of the run.
        flow: its word.
        cycle: its cycle, where it has one.
    """
    root, own = logging.getLogger(), _Lines(DataRoot(Path(data)))
    outer = any(isinstance(one, _Lines) for one in root.handlers)
    token = _about.set({"run": run, "flow": flow} | ({"cycle": cycle} if cycle else {}))
    if not outer:
        root.addHandler(own)
        _OWN.setLevel(logging.INFO)
    try:
        _tell("log.run_began", flow=flow)
        yield
        _tell("log.run_ended", flow=flow)
    except BaseException as stopped:
        _tell("log.run_failed", logging.ERROR, flow=flow, fault=type(stopped).__name__)
        raise
    finally:
        _about.reset(token)
        root.removeHandler(own)


def log_stage(stage: str, cycle: str, milliseconds: int) -> None:
    """A stage has come to its end.

    Args:
        stage: its word.
        cycle: the cycle's id, or `returns`.
        milliseconds: how long it took.
    """
    _tell(
        "log.stage_done", fields={"stage": stage, "cycle": cycle}, numbers={"milliseconds": milliseconds}, stage=stage
    )


def log_stage_counts(cycle: str, counts: VisibleRows) -> None:
    """What a stage counted, a line an authority.

    Args:
        cycle: the cycle's id.
        counts: rows of `views.STAGE_COUNTS`.
    """
    of_las: dict[tuple[str, str], dict[str, int]] = {}
    for row in counts.rows():
        of_las.setdefault((row["stage"], row["la_code"]), {})[row["count"]] = row["number"]
    for (stage, la), numbers in of_las.items():
        fields = {"stage": stage, "cycle": cycle, "authority": la}
        _tell("log.authority_done", fields=fields, numbers=numbers, stage=stage, authority=la)


def log_stage_faults(stage: str, cycle: str, faults: Mapping[str, str]) -> None:
    """What could not be done, a line an authority; the service's own sentences."""
    for la, fault in faults.items():
        fields = {"stage": stage, "cycle": cycle, "authority": la}
        _tell("log.fault", logging.ERROR, fields=fields, stage=stage, fault=sentence(fault))


def log_batches(stage: str, batches: VisibleRows, level: int = logging.INFO) -> None:
    """What has become of some batches, a line each.

    Args:
        stage: in which it became so.
        batches: rows of `views.BATCHES_NAMED`.
        level: WARNING where a person must act.
    """
    for row in batches.rows():
        fields = {"stage": stage, "cycle": row["cycle"], "authority": row["la_code"]}
        fields |= {"school": row["school_number"], "batch": row["batch_ref"]}
        numbers: dict[str, int] = {name: row[name] for name in ("rows", "answered", "age") if name in row}
        _tell("log.batch", level, fields=fields, numbers=numbers, batch=row["batch_ref"], state=row["state"])


def log_published(cycle: str, schools: VisibleRows) -> None:
    """Which schools a zip was made for, a line each.

    Args:
        cycle: the cycle's id.
        schools: rows of `views.PUBLISHED`.
    """
    for row in schools.rows():
        fields = {"stage": "publish", "cycle": cycle, "authority": row["la_code"], "school": row["school_number"]}
        numbers = {"ulns": row["ulns"], "exceptions": row["exceptions"]}
        _tell("log.school_published", fields=fields, numbers=numbers, school=row["school_number"])


def _tell(
    key: str,
    level: int = logging.INFO,
    *,
    fields: Mapping[str, str] | None = None,
    numbers: Mapping[str, int] | None = None,
    **places: object,
) -> None:
    """One line; made only where someone listens."""
    if any(isinstance(one, _Lines) for one in logging.getLogger().handlers):
        own = {"fields": dict(fields or {}), "numbers": dict(numbers or {}), "event": key.partition(".")[2]}
        _OWN.log(level, "%s", bilingual(key, **places), extra={"uln": own})


class _Lines(logging.Handler):
    """Appends records to the day's file."""

    def __init__(self, root: DataRoot) -> None:
        super().__init__()
        self._folder = root.logs

    def filter(self, record: logging.LogRecord) -> bool:
        """The service's own lines, and of others what may be wrong; what the dashboard is told is told here by itself."""
        return record.name == _OWN.name or (record.levelno >= logging.WARNING and record.module != "dashboard")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; where there is no room, none: a run does not fail for its log."""
        line = json.dumps(_line_of(record), ensure_ascii=False) + "\n"
        try:
            make_folder(self._folder)
            day = dt.datetime.fromtimestamp(record.created, tz=dt.UTC).date()
            handle = os.open(self._folder / f"{day}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, line.encode(errors="backslashreplace"))
            finally:
                os.close(handle)
        except OSError:
            return


def _line_of(record: logging.LogRecord) -> dict[str, Any]:
    own: Mapping[str, Any] = getattr(record, "uln", None) or {}
    at = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
    about = {**_about.get(), **own.get("fields", {})}
    line = {"time": at.isoformat(timespec="milliseconds"), "level": record.levelname, "logger": record.name}
    line |= {name: about[name] for name in ("flow", *_FIELDS) if about.get(name)}
    line |= {"event": own["event"]} if own else {}
    return {**line, "message": masked(record.getMessage()), **own.get("numbers", {})}
