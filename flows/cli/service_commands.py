"""Commands that run and maintain the service itself: server, watcher, notifications, health, storage.

Belongs here: `serve`, `watch`, `notify`, `metrics`, `doctor`, `purge`. Does not belong here: their work (`flows.services`,
`tasks`). `metrics`, and `doctor` if no server is named, never import the engine. To add one: `flows.cli.__main__`.
"""

import datetime as dt
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flows.cli.arguments import AsOfOption, DataOption, JsonOption, day_of, iso_day
from flows.cli.language import localised, localised_text
from flows.cli.output import out, print_doctor, print_json, print_plain, print_purged
from flows.cli.running import opened, prepare_engine
from flows.run.engine import user_has_a_server
from schemas.settings.terms import how_watched
from tasks.io.data_root.data_root import DataRoot, write_whole


def serve(port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 4200, data: DataOption = None) -> None:
    """Run the whole service on this machine: dashboard, schedules and a worker, until Ctrl-C."""
    from flows.services import serve as serving

    with opened(data) as root:
        serving.serve(root, port, lambda text: out.print(escape(localised(text)), soft_wrap=True))


def watch(data: DataOption = None) -> None:
    """Send the engine an event for files that arrive."""
    with opened(data) as root:
        prepare_engine(root)
        from flows.services.watch import refuse_without_server, watch_inboxes

        refuse_without_server()
        out.print(escape(localised_text("terminal.watching", root=root)), soft_wrap=True)
        for files, is_sent in watch_inboxes(root):
            out.print(localised_text("terminal.arrived" if is_sent else "terminal.arrived_untold", files=files))


def notify(
    webhook: Annotated[str | None, typer.Option("--webhook", metavar="URL")] = None,
    email: Annotated[str | None, typer.Option("--email", metavar="ADDRESS")] = None,
    remove: Annotated[bool, typer.Option("--remove")] = False,
    try_it: Annotated[bool, typer.Option("--try")] = False,
    data: DataOption = None,
) -> None:
    """Set up notifications of failed runs and of waiting batches."""
    with opened(data) as root:
        prepare_engine(root)
        from flows.services import notify as notifications
        from flows.services.watch import refuse_without_server

        refuse_without_server()
        if remove:
            out.print(localised_text("terminal.notify_removed", count=notifications.remove()))
            return
        again = how_watched(DataRoot(Path(root)).reference / "watching.toml").notifications.again_after_hours
        channels = notifications.notify(again, webhook, email, os.environ.get("ULN_SMTP"))
        out.print(localised_text("terminal.notified", channels=", ".join(channels)))
        if try_it:
            notifications.try_out()
            out.print(localised_text("terminal.notify_tried"))


def metrics(
    write: Annotated[bool, typer.Option("--write")] = False, as_of: AsOfOption = None, data: DataOption = None
) -> None:
    """Print or write counts, ages and durations for Prometheus."""
    from tasks.reports.metrics import metrics as measure

    with opened(data, must_exist=True) as root:
        text = measure(root, day_of(as_of))
        if write:
            write_whole(DataRoot(Path(root)).metrics, text)
        else:
            print_plain(text.decode())


def doctor(as_json: JsonOption = False, as_of: AsOfOption = None, data: DataOption = None) -> None:
    """Show what is wrong with the service, and what to do about it; exit code 1 if there is a fault."""
    from tasks.maintenance.doctor import Level, check_result, run_checks

    with opened(data) as root:
        results = list(run_checks(root, day_of(as_of)))
        if user_has_a_server():
            from flows.services.doctor import run_server_checks

            results += run_server_checks()
        else:
            results.append(check_result("server", Level.WARNING, "none"))
    if as_json:
        print_json([result.as_json() for result in results])
    else:
        print_doctor(results)
    if any(result.level is Level.FAULT for result in results):
        raise typer.Exit(1)


def purge(
    before: Annotated[str, typer.Option("--before", callback=iso_day, metavar="DATE")],
    yes: Annotated[bool, typer.Option("--yes")] = False,
    data: DataOption = None,
) -> None:
    """Remove data that is past its retention; without --yes only list it."""
    from flows.run.schedule import today

    with opened(data, must_exist=True) as root:
        prepare_engine(root)
        from tasks.maintenance import purge as purging

        operation = purging.purge if yes else purging.items_due
        print_purged(root, operation(root, dt.date.fromisoformat(before), today()), done=yes)
