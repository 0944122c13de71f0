"""The boundary between what the service knows and what its surroundings see: exceptions, log records, warnings, output.

An exception's text may be read by every user of the engine and by whoever watches the terminal. So the traceback of one
that was not foreseen goes to the data root (`reports/<cycle>/faults/`), and outside there is a reference. Our own faults,
whose texts carry no pupil, pass, without whatever they were made of.

Belongs here: what holds for the whole process (`guard`) and for one piece of work (`within`). No engine: workers and
commands that only read use it too. To let another kind of exception pass: a class of ours in `schemas.faults`.
"""

import errno
import hashlib
import logging
import os
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from schemas.faults import ConfigurationFault, PassingFault, Refused, ServiceFault
from schemas.texts import both
from tasks.core.masking import masked
from tasks.io.data_root import DataRoot, NotWritten, keep_private, make_folder, write_whole

Result = TypeVar("Result")

#: Faults whose texts may be seen by anyone.
OUR_OWN = (ServiceFault, ConfigurationFault, Refused)


def within(work: Callable[[], Result], *, data: str, cycle: str, stage: str) -> Result:
    """Do a piece of work, and let nothing out of it that was not foreseen.

    Args:
        work: the work.
        data: the data root.
        cycle: in whose reports the evidence is kept.
        stage: what the work is called.

    Raises:
        ServiceFault: something unforeseen; says where its evidence is.
        ConfigurationFault, Refused: as the work raised them.
    """
    passing: Exception | None = None
    try:
        return work()
    except OUR_OWN as fault:
        fault.__cause__ = fault.__context__ = None
        passing = fault
    except Exception as error:  # noqa: BLE001 - the boundary: evidence to the data root, a reference outside
        unforeseen = error
    # Outside of the handlers, so that whatever is raised here carries nothing of what it stands for.
    if passing is None:
        kind = PassingFault if may_pass(unforeseen) else ServiceFault
        passing = kind(sentence_of(unforeseen, data=data, cycle=cycle, stage=stage, about="all"))
    raise passing


#: What a disk, or a share that others have too, answers when it was busy or away for a moment; not that it is full or shut.
_PASSING = frozenset(
    {
        *(errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOLCK, errno.ESTALE, errno.ETIMEDOUT),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET),
    }
)
#: How the lake's library says a number of the system's.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
#: How the lake's library, and Arrow, say that a store was not reached, or had no time.
_STORE_AWAY = re.compile(
    r"Generic S3 error(?s:.*?)(HTTP error|\b(429|50\d) )"
    r"|AWS Error (NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT)"
)
#: How they say that it lets us not in, or has no such bucket.
_STORE_REFUSES = re.compile(
    r"Generic S3 error(?s:.*?)\b40[134] |"
    r"AWS Error (ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|NO_SUCH_BUCKET)"
)
#: How the lake's library says that another writer was quicker; the same again sees what that one wrote.
_OVERTAKEN = re.compile(r"CommitFailedError|A concurrent transaction|Transaction failed")
#: How Python says it.
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def may_pass(error: BaseException) -> bool:
    """Whether an exception says that our storage was away or busy, so that the same may do in a moment."""
    if isinstance(error, PassingFault):
        return True
    # A worker's, of which the text alone came: its last line is what was raised.
    told = _OS_ERROR.search(str(error)) or _ERRNO.search(str(error).rstrip().rpartition("\n")[2])
    number = error.errno if isinstance(error, OSError) and error.errno is not None else told and int(told[1])
    text = f"{type(error).__name__}: {error}"
    return number in _PASSING or bool(_STORE_AWAY.search(text) or _OVERTAKEN.search(text))


#: What the system says where a disk, or a user's share of it, is full.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sentence_of(error: Exception, *, data: str, cycle: str, stage: str, about: str) -> str:
    """What may be told of a fault that is not one of ours: where its evidence is, or which file could not be written."""
    where = keep_evidence(data, cycle, stage, about, error)
    if not isinstance(error, NotWritten):
        text = f"{type(error).__name__}: {error}"
        stores = (("lake_refuses", _STORE_REFUSES), ("lake_away", _STORE_AWAY), ("lake_overtaken", _OVERTAKEN))
        case = next((case for case, says in stores if says.search(text)), "unforeseen")
        return both(f"fault.{case}", stage=stage, about=about, where=where)
    path = Path(error.filename)
    named = path.relative_to(data) if path.is_relative_to(data) else path
    return both("fault.no_room" if error.errno in _NO_ROOM else "fault.no_right", path=named.as_posix())


def keep_evidence(data: str, cycle: str, stage: str, about: str, error: BaseException) -> str:
    """Write an unforeseen exception's traceback under the data root.

    Returns:
        The file's path relative to the data root; where it could not be written, also why.
    """
    return _keep(data, cycle, f"{stage}-{about}", "".join(traceback.format_exception(error)))


def _keep(data: str, cycle: str, name: str, text: str) -> str:
    name = f"{name}-{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()[:12]}.txt"
    where = f"reports/{cycle}/faults/{name}"
    try:
        write_whole(DataRoot(Path(data)).reports(cycle) / "faults" / name, text.encode(errors="backslashreplace"))
    except OSError as fault:
        # A full disk must not hide that something else went wrong.
        return f"{where} ({both('fault.no_evidence', reason=fault.strerror or type(fault).__name__)})"
    return where


#: The data root of this process, for what is met outside of any stage.
_guarded: str | None = None
_OF_PROCESS = "process"


def guard(data: str) -> None:
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


def guarded() -> str | None:
    """The data root that `guard` was given in this process."""
    return _guarded


def quiet_output(data: str) -> None:
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
    sys.stderr.write(both("fault.unforeseen", stage="uln", about="", where=where) + "\n")
