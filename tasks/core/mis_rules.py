"""What the systems that import a transfer file refuse, as rules. Every CTF passes them before it leaves.

A school's management information system (MIS) takes a CTF whole or not at all: one learner whom it refuses sinks the
file. So who breaks a rule of `LEARNER_RULES` stands in the school's workbook, with the rule's reason, and not in the file;
and a finished file that breaks one of `file_faults` does not leave, for that is a fault of ours.

No importing system publishes its rules. These are what is known of them, each with where from, and what the pilot in Wales
found ("returned CTF files failed to import into some schools' MIS"). Settled by how the file is made, and so no rule of its
own: only the school's pupils on roll (leavers are not read, and records of superseded returns get nothing), and a
file that an import repeats harmlessly, as a ULN is added only where the field is empty
(docs/reference/sources.md#importing-systems).

Does not belong here: order and form of the elements (`schemas/ctf/*.xsd`); whether a ULN is the learner's at all
(`publication`, `merging`). Names go back as the school spells them, whatever their letters or their Unicode form: what the
school's own system wrote, it takes back.

To add a rule of a learner: a row in `LEARNER_RULES`, its texts in `schemas/codes/merge_findings.csv`, its three cases in
`tests/core/test_mis_rules.py`. Of a file: a line in `file_faults` and its sentence `fault.ctf_<name>`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from tasks.core.evidence import iso_dates
from tasks.core.identifiers import uln_valid, upn_shape
from tasks.core.text_columns import XML_BLANK, capitals

RETURN_HAS_ANOTHER_ULN = "REG03"
_LONGEST_NAME = 35


@dataclass(frozen=True)
class LearnerRule:
    """One rule of a learner who would stand in a CTF.

    Attributes:
        code: names its texts in `schemas/codes/merge_findings.csv`.
        source: where it is known from; headings are those of docs/reference/sources.md.
        broken: says of each row (upn, surname, forename, dob, gender, uln as the return has it, held_uln) whether it breaks
            the rule.
        stays: the import takes no harm from the learner, but does not fill the ULN in either: so the learner stays in the
            file and the school is told what to do first.
    """

    code: str
    source: str
    broken: Callable[[pd.DataFrame], pd.Series]
    stays: bool = False


def _blank(values: pd.Series) -> pd.Series:
    return values.str.strip().fillna("").eq("")


def _no_day(dates: pd.Series) -> pd.Series:
    text = dates.str.strip(XML_BLANK)
    return iso_dates(text).isna() | text.str.len().ne(len("1996-11-05"))


def _long(names: pd.Series) -> pd.Series:
    return names.str.strip().str.len().gt(_LONGEST_NAME)


def _shows_a_uln(rows: pd.DataFrame) -> pd.Series:
    return uln_valid(rows["uln"]).astype(bool)


LEARNER_RULES = (
    LearnerRule(
        "MIS01",
        "the MIS finds its pupil by the UPN, and makes a second pupil where it finds none (Importing systems); its form: UPN",
        lambda rows: ~upn_shape(rows["upn"]).isin(["permanent", "temporary"]),
    ),
    LearnerRule(
        "MIS02",
        "surname and forename are among the items a file for ULNs must have (CTF for ULNs)",
        lambda rows: _blank(rows["surname"]) | _blank(rows["forename"]),
    ),
    LearnerRule(
        "MIS03",
        "names hold at most 35 characters (CTF pupil; Names)",
        lambda rows: _long(rows["surname"]) | _long(rows["forename"]),
    ),
    LearnerRule(
        "MIS04",
        "the date of birth is among the items a file must have (CTF for ULNs), written yyyy-MM-dd (CTF pupil)",
        lambda rows: _no_day(rows["dob"]),
    ),
    LearnerRule(
        "MIS05",
        "gender is among the items a file must have (CTF for ULNs); codes of two censuses (CTF pupil; Codes of a learner)",
        lambda rows: ~capitals(rows["gender"].str.strip(XML_BLANK)).fillna("").str.fullmatch("[MFU0129]").astype(bool),
    ),
    LearnerRule(
        "MIS06",
        "a pupil stands in the file only with a ULN, ten digits whose last agrees with the others (CTF for ULNs; ULN)",
        lambda rows: ~uln_valid(rows["held_uln"]).astype(bool),
    ),
    LearnerRule(
        RETURN_HAS_ANOTHER_ULN,
        "an import never puts a ULN over another (Importing systems): which is right is for a person to say",
        lambda rows: _shows_a_uln(rows) & rows["uln"].str.strip().ne(rows["held_uln"]),
    ),
    LearnerRule(
        "MIS07",
        "an import fills only an empty field (Importing systems), and here stands something that is no ULN",
        lambda rows: ~_blank(rows["uln"]) & ~_shows_a_uln(rows),
        stays=True,
    ),
)


def broken_rules(rows: pd.DataFrame) -> pd.DataFrame:
    """Which rules learners break who would stand in a file.

    Args:
        rows: upn, surname, forename, dob, gender, uln (as the return has it), held_uln (which the file would give).

    Returns:
        row (of the index of `rows`), code and stays, a line for each learner and rule; in order of the rules.
    """
    told = [
        pd.DataFrame({"row": rows.index[rule.broken(rows).to_numpy(dtype=bool)]}).assign(
            code=rule.code, stays=rule.stays
        )
        for rule in LEARNER_RULES
    ]
    return pd.concat(told, ignore_index=True).astype({"code": "str", "stays": "bool"})


#: All that a file may say of a pupil: what SIMS calls the student's basic details. An optional part in which something is
#: wrong makes the whole file fail (docs/reference/sources.md#ctf-for-ulns).
BASIC_DETAILS = ("UPN", "UniqueLearnerNumber", "Surname", "Forename", "DOB")
_GENDER = {"Gender", "Sex"}


def file_faults(
    name: str,
    *,
    school_number: str,
    destination: str,
    encoding: str | None,
    elements: set[tuple[str, ...]],
    upns_and_ulns: Sequence[tuple[str | None, str | None]],
    due: pd.DataFrame,
) -> list[str]:
    """What would keep a finished file from being imported; its parts as a reader finds them, not as the writer meant them.

    Args:
        name: the file's.
        school_number: whose it is to be.
        destination: DestSchool's LEA and Estab, together.
        encoding: of the bytes, as they say and hold to it (`ctf_reader`); None where they do not.
        elements: the names of the elements that pupils have, an entry for each choice and order that occurs.
        upns_and_ulns: of each pupil, as they stand there.
        due: upn and uln of who should stand there, as the school's return has the UPN.

    Returns:
        The faults, each the end of the key `fault.ctf_<fault>`:
        name: another name than `<LA>LLLL_CTF_<LA><Estab>_<number>.xml`, such as one with the "(1)" of a browser
        (docs/reference/sources.md#ctf-file-names). destination: another school than the name says, or than it is for.
        encoding: other than UTF-8 without byte order mark, the only one that holds ŵ and ŷ. details: more, less or in another
        order than the basic details. empty_uln: a pupil without a ULN. upn: other pupils than are due, or other UPNs than
        exactly those of the return (docs/reference/sources.md#importing-systems).
    """
    la = school_number[:3]
    wanted = sorted(zip(due["upn"], due["uln"], strict=True))
    checks = {
        "name": re.fullmatch(f"{la}LLLL_CTF_{school_number}_[0-9]{{3,}}[.]xml", name) is None,
        "destination": destination != school_number,
        "encoding": encoding != "UTF-8",
        "details": any(pupil[:-1] != BASIC_DETAILS or pupil[-1] not in _GENDER for pupil in elements),
        "empty_uln": any(not (uln or "").strip() for _, uln in upns_and_ulns),
        "upn": sorted((upn or "", uln or "") for upn, uln in upns_and_ulns) != wanted,
    }
    return [fault for fault, holds in checks.items() if holds]
