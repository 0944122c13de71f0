"""`uln`: the service from a terminal, in Welsh and English side by side or in one of them (`flows.language`).

Commands that only read (`status`, `trace`, `check`, `readiness`, `cycles`) never import the engine. Errors are one
sentence and a next step. Exit codes: 0 done (also where files were quarantined or rows held), 1 something could not be
done, 2 wrong usage. To add a command: a function here, the work itself in a flow or in `tasks`, and its help in `texts.csv`,
`help.*`.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from flows.commands import Terminal
from flows.language import pair, say, told
from flows.telling import (
    err,
    out,
    tell_batches,
    tell_checked,
    tell_counts,
    tell_exceptions,
    tell_places,
    tell_refused,
    tell_stand_in,
    tell_status,
    tell_story,
)
from schemas.cycles import all_cycles, cycle_by_id, last_of
from schemas.faults import ConfigurationFault, Refused, ServiceFault
from schemas.states import BatchShown, Decision
from schemas.texts import Language, both, sentence_of

app = Terminal(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def uln(
    lang: Annotated[Language | None, typer.Option("--lang", envvar="ULN_LANG")] = None,
) -> None:
    """The Unique Learner Number service for schools in Wales."""
    del lang  # `flows.language` has asked for it before there was anything to say


def _data(value: str | None) -> str:
    return str(Path(value or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve())


def _cycle(value: str) -> str:
    if value not in all_cycles():
        raise typer.BadParameter(both("fault.no_cycle", cycle=value, cycles=", ".join(all_cycles())))
    return value


def _las(values: list[str]) -> list[str]:
    from tasks.io.reference import authorities

    known = set(authorities()["la_code"])
    for value in values:
        if value not in known:
            raise typer.BadParameter(both("fault.no_authority", code=value, first=min(known), last=max(known)))
    return values


def _schools(values: list[str]) -> list[str]:
    for value in values:
        if not (len(value) == 7 and value.isdigit()):
            raise typer.BadParameter(both("usage.school_number", value=repr(value)))
        _las([value[:3]])
    return values


def _moment(value: str | None) -> str | None:
    import datetime as dt

    if value is not None:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            raise typer.BadParameter(both("fault.not_a_moment", text=repr(value))) from None
    return value


def _day(value: str) -> str:
    import datetime as dt

    try:
        return dt.date.fromisoformat(value).isoformat()
    except ValueError:
        raise typer.BadParameter(both("usage.day", value=repr(value))) from None


DataOption = Annotated[str | None, typer.Option("--data", metavar="FOLDER")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", callback=_moment)]
LaOption = Annotated[list[str], typer.Option("--la", callback=_las)]
CycleArgument = Annotated[str, typer.Argument(callback=_cycle, metavar="CYCLE")]


@contextmanager
def _told_plainly(data: str) -> Iterator[None]:
    """One clear sentence and a next step instead of a traceback."""
    try:
        yield
    except (ConfigurationFault, ServiceFault, Refused) as fault:
        err.print(f"[bold red]uln:[/] {escape(told(sentence_of(fault)))}")
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
        from tasks.boundary import keep_evidence

        server = os.environ.get("PREFECT_API_URL")
        if server and server_unreachable(fault):
            err.print(f"[bold red]uln:[/] {escape(say('terminal.server_unreachable', server=server))}")
        else:
            where = keep_evidence(data, "terminal", "uln", "command", fault)
            err.print(f"[bold red]uln:[/] {escape(say('fault.unforeseen', stage='uln', about='', where=where))}")
        raise typer.Exit(1) from None


def _say_stopped() -> None:
    err.show_cursor()
    err.print(f"\n[bold red]uln:[/] {say('terminal.stopped')}")


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
    return say(key, path=fault.filename or "", reason=fault.strerror or type(fault).__name__)


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


def _signs_of_life(path: Path) -> AbstractContextManager[Any]:
    """Something that moves on the screen while the rules are loaded and run; nothing where there is no screen."""
    return err.status(f"{say('terminal.checking')} {escape(path.name)}") if err.is_terminal else nullcontext()


def _run(name: str, **parameters: Any) -> Any:
    """Run a flow of `flows`, named `module:function`, on an engine that has been settled in the data root."""
    from flows.engine import settle, stopping_at_once
    from tasks.boundary import guard
    from tasks.census_work import warm
    from tasks.workers import processes_for, workers

    data = parameters["data"]
    guard(data)
    # The workers load what they need while the engine starts.
    with _told_plainly(data), stopping_at_once(_say_stopped), workers(processes_for(data), warm=warm):
        settle(data)
        module, _, function = name.partition(":")
        with _progress():
            return getattr(import_module(f"flows.{module}"), function)(**parameters)


@app.command()
def rehearse(
    schools: Annotated[str, typer.Option()] = "all",
    cycle: Annotated[str, typer.Option(callback=_cycle)] = "2012-01",
    seed: Annotated[int, typer.Option(min=0)] = 1,
    data: DataOption = None,
) -> None:
    """Rehearse a whole cycle on synthetic learners."""
    from tasks.io.reference import schools as register

    most = int(register()["sector_en"].isin(["Secondary", "Middle"]).sum())
    if schools != "all" and not (schools.isdigit() and 1 <= int(schools) <= most):
        raise typer.BadParameter(both("fault.how_many_schools", most=most), param_hint="--schools")
    root = _data(data)
    started = time.monotonic()
    wanted = None if schools == "all" else int(schools)
    counts = _run("rehearsal:rehearsal", cycle=cycle, schools_wanted=wanted, seed=seed, data=root)
    tell_status(root, cycle, [])
    tell_counts(counts["census"], counts["returns"])
    tell_stand_in(counts["stand_in"])
    tell_places(root, cycle)
    out.print(say("terminal.seconds", seconds=f"{time.monotonic() - started:.0f}"))
    _exit_on_faults(counts["census"], counts["returns"])


@app.command()
def census(
    cycle: CycleArgument,
    la: LaOption = [],
    school: Annotated[list[str], typer.Option("--school", callback=_schools)] = [],
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Take the returns in and send what is due to the LRS."""
    root = _data(data)
    counts = _run("census:census", cycle=cycle, la=la or None, school=school or None, as_of=as_of, data=root)
    tell_status(root, cycle, la, as_of)
    tell_counts(counts)
    _exit_on_faults(counts)


