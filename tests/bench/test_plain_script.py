"""The plain script is held against the service by its files: a faster script that does less would flatter the service."""

import dataclasses
import json

import pytest

from tests.bench.plain_script import differences, run, sides

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def plain(finished, tmp_path_factory):
    into = tmp_path_factory.mktemp("plain")
    return run(finished[0], into), into


def test_the_same_batches_to_the_byte_the_same_ulns_and_as_many_lines(finished, plain):
    service, script = sides(finished[0]), sides(plain[1])
    assert service.batches and service.ctf and service.lines
    assert differences(service, script) == []


def test_the_same_number_chosen_and_held_in_each_school(finished, plain):
    report = json.loads((finished[0] / "reports" / "2012-01" / "conservation.json").read_text(encoding="utf-8"))
    states = ("held", "waiting", "sent", "uln", "exception")
    school_of = plain[0].pupils.set_index("row_ref")["school_number"]
    for school, counts in report["schools"].items():
        chosen, held = (sum(school_of[ref] == school for ref in refs) for refs in (plain[0].chosen, plain[0].held))
        assert (chosen, held) == (sum(counts[s] for s in states), counts["held"]), school


def test_what_differs_is_named(finished):
    service = sides(finished[0])
    school = next(iter(service.ctf))
    ctf = {**service.ctf, school: set()}
    assert differences(service, dataclasses.replace(service, ctf=ctf)) == [school]
