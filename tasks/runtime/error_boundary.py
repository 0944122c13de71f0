"""The boundary between what the service knows and what its surroundings see: exceptions, log records, warnings, output.

An exception's text may be read by every user of the engine and by whoever watches the terminal. So the traceback of one
that was not foreseen goes to the data root (`reports/<cycle>/faults/`), and outside there is a reference. Our own faults,
whose texts carry no pupil, pass, without whatever they were made of.

Belongs here: what holds for the whole process (`guard`) and for one piece of work (`error_boundary`). No engine: workers and
commands that only read use it too. To let another kind of exception pass: a class of ours in `schemas.texts.faults`.
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
        kind = TransientFault if is_transient(unforeseen) else ServiceFault
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


def is_transient(error: BaseException) -> bool:
    """Whether an exception says that our storage was away or busy, so that the same may do in a moment."""
    if isinstance(error, TransientFault):
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
        return bilingual(f"fault.{case}", stage=stage, about=about, where=where)
    path = Path(error.filename)
    named = path.relative_to(data) if path.is_relative_to(data) else path
    return bilingual("fault.no_room" if error.errno in _NO_ROOM else "fault.no_right", path=named.as_posix())


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
        return f"{where} ({bilingual('fault.no_evidence', reason=fault.strerror or type(fault).__name__)})"
    return where
