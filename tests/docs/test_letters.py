"""The table of letters says what the code does."""

import re

from tests.docs.letters import PAGE, WELSH, latin, page, sent


def test_the_table_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "make letters"


def test_every_letter_stands_there_once_and_welsh_ones_keep_their_base_letter():
    shown = re.findall(r"[^\x00-\x7f]", re.sub(r"^[^|].*$", "", PAGE.read_text(encoding="utf-8"), flags=re.M))
    assert set(latin()) == set(shown) and len(shown) == len(set(shown))
    assert "".join(sent(WELSH)) == "aeiouwyaeiouwyaeiouwyaeiouwy"
    assert sent("ßæøłđþŒ").to_list() == ["ss", "ae", "o", "l", "d", "th", "Oe"]
