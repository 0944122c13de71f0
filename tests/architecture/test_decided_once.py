"""What is decided in one module: the state of a batch, and whether a finding holds a record."""

import ast
import re

import pytest

from schemas.states import BatchState
from tests.support.paths import PROJECT
from tests.support.paths import modules as python_files

STATES = {state.value for state in BatchState}
COMPARISONS = {"eq", "ne", "isin"}


def modules(*folders, but):
    for path in python_files(*folders):
        if path != PROJECT / but:
            yield path.relative_to(PROJECT).as_posix(), path.read_text(encoding="utf-8")


def writes(text):
    """The lines where a batch's state, or its text, is used for more than a comparison or a filter of what is read."""
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def is_read(node):
        parent = parents[node]
        while isinstance(parent, ast.Attribute | ast.List | ast.Tuple | ast.Set):
            parent = parents[parent]
        of_keyword = isinstance(parent, ast.keyword)
        call = parents[parent] if of_keyword else parent
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            return call.func.attr in ({"read"} if of_keyword else COMPARISONS)
        return isinstance(parent, ast.Compare)

    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "BatchState")
        or (isinstance(node, ast.Constant) and node.value in STATES)
        if not is_read(node)
    ]


def test_no_other_module_writes_a_batch_s_state():
    found = {path: writes(text) for path, text in modules("flows", "tasks", but="tasks/core/batch_states.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    [
        "ledger.assign(state=BatchState.SENT.value)",
        'ledger["state"].mask(which, BatchState.SENT.value)',
        'ledger["state"] = BatchState.SENT',
        'ledger["state"] = "SENT"',
        'ledger.loc[which, "state"] = "SENT_UNCONFIRMED"',
        'entry = {"state": BatchState.READY.value}',
        "AFTER = {Decision.RETRY: BatchState.READY}",
        'ledger["state"].map({"a": BatchState.SENT.value})',
        "states = [BatchState(name) for name in names]",
    ],
)
def test_a_write_is_seen(text):
    assert writes(text) == [1]


@pytest.mark.parametrize(
    "text",
    [
        'ledger["state"] == BatchState.SENT.value',
        'ledger["state"].isin([BatchState.SENT.value, BatchState.READY.value])',
        'ledger["state"].eq("ABANDONED")',
        'lake.read("batches", state=BatchState.READY.value)',
        "change_state(ledger, BatchEvent.HANDED_OVER)",
    ],
)
def test_a_question_is_no_write(text):
    assert writes(text) == []


def test_no_other_module_decides_which_findings_hold_a_record():
    decides = re.compile(r"Severity\.BLOCKING|['\"]blocking['\"]")
    assert [path for path, text in modules("tasks", but="tasks/core/held.py") if decides.search(text)] == []
