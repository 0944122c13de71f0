"""The diary of ten learners of one school whom the LRS answers without a ULN: what becomes of each, over two cycles.

| who | what happens to her or him |
|---|---|
| Ann | has a ULN at once, and never had an exception |
| Bryn | is settled at the portal; the export says so in March |
| Carys | the LRS gives the result file of the batch once more, with her ULN |
| Dewi | has another postcode in the return of February, goes out again, and gets a ULN |
| Elin | stands with a ULN in the return of February |
| Ffion | is no more in the return of February |
| Gwen | is in year 8 in the return of February |
| Huw | nothing until January 2013: then he goes out again and gets a ULN |
| Iolo | nothing; in January 2013 he has left |
| Jac | nothing; in January 2013 he goes out again, and again without a ULN |
"""

import csv
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from tasks.io.lake.lake import Lake
from tasks.ledger.snapshots import published
from tasks.reports.exception_counts import open_for_long
from tasks.reports.status import attention, status_of
from tests.support.cli import uln
from tests.support.diary import census, returns
from tests.support.learners.ten import (
    A_YEAR_ON,
    ANSWERED,
    CORRECTED,
    FIRST,
    SCHOOL,
    SECOND,
    SETTLED,
    THEN_ANSWERED,
    ULN,
    UPN,
    WHO,
    ask_for_all,
    batch_name,
    lrs_says,
    pupil,
    send_return,
)


def lives(root, cycle):
    """What the cycle's snapshot says: name -> state, cause, and the days of what has happened."""
    rows = pd.read_parquet(root / "snapshots" / cycle / "exceptions.parquet").fillna("")
    name = {upn: who for who, upn in UPN.items()}
    days = ["opened_on", "seen_on", "asked_again_on", "resolved_on", "withdrawn_on"]
    return {
        name[row["upn"]]: (row["state"], row["cause"], {d.removesuffix("_on"): row[d] for d in days if row[d]})
        for row in rows.to_dict("records")
    }


def told(root, *arguments, day):
    """What `uln exceptions --json` says of states: (cycle, state, cause) -> number; and all of it."""
    found = json.loads(uln(root, "exceptions", *arguments, "--json", "--as-of", day))
    return {(s["cycle"], s["state"], s["cause"]): s["number"] for s in found["states"]}, found


@pytest.fixture(scope="module")
def asked_root(tmp_path_factory):
    """Monday, 30 January 2012."""
    return ask_for_all(tmp_path_factory.mktemp("lives"))


@pytest.fixture(scope="module")
def answered_root(asked_root, tmp_path_factory):
    """12 February: the LRS gives Ann alone a ULN, and each other learner one of three codes."""
    root = Path(shutil.copytree(asked_root, tmp_path_factory.mktemp("answered") / "root"))
    codes = dict.fromkeys(WHO, "RC007") | {"Ann": "ULN", "Dewi": "RC010", "Huw": "RC011"}
    lrs_says(root, "result.csv", codes, batch=batch_name(root, "Ann"))
    returns(root, FIRST, ANSWERED)
    return root


@pytest.fixture(scope="module")
def settled_root(answered_root, tmp_path_factory):
    """20 February: a newer return. 1 March: what the portal and the LRS say of those who were open."""
    root = Path(shutil.copytree(answered_root, tmp_path_factory.mktemp("settled") / "root"))
    first_batch = batch_name(root, "Ann")
    changes = {"Dewi": {"postcode": "LL65 1AA"}, "Elin": {"uln": ULN["Elin"]}, "Gwen": {"nc_year": "8"}}
    send_return(root, "2012-02-19", [pupil(who, **changes.get(who, {})) for who in WHO if who != "Ffion"])
    assert census(root, FIRST, CORRECTED)["release.learners"] == 1, "Dewi alone says something else"
    lrs_says(root, "ExportProcessedExceptions.csv", {"Bryn": "ULN"}, batch="")
    lrs_says(root, "result-again.csv", {"Carys": "ULN"}, batch=first_batch)
    lrs_says(root, "result-of-dewi.csv", {"Dewi": "ULN"}, batch=batch_name(root, "Dewi"))
    returns(root, FIRST, SETTLED)
    return root


