"""Telemetry is off by default, whatever is imported first and from wherever it is run."""

import os
import subprocess
import sys

import pytest

from tests.support.paths import PROJECT as ROOT

#: What each library answers. Great Expectations reads its own setting whenever it needs it; it has no public question.
ASK = (
    "import os, {module}\n"
    "from prefect.analytics import is_telemetry_enabled\n"
    "from prefect.settings import get_current_settings\n"
    "assert not get_current_settings().server.analytics_enabled\n"
    "assert not is_telemetry_enabled()\n"
    "assert os.environ['GX_ANALYTICS_ENABLED'] == 'false'\n"
)


@pytest.mark.parametrize(
    "module", ["tasks.stages.receive", "tasks.runtime.chunks", "flows.census", "expectations.runner"]
)
def test_importing_a_room_switches_telemetry_off(tmp_path, module):
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    code = ASK.format(module=module)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=tmp_path, env=bare)


def test_what_a_user_has_set_stays(tmp_path):
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "GX_ANALYTICS_ENABLED": "true"}
    code = "import os, schemas; assert os.environ['GX_ANALYTICS_ENABLED'] == 'true'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=own)
