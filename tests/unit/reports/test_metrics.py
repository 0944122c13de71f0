"""What is measured, as a collector reads it: by cycle for all Wales, no school, no authority, and it adds up."""

import datetime as dt
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from flows.cli.__main__ import app
from schemas.texts.faults import ServiceFault
from schemas.views import METRICS
from tasks.io.lake.lake import Lake
from tasks.reports.metrics import metrics
from tasks.reports.status import status_of
from tasks.runtime.visibility import check_visible

DAY = dt.date(2012, 3, 1)


def samples(text):
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def of(found, name, **labels):
    return found[(name, *sorted(labels.items()))]


def test_counts_ages_and_durations(root):
    log = max((root / "logs").glob("*.jsonl"))
    log.write_text(
        log.read_text(encoding="utf-8") + '{"event": "stage_done", "cyc\n', encoding="utf-8"
    )  # a full disk cut it
    found = samples(metrics(str(root), DAY).decode())
    total = status_of(str(root), "2012-01")["total"]
    for state in ("held", "waiting", "sent", "uln", "exception"):
        assert of(found, "uln_records", cycle="2012-01", state=state) == total[state]
    records = sum(value for key, value in found.items() if key[0] == "uln_records")
    assert records == total["records"] > 0 and of(found, "uln_cycle_balanced", cycle="2012-01") == 1
    assert of(found, "uln_batches", cycle="2012-01", state="ANSWERED") == 1
    assert of(found, "uln_batches_oldest_days", cycle="2012-01", state="ANSWERED") == 31
    exceptions = sum(value for key, value in found.items() if key[0] == "uln_exceptions_open")
    assert exceptions == total["exception"]
    assert of(found, "uln_files", status="lrs_result accepted") == 1
    assert of(found, "uln_stage_milliseconds", cycle="2012-01", stage="validate") > 0
    assert of(found, "uln_lake_version", table="batches") == Lake(root / "lake").version("batches")
    assert of(found, "uln_free_mebibytes") > 0


def test_no_school_and_no_authority_stands_in_it(root):
    text = metrics(str(root), DAY).decode()
    assert "660" not in text and json.dumps("6604025") not in text


def test_into_the_file_of_a_collector_and_nothing_where_there_is_no_root(root, tmp_path):
    run = CliRunner()
    done = run.invoke(app, ["metrics", "--write", "--as-of", "2012-03-01", "--data", str(root)])
    assert done.exit_code == 0 and not done.output
    assert samples((root / "logs" / "metrics.prom").read_text()) == pytest.approx(
        samples(metrics(str(root), DAY).decode()), rel=0.2
    )
    assert run.invoke(app, ["metrics", "--data", str(tmp_path / "none")]).exit_code == 1


def test_the_gate_lets_no_identifier_into_it():
    with pytest.raises(ServiceFault):
        check_visible(METRICS, [{"metric": "uln_records", "cycle": "2012-01", "of": "M660402510001", "number": 1}])
