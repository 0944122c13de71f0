"""The LRS stand-in: one learner, one ULN, over runs; and the answers that it owes for what it is sent."""

import csv
import io

import pandas as pd
import pytest

from schemas.lrs.profiles import all_profiles
from schemas.texts.faults import ServiceFault
from tasks.core.identifiers import uln_valid
from tasks.io.lrs.files import read_result, write_batch
from tasks.rehearsal.lrs_stand_in import answer_outbox, processed_exceptions

PROFILES = all_profiles()
UKPRN, OTHER_UKPRN = "16604025", "16604026"
AT = "280120120915"
GIVEN = ["Sian", "Llyr", "Ffion", "Rhys", "Mali", "Twm", "Nia", "Huw", "Cadi", "Osian"]
FAMILY = ["Jones", "ap Rhys", "O'Brien", "Lloyd-Wyn", "St. John", "Owen", "Pugh", "Tudur", "Prys", "Bevan"]


def learner(n=0, **changes):
    """A learner like no other, up to 4,620 (where all but the family name comes round again)."""
    return {
        "upn": f"A6604025{n:05d}",
        "given_name": GIVEN[n % 10],
        "family_name": f"{FAMILY[n // 10 % 10]} {chr(65 + n // 100 % 26)}{chr(97 + n // 2600)}",
        "middle_name": "",
        "dob": f"1996-{1 + n % 12:02d}-{1 + n % 28:02d}",
        "gender": "12"[n % 2],
        "postcode": f"LL{1 + n % 77} {n % 10}NG",
        "ability_to_share": "1",
    } | changes


def hand_over(root, *rows, at=AT, ukprn=UKPRN, fmt="CSV", profile="2A"):
    name = f"LRB_{ukprn}_{at}.{fmt}"
    content = write_batch(
        pd.DataFrame(rows, dtype="str"), profile=PROFILES[profile], fmt=fmt, ukprn=ukprn, file_name=name
    )
    path = root / "lrs" / "outbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def answer(root, **options):
    return answer_outbox(root, profiles=PROFILES, **options)


def result(root, at=AT, ukprn=UKPRN, ending="_RESULT.CSV"):
    text = (root / "lrs" / "inbox" / f"LRB_{ukprn}_{at}{ending}").read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def codes(root, **options):
    return [row["ReturnCode"] for row in result(root, **options)]


def ulns(root, **options):
    return [row["ULN"] for row in result(root, **options)]


def plain(root, count, seed=0):
    """Numbers of learners to whom no lot fell: a first answer in a root of its own tells."""
    hand_over(root / "trial", *(learner(n) for n in range(count)))
    answer(root / "trial", seed=seed)
    return [n for n, code in enumerate(codes(root / "trial")) if code == "RC001"]


def test_learners_get_valid_ulns_each_their_own(tmp_path):
    hand_over(tmp_path, *(learner(n) for n in range(2000)))
    summary = answer(tmp_path)
    given = pd.Series([u for u in ulns(tmp_path) if u], dtype="str")
    assert uln_valid(given).all()
    assert given.is_unique
    assert (summary.files, summary.rows, summary.ulns) == (1, 2000, len(given))
    assert summary.rows == summary.ulns + sum(summary.exceptions.values())


def test_small_shares_are_answered_otherwise_by_lot(tmp_path):
    hand_over(tmp_path, *(learner(n) for n in range(4000)))
    answer(tmp_path)
    found = pd.Series(codes(tmp_path)).value_counts()
    # Of 10,000 learners 50 are known before, 50 like another, 10 too little described, 15 lack a value, 30 have one in
    # a wrong form, 15 are of a wrong age: here 20, 20, 4, 6, 12 and 6, give or take three standard deviations; none of
    # these learners is near another, and with none is anything wrong.
    assert set(found.index) == {"RC001", "RC002", "RC006", "RC007", "RC010", "RC011", "RC013"}
    assert 7 <= found["RC002"] <= 33
    assert 7 <= found["RC007"] <= 33
    assert 1 <= found["RC006"] <= 10
    assert 1 <= found["RC010"] <= 13
    assert 2 <= found["RC011"] <= 22
    assert 1 <= found["RC013"] <= 13


