"""A list per authority of what its schools need: both languages, side by side, written only where it has changed."""

import io

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from schemas.texts.faults import Refused
from tasks.io.data_root.data_root import DataRoot
from tasks.io.plasc.reader import ReturnHeader
from tasks.stages.readiness import readiness
from tasks.steps.receive import admit
from tests.support.without_engine import run_stage

HEADING = "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode,lrb_registered_on,privacy_notice_on,takes_part\n"
READY = "6604025,10000001,Ysgol Un,LL68 9TH,Ysgol Un,LL68 9TH,2011-10-01,2011-09-05,\n"
DIFFERS = "6604026,10000002,=Ysgol Dau,LL65 1NP,Ysgol Tri,LL65 1NP,2011-10-01,2011-09-05,\n"


@pytest.fixture
def root(tmp_path):
    root = DataRoot(tmp_path).create()
    (root.reference / "registration.csv").write_text(HEADING + READY + DIFFERS, encoding="utf-8")
    return root


def lists(root, las=("660", "661")):
    counts = run_stage(readiness, root.path, "2012-01", "2012-01-29T09:15", las)
    return counts, root.reports("2012-01") / "readiness"


def test_a_list_says_what_is_missing_what_the_registers_say_what_to_do_and_where_in_both_languages(root):
    _, folder = lists(root)
    data = (folder / "660.csv").read_bytes()
    rows = pd.read_csv(io.BytesIO(data), dtype="str", encoding="utf-8-sig")
    assert list(rows.columns) == [
        *("Rhif yr ysgol / School number", "Ysgol / School", "Beth sydd ar goll", "What is missing"),
        *("Ar yr UKRLP / On the UKRLP", "Ar Edubase / On Edubase", "Yr hyn a gafwyd / Found"),
        *("Beth i'w wneud", "What to do", "Ble", "Where"),
    ]
    own = rows[rows.iloc[:, 0] == "6604026"].iloc[0]
    # A spreadsheet would take the name for a formula.
    assert own.iloc[4:6].to_list() == ["'=Ysgol Dau", "Ysgol Tri"]
    assert own["Where"] == "Edubase first, then the UKRLP" and own["Ble"] == "Edubase yn gyntaf, yna'r UKRLP"
    assert "6604025" not in set(rows.iloc[:, 0])
    assert {path.name for path in folder.iterdir()} == {"660.csv", "661.csv"}


def test_a_second_run_writes_nothing_and_what_was_put_right_leaves_the_list(root):
    first, folder = lists(root)
    before = (folder / "661.csv").stat().st_mtime_ns
    assert first["written"] == 2 and lists(root)[0] == {"schools": first["schools"], "written": 0}
    (root.reference / "registration.csv").write_text(
        HEADING + READY + DIFFERS.replace("=Ysgol Dau", "Ysgol Tri"), "utf-8"
    )
    second, _ = lists(root)
    assert second == {"schools": first["schools"] - 1, "written": 1}
    assert "6604026" not in (folder / "660.csv").read_text(encoding="utf-8")
    assert (folder / "661.csv").stat().st_mtime_ns == before


def test_an_authority_whose_schools_lack_nothing_has_a_list_of_headings(root):
    (root.reference / "schools.csv").write_text(
        "school_number,school_name,la_code,la_en,la_cy,sector_en,sector_cy\n6604025,Ysgol Un,660,a,b,Secondary,Uwchradd\n",
        encoding="utf-8",
    )
    counts, folder = lists(root, ["660"])
    assert counts["schools"] == 0
    assert len((folder / "660.csv").read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("estab", "unit"), [("1099", False), ("1100", True), ("1113", True), ("1114", False), ("4999", False)]
)
def test_a_return_numbered_like_a_pupil_referral_unit_is_refused_for_that_reason(estab, unit):
    known = dict.fromkeys(ReturnHeader.__dataclass_fields__)
    header = ReturnHeader(**known | {"la_code": "660", "estab": estab, "census_date": "2012-01-17"})
    with pytest.raises(Refused, match="unknown_school") as caught:
        admit(header, cycle_by_id("2012-01"), {"6604025"})
    assert ("mainstream school" in caught.value.detail.en) is unit
