"""The process guard: log records, warnings, uncaught exceptions and printed output of a process name no pupil.

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

#: The data root of this process, for evidence from outside any stage.
_guarded: str | None = None

_OF_PROCESS = "process"


def install_process_guard(data: str) -> None:
    """Mask all that this process logs, warns of or fails with from now on; evidence goes to the data root.

    Files that the process makes are private (`keep_private`). For processes of our own: terminal, worker, flow.
    """
    keep_private()
    global _guarded  # noqa: PLW0603 - the process has one logging, one excepthook, one data root
    _guarded = data
    logging.setLogRecordFactory(_Record)
    logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG records show requests with their tokens
    warnings.showwarning = _warn
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda error: _uncaught(error.exc_type, error.exc_value, None)
    threading.excepthook = lambda error: _uncaught(error.exc_type, error.exc_value, None)


def redirect_output(data: str) -> None:
    """Send all output of this process and its libraries to a file of the data root. For workers."""
    path = DataRoot(Path(data)).worker_output
    make_folder(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)


class _Record(logging.LogRecord):
    """A log record of any logger: its text is masked, and its exceptions are references."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        error = self.exc_info[1] if self.exc_info else None
        self.exc_info, self.stack_info, self.kept = None, None, ""
        if error is not None and not isinstance(error, OUR_OWN) and _guarded is not None:
            self.kept = f" ({_keep_process_evidence(error)})"

    def getMessage(self) -> str:  # noqa: N802 - the library's name
        """Return the text, with names of exceptions instead of their texts."""
        args = self.args
        if isinstance(args, tuple):
            self.args = tuple(_without_text(value) for value in args)
        try:
            return masked(super().getMessage()) + self.kept
        finally:
            self.args = args


class _ExceptionName(str):
    """The name of an exception's class; its `repr` is the name too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _without_text(value: object) -> object:
    if isinstance(value, BaseException) and not isinstance(value, OUR_OWN):
        return _ExceptionName(type(value).__name__)
    return value


def _keep_process_evidence(error: BaseException) -> str:
    return keep_evidence(_guarded or ".", _OF_PROCESS, "process", type(error).__name__, error)


def _warn(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
    """Keep a warning's text as evidence, because it may quote data; log its kind and place."""
    where = _keep(_guarded or ".", _OF_PROCESS, f"warning-{category.__name__}", f"{filename}:{lineno}: {message}\n")
    logging.getLogger("py.warnings").warning("%s %s:%s (%s)", category.__name__, Path(filename).name, lineno, where)


def _uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    """Write one sentence on the terminal for an exception that nobody caught."""
    if issubclass(kind, KeyboardInterrupt):
        return
    where = _keep_process_evidence(error) if error is not None else kind.__name__
    sys.stderr.write(bilingual("fault.unforeseen", stage="uln", about="", where=where) + "\n")
