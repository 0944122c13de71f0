"""A data root that version 0.1 made: the code of today goes on with it. Nothing is lost, nothing is sent again.

`tests/fixtures/make_data_root.py` says what was played in it. `data_root_0_1.json` holds what version 0.1 said of it: the
hash of every file handed over, published or refused, the number of rows of every table, and the answers of `uln`. They
are never made again: where a test fails here, the code is wrong, or the data root needs a migration.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest
from prefect import Task
from prefect.states import Completed
from typer.testing import CliRunner

from flows import census, lrs_returns
from flows.cli.__main__ import app
from schemas.lrs.profiles import all_profiles
from schemas.tables import TABLES
from schemas.texts.faults import ConfigurationFault
from tasks.io.lake.lake import Lake
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tests.support.root_of_0_1 import FIXTURES, NOTED, OPEN, PURGED, UNCHANGED, hashes
from tests.support.without_engine import without_an_engine

#: Six commands on a root with a history: half a minute.
pytestmark = pytest.mark.long

NEXT_DAY, LATER = "2013-02-20T02:30", "2013-02-20T09:00"


class Direct:
    """A stage without the engine, called as a flow calls it."""

    def __init__(self, stage):
        self.name, self._work = stage.name, stage.fn

    def __call__(self, return_state=False, **references):
        """What the stage returns, or a state with it."""
        done = self._work(**references)
        return Completed(data=done) if return_state else done


@pytest.fixture
def root(tmp_path):
    return Path(shutil.copytree(FIXTURES / "data_root_0_1", tmp_path / "root"))


@pytest.fixture
def run(root, monkeypatch):
    """Run a flow on the data root, without the engine; its counts."""
    for module in (census, lrs_returns):
        for name, stage in list(vars(module).items()):
            if isinstance(stage, Task):
                monkeypatch.setattr(module, name, Direct(stage))
    without_an_engine(monkeypatch)
    monkeypatch.setattr("flows.run.flow_run.make_pages", lambda *_, **__: None)  # slow, and remade by each edition
    return {
        "census": lambda at, cycle=OPEN: census.census.fn(cycle=cycle, as_of=at, data=str(root)),
        "returns": lambda at: lrs_returns.lrs_returns.fn(as_of=at, data=str(root)),
    }


def of_outbox(files):
    return {path: sha256 for path, sha256 in files.items() if path.startswith("lrs/outbox/")}


def rows(root):
    lake = Lake(root / "lake")
    return {name: len(lake.read(name)) for name in TABLES}


def noted_rows():
    """A table that version 0.1 did not have is empty."""
    return dict.fromkeys(TABLES, 0) | NOTED["rows"]


def answer(root, line):
    said = CliRunner().invoke(app, [*line.split(), "--data", str(root)])
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)


def answers(root):
    return {line: answer(root, line) for line in NOTED["answers"]}


def noted_batches():
    return next(found for line, found in NOTED["answers"].items() if line.startswith("batches"))


def batches(root):
    return answer(root, next(line for line in NOTED["answers"] if line.startswith("batches")))


def balanced(root, cycle):
    """Whether the run that was just made found every record of every school in one state."""
    schools = json.loads((root / "reports" / cycle / "conservation.json").read_text(encoding="utf-8"))["schools"]
    return len(schools) == 4 and all(school["balanced"] for school in schools.values())


def test_the_fixture_is_whole_and_holds_what_it_is_for():
    assert hashes(FIXTURES / "data_root_0_1") == NOTED["files"]
    assert {place for place in UNCHANGED if any(path.startswith(place) for path in NOTED["files"])} == set(UNCHANGED)
    states = [batch["state"] for batch in noted_batches()]
    assert states.count("SENT_UNCONFIRMED") == 1 and states.count("ANSWERED") > 1
    assert NOTED["answers"][f"status {OPEN} --json"]["total"]["exception"] > 0
    purged = Lake(FIXTURES / "data_root_0_1" / "lake").read("purged")
    assert PURGED in set(purged.loc[purged["kind"] == "pupils", "cycle"])


def test_uln_gives_the_same_answers(root):
    assert answers(root) == NOTED["answers"]
    assert rows(root) == noted_rows()


def test_a_later_run_with_nothing_new_sends_nothing_and_changes_no_file(root, run):
    for report in (root / "reports").glob("*/conservation.json"):
        report.unlink()
    sent = run["census"](NEXT_DAY)
    nothing = ("receive.accepted", "receive.quarantined", "batch.batches", "release.sent", "faults")
    assert {name: sent[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert sent["release.unconfirmed"] == 1
    assert balanced(root, OPEN)
    back = run["returns"](LATER)
    assert (back["collect.files"], back["faults"]) == (0, 0)
    assert hashes(root) == NOTED["files"]
    assert answers(root) == NOTED["answers"]
    assert rows(root) == noted_rows()


def late_result(tmp_path, root):
    """The LRS answers the batch of which the ledger does not know whether it arrived: UPN -> ULN, empty for none."""
    lrs = tmp_path / "lrs-side"
    shutil.copytree(root / "rehearsal", lrs / "rehearsal")
    shutil.copytree(FIXTURES / "data_root_0_1_taken", lrs / "lrs" / "outbox")
    answer_outbox(lrs, profiles=all_profiles(), seed=7)
    [result] = (lrs / "lrs" / "inbox").iterdir()
    shutil.copy(result, root / "lrs" / "inbox")
    with result.open(encoding="utf-8", newline="") as lines:
        return {row["MISIdentifier"]: row["ULN"] for row in csv.DictReader(lines)}


def test_a_late_result_for_the_unconfirmed_batch_is_tied_and_none_of_its_learners_is_sent_twice(root, run, tmp_path):
    given = late_result(tmp_path, root)
    ulns = {upn: uln for upn, uln in given.items() if uln}
    [unconfirmed] = (one for one in noted_batches() if one["state"] == "SENT_UNCONFIRMED")
    assert 0 < len(ulns) <= len(given) == unconfirmed["rows"]
    back = run["returns"](NEXT_DAY)
    assert (back["collect.rows"], back["collect.untied"], back["faults"]) == (len(given), 0, 0)
    register = Lake(root / "lake").read("learners", ["upn", "uln"], upn=list(given)).dropna()
    assert dict(zip(register["upn"], register["uln"], strict=True)) == ulns
    [now] = (one for one in batches(root) if one["batch_ref"] == unconfirmed["batch_ref"])
    assert (now["state"], now["answered"]) == ("ANSWERED", len(given))
    before, after = NOTED["answers"][f"status {OPEN} --json"]["total"], answer(root, f"status {OPEN} --json")["total"]
    assert (after["sent"], after["waiting"]) == (0, 0)
    assert after["uln"] - before["uln"] == len(ulns)
    assert after["exception"] - before["exception"] == len(given) - len(ulns)
    assert run["census"](LATER)["batch.batches"] == 0
    assert of_outbox(hashes(root)) == of_outbox(NOTED["files"])
    published = {path: sha256 for path, sha256 in NOTED["files"].items() if path.startswith("dewi/outbox/")}
    assert published.items() < hashes(root).items(), "the school gets a new file beside those that it had"


def test_a_census_of_the_purged_cycle_is_refused_and_changes_nothing(root, run):
    with pytest.raises(ConfigurationFault, match="2013-02-18"):
        run["census"](NEXT_DAY, cycle=PURGED)
    assert hashes(root) == NOTED["files"]
    assert rows(root) == noted_rows()
