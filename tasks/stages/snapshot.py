"""Snapshot: the cycle's Parquet files."""

import hashlib
import json
from collections.abc import Iterator

import pyarrow as pa

from schemas.tables import EXCEPTION_LIVES
from tasks.io.data_root.data_root import write_together
from tasks.io.data_root.parquet_file import parquet_of
from tasks.io.lake.lake import arrow_of
from tasks.ledger.exception_life import lives_of
from tasks.ledger.snapshots import _fingerprint
from tasks.runtime.chunks import Counts, all_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.snapshot import SNAPSHOT, snapshot_rows


@stage_task("snapshot", "snapshot {cycle}", retried=True)
def snapshot(data: str, cycle: str) -> Counts:
    """Write the cycle's Parquet snapshots, with the Delta versions they were taken at.

    Returns:
        Counts: learners, exceptions.
    """
    ctx = RunContext.of(data, cycle)
    versions = ctx.lake.versions()
    # As the cycle sees it: what a later cycle resolved was open here. Before the learners, whose file is large.
    exceptions = lives_of(ctx, [cycle])
    release_memory()
    counted = 0

    def learners_by_school() -> Iterator[pa.Table]:
        nonlocal counted
        for chunk in all_chunks(ctx):
            rows = snapshot_rows(ctx, chunk)
            counted += len(rows)
            yield rows

    learners = parquet_of(learners_by_school(), SNAPSHOT)
    folder = ctx.root.snapshots(cycle)
    files = {
        folder / "learners.parquet": learners,
        folder / "exceptions.parquet": parquet_of([arrow_of(EXCEPTION_LIVES, exceptions)], EXCEPTION_LIVES.schema),
    }
    manifest = {
        "cycle": cycle,
        "learners": counted,
        "exceptions": len(exceptions),
        # By these a reader sees that he holds one snapshot, and not parts of two while one takes the other's place.
        "sha256": {path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        "delta_versions": versions,
        "texts_and_schools": _fingerprint(ctx),
    }
    files[folder / "manifest.json"] = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    write_together(files)
    return {"learners": counted, "exceptions": len(exceptions)}
