"""The diary of one learner over two cycles, and their story as `uln trace` tells it: every event with its day and its file.

Efa is sent in January 2012 and gets a possible match; someone settles it on the portal; the school gets her ULN. In January
2013 she is in another school, under a new family name. Her twin and a learner of the same names walk beside her.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.__main__ import app
from schemas.texts.faults import ServiceFault
from schemas.views import LEARNER_STORY
from tasks.io.lake.lake import Lake
from tasks.maintenance.purge import purge
from tasks.reports.trace import stories
from tasks.runtime import visibility as showing
from tests.support.diary import census, returns
from tests.support.learners.in_schools import A, B, hand_in, learner, lrs_answers, two_schools, uln, upn
from tests.support.paths import PROJECT

pytestmark = pytest.mark.long

EFA, TWIN, NAMESAKE, LATER = upn(1), upn(2), upn(3), upn(4, temporary=True)
PERMANENT = upn(4)
EFA_S, TWIN_S, LATER_S = uln(1), uln(2), uln(4)
PEOPLE = {EFA: {"forename": "Efa"}, TWIN: {"forename": "Cadi"}, NAMESAKE: {"forename": "Efa", "dob": "1997-03-05"}}
PEOPLE |= {LATER: {"forename": "Tomos", "gender": "M"}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = two_schools(tmp_path_factory.mktemp("story"))
    people = [learner(number, **who) for number, who in PEOPLE.items()]
    hand_in(place, A, "2012-01-20", *people)
    (place / "reference" / "opt_outs.csv").write_text(f"upn,recorded_on\n{EFA},2011-09-20\n", encoding="utf-8")
    census(place, "2012-01", "2012-01-30T02:30")
    lrs_answers(place, "first.csv", {EFA: "RC007", TWIN: TWIN_S, NAMESAKE: uln(3), LATER: LATER_S})
    returns(place, "2012-01", "2012-02-06T02:30")
    lrs_answers(place, "export.csv", {EFA: EFA_S})
    returns(place, "2012-01", "2012-02-13T02:30")
    day = {"census_day": "2013-01-15"}
    hand_in(place, A, "2013-01-18", learner(TWIN, **PEOPLE[TWIN], year="11"), **day)
    here = [learner(EFA, forename="Efa", surname="Rhys", year="11")]
    here += [learner(PERMANENT, former=LATER, forename="Tomos", gender="M", year="11")]
    hand_in(place, B, "2013-01-19", *here, **day)
    census(place, "2013-01", "2013-01-29T02:30")
    returns(place, "2013-01", "2013-02-05T02:30")
    return place


def told(root, key):
    """The events of the one learner that a key stands for: (when, what, school, file, place)."""
    [one] = stories(str(root), key)
    rows = one.events.of_learner.fillna("")
    return list(rows[["at", "kind", "school_number", "file", "place"]].itertuples(index=False, name=None))


def test_efa_s_story_has_every_event_with_its_day_and_its_file(root):
    [batch] = [f"lrs/outbox/{p.name}" for p in (root / "lrs" / "outbox").iterdir()]
    return_of = {
        school: f"dewi/inbox/660/{school}-{made}.xml" for school, made in ((A, "2012-01-20"), (B, "2013-01-19"))
    }
    zips = [f"dewi/outbox/660/{A}/ULN_{A}_2012-01_00{n}.zip" for n in (1, 2)]
    place = str(sorted(PEOPLE).index(EFA) + 1)  # a batch is in the order of UPNs
    assert told(root, EFA) == [
        ("2011-09-20", "opted_out", "", "", ""),
        ("2012-01-30T02:30", "returned", A, return_of[A], "1"),
        ("2012-01-30T02:30", "chosen", A, return_of[A], "1"),
        ("2012-01-30T02:30", "batched", A, batch, place),
        ("2012-01-30T02:30", "handed_over", A, batch, place),
        ("2012-02-06T02:30", "answered_code", "", "lrs/inbox/first.csv", "1"),
        ("2012-02-06T02:30", "exception_opened", A, "", ""),
        # In the first file she is an exception, and her authority is told; in the second she has her ULN.
        ("2012-02-06T02:30", "delivered_listed", "660", "dewi/outbox/660/ULN_Exceptions_660_2012-01_001.xlsx", ""),
        ("2012-02-06T02:30", "delivered_listed", A, zips[0], ""),
        ("2012-02-06T02:30", "exception_seen", A, "", ""),
        ("2012-02-13T02:30", "answered_uln", "", "lrs/inbox/export.csv", "1"),
        ("2012-02-13T02:30", "exception_resolved", A, "", ""),
        ("2012-02-13T02:30", "delivered_uln", A, zips[1], ""),
        ("2013-01-29T02:30", "returned", B, return_of[B], "1"),
        ("2013-01-29T02:30", "not_chosen", B, return_of[B], "1"),
        # The LRS knows her as Prys.
        ("2013-01-29T02:30", "warned", B, return_of[B], "1"),
        ("2013-02-05T02:30", "delivered_uln", B, f"dewi/outbox/660/{B}/ULN_{B}_2013-01_001.zip", ""),
        # The authority is told of that warning.
        ("2013-02-05T02:30", "delivered_listed", "660", "dewi/outbox/660/ULN_Exceptions_660_2013-01_003.xlsx", ""),
    ]


def test_the_story_shows_what_the_learner_was_called_then_and_is_called_now(root):
    [one] = stories(str(root), EFA)
    rows = one.events.of_learner
    said = list(rows.loc[rows["kind"] == "returned", "detail"])
    assert said[0].startswith("Prys, Efa, ") and said[1].startswith("Rhys, Efa, ")
    assert one.as_json()["known"] == [
        {"upn": EFA, "uln": EFA_S, "other_ulns": None, "cycle": "2012-01", "school_number": A, "conflict": None}
    ]
    assert list(one.states.of_learner["state"]) == ["uln"]


@pytest.mark.parametrize("key", [EFA, EFA.lower(), f" {EFA} ", EFA_S], ids=["upn", "small-letter", "blanks", "uln"])
def test_the_key_is_a_upn_in_any_spelling_or_the_uln(root, key):
    assert told(root, key) == told(root, EFA)


def test_nothing_of_the_twin_or_of_a_namesake_is_in_it(root):
    [one] = stories(str(root), EFA)
    text = json.dumps(one.as_json())
    assert EFA in text and EFA_S in text
    for other in (TWIN, TWIN_S, "Cadi", NAMESAKE, uln(3), "1997-03-05", LATER, "Tomos"):
        assert other not in text
    assert len(told(root, TWIN)) > 5 and "Cadi" in json.dumps(stories(str(root), TWIN)[0].as_json())


@pytest.mark.parametrize("key", [LATER, PERMANENT, LATER_S], ids=["temporary", "permanent", "uln"])
def test_the_story_goes_over_the_former_upn(root, key):
    [one] = stories(str(root), key)
    assert list(one.known.of_learner["upn"]) == sorted([LATER, PERMANENT])
    kinds = [kind for _, kind, *_ in told(root, key)]
    assert kinds.count("returned") == 2 and kinds.count("batched") == 1 and kinds[-1] == "delivered_uln"


def of_terminal(root, *arguments, given=None):
    return CliRunner().invoke(app, ["trace", "--data", str(root), *arguments], input=given)


def test_at_the_terminal_it_is_told_in_both_languages(root):
    found = of_terminal(root, EFA)
    assert found.exit_code == 0
    text = " ".join(found.output.split())
    for said in ("RC007", "first.csv", "2012-02-13T02:30", "chosen: a ULN is asked", "dewiswyd: gofynnir am ULN"):
        assert said in text, said
    # Asked for, so that it is in no shell's history.
    assert of_terminal(root, given=f"{EFA}\n").stdout.endswith(found.stdout)
    assert json.loads(of_terminal(root, EFA, "--json").stdout)[0]["known"][0]["uln"] == EFA_S


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (upn(9), "knows nobody with this UPN;"),
        ("A" + upn(9)[1:] if upn(9)[0] != "A" else "B" + upn(9)[1:], "first letter does not agree"),
        ("M66040250800", "this is not a UPN"),
        ("M66040250800123", "this is not a UPN"),
        ("S660402508001", "this is not a UPN"),
        ("", "this is not a UPN"),
        (uln(9), "knows nobody with this ULN"),
        ("1234567890", "last digit does not agree"),
        ("9999999999", "last digit does not agree"),
        ("123", "this is not a ULN"),
    ],
    ids=[
        *("nobody", "wrong-letter", "short", "long", "a-letter-that-no-upn-has", "blank"),
        *("nobody-s-uln", "wrong-digit", "placeholder", "short-uln"),
    ],
)
def test_who_is_not_known_is_one_plain_sentence_that_does_not_repeat_the_key(root, key, said):
    found = of_terminal(root, "--", key)
    assert found.exit_code == 1 and not found.stdout
    text = " ".join(found.stderr.split())
    assert said in text and (not key or key not in text)


def snapshot(folder):
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_looking_leaves_nothing_behind_and_needs_no_engine(root, tmp_path):
    before = snapshot(root)
    homes = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "PREFECT_HOME")}
    for place in homes.values():
        Path(place).mkdir()
    code = (
        "import sys\nfrom flows.cli.__main__ import app\n"
        f"app({['trace', EFA, '--data', str(root)]!r}, standalone_mode=False)\nassert 'prefect' not in sys.modules"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "XDG_", "ULN_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, env=kept | homes, check=False
    )
    assert done.returncode == 0, done.stderr[-1500:]
    assert EFA_S in done.stdout
    assert snapshot(root) == before and snapshot(tmp_path) == {}


def test_after_a_purge_the_story_says_what_was_removed_and_what_became_of_the_exception(root, tmp_path):
    copy = Path(shutil.copytree(root, tmp_path / "root"))
    first = Lake(copy / "lake").read("deliveries", school_number=A).sort_values("number").iloc[0]
    returns(copy, "2012-01", "2013-02-05T02:30")  # as the returns run does: what came in since stands in the snapshot
    day = dt.date(2014, 3, 1)
    purge(str(copy), day, day)
    events = told(copy, EFA)
    assert ("2012-02-06T02:30", "delivered_gone", A, first["path"], "") in events
    removed = {(at, file) for at, kind, _, file, _ in events if kind == "purged"}
    assert {("2014-03-01", first["path"]), ("2014-03-01", "2012-01")} <= removed
    # Of a cycle that is over its last snapshot speaks, by day.
    life = [(at, kind) for at, kind, *_ in events if kind.startswith("exception")]
    assert life == [
        ("2012-02-06", "exception_opened"),
        ("2012-02-06", "exception_seen"),
        ("2012-02-13", "exception_resolved"),
    ]


def test_the_gate_lets_one_learner_through_and_no_one_else(root):
    [one] = stories(str(root), EFA)
    rows = one.events.of_learner
    with pytest.raises(ServiceFault, match=r"learner_story.*upn"):
        showing.of_one_learner(LEARNER_STORY, rows, {TWIN})
    with pytest.raises(ServiceFault, match="surname"):
        showing.of_one_learner(LEARNER_STORY, rows.assign(surname="x"), {EFA})
    with pytest.raises(TypeError):
        showing.OfOneLearner(rows, object())
    assert not isinstance(one.events, showing.VisibleRows) and not hasattr(one.events, "rows")
    assert EFA not in repr(one)
