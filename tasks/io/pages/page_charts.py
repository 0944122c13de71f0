"""The chart of each section, from the rows of the section's table, with the numbers written beside the bars.

Belongs here: which rows, labels and shapes. Does not belong here: how a chart is drawn (`tasks.io.pages.charts`), where it
is in the page (`tasks.io.pages.html`). To add a chart: a function here, a line in `_CHARTS`, a text `pages.chart.*`.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from itertools import accumulate

from markupsafe import Markup

from schemas.settings.pages import WALES
from tasks.io.pages.charts import bars, lines
from tasks.io.pages.words import BARS, PageContent, Sayer, percent

#: Maximum length of a label beside a bar, in characters.
_LABEL = 24


def chart_of(section: str, content: PageContent, say: Sayer) -> Markup | None:
    """Return a section's chart, or None where there is nothing to draw."""
    draw = _CHARTS.get(section)
    made = draw(content, say) if draw else None
    return None if made is None else Markup(made)  # noqa: S704 - the library escapes what it draws


def _bars(section: str, rows: Sequence[tuple[str, int | None]], content: PageContent, say: Sayer) -> str | None:
    """Draw bars of numbers, or of shares in thousandths for the sections that have shares."""
    whole = 1000 if section in ("years", "cycles") else None
    written = percent if whole else say.of
    named = [
        (f"{_short(label)}: {say.missing if number is None else written(number)}", number or 0)
        for label, number in rows
    ]
    if not any(number for _, number in named):
        return None
    return bars(named, section, say(f"chart.{section}"), say.sentence(content.said[section]), whole)


def _short(label: str) -> str:
    """Shorten a label to fit beside its bar; the table has the whole label."""
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _chart_of_schools(content: PageContent, say: Sayer) -> str | None:
    if content.page == WALES:
        total = content.tables["authorities"].rows[-1]
    else:
        rows = content.tables["schools"].rows
        total = {state: sum(row[state] for row in rows) for state in BARS}
    return _bars("schools", [(say(f"column.{state}"), total[state]) for state in BARS], content, say)


def _chart_of_codes(content: PageContent, say: Sayer) -> str | None:
    rows = [(str(row.get("return_code") or row["code"]), row["number"]) for row in content.tables["exceptions"].rows]
    return _bars("exceptions", rows, content, say)


def _chart_of_ages(content: PageContent, say: Sayer) -> str | None:
    return _bars("ages", [(row["age"], row["number"]) for row in content.tables["ages"].rows], content, say)


def _chart_of_years(content: PageContent, say: Sayer) -> str | None:
    rows = content.tables["years"].rows
    return _bars(
        "years",
        [(say("year", year=row["year"]) if row["year"] else say("unread_year"), row["share"]) for row in rows],
        content,
        say,
    )


def _chart_of_cycles(content: PageContent, say: Sayer) -> str | None:
    rows = content.tables["cycles"].rows
    shares = [(row[f"cycle_{say.lang}"], row["share"]) for row in rows]
    return _bars("cycles", shares, content, say) if len(rows) > 1 else None


def _chart_of_days(content: PageContent, say: Sayer) -> str | None:
    rows = content.tables["days"].rows
    # The line would show a day with a hidden number as 0.
    if len(rows) < 2 or any(row[name] is None for row in rows for name in ("asked", "answered_uln")):
        return None
    days = [dt.date.fromisoformat(row["day"]) for row in rows]
    asked, answered = (list(accumulate(row[name] for row in rows)) for name in ("asked", "answered_uln"))
    shapes = (say("chart.days.line"), answered), (say("chart.days.dots"), asked)
    first, last = (say.day(rows[at]["day"]).rpartition(" ")[0] for at in (0, -1))
    return lines(days, *shapes, (first, last), "days", say("chart.days"), say.sentence(content.said["days"]))


_CHARTS: dict[str, Callable[[PageContent, Sayer], str | None]] = {
    "schools": _chart_of_schools,
    "exceptions": _chart_of_codes,
    "ages": _chart_of_ages,
    "years": _chart_of_years,
    "days": _chart_of_days,
    "cycles": _chart_of_cycles,
}
