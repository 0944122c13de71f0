"""The diary of learners whose exception was opened under a temporary UPN, and who have a permanent one since.

All were answered RC007 on 12 February 2012. The return of 19 February has each under the permanent UPN, and says which the
former one is. By number of the learner:

| who | what happens |
|---|---|
| 1 | nothing else is new; on 10 March an export has the ULN, under the temporary UPN |
| 2 | has another postcode and goes out again, under the permanent UPN, which gets the ULN on 1 March |
| 3 | the same, but is answered RC007 again; the export of 10 March has the ULN, under the temporary UPN |
| 4 | the return of 19 February has a ULN |
| 5 | the permanent UPN is that of somebody with another date of birth |
| 6 | is in the return of 5 March no more |
| 7 | nothing; in January 2013 goes out under the permanent UPN and gets a ULN |
| 8 | nothing; in January 2013 goes out under the permanent UPN, and is answered RC007 again |
| 9 | the return of 5 March names no former UPN any more: that was another learner |
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tasks.reports.status import status_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.steps.possible_matches import possible_matches
from tests.support.cli import uln as command
from tests.support.diary import census, returns
from tests.support.learners.in_schools import A, got, hand_in, learner, lrs_answers, sent, two_schools, uln, upn

pytestmark = pytest.mark.long

FIRST, SECOND = "2012-01", "2013-01"
WHO = range(1, 10)
TEMPORARY = {who: upn(who, temporary=True) for who in WHO}
PERMANENT = {who: upn(who) for who in WHO}
OPENED, CORRECTED, ANSWERED, SETTLED = "2012-02-12", "2012-02-20", "2012-03-01", "2012-03-10"
A_YEAR_ON, THEN_ANSWERED = "2013-01-30", "2013-02-12"


def lives(root, cycle):
    """What the cycle's snapshot says: (number, kind of UPN) -> state, cause, and the days of what has happened."""
    rows = pd.read_parquet(root / "snapshots" / cycle / "exceptions.parquet").fillna("")
    name = {number: (who, "temporary") for who, number in TEMPORARY.items()}
    name |= {number: (who, "permanent") for who, number in PERMANENT.items()}
    days = ["seen_on", "asked_again_on", "resolved_on", "withdrawn_on", "since"]
    return {
        name[row["upn"]]: (row["state"], row["cause"], {d.removesuffix("_on"): row[d] for d in days if row[d]})
        for row in rows.to_dict("records")
    }


def born(who):
    return {"dob": f"1996-11-{who:02}"}


def permanent(who, **changes):
    return learner(PERMANENT[who], **{"former": TEMPORARY[who], **born(who), **changes})


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    """20 February 2012: the permanent UPNs have come. Two learners go out again, and the one with another date of birth."""
    root = two_schools(tmp_path_factory.mktemp("another-upn"))
    hand_in(root, A, "2012-01-20", *(learner(TEMPORARY[who], **born(who)) for who in WHO))
    census(root, FIRST, "2012-01-30T02:30")
    lrs_answers(root, "result.csv", dict.fromkeys(TEMPORARY.values(), "RC007"))
    returns(root, FIRST, f"{OPENED}T09:15")
    moved = {"postcode": "LL65 1AA"}
    changes = {2: moved, 3: moved, 4: {"uln": uln(4)}, 5: {"dob": "1996-12-05"}}
    hand_in(root, A, "2012-02-19", *(permanent(who, **changes.get(who, {})) for who in WHO))
    census(root, FIRST, f"{CORRECTED}T02:30")
    return root


@pytest.fixture(scope="module")
def answered(corrected, tmp_path_factory):
    """1 March: the LRS answers what went out again. 5 March: a return without number 6."""
    root = Path(shutil.copytree(corrected, tmp_path_factory.mktemp("answered") / "root"))
    lrs_answers(root, "again.csv", {PERMANENT[2]: uln(2), PERMANENT[3]: "RC007", PERMANENT[5]: uln(5)})
    returns(root, FIRST, f"{ANSWERED}T09:15")
    moved = {"postcode": "LL65 1AA"}
    changes = {2: moved, 3: moved, 4: {"uln": uln(4)}, 5: {"dob": "1996-12-05"}, 9: {"former": ""}}
    hand_in(root, A, "2012-03-05", *(permanent(who, **changes.get(who, {})) for who in WHO if who != 6))
    census(root, FIRST, "2012-03-06T02:30")
    returns(root, FIRST, "2012-03-06T09:15")
    return root


@pytest.fixture(scope="module")
def settled(answered, tmp_path_factory):
    """10 March: an export of processed exceptions names the temporary UPNs."""
    root = Path(shutil.copytree(answered, tmp_path_factory.mktemp("settled") / "root"))
    lrs_answers(root, "ExportProcessedExceptions.csv", {TEMPORARY[1]: uln(1), TEMPORARY[3]: uln(3)})
    returns(root, FIRST, f"{SETTLED}T09:15")
    return root