@app.command()
def returns(
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Merge what the LRS answered and publish to the schools."""
    from tasks.status import cycles_with_returns

    root = _data(data)
    counts = _run("lrs_returns:lrs_returns", as_of=as_of, data=root)

    for cycle in cycles_with_returns(root):
        tell_status(root, cycle, [], as_of)
    tell_counts(counts)
    _exit_on_faults(counts)


@app.command()
def status(
    cycle: Annotated[str | None, typer.Argument(metavar="[CYCLE]")] = None,
    la: LaOption = [],
    as_json: Annotated[bool, typer.Option("--json")] = False,
    data: DataOption = None,
) -> None:
    """Where a cycle stands."""
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
            out.print(escape(say("terminal.no_returns", root=root)))
        for one in wanted:
            tell_status(root, one, la)


@app.command()
def exceptions(
    cycle: Annotated[str | None, typer.Argument(metavar="[CYCLE]")] = None,
    la: LaOption = [],
    as_json: Annotated[bool, typer.Option("--json")] = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """The exceptions: state, cause, code and age; as the cycle sees them."""
    from flows.when import now
    from tasks.exceptions import exceptions_shown
    from tasks.ground import moment
    from tasks.status import cycles_with_returns

    root = _data(data)
    if cycle is not None:
        _cycle(cycle)
    with _told_plainly(root):
        seen = cycle_by_id(cycle) if cycle else last_of(cycles_with_returns(root))
        if seen is None:
            out.print(say("terminal.no_exceptions"))
            return
        found = exceptions_shown(root, seen, moment(now(as_of)).date(), la or None)
    if as_json:
        told = {"cycle": seen.id} | {name: rows.rows() for name, rows in found.items()}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    else:
        tell_exceptions(root, seen, found)


RefArgument = Annotated[str, typer.Argument(metavar="REF")]
ReasonOption = Annotated[str, typer.Option("--reason")]


@app.command()
def batches(
    cycle: Annotated[str | None, typer.Argument(metavar="[CYCLE]")] = None,
    state: Annotated[BatchShown | None, typer.Option()] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """The batches, and what became of their hand-over."""
    from flows.when import now
    from tasks.ground import moment
    from tasks.hand_over import batches_shown

    root = _data(data)
    if cycle is not None:
        _cycle(cycle)
    with _told_plainly(root):
        found = batches_shown(root, moment(now(as_of)).date(), cycle).frame
        found = found if state is None else found[found["state"] == state.value]
        if as_json:
            sys.stdout.write(found.to_json(orient="records", indent=1, force_ascii=False) + "\n")
        else:
            tell_batches(found)


@app.command()
def retry(ref: RefArgument, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None) -> None:
    """Hand a batch over again that is known not to have arrived."""
    _decide(Decision.RETRY, ref, reason, as_of, _data(data))


@app.command()
def abandon(ref: RefArgument, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None) -> None:
    """Abandon a batch that the LRS does not know: its learners are due."""
    _decide(Decision.ABANDON, ref, reason, as_of, _data(data))


def _decide(decision: Decision, ref: str, reason: str, as_of: str | None, root: str) -> None:
    """Without the engine: so its database does not hold the reason, and a decision takes no longer than its two commits."""
    from flows.when import now
    from tasks.hand_over import decide

    with _told_plainly(root):
        out.print(escape(told(decide(root, ref, decision, reason, now(as_of)).told)), soft_wrap=True)


@app.command()
def trace(
    key: Annotated[str | None, typer.Argument(metavar="[UPN | ULN]")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    data: DataOption = None,
) -> None:
    """One learner's story, for who may read the data root."""
    from tasks.trace import stories

    root = _data(data)
    asked = key if key is not None else typer.prompt(say("trace.ask"), err=True)
    with _told_plainly(root):
        if not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        found = stories(root, asked)
        if as_json:
            sys.stdout.write(json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=1) + "\n")
        else:
            tell_story(root, found)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    cycle: Annotated[str | None, typer.Option()] = None,
    data: DataOption = None,
) -> None:
    """Check a return before it is sent; exit code 1 if a learner would be held."""
    root = _data(data)
    from tasks.check import RefusedReturn, check_file
    from tasks.io.data_root import DataRoot

    if cycle is not None:
        _cycle(cycle)
    held = refused = 0
    for path in files:
        with _told_plainly(root), _signs_of_life(path):
            found = check_file(path, cycle_by_id(cycle) if cycle else None, DataRoot(Path(root)).reference)
        for one in found:
            if isinstance(one, RefusedReturn):
                tell_refused(f"{path}#{one.member}" if one.member else str(path), one.refused)
                refused += 1
            else:
                tell_checked(path, one)
                held += one.held
    if held or refused:
        raise typer.Exit(1)


