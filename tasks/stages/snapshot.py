"""Snapshot: the cycle's Parquet files."""

from tasks.io.data_root.data_root import write_together
from tasks.ledger.snapshots import manifest_of
from tasks.runtime.chunks import Counts
from tasks.runtime.context import RunContext
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.snapshot import exceptions_file, learners_file


@stage_task("snapshot", "snapshot {cycle}", retried=True)
def snapshot(data: str, cycle: str) -> Counts:
    """Write the cycle's Parquet snapshots, and the Delta versions from which they were taken.

    Returns:
        Counts: learners, exceptions.
    """
    ctx = RunContext.of(data, cycle)
    versions = ctx.lake.versions()
    exceptions = exceptions_file(ctx)  # before the learners, whose file is large
    release_memory()
    files = {"learners.parquet": learners_file(ctx), "exceptions.parquet": exceptions}
    manifest, counts = manifest_of(ctx, files, versions)
    folder = ctx.root.snapshots(cycle)
    write_together({folder / name: content for name, content in (files | {"manifest.json": manifest}).items()})
    return counts
