"""The diary of what two schools and their authority get, from the first answers to the last correction.

Monday's census went out, on Wednesday the LRS has answered; whoever opens a file here opens it with another library than
the one that wrote it.
"""

import hashlib
import io
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pypdf
import pytest
from lxml import etree
from openpyxl import load_workbook

from tasks.core.selection import current_returns
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.lake.lake import Lake
from tasks.reports.status import status_of
from tasks.steps import school_files
from tests.support.cli import uln
from tests.support.diary import CYCLE, WEDNESDAY, answered_by_lrs, census, outbox, returns

LA, SCHOOLS = "660", ["6604025", "6604026"]
THURSDAY, FRIDAY, SATURDAY = "2012-02-02T02:30", "2012-02-03T02:30", "2012-02-04T02:30"


@pytest.fixture(scope="module")
def wednesday_root(sent_root, tmp_path_factory):
    root = Path(shutil.copytree(sent_root, tmp_path_factory.mktemp("wednesday") / "root"))
    answered_by_lrs(root, outbox(root))
    returns(root, CYCLE, WEDNESDAY)
    return root


@pytest.fixture
def wednesday(wednesday_root, tmp_path):
    return Path(shutil.copytree(wednesday_root, tmp_path / "wednesday"))


def newest(root, place, kind):
    return max((root / "dewi" / "outbox" / LA / place).glob(f"*.{kind}"))


def in_zip(root, school, kind):
    """The newest zip's file of that kind; None where it has none."""
    with zipfile.ZipFile(newest(root, school, "zip")) as bundle:
        found = [bundle.read(name) for name in bundle.namelist() if name.endswith(kind)]
    return found[0] if found else None


def sheet(content, title):
    """A sheet's rows, by its headings."""
    heading, *rows = load_workbook(io.BytesIO(content))[title].iter_rows(values_only=True)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def work_list(root, school):
    return sheet(in_zip(root, school, ".xlsx"), "Work list")


def of_authority(root, title="Work list"):
    return sheet(newest(root, ".", "xlsx").read_bytes(), title)


def in_ctf(root, school):
    content = in_zip(root, school, ".xml")
    pupils = [] if content is None else etree.fromstring(content).iter("Pupil")
    return {p.findtext("UPN"): p.findtext("UniqueLearnerNumber") for p in pupils}


def held(root, rule):
    """The one learner of whom a rule speaks: school and UPN."""
    lake = Lake(root / "lake")
    found = lake.read("findings", ["row_ref", "rule"], cycle=CYCLE, rule=rule)
    pupils = lake.read("pupils", ["row_ref", "school_number", "upn"], cycle=CYCLE)
    [one] = pupils.merge(found, on="row_ref").to_dict("records")
    return one["school_number"], one["upn"]


def documents(root):
    """The returns that were accepted, whether in a zip or not, by hash."""
    paths = Lake(root / "lake").read("received", ["path"], cycle=CYCLE, kind="return", status="accepted")["path"]
    found = [d.data for path in sorted(set(paths)) for d in open_arrival(root / "dewi" / "inbox" / path).documents]
    return {hashlib.sha256(data).hexdigest(): data for data in found}


def send_again(root, school, day, change):
    """The school sends its newest return again, changed."""
    received = Lake(root / "lake").read("received", cycle=CYCLE, kind="return", status="accepted", school_number=school)
    text = documents(root)[current_returns(received).iloc[0]].decode("utf-8")
    new = re.sub(r"<DateTime>[^<]*<", f"<DateTime>2012-02-0{day}T23:00:00<", change(text))
    assert change(text) != text
    (root / "dewi" / "inbox" / LA / f"{school}-again-{day}.xml").write_text(new, encoding="utf-8")


def of_pupil(upn, element, value):
    """A change of one element of one pupil."""

    def change(text):
        block = next(b for b in re.findall(r"<PupilOnRoll>.*?</PupilOnRoll>", text, re.S) if f"<UPN>{upn}<" in b)
        new = re.sub(f"<{element}>[^<]*</{element}>|<{element}/>", f"<{element}>{value}</{element}>", block)
        return text.replace(block, new)

    return change


def test_a_held_learner_s_line_has_one_action_and_the_code_it_would_have_had(wednesday):
    school, upn = held(wednesday, "PCD02")
    [line] = [line for line in work_list(wednesday, school) if line["UPN"] == upn]
    assert (line["Code"], line["LRS code if sent"], line["Step"]) == ("PCD02", "RC011", None)
    assert line["What to do"] == "Correct the postcode in the school's MIS and send the return again"
    found = [p for p in (wednesday / "dewi" / "inbox" / LA).glob("*.xml") if b"LL77 7CC" in p.read_bytes()]
    assert re.search(r"PCD02\s*│\s*RC011", uln(wednesday, "check", str(found[0]), "--cycle", CYCLE, expect=1))