@app.command()
def readiness(
    la: LaOption = [],
    cycle: Annotated[
        str | None,
        typer.Option(),
    ] = None,
    data: DataOption = None,
) -> None:
    """What schools still need before their learners can be sent."""
    from flows.when import present_cycle, today
    from tasks.status import readiness_of

    cycle = _cycle(cycle) if cycle else present_cycle(all_cycles().values(), today())
    with _told_plainly(_data(data)):
        rows = readiness_of(_data(data), cycle_by_id(cycle), la or None)
    table = Table(
        *(say(f"shown.{name}") for name in ("number", "school", "missing", "action", "where")),
        show_lines=True,
    )
    for row in rows.to_dict("records"):
        table.add_row(
            row["school_number"],
            escape(row["school_name"]),
            escape("\n".join([pair(row["text_cy"], row["text_en"], "\n"), *_compared(row)])),
            pair(row["action_cy"], row["action_en"], "\n"),
            pair(row["where_cy"], row["where_en"], "\n"),
        )
    out.print(table)
    out.print(say("terminal.not_ready", count=rows["school_number"].nunique(), cycle=cycle))


def _compared(row: Mapping[Hashable, Any]) -> list[str]:
    """What stands in the two registers, and what was found, a line each."""
    given = {name: row[name] for name in ("ukrlp", "edubase", "found") if isinstance(row[name], str)}
    return [f"{say(f'readiness.{name}')}: {value}" for name, value in given.items()]


