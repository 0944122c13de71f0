"""The diary of learners who stand in more than one record: two schools over two cycles. `docs/one-learner.md` has the rules.

Each learner plays one case, so that one walk through two cycles tells them all. Who is whose: by number.
"""

import shutil
from pathlib import Path

import pytest

from tasks.io.lake.lake import Lake
from tasks.reports.status import status_of
from tasks.reports.trace import stories
from tests.support.diary import census, returns
from tests.support.learners.in_schools import (
    A,
    B,
    got,
    hand_in,
    learner,
    lrs_answers,
    reasons,
    sent,
    two_schools,
    uln,
    upn,
)

pytestmark = pytest.mark.long

JANUARY, NEXT = "2012-01", "2013-01"
MAIN, BOTH_MAIN, SINGLE, STAYED, LEFT = upn(1), upn(2), upn(3), upn(4), upn(5)
TWO_PEOPLE, TWIN, OTHER_TWIN, MOVER, OPEN_MOVER = upn(6), upn(7), upn(8), upn(9), upn(10)
TEMPORARY, PERMANENT = upn(11, temporary=True), upn(11)
FORGOTTEN, NOT_TOLD = upn(12, temporary=True), upn(12)
QUICK, QUICKER = upn(13, temporary=True), upn(13)
EXCEPTED, CORRECTED = upn(14, temporary=True), upn(14)
SHARED, SHARED_TOO = upn(15), upn(16)
ONE, ONE_TOO = upn(17), upn(18, school=B)
DIFFERS, MARRIED, MARRIED_NOW = upn(19), upn(20, temporary=True), upn(20)
BORN = {
    name: f"1996-11-{day:02}" for day, name in enumerate((MAIN, BOTH_MAIN, SINGLE, STAYED, LEFT, MOVER, OPEN_MOVER), 1)
}


def of(number, **changes):
    return learner(number, dob=BORN[number], **changes)


#: What does not change from return to return in school A.
TWINS = [learner(TWIN, forename="Ann", surname="Efa"), learner(OTHER_TWIN, forename="Bet", surname="Efa")]


def january_in_a(*, without=(), instead=()):
    rows = [
        of(MAIN, status="M"), of(BOTH_MAIN, status="M"), of(SINGLE, status="M"), of(STAYED), of(LEFT),
        learner(TWO_PEOPLE, forename="Nia"), *TWINS, of(MOVER), of(OPEN_MOVER),
        learner(TEMPORARY, dob="1996-12-01"), learner(FORGOTTEN, dob="1996-12-02"), learner(QUICK, dob="1996-12-03"),
        learner(EXCEPTED, dob="1996-12-04"), learner(SHARED, forename="Mair"), learner(SHARED_TOO, forename="Mari"),
        learner(ONE, dob="1996-12-05"), learner(DIFFERS, dob="1996-12-06"), learner(MARRIED, dob="1996-12-07"),
    ]  # fmt: skip
    return [*(row for row in rows if row["upn"] not in without), *instead]


@pytest.fixture(scope="module")
def monday(tmp_path_factory):
    """January 2012: both schools' first returns, the batches are with the LRS."""
    root = two_schools(tmp_path_factory.mktemp("one-learner"))
    hand_in(root, A, "2012-01-20", *january_in_a())
    hand_in(
        root, B, "2012-01-21", of(MAIN, status="S"), of(BOTH_MAIN, status="M"), of(SINGLE),
        learner(TWO_PEOPLE, forename="Huw", gender="M"), learner(ONE_TOO, dob="1996-12-05"),
    )  # fmt: skip
    census(root, JANUARY, "2012-01-30T02:30")
    return root


@pytest.fixture(scope="module")
def wednesday(monday, tmp_path_factory):
    """Two have moved from A to B, one of them is still in A's return; two have a permanent UPN; one answer came."""
    root = Path(shutil.copytree(monday, tmp_path_factory.mktemp("wednesday") / "root"))
    lrs_answers(root, "early.csv", {EXCEPTED: "RC007"})
    returns(root, JANUARY, "2012-01-31T02:30")
    instead = [
        learner(QUICKER, former=QUICK, dob="1996-12-03"),
        learner(CORRECTED, former=EXCEPTED, dob="1996-12-04"),
    ]
    hand_in(root, A, "2012-01-30", *january_in_a(without=(LEFT, QUICK, EXCEPTED), instead=instead))
    hand_in(
        root, B, "2012-01-31", of(MAIN, status="S"), of(BOTH_MAIN, status="M"), of(SINGLE), of(STAYED), of(LEFT),
        learner(TWO_PEOPLE, forename="Huw", gender="M"), learner(ONE_TOO, dob="1996-12-05"),
    )  # fmt: skip
    census(root, JANUARY, "2012-02-01T02:30")
    return root