@pytest.fixture(scope="module")
def year_on(settled, tmp_path_factory):
    """January 2013: who has no ULN yet goes out once more."""
    root = Path(shutil.copytree(settled, tmp_path_factory.mktemp("later") / "root"))
    rows = [permanent(who, year="11", **({"uln": uln(4)} if who == 4 else {})) for who in WHO if who not in (5, 6, 9)]
    hand_in(root, A, "2013-01-20", *rows, census_day="2013-01-15")
    assert census(root, SECOND, f"{A_YEAR_ON}T02:30")["release.learners"] == 2
    lrs_answers(root, "result-2013.csv", {PERMANENT[7]: uln(7), PERMANENT[8]: "RC007"})
    for cycle in (FIRST, SECOND):
        returns(root, cycle, f"{THEN_ANSWERED}T09:15")
    return root


SEEN = {"seen": OPENED, "since": OPENED}
AGAIN = SEEN | {"asked_again": CORRECTED}
#: As things stand on 6 March, and of those whom the export does not name for ever in the cycle of 2012.
IN_MARCH = {
    (1, "temporary"): ("seen", "", SEEN),
    (2, "temporary"): ("resolved", "resubmission", AGAIN | {"resolved": ANSWERED}),
    (3, "temporary"): ("asked_again", "", AGAIN),
    # The learner has waited since February, under whichever UPN.
    (3, "permanent"): ("seen", "", {"seen": ANSWERED, "since": OPENED}),
    (4, "temporary"): ("resolved", "return", SEEN | {"resolved": CORRECTED}),
    # Another date of birth is another learner: whoever had the temporary UPN has left.
    (5, "temporary"): ("withdrawn", "left", SEEN | {"withdrawn": CORRECTED}),
    (6, "temporary"): ("withdrawn", "left", SEEN | {"withdrawn": "2012-03-06"}),
    (7, "temporary"): ("seen", "", SEEN),
    (8, "temporary"): ("seen", "", SEEN),
    (9, "temporary"): ("withdrawn", "left", SEEN | {"withdrawn": CORRECTED}),
}
BY_EXPORT = {
    (1, "temporary"): ("resolved", "export", SEEN | {"resolved": SETTLED}),
    (3, "temporary"): ("resolved", "export", AGAIN | {"resolved": SETTLED}),
    (3, "permanent"): ("resolved", "export", {"seen": ANSWERED, "since": OPENED, "resolved": SETTLED}),
}


def test_6_march_each_life_has_followed_the_learner_to_the_permanent_upn(answered):
    assert lives(answered, FIRST) == IN_MARCH
    # What is still open is what the cycle's standing counts as exceptions: 1, 3, 7 and 8.
    assert status_of(str(answered), FIRST)["total"]["exception"] == 4


def test_6_march_the_temporary_upn_that_was_answered_without_a_uln_too_is_no_reason_for_a_possible_match(answered):
    found = possible_matches(RunContext.of(str(answered), FIRST), Chunk(("660",))).set_index("upn")["cause"]
    assert found[PERMANENT[3]] == "unknown"


def test_10_march_a_uln_under_the_temporary_upn_ends_the_exceptions_under_both(settled):
    assert lives(settled, FIRST) == IN_MARCH | BY_EXPORT
    standing = status_of(str(settled), FIRST)["total"]
    assert (standing["exception"], standing["balanced"]) == (2, True)


def test_10_march_the_school_gets_the_uln_under_the_permanent_upn_and_is_asked_nothing_more_of_it(settled):
    ulns, lines = got(settled, A)
    assert (ulns[PERMANENT[1]], ulns[PERMANENT[3]]) == (uln(1), uln(3))
    assert [line for line in lines if line[1] == "RC007"] == sorted((PERMANENT[who], "RC007") for who in (7, 8))


def test_10_march_nobody_is_sent_again_when_the_census_is_run_once_more(settled, tmp_path):
    root = Path(shutil.copytree(settled, tmp_path / "root"))
    assert census(root, FIRST, "2012-03-12T02:30")["release.learners"] == 0
    assert sent(root) == sent(settled)


def test_a_year_later_the_cycle_of_2012_sees_nothing_of_it_and_that_of_2013_how_it_ended(settled, year_on):
    assert lives(year_on, FIRST) == lives(settled, FIRST)
    # Its own snapshot knows its own exceptions alone, and from when each of these is.
    assert lives(year_on, SECOND) == {(8, "permanent"): ("seen", "", {"seen": THEN_ANSWERED, "since": THEN_ANSWERED})}
    found = json.loads(command(year_on, "exceptions", SECOND, "--json", "--as-of", "2013-02-13"))
    assert {(s["cycle"], s["state"], s["cause"]): s["number"] for s in found["states"]} == {
        (FIRST, "resolved", "export"): 3,
        (FIRST, "resolved", "resubmission"): 2,
        (FIRST, "resolved", "return"): 1,
        (FIRST, "withdrawn", "left"): 3,
        (FIRST, "asked_again", ""): 1,
        (SECOND, "seen", ""): 1,
    }
    assert [(one["age"], one["number"]) for one in found["ages"]] == [("91+", 1)], "since February 2012"