@pytest.fixture(scope="module")
def year_on_root(settled_root, tmp_path_factory):
    """January 2013: Iolo has left. February: the LRS answers for Huw and for Jac."""
    root = Path(shutil.copytree(settled_root, tmp_path_factory.mktemp("later") / "root"))
    send_return(root, "2013-01-20", [pupil(who, nc_year="11") for who in WHO if who not in ("Ffion", "Iolo")])
    census(root, SECOND, A_YEAR_ON)
    answers = {"Huw": "ULN", "Jac": "RC007", "Elin": "ULN", "Gwen": "ULN"}
    lrs_says(root, "result-2013.csv", answers, batch=batch_name(root, "Huw", SECOND))
    for cycle in (FIRST, SECOND):
        returns(root, cycle, THEN_ANSWERED)
    return root


@pytest.fixture
def asked(asked_root, tmp_path):
    return Path(shutil.copytree(asked_root, tmp_path / "root"))


@pytest.fixture
def answered(answered_root, tmp_path):
    return Path(shutil.copytree(answered_root, tmp_path / "root"))


OPENED = {"opened": "2012-02-12"}
SEEN = OPENED | {"seen": "2012-02-12"}


def test_12_february_nine_exceptions_are_opened_and_stand_in_the_workbook_of_the_same_day(answered_root):
    assert lives(answered_root, FIRST) == dict.fromkeys(WHO[1:], ("seen", "", SEEN))
    assert status_of(str(answered_root), FIRST)["total"]["exception"] == 9


def test_1_march_each_life_has_gone_its_own_way(settled_root):
    assert lives(settled_root, FIRST) == {
        "Bryn": ("resolved", "export", SEEN | {"resolved": "2012-03-01"}),
        "Carys": ("resolved", "result", SEEN | {"resolved": "2012-03-01"}),
        "Dewi": ("resolved", "resubmission", SEEN | {"asked_again": "2012-02-20", "resolved": "2012-03-01"}),
        "Elin": ("resolved", "return", SEEN | {"resolved": "2012-02-20"}),
        "Ffion": ("withdrawn", "left", SEEN | {"withdrawn": "2012-02-20"}),
        "Gwen": ("withdrawn", "not_chosen", SEEN | {"withdrawn": "2012-02-20"}),
        **dict.fromkeys(("Huw", "Iolo", "Jac"), ("seen", "", SEEN)),
    }
    # What is still open is what the cycle's standing counts as exceptions.
    assert status_of(str(settled_root), FIRST)["total"]["exception"] == 3


def test_other_words_for_exports_are_a_reason_to_take_the_snapshot_anew(settled_root, tmp_path):
    root = Path(shutil.copytree(settled_root, tmp_path / "root"))
    assert published(str(root), FIRST)
    own = "[export]\nnamed_like = ['portalfile']\n"
    (root / "reference" / "exceptions.toml").write_text(own, encoding="utf-8")
    assert not published(str(root), FIRST)
    returns(root, FIRST, SETTLED)
    assert lives(root, FIRST)["Bryn"][:2] == ("resolved", "result")


def test_february_2013_the_first_cycle_s_own_view_is_as_it_was(settled_root, year_on_root):
    assert lives(year_on_root, FIRST) == lives(settled_root, FIRST)
    assert told(year_on_root, FIRST, day=SETTLED) == told(settled_root, FIRST, day=SETTLED)


