"""Rules that keep out of a transfer file (CTF) what an importing system would refuse. Every CTF is checked before it leaves.

A school's management information system (MIS) imports a CTF as a whole or not at all: if it refuses one learner, the file
fails. So a learner who breaks one of `LEARNER_RULES` goes into the school's workbook, with the rule's reason, and not into
the file. A finished file that breaks one of `file_faults` does not leave, because that is a fault of ours.

No importing system publishes its rules. These are the known ones, each with its source. The pilot in Wales showed that files
can fail ("returned CTF files failed to import into some schools' MIS"). Two more needs are met by the way the file is made,
without a rule: it has only the school's pupils on roll (leavers are not read, and records of superseded returns get nothing),
and importing it twice does no harm, because a ULN is added only to an empty field
(docs/reference/sources.md#importing-systems).

Not here: order and form of the elements (`schemas/ctf/*.xsd`); whether a ULN is the learner's at all (`publication`,
`merging`). Names go back as the school spells them, in any letters or Unicode form: the school's system wrote them.

To add a rule of a learner: a row in `LEARNER_RULES`, its texts in `schemas/codes/merge_findings.csv`, its three cases in
`tests/unit/core/test_mis_rules.py`. Of a file: a line in `file_faults` and its sentence `fault.ctf_<name>`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from tasks.core.dates import iso_dates
from tasks.core.identifiers import uln_valid, upn_shape
from tasks.core.text_columns import XML_BLANK, capitals

RETURN_HAS_ANOTHER_ULN = "REG03"
_LONGEST_NAME = 35


@dataclass(frozen=True)
class LearnerRule:
    """One rule for a learner who would be in a CTF.

    Attributes:
        code: the key of its texts in `schemas/codes/merge_findings.csv`.
        source: where the rule comes from; headings are those of docs/reference/sources.md.
        broken: returns whether each row (upn, surname, forename, dob, gender, uln as the return has it, held_uln) breaks
            the rule.
        stays: the learner does no harm to the import, but the import does not fill in the ULN; so the learner stays in
            the file, and the school reads what to do first.
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
    """Return the rules that learners would break in a file: a line per learner and broken rule, in order of the rules.

    `rows` has upn, surname, forename, dob, gender, uln (as the return has it), held_uln (the one the file would give). The
    result has row (from the index of `rows`), code and stays.
    """
    broken = {rule: rows.index[rule.broken(rows).to_numpy(dtype=bool)] for rule in LEARNER_RULES}
    lines = [pd.DataFrame({"row": at}).assign(code=rule.code, stays=rule.stays) for rule, at in broken.items()]
    return pd.concat(lines, ignore_index=True).astype({"code": "str", "stays": "bool"})


#: The only items that a file may hold of a pupil, besides the gender or sex that follows; SIMS calls them the student's basic
#: details. A fault in an optional item makes the whole file fail (docs/reference/sources.md#ctf-for-ulns).
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
    """Return the faults that would keep a finished file from being imported.

    The arguments are the file's parts as a reader finds them, not as the writer meant them.

    Args:
        name: the file's name.
        school_number: the school that it is for.
        destination: DestSchool's LEA and Estab, joined.
        encoding: the encoding that the bytes declare and keep to (`ctf_reader`); None where they do not keep to it.
        elements: the element names of the pupils, an entry for each combination and order.
        upns_and_ulns: the UPN and ULN of each pupil, as in the file.
        due: upn and uln of the learners who should be in the file; the UPN as in the school's return.

    Returns:
        The faults, each the end of the key `fault.ctf_<fault>`:
        name: the name is not `<LA>LLLL_CTF_<LA><Estab>_<number>.xml`; a browser may have added "(1)"
        (docs/reference/sources.md#ctf-file-names). destination: it is not the school that the file is for.
        encoding: it is not UTF-8 without byte order mark, the only one that holds ŵ and ŷ. details: a pupil has more or
        fewer items than the basic details, or another order. empty_uln: a pupil has no ULN. upn: the pupils or their ULNs
        are not those due, or a UPN is not exactly that of the return (docs/reference/sources.md#importing-systems).
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
