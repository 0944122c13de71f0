"""The run page: what a person has to do first, in both languages, of what may be told and nothing else; it fails no run."""

import base64
import io
import logging
import re
import struct
from types import SimpleNamespace

import pandas as pd
import pytest
from prefect.states import Completed
from rich.console import Console

from flows.run import flow_run as stages
from flows.run import progress as progress_module
from flows.run import run_page
from flows.run.artifacts import artifact_key
from flows.run.flow_run import FlowRun, chosen_authorities
from flows.run.progress import RunProgress, begin_step, terminal_bars
from schemas.states import BatchShown, Severity
from schemas.texts.catalogue import all_texts
from schemas.views import (
    BATCHES_BY_STATE,
    COUNTS_SHOWN,
    CYCLE_BY_AUTHORITY,
    FOR_A_PERSON,
    OPEN_BATCHES,
    RULES_TRIED,
    STAGE_COUNTS,
)
from tasks.io.data_root.data_root import DataRoot
from tasks.reports.overview import WALES, Overview
from tasks.runtime.chunks import Chunk, StageResult, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.visibility import check_visible as let_through
from tests.support.without_engine import without_an_engine

AT = "2012-02-12T09:15"
NOBODY = {"schools": 0, "records": 0, "not_chosen": 0, "chosen": 0} | dict.fromkeys(
    ("held", "waiting", "sent", "uln", "exception"), 0
)


def shown(view, rows):
    return let_through(view, pd.DataFrame(rows).convert_dtypes())


def row(la, **numbers):
    return {"la_code": la, **NOBODY, **numbers}


@pytest.fixture
def seen():
    """Two authorities with returns; of one a small number is hidden, and what would give it away."""
    return Overview(
        waiting=shown(FOR_A_PERSON, [{"what": "stuck_batches", "number": 2}, {"what": "quarantined", "number": 1234}]),
        authorities=shown(
            CYCLE_BY_AUTHORITY,
            [
                row("660", schools=1, records=900, not_chosen=500, chosen=400, uln=None, held=None),
                row("661", schools=2, records=1900, not_chosen=1500, chosen=400, uln=None, held=None, exception=7),
                row("662"),
                row(WALES, schools=3, records=2800, not_chosen=2000, chosen=800, held=20, uln=773, exception=7),
            ],
        ),
        batches=shown(
            OPEN_BATCHES,
            [{"batch_ref": "B1", "la_code": "660", "school_number": "6604025", "state": "STUCK", "age": 30}],
        ),
        batch_states=shown(BATCHES_BY_STATE, [{"state": "STUCK", "number": 2}, {"state": "ANSWERED", "number": 5}]),
    )


DID = [
    {"la_code": "660", "stage": "publish", "count": "zips", "number": 1},
    {"la_code": "661", "stage": "publish", "count": "zips", "number": 2},
    {"la_code": "661", "stage": "publish", "count": "workbooks", "number": 0},
]


def overview(seen, **more):
    return run_page.overview_page("2012-01", seen, shown(STAGE_COUNTS, DID), more.pop("faults", {}), **more).content


def test_what_could_not_be_done_comes_first_then_what_waits_for_a_person(seen):
    text = overview(seen, faults={"661": "cwarantîn | a *b* / quarantine"})
    heads = re.findall("### (.*)", text)
    assert heads[:3] == [
        "Ni ellid ei wneud / Could not be done",
        "Angen sylw person / For a person",
        "Y cylch hyd yma / The cycle so far",
    ]
    assert r"- **661**: cwarantîn \| a \*b\* / quarantine" in text, "nothing in a sentence is markdown"


def test_every_number_has_its_words_in_both_languages_side_by_side(seen):
    text = overview(seen)
    assert "| 2,800 | Cofnodion | Records |" in text
    assert "- **1,234**: ffeiliau mewn cwarantîn, " in text and "<br>files in quarantine, " in text
    assert "| 5 | wedi'i ateb | answered |" in text
    assert "| 3 | ffeiliau zip i ysgolion | zips for schools |" in text
    assert "llyfrau" not in text, "what the run did none of is left out"
    assert "Nid oes dim" not in text and "[c" in text.replace("\\", "")


