"""Metrics: counts, ages and durations in the text format of Prometheus (also read as OpenMetrics), for `uln metrics`.

All Wales by cycle, without schools or authorities, so that no small number identifies a learner. Counts pass the disclosure
gate (`tasks.runtime.visibility`). Durations come from the run log (`tasks.runtime.run_log`). Reads only.
To measure something more: a line in `_MEASURED`, and its rows in `_rows`.
"""

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from schemas.cycles import cycle_by_id
from schemas.states import RowState
from schemas.views import METRICS, STANDING
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.ledger.standing import counts_of, cycles_with_returns
from tasks.reports.batches import visible_batches
from tasks.reports.exception_counts import visible_exceptions
from tasks.runtime.visibility import check_visible

#: name -> (description, its label besides the cycle). In English, as names of metrics are: people do not read them.
_MEASURED = {
    "uln_records": ("Records of a cycle by where they stand", "state"),
    "uln_cycle_balanced": ("1 where every record of the cycle is in exactly one place", ""),
    "uln_batches": ("Batches by state", "state"),
    "uln_batches_oldest_days": (
        "Days since the oldest batch in a state was handed over, or built where it has not been",
        "state",
    ),
    "uln_exceptions_open": ("Open exceptions by how many days their learners have waited", "age"),
    "uln_files": ("Files taken in or refused", "status"),
    "uln_stage_milliseconds": ("How long a stage took when it ran last", "stage"),
    "uln_lake_version": ("Commits to a table of the lake", "table"),
    "uln_free_mebibytes": ("Free space where the data root lies", ""),
}


def metrics(data: str, day: dt.date) -> bytes:
    """Return all metrics as text; ages count until `day`."""
    registry = CollectorRegistry()
    measured = pd.DataFrame(_rows(data, day), columns=[column.name for column in METRICS.columns])
    visible = check_visible(METRICS, measured.sort_values(["cycle", "of"])).frame
    for metric, (text, label) in _MEASURED.items():
        gauge = None
        for _, cycle, of, number in visible[visible["metric"] == metric].itertuples(index=False):
            labels = {key: value for key, value in (("cycle", cycle), (label, of)) if value}
            gauge = gauge or Gauge(metric, text, list(labels), registry=registry)
            (gauge.labels(**labels) if labels else gauge).set(number)
    return generate_latest(registry)


def _rows(data: str, day: dt.date) -> Iterator[tuple[str, str, str, int]]:
    """Yield metric, cycle (or "" without one), the label's value, and the number."""
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    for cycle in cycles_with_returns(data):
        counts = check_visible(STANDING, counts_of(data, cycle).reset_index()).frame
        totals = {state.value: int(counts[state.value].sum()) for state in RowState}
        totals["not_chosen"] = int(counts.filter(like="not_chosen:").to_numpy().sum())
        for state, n in totals.items():
            yield "uln_records", cycle, state, n
        yield "uln_cycle_balanced", cycle, "", int(counts["balanced"].all())
        ages = visible_exceptions(data, cycle_by_id(cycle), day)["ages"].frame
        for age, waiting in ages.groupby("age") if len(ages) else ():
            yield "uln_exceptions_open", cycle, str(age), int(waiting["number"].sum())
    batches = visible_batches(data, day).frame
    for (of_cycle, in_state), rows in batches.groupby(["cycle", "state"]) if len(batches) else ():
        yield "uln_batches", str(of_cycle), str(in_state), len(rows)
        yield "uln_batches_oldest_days", str(of_cycle), str(in_state), int(rows["age"].max())
    received = lake.read("received", ["kind", "status"])
    for (kind, status), files in received.groupby(["kind", "status"]) if len(received) else ():
        yield "uln_files", "", f"{kind} {status}", len(files)
    for (about, stage), milliseconds in _last_durations(root).items():
        yield "uln_stage_milliseconds", about, stage, milliseconds
    for table, version in lake.versions().items():
        if version >= 0:
            yield "uln_lake_version", "", table, version
    yield "uln_free_mebibytes", "", "", shutil.disk_usage(root.path).free >> 20


#: Number of days of logs that are searched for the last run of a stage.
_LAST_LOGS = 7


def _last_durations(root: DataRoot) -> dict[tuple[str, str], int]:
    """Return the duration of each stage's last run, in milliseconds, by cycle and stage."""
    durations: dict[tuple[str, str], int] = {}
    for path in sorted(root.logs.glob("*.jsonl"))[-_LAST_LOGS:] if root.logs.is_dir() else ():
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"event": "stage_done"' in line:
                # Skip a line that a full disk has cut short.
                with suppress(ValueError, KeyError):
                    line_fields = json.loads(line)
                    durations[line_fields["cycle"], line_fields["stage"]] = int(line_fields["milliseconds"])
    return durations
