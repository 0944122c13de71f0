"""The codes of the LRS web service: what is shipped, what overrides it, and that every fault is told at once."""

import pytest

from schemas.codes.service_codes import Connection, Outcome, meaning, service_codes
from schemas.texts.faults import ConfigurationFault
from tests.support.paths import PROJECT

SHIPPED = (PROJECT / "schemas" / "codes" / "service_codes.csv").read_text(encoding="utf-8")
#: docs/reference/sources.md#service-codes.
PUBLISHED = {f"WSRC00{n:02}" for n in [*range(1, 11), 13, 14, 15, *range(17, 25), 30, 43]} - set()
PUBLISHED |= {f"WSEC{n:04}" for n in (1, 2, 3, 4, 5, 6, 44, 45, 46, 47, 136, 206, 208, 999)}
PUBLISHED |= {f"WSVRC00{n}" for n in range(1, 7)}


def test_every_published_code_is_there_in_both_languages_with_its_source():
    codes = service_codes()
    assert codes.keys() == PUBLISHED | set(Connection)
    assert all(c.label_cy != c.label_en and c.action_cy != c.action_en and c.source for c in codes.values())
    assert all(c.explanation.en.count(c.code) == c.explanation.cy.count(c.code) == 1 for c in codes.values())


def test_only_what_is_sure_not_to_have_been_taken_may_be_sent_again_by_itself():
    codes = service_codes()
    again = {c.code for c in codes.values() if c.outcome in (Outcome.NOT_TAKEN, Outcome.LATER)}
    assert again >= {
        "WSEC0004",
        "WSEC0001",
        "WSEC0003",
        "WSEC0005",
        "WSEC0006",
        "WSRC0017",
        "NOT_REACHED",
        "NOT_TRUSTED",
    }
    assert not again & {"WSEC0999", "NO_ANSWER", "ODD_ANSWER", "UNKNOWN"}
    assert {c.code for c in codes.values() if c.outcome == Outcome.TAKEN} == {"WSRC0007"}
    # What is not known stops the run: the next call would be as unsure.
    assert all(c.stops == "Y" for c in codes.values() if c.outcome in (Outcome.UNKNOWN, Outcome.LATER))
    assert meaning("WSEC7777", codes).outcome == Outcome.UNKNOWN


def test_of_what_the_lrs_says_itself_nothing_is_called_known_and_what_follows_is_called_ours():
    theirs = [c for c in service_codes().values() if c.kind != "connection"]
    assert {(c.follows, c.confidence) for c in theirs} == {("inferred", "restated")}
    # What a gateway's refusal means is our reading; all else of a connection this service sees itself.
    ours = {c.code: c.follows for c in service_codes().values() if c.kind == "connection"}
    assert {code for code, follows in ours.items() if follows == "inferred"} == {"REFUSED"}


def test_a_table_of_one_s_own_takes_the_shipped_one_s_place(tmp_path):
    assert service_codes(tmp_path) == service_codes()
    own = SHIPPED.replace("WSEC0004,error,later,Y", "WSEC0004,error,not_taken,Y")
    (tmp_path / "service_codes.csv").write_text(own, encoding="utf-8")
    assert service_codes(tmp_path)["WSEC0004"].outcome == "not_taken"


def test_faults_are_told_at_once(tmp_path):
    own = SHIPPED.replace("WSEC0004,error,later,Y", "WSEC0004,fault,soon,maybe").replace("NO_ANSWER,", "NONE_AT_ALL,")
    (tmp_path / "service_codes.csv").write_text(own, encoding="utf-8")
    with pytest.raises(ConfigurationFault):
        service_codes(tmp_path)
    english = "code,kind,outcome,stops,follows,label_en,label_cy,action_en,action_cy,source,confidence\n"
    (tmp_path / "service_codes.csv").write_text(f"{english}A,fault,soon,maybe,surely,a,b,c,d,e,f\n", encoding="utf-8")
    with pytest.raises(ConfigurationFault) as caught:
        service_codes(tmp_path)
    assert len(caught.value.faults) == len(Connection) + 5
