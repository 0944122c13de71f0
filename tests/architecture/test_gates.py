"""Every column has a tier, and nothing gets to people but through the gate and the boundary."""

import ast

import pyarrow as pa
import pytest

from schemas.tables import TABLES, Tier
from schemas.views import OF_ONE_LEARNER, VIEWS
from tests.support.paths import PROJECT as ROOT
from tests.support.paths import modules

#: Names of columns that say who a pupil is, wherever they stand.
IDENTIFYING = {
    *("upn", "former_upn", "uln", "other_ulns", "other_upns", "mis_identifier"),
    *("surname", "forename", "middle_names", "former_surname", "given_name", "family_name", "middle_name"),
    *("dob", "postcode", "gender"),
}
#: The commands of the terminal.
COMMANDS = {f"flows/cli/{kind}_commands.py" for kind in ("cycle", "decision", "question", "service")}
#: What writes for people, and the only modules that may.
GATES = {
    "create_table_artifact": {"flows/run/artifacts.py"},
    "create_markdown_artifact": {"flows/run/artifacts.py"},
    # What a page is made of has passed the gate, or is one of the service's own sentences.
    "Page": {"flows/run/run_page.py"},
    "write_page": {"tasks/reports/pages.py"},
    "write_picture": {"flows/run/run_page.py"},
    "make_page": {"flows/run/flow_run.py"},
    "create_link_artifact": set(),
    "create_progress_artifact": {"flows/run/progress.py"},
    "update_progress_artifact": {"flows/run/progress.py"},
    "create_image_artifact": set(),
    "emit_event": {"flows/run/events.py"},
    "get_run_logger": {"flows/run/artifacts.py", "tasks/runtime/task.py"},
    "get_logger": set(),
    "getLogger": {"tasks/runtime/process_guard.py", "tasks/runtime/run_log.py", "expectations/runner.py"},
    "Console": {"flows/cli/output.py"},
    "print": {"flows/cli/running.py", "flows/cli/output.py", "flows/cli/story.py", *COMMANDS},
    # The one gate for names, and the one place that shows what has passed it: a terminal, and no flow.
    "of_one_learner": {"tasks/reports/trace.py"},
    "stories": {"flows/cli/question_commands.py"},
    "print_story": {"flows/cli/question_commands.py"},
}
#: What may take hold of the process's own output.
STREAMS = {"flows/cli/output.py", "tasks/runtime/process_guard.py", "tasks/rehearsal/s3_stand_in.py"}
#: The modules that make tasks and flows, each with the boundary.
MAKERS = {"task": "tasks/runtime/task.py", "flow": "flows/run/flow_run.py"}


def from_prefect(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "prefect":
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.Import) and "prefect" in {alias.name for alias in node.names}:
            yield from MAKERS  # it has it all


def streams(path):
    """Whether a module takes hold of what the process prints to."""
    found = {
        node.attr for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)
    }
    return bool(found & {"stdout", "stderr", "__stdout__", "__stderr__"})


def called(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize("table", [*TABLES.values(), *VIEWS.values(), *OF_ONE_LEARNER], ids=lambda table: table.name)
def test_every_column_has_a_tier_and_what_identifies_a_pupil_is_personal(table):
    assert all(isinstance(column.tier, Tier) for column in table.columns)
    text = {column.name: column.tier for column in table.columns if pa.types.is_string(column.type)}
    assert {text[name] for name in IDENTIFYING & text.keys()} <= {Tier.PERSONAL}


def test_the_names_that_identify_are_the_tables_own():
    # What a person wrote as a reason may hold anything.
    others = {"ability_to_share", "reason"}
    assert {c.name for t in TABLES.values() for c in t.columns if c.tier is Tier.PERSONAL} - others == IDENTIFYING


def test_views_show_nothing_personal():
    assert not [c for view in VIEWS.values() for c in view.columns if c.tier is Tier.PERSONAL]


def test_what_is_shown_of_one_learner_is_apart_from_what_is_shown_to_many():
    personal = {view.name for view in OF_ONE_LEARNER if any(c.tier is Tier.PERSONAL for c in view.columns)}
    assert personal == {"learner_known", "learner_stands", "learner_story"} and not personal & (
        VIEWS.keys() | TABLES.keys()
    )
    shown = {
        path.relative_to(ROOT).as_posix() for path in modules() if "of_learner" in path.read_text(encoding="utf-8")
    }
    assert shown == {"tasks/runtime/visibility.py", "tasks/reports/trace.py", "flows/cli/story.py"}


@pytest.mark.parametrize("path", list(modules()), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_the_gates_write_for_people_and_every_task_and_flow_has_the_boundary(path):
    here = path.relative_to(ROOT).as_posix()
    outside = sorted({name for name in called(path) if name in GATES and here not in GATES[name]})
    assert not outside, f"{here}: shown to people past tasks.runtime.visibility"
    assert not streams(path) or here in STREAMS, f"{here}: written to the terminal past tasks.runtime.visibility"
    outside = {name for name in from_prefect(path) if name in MAKERS and here != MAKERS[name]}
    assert not outside, f"{here}: a task or flow without the boundary"
