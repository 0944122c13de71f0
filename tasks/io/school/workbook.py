"""The workbooks of a school and of an authority: work list, counts by code, learners or schools, and a submission slip.

The work list and the counts by code have a sheet in Welsh and one in English, because their texts differ. The other sheets
are the same in both languages, under headings in both: a school's learners with a ULN or an authority's schools, and the
slip. In an authority's workbook, learners who need no action are left out; they are in the schools' workbooks. Row 1 is the
heading row, so that people can filter and sort a sheet and other programs can load it; holder, cycle and page are in the
printed header and footer. Only counts are numbers; every other cell is text, so a name that begins with = is no formula.

Does not belong here: who is in the list (`tasks.core.publication`), the slip's content (`tasks.steps.school_files`), how a
sheet is written (`sheets`), and the texts of rules and codes (callers pass them). To add a column: its source in
`publication.EXCEPTION_COLUMNS`, a line in `_LINE_COLUMNS`, and its heading in `schemas/texts/texts.csv`.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from schemas.texts.catalogue import Language, bilingual, text
from tasks.io.school.sheets import Cell, SheetPlan, measured, write_sheets

_LANGUAGES: tuple[Language, ...] = ("cy", "en")


#: The columns of each list; the heading of a column is the text `workbook.<column>`.
_SCHOOL_COLUMNS = ("school_number", "school_name")
_LEARNER_COLUMNS = ("upn", "surname", "forename")
_LINE_COLUMNS = (
    *_LEARNER_COLUMNS,
    *("nc_year", "step", "wrong", "why", "check", "action", "sent", "field", "code", "lrs_code"),
)
_ULN_COLUMNS = (*_LEARNER_COLUMNS, "uln", "sent")
#: Columns whose cells differ by language; their sources are `<column>_cy` and `<column>_en`.
_BY_LANGUAGE = frozenset({"wrong", "why", "check", "action", "field"})


def _source(column: str, lang: Language) -> str:
    return f"{column}_{lang}" if column in _BY_LANGUAGE else column


@dataclass(frozen=True)
class Slip:
    """What was received from a school or an authority's schools, and its outcome; texts in both languages.

    Attributes:
        counts: label and count.
        returns: file name, school, time received, records, status and sha256 of each return.
        batches: file name, school, time handed over and learners of each batch.
    """

    counts: list[tuple[str, int]]
    returns: list[tuple[Cell, ...]]
    batches: list[tuple[Cell, ...]]


@dataclass(frozen=True)
class About:
    """The workbook's holder, cycle and date.

    Attributes:
        holder: name and number of the school or authority, by language.
        la: the authority's name, by language.
        cycle_title: by language.
        number: running number of the delivery.
        made_at: local time that the workbook states as its creation time.
    """

    holder: dict[Language, str]
    la: dict[Language, str]
    cycle_title: dict[Language, str]
    number: int
    made_at: dt.datetime


def workbook_name(number: str, cycle_id: str) -> str:
    """Return the name of a school's workbook, e.g. `ULN_Exceptions_6604025_2012-01.xlsx`."""
    return f"ULN_Exceptions_{number}_{cycle_id}.xlsx"


def authority_workbook_name(la_code: str, cycle_id: str, number: int) -> str:
    """Return the name of an authority's workbook, e.g. `ULN_Exceptions_660_2012-01_001.xlsx`; numbered from 1."""
    return f"ULN_Exceptions_{la_code}_{cycle_id}_{number:03d}.xlsx"


def write_school_book(lines: pd.DataFrame, ulns: pd.DataFrame, slip: Slip, about: About) -> bytes:
    """Write a school's workbook; equal content gives equal bytes.

    `lines` has `publication.EXCEPTION_COLUMNS`, `ulns` has `publication.ULN_COLUMNS` of the learners in the school's CTF:
    text, in the order of the sheet; a null is an empty cell.
    """
    cells = _texts(lines, _LINE_COLUMNS)
    plans = [*_by_language("work_list", _LINE_COLUMNS, cells, about, frozen=3), *_by_code(cells, (), about)]
    learners = [(_heading(f"workbook.{column}"), cells) for column, cells in _texts(ulns, _ULN_COLUMNS).items()]
    return _write([*plans, _in_both("ulns", learners, about, frozen=3), _slip(slip, about)], about)


def write_authority_book(lines: pd.DataFrame, schools: list[tuple[str, list[Cell]]], slip: Slip, about: About) -> bytes:
    """Write an authority's workbook; equal content gives equal bytes.

    `lines` has school_number, school_name and `publication.EXCEPTION_COLUMNS`, as for a school; `schools` has the columns of
    the list of schools: heading in both languages, and cells.
    """
    columns = (*_SCHOOL_COLUMNS, *_LINE_COLUMNS)
    cells = _texts(lines, columns)
    plans = [*_by_language("work_list", columns, cells, about, frozen=5), *_by_code(cells, _SCHOOL_COLUMNS, about)]
    return _write([*plans, _in_both("schools", schools, about, frozen=2), _slip(slip, about)], about)