def by_lot(root, count=2000):
    """The first learner to whom each of the codes fell by lot."""
    hand_over(root / "trial", *(learner(n) for n in range(count)))
    answer(root / "trial")
    fell = pd.Series(codes(root / "trial"))
    return {code: learner(int(fell.index[fell == code][0])) for code in ("RC010", "RC011", "RC013")}


def test_an_answer_by_lot_stays_until_the_school_sends_something_else(tmp_path):
    rows = list(by_lot(tmp_path).values())
    for at in ("280120120915", "280120130915"):
        hand_over(tmp_path, *rows, at=at)
        answer(tmp_path)
        assert codes(tmp_path, at=at) == ["RC010", "RC011", "RC013"]
    hand_over(tmp_path, *(row | {"postcode": "LL77 7NG"} for row in rows), at="290120130915")
    assert answer(tmp_path).ulns == 3


def test_an_answer_by_lot_is_settled_at_the_portal_and_one_with_a_cause_is_not(tmp_path):
    rows = list(by_lot(tmp_path).values())
    wrong = [learner(3001, postcode=""), learner(3002, gender="M"), learner(3003, dob="1999-01-29")]
    hand_over(tmp_path, *rows, *wrong)
    assert answer(tmp_path).exceptions == {"RC010": 2, "RC011": 2, "RC013": 2}
    assert processed_exceptions(tmp_path, 1.0) == 3
    (path,) = (tmp_path / "lrs" / "inbox").glob("ExportProcessedExceptions_*")
    exported = read_result(path.read_bytes(), PROFILES)
    assert set(exported["mis_identifier"]) == {row["upn"] for row in rows}
    hand_over(tmp_path, *rows, at="280120130915")
    answer(tmp_path)
    assert codes(tmp_path, at="280120130915") == ["RC002"] * 3


def test_the_result_mirrors_the_batch(tmp_path):
    sent = hand_over(tmp_path, learner(0), learner(1))
    answer(tmp_path)
    before = list(csv.reader(io.StringIO(sent.read_bytes().decode("utf-8"), newline="")))
    path = tmp_path / "lrs" / "inbox" / f"LRB_{UKPRN}_{AT}_RESULT.CSV"
    after = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))
    assert after[0] == [*before[0], "ReturnCode"]
    place = before[0].index("ULN")
    assert [[c for n, c in enumerate(row[:-1]) if n != place] for row in after] == [
        [c for n, c in enumerate(row) if n != place] for row in before
    ]
    assert path.read_bytes().count(b"\r\n") == 3


def test_the_same_bytes_from_the_same_outbox(tmp_path):
    for name in ("a", "b"):
        hand_over(tmp_path / name, *(learner(n) for n in range(300)))
        answer(tmp_path / name, seed=3)
    files = [sorted(p for p in (tmp_path / n).rglob("*") if p.is_file()) for n in ("a", "b")]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]


def test_a_learner_asked_for_again_gets_the_same_uln(tmp_path):
    first, second = (learner(n) for n in plain(tmp_path, 20)[:2])
    hand_over(tmp_path, first, second)
    answer(tmp_path)
    hand_over(tmp_path, first | {"upn": "B660402600001"}, at="280120130915", ukprn=OTHER_UKPRN)
    answer(tmp_path)
    assert ulns(tmp_path, at="280120130915", ukprn=OTHER_UKPRN) == ulns(tmp_path)[:1]
    assert codes(tmp_path, at="280120130915", ukprn=OTHER_UKPRN) == ["RC002"]


def test_a_learner_who_stands_twice_in_one_hand_over_gets_one_uln(tmp_path):
    one = learner(plain(tmp_path, 20)[0])
    hand_over(tmp_path, one, one | {"upn": "B660402600001"})
    answer(tmp_path)
    assert len(set(ulns(tmp_path))) == 1
    assert codes(tmp_path) == ["RC001", "RC002"]


def test_ulns_stay_unique_over_many_small_runs(tmp_path):
    given = []
    for n in range(25):
        at = f"{1 + n:02d}0120120915"
        hand_over(tmp_path, learner(n), at=at)
        answer(tmp_path)
        given += ulns(tmp_path, at=at)
    given = [u for u in given if u]
    assert len(given) > 15
    assert len(set(given)) == len(given)
    assert uln_valid(pd.Series(given, dtype="str")).all()


