"""The gate to people: columns pass by their tier, and values only if they are what the column says."""

import pandas as pd
import pytest

from flows.run import artifacts as dashboard
from flows.run import run_page
from schemas.tables import BATCHES, LEARNERS, PUPILS, RECEIVED, TABLES, Tier
from schemas.texts.faults import ServiceFault
from schemas.views import OF_ONE_LEARNER, STAGE_COUNTS, STANDING, VIEWS
from tasks.runtime.visibility import VisibleRows, check_visible, of_one_learner

COUNTED = {"la_code": "660", "stage": "receive", "count": "files", "number": 3}


def test_what_is_open_passes():
    assert check_visible(STAGE_COUNTS, [COUNTED]).rows() == [COUNTED]
    assert check_visible(BATCHES, [{"file_name": "LRB_10000012_190220121234.CSV"}]).rows()
    assert check_visible(STAGE_COUNTS, []).rows() == []


@pytest.mark.parametrize("to", [Tier.OPEN, Tier.INTERNAL])
@pytest.mark.parametrize(
    ("table", "column"),
    [(PUPILS, "surname"), (PUPILS, "upn"), (PUPILS, "dob"), (LEARNERS, "uln"), (PUPILS, "postcode")],
    ids=lambda one: getattr(one, "name", one),
)
def test_what_is_personal_passes_to_nobody(table, column, to):
    with pytest.raises(ServiceFault, match=f"{table.name}.*{column}") as told:
        check_visible(table, [{column: "Zzmarkername"}], to=to)
    assert "Zzmarkername" not in str(told.value)


def test_no_personal_column_of_any_table_passes():
    personal = [(t, c) for t in (*TABLES.values(), *VIEWS.values()) for c in t.columns if c.tier is Tier.PERSONAL]
    assert len(personal) > 20
    for table, column in personal:
        with pytest.raises(ServiceFault, match=column.name):
            check_visible(table, pd.DataFrame({column.name: ["x"]}), to=Tier.INTERNAL)


def test_what_a_sender_has_named_is_for_those_who_have_the_data_root_and_without_identifiers():
    rows = [{"path": "660/M660402510001 LL77 7NG 2012-01-20.xml"}]
    with pytest.raises(ServiceFault, match="path"):
        check_visible(RECEIVED, rows)
    assert check_visible(RECEIVED, rows, to=Tier.INTERNAL).rows() == [{"path": "660/[UPN] [postcode] 2012-01-20.xml"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"surname": "Zzmarkername"},
        {"number": 1234567890},
        {"number": "Zzmarkername"},
        {"count": "M660402510001"},
        {"stage": "1234567890"},
        {"la_code": "LL77 7NG"},
    ],
    ids=lambda one: f"{next(iter(one))}-{type(next(iter(one.values()))).__name__}",
)
def test_a_column_that_holds_what_it_should_not_is_refused(wrong):
    with pytest.raises(ServiceFault, match=next(iter(wrong))) as told:
        check_visible(STAGE_COUNTS, [COUNTED | wrong])
    assert str(next(iter(wrong.values()))) not in str(told.value)


def test_where_records_stand_are_counts():
    with pytest.raises(ServiceFault, match="uln"):
        check_visible(STANDING, [{"school_number": "6604025", "uln": "1234567890"}])
    with pytest.raises(ServiceFault, match="balanced"):
        check_visible(STANDING, [{"balanced": "Zzmarkername"}])


def test_rows_cannot_be_let_through_otherwise():
    with pytest.raises(TypeError):
        VisibleRows(pd.DataFrame({"surname": ["x"]}), object())


def test_one_learner_s_rows_pass_by_no_other_gate_and_to_no_place_for_many():
    view = OF_ONE_LEARNER[0]
    with pytest.raises(ServiceFault, match="upn"):
        check_visible(view, [{"upn": "M660402510001"}], to=Tier.INTERNAL)
    one = of_one_learner(view, pd.DataFrame({"upn": ["M660402510001"]}), {"M660402510001"})
    with pytest.raises(AttributeError):
        dashboard.log_counts("receive", ["660"], one)
    with pytest.raises(ServiceFault, match="upn"):
        of_one_learner(PUPILS, pd.DataFrame({"upn": ["M660402510001"]}), {"M660402510001"})


@pytest.mark.parametrize(
    "show",
    [
        lambda rows: dashboard.log_counts("receive", ["660"], rows),
        lambda rows: run_page.authorities_page("2012-01", rows),
        lambda rows: run_page.batches_page("2012-01", rows),
        lambda rows: run_page.rules_page("2012-01", rows),
        run_page.outcomes_picture_of,
    ],
    ids=["log", "authorities", "batches", "rules", "picture"],
)
def test_the_dashboard_takes_nothing_that_did_not_pass(show):
    with pytest.raises(AttributeError):
        show([{"surname": "Zzmarkername"}])


def test_where_there_is_nothing_rows_have_none():
    rows = check_visible(
        STAGE_COUNTS, pd.DataFrame({"la_code": ["660", None], "number": pd.array([None, 3], dtype="Int64")})
    )
    assert rows.rows() == [{"la_code": "660", "number": None}, {"la_code": None, "number": 3}]
