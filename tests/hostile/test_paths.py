"""Nothing read from a file decides a path: whatever stands in the fields, what is written lies where it always does."""

import csv
import io
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from schemas.texts.faults import ConfigurationFault
from tasks.core.readiness import unmet_requirements
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import list_arrivals, open_arrival, storable
from tasks.io.data_root.reference import registration, schools
from tasks.io.lake.lake import Lake
from tests.hostile.pupils import SOUND, ULNS, UPNS, a_return
from tests.support.diary import census, returns

ELSEWHERE = ["../../../../elsewhere", "..", "/tmp/elsewhere", "..\\..\\elsewhere", "C:elsewhere", "a/../../b", "%2e%2e%2f", "~", "660;rm", "\u2024\u2024/x", "x" * 300]  # fmt: skip
#: Every file that a run may write, below its data root.
PLACES = re.compile(
    r"lake/[a-z_]+/_delta_log/\d{20}\.json|lake/[a-z_]+/((cycle=\d{4}-\d\d|la_code=\d{3}|area=(\d{3}|none))/)*part-[0-9a-z.-]+\.parquet"
    r"|quarantine/[0-9a-f]{64}/(reason\.json|file\.(xml|zip|bin))|lrs/outbox/LRB_\d{8}_\d{12}\.(CSV|XML)"
    r"|dewi/outbox/\d{3}/ULN_Exceptions_\d{3}_\d{4}-\d\d_\d{3}\.xlsx"
    r"|dewi/outbox/\d{3}/\d{7}/ULN_\d{7}_\d{4}-\d\d_\d{3}\.zip|snapshots/\d{4}-\d\d/(learners\.parquet|exceptions\.parquet|manifest\.json)"
    r"|reports/\d{4}-\d\d/conservation\.json|reports/untied(_near_misses)?\.csv"
)
REGISTRATION = "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode,lrb_registered_on,privacy_notice_on,takes_part\n"


