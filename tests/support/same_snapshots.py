"""`python -m tests.support.same_snapshots FOLDER ROOT ROOT ..`: do data roots of rehearsals by several ways hold the same snapshots (`make ways`)?

By the web service batches are cut to 200 learners, so that the names of batches differ from those by file, and nothing else may.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq

#: What says in which batch a learner went.
_BATCH = ("batch_ref",)


def differing(roots: list[Path]) -> list[str]:
    """The snapshots of the others that differ from the first root's, but for the names of batches; one that holds nobody too."""
    first, *others = roots
    there = {root: {path.relative_to(root) for path in (root / "snapshots").glob("*/*.parquet")} for root in roots}
    if not there[first]:
        return [f"{first.name}: -"]
    found = [f"{root.name}: {path}" for root in others for path in sorted(there[first] ^ there[root])]
    both = [(root, path) for root in others for path in sorted(there[first] & there[root])]
    return found + [f"{root.name}: {path}" for root, path in both if not _same(first / path, root / path)]


def _same(one: Path, other: Path) -> bool:
    tables = [pq.read_table(path) for path in (one, other)]
    kept = [table.drop_columns([name for name in _BATCH if name in table.column_names]) for table in tables]
    return bool(len(kept[0]) and kept[0].equals(kept[1]))


def main() -> int:
    """Say it; exit code 1 where one differs."""
    folder, *names = sys.argv[1:]
    found = differing([Path(folder) / name for name in names])
    sys.stdout.write("".join(f"differs: {one}\n" for one in found) or f"the same snapshots: {', '.join(names)}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
