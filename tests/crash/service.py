"""The same acts where batches go by the LRS web service: `--via soap`.

The stand-in's service is a process of its own for each data root, which nobody kills while a command may call it. Before
and after each call that creates something there, the service can be killed; a job that was heard and not kept is what
nobody here can know of, and a person decides of no more than that.

Belongs here: the service, what the LRS has heard, what others do by it. Does not belong here: where a process is stopped
(`points`).
"""

import datetime as dt
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lxml import etree

from schemas.states import BatchState
from tasks.io.lake.lake import Lake
from tasks.rehearsal.certificates import Certificates, make_certificates
from tasks.rehearsal.lrs_web_stand_in import PASSWORD, answer_jobs, serving

JOBS = Path("rehearsal/lrs/jobs")
#: Where the points are made, in a thread of the calls.
BY = "tasks/io/lrs/web_service.py"
_certificates: Certificates | None = None


def use(home: Path) -> None:
    """Let batches go by the web service from now on.

    Args:
        home: an empty folder for its certificates.
    """
    global _certificates  # noqa: PLW0603 - the process plays one scenario
    _certificates = make_certificates(home)


def in_use() -> bool:
    """Whether batches go by the web service."""
    return _certificates is not None


@contextmanager
def standing(root: Path) -> Iterator[None]:
    """The service of a data root, and the environment of commands that call it; nothing where files are used."""
    if _certificates is None:
        yield
        return
    address, told = os.pipe()
    lives, life = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(life)
            with serving(root, _certificates) as stand_in:
                os.write(told, f"{stand_in.address}\n".encode())
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.read(lives, 1)  # until whoever stands it up ends, in whichever way
        finally:
            os._exit(0)
    os.close(told)
    os.close(lives)
    try:
        with os.fdopen(address) as said:
            os.environ |= {
                "ULN_LRS_ROUTE": "web-service",
                "ULN_LRS_ADDRESS": said.readline().strip(),
                "ULN_LRS_USER_NAME": "crash",
                "ULN_LRS_PASSWORD": PASSWORD,
                "ULN_LRS_CERTIFICATE": str(_certificates.caller),
                "ULN_LRS_AUTHORITY": str(_certificates.authority),
                # One call after the other, so that the n-th point is the same one each time.
                "ULN_LRS_CALLS_AT_ONCE": "1",
            }
        yield
    finally:
        os.close(life)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def night(root: Path, day: dt.date, seed: int) -> None:
    """The LRS answers the jobs that it was given."""
    answer_jobs(root, day, seed)


def watch(pass_by: Callable[[str, tuple[str, ...]], None]) -> None:
    """From now on notice each call of this process that creates something at the LRS, before it and after its answer.

    Args:
        pass_by: is told the kind of point, and the folder of the stand-in's jobs.
    """
    from tasks.io.lrs.web_service import LearnerService

    call = LearnerService.submit

    def noticed(*given: Any) -> Any:
        pass_by("soap.call", (JOBS.as_posix(),))
        reply = call(*given)
        pass_by("soap.heard", (JOBS.as_posix(),))
        return reply

    LearnerService.submit = noticed  # type: ignore[method-assign]


def heard(root: Path) -> dict[str, frozenset[str]]:
    """The learners (MISIdentifier) of each job that the LRS was given, by its number."""
    jobs = [path for path in (root / JOBS).glob("*.xml") if path.stem.isdigit()]
    return {
        path.stem: frozenset(str(one.text) for one in etree.parse(path).iterfind("Learner/MISIdentifier"))
        for path in jobs
    }


def unconfirmed(root: Path) -> dict[str, bool]:
    """The file names of the batches of which nobody here knows whether the LRS was given them, and whether it was."""
    lake = Lake(root / "lake")
    kept = lake.read("lrs_jobs", ["batch_ref", "job_ref"])
    ledger = lake.read("batches", ["batch_ref", "file_name", "state"])
    open_ones = ledger[
        ledger["state"].eq(BatchState.SENT_UNCONFIRMED.value) & ~ledger["batch_ref"].isin(kept["batch_ref"])
    ]
    of_nobody = [learners for job, learners in heard(root).items() if job not in set(kept["job_ref"])]
    rows = lake.read("batch_rows", ["batch_ref", "upn"], batch_ref=open_ones["batch_ref"])
    learners = rows.groupby("batch_ref")["upn"].agg(frozenset)
    return {
        str(name): learners[ref] in of_nobody
        for ref, name in zip(open_ones["batch_ref"], open_ones["file_name"], strict=True)
    }


def is_job(relative: str) -> bool:
    """Whether a file of a data root is a job of the stand-in or its answer: its number is no matter, its content is."""
    return re.fullmatch(rf"{JOBS.as_posix()}/[0-9]+(\.answer)?\.xml", relative) is not None


def waiting(root: Path) -> list[str]:
    """The batches (batch_ref) of which nobody here can know, though the LRS was given them; sorted.

    Raises:
        AssertionError: it was not given one of them, and so a person has let it go.
    """
    found = unconfirmed(root)
    assert all(found.values()), "what was not heard has gone"
    ledger = Lake(root / "lake").read("batches", ["batch_ref", "file_name"])
    return sorted(ledger.loc[ledger["file_name"].isin(found), "batch_ref"])


def says_where_batches_are(name: str, refs: list[str]) -> bool:
    """Whether a thing that stands at the end of an act says of these batches where they are: rows, and pages that count them."""
    return re.match(r"reports/[^/]+/site/", name) is not None or any(
        name in (f"lake: batches {ref}", f"lake: lrs_jobs {ref}") for ref in refs
    )