def hostile_returns():
    """A return for each field that says where a school is or which return it is, and each value."""
    sound = a_return([SOUND | {"upn": UPNS[0]}])
    for n, value in enumerate(ELSEWHERE):
        for old in ("<LEA>660", "<Estab>4025", "<SerialNo>1", "<Collection>PLASC", "<ReferenceDate>2012-01-17"):
            name = old.partition(">")[0]
            yield f"{name[1:]}-{n}.xml", sound.replace(old.encode(), f"{name}>{value}".encode(), 1)
    fields = ("upn", "former_upn", "uln", "surname", "gender", "dob", "nc_year", "postcode", "enrol_status")
    pupils = [SOUND | {"upn": UPNS[1 + n], field: value} for field in fields for n, value in enumerate(ELSEWHERE)]
    yield "pupils.xml", a_return([*pupils, SOUND | {"upn": UPNS[59]}], at="2012-01-21T10:00:00")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A census and what comes back, with hostile values wherever a file may hold one."""
    around = tmp_path_factory.mktemp("around")
    root = DataRoot(around / "some" / "where" / "root").create()
    rows = ["6604025,10000001,a,b,a,b,2011-09-01,2011-09-01,Y"]
    rows += [f"{6604026 + n},{value},a,b,a,b,2011-09-01,2011-09-01,Y" for n, value in enumerate(ELSEWHERE)]
    rows += [f"{value},10000002,a,b,a,b,2011-09-01,2011-09-01,Y" for value in ELSEWHERE]
    (root.reference / "registration.csv").write_text(REGISTRATION + "\n".join(rows), encoding="utf-8")
    inbox = root.dewi_inbox / "660"
    inbox.mkdir()
    for name, content in hostile_returns():
        (inbox / name).write_bytes(content)
    for n, school in enumerate(("6604026", "6604027", "6604028")):
        (inbox / f"own-{n}.xml").write_bytes(a_return([SOUND | {"upn": UPNS[50 + n]}], school))
    (inbox / "a name with \x1b[2J and \u202e.xml").write_bytes(b"<")
    before = {p for p in around.rglob("*") if p.is_file()}
    census(root.path, "2012-01", "2012-01-29T09:15:00")
    answers = io.StringIO()
    table = csv.writer(answers)
    table.writerow(["FileName", "UKPRN", "MISIdentifier", "ULN", "ReturnCode"])
    table.writerow(["x", "10000001", UPNS[59], ULNS[0], ""])
    table.writerows([[v, v, v, v, v] for v in ELSEWHERE])
    table.writerows([["x", "10000001", UPNS[59], "", v] for v in ELSEWHERE])
    table.writerows([["=1+1", "@x", "=cmd|' /C calc'!A0", "", "-2+3"]])
    (root.lrs_inbox / "=1+1;=2 \x1b[2J.csv").write_text(answers.getvalue(), encoding="utf-8")
    before |= set(root.lrs_inbox.iterdir())
    returns(root.path, "2012-01", "2012-02-12T09:15:00")
    return around, root, before


def test_what_is_written_lies_where_it_always_does(ran):
    around, root, before = ran
    written = {p for p in around.rglob("*") if p.is_file()} - before
    assert all(p.is_relative_to(root.path) for p in written)
    names = {p.relative_to(root.path).as_posix() for p in written}
    assert [n for n in names if not PLACES.fullmatch(n)] == []
    # The run did what runs do, so that there was something to be led astray.
    for place in (
        "lrs/outbox/LRB_10000001_",
        "dewi/outbox/660/6604025/",
        "quarantine/",
        "snapshots/2012-01/",
        "reports/untied.csv",
    ):
        assert any(n.startswith(place) for n in names), place


def test_a_school_of_a_hostile_ukprn_is_not_ready(ran):
    _, root, _ = ran
    assert set(Lake(root.lake).read("batches", ["ukprn"])["ukprn"]) == {"10000001"}
    missing = unmet_requirements(schools(root.reference), registration(root.reference), cycle_by_id("2012-01"))
    told = missing.groupby("school_number")["code"].agg(set)
    hostile = [str(6604026 + n) for n in range(len(ELSEWHERE)) if str(6604026 + n) in told.index]
    assert len(hostile) >= 3 and all("ukprn_malformed" in told[school] for school in hostile)


def test_names_on_disk_are_shown_without_what_a_terminal_obeys(ran):
    _, root, _ = ran
    received = Lake(root.lake).read("received", ["path", "file_name"])
    for names in (received["path"], received["file_name"]):
        assert all(name.isprintable() for name in names)
    shown = r"660/a name with \x1b[2J and \u202e.xml"
    assert shown in set(received["path"])
    assert shown in {storable(Path(a.path)) for a in list_arrivals(root.dewi_inbox, "660")}


def test_the_report_of_untied_answers_holds_no_formula(ran):
    _, root, _ = ran
    content = (root.path / "reports" / "untied.csv").read_text(encoding="utf-8-sig")
    found = [cell for row in csv.reader(io.StringIO(content, newline="")) for cell in row]
    assert r"'=1+1;'=2 \x1b[2J.csv" in found
    assert [cell for cell in found if cell.startswith(("=", "+", "-", "@"))] == []


@pytest.mark.parametrize("name", ["a\x1b[2J.xml", "a\u202elmx.xml", "a\u2028b.xml", "a\u200b.xml"], ids=ascii)
def test_names_in_a_zip_are_shown_without_it_too(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as bundle:
        bundle.writestr(name, b"<a/>")
    (document,) = open_arrival(tmp_path / "x.zip").documents
    assert document.member.isprintable() and document.member.startswith("a\\")


@pytest.mark.parametrize("value", ELSEWHERE)
@pytest.mark.parametrize("column", ["school_number", "la_code"])
def test_the_schools_register_names_schools_by_digits_alone(tmp_path, column, value):
    row = {
        "school_number": "6604999",
        "school_name": "Newydd",
        "la_code": "660",
        "la_en": "a",
        "la_cy": "b",
        "sector_en": "Secondary",
        "sector_cy": "c",
    }
    pd.DataFrame([row, {**row, "school_number": "6604998", column: value}]).to_csv(
        tmp_path / "schools.csv", index=False
    )
    with pytest.raises(ConfigurationFault) as caught:
        schools(tmp_path)
    assert [fault.count(column) for fault in caught.value.faults] == [2]
