"""The flows on a real, ephemeral engine: they complete, isolate failures, and let no pupil's data out.

The engine is slow to start, so the runs are few: the session plays one rehearsal through the terminal's entry.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.support.cli import finished as uln
from tests.support.cli import started
from tests.support.paths import PROJECT

pytestmark = pytest.mark.long

#: Stands in names, UPNs, dates and postcodes of planted learners; must be found nowhere outside the lake and the files sent.
SURNAME, GIVEN, POSTCODE = "Zzmarkername", "Qqmarkergiven", "LL99 9ZZ"
#: A fault of ours in one authority, whose text holds all that is known of its pupils.
BROKEN = """
from flows.run.engine import configure_engine
configure_engine("{root}")
import tasks.steps.validate
sound = tasks.steps.validate.apply_rules
def broken(chosen, *arguments, **more):
    if (chosen["la_code"] == "{la}").any():
        raise ValueError(chosen.to_csv())
    return sound(chosen, *arguments, **more)
tasks.steps.validate.apply_rules = broken
"""


def asked(root, question):
    """What the engine's database answers."""
    with sqlite3.connect(root / "prefect" / "prefect.db") as connection:
        return connection.execute(question).fetchall()


def artifact(root, key):
    """The newest artifact of a key: markdown, or the rows of a table."""
    (data,) = asked(root, f"select data from artifact where key = '{key}' order by created desc limit 1")[0]
    content = json.loads(data)
    return json.loads(content) if content.startswith("[") else content


def _make_ready(registration):
    rows = pd.read_csv(registration, dtype="str")
    ready = {"lrb_registered_on": "2011-09-01", "privacy_notice_on": "2011-09-01", "takes_part": "Y"}
    same = {"edubase_name": rows["ukrlp_name"], "edubase_postcode": rows["ukrlp_postcode"]}
    rows.assign(**ready, **same, ukprn=[f"100000{n:02}" for n in range(len(rows))]).to_csv(registration, index=False)


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """A rehearsal of three schools; returns, with nothing new; a census with a marked learner in an authority that breaks."""
    root = tmp_path_factory.mktemp("flows") / "root"
    runs = [uln("rehearse", "--schools", "3", data=root)]
    first = asked(root, "select count(*) from task_run where name like 'publish%'")
    runs.append(uln("returns", "--as-of", "2012-02-13T09:15", data=root))
    second = asked(root, "select count(*) from task_run where name like 'publish%'")
    source = max((root / "dewi" / "inbox").glob("*/*.xml"), key=lambda p: (p.stat().st_size, p.name))
    content = source.read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"<PupilOnRoll>.*?</PupilOnRoll>", content, re.S) if "<NCyearActual>10<" in b)
    marked = block
    for tag, value in (("Surname", SURNAME + "1"), ("Forename", GIVEN), ("PostCode", POSTCODE)):
        marked = re.sub(f"<{tag}>[^<]*<", f"<{tag}>{value}<", marked)
    content = re.sub(r"<DateTime>[^<]*<", "<DateTime>2012-01-31T23:00:00<", content.replace(block, marked))
    (source.parent / "marked.xml").write_text(content, encoding="utf-8")
    broken = source.parent.name
    _make_ready(root / "reference" / "registration.csv")
    census = ("census", "2012-01", "--as-of", "2012-02-20T09:15")
    runs.append(uln(*census, data=root, expect=1, first=BROKEN.format(root=root, la=broken)))
    return {"root": root, "runs": runs, "broken": broken, "published": (first[0][0], second[0][0])}


def test_the_rehearsal_ends_well_and_says_what_to_look_at(played):
    said = played["runs"][0]
    for text in (
        "Look next at",
        "dewi/outbox/",
        "rehearsal/truth/2012-01/",
        "Cydbwyso",
        "RC007",
        "without a person's help",
    ):
        assert text in said.stdout
    assert "Traceback" not in "".join(run.stderr for run in played["runs"])


