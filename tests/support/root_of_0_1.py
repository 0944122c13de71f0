"""The data root that version 0.1 made (`tests/fixtures`), and its answers."""

import hashlib
import json

from tests.support.paths import PROJECT

FIXTURES = PROJECT / "tests" / "fixtures"
NOTED = json.loads((FIXTURES / "data_root_0_1.json").read_text(encoding="utf-8"))
UNCHANGED = ("lrs/outbox", "dewi/outbox", "snapshots", "quarantine")
PURGED, PLAYED, OPEN = "2011-09", "2012-01", "2013-01"


def hashes(root):
    """The sha256 of every file that was handed over, published or refused, by its path below the data root."""
    files = (path for place in UNCHANGED for path in (root / place).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
