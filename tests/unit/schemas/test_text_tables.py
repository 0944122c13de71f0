"""Tables of texts are read strictly, and all their faults are told at once."""

import pytest

from schemas.codes.code_table import parse_table
from schemas.texts.edited_files import Checked
from schemas.texts.faults import ConfigurationFault


class Line(Checked):
    """A row of the test's table."""

    code: str
    text: str


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code,texts\nA,b\n", "'text' is missing"),
        ("code,text\nA,b,c\n", "line 2, A: has more cells than the heading"),
        ("code,text\nA\n", "line 2, A: has fewer cells"),
        ("code,text\nA,\n", "A: text is empty"),
        ("code,text\nA,b\nA,c\n", "A: stands twice"),
    ],
    ids=["column", "wide", "short", "empty", "twice"],
)
def test_refused(text, told):
    with pytest.raises(ConfigurationFault, match=told):
        parse_table(text, Line, "x.csv")


@pytest.mark.parametrize("rows", ["", "A,a\n"], ids=["no rows", "another row"])
def test_a_table_without_a_needed_code_is_refused(rows):
    with pytest.raises(ConfigurationFault, match="B is missing"):
        parse_table("code,text\n" + rows, Line, "x.csv", replaces_shipped=True, needed=["B"])


def test_a_cell_of_blanks_is_empty_where_a_value_is_optional_and_refused_elsewhere():
    rows = parse_table("code,text\nA, \u00a0\n", Line, "x.csv", frozenset({"text"}), replaces_shipped=True)
    assert rows == {"A": Line(code="A", text="")}
    with pytest.raises(ConfigurationFault, match="A: text is empty"):
        parse_table("code,text\nA, \u00a0\n", Line, "x.csv", replaces_shipped=True)


def test_rows_in_file_order():
    assert parse_table("code,text\nB,b\nA,a\n", Line, "x.csv") == {
        "B": Line(code="B", text="b"),
        "A": Line(code="A", text="a"),
    }
