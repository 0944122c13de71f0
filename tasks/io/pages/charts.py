"""Charts as SVG inside a page: drawn by leather, readable by people and by screen readers.

Belongs here: shapes. A bar has its label and number beside it, and two kinds of points have two shapes, so that colour is
never the only sign. A chart's sentence and table are in `tasks.io.pages.html`. No style attributes, which the pages' policy
forbids. The same numbers give the same bytes. To add a kind of chart: a function here.
"""

import datetime as dt
import re
from collections.abc import Sequence

import leather
from leather import theme
from lxml import etree

_FONT = "Arial, Helvetica, sans-serif"
_INK, _DARK, _LIGHT = "#1f2328", "#12436d", "#28a197"
_WIDTH, _BAR, _TOP = 460, 26, 84
#: Added at both sides of the drawing, where leather leaves no room for labels.
_ROOM = 24
_SVG = "http://www.w3.org/2000/svg"


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


def bars(rows: Sequence[tuple[str, int]], name: str, title: str, told: str, whole: int | None = None) -> str:
    """Draw a bar for each row, from the top.

    Args:
        rows: label (with the number) and length of each bar.
        name: the chart's id in the page.
        title: name for screen readers.
        told: description for screen readers.
        whole: the length that is 100 %; where None, the lengths are numbers and the longest fills the chart.
    """
    chart = leather.Chart()
    chart.add_bars([(number, label) for label, number in rows], fill_color=_DARK)
    most = whole or max(number for _, number in rows)
    chart.add_x_scale(0, max(most, 1))
    chart.add_x_axis(ticks=_ticks(most), tick_formatter=_percent if whole else _thousands)
    return _in_page(chart.to_svg(width=_WIDTH, height=_TOP + _BAR * len(rows)), name, title, told)


def lines(
    days: Sequence[dt.date],
    line: tuple[str, Sequence[int]],
    dots: tuple[str, Sequence[int]],
    ends: tuple[str, str],
    name: str,
    title: str,
    told: str,
) -> str:
    """Draw a line and dots over days.

    Args:
        days: in order.
        line: label and numbers.
        dots: likewise.
        ends: the first and last day as people read them.
        name: as for `bars`.
        title: likewise.
        told: likewise.
    """
    chart = leather.Chart()
    # As datetimes: leather divides a short range into hours, and fails to do so with dates.
    at_noon = [dt.datetime.combine(day, dt.time(12)) for day in days]
    chart.add_line(list(zip(at_noon, line[1], strict=True)), name=line[0], stroke_color=_DARK, width=3)
    chart.add_dots(list(zip(at_noon, dots[1], strict=True)), name=dots[0], fill_color=_LIGHT, radius=4)
    most = max((*line[1], *dots[1]), default=0)
    chart.add_y_scale(0, max(most, 1))
    chart.add_y_axis(ticks=_ticks(most), tick_formatter=_thousands)
    chart.add_x_axis(ticks=[at_noon[0], at_noon[-1]], tick_formatter=lambda _day, at, _count: ends[at])
    return _in_page(chart.to_svg(width=_WIDTH, height=260), name, title, told)


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
    """Add title and description to a chart, and let it fill its place's width."""
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
