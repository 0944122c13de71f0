"""Tests mirror the rooms and stand alone: what two of them need is in `tests/support`, or a fixture."""

import ast

import pytest

from tests.support.paths import PROJECT, modules

UNIT = PROJECT / "tests" / "unit"
#: Rooms outside `tasks`.
OUTSIDE = {"flows", "schemas", "expectations"}


def programs(path):
    """A module, and the programs that stand in it as texts for a process of its own."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    yield module
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "import " in node.value:
            try:
                yield ast.parse(node.value)
            except SyntaxError:
                continue


def imported(path):
    """Every name that a module imports, with the package that it imports it from."""
    for program in programs(path):
        for node in ast.walk(program):
            if isinstance(node, ast.Import | ast.ImportFrom):
                above = getattr(node, "module", None) or ""
                yield from (f"{above}.{alias.name}" for alias in node.names)


def is_of_tests(name):
    """Whether a name that is imported is of a test module or of a conftest."""
    return any(part.startswith("test_") or part == "conftest" for part in name.split("."))


@pytest.mark.parametrize("path", list(modules("tests")), ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_no_module_imports_a_test_module_or_changes_where_python_looks(path):
    assert [name for name in imported(path) if is_of_tests(name)] == []
    assert not [
        node
        for program in programs(path)
        for node in ast.walk(program)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"
    ]


def test_unit_tests_are_in_folders_named_like_the_rooms():
    rooms = {path.name for path in (PROJECT / "tasks").iterdir() if (path / "__init__.py").is_file()} | OUTSIDE
    assert {path.relative_to(UNIT).parts[0] for path in UNIT.rglob("test_*.py")} <= rooms
