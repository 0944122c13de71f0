"""Tables of texts are read strictly, and all their faults are told at once."""

from dataclasses import dataclass

import pytest

from schemas.texts.faults import ConfigurationFault
from schemas.texts.tables import parse_table


@dataclass(frozen=True)
class Line:
    """A row of the test's table."""

    code: str
    text: str


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code,texts\nA,b\n", "'text' is missing"),
        ("code,text\nA,b,c\n", "A: the row has more or fewer cells"),
        ("code,text\nA\n", "A: the row has more or fewer cells"),
        ("code,text\nA,\n", "A: text is empty"),
        ("code,text\nA,b\nA,c\n", "A: stands twice"),
    ],
    ids=["column", "wide", "short", "empty", "twice"],
)
def test_refused(text, told):
    with pytest.raises(ConfigurationFault, match=told):
        parse_table(text, Line, "x.csv")


def test_rows_in_file_order():
    assert parse_table("code,text\nB,b\nA,a\n", Line, "x.csv") == [Line("B", "b"), Line("A", "a")]
