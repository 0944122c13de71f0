"""The rooms and the arrows between them (docs/explanation/architecture.md): never reversed, no circle."""

import ast
from collections import defaultdict
from graphlib import TopologicalSorter

import pytest

from tests.support.paths import PACKAGES, modules
from tests.support.paths import PROJECT as ROOT

#: The rooms, from the top to the bottom: a room may import only rooms below it.
FLOORS = [
    ["flows"],
    ["tasks.operator"],
    ["tasks.stages"],
    ["tasks.maintenance"],
    ["tasks.reports"],
    ["tasks.steps"],
    ["tasks.ledger"],
    ["tasks.runtime", "tasks.rehearsal"],
    ["tasks.core", "tasks.io", "expectations"],
    ["schemas"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
#: Packages that a pure module may not import.
IMPURE = {"time", "random", "os", "pathlib", "io", "prefect", "great_expectations", "deltalake", "lxml"}
#: The only rooms that may import a package.
ONLY_IN = {
    "prefect": {"flows", "tasks.stages", "tasks.runtime"},
    "great_expectations": {"expectations"},
    "deltalake": {"tasks.io"},
    "pandas": set(FLOOR) - {"flows"},
}
#: Modules with the same file name in two rooms, because they are about the same thing.
SAME_NAME = {
    **{
        stage: {"stages", "steps"}
        for stage in (
            *("receive", "read", "select", "validate", "batch", "collect", "merge", "publish", "snapshot"),
            "poll_lrs",
        )
    },
    # What is decided, what the ledger is asked for it, and the setting, the stage or the service of the same subject.
    "arrivals": {"core", "maintenance"},
    "doctor": {"maintenance", "services"},
    "exception_life": {"core", "ledger"},
    "hand_over": {"core", "ledger"},
    "pages": {"settings", "reports"},
    "upkeep": {"flows", "stages"},
    "readiness": {"codes", "core", "stages"},
    "retention": {"settings", "core"},
    "standing": {"core", "ledger"},
    "volume": {"settings", "core"},
}
LONGEST_STAGE, LONGEST_MODULE, LONGEST_FUNCTION = 25, 400, 60


def dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module):
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "tasks" and len(parts) > 1 else parts[0]


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    known = {dotted(p) for p in modules()}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules_in = [name for name in inner if name in known]
            yield from modules_in
            if len(modules_in) < len(inner):
                yield node.module


def ids(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [p for p in modules() if dotted(p) != "tasks"], ids=ids)
def test_a_room_imports_only_rooms_below_it(path):
    here = room(dotted(path))
    others = {room(m) for m in imports(path) if m.split(".")[0] in PACKAGES} - {here, "tasks"}
    assert sorted(r for r in others if FLOOR[r] <= FLOOR[here]) == []


def test_no_module_imports_itself_by_way_of_others():
    graph = defaultdict(set)
    for path in modules():
        # A package's __init__ imports `schemas` alone; its own modules import it by being in it.
        graph[dotted(path)] = {m for m in imports(path) if m.split(".")[0] in PACKAGES} - {dotted(path)}
    assert list(TopologicalSorter(graph).static_order())


def test_there_are_fourteen_rooms_at_most():
    assert {room(dotted(p)) for p in modules()} - {"tasks"} == set(FLOOR)
    assert len(FLOOR) <= 14


@pytest.mark.parametrize("path", list(modules("tasks/core")), ids=ids)
def test_the_core_is_pure(path):
    assert not {m.split(".")[0] for m in imports(path)} & IMPURE
    assert not {n.attr for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute)} & {"now", "today", "utcnow"}


@pytest.mark.parametrize("path", list(modules()), ids=ids)
def test_only_its_rooms_know_a_package(path):
    here = room(dotted(path))
    heads = {m.split(".")[0] for m in imports(path)}
    assert sorted(package for package in heads & ONLY_IN.keys() if here not in ONLY_IN[package]) == []


@pytest.mark.parametrize("path", list(modules()), ids=ids)
def test_a_module_has_a_charter(path):
    assert ast.get_docstring(tree(path))


def test_a_file_name_in_two_rooms_means_the_same_thing():
    rooms = defaultdict(set)
    for path in modules():
        if path.stem not in ("__init__", "__main__"):
            rooms[path.stem].add(path.parent.name)
    assert {
        name: found for name, found in rooms.items() if len(found) > 1 and not found <= SAME_NAME.get(name, set())
    } == {}


def functions(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(node):
    """The lines of a function without its docstring."""
    doc = node.body[0] if ast.get_docstring(node) else None
    first = node.body[1] if doc is not None and len(node.body) > 1 else node.body[0]
    return node.end_lineno - first.lineno + 1


@pytest.mark.parametrize("path", list(modules("tasks/stages")), ids=ids)
def test_a_stage_task_is_short(path):
    long = {
        node.name: code_lines(node)
        for node in functions(path)
        if node.decorator_list and code_lines(node) > LONGEST_STAGE
    }
    assert long == {}


@pytest.mark.parametrize("path", list(modules()), ids=ids)
def test_modules_and_functions_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    assert {
        n.name: n.end_lineno - n.lineno + 1 for n in functions(path) if n.end_lineno - n.lineno >= LONGEST_FUNCTION
    } == {}
