"""Charts of the pages, as SVG that stands in a page: drawn by leather, made readable for people and for readers of screens.

Belongs here: shapes. A bar has its name and number beside it, and two kinds of points have two shapes, so that colour says
nothing alone. What a chart says is in its sentence and its table (`tasks.io.pages.html`). No style attribute, which the
pages' policy forbids; the same numbers give the same bytes. To add a kind of chart: a function here.
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
#: Beyond either end of what the library draws: it gives labels there no room.
_ROOM = 24
_SVG = "http://www.w3.org/2000/svg"


def _settle() -> None:
    """How everything looks that the library draws; it keeps that for the whole process."""
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
    """A bar for each row, from the top.

    Args:
        rows: what stands beside the bar, its number among it, and how long it is.
        name: what the chart is called in the page.
        title: read out as its name.
        told: read out as what it shows.
        whole: of which the lengths are shares; the longest one where None.
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
    """A line and dots over days.

    Args:
        days: in order.
        line: what the line is called, and its numbers.
        dots: likewise.
        ends: the first day and the last as people read them.
        name: as for `bars`.
        title: likewise.
        told: likewise.
    """
    chart = leather.Chart()
    # As moments: of dates that lie close together the library makes hours, which it cannot.
    at_noon = [dt.datetime.combine(day, dt.time(12)) for day in days]
    chart.add_line(list(zip(at_noon, line[1], strict=True)), name=line[0], stroke_color=_DARK, width=3)
    chart.add_dots(list(zip(at_noon, dots[1], strict=True)), name=dots[0], fill_color=_LIGHT, radius=4)
    most = max((*line[1], *dots[1]), default=0)
    chart.add_y_scale(0, max(most, 1))
    chart.add_y_axis(ticks=_ticks(most), tick_formatter=_thousands)
    chart.add_x_axis(ticks=[at_noon[0], at_noon[-1]], tick_formatter=lambda _day, at, _count: ends[at])
    return _in_page(chart.to_svg(width=_WIDTH, height=260), name, title, told)


def _ticks(most: int) -> list[int]:
    """Round numbers from nought to the largest."""
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
    """Without the characters that XML forbids: a code of the LRS may hold them."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _in_page(svg: str, name: str, title: str, told: str) -> str:
    """With a name and a description, as wide as its place."""
    root = etree.fromstring(_plain(svg).encode())
    root.set("viewBox", f"{-_ROOM} 0 {int(root.get('width', '0')) + 2 * _ROOM} {root.get('height')}")
    for attribute in ("width", "height", "version"):
        del root.attrib[attribute]
    root.set("role", "img")
    root.set("aria-labelledby", f"chart-{name}-title chart-{name}-desc")
    for at, (tag, text) in enumerate((("title", title), ("desc", told))):
        element = etree.Element(f"{{{_SVG}}}{tag}", id=f"chart-{name}-{tag}")
        element.text = _plain(text)
        root.insert(at, element)
    found: str = etree.tostring(root, encoding="unicode")
    return found
