"""Names in the order of the Welsh alphabet, as far as a list of exceptions goes."""

import pandas as pd
import pytest

from tasks.core.welsh_order import LETTERS, places, welsh_key

APART = ("ban|gor", "llan|g")


def ordered(*names):
    return sorted(names, key=lambda name: welsh_key(name, APART))


@pytest.mark.parametrize(
    "names",
    [
        ["Cynffig", "Chirk"],
        ["Dyffryn", "Ddôl"],
        ["Fwy", "Ffos"],
        ["Agor", "Angor", "Ahern"],
        ["Lyn", "Llan"],
        ["Pwll", "Phwll"],
        ["Rwan", "Rhos"],
        ["Tywyn", "Theatr"],
        # The n and the g of these are two letters: after m, before o.
        ["Bagillt", "Bala", "Bangor", "Bannau"],
        ["Llandaf", "Llangefni", "Llanidloes"],
        ["Llan", "Llan Fawr", "Llanbedr"],
        ["Ysgol 2", "Ysgol 10", "Ysgol y Ddôl"],
    ],
)
def test_letters_of_two_signs_come_after_those_of_one(names):
    assert ordered(*reversed(names)) == names


def test_accents_and_capitals_decide_last_and_signs_not_at_all():
    assert ordered("Môn", "Mona", "Mon") == ["Mon", "Môn", "Mona"]
    assert ordered("St. Ann", "St Alban", "ST ALBAN") == ["ST ALBAN", "St Alban", "St. Ann"]
    assert welsh_key("Mo\u0302n")[0] == welsh_key("Môn")[0]


def test_any_name_has_a_place_and_equal_ones_the_same():
    names = pd.Series(["b", None, "<script>", "", "a", "b", "日本"])
    found = places(names)
    assert found[0] == found[5] and found[1] == max(found) and found[4] < found[0]
    assert len({welsh_key(letter)[0] for letter in LETTERS}) == len(LETTERS)
