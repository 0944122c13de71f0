"""The guard stops what has become dearer by more than a quarter, and nothing else."""

import itertools
import json

import pytest

from tests.bench.guard import ALL, COMMITTED, Pair, Reference, measure, regressions

STAGES = {"read": 0.6, "validate": 1.0, "merge": 0.04}


def rounds(slowed=None, load=(1.0,)):
    """Rounds on a machine whose load changes what all costs, with some stages slowed."""
    loads = itertools.cycle(load)

    def one_round():
        now = next(loads)
        return [Pair(name, s * (slowed or {}).get(name, 1.0) * now, 0.2 * now) for name, s in STAGES.items()]

    return measure(one_round, rounds=5)


def test_a_stage_that_is_slowed_by_thirty_per_cent_is_named():
    told = regressions(rounds({"validate": 1.3}), rounds())
    assert len(told) == 1 and told[0].startswith("Stage validate costs 30% more than is committed")


def test_all_slowed_by_thirty_per_cent_is_told_first():
    told = regressions(rounds(dict.fromkeys(STAGES, 1.3)), rounds())
    assert told[0].startswith("All stages together cost 30% more")


@pytest.mark.parametrize("slowed", [{}, dict.fromkeys(STAGES, 1.2), {"merge": 1.5}, {"read": 0.5}])
def test_less_than_a_quarter_or_than_the_noise_of_a_small_stage_passes(slowed):
    assert regressions(rounds(slowed), rounds()) == []


def test_load_that_slows_all_alike_and_single_bad_rounds_change_nothing():
    assert rounds(load=(1.0, 3.0, 1.5)) == pytest.approx(rounds())
    odd = iter([1.0, 1.0, 9.0, 1.0, 1.0, 1.0])

    def one_round():
        worse = next(odd)
        return [Pair(name, s * worse, 0.2) for name, s in STAGES.items()]

    assert measure(one_round, rounds=5) == pytest.approx(rounds())


def test_what_is_committed_names_every_stage():
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert ALL in committed and len(committed) == 12 and all(ratio > 0 for ratio in committed.values())


def test_the_reference_work_takes_a_moment_of_the_processor():
    assert 0.01 < Reference()() < 5