def test_status_json_has_every_count_and_balances(played):
    status = json.loads(uln("status", "2012-01", "--json", data=played["root"]).stdout)
    assert set(status) == {"cycle", "total", "schools"}
    keys = {"records", "not_chosen", "held", "waiting", "sent", "uln", "exception", "balanced"}
    for row in (status["total"], *status["schools"].values()):
        assert set(row) == keys
        parts = sum(row[k] for k in keys - {"records", "not_chosen", "balanced"}) + sum(row["not_chosen"].values())
        assert row["balanced"] is True and parts == row["records"]


def test_no_pupil_s_data_in_the_engine_or_on_the_terminal(played):
    root = played["root"]
    assert (root / "prefect" / "prefect.db").exists(), "the engine keeps its files under the data root"
    with sqlite3.connect(root / "prefect" / "prefect.db") as connection:
        dump = "\n".join(connection.iterdump())
    assert "task_run" in dump and "receive 2012-01" in dump
    assert asked(root, "select count(*) from log")[0][0] > 20, "the log lines are there to be searched"
    from tasks.io.lake.lake import Lake

    pupils = Lake(root / "lake").read("pupils", ["upn", "surname", "forename", "postcode"])
    assert SURNAME + "1" in set(pupils["surname"]), "the marked learner was read"
    others = [p for folder in ("reports", "prefect", "snapshots") for p in (root / folder).rglob("*") if p.is_file()]
    evidence = [p for p in others if p.parent.name == "faults"]
    assert any(SURNAME in p.read_text(encoding="utf-8") for p in evidence), "the exception's text held the learner"
    open_to_all = [p for p in others if p not in evidence and p.suffix not in (".db", ".parquet")]
    said = [text for run in played["runs"] for text in (run.stdout, run.stderr)]
    everything = "\n".join([dump, *said, *(p.read_text(encoding="utf-8", errors="replace") for p in open_to_all)])
    for marker in (SURNAME, GIVEN, POSTCODE):
        assert marker not in everything
    upns = set(pupils["upn"].dropna().loc[lambda u: u.str.len() == 13])
    assert not [n for n, upn in enumerate(sorted(upns)) if upn in everything]


def test_one_task_run_per_stage_and_the_artifacts_that_a_run_page_is_made_of(played):
    root = played["root"]
    runs = dict(asked(root, "select name, count(*) from task_run group by name"))
    for stage in ("receive", "read", "select", "validate", "batch", "release"):
        assert runs[f"{stage} 2012-01"] == 2, "one in the rehearsal's census, one in the other"
    made = dict(asked(root, "select key, count(*) from artifact group by key"))
    names = ("progress", "overview", "authorities", "batches", "rules")
    assert {key: n for key, n in made.items() if key.startswith("census-")} == {
        f"census-2012-01-{name}": 2 for name in names
    }, "each run the same keys: so they have a history"
    # The second returns run had nothing new, and told nothing.
    assert {key: n for key, n in made.items() if key.startswith("lrs-")} == {
        f"lrs-returns-2012-01-{name}": 1 for name in names[:-1]
    }
    told = [line for (line,) in asked(root, "select message from log") if line.startswith("artifacts:")]
    assert told == [], "all could be made"
    page = artifact(root, "lrs-returns-2012-01-overview")
    assert "### Angen sylw person / For a person" in page and "](data:image/png;base64," in page
    assert "[c]" in artifact(root, "lrs-returns-2012-01-authorities").replace("\\", "")
    progress = asked(root, "select data, description from artifact where key = 'census-2012-01-progress'")
    assert [(float(data), text) for data, text in progress] == [
        (100.0, "census 2012-01: ar ben / census 2012-01: over")
    ] * 2
    rules = artifact(root, "census-2012-01-rules")
    assert any(row["Rheol / Rule"] == "UPN01" for row in rules)


