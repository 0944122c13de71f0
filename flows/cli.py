"""`uln`: the service from a terminal, in Welsh and English side by side or in one of them (`flows.language`).

Commands that only read (`status`, `trace`, `check`, `readiness`, `cycles`, `metrics`) never import the engine. Errors are one
sentence and a next step. Exit codes: 0 done (also where files were quarantined or rows held), 1 something could not be
done, 2 wrong usage. To add a command: a function here, the work itself in a flow or in `tasks`, and its help in `texts.csv`,
`help.*`.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from flows.commands import Terminal
from flows.language import say, told
from flows.running import run_flow, signs_of_life, told_plainly
from flows.telling import (
    err,
    out,
    tell_batches,
    tell_checked,
    tell_counts,
    tell_cycles,
    tell_exceptions,
    tell_places,
    tell_readiness,
    tell_refused,
    tell_stand_in,
    tell_status,
    tell_story,
    tell_texts,
)
from schemas.cycles import all_cycles, cycle_by_id, last_of
from schemas.states import BatchShown, Decision
from schemas.texts import Language, both

app = Terminal(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def uln(
    lang: Annotated[Language | None, typer.Option("--lang", envvar="ULN_LANG")] = None,
) -> None:
    """The Unique Learner Number service for schools in Wales."""
    del lang  # `flows.language` has asked for it before there was anything to say


def _data(value: str | None) -> str:
    return str(Path(value or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve())


def _cycle(value: str | None) -> str | None:
    if value is not None and value not in all_cycles():
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
OptionalCycle = Annotated[str | None, typer.Argument(callback=_cycle, metavar="[CYCLE]")]
CycleOption = Annotated[str | None, typer.Option("--cycle", callback=_cycle)]


@app.command()
def rehearse(
    schools: Annotated[str, typer.Option()] = "all",
    cycle: Annotated[str, typer.Option(callback=_cycle)] = "2012-01",
    seed: Annotated[int, typer.Option(min=0)] = 1,
    via: Annotated[Literal["files", "sftp", "s3", "soap"], typer.Option()] = "files",
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
    counts = run_flow("rehearsal:rehearsal", cycle=cycle, schools_wanted=wanted, seed=seed, data=root, via=via)
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
    check_only: Annotated[bool, typer.Option("--check-only")] = False,
    data: DataOption = None,
) -> None:
    """Take the returns in and send what is due to the LRS."""
    root = _data(data)
    given = {"la": la or None, "school": school or None, "as_of": as_of, "check_only": check_only}
    counts = run_flow("census:census", cycle=cycle, data=root, **given)
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
    counts = run_flow("lrs_returns:lrs_returns", as_of=as_of, data=root)

    for cycle in cycles_with_returns(root):
        tell_status(root, cycle, [], as_of)
    tell_counts(counts)
    _exit_on_faults(counts)


@app.command()
def status(
    cycle: OptionalCycle = None,
    la: LaOption = [],
    as_json: Annotated[bool, typer.Option("--json")] = False,
    data: DataOption = None,
) -> None:
    """Where a cycle stands."""
    from tasks.status import cycles_with_returns, status_of

    root = _data(data)
    with told_plainly(root):
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
    cycle: OptionalCycle = None,
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
    with told_plainly(root):
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
    cycle: OptionalCycle = None,
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
    with told_plainly(root):
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


SchoolArgument = Annotated[str, typer.Argument(callback=lambda value: _schools([value])[0], metavar="SCHOOL")]
OfCycle = Annotated[str, typer.Option("--cycle", callback=_cycle)]


@app.command()
def release(
    school: SchoolArgument, cycle: OfCycle, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None
) -> None:
    """Let a school go whose number of learners fell far below its last cycle's."""
    from tasks.holds import release_hold

    _tell_decided(release_hold, school, cycle, reason=reason, as_of=as_of, root=_data(data))