def test_answered_files_are_not_answered_again(tmp_path):
    hand_over(tmp_path, learner(0))
    answer(tmp_path)
    path = tmp_path / "lrs" / "inbox" / f"LRB_{UKPRN}_{AT}_RESULT.CSV"
    path.unlink()
    assert answer(tmp_path).files == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"postcode": ""}, "RC010"),
        ({"given_name": " "}, "RC010"),
        ({"gender": ""}, "RC010"),
        ({"ability_to_share": ""}, "RC010"),
        ({"gender": "M"}, "RC011"),
        ({"dob": "05/11/1996"}, "RC011"),
        ({"dob": "1997-02-30"}, "RC011"),
        ({"postcode": "LL77 7CC"}, "RC011"),
        ({"family_name": "Llŷr"}, "RC011"),
        ({"family_name": "O’Brien"}, "RC011"),
        ({"given_name": "S1an"}, "RC011"),
        ({"given_name": "--"}, "RC011"),
        ({"ability_to_share": "3"}, "RC011"),
        ({"dob": "1999-01-29"}, "RC013"),
        ({"dob": "1901-01-28"}, "RC013"),
        ({"postcode": "", "gender": "M"}, "RC010"),
    ],
    ids=[
        "no-postcode",
        "blank-name",
        "no-gender",
        "no-sharing",
        "census-gender",
        "excel-date",
        "unreal-date",
        "postcode-letters",
        "accent",
        "typographic-apostrophe",
        "digit",
        "no-letters",
        "sharing-code",
        "12-on-the-day-of-the-batch",
        "111-on-the-day-of-the-batch",
        "missing-goes-first",
    ],
)
def test_what_is_wrong_is_answered_with_its_code_and_no_uln(tmp_path, changes, code):
    hand_over(tmp_path, learner(**changes))
    summary = answer(tmp_path)
    assert codes(tmp_path) == [code]
    assert ulns(tmp_path) == [""]
    assert summary.exceptions == {code: 1}


@pytest.mark.parametrize("dob", ["1999-01-28", "1901-01-29"], ids=["13-today", "110-still"])
def test_ages_from_13_to_110_on_the_day_of_the_batch_are_taken(tmp_path, dob):
    hand_over(tmp_path, learner(dob=dob))
    answer(tmp_path)
    assert ulns(tmp_path) != [""]


@pytest.mark.parametrize(
    "changes",
    [
        {"postcode": "CF10 1EP"},
        {"given_name": "Gwenllian"},
        {"family_name": "Newydd"},
        {"dob": "1997-03-28"},
        {"gender": "9"},
        "crossed",
    ],
    ids=["moved-house", "twin-or-nickname", "new-name", "slip-in-birthday", "another-gender", "names-crossed"],
)
@pytest.mark.parametrize("together", [True, False], ids=["one-hand-over", "another-run"])
def test_a_learner_like_a_known_one_is_a_possible_match(tmp_path, changes, together):
    one = learner(plain(tmp_path, 20)[0])
    if changes == "crossed":
        changes = {"given_name": one["family_name"], "family_name": one["given_name"]}
    like = one | {"upn": "B660402600001"} | changes
    if together:
        hand_over(tmp_path, one, like)
        answer(tmp_path)
        assert codes(tmp_path)[0] == "RC001"
        found = result(tmp_path)[1]
    else:
        hand_over(tmp_path, one)
        answer(tmp_path)
        hand_over(tmp_path, like, at="290120120915")
        answer(tmp_path)
        found = result(tmp_path, at="290120120915")[0]
    assert (found["ReturnCode"], found["ULN"]) == ("RC007", "")