@pytest.fixture(scope="module")
def february(wednesday, tmp_path_factory):
    """The LRS has answered, and the schools have their files."""
    root = Path(shutil.copytree(wednesday, tmp_path_factory.mktemp("february") / "root"))
    ones = {ONE: uln(17), ONE_TOO: uln(17), SHARED: uln(15), SHARED_TOO: uln(15), OPEN_MOVER: "RC007"}
    others = (MAIN, SINGLE, STAYED, LEFT, TWIN, OTHER_TWIN, MOVER, TEMPORARY, FORGOTTEN, QUICK, DIFFERS, MARRIED)
    lrs_answers(root, "answers.csv", ones | {number: uln(100 + n) for n, number in enumerate(others)})
    returns(root, JANUARY, "2012-02-20T02:30")
    return root


@pytest.fixture(scope="module")
def a_year_later(february, tmp_path_factory):
    """January 2013. One school has forgotten a former UPN, and one learner has married meanwhile."""
    root = Path(shutil.copytree(february, tmp_path_factory.mktemp("later") / "root"))
    day = {"census_day": "2013-01-15"}
    hand_in(
        root, A, "2013-01-18", learner(PERMANENT, former=TEMPORARY, dob="1996-12-01", year="11"),
        learner(NOT_TOLD, dob="1996-12-02", year="11"), learner(DIFFERS, dob="1996-12-06", uln=uln(999), year="11"),
        learner(ONE, former=ONE_TOO, dob="1996-12-05", year="11"), *TWINS,
        learner(MARRIED_NOW, surname="Rhys", dob="1996-12-07", year="11"), **day,
    )  # fmt: skip
    hand_in(root, B, "2013-01-18", of(MOVER, year="11"), of(OPEN_MOVER, year="11"), **day)
    census(root, NEXT, "2013-01-29T02:30")
    return root


def times_sent(root, *numbers):
    return [school for school, number in sent(root) if number in numbers]


def test_dually_registered_the_main_school_asks(monday):
    assert reasons(monday, JANUARY)[B, MAIN] == "enrolment_status"
    assert times_sent(monday, MAIN) == [A]


def test_a_school_that_says_main_asks_before_one_that_says_single_and_both_get_the_uln(monday, february):
    assert reasons(monday, JANUARY)[B, SINGLE] == "asked_elsewhere"
    assert times_sent(february, SINGLE) == [A]
    assert got(february, A)[0][SINGLE] == got(february, B)[0][SINGLE] == uln(101)
    assert (SINGLE, "TWO01") in got(february, B)[1]


def test_two_schools_that_both_say_main_are_left_to_agree(february):
    assert times_sent(february, BOTH_MAIN) == []
    assert (BOTH_MAIN, "UPN06") in got(february, A)[1] and (BOTH_MAIN, "UPN06") in got(february, B)[1]


def test_one_upn_for_two_people_goes_nowhere(february):
    assert times_sent(february, TWO_PEOPLE) == []
    assert (TWO_PEOPLE, "UPN06") in got(february, A)[1] and (TWO_PEOPLE, "UPN06") in got(february, B)[1]


def test_twins_are_two_and_each_gets_the_own_uln(monday, february):
    assert times_sent(monday, TWIN) == times_sent(monday, OTHER_TWIN) == [A]
    ulns, lines = got(february, A)
    assert (ulns[TWIN], ulns[OTHER_TWIN]) == (uln(104), uln(105))
    assert not [code for number, code in lines if number in (TWIN, OTHER_TWIN)]


def test_who_moves_within_a_cycle_is_not_sent_again_and_the_new_school_gets_the_uln(wednesday, february):
    # LEFT is gone from A's newer return; STAYED still stands in it, and B's is newer.
    found = reasons(wednesday, JANUARY)
    assert (found[A, STAYED], found[B, STAYED], found[B, LEFT]) == ("asked_elsewhere", "chosen", "chosen")
    assert times_sent(february, STAYED) == times_sent(february, LEFT) == [A]
    ulns, lines = got(february, B)
    assert (ulns[STAYED], ulns[LEFT]) == (uln(102), uln(103))
    assert not [code for number, code in lines if number in (STAYED, LEFT)]
    assert (STAYED, "TWO01") in got(february, A)[1]


