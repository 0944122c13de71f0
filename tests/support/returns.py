"""Small PLASC returns of one school: as bytes, or as a file that passes the rules."""


def a_return(school="6604025", day="2012-01-17", at="2012-01-20T10:00:00", pupils=1):
    """A return of some pupils who are all alike, as bytes."""
    who = "<UPN>M660402510001</UPN><Surname>Prawf</Surname><Forename>Enghraifft</Forename><Gender>F</Gender><DOB>1996-11-05</DOB>"
    record = f"<PupilOnRoll><PupilIdentifiers>{who}</PupilIdentifiers><PupilStatus><NCyearActual>10</NCyearActual></PupilStatus></PupilOnRoll>"
    return (
        f"<Message><Header><CollectionDetails><Collection>PLASC</Collection><ReferenceDate>{day}</ReferenceDate>"
        f"</CollectionDetails><Source><LEA>{school[:3]}</LEA><Estab>{school[3:]}</Estab><SerialNo>1</SerialNo>"
        f"<DateTime>{at}</DateTime></Source></Header><Pupils><PupilsOnRoll>{record * pupils}</PupilsOnRoll></Pupils></Message>"
    ).encode()


def write_return(path, postcode="LL77 7NG", estab="4025"):
    """A return of one sound pupil, in a file; its path."""
    who = "<UPN>M660402510001</UPN><Surname>Prawf</Surname><Forename>Enghraifft</Forename><Gender>F</Gender><DOB>1996-11-05</DOB>"
    path.write_text(
        "<Message><Header><CollectionDetails><Collection>PLASC</Collection><ReferenceDate>2012-01-17</ReferenceDate>"
        f"</CollectionDetails><Source><LEA>660</LEA><Estab>{estab}</Estab><SerialNo>1</SerialNo>"
        "<DateTime>2012-01-20T10:00:00</DateTime></Source></Header><Pupils><PupilsOnRoll><PupilOnRoll>"
        f"<PupilIdentifiers>{who}</PupilIdentifiers><PupilStatus><EnrolStatus>C</EnrolStatus><NCyearActual>10</NCyearActual>"
        f"</PupilStatus><HomeInformation><Address><PostCode>{postcode}</PostCode></Address></HomeInformation>"
        "</PupilOnRoll></PupilsOnRoll></Pupils></Message>",
        encoding="utf-8",
    )
    return path
