"""Commands for a person's decision about a batch, a school or a file; each takes a reason, which is recorded.

They start no run of the engine: its database does not hold the reason, and a decision takes a few commits (`publish`: more).
Does not belong here: the same decisions as forms on the dashboard (`flows.operator`), and their effects (`tasks`). To add
one: `flows.cli.__main__`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from flows.cli.arguments import AsOfOption, DataOption, known_cycle, known_schools
from flows.cli.language import localised
from flows.cli.output import out
from flows.cli.running import opened
from schemas.states import Decision
from tasks.runtime.process_guard import install_process_guard

RefArgument = Annotated[str, typer.Argument(metavar="REF")]
ReasonOption = Annotated[str, typer.Option("--reason")]
SchoolArgument = Annotated[str, typer.Argument(callback=lambda value: known_schools([value])[0], metavar="SCHOOL")]
OfCycle = Annotated[str, typer.Option("--cycle", callback=known_cycle)]


def retry(ref: RefArgument, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None) -> None:
    """Hand over again a batch that is known not to have arrived."""
    from tasks.operator.decide_batch import decide

    _print_result(decide, ref, Decision.RETRY, reason=reason, as_of=as_of, data=data)


def abandon(ref: RefArgument, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None) -> None:
    """Abandon a batch that the LRS does not know; its learners are due again."""
    from tasks.operator.decide_batch import decide

    _print_result(decide, ref, Decision.ABANDON, reason=reason, as_of=as_of, data=data)


def release(
    school: SchoolArgument, cycle: OfCycle, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None
) -> None:
    """Release a school on hold: its number of learners fell far below its last cycle's."""
    from tasks.operator.decide_school import release_hold

    _print_result(release_hold, school, cycle, reason=reason, as_of=as_of, data=data)


def publish(
    school: SchoolArgument, cycle: OfCycle, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None
) -> None:
    """Publish a school's files again."""
    from tasks.operator.decide_school import publish_again

    _print_result(publish_again, school, cycle, reason=reason, as_of=as_of, data=data)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    reason: ReasonOption,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Import an export of processed exceptions."""
    from tasks.operator.import_export import import_export

    _print_result(import_export, str(file.expanduser()), reason=reason, as_of=as_of, data=data)


def _print_result(
    decision: Callable[..., Any], *subject: str, reason: str, as_of: str | None, data: str | None
) -> None:
    from flows.run.schedule import now

    with opened(data) as root:
        install_process_guard(root)
        out.print(escape(localised(decision(root, *subject, reason, now(as_of)))), soft_wrap=True)
