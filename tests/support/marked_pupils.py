"""Two schools with marked pupils, whose names, numbers and days must be found nowhere but at home; and what is asked of the engine."""

import sqlite3
from contextlib import closing

from tasks.io.data_root.data_root import DataRoot
from tests.support.paths import GOLDEN

SNAPSHOT = GOLDEN / "snapshot"
SURNAME, GIVEN = "Zzmarkername", "Qqmarkergiven"
UPNS = ("M660402510001", "R681404209123")
#: What the LRS gave, what a school had, and what an odd row of the LRS holds.
ULNS = ("1000102504", "9999999994", "7777777771")
BORN = ("1996-11-05", "05/11/1996", "19961105", "05111996", "1997-03-05", "05/03/1997", "19970305")
POSTCODES = ("LL99 9ZZ", "LL999ZZ")
MARKERS = (SURNAME, GIVEN, *UPNS, *ULNS, *BORN, *POSTCODES)

RETURN = """<?xml version="1.0" encoding="UTF-8"?>
<Message><Header>
  <CollectionDetails><Collection>PLASC</Collection><ReferenceDate>2012-01-17</ReferenceDate></CollectionDetails>
  <Source><LEA>{la}</LEA><Estab>{estab}</Estab><SerialNo>1</SerialNo><DateTime>2012-01-20T10:00:00</DateTime></Source>
</Header><Pupils><PupilsOnRoll>{pupils}</PupilsOnRoll></Pupils></Message>"""
PUPIL = """<PupilOnRoll><PupilIdentifiers><UPN>{upn}</UPN><ULN>{uln}</ULN><Surname>{surname}</Surname>
<Forename>{given}</Forename><Gender>F</Gender><DOB>{dob}</DOB></PupilIdentifiers>
<PupilStatus><EnrolStatus>C</EnrolStatus><NCyearActual>10</NCyearActual></PupilStatus><{odd}>{surname}</{odd}>
<HomeInformation><Address><PostCode>{postcode}</PostCode></Address></HomeInformation></PupilOnRoll>"""


def pupil(upn, dob, uln="", postcode=POSTCODES[0], odd="Nickname"):
    return PUPIL.format(upn=upn, uln=uln, surname=SURNAME, given=GIVEN, dob=dob, postcode=postcode, odd=odd)


def prepare(root):
    """Two schools, each with a marked pupil; a file that cannot be read, and one that is no return; odd answers."""
    DataRoot(root).create()
    registered = (SNAPSHOT / "registration.csv").read_text(encoding="utf-8")
    other = registered.splitlines()[1].replace("6604025", "6814042").replace("10000001", "10000002")
    (root / "reference" / "registration.csv").write_text(registered + other + "\n", encoding="utf-8")
    for la, estab, upn, dob in (("660", "4025", UPNS[0], BORN[0]), ("681", "4042", UPNS[1], BORN[4])):
        folder = root / "dewi" / "inbox" / la
        folder.mkdir()
        pupils = pupil(upn, dob) + pupil("", dob, uln=ULNS[1], postcode="LL999ZZ")
        (folder / f"{upn}.xml").write_text(RETURN.format(la=la, estab=estab, pupils=pupils), encoding="utf-8")
        (folder / f"unreadable-{upn}.xml").write_text(pupils, encoding="utf-8")
        (folder / f"cut-{upn}.xml").write_text(f"<Message>{pupils}", encoding="utf-8")
        (folder / f"utf16-{upn}.csv").write_text(f"{upn},{SURNAME},{dob}", encoding="utf-16")
    (root / "dewi" / "inbox" / f"{UPNS[0]}.xml").write_text("in no authority's folder", encoding="utf-8")
    head, answer, _ = (SNAPSHOT / "answers.csv").read_text(encoding="utf-8").splitlines()
    (root / "answers").mkdir()
    odd = f",{SURNAME},{UPNS[1]},{ULNS[2]},{GIVEN},{SURNAME},{SURNAME}"
    rows = [head, answer.replace("Sian,Prys", f"{GIVEN},{SURNAME}"), odd, odd + f",{SURNAME},{UPNS[0]}"]
    (root / "answers" / "answers.csv").write_text("\n".join(rows[:3]) + "\n", encoding="utf-8")
    (root / "answers" / "ragged.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "answers" / "headings.csv").write_text(f"{SURNAME},{UPNS[0]}\n1,2\n", encoding="utf-8")


def told(where, question):
    """What the engine's database answers; closed at once, as the last one to close it removes files beside it."""
    with closing(sqlite3.connect(where / "root" / "prefect" / "prefect.db")) as connection:
        return [answer for (answer,) in connection.execute(question)]
