"""The diary of learners who have a ULN and change: what their schools are to correct on the portal, and when it is done.

All ten got a ULN in February 2012. In January 2013 nobody is sent, and
- Ann has another surname; Bryn has moved to school 6604026 and has another postcode;
- Carys has opted out, and Dewi's record, for once, lacks the gender;
- Elin is at school 6604026 under her UPN, but with another date of birth: perhaps somebody else;
- Ffion has no middle name any more; the others are as they were.
"""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from openpyxl import load_workbook

from schemas.texts.catalogue import text
from tasks.io.lake.lake import Lake
from tasks.reports.status import attention, status_of
from tests.support.diary import census, contents, returns
from tests.support.learners.ten import (
    A_YEAR_ON,
    ANSWERED,
    CORRECTED,
    FIRST,
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

OTHER_SCHOOL = "6604026"
WHO_IS = {upn: who for who, upn in UPN.items()}


def to_correct(root, cycle):
    """What the newest workbooks tell of changes: (school, who) -> the fields."""
    found = {}
    for path in sorted((root / "dewi" / "outbox").rglob(f"*{cycle}*.zip")):
        with zipfile.ZipFile(path) as bundle:
            books = [n for n in bundle.namelist() if n.endswith(".xlsx")]
            found[path.parent.name] = [
                cells
                for name in books
                for cells in load_workbook(io.BytesIO(bundle.read(name)))[text("workbook.work_list", "en")].iter_rows(
                    values_only=True
                )
            ]
    told = {}
    for school, rows in found.items():
        for cells in rows:
            if "CHG01" in cells:
                told[school, next(WHO_IS[c] for c in cells if c in WHO_IS)] = cells[cells.index("CHG01") - 1]
    return told


@pytest.fixture(scope="module")
def all_known_root(tmp_path_factory):
    """12 February 2012: the LRS gives each of the ten a ULN. Ffion had gone out with a middle name."""
    root = ask_for_all(tmp_path_factory.mktemp("upkeep"))
    lake = Lake(root / "lake")
    rows = lake.read("batch_rows")
    rows["middle_name"] = rows["middle_name"].mask(rows["upn"] == UPN["Ffion"], "Mair")
    lake.replace("batch_rows", rows, cycle=FIRST)
    lrs_says(root, "result.csv", dict.fromkeys(WHO, "ULN"), batch=batch_name(root, "Ann"))
    returns(root, FIRST, ANSWERED)
    return root


def returns_of_2013(root, day="2013-01-20", bryn="LL65 1AA"):
    changes = {"Ann": {"surname": "Newydd"}, "Dewi": {"gender": ""}}
    here = [pupil(who, nc_year="11", **changes.get(who, {})) for who in WHO if who not in ("Bryn", "Elin")]
    send_return(root, day, here)
    there = [pupil("Bryn", nc_year="11", postcode=bryn), pupil("Elin", nc_year="11", dob="1996-11-06")]
    send_return(root, day, there, school=OTHER_SCHOOL)


@pytest.fixture(scope="module")
def year_on_root(all_known_root, tmp_path_factory):
    root = Path(shutil.copytree(all_known_root, tmp_path_factory.mktemp("later") / "root"))
    returns_of_2013(root)
    (root / "reference" / "opt_outs.csv").write_text(f"upn,recorded_on\n{UPN['Carys']},2012-11-05\n", encoding="utf-8")
    assert census(root, SECOND, A_YEAR_ON)["release.learners"] == 0, "each has a ULN"
    returns(root, SECOND, A_YEAR_ON)
    return root


@pytest.fixture
def year_on(year_on_root, tmp_path):
    return Path(shutil.copytree(year_on_root, tmp_path / "root"))


ALL = {
    ("6604025", "Ann"): "Family name",
    (OTHER_SCHOOL, "Bryn"): "Postcode",
    ("6604025", "Carys"): "Sharing (opt-out)",
    ("6604025", "Ffion"): "Middle names",
}


def test_january_2013_each_change_since_2012_is_listed_at_the_school_where_the_learner_is_now(year_on_root):
    assert to_correct(year_on_root, SECOND) == ALL
    assert attention(str(year_on_root), SECOND)["to_correct_on_portal"] == 4
    assert status_of(str(year_on_root), SECOND)["total"]["not_chosen"] == {"uln_held": 10}
    # The cycle of 2012 knows nothing of it.
    assert to_correct(year_on_root, FIRST) == {} and attention(str(year_on_root), FIRST)["to_correct_on_portal"] == 0


def test_an_answer_that_shows_the_new_value_ends_it_without_another_return(year_on):
    shown = {"Ann": {"FamilyName": "NEWYDD"}, "Bryn": {"LastKnownPostCode": "LL651AA"}}
    lrs_says(year_on, "ExportProcessedExceptions.csv", shown | {"Carys": {"AbilityToShare": "2"}}, batch="")
    returns(year_on, SECOND, THEN_ANSWERED)
    left = {("6604025", "Ffion"): "Middle names"}
    assert to_correct(year_on, SECOND) == left and attention(str(year_on), SECOND)["to_correct_on_portal"] == 1
    # The next runs find it so, and nothing to do.
    before, versions = contents(year_on), Lake(year_on / "lake").versions()
    assert census(year_on, SECOND, "2013-02-20T02:30")["batch.changed"] == 1
    assert returns(year_on, SECOND, "2013-02-20T09:15")["publish.zips"] == 0
    assert contents(year_on) == before and Lake(year_on / "lake").versions() == versions


def test_a_return_that_goes_back_ends_it_and_so_does_an_opt_out_that_is_taken_back(year_on):
    returns_of_2013(year_on, day="2013-01-25", bryn="LL77 7NG")
    (year_on / "reference" / "opt_outs.csv").write_text("upn,recorded_on\n", encoding="utf-8")
    census(year_on, SECOND, THEN_ANSWERED)
    returns(year_on, SECOND, THEN_ANSWERED)
    assert to_correct(year_on, SECOND) == {k: v for k, v in ALL.items() if k[1] in ("Ann", "Ffion")}
    assert attention(str(year_on), SECOND)["to_correct_on_portal"] == 2


def test_a_school_that_has_taken_in_its_ulns_and_sends_its_return_again_is_told_as_well(all_known_root, tmp_path):
    root = Path(shutil.copytree(all_known_root, tmp_path / "root"))
    changes = {"Ann": {"surname": "Newydd"}}
    send_return(root, "2012-02-19", [pupil(who, uln=ULN[who], **changes.get(who, {})) for who in WHO])
    census(root, FIRST, CORRECTED)
    returns(root, FIRST, SETTLED)
    assert status_of(str(root), FIRST)["total"]["not_chosen"]["uln_held"] == 10
    assert to_correct(root, FIRST) == {("6604025", "Ann"): "Family name", ("6604025", "Ffion"): "Middle names"}