@app.command()
def cycles(data: DataOption = None) -> None:
    """The census cycles."""
    del data  # every command takes --data; the cycles are the project's own
    table = Table(
        *(say(f"shown.{name}") for name in ("cycle", "title", "census", "years")),
        "LRS",
        "CTF",
        say("shown.minimum_age"),
    )
    for c in all_cycles().values():
        age = f"{c.minimum_age} ({c.minimum_age_on})" if c.minimum_age else "-"
        years = ", ".join(map(str, c.year_groups))
        table.add_row(
            c.id,
            pair(c.title_cy, c.title_en),
            f"{c.census_from} - {c.census_to}",
            years,
            c.lrs_profile,
            c.ctf_version,
            age,
        )
    out.print(table)


@app.command()
def texts(review: Annotated[bool, typer.Option("--review")] = False, data: DataOption = None) -> None:
    """The texts of the service: how many have their Welsh, and which wait for a translator."""
    from schemas.translations import all_translations

    del data  # every command takes --data; the texts are the project's own
    entries = all_translations()
    waiting = {context: entry for context, entry in entries.items() if entry.review}
    if review:
        table = Table(*(say(f"shown.{name}") for name in ("context", "english", "welsh")), show_lines=True)
        for context, entry in waiting.items():
            table.add_row(*map(escape, (context, entry.english, entry.welsh)))
        out.print(table)
    out.print(say("terminal.texts", count=len(entries), waiting=len(waiting)))


@app.command()
def purge(
    before: Annotated[str, typer.Option("--before", callback=_day, metavar="DATE")],
    yes: Annotated[bool, typer.Option("--yes")] = False,
    data: DataOption = None,
) -> None:
    """Remove what is past its retention; tells what, without --yes."""
    import datetime as dt

    from flows.engine import settle
    from flows.telling import tell_purged
    from flows.when import today
    from tasks.boundary import guard

    root = _data(data)
    with _told_plainly(root):
        if not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        guard(root)
        settle(root)
        from tasks import purge as purging

        does = purging.purge if yes else purging.due
        tell_purged(root, does(root, dt.date.fromisoformat(before), today()), done=yes)


@app.command()
def slips(
    cycle: CycleArgument,
    la: LaOption = [],
    school: Annotated[list[str], typer.Option("--school", callback=_schools)] = [],
    data: DataOption = None,
) -> None:
    """Slips for learners and lists for staff, as PDFs."""
    from tasks.slips import make_slips

    root = _data(data)
    with _told_plainly(root):
        if not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        made = make_slips(root, cycle, la, school)
    out.print(say("terminal.slips_made", schools=len(made.learners), learners=sum(made.learners.values())))
    for one in made.gone:
        err.print(f"[bold red]uln:[/] {escape(say('terminal.slips_gone', school=one))}")
    if made.gone:
        raise typer.Exit(1)


def _exit_on_faults(*runs: dict[str, int]) -> None:
    if any(run.get("faults") for run in runs):
        err.print(say("terminal.faults"))
        raise typer.Exit(1)


def main() -> None:
    """Run `uln`."""
    from tasks.io.data_root import keep_private

    keep_private()
    app()
