"""`uln`: the service from a terminal, in Welsh and English or in one of them (`flows.cli.language`).

This is the list of commands, in the order of the help. Errors are one sentence and a next step. Exit codes: 0 done (also if
files were quarantined or rows held), 1 something could not be done, 2 wrong usage. To add a command: a function in
`cycle_commands`, `question_commands`, `decision_commands` or `service_commands`, its work in a flow or in `tasks`, its name
below, and its help in `texts.csv`, `help.*`. Shared arguments are in `arguments`; start-up and error messages in `running`.
"""

from typing import Annotated

import typer

from flows.cli import cycle_commands, decision_commands, question_commands, service_commands
from flows.cli.typer_texts import Command, Group
from schemas.texts.catalogue import Language
from tasks.io.data_root.data_root import keep_private

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def uln(lang: Annotated[Language | None, typer.Option("--lang", envvar="ULN_LANG")] = None) -> None:
    """The Unique Learner Number service for schools in Wales."""
    del lang  # `flows.cli.language` reads it earlier, before any text is printed


for command in (
    cycle_commands.rehearse,
    cycle_commands.census,
    cycle_commands.returns,
    question_commands.status,
    question_commands.exceptions,
    question_commands.batches,
    decision_commands.retry,
    decision_commands.abandon,
    decision_commands.release,
    decision_commands.publish,
    decision_commands.import_,
    question_commands.trace,
    question_commands.check,
    question_commands.readiness,
    question_commands.cycles,
    question_commands.texts,
    service_commands.purge,
    cycle_commands.slips,
    cycle_commands.report,
    service_commands.serve,
    service_commands.watch,
    service_commands.notify,
    service_commands.metrics,
    service_commands.doctor,
):
    app.command(command.__name__.rstrip("_"), cls=Command)(command)


def main() -> None:
    """Run `uln`."""
    keep_private()
    app()
