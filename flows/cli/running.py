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
from flows.cli.output import err
from schemas.cycles import Cycle, cycle_by_id, last_of
from schemas.texts.catalogue import sentence_of
from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault


def named_root(data: str | None) -> str:
    """Return a command's data root as a full path: `--data`, else ULN_DATA, else `data/local`."""
    return str(Path(data or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve())


@contextmanager
def opened(data: str | None, *, standing: bool = False) -> Iterator[str]:
    """Yield a command's data root (`named_root`); with `standing`, the folder must exist already.

    Faults in the block become one sentence on the terminal (`faults_as_sentences`).
    """
    root = named_root(data)
    with faults_as_sentences(root):
        if standing and not Path(root).is_dir():
            raise FileNotFoundError(errno.ENOENT, "", root)
        yield root


def settled(root: str) -> None:
    """Prepare the process for importing the engine: mask logs, keep the engine's files under the data root."""
    from flows.run.engine import configure_engine
    from tasks.runtime.process_guard import install_process_guard

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
    except (ConfigurationFault, ServiceFault, Refused) as fault:
        err.print(f"[bold red]uln:[/] {escape(localised(sentence_of(fault)))}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say_stopped()
        raise typer.Exit(1) from None
    except (typer.Exit, typer.BadParameter):
        raise
    except OSError as fault:
        err.print(f"[bold red]uln:[/] {escape(_system_sentence(fault))}")
        raise typer.Exit(1) from None
    except Exception as fault:  # noqa: BLE001 - the last boundary: keeps evidence in the data root, prints one sentence
        from flows.run.engine import server_unreachable
        from tasks.runtime.error_boundary import keep_evidence

        server = os.environ.get("PREFECT_API_URL")
        if server and server_unreachable(fault):
            err.print(f"[bold red]uln:[/] {escape(localised_text('terminal.server_unreachable', server=server))}")
        else:
            where = keep_evidence(data, "terminal", "uln", "command", fault)
            err.print(
                f"[bold red]uln:[/] {escape(localised_text('fault.unforeseen', stage='uln', about='', where=where))}"
            )
        raise typer.Exit(1) from None


def _say_stopped() -> None:
    err.show_cursor()
    err.print(f"\n[bold red]uln:[/] {localised_text('terminal.stopped')}")


def _system_sentence(fault: OSError) -> str:
    """Return a sentence for an operating system's error; the usual ones have their own text."""
    usual = {
        FileNotFoundError: "terminal.no_file",
        IsADirectoryError: "terminal.is_a_folder",
        NotADirectoryError: "terminal.not_a_folder",
        FileExistsError: "terminal.not_a_folder",
        PermissionError: "terminal.no_permission",
    }
    key = next((key for kind, key in usual.items() if isinstance(fault, kind)), "terminal.system")
    return localised_text(key, path=fault.filename or "", reason=fault.strerror or type(fault).__name__)


def progress_display(path: Path) -> AbstractContextManager[Any]:
    """Return a spinner for the time in which the rules are loaded and run; nothing if there is no screen."""
    return (
        err.status(f"{localised_text('terminal.checking')} {escape(path.name)}") if err.is_terminal else nullcontext()
    )


def run_flow(name: str, **parameters: Any) -> Any:
    """Run a flow of `flows`, named `module:function`, with the engine's files in the data root."""
    from flows.run.engine import stopping_at_once

    data = parameters["data"]
    settled(data)
    with faults_as_sentences(data), stopping_at_once(_say_stopped):
        from flows.run.progress import terminal_bars

        module, _, function = name.partition(":")
        with terminal_bars(err):
            return getattr(import_module(f"flows.{module}"), function)(**parameters)
