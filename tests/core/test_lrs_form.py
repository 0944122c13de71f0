"""The LRS's form of a learner; the school's spelling is never touched."""

import pandas as pd
import pytest

from schemas.lrs_profiles import all_profiles
from schemas.return_codes import all_return_codes, code_table, normalise_code
from tasks.core.lrs_form import batch_ref, lrs_names, lrs_postcodes, lrs_rows, split_batches

P2A, P3A = all_profiles()["2A"], all_profiles()["3A"]


def column(*values):
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("âêîôûŵŷ ÂÊÎÔÛŴŶ", "aeiouwy AEIOUWY"),
        ("áéíóúẃýàèìòùẁỳäëïöüẅÿ", "aeiouwyaeiouwyaeiouwy"),
        ("w\u0302y\u0302", "wy"),
        ("O’Brien", "O'Brien"),
        ("Anna‑Mair", "Anna-Mair"),
        ("Siân (Jane)/Mair", "Sian Jane Mair"),
        ("  ap   Siôn ", "ap Sion"),
        ("St. John", "St. John"),
        ("--", None),
        (" ", None),
        (None, None),
    ],
)
def test_names(name, form):
    found = lrs_names(column(name), P2A).iloc[0]
    assert (found if isinstance(found, str) else None) == form


def test_postcodes():
    assert list(lrs_postcodes(column("ll777ng", " LL77  7NG ", "ZZ999ZZ"))) == ["LL77 7NG", "LL77 7NG", "ZZ99 9ZZ"]
    assert lrs_postcodes(column("", None)).isna().all()


def test_rows_and_sharing(learner):
    rows = learner({}, {"gender": "M", "middle_names": "Ann" * 20}, {"gender": None, "middle_names": "A1"})
    seen, out = pd.Series([True, False, True]), pd.Series([False, False, True])
    two, three = lrs_rows(rows, P2A, seen, out), lrs_rows(rows, P3A, seen, out)
    assert list(two["ability_to_share"]) == ["1", "0", "2"]
    assert list(three["ability_to_share"]) == ["1", "0", "1"]
    assert list(two["gender"]) == ["2", "1", "0"]
    assert two["middle_name"].isna().all()


def test_batches_are_cut_at_the_limit_and_known_by_content(learner):
    assert list(split_batches(pd.DataFrame(index=range(5)), 2)) == [0, 0, 1, 1, 2]
    true = pd.Series([True])
    one = lrs_rows(learner({}), P2A, true, ~true)
    assert batch_ref(one, "10000001", "2A", "CSV", "c") == batch_ref(one.copy(), "10000001", "2A", "CSV", "c")
    changed = one.assign(postcode="LL77 7NH")
    assert batch_ref(one, "10000001", "2A", "CSV", "c") != batch_ref(changed, "10000001", "2A", "CSV", "c")
    assert batch_ref(one, "10000001", "2A", "CSV", "c") != batch_ref(one, "10000001", "2A", "CSV", "d")


def test_codes_compare_however_they_are_written():
    assert list(normalise_code(column("RC10", "rc 010", "RC010", "XY1"))) == ["RC010"] * 3 + ["XY1"]


def test_code_table_is_honest_and_bilingual():
    codes = all_return_codes()
    known = {c.code for c in codes.values() if c.confidence == "known"}
    assert known == {"RC006", "RC007", "RC010", "RC011", "RC012", "RC013"}
    assert {"RC001", "RC002", "RC003", "RC004", "RC005", "RC008", "RC009", "UNKNOWN", "NONE"} == set(codes) - known
    assert all(c.label_cy != c.label_en and c.action_cy != c.action_en for c in codes.values())
    assert code_table(codes)["precedence"].min() == int(codes["UNKNOWN"].precedence)
