"""Snapshots: whether a cycle's snapshot is up to date with the lake."""

import hashlib
import json

from schemas.settings.exceptions import exception_terms
from tasks.io.data_root.reference import schools
from tasks.ledger.code_texts import texts_of
from tasks.runtime.context import RunContext

#: A cycle is published anew where one of these tables has moved on since its last snapshot.
_INPUTS = ("pupils", "dispositions", "findings", "batches", "learners", "exceptions", "operator_decisions")


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
    """A hash over what is published besides what the lake holds."""
    tables = (texts_of(ctx.root), schools(ctx.root.reference))
    digest = hashlib.sha256(ctx.cycle.ctf_version.encode())
    for table in tables:
        digest.update(table.to_csv(index=False, lineterminator="\n").encode())
    # By these the snapshot says what an exception was resolved by.
    digest.update(repr(exception_terms(ctx.root.reference / "exceptions.toml").export_words).encode())
    return digest.hexdigest()
