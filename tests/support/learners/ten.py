"""Ten learners of one school, whom the diaries of exceptions and of upkeep follow; what the school and the LRS send."""

import csv
import io

import pandas as pd

from tasks.core.identifiers import uln_check_digit, upn_check_letter
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tests.support.diary import census

FIRST, SECOND = "2012-01", "2013-01"
SCHOOL, UKPRN = "6604025", "10000001"
WHO = ("Ann", "Bryn", "Carys", "Dewi", "Elin", "Ffion", "Gwen", "Huw", "Iolo", "Jac")
_TWELVE = pd.Series([f"6604025{n:05}" for n in range(len(WHO))], dtype="str")
_NINE = pd.Series([f"1000{n:05}" for n in range(2 * len(WHO))], dtype="str")
UPN = dict(zip(WHO, upn_check_letter(_TWELVE) + _TWELVE, strict=True))
#: Every eleventh or so has no check digit.
ULN = dict(zip(WHO, (_NINE + uln_check_digit(_NINE)).dropna(), strict=False))
ASKED, ANSWERED, CORRECTED, SETTLED = ("2012-01-30T02:30", "2012-02-12T09:15", "2012-02-20T02:30", "2012-03-01T09:15")
A_YEAR_ON, THEN_ANSWERED = "2013-01-30T02:30", "2013-02-12T09:15"

REGISTRATION = (
    "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode,lrb_registered_on,privacy_notice_on,"
    "takes_part\n6604025,10000001,a,b,a,b,2011-09-01,2011-09-01,Y\n6604026,10000002,a,b,a,b,2011-09-01,2011-09-01,Y\n"
)
ELEMENTS = {"upn": "UPN", "uln": "ULN", "surname": "Surname", "forename": "Forename", "gender": "Gender", "dob": "DOB"}


def pupil(who, **changes):
    own = {"upn": UPN[who], "surname": f"Teulu{who}", "forename": who, "gender": "F", "dob": "1996-11-05"}
    own |= {"nc_year": "10", "postcode": "LL77 7NG"} | changes
    names = "".join(f"<{tag}>{own[field]}</{tag}>" for field, tag in ELEMENTS.items() if field in own)
    return (
        f"<PupilOnRoll><PupilIdentifiers>{names}</PupilIdentifiers><PupilStatus><EnrolStatus>C</EnrolStatus>"
        f"<NCyearActual>{own['nc_year']}</NCyearActual></PupilStatus><HomeInformation><Address>"
        f"<PostCode>{own['postcode']}</PostCode></Address></HomeInformation></PupilOnRoll>"
    )


def send_return(root, day, pupils, school=SCHOOL):
    """The school's return of that day; its census is in January of the same year."""
    text = (
        "<Message><Header><CollectionDetails><Collection>PLASC</Collection>"
        f"<ReferenceDate>{day[:4]}-01-17</ReferenceDate></CollectionDetails><Source><LEA>{school[:3]}</LEA>"
        f"<Estab>{school[3:]}</Estab><SerialNo>1</SerialNo><DateTime>{day}T10:00:00</DateTime></Source></Header>"
        f"<Pupils><PupilsOnRoll>{''.join(pupils)}</PupilsOnRoll></Pupils></Message>"
    )
    folder = root / "dewi" / "inbox" / school[:3]
    folder.mkdir(exist_ok=True)
    (folder / f"{school}-{day}.xml").write_text(text, encoding="utf-8")


HEAD = ["FileVersion", "FileName", "UKPRN", "ULN", "MISIdentifier", "GivenName", "FamilyName", "DateOfBirth", "Gender"]
HEAD += ["LastKnownPostCode", "AbilityToShare"]


def lrs_says(root, name, answers, *, batch, ukprn=UKPRN):
    """A file of the LRS: of each learner the ULN, a code, or (with the ULN) the columns in which the row says else."""
    rows = [[*HEAD, "ReturnCode"]]
    for who, answer in answers.items():
        row = {"FileVersion": "2A", "FileName": batch, "UKPRN": ukprn, "MISIdentifier": UPN[who], "GivenName": who}
        row |= {
            "FamilyName": f"Teulu{who}",
            "DateOfBirth": "1996-11-05",
            "Gender": "2",
            "LastKnownPostCode": "LL77 7NG",
        }
        row |= {"AbilityToShare": "1", "ULN": ULN[who], "ReturnCode": ""}
        if isinstance(answer, dict):
            row |= answer
        elif answer != "ULN":
            row |= {"ULN": "", "ReturnCode": answer}
        rows.append([row[heading] for heading in rows[0]])
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    (root / "lrs" / "inbox" / name).write_text(text.getvalue(), encoding="utf-8")


def batch_name(root, learner, cycle=FIRST):
    """The stem of the file in which a learner went out last in a cycle."""
    lake = Lake(root / "lake")
    refs = lake.read("batch_rows", ["batch_ref"], cycle=cycle, upn=[UPN[learner]])["batch_ref"]
    sent = lake.read("batches", ["file_name", "built_at"], batch_ref=refs).sort_values("built_at")
    return sent["file_name"].iloc[-1].removesuffix(".CSV")


def ask_for_all(root):
    """Monday, 30 January 2012: the ten go out."""
    DataRoot(root).create()
    (root / "reference" / "registration.csv").write_text(REGISTRATION, encoding="utf-8")
    send_return(root, "2012-01-20", map(pupil, WHO))
    assert census(root, FIRST, ASKED)["release.learners"] == len(WHO)
    return root
