"""Who must be told that what the school has now is not what was sent."""

import pandas as pd
import pytest

from schemas.tables import SENT_FIELDS
from tasks.core.superseding import changed

SENT = dict.fromkeys(SENT_FIELDS, "x") | {"middle_name": None}
NOBODY = pd.Series([], dtype="str")


def told(state="uln", now=None, school="6604025", batch="B1", blocked=NOBODY):
    """The rule and the fields, of a learner who was sent by school 6604025 in batch B1."""
    standing = {"row_ref": "r1", "school_number": school, "upn": "U1", "state": state, "batch_ref": batch}
    forms = {"row_ref": "r1", "upn": "U1"} | SENT | (now or {})
    sent = {"batch_ref": "B1", "upn": "U1", "school_number": "6604025"} | SENT
    tables = [pd.DataFrame([row]).astype("str") for row in (standing, forms, sent)]
    return list(changed(*tables, blocked)[["rule", "field"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("state", "rule"),
    [("uln", "CHG01"), ("sent", "CHG02"), ("exception", None), ("waiting", None), ("held", None)],
)
def test_who_is_told_what(state, rule):
    assert told(state, {"postcode": "new"}) == ([(rule, "postcode")] if rule else [])


@pytest.mark.parametrize("field", SENT_FIELDS)
def test_each_field_that_is_sent_counts(field):
    assert told(now={field: "new"}) == [("CHG01", field)]


def test_several_fields_are_named_in_one_finding_and_none_where_nothing_differs():
    assert told(now={"postcode": "new", "given_name": "new"}) == [("CHG01", "given_name;postcode")]
    assert told() == []
    assert told(now={"family_name": None}) == [("CHG01", "family_name")]


def test_a_record_that_a_rule_holds_is_told_by_the_rule():
    assert told(now={"postcode": "new"}, blocked=pd.Series(["r1"])) == []


def test_only_the_school_that_asked_and_the_last_batch_count():
    assert told(now={"postcode": "new"}, school="6604026") == []
    assert told(now={"postcode": "new"}, batch="B2") == []
