"""Merging: a function of the set of answers; ULN by check digit; conflicts shown, never put over the held one."""

import itertools

import pandas as pd

from tasks.core import merging
from tasks.core.merging import merge_answers, tie, with_conflicts

CODES = pd.DataFrame({"code": ["RC007", "RC010", "NONE"], "precedence": [30, 10, 90]})
SENT = pd.DataFrame(
    {
        "batch_ref": "B1",
        "upn": ["M660402510001", "R681404209123"],
        "row_ref": ["r1", "r2"],
        "cycle": "2012-01",
        "la_code": "660",
        "school_number": "6604025",
        "given_name": "Enghraifft",
        "family_name": "Prawf",
        "dob": "1996-11-05",
        "gender": "2",
        "postcode": "LL77 7NG",
        "ukprn": "10000001",
    }
).astype("str")


def answer(upn, uln=None, code=None, sha="f1", n=1, at="2012-02-01"):
    return {
        "sha256": sha,
        "ordinal": n,
        "received_at": at,
        "batch_ref": "B1",
        "upn": upn,
        "uln": uln,
        "return_code": code,
    }


CYCLES = ["pilot", "2012-01", "2013-01"]


def merged(*answers, sent=SENT, held=()):
    table = pd.DataFrame(answers).astype({"uln": "str", "return_code": "str"})
    register = pd.DataFrame(list(held), columns=["upn", "uln"]).astype("str")
    return merge_answers(table, sent, CODES, register, CYCLES)


def test_uln_by_check_digit_not_by_code():
    learners, exceptions = merged(
        answer("M660402510001", "1000102504", "RC007"), answer("R681404209123", "1000102505", "RC001", n=2)
    )
    assert learners.set_index("upn")["uln"].dropna().to_dict() == {"M660402510001": "1000102504"}
    assert list(exceptions["upn"]) == ["R681404209123"]
    assert list(exceptions["state"]) == ["open"]


def test_exception_closes_when_a_uln_arrives_in_any_order():
    answers = [
        answer("M660402510001", None, "RC007"),
        answer("M660402510001", "1000102504", None, sha="f2"),
        answer("R681404209123", None, None, n=2),
    ]
    results = [merged(*order) for order in itertools.permutations(answers)]
    learners, exceptions = results[0]
    assert dict(zip(exceptions["upn"], exceptions["state"], strict=True)) == {
        "M660402510001": "resolved",
        "R681404209123": "open",
    }
    for other_learners, other_exceptions in results[1:]:
        pd.testing.assert_frame_equal(other_learners, learners)
        pd.testing.assert_frame_equal(other_exceptions, exceptions)


