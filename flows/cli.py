"""`uln`: the service from a terminal. Welsh and English side by side, Welsh first.

Commands that only read (`status`, `check`, `readiness`, `cycles`) never import the engine. Errors are one sentence and
a next step. Exit codes: 0 done (also where files were quarantined or rows held), 1 something could not be done, 2 wrong
usage. To add a command: a function here, and the work itself in a flow or in `tasks`.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from schemas.cycles import all_cycles, cycle_by_id
from schemas.faults import ConfigurationFault, Refused, ServiceFault
from schemas.texts import both

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__.split("\n")[0]
)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)


def _data(value: str | None) -> str:
    return str(Path(value or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve())


def _cycle(value: str) -> str:
    if value not in all_cycles():
        raise typer.BadParameter(f"{value!r}: {', '.join(all_cycles())}")
    return value


def _las(values: list[str]) -> list[str]:
    from tasks.io.reference import authorities

    known = set(authorities()["la_code"])
    for value in values:
        if value not in known:
            raise typer.BadParameter(f"{value!r}: {min(known)} - {max(known)}")
    return values


def _schools(values: list[str]) -> list[str]:
    for value in values:
        if not (len(value) == 7 and value.isdigit()):
            raise typer.BadParameter(f"{value!r}: rhif saith digid fel / a seven-digit number such as 6604025")
        _las([value[:3]])
    return values


def _moment(value: str | None) -> str | None:
    import datetime as dt

    if value is not None:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r}: 2012-02-20, 2012-02-20T09:15") from None
    return value


DataOption = Annotated[
    str | None, typer.Option("--data", metavar="FOLDER", help="Gwreiddyn y data / The data root [ULN_DATA, data/local]")
]
LaOption = Annotated[list[str], typer.Option("--la", callback=_las, help="Cod awdurdod / Authority code")]
CycleArgument = Annotated[str, typer.Argument(callback=_cycle, metavar="CYCLE", help="Cylch / Cycle: uln cycles")]


@contextmanager
def _told_plainly(data: str) -> Iterator[None]:
    """One clear sentence and a next step instead of a traceback."""
    try:
        yield
    except (ConfigurationFault, ServiceFault, Refused) as fault:
        err.print(f"[bold red]uln:[/] {escape(str(fault))}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say_stopped()
        raise typer.Exit(1) from None
    except (typer.Exit, typer.BadParameter):
        raise
    except OSError as fault:
        err.print(f"[bold red]uln:[/] {escape(_told_by_system(fault))}")
        raise typer.Exit(1) from None
    except Exception as fault:  # noqa: BLE001 - the last boundary: evidence to the data root, one sentence to the user
        from flows.engine import server_unreachable
        from tasks.stage import keep_evidence

        server = os.environ.get("PREFECT_API_URL")
        if server and server_unreachable(fault):
            err.print(f"[bold red]uln:[/] {escape(both('terminal.server_unreachable', server=server))}")
        else:
            where = keep_evidence(data, "terminal", "uln", "command", fault)
            err.print(f"[bold red]uln:[/] {escape(both('fault.unforeseen', stage='uln', about='', where=where))}")
        raise typer.Exit(1) from None


def _say_stopped() -> None:
    err.show_cursor()
    err.print(f"\n[bold red]uln:[/] {both('terminal.stopped')}")


def _told_by_system(fault: OSError) -> str:
    """What the operating system refused, in both languages where it is one of the usual things."""
    usual = {
        FileNotFoundError: "terminal.no_file",
        IsADirectoryError: "terminal.is_a_folder",
        NotADirectoryError: "terminal.not_a_folder",
        FileExistsError: "terminal.not_a_folder",
        PermissionError: "terminal.no_permission",
    }
    key = next((key for kind, key in usual.items() if isinstance(fault, kind)), "terminal.system")
    return both(key, path=fault.filename or "", reason=fault.strerror or type(fault).__name__)


@contextmanager
def _progress() -> Iterator[None]:
    """A bar per stage while a flow runs."""
    from flows.progress import listener

    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=False, disable=not err.is_terminal) as bars:
        bar_of: dict[tuple[str, str], Any] = {}
        last: list[Any] = []

        def hear(stage: str, about: str, of: int) -> None:
            key = (stage, about if of == 1 else "")
            if key not in bar_of:
                if last:
                    bars.update(last[-1], completed=bars.tasks[last[-1]].total)
                bar_of[key] = bars.add_task(f"{stage} {about}" if of == 1 else stage, total=of)
                last.append(bar_of[key])
            else:
                bars.advance(bar_of[key])

        token = listener.set(hear)
        try:
            yield
            if last:
                bars.update(last[-1], completed=bars.tasks[last[-1]].total)
        finally:
            listener.reset(token)


def _run(name: str, **parameters: Any) -> Any:
    """Run a flow of `flows`, named `module:function`, on an engine that has been settled in the data root."""
    from flows.engine import settle, stopping_at_once

    with _told_plainly(parameters["data"]), stopping_at_once(_say_stopped):
        settle(parameters["data"])
        module, _, function = name.partition(":")
        with _progress():
            return getattr(import_module(f"flows.{module}"), function)(**parameters)


@app.command()
def rehearse(
    schools: Annotated[str, typer.Option(help="Sawl ysgol / How many schools: N | all")] = "all",
    cycle: Annotated[str, typer.Option(callback=_cycle, help="Cylch / Cycle")] = "2012-01",
    seed: Annotated[int, typer.Option(min=0, help="Yr un hedyn, yr un Gymru / The same seed, the same Wales")] = 1,
    data: DataOption = None,
) -> None:
    """Ymarfer cylch cyfan ar ddysgwyr synthetig / Rehearse a whole cycle on synthetic learners."""
    from tasks.io.reference import schools as register

    most = int(register()["sector_en"].isin(["Secondary", "Middle"]).sum())
    if schools != "all" and not (schools.isdigit() and 1 <= int(schools) <= most):
        raise typer.BadParameter(f"1 - {most} | all", param_hint="--schools")
    root = _data(data)
    started = time.monotonic()
    wanted = None if schools == "all" else int(schools)
    counts = _run("rehearsal:rehearsal", cycle=cycle, schools_wanted=wanted, seed=seed, data=root)
    _tell_status(root, cycle, [])
    _tell_counts(counts["census"], counts["returns"])
    _tell_stand_in(counts["stand_in"])
    _tell_places(root, cycle)
    out.print(f"{time.monotonic() - started:.0f} s")
    _exit_on_faults(counts["census"], counts["returns"])


@app.command()
def census(
    cycle: CycleArgument,
    la: LaOption = [],
    school: Annotated[list[str], typer.Option("--school", callback=_schools, help="Rhif ysgol / School number")] = [],
    as_of: Annotated[
        str | None, typer.Option("--as-of", callback=_moment, help="Dyddiad y rhediad / The run's date, ISO")
    ] = None,
    data: DataOption = None,
) -> None:
    """Derbyn y ffurflenni ac anfon at yr LRS / Take the returns in and send what is due to the LRS."""
    root = _data(data)
    counts = _run("census:census", cycle=cycle, la=la or None, school=school or None, as_of=as_of, data=root)
    _tell_status(root, cycle, la)
    _tell_counts(counts)
    _exit_on_faults(counts)


@app.command()
def returns(
    as_of: Annotated[
        str | None, typer.Option("--as-of", callback=_moment, help="Dyddiad y rhediad / The run's date, ISO")
    ] = None,
    data: DataOption = None,
) -> None:
    """Cyfuno atebion yr LRS a chyhoeddi / Merge what the LRS answered and publish to the schools."""
    from tasks.status import cycles_with_returns

    root = _data(data)
    counts = _run("lrs_returns:lrs_returns", as_of=as_of, data=root)

    for cycle in cycles_with_returns(root):
        _tell_status(root, cycle, [])
    _tell_counts(counts)
    _exit_on_faults(counts)


@app.command()
def status(
    cycle: Annotated[str | None, typer.Argument(metavar="[CYCLE]", help="Cylch / Cycle: uln cycles")] = None,
    la: LaOption = [],
    as_json: Annotated[bool, typer.Option("--json", help="JSON")] = False,
    data: DataOption = None,
) -> None:
    """Ble mae'r cylch arni / Where a cycle stands."""
    from tasks.status import cycles_with_returns, status_of

    root = _data(data)
    if cycle is not None:
        _cycle(cycle)
    with _told_plainly(root):
        if Path(root).exists() and not Path(root).is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "", root)
        wanted = [cycle] if cycle else cycles_with_returns(root)
        if as_json:
            found = [status_of(root, c, la or None) for c in wanted]
            sys.stdout.write(json.dumps(found[0] if cycle else found, ensure_ascii=False, indent=1) + "\n")
            return
        if not wanted:
            out.print(f"{root}: dim ffurflenni eto / no returns yet. uln census CYCLE | uln rehearse")
        for one in wanted:
            _tell_status(root, one, la)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Ffurflen XML neu zip / A return, XML or zip")],
    cycle: Annotated[str | None, typer.Option(help="Cylch / Cycle")] = None,
    data: DataOption = None,
) -> None:
    """Gwirio ffurflen cyn ei hanfon / Check a return before it is sent; exit code 1 if a learner would be held."""
    root = _data(data)
    from tasks.check import RefusedReturn, check_file
    from tasks.io.data_root import DataRoot

    if cycle is not None:
        _cycle(cycle)
    held = refused = 0
    for path in files:
        with _told_plainly(root):
            found = check_file(path, cycle_by_id(cycle) if cycle else None, DataRoot(Path(root)).reference)
        for one in found:
            if isinstance(one, RefusedReturn):
                _tell_refused(f"{path}#{one.member}" if one.member else str(path), one.refused)
                refused += 1
            else:
                _tell_checked(path, one)
                held += one.held
    if held or refused:
        raise typer.Exit(1)


