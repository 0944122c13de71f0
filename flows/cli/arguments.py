"""Arguments and options that several commands of `uln` take, and what is asked of their values.

Belongs here: what means the same in every command that takes it; a wrong value is wrong usage (exit code 2), in one sentence
from the texts. Does not belong here: an option of one command alone, which stands with it. To add one: an annotated type at
the end, its check above, its help in `texts.csv`, `help.*`.
"""

import datetime as dt
from typing import Annotated

import typer

from schemas.cycles import all_cycles
from schemas.texts.catalogue import bilingual


def known_cycle(value: str | None) -> str | None:
    """A cycle of `schemas/cycles.toml`, or none."""
    if value is not None and value not in all_cycles():
        raise typer.BadParameter(bilingual("fault.no_cycle", cycle=value, cycles=", ".join(all_cycles())))
    return value


def known_authorities(values: list[str]) -> list[str]:
    """Codes of authorities in Wales."""
    from tasks.io.data_root.reference import authorities

    known = set(authorities()["la_code"])
    for value in values:
        if value not in known:
            raise typer.BadParameter(bilingual("fault.no_authority", code=value, first=min(known), last=max(known)))
    return values


def known_schools(values: list[str]) -> list[str]:
    """School numbers: seven digits, the first three an authority's code; the school itself need not be known."""
    for value in values:
        if not (len(value) == 7 and value.isdigit()):
            raise typer.BadParameter(bilingual("usage.school_number", value=repr(value)))
        known_authorities([value[:3]])
    return values


def a_moment(value: str | None) -> str | None:
    """A date or a moment in ISO form, or none."""
    if value is not None:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            raise typer.BadParameter(bilingual("fault.not_a_moment", text=repr(value))) from None
    return value


def a_day(value: str) -> str:
    """A date in ISO form."""
    try:
        return dt.date.fromisoformat(value).isoformat()
    except ValueError:
        raise typer.BadParameter(bilingual("usage.day", value=repr(value))) from None


AsOfOption = Annotated[str | None, typer.Option("--as-of", callback=a_moment)]
CycleArgument = Annotated[str, typer.Argument(callback=known_cycle, metavar="CYCLE")]
CycleOption = Annotated[str | None, typer.Option("--cycle", callback=known_cycle)]
DataOption = Annotated[str | None, typer.Option("--data", metavar="FOLDER")]
JsonOption = Annotated[bool, typer.Option("--json")]
LaOption = Annotated[list[str], typer.Option("--la", callback=known_authorities)]
OptionalCycle = Annotated[str | None, typer.Argument(callback=known_cycle, metavar="[CYCLE]")]
SchoolsOption = Annotated[list[str], typer.Option("--school", callback=known_schools)]
