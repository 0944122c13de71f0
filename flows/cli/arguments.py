"""Arguments and options that several commands of `uln` share, and the checks of their values.

Belongs here: an option with the same meaning in several commands; a wrong value is wrong usage (exit code 2), in one sentence
from the texts. Does not belong here: an option of a single command; it is beside that command. To add one: an annotated type
at the end, its check above, its help in `texts.csv`, `help.*`.
"""

import datetime as dt
from typing import Annotated

import typer

from schemas.cycles import all_cycles
from schemas.texts.catalogue import bilingual
from tasks.io.data_root.reference import authorities


def known_cycle(value: str | None) -> str | None:
    """Return a cycle of `schemas/cycles.toml`, or None; refuse any other."""
    if value is not None and value not in all_cycles():
        raise typer.BadParameter(bilingual("fault.no_cycle", cycle=value, cycles=", ".join(all_cycles())))
    return value


def known_authorities(values: list[str]) -> list[str]:
    """Return authority codes; refuse a code that is not in Wales."""
    known = set(authorities()["la_code"])
    for value in values:
        if value not in known:
            raise typer.BadParameter(bilingual("fault.no_authority", code=value, first=min(known), last=max(known)))
    return values


def known_schools(values: list[str]) -> list[str]:
    """Return school numbers: seven digits that begin with an authority's code; the school itself may be unknown."""
    for value in values:
        if not (len(value) == 7 and value.isdigit()):
            raise typer.BadParameter(bilingual("usage.school_number", value=repr(value)))
        known_authorities([value[:3]])
    return values


def iso_moment(value: str | None) -> str | None:
    """Return a date or a time in ISO form, or None; refuse any other text."""
    if value is not None:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            raise typer.BadParameter(bilingual("fault.not_a_moment", text=repr(value))) from None
    return value


def iso_day(value: str) -> str:
    """Return a date in ISO form; refuse any other text."""
    try:
        return dt.date.fromisoformat(value).isoformat()
    except ValueError:
        raise typer.BadParameter(bilingual("usage.day", value=repr(value))) from None


def day_of(as_of: str | None) -> dt.date:
    """Return the day for which a command answers: that of `--as-of`, else today."""
    from flows.run.schedule import now
    from tasks.runtime.context import moment

    return moment(now(as_of)).date()


AsOfOption = Annotated[str | None, typer.Option("--as-of", callback=iso_moment)]
CycleArgument = Annotated[str, typer.Argument(callback=known_cycle, metavar="CYCLE")]
CycleOption = Annotated[str | None, typer.Option("--cycle", callback=known_cycle)]
DataOption = Annotated[str | None, typer.Option("--data", metavar="FOLDER")]
JsonOption = Annotated[bool, typer.Option("--json")]
LaOption = Annotated[list[str], typer.Option("--la", callback=known_authorities)]
OptionalCycle = Annotated[str | None, typer.Argument(callback=known_cycle, metavar="[CYCLE]")]
SchoolsOption = Annotated[list[str], typer.Option("--school", callback=known_schools)]
