"""The rooms and the arrows between them (README, "The house"): never reversed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = {"datetime", "time", "random", "os", "pathlib", "io", "prefect", "great_expectations", "deltalake", "lxml"}
#: room -> what it may import of the project.
MAY = {
    "schemas": {"schemas"},
    "expectations": {"expectations", "schemas"},
    "tasks.core": {"tasks.core", "schemas"},
    "tasks.io": {"tasks.io", "schemas"},
    "tasks.rehearsal": {"tasks.rehearsal", "tasks.core", "tasks.io", "schemas"},
    "tasks": {"tasks", "tasks.core", "tasks.io", "expectations", "schemas"},
    "flows": {"flows", "tasks", "tasks.io", "tasks.rehearsal", "schemas", "expectations"},
}


def modules():
    for folder in ("schemas", "expectations", "tasks", "flows"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def room(dotted):
    parts = dotted.split(".")
    if parts[0] == "tasks" and len(parts) > 1 and parts[1] in ("core", "io", "rehearsal"):
        return f"tasks.{parts[1]}"
    return parts[0]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", list(modules()), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_room_imports_only_what_it_may(path):
    here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    own = {room(m) for m in imports(path) if m.split(".")[0] in ("schemas", "expectations", "tasks", "flows")}
    assert own <= MAY[here]


@pytest.mark.parametrize("path", sorted((ROOT / "tasks" / "core").glob("*.py")), ids=lambda p: p.name)
def test_the_core_is_pure(path):
    banned = {m.split(".")[0] for m in imports(path)} & (PURE - {"datetime"})
    assert not banned
    calls = {n.attr for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Attribute)}
    assert not calls & {"now", "today", "utcnow"}


@pytest.mark.parametrize("path", list(modules()), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_expectations_know_great_expectations_and_only_thin_rooms_know_prefect(path):
    here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    heads = {m.split(".")[0] for m in imports(path)}
    assert "great_expectations" not in heads or here == "expectations"
    assert "prefect" not in heads or here in ("flows", "tasks")


def test_packages_say_what_belongs_in_them():
    for init in (
        ROOT / p / "__init__.py"
        for p in ("flows", "tasks", "tasks/core", "tasks/io", "tasks/rehearsal", "schemas", "expectations")
    ):
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), init.parent.name
