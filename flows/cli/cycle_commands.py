"""Commands that move a census cycle on: its runs on the engine, and the slips and pages made from their results.

Belongs here: `rehearse`, `census`, `returns`, `slips`, `report`. Does not belong here: questions (`question_commands`), and
decisions about a batch, a school or a file (`decision_commands`). To add one: `flows.cli.__main__`.
"""

import time
import webbrowser
from typing import Annotated, Literal

import typer
from rich.markup import escape

from flows.cli.arguments import (
    AsOfOption,
    CycleArgument,
    DataOption,
    LaOption,
    OptionalCycle,
    SchoolsOption,
    known_cycle,
)
from flows.cli.language import chosen, localised_text
from flows.cli.output import err, out, print_counts, print_fault, print_places, print_stand_in, print_status
from flows.cli.running import cycle_seen, opened, run_flow
from flows.run.engine import named_root
from schemas.texts.catalogue import bilingual
from tasks.io.data_root.reference import schools as register


def rehearse(
    schools: Annotated[str, typer.Option()] = "all",
    cycle: Annotated[str, typer.Option(callback=known_cycle)] = "2012-01",
    seed: Annotated[int, typer.Option(min=0)] = 1,
    via: Annotated[Literal["files", "sftp", "s3", "soap"], typer.Option()] = "files",
    data: DataOption = None,
) -> None:
    """Rehearse a whole cycle on synthetic learners."""
    most = int(register()["sector_en"].isin(["Secondary", "Middle"]).sum())
    if schools != "all" and not (schools.isdigit() and 1 <= int(schools) <= most):
        raise typer.BadParameter(bilingual("fault.how_many_schools", most=most), param_hint="--schools")
    root, started = named_root(data), time.monotonic()
    wanted = None if schools == "all" else int(schools)
    counts = run_flow("rehearsal:rehearsal", cycle=cycle, schools_wanted=wanted, seed=seed, data=root, via=via)
    print_status(root, cycle, [])
    print_counts(counts["census"], counts["returns"])
    print_stand_in(counts["stand_in"])
    print_places(root, cycle)
    out.print(localised_text("terminal.seconds", seconds=f"{time.monotonic() - started:.0f}"))
    _exit_on_faults(counts["census"], counts["returns"])


def census(
    cycle: CycleArgument,
    la: LaOption = [],
    school: SchoolsOption = [],
    as_of: AsOfOption = None,
    check_only: Annotated[bool, typer.Option("--check-only")] = False,
    data: DataOption = None,
) -> None:
    """Receive returns and send what is due to the LRS."""
    root = named_root(data)
    parameters = {"la": la or None, "school": school or None, "as_of": as_of, "check_only": check_only}
    counts = run_flow("census:census", cycle=cycle, data=root, **parameters)
    print_status(root, cycle, la, as_of)
    print_counts(counts)
    _exit_on_faults(counts)


def returns(as_of: AsOfOption = None, data: DataOption = None) -> None:
    """Merge the LRS's answers and publish to the schools."""
    from tasks.ledger.standing import cycles_with_returns

    root = named_root(data)
    counts = run_flow("lrs_returns:lrs_returns", as_of=as_of, data=root)
    for cycle in cycles_with_returns(root):
        print_status(root, cycle, [], as_of)
    print_counts(counts)
    _exit_on_faults(counts)


def slips(cycle: CycleArgument, la: LaOption = [], school: SchoolsOption = [], data: DataOption = None) -> None:
    """Make slips for learners and lists for staff, as PDFs."""
    from tasks.reports.slips import make_slips

    with opened(data, must_exist=True) as root:
        made = make_slips(root, cycle, la, school)
    out.print(localised_text("terminal.slips_made", schools=len(made.learners), learners=sum(made.learners.values())))
    for school_number in made.gone:
        print_fault(localised_text("terminal.slips_gone", school=school_number))
    if made.gone:
        raise typer.Exit(1)


def report(
    cycle: OptionalCycle = None,
    open_it: Annotated[bool, typer.Option("--open")] = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Make the pages of a cycle, and print where they are."""
    from flows.run.schedule import now
    from tasks.reports.pages import WALES_FOLDER, report_of

    with opened(data) as root:
        seen = cycle_seen(root, cycle)
        if seen is None:
            out.print(escape(localised_text("terminal.no_returns", root=root)))
            return
        site = report_of(root, seen.id, now(as_of))
    page = site.folder / WALES_FOLDER / f"index.{chosen.get() or 'cy'}.html"
    out.print(escape(localised_text("terminal.pages_made", number=site.written, page=page)), soft_wrap=True)
    if open_it:
        webbrowser.open(page.as_uri())


def _exit_on_faults(*runs: dict[str, int]) -> None:
    if any(run.get("faults") for run in runs):
        err.print(localised_text("terminal.faults"))
        raise typer.Exit(1)