def test_a_corrected_value_frees_the_learner_by_itself_and_the_lines_go(wednesday):
    school, upn = held(wednesday, "PCD02")
    assert upn in {line["UPN"] for line in of_authority(wednesday)}
    send_again(wednesday, school, 1, of_pupil(upn, "PostCode", "LL77 7NG"))
    assert census(wednesday, CYCLE, THURSDAY)["release.learners"] == 1
    returns(wednesday, CYCLE, THURSDAY)
    assert upn not in {line["UPN"] for line in [*work_list(wednesday, school), *of_authority(wednesday)]}
    answered_by_lrs(wednesday, {n: c for n, c in outbox(wednesday).items() if upn.encode() in c})
    returns(wednesday, CYCLE, FRIDAY)
    # A ULN, or what the LRS said instead.
    got_one = Lake(wednesday / "lake").read("learners", ["uln"], upn=[upn])["uln"].notna().any()
    listed = {line["UPN"] for line in work_list(wednesday, school)}
    assert (upn in in_ctf(wednesday, school)) == got_one and (upn in listed) != got_one


def test_what_was_sent_is_shown_where_it_is_not_as_the_school_spells_it(wednesday):
    sent = pd.concat(pd.read_csv(io.BytesIO(c), dtype="str") for c in outbox(wednesday).values()).set_index(
        "MISIdentifier"
    )
    shown = 0
    for school in SCHOOLS:
        rows = sheet(in_zip(wednesday, school, ".xlsx"), "ULNau - ULNs")
        assert {r["UPN"]: r["ULN"] for r in rows} == in_ctf(wednesday, school)
        for row in rows:
            one = sent.loc[row["UPN"].strip().upper()]
            told = row["Anfonwyd at yr LRS fel / Sent to the LRS as"]
            names = (row["Cyfenw / Surname"].strip(), row["Enw cyntaf / Forename"].strip())
            if (one["FamilyName"], one["GivenName"]) != names:
                assert told.startswith(f"{one['FamilyName']}, {one['GivenName']}") and told.isascii()
                shown += 1
    assert shown > 0


def test_a_learner_whom_the_school_s_system_would_refuse_moves_to_the_work_list_and_back(wednesday):
    school = SCHOOLS[0]
    before = in_ctf(wednesday, school)
    upn = min(set(before) - {line["UPN"] for line in work_list(wednesday, school)})
    send_again(wednesday, school, 1, of_pupil(upn, "Gender", ""))
    census(wednesday, CYCLE, THURSDAY)
    returns(wednesday, CYCLE, THURSDAY)
    assert in_ctf(wednesday, school) == {u: n for u, n in before.items() if u != upn}
    assert [line["Code"] for line in work_list(wednesday, school) if line["UPN"] == upn] == ["MIS05"]
    send_again(wednesday, school, 2, of_pupil(upn, "Gender", "F"))
    census(wednesday, CYCLE, FRIDAY)
    returns(wednesday, CYCLE, FRIDAY)
    assert in_ctf(wednesday, school) == before


def test_a_learner_with_another_uln_in_the_school_s_system_is_not_in_the_file(wednesday):
    school = SCHOOLS[0]
    before = in_ctf(wednesday, school)
    upn = next(u for u, n in sorted(before.items()) if n != "1000102504")
    send_again(wednesday, school, 1, lambda text: text.replace(f"<UPN>{upn}</UPN>", f"<UPN>{upn}</UPN><UniqueLearnerNumber>1000102504</UniqueLearnerNumber>"))  # fmt: skip
    census(wednesday, CYCLE, THURSDAY)
    returns(wednesday, CYCLE, THURSDAY)
    assert upn not in in_ctf(wednesday, school)
    assert [line["Code"] for line in work_list(wednesday, school) if line["UPN"] == upn] == ["REG03"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((b"<Estab>40", b"<Estab>41"), "another school"),
        ((b"<?xml", b"\xef\xbb\xbf<?xml"), "UTF-8"),
        ((b"<UPN>", b"<UPN> "), "exactly those of the return"),
    ],
    ids=["another-school", "byte-order-mark", "upn"],
)
def test_a_file_that_would_not_be_imported_never_leaves(sent, monkeypatch, wrong, said):
    answered_by_lrs(sent, outbox(sent))
    real = school_files.write_ctf
    monkeypatch.setattr(school_files, "write_ctf", lambda *given, **named: real(*given, **named).replace(*wrong, 1))
    assert returns(sent, CYCLE, WEDNESDAY)["publish.faults"] == len(SCHOOLS)
    assert not list((sent / "dewi" / "outbox").rglob("*.zip"))
    evidence = "".join(p.read_text(encoding="utf-8") for p in (sent / "reports" / CYCLE / "faults").glob("*"))
    assert said in evidence