def test_where_nothing_waits_it_says_so(seen):
    quiet = Overview(shown(FOR_A_PERSON, []), seen.authorities, seen.batches, seen.batch_states)
    assert "Nid oes dim yn aros am berson / Nothing waits for a person" in overview(quiet)


def test_the_table_by_authority_has_its_total_last_and_tells_no_hidden_number(seen):
    page = run_page.authorities_page("2012-01", seen.authorities)
    lines = [line.strip("| ").split(" | ") for line in page.content.splitlines() if line.startswith("|")]
    assert lines[0][:3] == ["Awdurdod<br>Authority", "Ysgolion<br>Schools", "Cofnodion<br>Records"]
    hidden = r"\[c\]"
    assert lines[2] == ["660 Ynys Môn<br>Isle of Anglesey", "1", "900", "400", hidden, "0", "0", hidden, "0"]
    assert lines[3][0] == "661 Gwynedd"
    assert lines[-1] == [f"**{n}**" for n in ("Cymru<br>Wales", "3", "2,800", "800", "20", "0", "0", "773", "7")]


def test_batches_are_named_by_reference_and_a_long_list_is_cut_short_and_says_so(seen):
    page = run_page.batches_page("2012-01", seen.batches)
    assert page.content == [
        {
            "Swp / Batch": "B1",
            "Ysgol / School": "6604025",
            "Cyflwr / State": "yn aros yn rhy hir am yr LRS: angen sylw person / waits too long for the LRS: for a person",
            "Diwrnodau / Days": "30",
        }
    ]
    one = seen.batches.rows()[0]
    many = shown(OPEN_BATCHES, [one | {"batch_ref": f"B{n}"} for n in range(run_page.MOST_BATCHES + 7)])
    page = run_page.batches_page("2012-01", many)
    assert len(page.content) == run_page.MOST_BATCHES and "and 7 more: uln batches 2012-01" in page.title


def test_rules_with_rows_tried_and_failed():
    rows = pd.DataFrame([{"rule": "UPN01", "severity": "blocking", "tried": 2500}])
    told = let_through(RULES_TRIED, rows.assign(failed=pd.array([None], dtype="Int64")))
    (line,) = run_page.rules_page("2012-01", told).content
    assert line == {
        "Rheol / Rule": "UPN01",
        "Effaith / Effect": "yn dal y cofnod / holds the record",
        "Profwyd / Tried": "2,500",
        "Methodd / Failed": "[c]",
    }


def test_every_state_count_and_column_has_its_words():
    keys = [f"batch.{state}" for state in BatchShown] + [f"severity.{one}" for one in Severity]
    keys += [f"shown.{c.name}" for c in CYCLE_BY_AUTHORITY.columns if c.name != "la_code"]
    keys += [f"count.{name}" for name in COUNTS_SHOWN - {"receive.files"}]  # those are all that were looked at
    assert not [key for key in keys if key not in all_texts()]


def test_the_picture_has_a_bar_for_each_authority_with_returns_and_no_hidden_share(seen, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        run_page, "write_picture", lambda bars, states: drawn.update(bars=bars, states=states) or b"png"
    )
    assert run_page.outcomes_picture_of(seen.authorities) == b"png"
    assert [bar["name"] for bar in drawn["bars"]] == ["660 Ynys Môn / Isle of Anglesey", "661 Gwynedd"]
    assert drawn["bars"][0]["uln"] is None and drawn["bars"][0]["chosen"] == 400
    assert list(drawn["states"]) == ["uln", "sent", "waiting", "held", "exception", "hidden"]
    none = shown(CYCLE_BY_AUTHORITY, [row("660"), row(WALES)])
    assert run_page.outcomes_picture_of(none) is None


def test_the_picture_stands_in_the_page_itself(seen):
    picture = run_page.outcomes_picture_of(seen.authorities)
    assert picture == run_page.outcomes_picture_of(seen.authorities), "the same bytes"
    wide, high = struct.unpack(">II", picture[16:24])
    assert wide > 800 and high > 60
    (data,) = re.findall(r"!\[[^]]+\]\(data:image/png;base64,([^)]+)\)", overview(seen, picture=picture))
    assert base64.b64decode(data) == picture


