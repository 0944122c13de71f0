"""Learners in the form for the LRS (names, postcode, gender, date, sharing), and batch references made from it.

Sources: docs/reference/sources.md (#lrs-batch-layout, #names, #postcode, #codes-of-a-learner). The school's own spelling
never changes: this form is kept beside it.

Does not belong here: whether a value may be sent (`expectations`). To change lengths or characters: `schemas/lrs`.
"""

import hashlib

import pandas as pd
import pyarrow as pa
from pyarrow.csv import WriteOptions, write_csv

from schemas.lrs.profiles import Profile
from schemas.tables import SENT_FIELDS
from tasks.core.dates import iso_dates
from tasks.core.identifiers import canonical_upn
from tasks.core.name_characters import base_letters, never_in_a_name
from tasks.core.text_columns import BLANK, capitals, map_unique

_GENDERS = {"M": "1", "F": "2", "U": "0", "": "0", "0": "0", "1": "1", "2": "2", "9": "9"}


def lrs_names(names: pd.Series, profile: Profile) -> pd.Series:
    """Return names in the characters that the profile allows (`name_characters`); null where no letter is left.

    Welsh and other letters become their base letters.
    """

    def form(spellings: pd.Series) -> pd.Series:
        # Some keyboards write a backtick for an apostrophe; `base_letters` handles the other signs.
        text = spellings.str.normalize("NFC").str.replace("`", "'", regex=False)
        foreign = text[text.notna() & ~text.str.fullmatch(r"[\x00-\x7f]*").eq(True)]
        # Transliterate only names that need it: few are not ASCII.
        plain = {name: base_letters(name) for name in foreign.unique()}
        text = text.mask(text.isin(plain), text.map(plain)).astype("str")
        text = text.str.replace(f"[^{profile.name_characters}]", " ", regex=True)
        text = text.str.replace(r"\s+", " ", regex=True).str.strip(" ")
        return text.where(text.str.contains("[A-Za-z]", regex=True).eq(True)).astype("str")

    return map_unique(form, names)


def lrs_postcodes(postcodes: pd.Series) -> pd.Series:
    """Return postcodes in capitals, with one space before the last three characters (none in BFPO); null where blank."""
    return map_unique(_postcodes, postcodes)


def _postcodes(postcodes: pd.Series) -> pd.Series:
    text = capitals(postcodes).str.replace(f"[{BLANK}]", "", regex=True)
    text = text.mask(text == "")
    return text.str.replace(r"^(.+)(.{3})$", r"\1 \2", regex=True).mask(text.str.startswith("BFPO").eq(True), text)


def lrs_genders(genders: pd.Series) -> pd.Series:
    """Return genders as the LRS's codes; null where the code is not one that a school may send."""
    return capitals(genders.str.strip()).fillna("").map(_GENDERS).astype("str")


def lrs_rows(
    pupils: pd.DataFrame, profile: Profile, privacy_notice_seen: pd.Series, opted_out: pd.Series
) -> pd.DataFrame:
    """Return pupil rows in the LRS form: upn, the sent fields and ability_to_share; same index.

    A middle name is left out if it is too long or has a character that no name has (a digit, an emoji).

    Args:
        pupils: the pupil fields, as sent by the school.
        profile: characters, lengths and the codes for sharing.
        privacy_notice_seen: whether the school's notice counts as seen.
        opted_out: whether the learner opted out of sharing.
    """
    middle, seen = lrs_names(pupils["middle_names"], profile), privacy_notice_seen.astype(bool)
    bad = middle.str.len() > profile.name_length("middle_name")
    bad |= never_in_a_name(pupils["middle_names"].str.strip())
    sharing = seen.map({True: "1", False: "0"}).astype("str")
    if profile.sharing == "ability_to_share":
        # 2: the notice was seen and the learner opted out. Without the notice it is 0.
        sharing = sharing.mask(seen & opted_out.astype(bool), "2")
    return demographics(pupils, profile).assign(
        upn=canonical_upn(pupils["upn"]), middle_name=middle.mask(bad.astype(bool)), ability_to_share=sharing
    )[["upn", *SENT_FIELDS, "ability_to_share"]]


def demographics(pupils: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Return the five fields that the LRS compares (`schemas.tables.DEMOGRAPHICS`) in the LRS form; same index.

    `pupils` has forename, surname, dob, gender, postcode, as sent by the school.
    """
    return pd.DataFrame(
        {
            "given_name": lrs_names(pupils["forename"], profile),
            "family_name": lrs_names(pupils["surname"], profile),
            "dob": map_unique(lambda dob: iso_dates(dob).dt.strftime("%Y-%m-%d").astype("str"), pupils["dob"]),
            "gender": map_unique(lrs_genders, pupils["gender"]),
            "postcode": lrs_postcodes(pupils["postcode"]),
        }
    )


def batch_content(rows: pd.DataFrame) -> pa.Table:
    """Return the content of a batch as an Arrow table: the rows' upn, sent fields and ability_to_share."""
    return pa.Table.from_pandas(rows[["upn", *SENT_FIELDS, "ability_to_share"]], preserve_index=False, nthreads=1)


def batch_ref(content: pa.Table, ukprn: str, profile: str, fmt: str, cycle: str, abandoned: int = 0) -> str:
    """Return a batch's reference, made from its content: the same learners in the same form give the same reference.

    Args:
        content: `batch_content` of its learners, in the order of the file.
        ukprn: the UKPRN that the batch is for.
        profile: the LRS layout.
        fmt: CSV, XML or SOAP.
        cycle: the cycle's id.
        abandoned: number of abandoned batches with the same content: asking again makes another batch.
    """
    again = [str(abandoned)] if abandoned else []
    head = "\n".join([ukprn, profile, fmt, cycle, *again, ""]).encode("utf-8")
    return f"B{hashlib.sha256(head + _csv(content)).hexdigest()[:16]}"


def _csv(content: pa.Table) -> bytes:
    """Return the same CSV as `DataFrame.to_csv`. Arrow writes it in a tenth of the time if no value needs quotes."""
    out = pa.BufferOutputStream()
    try:
        write_csv(content, out, WriteOptions(include_header=False, quoting_style="none"))
    except pa.ArrowInvalid:
        return bytes(content.to_pandas().to_csv(index=False, lineterminator="\n").encode("utf-8"))
    return ",".join(content.column_names).encode("utf-8") + b"\n" + bytes(out.getvalue())
