"""The front door names what there is: every module, file, test, target and command that it speaks of."""

import re
from pathlib import Path

from typer.main import get_command

from flows.cli.__main__ import app

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
#: The folders of the repository that paths in it begin with.
FOLDERS = ("flows", "tasks", "schemas", "expectations", "tests", "docs", "requirements")


def section(heading):
    return README.split(f"\n## {heading}")[1].split("\n## ")[0]


def test_every_stage_has_its_row_in_the_order_of_the_flow():
    stages = re.findall(r"^\| (\w+) \|.*`tasks/stages/(\w+)\.py` \|$", section("Stages"), flags=re.M)
    order = ["receive", "read", "select", "validate", "batch", "release", "collect", "merge", "publish"]
    assert stages == [(stage, stage) for stage in order]


def test_every_path_that_it_names_is_there():
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]+)`", README)
    assert len(named) > 150
    assert not [path for path in named if not list(PROJECT.glob(path.rstrip("/")))]


def test_every_test_that_holds_a_promise_is_there():
    promises = [line for line in section("Promises").splitlines() if line.startswith("| ")][1:]
    assert len(promises) > 100
    lost = []
    for line in promises:
        folder = Path("tests")
        for name in re.findall(r"`([\w./]+)`", line.split("|")[2]):
            path = Path(name) if "/" in name else folder / name
            folder = path.parent
            if name.endswith(".py") and not (PROJECT / path).is_file():
                lost.append(name)
    assert lost == []


def test_every_target_and_command_that_it_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= targets
    commands = set(get_command(app).commands)
    named = re.search(r"`uln (rehearse \| [\w| \n]+)`", README)
    assert named is not None and {name.strip() for name in named[1].split("|")} == commands
    assert set(re.findall(r"`uln ([a-z]+)", README)) <= commands
