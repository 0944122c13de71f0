"""The guard of a process: nothing it logs, warns of or dies of names a pupil.

Belongs here: what the service changes in its own process (log records, warnings, uncaught exceptions, printed output).
Does not belong here: what a stage does with an exception (`tasks.runtime.error_boundary`).
"""

import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from schemas.texts.catalogue import bilingual
from tasks.core.masking import masked
from tasks.io.data_root.data_root import DataRoot, keep_private, make_folder
from tasks.runtime.error_boundary import OUR_OWN, _keep, keep_evidence

#: The data root of this process, for what is met outside of any stage.
_guarded: str | None = None


_OF_PROCESS = "process"


def install_process_guard(data: str) -> None:
    """From now on nothing that this process logs, warns of or dies of tells more than it may; evidence goes to the data root.

    What it makes is private (`keep_private`). For a process of our own: the terminal's, a worker's, a flow's.
    """
    keep_private()
    global _guarded  # noqa: PLW0603 - the process has one logging, one excepthook, one data root
    _guarded = data
    logging.setLogRecordFactory(_Record)
    logging.getLogger("botocore").setLevel(logging.INFO)  # in its details of a request stand the tokens that it carries
    warnings.showwarning = _warn
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda met: _uncaught(met.exc_type, met.exc_value, None)
    threading.excepthook = lambda met: _uncaught(met.exc_type, met.exc_value, None)


def guarded_root() -> str | None:
    """The data root that `install_process_guard` was given in this process."""
    return _guarded


def redirect_output(data: str) -> None:
    """Let all that this process, and any library in it, prints go to a file of the data root; for workers."""
    path = DataRoot(Path(data)).worker_output
    make_folder(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)


class _Record(logging.LogRecord):
    """A log record of any logger: its text is masked, its exceptions are references."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        error = self.exc_info[1] if self.exc_info else None
        self.exc_info, self.stack_info, self.kept = None, None, ""
        if error is not None and not isinstance(error, OUR_OWN) and _guarded is not None:
            self.kept = f" ({_of_process(error)})"

    def getMessage(self) -> str:  # noqa: N802 - the library's name
        """The text, with the names of exceptions in place of their texts."""
        args = self.args
        if isinstance(args, tuple):
            self.args = tuple(_named(one) for one in args)
        try:
            return masked(super().getMessage()) + self.kept
        finally:
            self.args = args


class _Name(str):
    """The name of an exception's class, also where the line asks for its `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _named(value: object) -> object:
    if isinstance(value, BaseException) and not isinstance(value, OUR_OWN):
        return _Name(type(value).__name__)
    return value


def _of_process(error: BaseException) -> str:
    return keep_evidence(_guarded or ".", _OF_PROCESS, "process", type(error).__name__, error)


def _warn(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
    """A warning's text may quote what it warns of: it is evidence; the log gets its kind and place."""
    where = _keep(_guarded or ".", _OF_PROCESS, f"warning-{category.__name__}", f"{filename}:{lineno}: {message}\n")
    logging.getLogger("py.warnings").warning("%s %s:%s (%s)", category.__name__, Path(filename).name, lineno, where)


def _uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    """What nobody caught: one sentence on the terminal."""
    if issubclass(kind, KeyboardInterrupt):
        return
    where = _of_process(error) if error is not None else kind.__name__
    sys.stderr.write(bilingual("fault.unforeseen", stage="uln", about="", where=where) + "\n")