def test_arrival_times_swapped_change_nothing_but_which_of_two_ulns_came_first():
    def both(first, second):
        return merged(
            answer("M660402510001", None, "RC007", at=first), answer("M660402510001", "1000102504", sha="f2", at=second)
        )

    for one, other in zip(both("2012-02-01", "2012-03-01"), both("2012-03-01", "2012-02-01"), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_differing_uln_is_a_conflict_and_the_first_stands():
    learners, _ = merged(
        answer("M660402510001", "9276308686", sha="a-later-one", at="2012-03-01"),
        answer("M660402510001", "1000102504", sha="z-earlier-one", at="2012-02-01"),
    )
    assert list(learners["uln"]) == ["1000102504"]
    assert list(learners["other_ulns"]) == ["9276308686"]
    assert list(with_conflicts(learners, SENT)["conflict"]) == ["LRS01"]


def test_what_the_register_holds_stays_whatever_date_a_later_answer_bears():
    learners, _ = merged(
        answer("M660402510001", "1000102504", at="2012-03-01"),
        answer("M660402510001", "9276308686", sha="f2", at="2012-01-01"),
        held=[("M660402510001", "1000102504")],
    )
    assert list(learners["uln"]) == ["1000102504"] and list(learners["other_ulns"]) == ["9276308686"]


def two_upns(second_dob="1996-11-05", **more):
    """The register's entries where one ULN was answered for two UPNs."""
    sent = SENT.assign(dob=["1996-11-05", second_dob])
    learners, _ = merged(
        answer("M660402510001", "1000102504", **more), answer("R681404209123", "1000102504", n=2), sent=sent
    )
    return with_conflicts(learners, sent)


def test_one_uln_for_two_learners_is_a_conflict():
    found = two_upns(second_dob="1996-11-06")
    assert list(found["conflict"]) == ["LRS02", "LRS02"]
    assert list(found["other_upns"]) == ["R681404209123", "M660402510001"]


def test_one_uln_for_two_upns_of_what_is_one_learner_to_the_lrs():
    assert list(two_upns()["conflict"]) == ["LRS03", "LRS03"]


def test_who_is_in_no_conflict_has_none():
    learners, _ = merged(answer("M660402510001", "1000102504"), answer("R681404209123", None, "RC007", n=2))
    found = with_conflicts(learners, SENT)
    assert found["conflict"].isna().all() and found["other_upns"].isna().all()
    assert with_conflicts(learners[:0], SENT).empty


def test_a_learner_in_two_conflicts():
    learners, _ = merged(
        answer("M660402510001", "1000102504"),
        answer("M660402510001", "9276308686", sha="f2", at="2012-03-01"),
        answer("R681404209123", "1000102504", n=2),
    )
    assert list(with_conflicts(learners, SENT)["conflict"]) == ["LRS01;LRS03", "LRS03"]


def test_a_learner_stands_in_the_first_cycle_that_gave_the_uln_else_in_the_last_that_was_asked():
    later = SENT.assign(batch_ref="B2", cycle="2013-01", school_number="6604026")
    first = answer("M660402510001", None, "RC007")
    second = answer("M660402510001", "1000102504", sha="f2", at="2013-02-01") | {"batch_ref": "B2"}
    both = pd.concat([SENT.assign(cycle="pilot"), later], ignore_index=True)
    assert list(merged(first, second | {"uln": None}, sent=both)[0]["cycle"]) == ["2013-01"]
    assert list(merged(first, second, sent=both)[0]["cycle"]) == ["2013-01"]
    assert list(merged(first | {"uln": "1000102504"}, second, sent=both)[0]["cycle"]) == ["pilot"]


def test_first_code_by_precedence_and_all_codes_kept():
    _, exceptions = merged(answer("M660402510001", None, "RC007"), answer("M660402510001", None, "RC010", sha="f2"))
    assert list(exceptions["return_code"]) == ["RC010"]
    assert list(exceptions["all_codes"]) == ["RC007;RC010"]


def test_tie_by_ukprn_and_mis_identifier():
    batches = pd.DataFrame(
        {
            "batch_ref": ["B1", "B2"],
            "file_name": ["LRB_10000001_010220120900.CSV", "LRB_10000001_010220130900.CSV"],
            "cycle": ["2012-01", "2013-01"],
            "built_at": ["2012-02-01T09:00", "2013-02-01T09:00"],
        }
    )
    sent = pd.concat([SENT, SENT.assign(batch_ref="B2")])
    answers = pd.DataFrame(
        {
            "sha256": "f1",
            "ordinal": [1, 2, 3, 4],
            "file_name_cell": ["LRB_10000001_010220120900", None, None, None],
            "ukprn": ["10000001", "10000001", "10000009", "10000001"],
            "mis_identifier": ["M660402510001", "m660402510001 ", "M660402510001", "not-ours"],
        }
    ).astype({"file_name_cell": "str"})
    found = tie(answers, sent, batches, CYCLES)
    assert list(found["tied"]) == ["Y", "Y", "N", "N"]
    assert list(found["batch_ref"].dropna()) == ["B1", "B2"]
    assert list(found["upn"]) == [*["M660402510001"] * 3, "NOT-OURS"]


def test_the_last_of_equal_rows_is_that_of_the_whole_table_sorted():
    several = pd.DataFrame(
        list(itertools.product("ab", [True, False], [1, 2], ["x", "y"])), columns=["upn", "n", "p", "b"]
    )
    rows = pd.concat(
        [several.sample(frac=1, random_state=3), pd.DataFrame([("c", False, 9, "x")], columns=several.columns)]
    )
    for some in (rows, rows.iloc[-1:], rows[:0]):
        plain = some.sort_values(["upn", "n", "p", "b"]).drop_duplicates("upn", keep="last")
        found = merging._last(some, ["upn"], ["n", "p", "b"]).sort_values("upn")
        pd.testing.assert_frame_equal(found, plain)


def test_ties_do_not_depend_on_the_order_in_which_things_stand():
    sent = pd.concat([SENT.assign(batch_ref=ref) for ref in ("B1", "B2", "B3")], ignore_index=True)
    batches = pd.DataFrame(
        {
            "batch_ref": ["B1", "B2", "B3"],
            "file_name": ["LRB_1.CSV", "LRB_2.x.XML", "LRB_3.CSV"],
            "cycle": ["2012-01", "2012-01", "pilot"],
            "built_at": ["2012-02-01", "2012-02-02", "2012-02-03"],
        }
    )
    cells = ["LRB_1", " lrb_1", "LRB_2.x.xml ", "LRB_3.Csv", None, "LRB_9"]
    answers = pd.DataFrame(
        {
            "sha256": "f1",
            "ordinal": range(6),
            "file_name_cell": cells,
            "ukprn": " 10000001",
            "mis_identifier": SENT["upn"][0],
        }
    ).astype({"file_name_cell": "str"})
    found = tie(answers, sent, batches, CYCLES)
    assert list(found["batch_ref"]) == ["B1", "B2", "B2", "B3", "B2", "B2"]
    other = tie(answers[::-1], sent[::-1], batches[::-1], CYCLES)
    pd.testing.assert_frame_equal(other[::-1].reset_index(drop=True), found)
