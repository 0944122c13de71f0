"""The fuzzer's corpus, each input of it, and that the fuzzing itself would see a failure."""

import pytest

from tests.fuzz import targets
from tests.fuzz.targets import CORPUS, TARGETS, TooLong, tried

INPUTS = {f"{path.parent.name}/{path.name[:12]}": path for path in sorted(CORPUS.glob("*/*"))}


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_is_taken_or_refused_for_a_reason_that_is_told(target):
    outcomes = {tried(target, path.read_bytes()) for path in sorted((CORPUS / target).iterdir())}
    # The corpus reaches what is taken, and more than one reason.
    assert None in outcomes and len(outcomes) > 3


def test_the_corpus_is_small_and_of_known_targets():
    assert {path.parent.name for path in INPUTS.values()} == set(TARGETS)
    assert sum(path.stat().st_size for path in INPUTS.values()) < 2**20


@pytest.mark.parametrize("fault", [ValueError, RecursionError, MemoryError, AssertionError])
def test_whatever_is_no_refusal_is_a_failure(monkeypatch, fault):
    def broken(_):
        raise fault

    monkeypatch.setitem(TARGETS, "plasc", broken)
    with pytest.raises(fault):
        tried("plasc", b"")


def test_an_input_that_takes_too_long_is_a_failure(monkeypatch):
    monkeypatch.setattr(targets, "MOST_SECONDS", -1)
    with pytest.raises(TooLong):
        tried("lrs", b"")


def test_a_zip_s_names_lead_nowhere_else(monkeypatch):
    """What the zip target holds a zip to: broken by hand, it is seen."""
    from tasks.io.data_root import dewi_inbox

    document = dewi_inbox.ReturnDocument("0", b"<a/>", "../a.xml")
    monkeypatch.setattr(targets, "open_arrival", lambda _: dewi_inbox.Opened([document]))
    with pytest.raises(AssertionError, match="elsewhere"):
        tried("zip", b"")