def test_a_key_as_the_engine_takes_it():
    assert artifact_key("lrs-returns", "2012-01", "overview") == "lrs-returns-2012-01-overview"
    assert artifact_key("census", "Peilot_2", "rules") == "census-peilot-2-rules"


class Stage:
    """A stage that only answers."""

    name = "validate"

    def __call__(self, las, **_):
        """What it did of each authority, and what the rules tried."""
        walked = StageResult({la: {"rows": 90, "held": 3} for la in las}, rules={"UPN01": {"tried": 90, "failed": 3}})
        return Completed(data=walked)


def toured(tmp_path, monkeypatch, las, seen):
    told = without_an_engine(monkeypatch)
    monkeypatch.setattr(stages, "overview_of", lambda *_, **__: seen)
    tour = FlowRun(las, flow="census", data=str(tmp_path), cycle="2012-01", steps=2)
    tour.stage(Stage())
    tour.publish_artifacts(AT, conserved=True)
    return tour, told


def test_a_run_s_artifacts_have_keys_that_stay(tmp_path, monkeypatch, seen):
    _, told = toured(tmp_path, monkeypatch, chosen_authorities(None, None), seen)
    keys = [key for key, _ in told if not key.startswith("progress")]
    assert keys == [f"census-2012-01-{name}" for name in ("progress", "overview", "authorities", "batches", "rules")]
    assert [share for key, share in told if "progress" in key] == [0, 100]


def test_of_some_authorities_alone_no_rules_are_told(tmp_path, monkeypatch, seen):
    _, told = toured(tmp_path, monkeypatch, ["660"], seen)
    assert "census-2012-01-rules" not in dict(told)


def test_no_count_of_learners_is_in_the_log(tmp_path, monkeypatch, seen, caplog):
    caplog.set_level(logging.INFO)
    toured(tmp_path, monkeypatch, ["660", "661"], seen)
    assert caplog.messages == ["validate: 660; 661"]
    assert not [
        name for name in COUNTS_SHOWN if name.partition(".")[2] in ("records", "rows", "held", "learners", "ulns")
    ]


BROKEN = [
    "flows.run.artifacts.create_markdown_artifact",
    "flows.run.flow_run.outcomes_picture_of",
    "flows.run.flow_run.make_pages",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_an_artifact_that_cannot_be_made_fails_no_run_and_is_told(tmp_path, monkeypatch, seen, caplog, broken):
    told = without_an_engine(monkeypatch)
    monkeypatch.setattr(stages, "overview_of", lambda *_, **__: seen)
    monkeypatch.setattr(broken, lambda *_, **__: 1 / 0)
    tour = FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1)
    tour.publish_artifacts(AT, conserved=True)
    assert tour.faults == {} and tour.total()["faults"] == 0
    assert "census-2012-01-batches" in dict(told), "the others are made"
    assert "reports/2012-01/faults/artifacts-" in caplog.text and "ZeroDivisionError" not in caplog.text
    evidence = (tmp_path / "reports" / "2012-01" / "faults").glob("artifacts-*")
    assert any("ZeroDivisionError" in path.read_text(encoding="utf-8") for path in evidence)


def test_the_run_page_says_where_the_pages_are_or_that_they_could_not_be_made(tmp_path, monkeypatch, seen):
    def overview_told():
        told = without_an_engine(monkeypatch)
        monkeypatch.setattr(stages, "overview_of", lambda *_, **__: seen)
        FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1).publish_artifacts(
            AT, conserved=True
        )
        return dict(told)["census-2012-01-overview"]

    assert "`reports/2012-01/site/wales/index.cy.html`" in overview_told()
    assert (tmp_path / "reports/2012-01/site/660/index.en.html").exists()
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "pages.toml").write_text('address = "https://uln.example/"\n', encoding="utf-8")
    assert "<https://uln.example/reports/2012-01/site/wales/index.cy.html>" in overview_told()
    monkeypatch.setattr(stages, "make_pages", lambda *_, **__: 1 / 0)
    told = overview_told()
    assert "the pages could not be made" in told.partition("For a person")[0] and "index.cy.html" not in told


