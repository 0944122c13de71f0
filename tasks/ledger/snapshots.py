"""Snapshots: the manifest of a cycle's snapshot, and whether the snapshot is up to date with the lake."""

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.settings.terms import exception_terms
from tasks.io.data_root.reference import schools
from tasks.ledger.code_texts import texts_of
from tasks.runtime.context import RunContext

#: A cycle is published again if one of these tables has changed since its last snapshot. Publishing itself writes what it
#: found into `findings`; the snapshot comes after it, and publishing the same again commits nothing.
_INPUTS = ("pupils", "dispositions", "findings", "batches", "learners", "exceptions", "operator_decisions")


def manifest_of(ctx: RunContext, files: dict[str, bytes], versions: dict[str, int]) -> tuple[bytes, dict[str, int]]:
    """Return the content of a snapshot's manifest: JSON, and how many rows each file has, by its name without `.parquet`.

    Args:
        ctx: data root, lake and cycle.
        files: the Parquet files by name, `learners.parquet` and `exceptions.parquet`.
        versions: of every table of the lake, as they were before the files were made.
    """
    counts = {
        name.removesuffix(".parquet"): int(pq.read_metadata(pa.BufferReader(content)).num_rows)
        for name, content in files.items()
    }
    manifest = {
        "cycle": ctx.cycle.id,
        **counts,
        # With these hashes a reader can check that all files are of one snapshot, not some of the next.
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "delta_versions": versions,
        "texts_and_schools": _fingerprint(ctx),
    }
    return json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n", counts


def published(data: str, cycle: str) -> bool:
    """Whether the cycle's snapshot was taken at the lake's present versions, with the present texts and schools."""
    ctx = RunContext.of(data, cycle)
    manifest = ctx.root.snapshots(cycle) / "manifest.json"
    if not manifest.exists():
        return False
    taken = json.loads(manifest.read_text(encoding="utf-8"))
    moved = any(ctx.lake.has_moved(name, taken["delta_versions"].get(name, -1)) for name in _INPUTS)
    return not moved and taken["texts_and_schools"] == _fingerprint(ctx)


def _fingerprint(ctx: RunContext) -> str:
    """Return a hash over everything that is published and is not in the lake."""
    tables = (texts_of(ctx.root), schools(ctx.root.reference))
    digest = hashlib.sha256(ctx.cycle.ctf_version.encode())
    for table in tables:
        digest.update(table.to_csv(index=False, lineterminator="\n").encode())
    # These words decide whether the snapshot gives an export as the cause of a resolved exception.
    digest.update(repr(exception_terms(ctx.root.reference / "exceptions.toml").export_words).encode())
    return digest.hexdigest()
