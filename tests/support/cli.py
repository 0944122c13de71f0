"""The terminal as a person uses it: in this process, or in one of its own."""

import os
import subprocess
import sys

from typer.testing import CliRunner

from flows.cli.__main__ import app
from tests.support.paths import PROJECT


def invoke(*arguments):
    """A command in this process: its exit code and its output."""
    return CliRunner().invoke(app, list(arguments))


def uln(root, *arguments, expect=0):
    """What a command says, on a data root, in this process."""
    found = invoke(*arguments, "--data", str(root))
    assert found.exit_code == expect, found.output
    return found.output


def started(*arguments, data, first="", **how):
    """The terminal as a user starts it, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{first}\nfrom flows.cli.__main__ import main; main()",
            *arguments,
            "--data",
            str(data),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(PROJECT)},
        cwd=PROJECT,
        **how,
    )


def finished(*arguments, data, expect=0, first=""):
    """The same, run to its end."""
    process = started(*arguments, data=data, first=first)
    out, err = process.communicate(timeout=900)
    assert process.returncode == expect, err[-2000:]
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def alone(*arguments, ways):
    """A command that must end well, in a process of its own that knows these ways alone; without any, all is below the data root."""
    unset = ("PREFECT_", "PYTEST_", "ULN_WAY_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)} | ways
    command = [sys.executable, "-W", "ignore", "-c", "from flows.cli.__main__ import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
