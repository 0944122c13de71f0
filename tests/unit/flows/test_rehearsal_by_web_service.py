"""A rehearsal through the stand-in's web service, on a real engine: it comes out as through files, and names nobody."""

import json

import pandas as pd
import pytest

from tasks.io.lake.lake import Lake
from tests.support.cli import finished as uln

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two schools' January by the web service, twice."""
    root = tmp_path_factory.mktemp("soap") / "root"
    rehearse = ("rehearse", "--schools", "2", "--via", "soap")
    return root, [uln(*rehearse, data=root), uln(*rehearse, data=root)]


def test_every_learner_is_sent_once_and_answered_and_a_second_run_sends_nothing(played):
    root, runs = played
    lake = Lake(root / "lake")
    batches, jobs = lake.read("batches"), lake.read("lrs_jobs")
    assert set(batches["state"]) == {"SENT"} and set(batches["format"]) == {"SOAP"} and batches["rows"].max() <= 200
    assert sorted(jobs["batch_ref"]) == sorted(batches["batch_ref"]) and set(jobs["code"]) == {"WSRC0009"}
    sent = lake.read("batch_rows")["upn"]
    assert sent.is_unique and len(lake.read("lrs_returns")) == len(sent) > 100
    assert (
        f"{len(batches)}  sypiau a anfonwyd / batches sent" in runs[0].stdout and "batches sent" not in runs[1].stdout
    )
    status = json.loads(uln("status", "2012-01", "--json", data=root).stdout)
    assert all(school["balanced"] for school in status["schools"].values()) and status["total"]["sent"] == 0
    assert (root / "snapshots" / "2012-01" / "manifest.json").exists() and not list(root.glob("reports/*/faults/*"))


def test_neither_engine_nor_logs_nor_terminal_names_a_learner_or_holds_the_password(played):
    root, runs = played
    told = b"".join(
        path.read_bytes() for place in ("prefect", "logs") for path in (root / place).rglob("*") if path.is_file()
    )
    told += "".join(run.stdout + run.stderr for run in runs).encode()
    rows = Lake(root / "lake").read("batch_rows")
    ulns = Lake(root / "lake").read("learners")["uln"]
    assert not [upn for upn in pd.concat([rows["upn"], ulns.dropna()]) if upn.encode() in told]
    # A name may be another word, too; the whole of two is nobody else's.
    for given, family in rows[["given_name", "family_name"]].itertuples(index=False):
        assert f"<FamilyName>{family}<".encode() not in told and f"{given} {family}".encode() not in told
    assert b"SubmitBatch" not in told and b"OrgPassword" not in told and b"MISIdentifier" not in told
