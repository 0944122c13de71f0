"""The chart of each section, from the rows of its table: SVG drawn by leather, readable by people and by screen readers.

Belongs here: which rows, labels and shapes. A bar has its label and number beside it, and of two series one is dots and one
a line, so that colour is never the only sign. No style attributes, which the pages' policy forbids. The same numbers give
the same bytes. To add a chart: a function here, a line in `_CHARTS`, a text `pages.chart.*`.
"""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from itertools import accumulate

import leather
from leather import theme
from lxml import etree
from markupsafe import Markup

from schemas.settings.pages import WALES
from tasks.io.pages.words import BARS, PageContent, PageTexts, percent

_FONT = "Arial, Helvetica, sans-serif"
_INK, _DARK, _LIGHT = "#1f2328", "#12436d", "#28a197"
_WIDTH, _BAR, _TOP = 460, 26, 84
#: Added at both sides of the drawing, where leather leaves no room for labels.
_ROOM = 24
_SVG = "http://www.w3.org/2000/svg"
#: Maximum length of a label beside a bar, in characters.
_LABEL = 24


def _settle() -> None:
    """Set leather's theme, which holds for the whole process."""
    for name in dir(theme):
        if name.endswith("font_family"):
            setattr(theme, name, _FONT)
        if name in ("label_color", "legend_color", "title_color", "axis_title_color", "zero_color"):
            setattr(theme, name, _INK)
    theme.background_color, theme.tick_color, theme.margin = "#ffffff", "#c9cdd2", 0.06
    theme.tick_font_char_width = 7


_settle()
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def chart_of(section: str, content: PageContent, texts: PageTexts) -> Markup | None:
    """Return a section's chart, or None where there is nothing to draw."""
    draw = _CHARTS.get(section)
    svg = draw(content, texts) if draw else None
    if svg is None:
        return None
    chart = _in_page(svg, section, texts(f"chart.{section}"), texts.sentence(content.sentences[section]))
    return Markup(chart)  # noqa: S704 - the library escapes what it draws


def _bars(rows: Sequence[tuple[str, int | None]], texts: PageTexts, *, shares: bool = False) -> str | None:
    """Draw a bar for each label and number, from the top; shares are in thousandths. None where all bars are empty."""
    lengths = [number or 0 for _, number in rows]
    if not any(lengths):
        return None
    written = percent if shares else texts.of
    labels = [f"{_short(label)}: {texts.missing if number is None else written(number)}" for label, number in rows]
    chart = leather.Chart()
    chart.add_bars(list(zip(lengths, labels, strict=True)), fill_color=_DARK)
    most = 1000 if shares else max(lengths)
    chart.add_x_scale(0, most)
    chart.add_x_axis(ticks=_ticks(most), tick_formatter=_percent if shares else _thousands)
    svg: str = chart.to_svg(width=_WIDTH, height=_TOP + _BAR * len(rows))
    return svg


def _short(label: str) -> str:
    """Shorten a label to fit beside its bar; the table has the whole label."""
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _schools(content: PageContent, texts: PageTexts) -> str | None:
    if content.page == WALES:
        total = content.tables["authorities"].rows[-1]
    else:
        rows = content.tables["schools"].rows
        total = {state: sum(row[state] for row in rows) for state in BARS}
    return _bars([(texts(f"column.{state}"), total[state]) for state in BARS], texts)


def _exceptions(content: PageContent, texts: PageTexts) -> str | None:
    rows = content.tables["exceptions"].rows
    return _bars([(str(row.get("return_code") or row["code"]), row["number"]) for row in rows], texts)


def _ages(content: PageContent, texts: PageTexts) -> str | None:
    return _bars([(row["age"], row["number"]) for row in content.tables["ages"].rows], texts)


def _years(content: PageContent, texts: PageTexts) -> str | None:
    rows = content.tables["years"].rows
    labels = [texts("year", year=row["year"]) if row["year"] else texts("unread_year") for row in rows]
    return _bars([(label, row["share"]) for label, row in zip(labels, rows, strict=True)], texts, shares=True)


def _cycles(content: PageContent, texts: PageTexts) -> str | None:
    rows = [(row[f"cycle_{texts.lang}"], row["share"]) for row in content.tables["cycles"].rows]
    return _bars(rows, texts, shares=True) if len(rows) > 1 else None


def _days(content: PageContent, texts: PageTexts) -> str | None:
    """Draw the learners sent until each day as dots, and those answered with a ULN as a line."""
    rows = content.tables["days"].rows
    # The line would show a day with a hidden number as 0.
    if len(rows) < 2 or any(row[name] is None for row in rows for name in ("asked", "answered_uln")):
        return None
    # As datetimes: leather divides a short range into hours, and fails to do so with dates.
    at_noon = [dt.datetime.combine(dt.date.fromisoformat(row["day"]), dt.time(12)) for row in rows]
    sent, answered = (list(accumulate(row[name] for row in rows)) for name in ("asked", "answered_uln"))
    ends = [texts.day(rows[at]["day"]).rpartition(" ")[0] for at in (0, -1)]
    chart = leather.Chart()
    line, dots = (list(zip(at_noon, numbers, strict=True)) for numbers in (answered, sent))
    chart.add_line(line, name=texts("chart.days.line"), stroke_color=_DARK, width=3)
    chart.add_dots(dots, name=texts("chart.days.dots"), fill_color=_LIGHT, radius=4)
    most = max(*answered, *sent)
    chart.add_y_scale(0, max(most, 1))
    chart.add_y_axis(ticks=_ticks(most), tick_formatter=_thousands)
    chart.add_x_axis(ticks=[at_noon[0], at_noon[-1]], tick_formatter=lambda _day, at, _count: ends[at])
    svg: str = chart.to_svg(width=_WIDTH, height=260)
    return svg


_CHARTS: dict[str, Callable[[PageContent, PageTexts], str | None]] = {
    "schools": _schools,
    "exceptions": _exceptions,
    "ages": _ages,
    "years": _years,
    "days": _days,
    "cycles": _cycles,
}


def _ticks(most: int) -> list[int]:
    """Return round numbers from 0."""
    if most <= 4:
        return list(range(max(most, 1) + 1))
    power = 10 ** (len(str(most)) - 1)
    step = next(s for s in (power // 5, power // 2, power, power * 2, power * 5) if s and most / s <= 6)
    return list(range(0, most + 1, step))


def _thousands(value: float, *_: object) -> str:
    return f"{int(value):,}"


def _percent(thousandths: float, *_: object) -> str:
    return f"{int(thousandths) // 10}%"


def _plain(text: str) -> str:
    """Replace the characters that XML forbids; a code of the LRS may hold them."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _in_page(svg: str, name: str, title: str, description: str) -> str:
    """Add title and description to a chart, and make it as wide as its container."""
    root = etree.fromstring(_plain(svg).encode())
    root.set("viewBox", f"{-_ROOM} 0 {int(root.get('width', '0')) + 2 * _ROOM} {root.get('height')}")
    for attribute in ("width", "height", "version"):
        del root.attrib[attribute]
    root.set("role", "img")
    root.set("aria-labelledby", f"chart-{name}-title chart-{name}-desc")
    for at, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = etree.Element(f"{{{_SVG}}}{tag}", id=f"chart-{name}-{tag}")
        element.text = _plain(text)
        root.insert(at, element)
    result: str = etree.tostring(root, encoding="unicode")
    return result
