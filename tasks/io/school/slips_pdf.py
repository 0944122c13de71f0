"""PDFs with ULNs, in both languages: slips for a school's learners, and a list for its staff.

Typst sets them from `slips.typ` as accessible PDFs (PDF/UA-1: tagged, with a title and marked languages). It uses only its
own fonts, no network and no clock, so equal content gives equal bytes.

Does not belong here: which learners are in them (those in the school's delivered CTF; `tasks.reports.slips`). To change
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
#: The PDFs of `uln slips`: kind -> beginning of the file name.
_KINDS = {"slips": "ULN_Slips", "list": "ULN_Staff"}


def beside(zip_path: Path) -> dict[str, Path]:
    """Return the paths of a delivered zip's PDFs by kind: beside the zip, named with its school, cycle and number."""
    tail = zip_path.stem.removeprefix("ULN")
    return {kind: zip_path.with_name(f"{name}{tail}.pdf") for kind, name in _KINDS.items()}


def write_pdf(
    kind: str, learners: pd.DataFrame, *, school: str, cycle: dict[Language, str], notice: PrivacyNotice
) -> bytes:
    """Write a school's slips or list; equal content gives equal bytes.

    Args:
        kind: `slips` or `list`.
        learners: upn, uln, surname, forename; sorted here by name.
        school: name and number.
        cycle: title by language.
        notice: the privacy notice on each slip.
    """
    rows = learners.fillna("").sort_values(["surname", "forename", "upn"], ignore_index=True)
    inputs: dict[str, Any] = {
        "kind": kind,
        "title": f"{bilingual(f'slips.title_{kind}')}: {school}",
        "author": bilingual("slips.author"),
        "left": school,
        "right": " / ".join(cycle[lang] for lang in _LANGUAGES),
        "personal": bilingual("workbook.personal"),
        "your": {lang: text("slips.your_uln", lang) for lang in _LANGUAGES},
        "notice": {lang: notice.in_language(lang) for lang in _LANGUAGES},
        "headings": ["UPN", bilingual("workbook.surname"), bilingual("workbook.forename"), "ULN"],
        "learners": [
            {**row, "name": f"{row['forename'].strip()} {row['surname'].strip()}"}
            for row in rows[["upn", "uln", "surname", "forename"]].to_dict("records")
        ],
    }
    try:
        return _compiled(inputs, ["ua-1"])
    except typst.TypstError:
        # The only cause is a letter that the fonts do not have. A school still gets its slips: such letters are boxes, and
        # everything else is tagged as usual.
        return _compiled(inputs, [])


def _compiled(inputs: dict[str, Any], standards: list[str]) -> bytes:
    pdf: bytes = typst.compile(  # type: ignore[call-overload]
        _TEMPLATE.read_bytes(),
        format="pdf",
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"given": json.dumps(inputs, ensure_ascii=False)},
        pdf_standards=standards,
    )
    return pdf


@cache
def _fonts() -> Any:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
