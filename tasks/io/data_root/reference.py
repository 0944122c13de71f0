"""Reference data: the schools register, the authorities, and the files that operators keep in the data root's `reference/`.

A `schools.csv` in the data root's `reference/` replaces the shipped register (a list of 9 April 2018).
"""

from functools import cache
from pathlib import Path

import pandas as pd

from schemas.texts.catalogue import Language, bilingual, text
from schemas.texts.edited_files import Checked, Text, check, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

SHIPPED = Path(__file__).resolve().parents[3] / "data" / "reference"

REGISTRATION_COLUMNS = (
    *("school_number", "ukprn", "ukrlp_name", "ukrlp_postcode", "edubase_name", "edubase_postcode"),
    *("lrb_registered_on", "privacy_notice_on", "takes_part"),
)
OPT_OUT_COLUMNS = ("upn", "recorded_on")
SCHOOL_COLUMNS = ("school_number", "school_name", "la_code", "la_en", "la_cy", "sector_en", "sector_cy")
_DIGITS = {"school_number": 7, "la_code": 3}
_DATES = ("lrb_registered_on", "privacy_notice_on")


def _csv(path: Path, required: tuple[str, ...], unique: str | None) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ConfigurationFault(path.name, [bilingual("fault.csv_unreadable")]) from error
    faults = [bilingual("fault.csv_column", column=c) for c in required if c not in rows.columns]
    if not faults and unique is not None:
        repeated = rows.loc[rows[unique].duplicated(), unique].dropna().unique()
        faults = [bilingual("fault.csv_twice", column=unique, value=value) for value in repeated]
    if faults:
        raise ConfigurationFault(path.name, faults)
    return rows


def _replaced_or_shipped(name: str, reference: Path | None) -> Path:
    return reference / name if reference is not None and (reference / name).exists() else SHIPPED / name


def schools(reference: Path | None = None) -> pd.DataFrame:
    """Return the schools register, sorted by school number.

    Returns:
        school_number, school_name, la_code, la_en, la_cy, sector_en, sector_cy and any other columns of the file.
    """
    path = _replaced_or_shipped("schools.csv", reference)
    return _schools(path, path.stat().st_mtime_ns).copy()


@cache
def _schools(path: Path, _changed: int) -> pd.DataFrame:
    rows = _csv(path, SCHOOL_COLUMNS, "school_number")
    # These codes name folders and files, so no value may lead out of a folder.
    faults = [
        bilingual("fault.csv_digits", column=column, value=repr(value[:20]), digits=digits)
        for column, digits in _DIGITS.items()
        for value in rows.loc[~rows[column].fillna("").str.fullmatch(f"[0-9]{{{digits}}}"), column].fillna("").unique()
    ]
    if faults:
        raise ConfigurationFault(path.name, faults)
    return rows.sort_values("school_number", ignore_index=True)


def authorities() -> pd.DataFrame:
    """Return the 22 local authorities: la_code, la_en, la_cy, sorted by code."""
    return _csv(SHIPPED / "local_authorities.csv", ("la_code", "la_en", "la_cy"), "la_code").sort_values("la_code")


def registration(reference: Path) -> pd.DataFrame:
    """Return the schools' registration (README, "The data root"); empty if the file does not exist yet.

    A school's mistake affects only that school: an unusable cell is emptied and its column is named in `wrong`.

    Returns:
        The columns of the file, trimmed, and `wrong` (the unusable columns, separated by `;`, or null); one row per
        school, the first if it has several. Rows without a school number are left out.

    Raises:
        ConfigurationFault: columns are missing, or the file is not a UTF-8 CSV.
    """
    path = reference / "registration.csv"
    if not path.exists():
        return pd.DataFrame(columns=[*REGISTRATION_COLUMNS, "wrong"], dtype="str")
    return _registration(path, path.stat().st_mtime_ns).copy()


@cache
def _registration(path: Path, _changed: int) -> pd.DataFrame:
    rows = _csv(path, REGISTRATION_COLUMNS, None)[list(REGISTRATION_COLUMNS)].astype("str")
    rows = rows.apply(lambda cells: cells.str.strip())
    rows = rows.mask(rows == "").dropna(subset="school_number")
    rows["takes_part"] = rows["takes_part"].str.upper()
    bad = pd.DataFrame(
        {
            "school_number": rows["school_number"].duplicated(keep=False),
            **{column: rows[column].notna() & ~_real_dates(rows[column]) for column in _DATES},
            "takes_part": rows["takes_part"].notna() & ~rows["takes_part"].isin(["Y", "N"]),
        }
    )
    wrong = bad.dot(pd.Series(bad.columns + ";", bad.columns)).str.rstrip(";")
    rows = rows.assign(wrong=wrong.mask(wrong == ""), **{c: rows[c].mask(bad[c]) for c in (*_DATES, "takes_part")})
    usable: pd.DataFrame = rows.drop_duplicates("school_number", ignore_index=True).astype("str")
    return usable


def _real_dates(cells: pd.Series) -> pd.Series:
    iso = cells.where(cells.str.fullmatch("[12][0-9]{3}-[0-9]{2}-[0-9]{2}").eq(True))
    return pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce").notna()


def opt_outs(reference: Path) -> pd.DataFrame:
    """Return the learners who opted out of sharing: upn, recorded_on; empty if the file does not exist yet."""
    path = reference / "opt_outs.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(OPT_OUT_COLUMNS), dtype="str")
    return _csv(path, OPT_OUT_COLUMNS, None)[list(OPT_OUT_COLUMNS)].astype("str")


class InBoth(Checked):
    """A text in each language."""

    cy: Text
    en: Text


class PrivacyNotice(Checked):
    """The privacy notice on a learner's slip, and whether it is the official wording."""

    text: InBoth
    official: bool

    def in_language(self, lang: Language) -> str:
        """Return the text in a language; unofficial wording is marked as such."""
        words = " ".join(str(getattr(self.text, lang)).split())
        return words if self.official else f"{words} ({text('slips.not_official', lang)})"


def privacy_notice(reference: Path | None = None) -> PrivacyNotice:
    """Return the privacy notice for slips: the data root's `reference/privacy_notice.toml`, else the shipped summary.

    Raises:
        ConfigurationFault: not TOML, or a key is missing, unknown or of another kind; lists every fault.
    """
    path = _replaced_or_shipped("privacy_notice.toml", reference)
    return check(PrivacyNotice, toml_of(text_of(path), path.name), path.name)
