"""Commands that only read: what the data root holds, the check of a return, and the project's own cycles and texts.

None of them imports the engine. Does not belong here: questions about the service itself (`service_commands`), and the
layout of an answer (`flows.cli.output`). To add a command: a function here, its registration in `flows.cli.__main__`.
"""

import errno
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flows.cli import output
from flows.cli.arguments import AsOfOption, CycleOption, DataOption, JsonOption, LaOption, OptionalCycle, day_of
from flows.cli.language import localised_text
from flows.cli.running import checking_display, cycle_seen, opened
from flows.cli.story import print_story
from schemas.cycles import all_cycles, cycle_by_id
from schemas.states import BatchShown
from tasks.io.data_root.data_root import DataRoot


def status(
    cycle: OptionalCycle = None, la: LaOption = [], as_json: JsonOption = False, data: DataOption = None
) -> None:
    """Show the status of a cycle."""
    from tasks.ledger.standing import cycles_with_returns
    from tasks.reports.status import status_of

    with opened(data) as root:
        if Path(root).exists() and not Path(root).is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "", root)
        wanted = [cycle] if cycle else cycles_with_returns(root)
        if as_json:
            statuses = [status_of(root, c, la or None) for c in wanted]
            output.print_json(statuses[0] if cycle else statuses)
            return
        if not wanted:
            output.out.print(escape(localised_text("terminal.no_returns", root=root)))
        for cycle_id in wanted:
            output.print_status(root, cycle_id, la)


def exceptions(
    cycle: OptionalCycle = None,
    la: LaOption = [],
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Show the exceptions as of a cycle: state, cause, code and age."""
    from tasks.reports.exception_counts import visible_exceptions

    with opened(data) as root:
        seen = cycle_seen(root, cycle)
        if seen is None:
            output.out.print(localised_text("terminal.no_exceptions"))
            return
        counts = visible_exceptions(root, seen, day_of(as_of), la or None)
    if as_json:
        output.print_json({"cycle": seen.id} | {name: rows.rows() for name, rows in counts.items()})
    else:
        output.print_exceptions(root, seen, counts)


def batches(
    cycle: OptionalCycle = None,
    state: Annotated[BatchShown | None, typer.Option()] = None,
    as_json: JsonOption = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Show the batches, and the state of their hand-over."""
    from tasks.reports.batches import visible_batches

    with opened(data) as root:
        rows = visible_batches(root, day_of(as_of), cycle).frame
        rows = rows if state is None else rows[rows["state"] == state.value]
        if as_json:
            output.print_plain(rows.to_json(orient="records", indent=1, force_ascii=False) + "\n")
        else:
            output.print_batches(rows)


def trace(
    key: Annotated[str | None, typer.Argument(metavar="[UPN | ULN]")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show one learner's story, to a person who may read the data root."""
    from tasks.reports.trace import stories

    upn_or_uln = key if key is not None else typer.prompt(localised_text("trace.ask"), err=True)
    with opened(data, must_exist=True) as root:
        learners = stories(root, upn_or_uln)
        if as_json:
            output.print_json([story.as_json() for story in learners])
        else:
            print_story(root, learners)


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")], cycle: CycleOption = None, data: DataOption = None
) -> None:
    """Check returns before they are sent; exit code 1 if a learner would be held or a return refused."""
    from tasks.reports.check import RefusedReturn, check_file

    held = refused = 0
    for path in files:
        with opened(data) as root, checking_display(path):
            results = check_file(path, cycle_by_id(cycle) if cycle else None, DataRoot(Path(root)).reference)
        for result in results:
            if isinstance(result, RefusedReturn):
                output.print_refused(f"{path}#{result.member}" if result.member else str(path), result.refused)
                refused += 1
            else:
                output.print_checked(path, result)
                held += result.held
    if held or refused:
        raise typer.Exit(1)


def readiness(la: LaOption = [], cycle: CycleOption = None, data: DataOption = None) -> None:
    """Show what schools still need before their learners can be sent."""
    from flows.run.schedule import present_cycle, today
    from tasks.reports.readiness_lists import readiness_of

    cycle = cycle or present_cycle(all_cycles().values(), today())
    with opened(data) as root:
        rows = readiness_of(root, cycle_by_id(cycle), la or None)
    output.print_readiness(rows, cycle)


def cycles(data: DataOption = None) -> None:
    """Show the census cycles."""
    del data  # every command takes --data; the cycles are the project's own
    output.print_cycles()


def texts(review: Annotated[bool, typer.Option("--review")] = False, data: DataOption = None) -> None:
    """Show how many of the service's texts have Welsh, and which wait for a translator."""
    del data  # every command takes --data; the texts are the project's own
    output.print_texts(review=review)