def test_a_permanent_upn_within_a_cycle_sends_nobody_again(february):
    assert times_sent(february, QUICK, QUICKER) == [A]
    assert got(february, A)[0][QUICKER] == uln(109)
    # Nothing but the UPN of the one with an exception is new: that is nothing new to the LRS.
    assert times_sent(february, EXCEPTED, CORRECTED) == [A]
    assert (CORRECTED, "RC007") in got(february, A)[1]
    standing = status_of(str(february), JANUARY)
    assert standing["total"]["balanced"] and standing["total"]["waiting"] == 0


def test_an_exception_whose_learner_was_corrected_under_the_permanent_upn_goes_once_more(february, tmp_path):
    root = Path(shutil.copytree(february, tmp_path / "root"))
    right = learner(CORRECTED, former=EXCEPTED, dob="1996-12-04", postcode="LL77 7NH")
    quicker = learner(QUICKER, former=QUICK, dob="1996-12-03")
    hand_in(root, A, "2012-01-31", *january_in_a(without=(LEFT, QUICK, EXCEPTED), instead=[right, quicker]))
    assert census(root, JANUARY, "2012-02-21T02:30")["release.learners"] == 1
    assert times_sent(root, CORRECTED) == [A]
    assert census(root, JANUARY, "2012-02-22T02:30")["release.learners"] == 0


def test_one_uln_for_two_upns_goes_back_where_it_is_one_learner_and_nowhere_where_it_is_two(february):
    (at_a, lines_a), (at_b, lines_b) = got(february, A), got(february, B)
    assert at_a[ONE] == at_b[ONE_TOO] == uln(17)
    assert (ONE, "LRS03") in lines_a and (ONE_TOO, "LRS03") in lines_b
    assert not {SHARED, SHARED_TOO} & at_a.keys()
    assert (SHARED, "LRS02") in lines_a and (SHARED_TOO, "LRS02") in lines_a


def test_a_year_later_the_temporary_upn_s_uln_comes_under_the_permanent_one(a_year_later, tmp_path):
    assert reasons(a_year_later, NEXT)[A, PERMANENT] == "uln_held"
    assert times_sent(a_year_later, PERMANENT) == []
    root = Path(shutil.copytree(a_year_later, tmp_path / "root"))
    returns(root, NEXT, "2013-01-30T02:30")
    ulns, lines = got(root, A)
    assert ulns[PERMANENT] == uln(107)
    assert ulns[ONE] == uln(17) and (ONE, "LRS03") not in lines, "the school has said which UPN is the former one"
    assert DIFFERS not in ulns and (DIFFERS, "REG03") in lines
    assert Lake(root / "lake").read("learners", ["uln"], upn=DIFFERS)["uln"].iloc[0] == uln(110), "never overwritten"


def test_a_year_later_a_forgotten_former_upn_holds_the_learner_and_entering_it_gives_the_uln(a_year_later, tmp_path):
    assert times_sent(a_year_later, NOT_TOLD, MARRIED_NOW) == []
    root = Path(shutil.copytree(a_year_later, tmp_path / "root"))
    returns(root, NEXT, "2013-01-30T02:30")
    lines = got(root, A)[1]
    assert (NOT_TOLD, "UPN07") in lines and (MARRIED_NOW, "UPN07") in lines
    entered = [
        learner(NOT_TOLD, former=FORGOTTEN, dob="1996-12-02", year="11"),
        learner(MARRIED_NOW, former=MARRIED, surname="Rhys", dob="1996-12-07", year="11"),
    ]
    hand_in(root, A, "2013-01-25", *entered, census_day="2013-01-15")
    census(root, NEXT, "2013-02-05T02:30")
    returns(root, NEXT, "2013-02-06T02:30")
    ulns, lines = got(root, A)
    # The LRS knows the second by the name from before the marriage.
    assert (ulns, lines) == ({NOT_TOLD: uln(108), MARRIED_NOW: uln(111)}, [(MARRIED_NOW, "CHG01")])
    assert times_sent(root, NOT_TOLD, MARRIED_NOW) == []


def test_a_year_later_a_mover_gets_the_held_uln_and_an_open_exception_is_asked_for_by_the_new_school(
    a_year_later, tmp_path
):
    assert reasons(a_year_later, NEXT)[B, MOVER] == "uln_held"
    assert times_sent(a_year_later, MOVER) == [A]
    assert times_sent(a_year_later, OPEN_MOVER) == [A, B]
    root = Path(shutil.copytree(a_year_later, tmp_path / "root"))
    returns(root, NEXT, "2013-01-30T02:30")
    assert got(root, B)[0] == {MOVER: uln(106)}


