"""The workbooks of a school and of an authority: what is to be done, how often what occurs, who has a ULN, and a slip.

Sheets, in the order in which they are wanted: the work list and the counts by code, each in Welsh and in English, as their
texts differ; then what is the same in both languages, under headings in both: a school's learners with a ULN, or an
authority's schools, and the submission slip. An authority's workbook names no learner who needs nothing: its schools have
them. Row 1 is the heading row, so that a sheet filters, sorts and loads into other programs as it is; whose it is, cycle
and page stand in the printed header and footer. Every cell is text, a name that begins with = is never a formula; counts
alone are numbers.

Does not belong here: who stands in the list (`tasks.core.publication`), what a slip says (`tasks.steps.school_files`),
and the texts of rules and codes (all are handed in). To add a column: a line in `_LINE_COLUMNS` and its heading in
`schemas/texts/texts.csv`.
"""

import datetime as dt
import io
import re
import string
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd
import pyarrow as pa
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.packager import Packager
from xlsxwriter.sharedstrings import SharedStrings
from xlsxwriter.worksheet import Worksheet

from schemas.texts.catalogue import Language, both, text

_WIDEST = 40  # characters; wider, the printed page becomes too small to read
_FILTER_BUTTON = 4  # room for the heading's drop-down, in characters
_LINE = 15  # points
_LONGEST = 32767  # units of UTF-16 in a cell
_LOOK = {"valign": "top", "border": 1, "border_color": "#BFBFBF"}
_TEXT = {**_LOOK, "text_wrap": True, "num_format": "@"}
_LANGUAGES: tuple[Language, ...] = ("cy", "en")
_LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class _Column:
    heading: str
    source: str
    by_language: bool = False

    def in_language(self, lang: Language) -> str:
        """The lines' column that stands here on that language's sheet."""
        return f"{self.source}_{lang}" if self.by_language else self.source


_SCHOOL_COLUMNS = (_Column("workbook.school_number", "school_number"), _Column("workbook.school_name", "school_name"))
_LEARNER_COLUMNS = (
    _Column("workbook.upn", "upn"),
    _Column("workbook.surname", "surname"),
    _Column("workbook.forename", "forename"),
)
_LINE_COLUMNS = (
    *_LEARNER_COLUMNS,
    _Column("workbook.nc_year", "nc_year"),
    _Column("workbook.step", "step"),
    _Column("workbook.wrong", "wrong", by_language=True),
    _Column("workbook.why", "why", by_language=True),
    _Column("workbook.check", "check", by_language=True),
    _Column("workbook.action", "action", by_language=True),
    _Column("workbook.sent", "sent"),
    _Column("workbook.field", "field", by_language=True),
    _Column("workbook.code", "code"),
    _Column("workbook.lrs_code", "lrs_code"),
)
_ULN_COLUMNS = (*_LEARNER_COLUMNS, _Column("workbook.uln", "uln"), _Column("workbook.sent", "sent"))

#: A cell: a count where it is a number.
Cell = str | int


@dataclass(frozen=True)
class Slip:
    """What was received of a school, or of an authority's schools, and what became of it; texts in both languages.

    Attributes:
        counts: what is counted, and how many.
        returns: of each return its name, school, when received, records, status and sha256.
        batches: of each batch its file, school, when handed over and learners.
    """

    counts: list[tuple[str, int]]
    returns: list[tuple[Cell, ...]]
    batches: list[tuple[Cell, ...]]


@dataclass(frozen=True)
class About:
    """Whose workbook it is.

    Attributes:
        holder: the school's or authority's name and number, by language.
        la: the authority's name, by language.
        cycle_title: by language.
        number: of the files that it comes with.
        made_at: local time at which the workbook counts as made.
    """

    holder: dict[Language, str]
    la: dict[Language, str]
    cycle_title: dict[Language, str]
    number: int
    made_at: dt.datetime


@dataclass(frozen=True)
class _Plan:
    """One sheet: its columns, each its heading and its cells; widths in characters, heights in lines, and the look."""

    name: str
    lang: Language | None
    columns: list[list[Cell]]
    widths: list[int]
    heights: list[int]
    frozen: int
    headings: frozenset[int] = frozenset({0})
    filtered: bool = True


def workbook_name(number: str, cycle_id: str) -> str:
    """The name of a school's workbook, e.g. `ULN_Exceptions_6604025_2012-01.xlsx`."""
    return f"ULN_Exceptions_{number}_{cycle_id}.xlsx"