def test_the_slip_says_what_was_received_and_where_it_stands(wednesday):
    status = status_of(str(wednesday), CYCLE)["schools"]
    inbox = documents(wednesday)
    for school in SCHOOLS:
        book = load_workbook(io.BytesIO(in_zip(wednesday, school, ".xlsx")))
        rows = list(book["Slip cyflwyno - Submission slip"].iter_rows(values_only=True))
        counts = {str(row[0]).rpartition(" / ")[2]: row[1] for row in rows if isinstance(row[1], int)}
        assert counts["Records"] == status[school]["records"]
        assert (counts["ULN received"], counts["Exception"]) == (status[school]["uln"], status[school]["exception"])
        assert counts["ULNs in the transfer file"] == len(in_ctf(wednesday, school))
        assert counts["Lines in the work list"] == len(work_list(wednesday, school))
        files = [row for row in rows if isinstance(row[5], str) and re.fullmatch("[0-9a-f]{64}", row[5])]
        assert files and {row[1] for row in files} == {school}
        assert [row[4] for row in files].count("cyfredol / current") == 1
        assert {row[5] for row in files} <= set(inbox)
        batches = {row[0] for row in rows if str(row[0]).endswith(".CSV")}
        assert batches and batches <= set(outbox(wednesday))


def test_the_authority_s_workbook_is_that_of_all_its_schools_and_new_where_one_of_them_gets_something_new(wednesday):
    def lines():
        return [line for school in SCHOOLS for line in work_list(wednesday, school)]

    def told():
        return [{k: v for k, v in line.items() if not k.startswith("School")} for line in of_authority(wednesday)]

    assert told() == lines() and len(told()) > 0
    assert {line["School number"] for line in of_authority(wednesday)} <= set(SCHOOLS)
    total = sum(row["ULNau yn y ffeil drosglwyddo / ULNs in the transfer file"] for row in of_authority(wednesday, "Ysgolion - Schools"))  # fmt: skip
    assert total == sum(len(in_ctf(wednesday, school)) for school in SCHOOLS)
    first = newest(wednesday, ".", "xlsx")
    assert (first.name, first.stat().st_mode & 0o077) == (f"ULN_Exceptions_{LA}_{CYCLE}_001.xlsx", 0)
    assert returns(wednesday, CYCLE, THURSDAY)["publish.workbooks"] == 0
    assert newest(wednesday, ".", "xlsx") == first
    school, upn = held(wednesday, "PCD02")
    send_again(wednesday, school, 1, of_pupil(upn, "PostCode", "LL77 7NG"))
    census(wednesday, CYCLE, THURSDAY)
    found = returns(wednesday, CYCLE, FRIDAY)
    assert (found["publish.zips"], found["publish.workbooks"]) == (1, 1)
    assert newest(wednesday, ".", "xlsx").name.endswith("_002.xlsx")
    assert told() == lines()


def test_a_school_that_has_nothing_left_to_do_gets_an_empty_list_once(sent):
    returns(sent, CYCLE, WEDNESDAY)
    assert work_list(sent, SCHOOLS[0])
    lake = Lake(sent / "lake")
    found = lake.read("findings", cycle=CYCLE, la_code=LA)
    lake.replace("findings", found[found["school_number"] != SCHOOLS[0]], cycle=CYCLE, la_code=LA)
    assert returns(sent, CYCLE, THURSDAY)["publish.zips"] == 1
    assert work_list(sent, SCHOOLS[0]) == [] and in_ctf(sent, SCHOOLS[0]) == {}
    assert returns(sent, CYCLE, FRIDAY)["publish.zips"] == 0


def test_the_exams_list_has_the_learners_of_the_transfer_file(wednesday):
    for school in SCHOOLS:
        rows = pd.read_csv(io.BytesIO(in_zip(wednesday, school, ".csv")), dtype="str")
        assert list(rows.columns) == ["UPN", "UniqueLearnerNumber", "Surname", "Forename"]
        assert dict(zip(rows["UPN"], rows["UniqueLearnerNumber"], strict=True)) == in_ctf(wednesday, school)


def test_slips_are_made_of_what_was_delivered_the_same_each_time_and_go_with_the_zip(wednesday):
    school = SCHOOLS[0]
    told = uln(wednesday, "slips", CYCLE, "--school", school)
    assert f"{len(in_ctf(wednesday, school))} learners" in told
    pdfs = sorted((wednesday / "dewi" / "outbox").rglob("*.pdf"))
    assert [p.name for p in pdfs] == [f"ULN_{kind}_{school}_{CYCLE}_001.pdf" for kind in ("Slips", "Staff")]
    assert {p.parent.name for p in pdfs} == {school} and {p.stat().st_mode & 0o077 for p in pdfs} == {0}
    for pdf in pdfs:
        words = " ".join(page.extract_text() for page in pypdf.PdfReader(pdf).pages)
        assert all(number in words for number in in_ctf(wednesday, school).values())
    before = {p: p.read_bytes() for p in pdfs}
    uln(wednesday, "slips", CYCLE, "--school", school)
    assert {p: p.read_bytes() for p in pdfs} == before
    newest(wednesday, school, "zip").unlink()
    assert f"{school}: " in uln(wednesday, "slips", CYCLE, "--school", school, expect=1)
    uln(wednesday, "purge", "--before", "2026-01-01", "--yes")
    assert not list((wednesday / "dewi" / "outbox").rglob("ULN_*"))
