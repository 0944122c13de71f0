"""The floor: what the same bytes cost with nothing in between.

libxml2 parses every return of the inbox once and drops the tree; the files that the service has left are written once
more from memory, as durably as the service writes (`write_whole`: temporary file, fsync, rename), to the same disk.

In it: every return, also older ones and those that were refused; quarantine, live Parquet files of the lake, batch files,
schools' zips packed from their CTF and workbook, reports, snapshots. Not in it: opening zips from schools, hashing, the
lake's logs and the files that a later commit replaced, the ledger's other commits, the second reading of a file that
the service does between receive and read, and anything that decides about a pupil.
"""

import argparse
import datetime as dt
import shutil
import statistics
import zipfile
from pathlib import Path

from deltalake import DeltaTable
from lxml import etree

from schemas.tables import TABLES
from schemas.texts.faults import Refused
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.school.zip_file import write_zip
from tests.bench.common import BUILD, CYCLE, Stopwatch, told

#: The stage that first writes a table.
_WRITES = {
    "received": "receive",
    "pupils": "read",
    "dispositions": "select",
    "shared_upns": "select",
    "findings": "validate",
    "batches": "batch",
    "batch_rows": "batch",
    "lrs_returns": "collect",
    "learners": "merge",
    "exceptions": "merge",
    "deliveries": "publish",
}
_TIMES = 3
Files = dict[str, bytes]


def floor(root: Path, cycle: str = CYCLE) -> dict[str, float]:
    """Seconds of each part, the median of three goes: `parse`, and what each stage leaves.

    Args:
        root: a data root that the service has finished.
        cycle: the cycle.
    """
    returns, left = _returns(root), _left(root, cycle)
    zips = {str(p.relative_to(root)): p.read_bytes() for p in sorted((root / "dewi" / "outbox").glob("*/*/*.zip"))}
    inside = {path: _unpacked(root / path) for path in zips}
    goes = []
    for _ in range(_TIMES):
        watch, scratch = Stopwatch(), BUILD / "runs" / "floor"
        with watch.of("parse"):
            _parse(returns)
        for stage, files in left.items():
            with watch.of(stage):
                _write(files, scratch)
        with watch.of("publish"):
            _write({path: write_zip(files, at) for path, (files, at) in inside.items()}, scratch)
        goes.append(watch.seconds)
        shutil.rmtree(scratch)
    return {name: statistics.median(go[name] for go in goes) for name in goes[0]}


def _returns(root: Path) -> list[bytes]:
    """The bytes of every return, those in zips unpacked."""
    contents: list[bytes] = []
    for path in sorted(p for p in (root / "dewi" / "inbox").glob("*/*") if p.is_file()):
        try:
            contents += [document.data for document in open_arrival(path).documents]
        except Refused:
            continue
    return contents


def _parse(returns: list[bytes]) -> None:
    for content in returns:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            etree.fromstring(content, parser)
        except etree.XMLSyntaxError:
            continue


def _left(root: Path, cycle: str) -> dict[str, Files]:
    """What each stage has left in the root, but for the schools' zips."""
    data = DataRoot(root)
    left: dict[str, Files] = {stage: {} for stage in ["receive", *_WRITES.values(), "release", "conserve", "snapshot"]}
    for name, stage in _WRITES.items():
        folder = data.lake / name
        if folder.exists() and name in TABLES:
            uris = DeltaTable(str(folder)).file_uris()
            left[stage] |= {f"lake/{name}/{n}.parquet": Path(uri).read_bytes() for n, uri in enumerate(sorted(uris))}
    folders = {"receive": "quarantine", "release": "lrs/outbox", "conserve": f"reports/{cycle}"}
    for stage, folder in {**folders, "snapshot": f"snapshots/{cycle}"}.items():
        files = sorted(p for p in (root / folder).rglob("*") if p.is_file())
        left[stage] |= {str(p.relative_to(root)): p.read_bytes() for p in files}
    return left


def _unpacked(path: Path) -> tuple[Files, dt.datetime]:
    with zipfile.ZipFile(path) as bundle:
        members = bundle.infolist()
        return {m.filename: bundle.read(m) for m in members}, dt.datetime(*members[0].date_time)


def _write(files: Files, to: Path) -> None:
    for path, content in files.items():
        write_whole(to / path, content)


def of_stages(parts: dict[str, float]) -> dict[str, float]:
    """The floor of each stage; that of receive and read together stands with read, for a return need be parsed once."""
    stages = {name: seconds for name, seconds in parts.items() if name != "parse"}
    return {**stages, "receive+read": parts["parse"] + stages.pop("receive") + stages.pop("read")}


def main() -> None:
    """Tell the floor of a finished root."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("root", type=Path)
    options.add_argument("--cycle", default=CYCLE)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    parts = floor(given.root.resolve(), given.cycle)
    told({"seconds": sum(parts.values()), "parts": parts}, given.out)


if __name__ == "__main__":
    main()
