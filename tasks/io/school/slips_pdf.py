"""PDFs for telling people: slips for a school's learners and a list for its staff, with each one's ULN, in both languages.

They are set by Typst, from `slips.typ`, as accessible PDFs (PDF/UA-1: tagged, with a title, each language marked as such);
with its own fonts alone, without network or clock, so that equal content gives equal bytes.

Does not belong here: who stands in them (who stands in the school's delivered CTF; `tasks.reports.slips`). To change
the words: `schemas/texts/texts.csv`, and for privacy `data/reference/privacy_notice.toml`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import typst

from schemas.texts.catalogue import Language, bilingual, text
from tasks.io.data_root.reference import PrivacyNotice

_TEMPLATE = Path(__file__).with_name("slips.typ")
_LANGUAGES: tuple[Language, ...] = ("cy", "en")
#: What `uln slips` makes, and how each is called.
_KINDS = {"slips": "ULN_Slips", "list": "ULN_Staff"}


def beside(zip_path: Path) -> dict[str, Path]:
    """Where the PDFs of a delivered zip stand, by kind: beside it, with its school, cycle and number in their names."""
    tail = zip_path.stem.removeprefix("ULN")
    return {kind: zip_path.with_name(f"{name}{tail}.pdf") for kind, name in _KINDS.items()}


def write_pdf(
    kind: str, learners: pd.DataFrame, *, school: str, cycle: dict[Language, str], notice: PrivacyNotice
) -> bytes:
    """Write a school's slips or list; equal content gives equal bytes.

    Args:
        kind: `slips` or `list`.
        learners: upn, uln, surname, forename; sorted here by name.
        school: its name and number.
        cycle: its title, by language.
        notice: what a slip says of privacy.
    """
    rows = learners.fillna("").sort_values(["surname", "forename", "upn"], ignore_index=True)
    given: dict[str, Any] = {
        "kind": kind,
        "title": f"{bilingual(f'slips.title_{kind}')}: {school}",
        "author": bilingual("slips.author"),
        "left": school,
        "right": " / ".join(cycle[lang] for lang in _LANGUAGES),
        "personal": bilingual("workbook.personal"),
        "your": {lang: text("slips.your_uln", lang) for lang in _LANGUAGES},
        "notice": {lang: notice.told(lang) for lang in _LANGUAGES},
        "headings": ["UPN", bilingual("workbook.surname"), bilingual("workbook.forename"), "ULN"],
        "learners": [
            {**row, "name": f"{row['forename'].strip()} {row['surname'].strip()}"}
            for row in rows[["upn", "uln", "surname", "forename"]].to_dict("records")
        ],
    }
    try:
        return _compiled(given, ["ua-1"])
    except typst.TypstError:
        # A name in letters that the fonts do not have keeps the standard from being met, and nothing else does. A school's
        # slips are not to fail for it: such letters are boxes, and all the rest is tagged as ever.
        return _compiled(given, [])


def _compiled(given: dict[str, Any], standards: list[str]) -> bytes:
    pdf: bytes = typst.compile(  # type: ignore[call-overload]
        _TEMPLATE.read_bytes(),
        format="pdf",
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"given": json.dumps(given, ensure_ascii=False)},
        pdf_standards=standards,
    )
    return pdf


@cache
def _fonts() -> Any:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
