"""The lake's store goes away in the middle of a census: one sentence, and the next run ends as if it never had.

The stages are walked in a process of their own: the lake's library lets nobody else of its process do anything while it waits.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from schemas.tables import TABLES
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.rehearsal.s3_stand_in import s3_server
from tests.support.faults.store_line import StoreLine
from tests.support.paths import PROJECT

pytestmark = pytest.mark.engine
WALK = """
import sys
from tests.support.diary import census
from schemas.texts.faults import ServiceFault
try:
    census(sys.argv[1], "2012-01", "2012-01-30T02:30")
except ServiceFault as fault:
    sys.exit(f"FAULT {fault}")
"""
#: Where in the census's requests the store goes, as a share of them; the last are those of the hand-over.
PLACES = (0.02, 0.5, 0.8, 0.9, 0.97)


def walks(root, ways):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ULN_WAY_")} | ways
    environment["PYTHONPATH"] = str(PROJECT)
    command = [sys.executable, "-W", "ignore", "-c", WALK, str(root)]
    return subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)


def ended(root, ways):
    """Every table, and the hash of what was handed over."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ways.items():
            patch.setenv(name, value)
        lake = Lake.of(DataRoot(root))
        tables = {name: lake.read(name) for name in TABLES}
    return tables, {path.name: path.read_bytes() for path in (root / "lrs" / "outbox").iterdir()}


def test_wherever_the_store_goes_away_the_next_run_ends_as_if_it_had_not(built_root, tmp_path):
    with s3_server() as server, StoreLine(server) as line:
        server.bucket("uln")

        def begun(name):
            said = {"URL": f"s3://uln/{name}", "ENDPOINT": line.endpoint, "REGION": server.region}
            said |= {"ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key, "PATIENCE_SECONDS": "2"}
            ways = {f"ULN_WAY_LAKE__{key}": value for key, value in said.items()}
            return Path(shutil.copytree(built_root, tmp_path / name)), ways

        root, ways = begun("whole")
        assert walks(root, ways).returncode == 0
        requests = line.asked
        direct = {"ULN_WAY_LAKE__ENDPOINT": server.endpoint}  # a server that is no thread of this process
        wanted = ended(root, ways | direct)
        assert len(wanted[1]) > 1 and len(wanted[0]["batches"])
        for place in PLACES:
            root, ways = begun(f"at-{place}")
            line.goes_away_after(int(requests * place))
            stopped = walks(root, ways)
            assert stopped.returncode == 1 and "the store of the lake does not answer" in stopped.stderr, stopped.stderr
            # A thread of the lake's library may print why it gave a request up; nothing else comes before our sentence.
            before = stopped.stderr.partition("FAULT ")[0].strip()
            assert not before or (before.startswith("thread 'tokio-rt-worker'") and "object_store" in before), before
            assert server.secret_key not in stopped.stderr
            line.goes_away_after(float("inf"))
            again = walks(root, ways)
            assert again.returncode == 0, again.stderr
            tables, handed_over = ended(root, ways | direct)
            assert handed_over == wanted[1], place
            for name, table in tables.items():
                pd.testing.assert_frame_equal(table, wanted[0][name], obj=f"{name}, {place}")