def test_a_cycle_that_does_not_balance_keeps_its_last_pages(tmp_path, monkeypatch, seen):
    without_an_engine(monkeypatch)
    monkeypatch.setattr(stages, "overview_of", lambda *_, **__: seen)
    tour = FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1)
    tour.publish_artifacts(AT, conserved=False, unbalanced="x")
    assert not (tmp_path / "reports").exists()


def test_where_the_cycle_cannot_be_counted_the_run_goes_on(tmp_path, monkeypatch, caplog):
    told = without_an_engine(monkeypatch)
    monkeypatch.setattr(stages, "overview_of", lambda *_, **__: 1 / 0)
    FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1).publish_artifacts(AT, conserved=True)
    assert [key for key, _ in told] == ["census-2012-01-progress"] and "artifacts-census-overview" in caplog.text


def test_progress_is_one_artifact_that_moves(tmp_path, monkeypatch):
    told = without_an_engine(monkeypatch)
    progress = RunProgress("census", data=str(tmp_path), cycle="2012-01", steps=4)
    assert told == [], "a run that has nothing to do makes none"
    for stage in ("receive", "read", "select"):
        progress.step(stage)
    progress.done()
    assert told == [("census-2012-01-progress", 0), ("progress 1", 25), ("progress 1", 50), ("progress 1", 100)]


@pytest.mark.parametrize("server", ["http://127.0.0.1:9/api", None])
def test_progress_moves_within_a_stage_every_few_seconds_on_a_server_that_stands(tmp_path, monkeypatch, server):
    told, time = without_an_engine(monkeypatch), [0.0]
    monkeypatch.setattr(progress_module, "PREFECT_API_URL", SimpleNamespace(value=lambda: server))
    progress = RunProgress("census", data=str(tmp_path), cycle="2012-01", steps=2, clock=lambda: time[0])
    progress.step("receive")
    progress.step("read")
    for seconds, share in ((1, 0.1), (4, 0.2), (5, 0.3), (6, 0.4), (20, 0.2), (30, 0.8), (31, 0.9)):
        time[0] = seconds
        progress.within(share)
    within = [("progress 1", 65.0), ("progress 1", 90.0)] if server else []
    assert told == [("census-2012-01-progress", 0), ("progress 1", 50), *within], "seldom, and never back"


def test_a_stage_s_chunks_move_the_run_s_progress(tmp_path, monkeypatch):
    told = without_an_engine(monkeypatch)
    monkeypatch.setattr(progress_module, "PREFECT_API_URL", SimpleNamespace(value=lambda: "http://127.0.0.1:9/api"))
    monkeypatch.setattr(progress_module, "UPDATE_SECONDS", 0)
    tour = FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1)

    ctx = RunContext.of(str(DataRoot(tmp_path).create().path), "2012-01")

    def stage(las, progress, **_):
        cut = [Chunk(tuple(las), (school,)) for school in ("6604025", "6604026", "6604027", "6604028")]
        return Completed(data=run_chunks("read", ctx, cut, lambda _: {"660": {}}, progress=progress))

    stage.name = "read"
    tour.stage(stage)
    assert [share for _, share in told] == [0, 25, 50, 75, 100]


def test_the_terminal_has_a_bar_for_each_step_that_moves_with_the_share_done():
    screen = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    begin_step("collect", "LRS")(0.5)  # no command shows bars
    with terminal_bars(screen):
        begin_step("make Wales", "2012-01", of=8)(0.25)
        bars = progress_module._bars.get()
        assert [(bar.description, bar.completed, bar.total) for bar in bars.tasks] == [("make Wales", 2, 8)]
        begin_step("collect", "LRS")
        assert [(bar.description, bar.completed) for bar in bars.tasks] == [("make Wales", 8), ("collect LRS", 0)]
    assert "8/8" in screen.file.getvalue() and "1/1" in screen.file.getvalue(), "an ended flow has done its last step"


def test_progress_that_nobody_takes_is_given_up(tmp_path, monkeypatch, caplog):
    without_an_engine(monkeypatch)
    asked = []
    monkeypatch.setattr(progress_module, "create_progress_artifact", lambda *_, **__: asked.append(1) or 1 / 0)
    progress = RunProgress("census", data=str(tmp_path), cycle="2012-01", steps=4)
    progress.step("receive")
    progress.step("read")
    progress.done()
    assert asked == [1] and len(caplog.messages) == 1
