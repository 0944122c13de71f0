"""A small sample of the benchmark of exceptions: its two shares, and that each possible match has its reason in the list."""

import pandas as pd
import pytest

from schemas.codes.return_codes import POSSIBLE_MATCH
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.steps.possible_matches import possible_matches
from tasks.steps.publish import _content
from tests.bench.__main__ import GOALS, as_table
from tests.bench.exceptions import as_lines, measure, named

pytestmark = pytest.mark.long

WHY = ["why_en", "why_cy", "check_en", "check_cy"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    to = tmp_path_factory.mktemp("exceptions")
    return to / "service", measure(to, schools=4, seed=3, pupils_per_school=400)


def test_planted_causes_are_named_right_and_so_many_learners_need_nobody(sample):
    found = sample[1]
    assert sum(one["traced"] for one in found["causes"].values()) > 10
    assert found["causes_named"] >= GOALS["causes_named"][2]
    # A Wales of four schools has one of each kind at least, so more exceptions than the country in proportion.
    assert found["unaided"] >= 0.95
    # Letters with accents and whatever the rules would have held are answered with a code instead of a ULN.
    assert found["unaided_raw"] < found["unaided"] - 0.05
    assert found["sent_raw"] > found["sent"]
    assert found["without_uln_raw"]["RC011"] > 5 * found["without_uln"].get("RC011", 1)


def test_a_cause_that_left_no_trace_is_not_counted_as_named(sample):
    found = sample[1]
    assert found["causes_named_of_all"] < found["causes_named"]
    # In the first cycle nobody can know where a learner lived a year ago.
    assert sum(one["answered"] > one["traced"] for one in found["causes"].values()) >= 2


def test_shares_are_of_those_that_left_a_trace():
    rows = pd.DataFrame(
        [
            ("twin", "twin", "record"),
            ("unknown", "twin", "record"),
            ("unknown", "unknown", "none"),
            ("twin", None, None),
        ],
        columns=["said", "cause", "trace"],
    ).assign(upn=list("abcd"))
    found = named(rows)
    assert (found["causes_named"], found["causes_named_of_all"], found["surmised"]) == (0.5, 0.25, 0.5)
    assert found["causes"]["twin"] == {"answered": 2, "traced": 2, "named": 1}


def test_every_possible_match_of_a_list_has_its_reason_in_both_languages_and_no_other_line(sample):
    ctx = RunContext.of(str(sample[0]), "2012-01")
    las = tuple(sorted(set(ctx.lake.read("exceptions", ["la_code"])["la_code"])))
    _, lines, _ = _content(ctx, Chunk(las), possible_matches(ctx, Chunk(las)))
    possible = lines["code"] == POSSIBLE_MATCH
    # Of the first cycle those are left that nobody settled at the portal: none.
    assert not possible.any()
    ctx = RunContext.of(str(sample[0]), "2013-01")
    # What was planted is not there to be read.
    (sample[0] / "rehearsal").rename(sample[0] / "elsewhere")
    _, lines, _ = _content(ctx, Chunk(las), possible_matches(ctx, Chunk(las)))
    (sample[0] / "elsewhere").rename(sample[0] / "rehearsal")
    possible = lines["code"] == POSSIBLE_MATCH
    assert possible.sum() > 3 and (~possible).sum() > 3
    assert lines.loc[possible, WHY].notna().all(axis=None)
    assert lines.loc[possible, "why_en"].nunique() > 3
    assert lines.loc[~possible, WHY].isna().all(axis=None)


def test_the_figures_are_told_with_the_goals(sample):
    found = sample[1]
    table = as_table({"causes_named": found["causes_named"], "unaided": found["unaided"], "exceptions": found})
    assert all(line in table for line in as_lines(found))
    assert "named right" in table