def test_february_2013_the_second_cycle_sees_how_the_first_one_s_lives_ended(year_on_root):
    # Of the second cycle's own batch only Jac is without a ULN.
    again = {"opened": "2013-02-12", "seen": "2013-02-12"}
    assert lives(year_on_root, SECOND) == {"Jac": ("seen", "", again)}
    states, _ = told(year_on_root, SECOND, day=THEN_ANSWERED)
    assert states == {
        # Bryn; Carys; Dewi, and Huw, Gwen and Elin (whose ULN the return of 2013 lacks): each by a later batch.
        ("2012-01", "resolved", "export"): 1,
        ("2012-01", "resolved", "result"): 1,
        ("2012-01", "resolved", "resubmission"): 4,
        # Ffion in February 2012, and Iolo who is in no return of 2013.
        ("2012-01", "withdrawn", "left"): 2,
        # Jac's first exception lives on in his second.
        ("2012-01", "asked_again", ""): 1,
        ("2013-01", "seen", ""): 1,
    }
    assert told(year_on_root, day=THEN_ANSWERED)[0] == states, "the last cycle is the one that is told of"


def test_ages_are_counted_from_a_learner_s_first_exception_and_told_by_school(settled_root, year_on_root):
    def ages(root, cycle, day):
        return [tuple(row.values()) for row in told(root, cycle, day=day)[1]["ages"]]

    # Huw, Iolo and Jac: opened on 12 February 2012, 7, 8, 29 and 91 days before these days.
    for day, age in {"2012-02-19": "0-7", "2012-02-20": "8-28", "2012-03-12": "29-90", "2012-05-13": "91+"}.items():
        assert ages(settled_root, FIRST, day) == [("660", SCHOOL, age, 3)]
    # Jac has waited since February 2012, whichever batch it was.
    assert ages(year_on_root, SECOND, "2013-02-13") == [("660", SCHOOL, "91+", 1)]
    assert told(settled_root, FIRST, "--la", "661", day=SETTLED)[1] == {
        "cycle": FIRST, "states": [], "codes": [], "ages": [],
    }  # fmt: skip


def test_the_terminal_tells_counts_in_words_and_no_pupil_and_status_names_the_old_ones(settled_root, year_on_root):
    said = uln(settled_root, "exceptions", FIRST, "--as-of", SETTLED)
    assert "sent again" in said and "anfonwyd eto" in said and "RC007" in said and SCHOOL in said
    assert not [word for word in (*UPN.values(), *ULN.values(), *WHO, "LL77") if word in said]
    first = cycle_by_id(FIRST)
    days = [pd.Timestamp(day).date() for day in ("2012-05-12", "2012-05-13")]
    assert [open_for_long(str(settled_root), first, day) for day in days] == [0, 3]
    # In 2013 nobody has to be chased for 2012 any more; Jac has waited since then, and counts with his newer exception.
    then = pd.Timestamp("2013-03-01").date()
    assert [open_for_long(str(year_on_root), cycle_by_id(c), then) for c in (FIRST, SECOND)] == [0, 1]
    assert "last bound of uln exceptions" in " ".join(uln(settled_root, "status", FIRST).split())


def test_bounds_are_data(answered):
    (answered / "reference" / "exceptions.toml").write_text("[ageing]\ndays = [20]\n", encoding="utf-8")
    _, found = told(answered, FIRST, day="2012-03-03")
    assert [row["age"] for row in found["ages"]] == ["0-20"]
    (answered / "reference" / "exceptions.toml").write_text("[ageing]\ndays = [20, 7]\n[x]\n", encoding="utf-8")
    said = uln(answered, "exceptions", FIRST, expect=1)
    assert "[ageing]" in said and "x" in said


def test_an_exception_that_is_settled_before_any_workbook_was_never_seen(asked):
    codes = dict.fromkeys(WHO, "RC007")
    lrs_says(asked, "result.csv", codes, batch=batch_name(asked, "Ann"))
    lrs_says(asked, "export.csv", {"Bryn": "ULN"}, batch="")
    returns(asked, FIRST, ANSWERED)
    assert lives(asked, FIRST)["Bryn"] == ("resolved", "export", OPENED | {"resolved": "2012-02-12"})


