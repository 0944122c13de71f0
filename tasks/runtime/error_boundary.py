"""The error boundary: what leaves the service when something fails.

Every user of the engine, and everyone who sees the terminal, may read an exception's text. So the traceback of an
unforeseen exception goes to the data root (`reports/<cycle>/faults/`), and only a reference to it leaves the service. Our own
faults, whose texts carry no pupil, pass through without their cause.

Belongs here: the boundary around one piece of work (`error_boundary`), for stages, workers and commands alike.
Does not belong here: the engine, and the boundary around the whole process (`process_guard`). To let another kind of
exception pass: derive its class from one of `OUR_OWN`.
"""

import errno
import hashlib
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault, TransientFault
from tasks.io.data_root.data_root import DataRoot, NotWritten, write_whole

Result = TypeVar("Result")
#: Faults whose texts may be seen by anyone.
OUR_OWN = (ServiceFault, ConfigurationFault, Refused)


def error_boundary(work: Callable[[], Result], *, data: str, cycle: str, stage: str) -> Result:
    """Run a piece of work; let out only our own faults.

    The reports of the cycle, in the data root `data`, keep the evidence under the name `stage`.

    Raises:
        ServiceFault: something unforeseen failed; the text names its evidence.
        ConfigurationFault, Refused: as the work raised them.
    """
    passing: Exception
    try:
        return work()
    except OUR_OWN as fault:
        fault.__cause__ = fault.__context__ = None
        passing = fault
    except Exception as error:  # noqa: BLE001 - the boundary: evidence to the data root, a reference outside
        kind = TransientFault if is_transient(error) else ServiceFault
        passing = kind(sentence_of(error, data=data, cycle=cycle, stage=stage, about="all"))
    # Outside the handlers, so that the exception raised here does not carry the original.
    raise passing


#: Errors of a disk or a shared folder that was busy or unreachable for a moment; not of one that is full or denies access.
_PASSING = frozenset(
    {
        *(errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ENOLCK, errno.ESTALE, errno.ETIMEDOUT),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET),
    }
)
#: Number of a system error in an exception's text from the lake's library.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
#: Number of a system error in an exception's text from Python.
_ERRNO = re.compile(r"\[Errno (\d+)\]")
#: Texts of the lake's library and of Arrow: a store could not be reached, or was too busy.
_STORE_AWAY = re.compile(
    r"Generic S3 error(?s:.*?)(HTTP error|\b(429|50\d) )"
    r"|AWS Error (NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT)"
)
#: Texts of the same libraries: access denied, or no such bucket.
_STORE_REFUSES = re.compile(
    r"Generic S3 error(?s:.*?)\b40[134] |"
    r"AWS Error (ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|NO_SUCH_BUCKET)"
)
#: Texts of the lake's library: another writer committed first. A new try sees that commit.
_OVERTAKEN = re.compile(r"CommitFailedError|A concurrent transaction|Transaction failed")


def is_transient(error: BaseException) -> bool:
    """Whether an exception says that our storage was unreachable or busy, so that a new try may succeed."""
    if isinstance(error, TransientFault):
        return True
    # A worker's failure comes as text alone; its last line is the exception.
    match = _OS_ERROR.search(str(error)) or _ERRNO.search(str(error).rstrip().rpartition("\n")[2])
    number = error.errno if isinstance(error, OSError) and error.errno is not None else match and int(match[1])
    text = f"{type(error).__name__}: {error}"
    return number in _PASSING or bool(_STORE_AWAY.search(text) or _OVERTAKEN.search(text))


#: Errors of the system when a disk, or a user's quota, is full.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sentence_of(error: Exception, *, data: str, cycle: str, stage: str, about: str) -> str:
    """Return the sentence for an unforeseen fault: where its evidence is, or which file could not be written."""
    where = keep_evidence(data, cycle, stage, about, error)
    if not isinstance(error, NotWritten):
        text = f"{type(error).__name__}: {error}"
        stores = (("lake_refuses", _STORE_REFUSES), ("lake_away", _STORE_AWAY), ("lake_overtaken", _OVERTAKEN))
        case = next((case for case, pattern in stores if pattern.search(text)), "unforeseen")
        return bilingual(f"fault.{case}", stage=stage, about=about, where=where)
    path = Path(error.filename)
    shown = path.relative_to(data) if path.is_relative_to(data) else path
    return bilingual("fault.no_room" if error.errno in _NO_ROOM else "fault.no_right", path=shown.as_posix())


def keep_evidence(data: str, cycle: str, stage: str, about: str, error: BaseException) -> str:
    """Write an unforeseen exception's traceback under the data root.

    Returns:
        The file's path relative to the data root; if it could not be written, with the reason.
    """
    return _keep(data, cycle, f"{stage}-{about}", "".join(traceback.format_exception(error)))


def _keep(data: str, cycle: str, name: str, text: str) -> str:
    name = f"{name}-{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()[:12]}.txt"
    where = f"reports/{cycle}/faults/{name}"
    try:
        write_whole(DataRoot(Path(data)).reports(cycle) / "faults" / name, text.encode(errors="backslashreplace"))
    except OSError as fault:
        # A full disk must not hide that something else went wrong.
        return f"{where} ({bilingual('fault.no_evidence', reason=fault.strerror or type(fault).__name__)})"
    return where