def authority_workbook_name(la_code: str, cycle_id: str, number: int) -> str:
    """The name of an authority's workbook, e.g. `ULN_Exceptions_660_2012-01_001.xlsx`.

    Args:
        la_code: three digits.
        cycle_id: as in `cycles.toml`.
        number: the authority's running number of workbooks, from 1.
    """
    return f"ULN_Exceptions_{la_code}_{cycle_id}_{number:03d}.xlsx"


def write_school_book(lines: pd.DataFrame, ulns: pd.DataFrame, slip: Slip, about: About) -> bytes:
    """Write a school's workbook; equal content gives equal bytes.

    Args:
        lines: `publication.EXCEPTION_COLUMNS`, text, in the order in which they are to stand; a null is an empty cell.
        ulns: `publication.ULN_COLUMNS` of the learners in its transfer file, likewise.
        slip: its submission slip.
        about: whose it is.
    """
    told = _texts(lines, _LINE_COLUMNS)
    plans = [*_by_language("work_list", _LINE_COLUMNS, told, frozen=3), *_by_code(told, ())]
    learners = _texts(ulns, _ULN_COLUMNS)
    plans.append(_in_both("ulns", [(_in_each(c.heading), learners[c.source]) for c in _ULN_COLUMNS], frozen=3))
    return _write([*plans, _slip(slip, about)], about)


def write_authority_book(lines: pd.DataFrame, schools: list[tuple[str, list[Cell]]], slip: Slip, about: About) -> bytes:
    """Write an authority's workbook; equal content gives equal bytes.

    Args:
        lines: school_number, school_name and `publication.EXCEPTION_COLUMNS`, as for a school.
        schools: the columns of its list of schools: heading in both languages, and cells.
        slip: the submission slip of all its schools.
        about: whose it is.
    """
    columns = (*_SCHOOL_COLUMNS, *_LINE_COLUMNS)
    told = _texts(lines, columns)
    plans = [*_by_language("work_list", columns, told, frozen=5), *_by_code(told, _SCHOOL_COLUMNS)]
    return _write([*plans, _in_both("schools", schools, frozen=2), _slip(slip, about)], about)