def test_a_learner_known_from_before_has_a_uln_or_is_a_possible_match_to_one_who_is_like_them(tmp_path):
    one, other, two_apart = (learner(n) for n in plain(tmp_path, 20)[:3])
    five = ["given_name", "family_name", "dob", "gender", "postcode"]
    known = pd.DataFrame(
        [one, other | {"postcode": "CF10 1EP"}, two_apart | {"postcode": "CF10 1EP", "dob": "1997-03-28"}]
    )
    folder = tmp_path / "rehearsal" / "lrs" / "known_before"
    folder.mkdir(parents=True)
    known[five].to_parquet(folder / "2012-01.parquet")
    hand_over(tmp_path, one, other, two_apart)
    answer(tmp_path)
    assert codes(tmp_path) == ["RC002", "RC007", "RC001"]
    # The next run knows them too, and each once.
    hand_over(tmp_path, one, at="280120130915")
    answer(tmp_path)
    assert ulns(tmp_path, at="280120130915") == ulns(tmp_path)[:1]
    register = pd.read_parquet(tmp_path / "rehearsal" / "lrs" / "register.parquet")
    assert len(register) == 4 and register["uln"].is_unique


@pytest.mark.parametrize(("fmt", "profile"), [("CSV", "3A"), ("XML", "2A"), ("XML", "3A")])
def test_other_layouts_are_answered_alike(tmp_path, fmt, profile):
    rows = [learner(n) for n in range(50)]
    hand_over(tmp_path / "a", *rows)
    hand_over(tmp_path / "b", *rows, fmt=fmt, profile=profile)
    answer(tmp_path / "a")
    answer(tmp_path / "b")
    assert ulns(tmp_path / "b") == ulns(tmp_path / "a")
    read = read_result((tmp_path / "b" / "lrs" / "inbox" / f"LRB_{UKPRN}_{AT}_RESULT.CSV").read_bytes(), PROFILES)
    assert list(read["mis_identifier"]) == [row["upn"] for row in rows]
    assert set(read["ukprn"]) == {UKPRN}


def test_processed_exceptions_are_settled_exported_and_known_from_then_on(tmp_path):
    rows = [learner(n) for n in range(1500)]
    hand_over(tmp_path, *rows[:900], learner(1500, postcode=""), profile="3A")
    hand_over(tmp_path, *rows[900:], ukprn=OTHER_UKPRN, profile="3A")
    summary = answer(tmp_path)
    can = sum(summary.exceptions.values()) - 1
    settled = processed_exceptions(tmp_path, 0.5, seed=4)
    assert settled == round(can * 0.5) > 1
    exports = sorted((tmp_path / "lrs" / "inbox").glob("ExportProcessedExceptions_*"))
    read = pd.concat([read_result(path.read_bytes(), PROFILES) for path in exports])
    assert len(read) == settled
    assert uln_valid(read["uln"]).all()
    assert not set(read["uln"]) & set(ulns(tmp_path) + ulns(tmp_path, ukprn=OTHER_UKPRN))
    assert set(read["ukprn"]) <= {UKPRN, OTHER_UKPRN}
    heading = exports[0].read_text(encoding="utf-8").splitlines()[0]
    assert '"UPN"' not in heading
    assert '"AbilityToShare"' in heading
    # The same result file, taken from the portal once more, has them too; what a person could not settle stays open.
    again = answer(tmp_path, second_pass=True)
    assert again.ulns == summary.ulns + settled
    assert again.exceptions["RC010"] >= 1
    late = result(tmp_path, ending="_RESULT_2.CSV") + result(tmp_path, ukprn=OTHER_UKPRN, ending="_RESULT_2.CSV")
    by_upn = {row["MISIdentifier"]: row["ULN"] for row in late}
    assert [by_upn[upn] for upn in read["mis_identifier"]] == list(read["uln"])


def test_no_exception_is_settled_twice(tmp_path):
    hand_over(tmp_path, *(learner(n) for n in range(1500)))
    summary = answer(tmp_path)
    can = sum(summary.exceptions.values())
    assert processed_exceptions(tmp_path, 1) == can > 1
    assert processed_exceptions(tmp_path, 1) == 0
    assert len(list((tmp_path / "lrs" / "inbox").glob("ExportProcessedExceptions_*"))) == 1


def test_an_empty_outbox_is_nothing_to_do(tmp_path):
    assert answer(tmp_path).files == 0
    assert processed_exceptions(tmp_path, 1) == 0
    assert not list(tmp_path.iterdir())


def test_a_name_without_a_date_stops_the_stand_in_in_one_sentence(tmp_path):
    path = hand_over(tmp_path, learner())
    path.rename(path.with_name("LRB_today.CSV"))
    with pytest.raises(ServiceFault, match=r"cannot read the date in LRB_today\.CSV"):
        answer(tmp_path)