@pytest.fixture(scope="module")
def given_up(tmp_path_factory):
    """The first batch was abandoned; then two of it have permanent UPNs, one school entry without the former one."""
    root = two_schools(tmp_path_factory.mktemp("given-up"))
    hand_in(root, A, "2012-01-20", learner(TEMPORARY, dob="1996-12-01"), learner(FORGOTTEN, dob="1996-12-02"))
    census(root, JANUARY, "2012-01-30T02:30")
    lake = Lake(root / "lake")
    lake.upsert("batches", lake.read("batches").assign(state="ABANDONED"))
    now = [learner(PERMANENT, former=TEMPORARY, dob="1996-12-01"), learner(NOT_TOLD, dob="1996-12-02")]
    hand_in(root, A, "2012-01-31", *now)
    census(root, JANUARY, "2012-02-01T02:30")
    return root


def test_who_was_in_an_abandoned_batch_alone_is_not_held_as_sent_before(given_up):
    assert times_sent(given_up, PERMANENT) == times_sent(given_up, NOT_TOLD) == [A]


def test_an_answer_by_the_demographics_looks_past_an_abandoned_batch(given_up, tmp_path):
    root = Path(shutil.copytree(given_up, tmp_path / "root"))
    lines = [
        "FileName,UKPRN,MISIdentifier,ULN,ReturnCode,GivenName,FamilyName,DateOfBirth,Gender,LastKnownPostCode",
        f",10000001,,{uln(11)},RC001,Sian,Prys,1996-12-01,2,LL77 7NG",
        f",10000001,,{uln(12)},RC001,Sian,Rhys,1996-12-02,2,LL77 7NG",
    ]
    (root / "lrs" / "inbox" / "export.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    returns(root, JANUARY, "2012-02-20T02:30")
    assert got(root, A)[0] == {PERMANENT: uln(11)}
    # The other one differs in the family name from one learner who was sent, and from no second one.
    near = (root / "reports" / "untied_near_misses.csv").read_text(encoding="utf-8-sig")
    assert NOT_TOLD in near and FORGOTTEN not in near


@pytest.mark.parametrize("when", ["monday", "wednesday", "a_year_later"])
def test_the_same_census_again_changes_nothing(when, request, tmp_path):
    root = Path(shutil.copytree(request.getfixturevalue(when), tmp_path / "root"))
    cycle = NEXT if when == "a_year_later" else JANUARY
    before = Lake(root / "lake").versions()
    assert census(root, cycle, "2013-03-01T02:30")["release.learners"] == 0
    again = Lake(root / "lake").versions()
    assert again == before


def test_a_twin_whose_former_upn_was_typed_as_her_sister_s_does_not_get_her_uln(tmp_path):
    root = two_schools(tmp_path / "root")
    hand_in(root, A, "2012-01-20", learner(TWIN, forename="Ann"))
    census(root, JANUARY, "2012-01-30T02:30")
    lrs_answers(root, "ann.csv", {TWIN: uln(5)})
    returns(root, JANUARY, "2012-01-31T02:30")
    ann, bet = learner(TWIN, forename="Ann", uln=uln(5)), learner(OTHER_TWIN, forename="Bet", former=TWIN)
    hand_in(root, A, "2012-02-01", ann, bet)
    census(root, JANUARY, "2012-02-02T02:30")
    returns(root, JANUARY, "2012-02-03T02:30")
    assert times_sent(root, OTHER_TWIN) == [A], "she is asked for herself"
    assert OTHER_TWIN not in got(root, A)[0]
    # Nor is either told of in the other's story.
    for own, sister in ((TWIN, OTHER_TWIN), (OTHER_TWIN, TWIN)):
        [one] = stories(str(root), own)
        assert set(one.events.of_learner["upn"].dropna()) == {own} == set(one.known.of_learner["upn"])
        assert sister not in set(one.states.of_learner["upn"])


@pytest.mark.parametrize("school", [A, B], ids=["one-school", "two-schools"])
def test_a_corrected_exception_that_stands_under_both_upns_goes_once_more_under_the_permanent_one(school, tmp_path):
    root = two_schools(tmp_path / "root")
    hand_in(root, A, "2012-01-20", learner(EXCEPTED))
    census(root, JANUARY, "2012-01-30T02:30")
    lrs_answers(root, "answers.csv", {EXCEPTED: "RC007"})
    returns(root, JANUARY, "2012-01-31T02:30")
    old = learner(EXCEPTED, postcode="LL77 7NH")
    new = learner(CORRECTED, former=EXCEPTED, postcode="LL77 7NH")
    hand_in(root, A, "2012-01-31", *([old, new] if school == A else [old]))
    if school == B:
        hand_in(root, B, "2012-01-31", new)
    assert census(root, JANUARY, "2012-02-01T02:30")["release.learners"] == 1
    assert times_sent(root, EXCEPTED, CORRECTED) == [A, school]
    assert (school, CORRECTED) in sent(root)