def _texts(rows: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, list[Cell]]:
    """Return the cells of each source column by name; a null is an empty text."""
    sources = dict.fromkeys(_source(column, lang) for column in columns for lang in _LANGUAGES)
    return {s: pa.array(rows[s], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for s in sources}


def _by_language(
    title: str, columns: tuple[str, ...], values: dict[str, list[Cell]], about: About, *, frozen: int
) -> list[SheetPlan]:
    """Plan a sheet in each language; widths and heights are the same in both."""
    columns_in = {
        lang: [[text(f"workbook.{column}", lang), *values[_source(column, lang)]] for column in columns]
        for lang in _LANGUAGES
    }
    widths, heights = measured(list(zip(*columns_in.values(), strict=True)))
    return [
        SheetPlan(text(f"workbook.{title}", lang), columns_in[lang], widths, heights, frozen, *_printed(lang, about))
        for lang in _LANGUAGES
    ]


def _by_code(values: dict[str, list[Cell]], school_columns: tuple[str, ...], about: About) -> list[SheetPlan]:
    """Plan the sheets that count the learners of each code: by school, the most frequent code first."""
    keys = list(zip(*(values[column] for column in (*school_columns, "code")), strict=True))
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    counted = sorted(Counter(keys).items(), key=lambda item: (item[0][:-1], -item[1], item[0][-1]))
    columns = (*school_columns, "code", "wrong", "learners", "lrs_code")
    places = [first[key] for key, _ in counted]
    picked = {name: [column[place] for place in places] for name, column in values.items()}
    picked["learners"] = [n for _, n in counted]
    return _by_language("by_code", columns, picked, about, frozen=len(school_columns) + 1)


def _in_both(title: str, columns: list[tuple[str, list[Cell]]], about: About, *, frozen: int) -> SheetPlan:
    """Plan one sheet for both languages, with headings in both."""
    filled: list[list[Cell]] = [[heading, *cells] for heading, cells in columns]
    widths, heights = measured([(column,) for column in filled])
    return SheetPlan(_name_in_both(title), filled, widths, heights, frozen, *_printed(None, about))


def _name_in_both(title: str) -> str:
    return " - ".join(text(f"workbook.{title}", lang) for lang in _LANGUAGES)


def _slip(slip: Slip, about: About) -> SheetPlan:
    """Plan the submission slip: tables one below another, each with its headings."""
    rows: list[tuple[Cell, ...]] = [
        (bilingual("workbook.slip"),),
        (bilingual("slip.holder"), _joined(about.holder)),
        (bilingual("slip.la"), _joined(about.la)),
        (bilingual("slip.cycle"), _joined(about.cycle_title)),
        (bilingual("slip.made"), about.made_at.strftime("%Y-%m-%d %H:%M")),
        (bilingual("slip.number"), about.number),
    ]
    headings = {0}
    for table, body in (
        (("slip.standing", "slip.count"), slip.counts),
        (("slip.return", "slip.school", "slip.received", "slip.records", "slip.status", "slip.sha256"), slip.returns),
        (("slip.batch", "slip.school", "slip.handed_over", "slip.learners"), slip.batches),
    ):
        headings.add(len(rows))
        rows += [tuple(_heading(heading) for heading in table), *body]
    columns = [[row[n] if n < len(row) else "" for row in rows] for n in range(max(map(len, rows)))]
    widths, heights = measured([(column,) for column in columns], button=0)
    return SheetPlan(
        _name_in_both("slip"), columns, widths, heights, 0, *_printed(None, about), frozenset(headings), filtered=False
    )


def _heading(key: str) -> str:
    """Return a heading in both languages, once where they are equal."""
    return _joined({lang: text(key, lang) for lang in _LANGUAGES})


def _joined(words: dict[Language, str]) -> str:
    return " / ".join(dict.fromkeys(words[lang] for lang in _LANGUAGES))


def _printed(lang: Language | None, about: About) -> tuple[str, str]:
    """Return the header and footer of a printed sheet, in a language; in both if `lang` is None."""

    def words(key: str) -> str:
        return " / ".join(text(key, language) for language in ((lang,) if lang else _LANGUAGES))

    def escaped(by_language: dict[Language, str]) -> str:
        # In a printed header, & begins a code.
        return (_joined(by_language) if lang is None else by_language[lang]).replace("&", "&&")

    made = words("workbook.made").format(date=about.made_at.strftime("%Y-%m-%d"))
    page = words("workbook.page").format(page="&P", pages="&N")
    title = words("workbook.title")
    header = f"&L{escaped(about.holder)}&C&B{title}&B&R{escaped(about.la)}, {escaped(about.cycle_title)}"
    return header, f"&L{made}&C{words('workbook.personal')}&R{page}"


def _write(plans: list[SheetPlan], about: About) -> bytes:
    return write_sheets(plans, title=bilingual("workbook.title"), subject=_joined(about.holder), created=about.made_at)