def test_an_export_before_the_result_file_and_after_it_end_the_same(asked, tmp_path):
    ends = []
    for order in (("result", "export"), ("export", "result")):
        root = Path(shutil.copytree(asked, tmp_path / "-".join(order)))
        for day, name in zip((ANSWERED, SETTLED), order, strict=True):
            if name == "result":
                lrs_says(root, "result.csv", dict.fromkeys(WHO, "RC007"), batch=batch_name(root, "Ann"))
            else:
                lrs_says(root, "export.csv", {"Bryn": "ULN", "Carys": "ULN"}, batch="")
            returns(root, FIRST, day)
        states = {who: life[:2] for who, life in lives(root, FIRST).items()}
        ends.append((states, Lake(root / "lake").read("learners"), status_of(str(root), FIRST)))
    (states, learners, status), other = ends
    assert (states, status) == (other[0], other[2]) and states["Bryn"] == ("resolved", "export")
    pd.testing.assert_frame_equal(learners, other[1])


def by_hand(root, rows, name="ExportProcessedExceptions.csv"):
    """An export without the batch's name, in which the MISIdentifier is whatever a person typed."""
    lrs_says(root, name, rows, batch="")
    return returns(root, FIRST, SETTLED)


def test_an_export_without_identifiers_is_tied_by_the_five_demographics(answered):
    found = by_hand(
        answered,
        {
            "Bryn": {"MISIdentifier": "", "GivenName": "BRYN", "LastKnownPostCode": "ll777ng"},
            "Carys": {"MISIdentifier": "12/4711"},
        },
    )
    assert (found["rows"], found["untied"]) == (2, 0)
    assert {who: life[:2] for who, life in lives(answered, FIRST).items() if life[0] == "resolved"} == {
        "Bryn": ("resolved", "export"),
        "Carys": ("resolved", "export"),
    }
    assert not (answered / "reports" / "untied_near_misses.csv").exists()


def test_what_nearly_fits_is_listed_for_a_person_and_tied_to_nobody(answered):
    found = by_hand(
        answered,
        {
            "Bryn": {"MISIdentifier": "", "FamilyName": "=Arall"},
            "Carys": {"MISIdentifier": "", "FamilyName": "Arall", "Gender": "1"},
            "Dewi": {"MISIdentifier": "A123456789012"},
            "Elin": {"MISIdentifier": "", "UKPRN": "10000002"},
        },
    )
    assert (found["rows"], found["untied"]) == (4, 4)
    path = answered / "reports" / "untied_near_misses.csv"
    assert path.stat().st_mode & 0o077 == 0
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    # Bryn agrees in all but the family name, Dewi in all, though another UPN stands there; Carys differs in two, and Elin
    # was not sent under the other UKPRN.
    differs, upn = "Gwahaniaeth yn / Differs in", "Dysgwr a anfonwyd (UPN) / Learner sent (UPN)"
    listed = [(row[upn], row[differs].rpartition(" / ")[2]) for row in rows]
    assert listed == [(UPN["Bryn"], "Family name"), (UPN["Dewi"], listed[1][1])] and "another UPN" in listed[1][1]
    assert rows[0]["Yn ôl yr LRS / The LRS says"] == "'=Arall"
    waiting = attention(str(answered), FIRST)
    assert (waiting["untied_answers"], waiting["untied_near_misses"]) == (4, 2)
    assert "untied_near_misses.csv" in uln(answered, "status", FIRST)


def test_an_answer_tied_by_demographics_after_its_batch_is_known_does_not_stay_on_the_lists(answered):
    lake = Lake(answered / "lake")
    kept = lake.read("batch_rows")
    where = {"cycle": FIRST, "la_code": "660"}
    lake.replace("batch_rows", kept[kept["upn"] != UPN["Bryn"]], **where)
    assert by_hand(answered, {"Bryn": {"MISIdentifier": ""}})["untied"] == 1
    lake.replace("batch_rows", kept, **where)
    returns(answered, FIRST, "2012-03-02T09:15")
    assert lives(answered, FIRST)["Bryn"][:2] == ("resolved", "export")
    assert attention(str(answered), FIRST)["untied_answers"] == 0
