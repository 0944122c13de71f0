"""Returns of a few named learners, written by hand; what the LRS says of each; what their schools got."""

import io
import zipfile
from xml.sax.saxutils import escape

import pandas as pd
from lxml import etree
from openpyxl import load_workbook

from tasks.core.identifiers import uln_check_digit, upn_check_letter
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake

A, B = "6604025", "6604026"
_UKPRN = {A: "10000001", B: "10000002"}
_SCHOOL = "{school},{ukprn},{name},LL77 7NG,{name},LL77 7NG,2011-09-01,2011-09-01,Y\n"
_RETURN = """<Message><Header><CollectionDetails><Collection>PLASC</Collection><ReferenceDate>{census}</ReferenceDate>
</CollectionDetails><Source><LEA>660</LEA><Estab>{estab}</Estab><SerialNo>1</SerialNo><DateTime>{made}</DateTime></Source>
</Header><Pupils><PupilsOnRoll>{pupils}</PupilsOnRoll></Pupils></Message>"""
_PUPIL = """<PupilOnRoll><PupilIdentifiers><UPN>{upn}</UPN><UniqueLearnerNumber>{uln}</UniqueLearnerNumber>
<FormerUPN>{former}</FormerUPN><Surname>{surname}</Surname><Forename>{forename}</Forename><Gender>{gender}</Gender>
<DOB>{dob}</DOB></PupilIdentifiers><PupilStatus><EnrolStatus>{status}</EnrolStatus><NCyearActual>{year}</NCyearActual>
</PupilStatus><HomeInformation><Address><PostCode>{postcode}</PostCode></Address></HomeInformation></PupilOnRoll>"""
_SOUND = {"former": "", "uln": "", "surname": "Prys", "forename": "Sian", "gender": "F", "dob": "1996-11-05"}
_SOUND |= {"status": "C", "year": "10", "postcode": "LL77 7NG"}


def upn(serial, *, temporary=False, school=A):
    """A UPN that a school allotted in 2008, with its check letter."""
    twelve = f"{school}08{serial:02}A" if temporary else f"{school}08{serial:03}"
    return upn_check_letter(pd.Series([twelve])).iloc[0] + twelve


_NINE = pd.Series(range(100_000_000, 100_001_200)).astype("str")
#: One start in eleven has no check digit.
_ULNS = (_NINE + uln_check_digit(_NINE)).dropna().tolist()


def uln(serial):
    """A ULN, for each number another."""
    return _ULNS[serial]


def learner(number, **changes):
    return _SOUND | {"upn": number} | changes


def two_schools(root):
    """A data root with two schools that are ready."""
    place = DataRoot(root).create()
    head = "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode,lrb_registered_on,privacy_notice_on,"
    rows = [_SCHOOL.format(school=one, ukprn=_UKPRN[one], name=f"School {one}") for one in (A, B)]
    (place.reference / "registration.csv").write_text(head + "takes_part\n" + "".join(rows), encoding="utf-8")
    (place.dewi_inbox / "660").mkdir()
    return root


def hand_in(root, school, made, *learners, census_day="2012-01-17"):
    """A school's return lies in the inbox: `<school>-<when it was made>.xml`."""
    pupils = "".join(_PUPIL.format(**{k: escape(v) for k, v in one.items()}) for one in learners)
    text = _RETURN.format(census=census_day, estab=school[3:], made=f"{made}T10:00:00", pupils=pupils)
    (root / "dewi" / "inbox" / "660" / f"{school}-{made}.xml").write_text(text, encoding="utf-8")


def lrs_answers(root, name, answers):
    """The LRS answers: UPN -> a ULN, or a code; under the UKPRN that asked for the learner last."""
    sent = Lake(root / "lake").read("batch_rows", ["upn", "ukprn"]).drop_duplicates("upn", keep="last")
    ukprns = dict(zip(sent["upn"], sent["ukprn"], strict=True))
    lines = ["FileName,UKPRN,MISIdentifier,ULN,ReturnCode"]
    for number, said in answers.items():
        code = said if said.startswith("RC") else "RC001"
        lines.append(f"x,{ukprns[number]},{number},{'' if code == said else said},{code}")
    (root / "lrs" / "inbox" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def sent(root):
    """Every time that a learner was sent: (school, UPN), sorted."""
    rows = Lake(root / "lake").read("batch_rows", ["school_number", "upn"])
    return sorted(zip(rows["school_number"], rows["upn"], strict=True))


def got(root, school):
    """What a school's newest zip holds: UPN -> ULN of the transfer file, and (UPN, code) of the list, sorted."""
    zips = sorted((root / "dewi" / "outbox" / school[:3] / school).glob("*.zip"), key=lambda p: p.stem[-3:])
    ulns, lines = {}, []
    with zipfile.ZipFile(zips[-1]) as bundle:
        for name in bundle.namelist():
            if name.endswith(".xml"):
                pupils = etree.fromstring(bundle.read(name)).iter("Pupil")
                ulns |= {p.findtext("UPN"): p.findtext("UniqueLearnerNumber") for p in pupils}
            if name.endswith(".xlsx"):
                lines += _listed(load_workbook(io.BytesIO(bundle.read(name))))
    return ulns, sorted(lines)


def _listed(book):
    """(UPN, code) of the English list, wherever in the workbook it stands: by its headings."""
    for sheet in book:
        rows = list(sheet.iter_rows(values_only=True))
        for place, row in enumerate(rows):
            if {"UPN", "Code", "What is wrong"} <= set(row):
                return [
                    (one[row.index("UPN")], one[row.index("Code")])
                    for one in rows[place + 1 :]
                    if one[row.index("Code")]
                ]
    return []


def reasons(root, cycle):
    """(school, UPN) -> why it is not chosen, or `chosen`; of the current returns."""
    lake = Lake(root / "lake")
    rows = lake.read("pupils", ["row_ref", "school_number", "upn"], cycle=cycle)
    rows = rows.merge(lake.read("dispositions", ["row_ref", "reason"], cycle=cycle), on="row_ref")
    rows = rows[rows["reason"] != "superseded_return"]
    told = rows["reason"].fillna("chosen")
    return dict(zip(zip(rows["school_number"], rows["upn"], strict=True), told, strict=True))
