"""The scenario that is played again and again: four schools' January, in acts, each a command on what stood before it.

Every branch that writes has its act: sound returns, refused ones, several in a zip; answers, exceptions, answers that
tie to nothing, a file that is none, one ULN for two learners; then a newer return, a return that is admitted after all
and so leaves quarantine, and answers that settle what was open.
"""

import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import schemas
from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from schemas.states import BatchState, Decision
from schemas.tables import TABLES
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import schools
from tasks.io.lake.lake import Lake
from tasks.operator.decide_batch import decide
from tasks.rehearsal.lrs_stand_in import answer_outbox, processed_exceptions
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tests.crash import far, service
from tests.crash.points import ASIDE, Point

CYCLE, SEED = "2012-01", 7
SCHOOLS = ["6604025", "6604026", "6614002", "6614003"]
PUPILS_PER_SCHOOL = 60


@dataclass(frozen=True)
class Act:
    """A command, and what happens before it.

    Attributes:
        name: in the report.
        before: what others do to the data root since the act before.
        command: the command's arguments.
    """

    name: str
    before: Callable[[Path], None]
    command: tuple[str, ...]


@dataclass(frozen=True)
class Played:
    """An act that nobody stopped.

    Attributes:
        act: the act.
        start: the data root before its command.
        points: that its command passed.
        end: what stood at its end.
    """

    act: Act
    start: Path
    points: list[Point]
    end: dict[str, str]


def returns_arrive(root: Path) -> None:
    """The schools send their returns, sound and other."""
    DataRoot(root).create()
    register = schools()
    taking = register[register["school_number"].isin(SCHOOLS)].reset_index(drop=True)
    cycle = cycle_by_id(CYCLE)
    write_wales(plan_wales(taking, cycle, seed=SEED, pupils_per_school=PUPILS_PER_SCHOOL), root, cycle)


def answers_arrive(root: Path) -> None:
    """The LRS answers, once with one ULN for two learners; and files for others, in a new layout, and of no result."""
    answer_outbox(root, profiles=all_profiles(), seed=SEED)
    inbox = root / "lrs" / "inbox"
    stray = "FileName,UKPRN,MISIdentifier,ULN,ReturnCode\nx,10000037,NOT-OURS,1000102504,\n"
    one, other = sorted(inbox.glob("*"))[:2]
    uln = re.search(rb'"([1-9][0-9]{9})"', one.read_bytes())
    assert uln is not None, "the LRS gave a ULN"
    twice = re.sub(rb'"[1-9][0-9]{9}","(?=[A-Z][0-9]{12}")', b'"' + uln[1] + b'","', other.read_bytes(), count=1)
    other.write_bytes(twice)
    (inbox / "new-layout.csv").write_bytes(one.read_bytes().replace(b"MISIdentifier", b"PupilKey"))
    (inbox / "stray.csv").write_text(stray, encoding="utf-8")
    (inbox / "minutes.csv").write_bytes(b"Agenda,Who\n1,us\n")


def more_returns_arrive(root: Path) -> None:
    """A school sends a newer return, and a person moves a stray one to where it belongs."""
    inbox = root / "dewi" / "inbox"
    source = max((inbox / "660").glob("*PLASC_002.xml"), key=lambda p: (p.stat().st_size, p.name))
    content = source.read_bytes()
    for wrong, right in ((b"<Gender>X<", b"<Gender>F<"), (b"<PostCode/>", b"<PostCode>LL77 7NG</PostCode>")):
        content = content.replace(wrong, right)
    content = re.sub(rb"<Surname>([A-Z])[^<]*<", rb"<Surname>\1yddwr<", content, count=40)
    (inbox / "660" / "newer.xml").write_bytes(re.sub(rb"<DateTime>[^<]*<", b"<DateTime>2012-01-31T23:00:00<", content))
    (inbox / "660" / f"{CYCLE}-other-authority.xml").rename(inbox / "661" / "moved.xml")


def settled_answers_arrive(root: Path) -> None:
    """The LRS answers the newer batches, people have settled at its portal what could be, the new layout is known."""
    layout = Path(schemas.__file__).parent / "lrs" / "2A.toml"
    known = layout.read_text(encoding="utf-8").replace('["MISID"]', '["MISID", "PupilKey"]')
    (root / "reference" / "lrs").mkdir()
    (root / "reference" / "lrs" / "2A.toml").write_text(known, encoding="utf-8")
    answer_outbox(root, profiles=all_profiles(), seed=SEED)
    processed_exceptions(root, 1.0, seed=SEED)