@app.command()
def publish(
    school: SchoolArgument, cycle: OfCycle, reason: ReasonOption, as_of: AsOfOption = None, data: DataOption = None
) -> None:
    """Give a school its files once more."""
    from tasks.publish_again import publish_again

    _tell_decided(publish_again, school, cycle, reason=reason, as_of=as_of, root=_data(data))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    reason: ReasonOption,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Take in an export of processed exceptions."""
    from tasks.import_export import import_export

    _tell_decided(import_export, str(file.expanduser()), reason=reason, as_of=as_of, root=_data(data))


def _tell_decided(does: Callable[..., Any], *of: str, reason: str, as_of: str | None, root: str) -> None:
    """As `_decide`: without the engine."""
    from flows.when import now
    from tasks.boundary import guard

    with told_plainly(root):
        guard(root)
        out.print(escape(told(does(root, *of, reason, now(as_of)).told)), soft_wrap=True)


def _decide(decision: Decision, ref: str, reason: str, as_of: str | None, root: str) -> None:
    """Without the engine: so its database does not hold the reason, and a decision takes no longer than its two commits."""
    from flows.when import now
    from tasks.hand_over import decide

    with told_plainly(root):
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
    with told_plainly(root):
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
    cycle: CycleOption = None,
    data: DataOption = None,
) -> None:
    """Check a return before it is sent; exit code 1 if a learner would be held."""
    root = _data(data)
    from tasks.check import RefusedReturn, check_file
    from tasks.io.data_root import DataRoot

    held = refused = 0
    for path in files:
        with told_plainly(root), signs_of_life(path):
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
    cycle: CycleOption = None,
    data: DataOption = None,
) -> None:
    """What schools still need before their learners can be sent."""
    from flows.when import present_cycle, today
    from tasks.status import readiness_of

    cycle = cycle or present_cycle(all_cycles().values(), today())
    with told_plainly(_data(data)):
        rows = readiness_of(_data(data), cycle_by_id(cycle), la or None)
    tell_readiness(rows, cycle)


@app.command()
def cycles(data: DataOption = None) -> None:
    """The census cycles."""
    del data  # every command takes --data; the cycles are the project's own
    tell_cycles()


@app.command()
def texts(review: Annotated[bool, typer.Option("--review")] = False, data: DataOption = None) -> None:
    """The texts of the service: how many have their Welsh, and which wait for a translator."""
    del data  # every command takes --data; the texts are the project's own
    tell_texts(review=review)


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
    with told_plainly(root):
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
    with told_plainly(root):
        if not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        made = make_slips(root, cycle, la, school)
    out.print(say("terminal.slips_made", schools=len(made.learners), learners=sum(made.learners.values())))
    for one in made.gone:
        err.print(f"[bold red]uln:[/] {escape(say('terminal.slips_gone', school=one))}")
    if made.gone:
        raise typer.Exit(1)


@app.command()
def report(
    cycle: OptionalCycle = None,
    open_it: Annotated[bool, typer.Option("--open")] = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Make the pages of a cycle, and say where they are."""
    import webbrowser

    from flows.language import chosen
    from flows.when import now
    from tasks.pages import WALES_FOLDER, report_of
    from tasks.status import cycles_with_returns

    root = _data(data)
    with told_plainly(root):
        seen = cycle_by_id(cycle) if cycle else last_of(cycles_with_returns(root))
        if seen is None:
            out.print(escape(say("terminal.no_returns", root=root)))
            return
        site = report_of(root, seen.id, now(as_of))
    page = site.folder / WALES_FOLDER / f"index.{chosen.get() or 'cy'}.html"
    out.print(escape(say("terminal.pages_made", number=site.written, page=page)), soft_wrap=True)
    if open_it:
        webbrowser.open(page.as_uri())


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 4200,
    data: DataOption = None,
) -> None:
    """The whole service on this machine: dashboard, schedules and a worker, until Ctrl-C."""
    from flows import serving

    root = _data(data)
    with told_plainly(root):
        serving.serve(root, port, lambda text: out.print(escape(told(text)), soft_wrap=True))


@app.command()
def watch(data: DataOption = None) -> None:
    """Tell the engine of files that arrive."""
    from flows.engine import settle
    from tasks.boundary import guard

    root = _data(data)
    with told_plainly(root):
        guard(root)
        settle(root)
        from flows.watching import refuse_without_server, watch_inboxes

        refuse_without_server()
        out.print(escape(say("terminal.watching", root=root)), soft_wrap=True)
        for files, told_to_engine in watch_inboxes(root):
            out.print(say("terminal.arrived" if told_to_engine else "terminal.arrived_untold", files=files))


@app.command()
def notify(
    webhook: Annotated[str | None, typer.Option("--webhook", metavar="URL")] = None,
    email: Annotated[str | None, typer.Option("--email", metavar="ADDRESS")] = None,
    remove: Annotated[bool, typer.Option("--remove")] = False,
    try_it: Annotated[bool, typer.Option("--try")] = False,
    data: DataOption = None,
) -> None:
    """Tell a person of failed runs and of batches that wait."""
    from flows.engine import settle
    from schemas.watching import how_watched
    from tasks.boundary import guard
    from tasks.io.data_root import DataRoot

    root = _data(data)
    with told_plainly(root):
        guard(root)
        settle(root)
        from flows import notifications
        from flows.watching import refuse_without_server

        refuse_without_server()
        if remove:
            out.print(say("terminal.notify_removed", count=notifications.remove()))
            return
        again = how_watched(DataRoot(Path(root)).reference / "watching.toml").notifications.again_after_hours
        channels = notifications.notify(again, webhook, email, os.environ.get("ULN_SMTP"))
        out.print(say("terminal.notified", channels=", ".join(channels)))
        if try_it:
            notifications.try_out()
            out.print(say("terminal.notify_tried"))


@app.command()
def metrics(
    write: Annotated[bool, typer.Option("--write")] = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """Counts, ages and durations for Prometheus."""
    from flows.when import now
    from tasks.ground import moment
    from tasks.io.data_root import DataRoot, write_whole
    from tasks.metrics import metrics as measure

    root = _data(data)
    with told_plainly(root):
        if not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        text = measure(root, moment(now(as_of)).date())
        if write:
            write_whole(DataRoot(Path(root)).metrics, text)
        else:
            sys.stdout.write(text.decode())


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json")] = False,
    as_of: AsOfOption = None,
    data: DataOption = None,
) -> None:
    """What is wrong with the service, and what to do about it; exit code 1 where there is a fault."""
    from flows.engine import user_has_a_server
    from flows.telling import tell_doctor
    from flows.when import now
    from tasks.doctor import Level, examined, found
    from tasks.ground import moment

    root = _data(data)
    with told_plainly(root):
        met = list(examined(root, moment(now(as_of)).date()))
        if user_has_a_server():
            from flows.doctor import examined_server

            met += examined_server()
        else:
            met.append(found("server", Level.WARNING, "none"))
    if as_json:
        sys.stdout.write(json.dumps([one.as_json() for one in met], ensure_ascii=False, indent=1) + "\n")
    else:
        tell_doctor(met)
    if any(one.level is Level.FAULT for one in met):
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
