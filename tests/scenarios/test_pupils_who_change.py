"""The diary of pupils who change after the batch that they are in went out: who is sent again, and what schools are told."""

import io
import re
import zipfile

from openpyxl import load_workbook

from tasks.io.lake.lake import Lake
from tasks.reports.status import attention, status_of
from tests.support.cli import uln
from tests.support.diary import CYCLE, WEDNESDAY, answered_by_lrs, census, outbox, returns


def send_again(root, day, changes):
    """School 6604025 sends its return again, with what these learners have now: UPN -> element -> value."""
    folder = root / "dewi" / "inbox" / "660"
    text = (folder / "6604025_2012-01_PLASC_002.xml").read_text(encoding="utf-8")
    for upn, values in changes.items():
        block = next(b for b in re.findall(r"<PupilOnRoll>.*?</PupilOnRoll>", text, re.S) if f"<UPN>{upn}<" in b)
        new = block
        for element, value in values.items():
            new, times = re.subn(f"<{element}>[^<]*<", f"<{element}>{value}<", new)
            assert times == 1
        text = text.replace(block, new)
    text = re.sub(r"<DateTime>[^<]*<", f"<DateTime>2012-01-{day}T23:00:00<", text)
    (folder / f"again-{day}.xml").write_text(text, encoding="utf-8")


def told_to_schools(root):
    """UPN -> code -> the fields named on the English sheet and on the Welsh one, of the newest workbooks."""
    found = {}
    for path in sorted((root / "dewi" / "outbox").rglob("*.zip")):
        with zipfile.ZipFile(path) as bundle:
            for name in (n for n in bundle.namelist() if n.endswith(".xlsx")):
                book = load_workbook(io.BytesIO(bundle.read(name)))
                sheets = [
                    list(book[sheet].iter_rows(min_row=2, values_only=True)) for sheet in ("Work list", "Rhestr waith")
                ]
                found[path.parent.name] = [(e[0], e[11], e[10], c[10]) for e, c in zip(*sheets, strict=True)]
    return [line for lines in found.values() for line in lines if line[1].startswith("CHG")]


def sent_learners(root, count):
    rows = Lake(root / "lake").read("batch_rows", ["upn"], cycle=CYCLE, school_number="6604025")["upn"]
    text = (root / "dewi" / "inbox" / "660" / "6604025_2012-01_PLASC_002.xml").read_text(encoding="utf-8")
    return [upn for upn in rows if f"<UPN>{upn}<" in text][:count]


def test_a_learner_who_changes_while_the_answer_is_awaited_is_not_sent_again_and_the_school_is_told(sent):
    one, other = sent_learners(sent, 2)
    send_again(sent, 30, {one: {"Surname": "Newydd", "PostCode": "LL77 7NG"}, other: {"EntryDate": "2011-01-09"}})
    found = census(sent, CYCLE, WEDNESDAY)
    assert (found["batch.changed"], found["release.learners"]) == (1, 0)
    assert attention(str(sent), CYCLE)["changed_while_waiting"] == 1
    assert "wrth aros" in uln(sent, "status", CYCLE)
    returns(sent, CYCLE, WEDNESDAY)
    assert told_to_schools(sent) == [(one, "CHG02", "Family name, Postcode", "Cyfenw, Cod post")]
    # The answer comes: what was true of the record is now for the portal.
    answered_by_lrs(sent, outbox(sent))
    returns(sent, CYCLE, "2012-02-02T02:30")
    assert told_to_schools(sent) == [(one, "CHG01", "Family name, Postcode", "Cyfenw, Cod post")]
    now = attention(str(sent), CYCLE)
    assert (now["changed_while_waiting"], now["to_correct_on_portal"]) == (0, 1)
    # And the school takes it back: nobody has to do anything any more.
    send_again(sent, 31, {})
    assert census(sent, CYCLE, "2012-02-03T02:30")["release.learners"] == 0
    returns(sent, CYCLE, "2012-02-03T03:00")
    assert told_to_schools(sent) == [] and attention(str(sent), CYCLE)["to_correct_on_portal"] == 0


def test_after_the_answer_only_who_ended_in_an_exception_is_sent_again_and_only_if_what_is_sent_has_changed(sent):
    answered_by_lrs(sent, outbox(sent))
    returns(sent, CYCLE, WEDNESDAY)
    lake = Lake(sent / "lake")
    ours = sent_learners(sent, 100)
    excepted = [upn for upn in lake.read("exceptions", ["upn"], state="open")["upn"] if upn in ours]
    held = [upn for upn in lake.read("learners", ["upn", "uln"]).dropna()["upn"] if upn in ours]
    before = set(lake.read("batches")["batch_ref"])
    send_again(sent, 30, {held[0]: {"Surname": "Newydd"}, excepted[0]: {"EntryDate": "2011-01-09"}})
    assert census(sent, CYCLE, "2012-02-02T02:30")["release.learners"] == 0
    send_again(sent, 31, {held[0]: {"Surname": "Newydd"}, excepted[0]: {"Surname": "Cywir"}})
    assert census(sent, CYCLE, "2012-02-03T02:30")["release.learners"] == 1
    [new] = set(lake.read("batches")["batch_ref"]) - before
    assert list(lake.read("batch_rows", batch_ref=new)["upn"]) == [excepted[0]]
    returns(sent, CYCLE, "2012-02-03T03:00")
    assert [line[:3] for line in told_to_schools(sent)] == [(held[0], "CHG01", "Family name")]
    assert status_of(str(sent), CYCLE)["total"]["balanced"]
