"""Running a command of `uln`: with or without the engine, with progress on the screen, and one sentence for each fault.

Belongs here: code that all commands share. Does not belong here: the commands (`flows.cli.__main__`), their arguments
(`flows.cli.arguments`), their output (`flows.cli.output`), and the engine's settings (`flows.run.engine`).
"""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from flows.cli.language import localised, localised_text
from flows.cli.output import err, print_fault
from flows.run.engine import configure_engine, named_root, server_unreachable, stopping_at_once
from schemas.cycles import Cycle, cycle_by_id, last_of
from schemas.texts.catalogue import sentence_of
from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.process_guard import install_process_guard

#: The texts of the usual errors of the operating system.
_SYSTEM_TEXTS = {
    FileNotFoundError: "terminal.no_file",
    IsADirectoryError: "terminal.is_a_folder",
    NotADirectoryError: "terminal.not_a_folder",
    FileExistsError: "terminal.not_a_folder",
    PermissionError: "terminal.no_permission",
}


@contextmanager
def opened(data: str | None, *, must_exist: bool = False) -> Iterator[str]:
    """Yield a command's data root (`named_root`); a fault in the block becomes one sentence (`faults_as_sentences`)."""
    root = named_root(data)
    with faults_as_sentences(root):
        if must_exist and not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        yield root


def prepare_engine(root: str) -> None:
    """Prepare the process for importing the engine: mask logs, keep the engine's files under the data root."""
    install_process_guard(root)
    configure_engine(root)


def cycle_seen(root: str, cycle: str | None) -> Cycle | None:
    """Return the named cycle, else the last cycle with returns; None if no cycle has any."""
    from tasks.ledger.standing import cycles_with_returns

    return cycle_by_id(cycle) if cycle else last_of(cycles_with_returns(root))


@contextmanager
def faults_as_sentences(data: str) -> Iterator[None]:
    """Turn a fault into one clear sentence with a next step, and exit code 1, instead of a traceback."""
    try:
        yield
        return
    except (typer.Exit, typer.BadParameter):
        raise
    except (ConfigurationFault, ServiceFault, Refused) as fault:
        print_fault(localised(sentence_of(fault)))
    except KeyboardInterrupt:
        _print_stopped()
    except OSError as fault:
        key = next((key for kind, key in _SYSTEM_TEXTS.items() if isinstance(fault, kind)), "terminal.system")
        reason = fault.strerror or type(fault).__name__
        print_fault(localised_text(key, path=fault.filename or "", reason=reason))
    except Exception as fault:  # noqa: BLE001 - the last boundary: keeps evidence in the data root, prints one sentence
        server = os.environ.get("PREFECT_API_URL")
        if server and server_unreachable(fault):
            print_fault(localised_text("terminal.server_unreachable", server=server))
        else:
            where = keep_evidence(data, "terminal", "uln", "command", fault)
            print_fault(localised_text("fault.unforeseen", stage="uln", about="", where=where))
    raise typer.Exit(1)


def _print_stopped() -> None:
    err.show_cursor()
    err.print(f"\n[bold red]uln:[/] {localised_text('terminal.stopped')}")


def checking_display(path: Path) -> AbstractContextManager[Any]:
    """Return a spinner for the time in which the rules are loaded and run; nothing if there is no screen."""
    text = f"{localised_text('terminal.checking')} {escape(path.name)}"
    return err.status(text) if err.is_terminal else nullcontext()


def run_flow(name: str, **parameters: Any) -> Any:
    """Run a flow of `flows`, named `module:function`, with the engine's files in the data root."""
    data = parameters["data"]
    prepare_engine(data)
    with faults_as_sentences(data), stopping_at_once(_print_stopped):
        from flows.run.progress import terminal_bars

        module, _, function = name.partition(":")
        with terminal_bars(err):
            return getattr(import_module(f"flows.{module}"), function)(**parameters)
