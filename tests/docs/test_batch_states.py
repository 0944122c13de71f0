"""The picture of a batch's states is the table of allowed moves, and the page explains each state and event."""

import re

from schemas.states import BATCH_MOVES, BatchEvent, BatchShown
from tests.docs.batch_states import PAGE, page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_picture_is_up_to_date():
    assert page() == TEXT, "make states"


def test_the_picture_shows_every_allowed_move_and_no_other():
    shown = set()
    for before, after, events in re.findall(r"^    (\S+) --> (\w+): (.+)$", TEXT, re.MULTILINE):
        shown |= {(before, event.replace(" ", "_"), after) for event in events.split(", ")}
    assert shown == {(move.before or "[*]", move.event, move.after) for move in BATCH_MOVES}


def test_the_page_explains_every_state_and_event():
    rows = set(re.findall(r"^\| ([\w ]+) \|", TEXT, re.MULTILINE))
    assert {state.value for state in BatchShown} <= rows
    assert {event.replace("_", " ") for event in BatchEvent} <= rows