@app.command()
def readiness(
    la: LaOption = [],
    cycle: Annotated[
        str | None,
        typer.Option(
            help="Cylch; heb ei roi, yr un nad yw wedi cau / Cycle; if not given, the one that has not closed"
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Beth sydd ei angen ar ysgolion / What schools still need before their learners can be sent."""
    from flows.when import present_cycle, today
    from tasks.status import readiness_of

    cycle = _cycle(cycle) if cycle else present_cycle(all_cycles().values(), today())
    with _told_plainly(_data(data)):
        rows = readiness_of(_data(data), cycle_by_id(cycle), la or None)
    table = Table(
        "Rhif / No.",
        "Ysgol / School",
        "Beth sydd ar goll / What is missing",
        "Beth i'w wneud / What to do",
        show_lines=True,
    )
    for row in rows.to_dict("records"):
        table.add_row(
            row["school_number"],
            escape(row["school_name"]),
            f"{row['text_cy']}\n{row['text_en']}",
            f"{row['action_cy']}\n{row['action_en']}",
        )
    out.print(table)
    out.print(f"{rows['school_number'].nunique()} ysgol heb fod yn barod / schools not ready ({cycle})")


@app.command()
def cycles(data: DataOption = None) -> None:
    """Y cylchoedd / The census cycles."""
    del data  # every command takes --data; the cycles are the project's own
    table = Table(
        "Cylch / Cycle",
        "Teitl / Title",
        "Cyfrifiad / Census",
        "Blynyddoedd / Years",
        "LRS",
        "CTF",
        "Isafswm oed / Minimum age",
    )
    for c in all_cycles().values():
        age = f"{c.minimum_age} ({c.minimum_age_on})" if c.minimum_age else "-"
        years = ", ".join(map(str, c.year_groups))
        table.add_row(
            c.id,
            f"{c.title_cy} / {c.title_en}",
            f"{c.census_from} - {c.census_to}",
            years,
            c.lrs_profile,
            c.ctf_version,
            age,
        )
    out.print(table)


def _tell_counts(*runs: dict[str, int]) -> None:
    words = {
        "receive.accepted": "ffurflenni a dderbyniwyd / returns accepted",
        "receive.quarantined": "ffeiliau mewn cwarantîn / files quarantined",
        "read.records": "cofnodion a ddarllenwyd / records read",
        "validate.held": "cofnodion a ddaliwyd / records held",
        "release.sent": "sypiau a anfonwyd / batches sent",
        "release.learners": "dysgwyr a anfonwyd / learners sent",
        "collect.rows": "atebion gan yr LRS / answers from the LRS",
        "collect.untied": "atebion heb ddysgwr / answers that tie to nothing",
        "merge.conflicts": "ULN sy'n gwrthdaro / conflicting ULNs",
        "publish.zips": "ffeiliau zip i ysgolion / zips for schools",
        "faults": "diffygion / faults",
    }
    counts: dict[str, int] = {}
    for run in runs:
        for name, n in run.items():
            counts[name] = counts.get(name, 0) + n
    for name, text in words.items():
        if name in counts and (counts[name] or name in ("release.learners", "faults")):
            out.print(f"{counts[name]:>10,}  {text}")


_MOST_NAMED = 20
_STATES = (
    ("records", "Cofnodion\nRecords"),
    ("not_chosen", "Heb ddewis\nNot chosen"),
    ("held", "Daliwyd\nHeld"),
    ("waiting", "Aros\nWaiting"),
    ("sent", "Anfonwyd\nSent"),
    ("uln", "ULN\nULN"),
    ("exception", "Eithriad\nException"),
)


def _tell_reasons(not_chosen: dict[str, int], indent: str = "") -> None:
    if not_chosen:
        out.print(f"{indent}{both('terminal.not_chosen')}:")
    for reason, n in not_chosen.items():
        out.print(f"{indent}{n:>10,}  {both(f'reason.{reason}')}")


def _tell_stand_in(counts: dict[str, int]) -> None:
    from schemas.return_codes import all_return_codes

    codes = all_return_codes()
    for name, n in sorted(counts.items()):
        code = name.removeprefix("exception.")
        if code != name and n:
            told = codes.get(code, codes["UNKNOWN"])
            out.print(f"{n:>10,}  {code}: {told.label_cy} / {told.label_en}")


def _tell_status(root: str, cycle: str, la: list[str]) -> None:
    from tasks.status import attention, status_of, unknown_elements

    found: Any = status_of(root, cycle, la or None)
    c = cycle_by_id(cycle)
    table = Table(title=f"{c.title_cy} / {c.title_en}")
    table.add_column("Ysgol\nSchool", no_wrap=True)
    for _, title in _STATES:
        table.add_column(title, justify="right")
    table.add_column("Cydbwyso\nBalances")

    def add(name: str, row: dict[str, Any]) -> None:
        numbers = [sum(row[k].values()) if k == "not_chosen" else row[k] for k, _ in _STATES]
        table.add_row(name, *(f"{n:,}" for n in numbers), "✓" if row["balanced"] else "[red]NA / NO[/]")

    for school, row in found["schools"].items():
        add(school, row)
    table.add_section()
    add(f"{len(found['schools']):,}", found["total"])
    out.print(table)
    _tell_reasons(found["total"]["not_chosen"])
    for name, found_there in attention(root, cycle).items():
        if found_there:
            n = found_there if isinstance(found_there, int) else len(found_there)
            out.print(f"[yellow]{both('terminal.for_a_person')}: {n:,} {both(f'terminal.{name}')}[/]")
            for one in [] if isinstance(found_there, int) else found_there[:_MOST_NAMED]:
                out.print(f"    {escape(one)}")
    for row in unknown_elements(root, cycle, la or None).to_dict("records"):
        out.print(
            f"[yellow]Elfen anhysbys, heb ei darllen / Unknown element, not read: {escape(row['element'])}: "
            f"{row['times']:,}; ffurflenni / returns: {row['returns']:,} ({escape(row['path'])})[/]"
        )


def _tell_places(root: str, cycle: str) -> None:
    out.print(f"\nY data / The data: {root}")
    for place, text in (
        ("dewi/outbox/", "i'r ysgolion / to the schools"),
        ("lrs/outbox/", "i'r LRS / to the LRS"),
        ("quarantine/", "ffeiliau a wrthodwyd / refused files"),
        (f"snapshots/{cycle}/", "ciplun / snapshot"),
        (f"reports/{cycle}/", "cyfrifon / counts"),
        (f"rehearsal/truth/{cycle}/", "yr hyn a blannwyd / what was planted"),
    ):
        out.print(f"  {place:<28}{text}")
    example = next(iter(sorted((Path(root) / "dewi" / "outbox").rglob(f"ULN_*_{cycle}_*.zip"))), None)
    out.print(both("terminal.next"))
    if example:
        out.print(f"  {example.relative_to(root)}", soft_wrap=True)
    out.print(f"  uln status {cycle} --data {root}\n  uln readiness --cycle {cycle} --data {root}", soft_wrap=True)


def _exit_on_faults(*runs: dict[str, int]) -> None:
    if any(run.get("faults") for run in runs):
        err.print(both("terminal.faults"))
        raise typer.Exit(1)


def _tell_refused(name: str, fault: Refused) -> None:
    from schemas.quarantine_reasons import all_reasons

    reason = all_reasons()[fault.reason]
    out.print(f"[red]✗[/] {escape(name)}: {reason.text_cy} / {reason.text_en} {escape(fault.detail)}")
    out.print(f"  {reason.action_cy} / {reason.action_en}")


def _tell_checked(path: Path, one: Any) -> None:
    from expectations.catalogue import all_rules

    rules = {r.code: r for r in all_rules()}
    name = f"{path}#{one.member}" if one.member else str(path)
    mark = "[red]✗[/]" if one.held else "[green]✓[/]"
    out.print(f"{mark} {escape(name)}: {one.header.school_number}, {one.cycle.id}, {one.header.layout}")
    out.print(
        f"  {one.records:,} cofnod / records; {one.chosen:,} dewiswyd / chosen; {one.held:,} i'w dal / to be held"
    )
    _tell_reasons(one.not_chosen, "  ")
    if one.unknown_elements:
        out.print(
            "  elfennau anhysbys / unknown elements: "
            + ", ".join(f"{escape(k)} {n}" for k, n in one.unknown_elements.items())
        )
    if one.findings.empty:
        return
    table = Table(
        "Cofnod\nRecord",
        "Bl.\nYear",
        "Rheol\nRule",
        "Fel y dylai fod / What good looks like",
        "Beth i'w wneud / What to do",
    )
    for row in one.findings.to_dict("records"):
        rule = rules[row["rule"]]
        colour = "red" if row["severity"] == "blocking" else "yellow"
        year = row["nc_year"] if isinstance(row["nc_year"], str) else ""
        table.add_row(
            str(row["ordinal"]),
            escape(year),
            f"[{colour}]{rule.code}[/]",
            f"{rule.message_cy}\n{rule.message_en}",
            f"{rule.action_cy}\n{rule.action_en}",
        )
    out.print(table)


def main() -> None:
    """Run `uln`."""
    app()
