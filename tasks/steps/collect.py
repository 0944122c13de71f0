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
    """Return the finished files of the LRS inbox whose sha256 is not known, sorted by name, each content once.

    Return also the exceptions that stopped the reading of other files.
    """
    with ThreadPoolExecutor(processors()) as threads:
        paths = sorted(path for path in inbox.iterdir() if path.is_file() and _is_finished(path))
        hashes = list(threads.map(lambda path: capture(sha256_of, path), paths))
    faults = [sha256 for sha256 in hashes if isinstance(sha256, Exception)]
    by_hash = list(zip(hashes, paths, strict=True))
    first = {sha256: path for sha256, path in reversed(by_hash) if isinstance(sha256, str) and sha256 not in known}
    new = [Arrival(path, sha256, path.stat().st_size) for sha256, path in first.items()]
    return sorted(new, key=lambda arrival: arrival.path), faults


def _is_finished(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() not in (".part", ".tmp")


class StillGrowing(Exception):
    """A file that is not what it was when it was listed: it is still being written."""


def _read_whole(file: Arrival) -> bytes | Exception:
    content = capture(result_bytes, file.path)
    grew = isinstance(content, bytes) and hashlib.sha256(content).hexdigest() != file.sha256
    return StillGrowing() if grew else content


def answers_in(root: DataRoot, files: list[Arrival], as_of: str) -> tuple[pa.Table, dict[int, Exception]]:
    """Return the answers in result files, tied to the learners sent: rows of `lrs_returns`, received at `as_of`.

    Return also the exceptions of unusable files, by position.
    """
    profiles = all_profiles(root.reference / "lrs")
    contents = [_read_whole(file) for file in files]
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
    rows["sha256"] = rows.pop("file").map({n: file.sha256 for n, file in enumerate(files)}).astype("str")
    tied = tied_answers(Lake.of(root), rows).assign(received_at=as_of)
    tied["return_code"] = normalise_code(tied["return_code"])
    return arrow_of(LRS_RETURNS, tied), unusable


def tied_answers(lake: Lake, answers: pd.DataFrame) -> pd.DataFrame:
    """Tie answers to learners sent (`merging.tie`); an answer that names no learner is tied by its demographics.

    An answer that names a learner may tie to an abandoned batch: it shows that the LRS has that batch. Demographics do not
    tie to an abandoned batch, because the learner may have been sent since under another UPN.
    """
    sent = lake.read("batch_rows", ["batch_ref", "upn", "ukprn"], upn=canonical_upn(answers["mis_identifier"]))
    batches = lake.read("batches", ["batch_ref", "file_name", "cycle", "built_at", "state"])
    tied = tie(answers, sent, batches, cycles_in_order())
    # Few answers are left, because a result file names its learners.
    left = tied[
        (tied["tied"] == "N") & tied[list(DEMOGRAPHICS)].notna().all(axis=1) & names_nobody(tied["mis_identifier"])
    ]
    if left.empty:
        return tied
    of_school = lake.read("batch_rows", ["batch_ref", "upn", "ukprn", *DEMOGRAPHICS], ukprn=left["ukprn"].str.strip())
    of_school = those_sent(lake, of_school, batches, cycles_in_order())
    by_demographics = tie(left, of_school, batches, cycles_in_order(), by_demographics=True).set_axis(left.index)
    return pd.concat([tied.drop(index=left.index), by_demographics]).sort_index()
