"""Collect: the answers in LRS result files, tied to the learners sent."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from schemas.codes.return_codes import normalise_code
from schemas.cycles import cycles_in_order
from schemas.lrs.profiles import all_profiles
from schemas.tables import DEMOGRAPHICS, LRS_RETURNS
from tasks.core.demographics import names_nobody
from tasks.core.identifiers import canonical_upn
from tasks.core.merging import tie
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import sha256_of, storable
from tasks.io.lake.lake import Lake, arrow_of
from tasks.io.lrs.files import read_result, read_results, result_bytes
from tasks.ledger.standing import those_sent
from tasks.runtime.executor import capture, processors


@dataclass(frozen=True)
class Arrival:
    """A file of the LRS that is not known yet; size in bytes."""

    path: Path
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The name under which `received` lists it."""
        return storable(Path(self.path.name))


def new_arrivals(inbox: Path, known: set[str]) -> tuple[list[Arrival], list[Exception]]:
    """Collect: list the finished files of the LRS inbox that are not known, the same content once.

    Args:
        inbox: the folder.
        known: sha256 of the files that need no second look.

    Returns:
        The files by name, and what stopped the reading of others.
    """
    with ThreadPoolExecutor(processors()) as threads:
        paths = sorted(path for path in inbox.iterdir() if path.is_file() and _is_finished(path))
        hashes = list(threads.map(lambda path: capture(sha256_of, path), paths))
    faults = [sha256 for sha256 in hashes if isinstance(sha256, Exception)]
    first = {
        sha256: path for path, sha256 in reversed(list(zip(paths, hashes, strict=True))) if isinstance(sha256, str)
    }
    new = [Arrival(path, sha256, path.stat().st_size) for sha256, path in first.items() if sha256 not in known]
    return sorted(new, key=lambda arrival: arrival.path), faults


def _is_finished(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() not in (".part", ".tmp")


@dataclass(frozen=True)
class Answers:
    """What stands in result files: rows of `lrs_returns`, and why a file cannot be used, by its place."""

    rows: pa.Table
    unusable: dict[int, Exception]


class StillGrowing(Exception):
    """A file that is not what it was when it was listed: it is still being written."""


def _read_whole(path: Path, sha256: str) -> bytes | Exception:
    content = capture(result_bytes, path)
    grew = isinstance(content, bytes) and hashlib.sha256(content).hexdigest() != sha256
    return StillGrowing() if grew else content


def answers_in(root: DataRoot, paths: list[Path], hashes: list[str], as_of: str) -> Answers:
    """Collect: the answers in result files, tied to the learners sent.

    Args:
        root: the data root.
        paths: the files.
        hashes: their sha256.
        as_of: when they count as received.
    """
    profiles = all_profiles(root.reference / "lrs")
    contents = [_read_whole(path, sha256) for path, sha256 in zip(paths, hashes, strict=True)]
    places = [place for place, content in enumerate(contents) if isinstance(content, bytes)]
    unusable: dict[int, Exception] = {n: c for n, c in enumerate(contents) if isinstance(c, Exception)}
    read = capture(read_results, [contents[n] for n in places], profiles)
    if isinstance(read, Exception):
        # One odd file must not stop the others.
        results = [capture(read_result, contents[n], profiles) for n in places]
        unusable |= {n: r for n, r in zip(places, results, strict=True) if isinstance(r, Exception)}
        tables = [r.assign(file=n) for n, r in zip(places, results, strict=True) if isinstance(r, pd.DataFrame)]
        rows = pd.concat(tables, ignore_index=True) if tables else read_results([], profiles)[0]
    else:
        rows, refused = read
        unusable |= {places[n]: fault for n, fault in refused.items()}
        rows = rows.assign(file=rows["file"].map(dict(enumerate(places))))
    rows["sha256"] = rows.pop("file").map(dict(enumerate(hashes))).astype("str")
    tied = tied_answers(Lake.of(root), rows).assign(received_at=as_of)
    tied["return_code"] = normalise_code(tied["return_code"])
    return Answers(arrow_of(LRS_RETURNS, tied), unusable)


def tied_answers(lake: Lake, answers: pd.DataFrame) -> pd.DataFrame:
    """`merging.tie` with what was sent of the learners who are answered for; what it leaves, by the demographics.

    Who is named may be in an abandoned batch: the LRS has it after all. By the demographics nobody is found there, for the
    learner may have gone out since under another UPN.
    """
    sent = lake.read("batch_rows", ["batch_ref", "upn", "ukprn"], upn=canonical_upn(answers["mis_identifier"]))
    batches = lake.read("batches", ["batch_ref", "file_name", "cycle", "built_at", "state"])
    tied = tie(answers, sent, batches, cycles_in_order())
    # Few answers are left: a result file says whom it answers.
    left = tied[
        (tied["tied"] == "N") & tied[list(DEMOGRAPHICS)].notna().all(axis=1) & names_nobody(tied["mis_identifier"])
    ]
    if left.empty:
        return tied
    of_school = lake.read("batch_rows", ["batch_ref", "upn", "ukprn", *DEMOGRAPHICS], ukprn=left["ukprn"].str.strip())
    of_school = those_sent(lake, of_school, batches, cycles_in_order())
    found = tie(left, of_school, batches, cycles_in_order(), by_demographics=True).set_axis(left.index)
    return pd.concat([tied.drop(index=left.index), found]).sort_index()