def night_passes(root: Path) -> None:
    """The LRS answers its jobs; files for others, and of no result, lie in the inbox as well."""
    service.night(root, _DAY, SEED)
    stray = "FileName,UKPRN,MISIdentifier,ULN,ReturnCode\nx,10000037,NOT-OURS,1000102504,\n"
    (root / "lrs" / "inbox" / "stray.csv").write_text(stray, encoding="utf-8")
    (root / "lrs" / "inbox" / "minutes.csv").write_bytes(b"Agenda,Who\n1,us\n")


def another_night_passes(root: Path) -> None:
    """The LRS answers the newer jobs, and people have settled at its portal what could be."""
    service.night(root, _DAY, SEED)
    processed_exceptions(root, 1.0, seed=SEED)


#: From which the stand-in counts ages.
_DAY = dt.date(2012, 1, 29)

ACTS = (
    Act("census", returns_arrive, ("census", CYCLE, "--as-of", "2012-01-29T09:15")),
    Act("returns", answers_arrive, ("returns", "--as-of", "2012-02-12T09:15")),
    Act("census-again", more_returns_arrive, ("census", CYCLE, "--as-of", "2012-02-20T02:30")),
    Act("returns-again", settled_answers_arrive, ("returns", "--as-of", "2012-03-01T09:15")),
)


#: Where batches go by the web service: the LRS answers jobs by night, and what else comes is as with files.
ACTS_BY_SERVICE = (
    ACTS[0],
    replace(ACTS[1], before=night_passes),
    ACTS[2],
    replace(ACTS[3], before=another_night_passes),
)


def ended(root: Path) -> dict[str, str]:
    """What stands at the end of an act, each thing with a hash: files and folders, and the rows of each table.

    Files are taken byte for byte. What may differ though all is well: how many commits a table has had, and so the number
    of its version in a manifest; data files of commits that never were, which no reader of a table sees; that a person
    has decided of a hand-over. The engine's own files are its own, and a log tells when it was written; as does what
    is known of files elsewhere.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if relative.split("/")[0] in ("lake", "ways", *ASIDE) or path.name == "decisions.csv":
            continue
        if path.is_dir():
            found[f"{relative}/"] = ""
        elif service.is_job(relative):
            job = f"job: {_hash(path.read_bytes())}"
            found[job] = f"{found.get(job, '')}x"  # once for each time that the LRS was given it
        elif path.name in ("manifest.json", "made.json"):
            kept = json.loads(path.read_text(encoding="utf-8"))
            # The pages say of the lake's versions where they were looked through.
            about = kept.get("looked_at", kept)
            about["delta_versions"] = sorted(about["delta_versions"])
            found[relative] = _hash(json.dumps(kept).encode())
        else:
            found[relative] = _hash(path.read_bytes())
    lake = Lake(root / "lake")
    for name in TABLES.keys() - {"batch_decisions"}:
        table = lake.read(name)
        if service.in_use() and name in ("batches", "lrs_jobs"):
            # Each batch apart, as one may wait for a person; whichever number its job was given.
            for one in table.drop(columns="job_ref", errors="ignore").to_dict("records"):
                found[f"lake: {name} {one['batch_ref']}"] = _hash(repr(sorted(one.items())).encode())
            continue
        rows = table.to_csv(index=False)
        found[f"lake: {name}"] = f"{len(rows.splitlines()) - 1} rows {_hash(rows.encode())}"
    return found


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def differing(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """What is there and should not be, is missing, or is another; sorted."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def unknown_to_the_lrs(root: Path) -> list[str]:
    """The files of the batches of which the ledger does not know whether they were handed over, and that lie nowhere."""
    if service.in_use():
        return sorted(service.unconfirmed(root))
    ledger = Lake(root / "lake").read("batches", ["file_name", "state"])
    names = ledger.loc[ledger["state"] == BatchState.SENT_UNCONFIRMED.value, "file_name"]
    return sorted(name for name in names if not (far.outbox(root) / name).exists())


def decide_to_send(root: Path) -> None:
    """A person has asked the LRS: those that it has not may go (`uln retry`)."""
    os.environ |= far.ways(root)
    names = unknown_to_the_lrs(root)
    if service.in_use():
        names = [name for name, was_heard in service.unconfirmed(root).items() if not was_heard]
    for name in names:
        decide(str(root), name, Decision.RETRY, "not on the portal", "2012-02-20T03:00")
