"""What has had its days goes; what a run or a person still needs stays; a purge that dies is done again."""

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from lxml import html
from typer.testing import CliRunner

from flows import census as census_module
from flows import lrs_returns as returns_module
from flows.census import census as census_flow
from flows.cli.__main__ import app
from flows.upkeep import steps
from schemas.settings.terms import Kind, all_retention
from schemas.tables import PUPIL_FIELDS, TABLES
from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake import maintenance as lakes
from tasks.io.lake.lake import Lake
from tasks.ledger.standing import purged_cycles, refuse_purged
from tasks.maintenance import purge as purging
from tasks.maintenance.purge import items_due, purge, totals
from tasks.reports.overview import overview_of
from tasks.reports.pages import make_pages
from tasks.reports.status import attention, status_of
from tasks.reports.trace import stories
from tasks.stages.snapshot import snapshot
from tests.support.diary import census, returns
from tests.support.learners.in_schools import A, hand_in, learner, lrs_answers, two_schools, uln, upn
from tests.support.paths import GOLDEN

pytestmark = pytest.mark.long

SNAPSHOT = GOLDEN / "snapshot"
SENT, BACK = "2012-01-29T09:15:00", "2012-02-12T09:15:00"
#: Long after all days have passed, and a day before any have.
LATE, EARLY = dt.date(2015, 1, 1), dt.date(2012, 3, 1)
#: Of files for schools the school's zip and its authority's workbook.
WHOLE = {Kind.RETURNS: 1, Kind.RESULTS: 1, Kind.REFUSED: 3, Kind.BATCH_FILES: 1, Kind.SCHOOL_FILES: 2, Kind.PUPILS: 2}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A cycle of one school with two learners, from inbox to outbox, and a file that was refused."""
    root = DataRoot(tmp_path_factory.mktemp("purge") / "root").create()
    shutil.copy(SNAPSHOT / "registration.csv", root.reference)
    (root.dewi_inbox / "660").mkdir()
    shutil.copy(SNAPSHOT / "return.xml", root.dewi_inbox / "660")
    (root.dewi_inbox / "660" / "damaged.zip").write_bytes(b"PK\x03\x04 no zip")
    census(root.path, "2012-01", SENT)
    shutil.copy(SNAPSHOT / "answers.csv", root.lrs_inbox)
    returns(root.path, "2012-01", BACK)
    return root.path


@pytest.fixture
def root(played, tmp_path):
    # With the times of its files: the lake's versions are as old as they are.
    return Path(shutil.copytree(played, tmp_path / "root"))


def files(root):
    places = ("dewi", "lrs", "quarantine", "snapshots", "reports")
    found = {
        p.relative_to(root).as_posix(): p.read_bytes() for d in places for p in (root / d).rglob("*") if p.is_file()
    }
    return found | {f"lake/{name}": str(version).encode() for name, version in Lake(root / "lake").versions().items()}


def counted(going):
    return {kind: n for kind, (n, _) in totals(going).items() if n}


def kept_for(root, **days):
    blocks = [f"[{kind}]\ndays = {n}\ndecided = true\n" for kind, n in days.items()]
    (root / "reference" / "retention.toml").write_text("\n".join(blocks), encoding="utf-8")


def test_telling_changes_nothing(root):
    before = files(root)
    assert counted(items_due(str(root), LATE, LATE)) == WHOLE
    assert files(root) == before


def test_nothing_goes_before_its_days_have_passed_whatever_is_asked(root):
    assert items_due(str(root), LATE, EARLY) == []
    assert items_due(str(root), dt.date(2012, 1, 1), LATE) == [], (
        "nor what is not older than the day that was asked for"
    )


@pytest.mark.parametrize("kind", [Kind.RETURNS, Kind.RESULTS, Kind.BATCH_FILES, Kind.SCHOOL_FILES, Kind.REFUSED])
def test_each_kind_has_days_of_its_own(root, kind):
    kept_for(root, **{k: 9_999 for k in Kind if k is not kind})
    purge(str(root), LATE, LATE)
    left = {
        Kind.RETURNS: root / "dewi/inbox/660/return.xml",
        Kind.RESULTS: root / "lrs/inbox/answers.csv",
        Kind.REFUSED: root / "dewi/inbox/660/damaged.zip",
        Kind.BATCH_FILES: next((root / "lrs/outbox").glob("*"), root / "lrs/outbox/none"),
        Kind.SCHOOL_FILES: next((root / "dewi/outbox").rglob("*.zip"), root / "none"),
    }
    assert {k for k, path in left.items() if path.exists()} == set(left) - {kind}
    assert bool(list((root / "quarantine").iterdir())) == (kind is not Kind.REFUSED)


def test_the_ledger_and_the_counts_stay_and_what_went_is_written_down(root):
    ledger = {n: Lake(root / "lake").read(n) for n in TABLES if n not in ("pupils", "purged")}
    status = status_of(str(root), "2012-01")
    kept = [p for p in files(root) if p.startswith("snapshots/")]
    purge(str(root), LATE, LATE)
    lake = Lake(root / "lake")
    for name, rows in ledger.items():
        pd.testing.assert_frame_equal(lake.read(name), rows)
    assert status_of(str(root), "2012-01") == status and status["total"]["balanced"]
    assert kept and all((root / p).exists() for p in kept), "the last snapshot"
    written = lake.read("purged")
    assert set(written["kind"]) == set(WHOLE) and set(written["purged_on"]) == {"2015-01-01"}
    assert written.groupby("kind")["files"].sum().to_dict() == {k.value: n for k, n in WHOLE.items()}
    content = (SNAPSHOT / "return.xml").read_bytes()
    assert hashlib.sha256(content).hexdigest() in set(written["ref"])


def test_of_the_pupils_only_places_and_the_chosen_ones_upns_are_left(root):
    before = Lake(root / "lake").read("pupils")
    purge(str(root), LATE, LATE)
    after = Lake(root / "lake").read("pupils")
    assert list(after["row_ref"]) == list(before["row_ref"])
    assert after[[f for f in PUPIL_FIELDS if f != "upn"]].isna().all().all()
    decided = Lake(root / "lake").read("dispositions").set_index("row_ref")["disposition"]
    chosen = after["row_ref"].map(decided).eq("chosen")
    assert list(after["upn"].dropna()) == list(before.loc[chosen, "upn"])
    assert attention(str(root), "2012-01")["unmatched_opt_outs"] == 0


def test_a_large_authority_is_emptied_whole_even_of_a_school_without_a_return(root, monkeypatch):
    monkeypatch.setattr("tasks.runtime.chunks.CHUNK_RECORDS", 1)
    lake = Lake(root / "lake")
    stray = lake.read("pupils").head(1).assign(row_ref="stray", school_number="6604099", sha256="of no file")
    lake.append("pupils", stray)
    purging._empty(str(root), "2012-01")
    assert lake.read("pupils")["surname"].isna().all()


def test_whom_the_ledger_knows_by_a_former_upn_stands_and_is_found_as_before(tmp_path):
    temporary, permanent = upn(11, temporary=True), upn(11)
    root = two_schools(tmp_path / "root")
    hand_in(root, A, "2012-01-20", learner(temporary))
    census(root, "2012-01", "2012-01-30T02:30")
    lrs_answers(root, "answers.csv", {temporary: uln(5)})
    returns(root, "2012-01", "2012-01-31T02:30")
    hand_in(root, A, "2012-01-31", learner(permanent, former=temporary))
    census(root, "2012-01", "2012-02-01T02:30")
    returns(root, "2012-01", "2012-02-02T02:30")
    counts = status_of(str(root), "2012-01")["total"]
    assert counts["uln"] == 1
    purge(str(root), LATE, LATE)
    # A purge that died after this authority begins again with it.
    once = Lake(root / "lake").read("pupils")
    purging._empty(str(root), "2012-01")
    pd.testing.assert_frame_equal(Lake(root / "lake").read("pupils"), once)
    assert once["surname"].isna().all() and status_of(str(root), "2012-01")["total"] == counts
    for number in (temporary, permanent):
        [one] = stories(str(root), number)
        assert list(one.known.of_learner["upn"]) == [temporary, permanent]
        assert "answered_uln" in set(one.events.of_learner["kind"])
    # Also where a later return, with the date of birth, does not name the former one any more.
    hand_in(root, A, "2013-01-18", learner(permanent, year="11"), census_day="2013-01-15")
    census(root, "2013-01", "2013-01-29T02:30")
    [one] = stories(str(root), permanent)
    assert list(one.known.of_learner["upn"]) == [temporary, permanent]


def test_a_cycle_whose_pupils_were_purged_is_over(root):
    purge(str(root), LATE, LATE)
    assert purged_cycles(str(root)) == {"2012-01": "2015-01-01"}
    with pytest.raises(ConfigurationFault, match="2015-01-01"):
        refuse_purged(str(root), "2012-01")
    with pytest.raises(ConfigurationFault, match="2015-01-01"):
        census_flow.fn(cycle="2012-01", as_of="2015-01-02T09:15:00", data=str(root))
    refuse_purged(str(root), "2013-01")


@contextlib.contextmanager
def after_a_purge(data):
    purge(data, LATE, LATE)
    with one_run_at_a_time(data):
        yield


def test_a_census_that_waited_for_a_purge_finds_the_cycle_over(root, monkeypatch):
    monkeypatch.setattr(census_module, "one_run_at_a_time", after_a_purge)
    with pytest.raises(ConfigurationFault, match="2015-01-01"):
        census_flow.fn(cycle="2012-01", as_of="2015-01-02T09:15", data=str(root))


def test_a_returns_run_that_waited_for_a_purge_passes_the_cycle_over(root, monkeypatch):
    monkeypatch.setattr(returns_module, "one_run_at_a_time", after_a_purge)
    for name in ("collect", "merge"):
        monkeypatch.setattr(returns_module, name, getattr(returns_module, name).fn)
    begun = []
    monkeypatch.setattr(returns_module, "conserve", lambda **given: begun.append(given["cycle"]) or {})
    monkeypatch.setattr(returns_module, "FlowRun", None)  # nothing of the cycle is walked any more
    returns_module.lrs_returns.fn(as_of="2015-01-02T09:15", data=str(root))
    assert purged_cycles(str(root)) == {"2012-01": "2015-01-01"} and begun == []


def links_to_files(root):
    """Where the pages of the cycle lead to files of the data root, and whether those are there."""
    found = {}
    for page in sorted((root / "reports" / "2012-01" / "site").glob("*/*.html")):
        for link in html.fromstring(page.read_text(encoding="utf-8")).xpath("//a[contains(@href, 'outbox')]/@href"):
            found[page.parent.name, page.name, link] = (page.parent / link).resolve().is_file()
    return found


def with_pages(root):
    seen = overview_of(str(root), "2012-01", BACK, conserved=True)
    make_pages(str(root), "2012-01", BACK, seen, conserved=True, run="a test")
    there = links_to_files(root)
    assert there and all(there.values())
    return len(there)


def test_pages_of_a_purged_cycle_lead_to_no_file_that_is_gone(root):
    with_pages(root)
    style = (root / "reports/2012-01/site/660/site.css").read_bytes()
    names = {path.name for path in (root / "dewi/outbox").rglob("*") if path.is_file()}
    purge(str(root), LATE, LATE)
    assert purged_cycles(str(root)) and links_to_files(root) == {}
    page = (root / "reports/2012-01/site/660/index.cy.html").read_text(encoding="utf-8")
    assert all(name in page for name in names), "what there was is still said"
    assert (root / "reports/2012-01/site/660/site.css").read_bytes() == style


def test_a_file_that_stays_keeps_its_link_and_links_that_a_dead_purge_left_go_with_the_next(root):
    before = with_pages(root)
    # As by a purge that died between the two.
    next((root / "dewi/outbox").rglob("*.zip")).unlink()
    assert not all(links_to_files(root).values())
    purge(str(root), dt.date(2012, 1, 1), EARLY)
    left = links_to_files(root)
    assert 0 < len(left) < before and all(left.values())


def test_no_later_run_misses_what_has_gone_or_takes_it_as_new(root):
    kept_for(root, pupils=9_999)
    purge(str(root), LATE, LATE)
    before = files(root)
    found = census(root, "2012-01", "2015-01-02T09:15:00")
    assert found["receive.files"] == found["read.returns"] == found["release.sent"] == 0
    assert found["receive.faults"] == found["read.faults"] == 0
    back = returns(root, "2012-01", "2015-01-02T09:15:00")
    assert back["files"] == back["publish.zips"] == 0 and back["publish.faults"] == 0
    manifest = "snapshots/2012-01/manifest.json"
    assert {**files(root), manifest: b""} == {**before, manifest: b""}, "it alone names the ledger's new version"
    # The same file, put back, is not new either, and goes with the next purge.
    shutil.copy(SNAPSHOT / "return.xml", root / "dewi" / "inbox" / "660" / "again.xml")
    shutil.copy(SNAPSHOT / "answers.csv", root / "lrs" / "inbox" / "again.csv")
    assert census(root, "2012-01", "2015-01-02T09:15:00")["receive.files"] == 0
    assert returns(root, "2012-01", "2015-01-02T09:15:00")["files"] == 0
    assert counted(purge(str(root), LATE, LATE)) == {Kind.RETURNS: 1, Kind.RESULTS: 1}
    assert not (root / "dewi" / "inbox" / "660" / "again.xml").exists()


def test_another_file_under_the_name_of_an_old_one_stays(root):
    path = root / "dewi" / "inbox" / "660" / "return.xml"
    path.write_bytes(path.read_bytes().replace(b"<DateTime>2012", b"<DateTime>2013"))
    (root / "lrs" / "inbox" / "answers.csv").write_bytes(b"new")
    purge(str(root), LATE, LATE)
    assert path.exists() and (root / "lrs" / "inbox" / "answers.csv").exists()


def test_a_return_that_was_not_read_stays(root):
    lake = Lake(root / "lake")
    received = lake.read("received")
    lake.upsert("received", received.assign(pupils=received["pupils"].mask(received["kind"] == "return")))
    assert Kind.RETURNS not in counted(items_due(str(root), LATE, LATE))


@pytest.mark.parametrize("state", ["SENT", "SENT_UNCONFIRMED", "READY"])
def test_a_batch_without_all_its_answers_stays_and_its_cycle_is_not_over(root, state):
    lake = Lake(root / "lake")
    batches = lake.read("batches")
    lake.replace("batches", batches.assign(state=state, rows=batches["rows"] + (state == "SENT")), cycle="2012-01")
    found = counted(items_due(str(root), LATE, LATE))
    assert Kind.BATCH_FILES not in found
    lake.replace("batches", batches.assign(state="ABANDONED"), cycle="2012-01")
    assert counted(items_due(str(root), LATE, LATE))[Kind.BATCH_FILES] == 1


def test_a_result_file_in_which_an_answer_ties_to_nobody_stays(root):
    lake = Lake(root / "lake")
    rows = lake.read("lrs_returns")
    lake.upsert("lrs_returns", rows.assign(tied="N"))
    assert Kind.RESULTS not in counted(items_due(str(root), LATE, LATE))


@pytest.mark.parametrize("what", ["unpublished", "waiting"])
def test_a_cycle_that_is_not_done_keeps_its_pupils(root, what):
    lake = Lake(root / "lake")
    if what == "unpublished":
        (root / "snapshots" / "2012-01" / "manifest.json").unlink()
    else:
        lake.replace("batch_rows", lake.read("batch_rows").iloc[:0], cycle="2012-01")
        snapshot.fn(data=str(root), cycle="2012-01")
    assert Kind.PUPILS not in counted(items_due(str(root), LATE, LATE))


def test_a_cycle_that_a_purge_had_begun_to_empty_is_ended(root):
    lake = Lake(root / "lake")
    begun = {"kind": "pupils", "ref": "2012-01", "purged_on": "2014-12-31", "cycle": "2012-01", "files": 2, "bytes": 0}
    lake.upsert("purged", pd.DataFrame([begun]))
    # It died between two authorities: the lake has moved on, and no run takes a snapshot of a cycle that is over.
    (root / "snapshots" / "2012-01" / "manifest.json").unlink()
    assert counted(purge(str(root), LATE, LATE))[Kind.PUPILS] == 2
    assert not lake.filled("pupils", "surname")


def test_the_weekly_upkeep_takes_the_pupils_whose_days_were_decided_though_it_compacts_the_lake(root):
    (root / "reference" / "retention.toml").write_text("[pupils]\ndays = 400\ndecided = true\n", encoding="utf-8")
    done = [task.fn(data=str(root), **given) for task, given in steps(LATE.isoformat())]
    assert done[0][Kind.PUPILS.value] == 2 and not Lake(root / "lake").filled("pupils", "surname")
    assert sum(counts.get("files", 0) for counts in done) > 0, "there was something to compact"


def test_evidence_goes_by_the_day_it_was_written(root):
    faults = root / "reports" / "2012-01" / "faults"
    faults.mkdir()
    for name, day in (("old.txt", dt.datetime(2014, 1, 1)), ("new.txt", dt.datetime(2014, 12, 31))):
        (faults / name).write_text("x", encoding="utf-8")
        os.utime(faults / name, (day.timestamp(), day.timestamp()))
    near = root / "reports" / "untied_near_misses.csv"
    near.write_text("x", encoding="utf-8")
    os.utime(near, (dt.datetime(2014, 1, 1).timestamp(),) * 2)
    assert counted(purge(str(root), LATE, LATE))[Kind.EVIDENCE] == 2
    assert [p.name for p in faults.iterdir()] == ["new.txt"] and not near.exists()


@pytest.mark.parametrize("decided", [True, False])
def test_logs_go_by_their_day_and_without_a_person_only_where_that_was_decided(root, decided):
    logs = root / "logs"
    logs.mkdir(exist_ok=True)
    for name in ("2014-01-01.jsonl", "2014-12-31.jsonl", "metrics.prom"):
        (logs / name).write_text("{}\n", encoding="utf-8")
    (root / "reference" / "retention.toml").write_text(
        f"[logs]\ndays = 30\ndecided = {str(decided).lower()}\n", encoding="utf-8"
    )
    for task, given in steps(LATE.isoformat()):
        task.fn(data=str(root), **given)
    assert (logs / "2014-01-01.jsonl").exists() is not decided
    assert counted(items_due(str(root), LATE, LATE)).get(Kind.LOGS, 0) == int(not decided)
    purge(str(root), LATE, LATE)
    assert sorted(path.name for path in logs.iterdir()) == ["2014-12-31.jsonl", "metrics.prom"]


def test_former_versions_of_the_lake_go_and_what_was_committed_once_stays_so(root, monkeypatch):
    monkeypatch.setattr(lakes, "LEAST_KEPT", dt.timedelta(0))
    lake = Lake(root / "lake")
    rows, version = lake.read("pupils"), lake.version("learners")
    for place in range(2):
        lake.replace("pupils", rows.assign(surname=f"Zz{place}"), cycle="2012-01")
    done = [f"collect/{s}" for s in lake.read("received", kind="lrs_result")["sha256"]]
    assert lake.committed("lrs_returns", done) == set(done)
    kept_for(root, **{k: 9_999 for k in Kind if k is not Kind.LAKE_VERSIONS}, lake_versions=0)
    stored = len(pupil_files(root))
    going = purge(str(root), LATE, LATE)
    assert counted(going)[Kind.LAKE_VERSIONS] >= 2
    assert len(pupil_files(root)) < stored
    assert counted(items_due(str(root), LATE, LATE)) == {}
    # The log's entries go with a later purge, when the checkpoint that stands for them has had its days too.
    log = root / "lake" / "pupils" / "_delta_log"
    assert [p for p in log.glob("*.json") if b"Zz0" in p.read_bytes()]
    for entry in (root / "lake").glob("*/_delta_log/*"):
        os.utime(entry, (1_420_000_000, 1_420_000_000))
    purge(str(root), LATE, LATE)
    assert not [p for p in log.glob("*.json") if b"Zz0" in p.read_bytes()]
    fresh = Lake(root / "lake")
    assert set(fresh.read("pupils")["surname"]) == {"Zz1"}
    assert fresh.committed("lrs_returns", done) == set(done)
    fresh.upsert("pupils", rows.head(1))
    assert Lake(root / "lake").read("pupils")["surname"].nunique() == 2, "and is written to as ever"
    assert fresh.version("learners") == version, "what has no former versions is left as it is"


def pupil_files(root):
    return [p for p in (root / "lake" / "pupils").rglob("*.parquet") if p.parent.name != "_delta_log"]


@pytest.mark.parametrize("after", [0, 1, 4, 7, 8])
def test_a_purge_that_dies_is_done_again_to_the_same_end(played, root, tmp_path, monkeypatch, after):
    calls = []

    def dies(real):
        def step(*arguments, **more):
            calls.append(real)
            if len(calls) > after:
                raise KeyboardInterrupt
            return real(*arguments, **more)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(purging, "remove", dies(purging.remove))
        patch.setattr(Lake, "upsert", dies(Lake.upsert))
        patch.setattr(Lake, "replace", dies(Lake.replace))
        with contextlib.suppress(KeyboardInterrupt):
            purge(str(root), LATE, LATE)
    purge(str(root), LATE, LATE)
    whole = Path(shutil.copytree(played, tmp_path / "whole"))
    purge(str(whole), LATE, LATE)
    assert files(root).keys() == files(whole).keys()
    for name in TABLES:
        pd.testing.assert_frame_equal(Lake(root / "lake").read(name), Lake(whole / "lake").read(name))
    assert items_due(str(root), LATE, LATE) == []


def test_the_terminal_tells_before_it_removes(root):
    run = CliRunner()
    told = run.invoke(app, ["purge", "--before", "2015-01-01", "--data", str(root)])
    assert told.exit_code == 0 and "--yes" in told.output and "returns that were read" in told.output
    assert (root / "dewi" / "inbox" / "660" / "return.xml").exists()
    done = run.invoke(app, ["purge", "--before", "2015-01-01", "--yes", "--data", str(root)])
    assert done.exit_code == 0 and "ffurflenni a ddarllenwyd" in done.output
    assert not (root / "dewi" / "inbox" / "660" / "return.xml").exists()
    again = run.invoke(app, ["purge", "--before", "2015-01-01", "--yes", "--data", str(root)])
    assert "nothing is past" in again.output
    status = run.invoke(app, ["status", "2012-01", "--data", str(root)])
    assert status.exit_code == 0 and "addresses were purged" in status.output
    assert run.invoke(app, ["purge", "--before", "yesterday", "--data", str(root)]).exit_code == 2
    assert run.invoke(app, ["purge", "--before", "2015-01-01", "--data", str(root / "none")]).exit_code == 1


def test_what_is_written_down_names_no_pupil(root):
    pupils = Lake(root / "lake").read("pupils")
    purge(str(root), LATE, LATE)
    written = json.dumps(Lake(root / "lake").read("purged").to_dict("records"))
    for value in pd.concat([pupils[field] for field in ("upn", "surname", "forename", "postcode", "dob")]).dropna():
        assert value not in written


def test_how_long_things_are_kept_is_complete_and_its_faults_are_told_at_once(tmp_path):
    assert set(all_retention()) == set(Kind)
    own = tmp_path / "retention.toml"
    own.write_text(
        "[returns]\ndays = -1\ndecided = true\n[secrets]\ndays = 1\ndecided = true\n[pupils]\ndays = 1\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationFault) as told:
        all_retention(own)
    assert len(told.value.faults) == 3
    own.write_text("[returns]\ndays = 7\ndecided = true\n", encoding="utf-8")
    assert (
        all_retention(own)[Kind.RETURNS].days == 7 and all_retention(own)[Kind.PUPILS] == all_retention()[Kind.PUPILS]
    )