def test_a_failing_authority_does_not_stop_wales(played):
    root, broken = played["root"], played["broken"]
    states = {state for (state,) in asked(root, "select state_type from flow_run")}
    assert states == {"COMPLETED"}
    failed = asked(root, "select id, name from task_run where state_type = 'FAILED'")
    assert [name for _, name in failed] == ["validate 2012-01"], "the dashboard shows it"
    told = asked(root, f"select message from task_run_state where task_run_id = '{failed[0][0]}' and type = 'FAILED'")
    assert told == [(f"validate: {broken}",)]
    said = [line for (line,) in asked(root, "select message from log") if line.startswith("release: ")]
    assert f"{broken}: sent" in said[0] and f"{broken}: sent" not in said[1]
    for la in {"660", "667", "674"} - {broken}:
        assert f"{la}: sent" in said[1]
    page = artifact(root, "census-2012-01-overview")
    assert page.startswith("### Ni ellid ei wneud / Could not be done")
    assert f"- **{broken}**: " in page and "reports/2012-01/faults/validate-" in page


def test_the_cycle_is_published_once_and_its_snapshot_taken(played):
    first, second = played["published"]
    assert (played["root"] / "snapshots" / "2012-01" / "manifest.json").exists()
    assert first == 1
    assert second == 1, "nothing was new"


@pytest.fixture
def settled(played, tmp_path):
    """A data root in which the engine has its database already: making it takes longer than all else."""
    shutil.copytree(played["root"] / "prefect", tmp_path / "prefect")
    return tmp_path


def test_ctrl_c_ends_it_at_once_and_says_that_it_may_be_run_again(settled):
    process = started("rehearse", "--schools", "1", data=settled, start_new_session=True)
    until = time.monotonic() + 120
    while not (settled / "lake" / "received").exists() and time.monotonic() < until:
        time.sleep(0.05)
    at = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and time.monotonic() - at < 20
    assert "stopiwyd" in err and "Traceback" not in err


def test_returns_when_nothing_is_there(settled):
    done = uln("returns", data=settled)
    assert "Traceback" not in done.stderr


OPERATOR = """
from flows.run.engine import configure_engine
configure_engine("{root}")
from flows.operator import abandon
abandon(ref="{ref}", reason="{reason}", as_of="2012-03-20T09:15", data="{root}")
"""


def test_abandoned_from_the_engine_the_reason_is_in_no_name_log_or_result(played, tmp_path):
    root = Path(shutil.copytree(played["root"], tmp_path / "root"))
    from tasks.io.lake.lake import Lake

    lake = Lake(root / "lake")
    one = lake.read("batches").head(1)
    ref = one["batch_ref"].iloc[0]
    lake.upsert("batches", one.assign(state="SENT_UNCONFIRMED"))
    lake.upsert("lrs_returns", lake.read("lrs_returns", batch_ref=ref).assign(tied="N"))
    code = OPERATOR.format(root=root, ref=ref, reason="Zzwhy it was")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"PYTHONPATH": str(PROJECT)}, cwd=PROJECT,
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert list(lake.read("batch_decisions")["reason"]) == ["Zzwhy it was"]
    assert list(lake.read("batches", batch_ref=ref)["state"]) == ["ABANDONED"]
    assert asked(root, "select name, state_type from flow_run where name = 'abandon'") == [("abandon", "COMPLETED")]
    with sqlite3.connect(root / "prefect" / "prefect.db") as connection:
        holding = [line for line in connection.iterdump() if "Zzwhy" in line]
    # As a parameter, where the form says that everybody sees it, and nowhere else.
    assert holding and all(line.startswith('INSERT INTO "flow_run"') for line in holding)
    assert "Zzwhy" not in run.stdout + run.stderr


@pytest.mark.parametrize("name", ["retry", "abandon", "release", "publish", "import_from_inbox"])
def test_the_operator_s_form_wants_a_reason_and_says_who_will_see_it(name):
    from prefect.utilities.callables import parameter_schema

    from flows import operator

    form = parameter_schema(getattr(operator, name))
    of = {"release": ["school", "cycle"], "publish": ["school", "cycle"], "import_from_inbox": ["file"]}
    assert form.required == [*of.get(name, ["ref"]), "reason"]
    described = form.properties["reason"]["description"]
    assert "no pupil's data" in described and "dim data disgyblion" in described and "sees parameters" in described