def _texts(rows: pd.DataFrame, columns: tuple[_Column, ...]) -> dict[str, list[Cell]]:
    """The texts of each source, by its name."""
    sources = dict.fromkeys(c.in_language(lang) for c in columns for lang in _LANGUAGES)
    return {s: pa.array(rows[s], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for s in sources}


def _by_language(
    title: str, columns: tuple[_Column, ...], values: dict[str, list[Cell]], *, frozen: int
) -> list[_Plan]:
    """A sheet in each language, alike in all that is not words."""
    told = {lang: [[text(c.heading, lang), *values[c.in_language(lang)]] for c in columns] for lang in _LANGUAGES}
    widths, heights = _measured(list(zip(*told.values(), strict=True)))
    return [_Plan(text(f"workbook.{title}", lang), lang, told[lang], widths, heights, frozen) for lang in _LANGUAGES]


def _by_code(values: dict[str, list[Cell]], of_school: tuple[_Column, ...]) -> list[_Plan]:
    """How many learners each code was told of; of each school, most first."""
    schools = (
        list(zip(*(values[c.source] for c in of_school), strict=True)) if of_school else [()] * len(values["code"])
    )
    keys = list(zip(schools, values["code"], strict=True))
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    counted = sorted(Counter(keys).items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    columns = (
        *of_school,
        _Column("workbook.code", "code"),
        _Column("workbook.wrong", "wrong", by_language=True),
        _Column("workbook.learners", "learners"),
        _Column("workbook.lrs_code", "lrs_code"),
    )
    places = [first[key] for key, _ in counted]
    picked = {name: [column[place] for place in places] for name, column in values.items()}
    return _by_language("by_code", columns, {**picked, "learners": [n for _, n in counted]}, frozen=len(of_school) + 1)


def _in_both(title: str, columns: list[tuple[str, list[Cell]]], *, frozen: int) -> _Plan:
    """A sheet that is the same in both languages but for its headings, which stand there in both."""
    filled: list[list[Cell]] = [[heading, *cells] for heading, cells in columns]
    return _Plan(_name_in_both(title), None, filled, *_measured([(column,) for column in filled]), frozen)


def _name_in_both(title: str) -> str:
    return " - ".join(text(f"workbook.{title}", lang) for lang in _LANGUAGES)


def _slip(slip: Slip, about: About) -> _Plan:
    """The submission slip: tables under each other, each with its own headings."""
    rows: list[tuple[Cell, ...]] = [
        (both("workbook.slip"),),
        (both("slip.holder"), _joined(about.holder)),
        (both("slip.la"), _joined(about.la)),
        (both("slip.cycle"), _joined(about.cycle_title)),
        (both("slip.made"), about.made_at.strftime("%Y-%m-%d %H:%M")),
        (both("slip.number"), about.number),
    ]
    headings = {0}
    for table, body in (
        (("slip.standing", "slip.count"), slip.counts),
        (("slip.return", "slip.school", "slip.received", "slip.records", "slip.status", "slip.sha256"), slip.returns),
        (("slip.batch", "slip.school", "slip.handed_over", "slip.learners"), slip.batches),
    ):
        headings.add(len(rows))
        rows += [tuple(_in_each(heading) for heading in table), *body]
    columns = [[row[n] if n < len(row) else "" for row in rows] for n in range(max(map(len, rows)))]
    widths, heights = _measured([(column,) for column in columns], button=0)
    return _Plan(_name_in_both("slip"), None, columns, widths, heights, 0, frozenset(headings), filtered=False)


def _in_each(key: str) -> str:
    """A heading in both languages; once where they agree."""
    return _joined({lang: text(key, lang) for lang in _LANGUAGES})


def _joined(words: dict[Language, str]) -> str:
    return " / ".join(dict.fromkeys(words[lang] for lang in _LANGUAGES))


def _write(plans: list[_Plan], about: About) -> bytes:
    buffer = io.BytesIO()
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = _Book(buffer, plain)
    book.set_properties(
        {
            "title": both("workbook.title"),
            "subject": _joined(about.holder),
            "created": about.made_at.replace(tzinfo=None),
        }
    )
    looks = (
        book.add_format({**_TEXT, "bold": True, "bg_color": "#D9E2F3"}),
        book.add_format(_TEXT),
        book.add_format(_LOOK),
    )
    for plan in plans:
        sheet = book.add_worksheet(plan.name, worksheet_class=_Sheet)
        sheet.fill(plan, looks)
        _set_up_print(sheet, plan.lang, about)
    book.close()
    return buffer.getvalue()


#: What has to be written in another way in a file of XML: xlsxwriter's own knows how.
_ODD = re.compile(r"[&<>\x00-\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|^\s|\s$").search


class _Book(xlsxwriter.Workbook):  # type: ignore[misc]
    """A workbook whose texts are written together: xlsxwriter's own bytes, as with `_Sheet`."""

    def _get_packager(self) -> Packager:
        return _Packager()


class _Packager(Packager):  # type: ignore[misc]
    def _write_shared_strings_file(self) -> None:
        strings = _Strings()
        strings.string_table = self.workbook.str_table
        if strings.string_table.count:
            strings._set_xml_writer(self._filename("xl/sharedStrings.xml"))
            strings._assemble_xml_file()


class _Strings(SharedStrings):  # type: ignore[misc]
    def _write_sst_strings(self) -> None:
        plain: list[str] = []
        for one in self.string_table.string_array:
            if _ODD(one):
                self.fh.write("".join(plain))
                plain = []
                self._write_si(one)
            else:
                plain.append(f"<si><t>{one}</t></si>")
        self.fh.write("".join(plain))


class _Sheet(Worksheet):  # type: ignore[misc]
    """A sheet of text whose rows are written whole: xlsxwriter's own bytes, without what it does cell by cell.

    With `_Book` it leans on private names of it; `test_workbook` holds it to the bytes of its public way.
    """

    def fill(self, plan: _Plan, looks: tuple[Format, Format, Format]) -> None:
        """Set the sheet's cells and look.

        Args:
            plan: what stands there.
            looks: how headings, texts and counts look.
        """
        last, count = len(plan.columns) - 1, len(plan.heights)
        for number, width in enumerate(plan.widths):
            self.set_column(number, number, width)
        # The corners tell xlsxwriter how large the sheet is.
        self.write_blank(0, 0, None, looks[0])
        self.write_blank(count - 1, last, None, looks[0])
        index = self.str_table._get_shared_string_index
        # Text is known by its place among the workbook's; a count is below nought, that it may stand in one list with it.
        self.cells = [
            [None if t == "" else ~t if t.__class__ is int else index(_fit(str(t))) for t in column]
            for column in plan.columns
        ]
        self.plan, self.looks = plan, looks
        self.freeze_panes(1, plan.frozen)
        if plan.filtered:
            self.autofilter(0, 0, max(count - 1, 1), last)
        # A year kept as text is meant, so no warning triangles.
        self.ignore_errors({"number_stored_as_text": f"A1:{_LETTERS[last]}{count}"})

    def _write_rows(self) -> None:
        spans = f'spans="1:{len(self.cells)}"'
        headings, heading = self.plan.headings, self.looks[0]._get_xf_index()
        rows = []
        for number, (cells, lines) in enumerate(zip(zip(*self.cells, strict=True), self.plan.heights, strict=True), 1):
            look = heading if number - 1 in headings else self.looks[1]._get_xf_index()
            height = "" if lines == 1 else f' ht="{lines * _LINE}" customHeight="1"'
            rows.append(f'<row r="{number}" {spans}{height}>')
            rows += [
                f'<c r="{letter}{number}" s="{look}"/>'
                if place is None
                else f'<c r="{letter}{number}" s="{look}" t="s"><v>{place}</v></c>'
                if place >= 0
                else f'<c r="{letter}{number}" s="{self.looks[2]._get_xf_index()}"><v>{~place}</v></c>'
                for letter, place in zip(_LETTERS, cells, strict=False)
            ]
            rows.append("</row>")
        self.fh.write("".join(rows))


def _fit(value: str) -> str:
    if len(value) > _LONGEST // 2:
        # A longer cell would make a spreadsheet call the file damaged; counted in UTF-16, no character is cut in two.
        value = value.encode("utf-16-le", "surrogatepass")[: 2 * _LONGEST].decode("utf-16-le", "ignore")
    # xlsxwriter would take such a text for its own markup, and write it into the file as it stands.
    return f" {value}" if value[:1] == "<" and value.startswith("<r>") and value.endswith("</r>") else value


def _measured(columns: list[tuple[list[Cell], ...]], button: int = _FILTER_BUTTON) -> tuple[list[int], list[int]]:
    """Each column's width in characters and each row's height in lines, heading first; told, as not every program finds them.

    Args:
        columns: of each column its variants, heading and cells; they get one width.
        button: room that a heading needs besides its own, in characters.
    """
    widths, by_column = [], []
    for variants in columns:
        texts = [list(map(str, variant)) for variant in variants]
        longest = _longest(value for variant in texts for value in variant)
        width = min(_WIDEST, max(longest, *(_room(variant[0]) + button for variant in texts)))
        widths.append(width)
        # Running text is narrower than digits: a tenth more fits on a line.
        room = width + width // 10
        for first, *rest in texts:
            by_column.append([_lines(first, max(1, room - button)), *(_lines(value, room) for value in rest)])
    return widths, [max(row) for row in zip(*by_column, strict=True)]


def _longest(values: Iterable[str]) -> int:
    """The most room that one of them needs; those are not looked at closer that cannot need more than another."""
    most = 0
    for value in values:
        if len(value) * 5 // 4 + 1 > most:
            most = max(most, _room(value))
    return most


def _room(value: str) -> int:
    # A width is counted in digits; capitals, in which many schools keep their names, are about a quarter wider.
    return len(value) + 1 + sum(map(str.isupper, value)) // 4


def _lines(value: str, width: int) -> int:
    # Most fit on a line, unless a tab makes them longer; the others are texts of rules and codes, which repeat.
    return 1 if len(value) <= width and "\t" not in value else _wrapped(value, width)


@lru_cache(maxsize=4096)
def _wrapped(value: str, width: int) -> int:
    return max(1, len(textwrap.wrap(value, width)))


def _set_up_print(sheet: Worksheet, lang: Language | None, about: About) -> None:
    def words(key: str) -> str:
        return " / ".join(text(key, one) for one in ((lang,) if lang else _LANGUAGES))

    def own(by_language: dict[Language, str]) -> str:
        # In printed headers & begins a code.
        return (_joined(by_language) if lang is None else by_language[lang]).replace("&", "&&")

    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.set_margins(left=0.4, right=0.4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_header(f"&L{own(about.holder)}&C&B{words('workbook.title')}&B&R{own(about.la)}, {own(about.cycle_title)}")
    made = words("workbook.made").format(date=about.made_at.strftime("%Y-%m-%d"))
    page = words("workbook.page").format(page="&P", pages="&N")
    sheet.set_footer(f"&L{made}&C{words('workbook.personal')}&R{page}")
