"""The parts that measure, on a small Wales: they look at all that they say they look at."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from schemas.cycles import cycle_by_id
from tasks.core.identifiers import uln_valid, upn_check_letter_ok
from tasks.io.lake.lake import Lake
from tests.bench import common, register, stages
from tests.bench.__main__ import GOALS, as_table, holds, stage_rows
from tests.bench.engine import nothing_to_do
from tests.bench.floor import floor

STAGES = [
    *[
        "receive",
        "read",
        "select",
        "validate",
        "batch",
        "release",
        "conserve",
        "collect",
        "merge",
        "publish",
        "snapshot",
    ]
]


def test_every_stage_is_timed_with_its_rows_and_its_memory(finished):
    _, taken = finished
    assert list(taken.stages) == STAGES
    assert all(one.seconds > 0 and one.peak_mib > 0 for one in taken.stages.values())
    assert all(taken.stages[name].rows > 0 for name in STAGES)
    assert taken.seconds == pytest.approx(sum(taken.stages[name].seconds for name in STAGES))


def test_a_stage_with_faults_stops_the_measuring():
    failing = SimpleNamespace(name="read", fn=lambda **_: SimpleNamespace(faults={"660": "told"}))
    with pytest.raises(RuntimeError, match="read"):
        stages._by_authority(failing, data="x")


@pytest.mark.parametrize("part", ["stages", "engine"])
def test_a_worker_of_the_benchmark_has_no_engine_in_its_memory(part):
    code = f"import tests.bench.{part}, sys; assert not {{'prefect', 'great_expectations'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=common.HOME)


def test_the_floor_has_a_part_for_every_stage_and_leaves_nothing(finished, monkeypatch, tmp_path):
    monkeypatch.setattr("tests.bench.floor.BUILD", tmp_path)
    parts = floor(finished[0])
    assert set(parts) == {"parse", *STAGES} and all(seconds > 0 for seconds in parts.values())
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_poll_with_nothing_new_is_told_without_the_engine(finished):
    found = nothing_to_do(finished[0])
    assert found["seconds"] >= found["collect"] + found["merge"] > 0 and "publish" not in found


def test_the_register_holds_sound_entries_and_a_tenth_of_the_learners(made, monkeypatch, tmp_path):
    monkeypatch.setattr("tests.bench.register.BUILD", tmp_path)
    rows = Lake(register.register_lake(made, 350)).read("learners")
    own = register.own_entries(made)
    assert len(rows) == 350 + len(own) and len(own) > 0
    assert not rows["upn"].duplicated().any() and not rows["uln"].duplicated().any()
    assert upn_check_letter_ok(rows["upn"]).all() and uln_valid(rows["uln"]).all()
    assert set(own["upn"]) <= set(rows["upn"]) and rows["la_code"].nunique() == 175


def test_a_fresh_root_has_the_returns_and_nothing_else(made, tmp_path):
    run = common.fresh(made, tmp_path / "run")
    names = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert names == {
        p.relative_to(made).as_posix()
        for p in made.rglob("*")
        if p.is_file() and p.relative_to(made).parts[0] in ("dewi", "reference")
    }


def test_runs_are_dated_as_a_rehearsal_dates_them():
    from flows.rehearsal import rehearsal_times

    assert common.moments("2012-01") == rehearsal_times(cycle_by_id("2012-01"))


def test_the_table_tells_every_goal_and_whether_it_is_held():
    taken = {"receive": 1.0, "read": 2.0, "select": 1.0}
    row = {"rows": 10, "peak_mib": 100.0, "worker_peak_mib": 200.0}
    rows = stage_rows(
        {name: {**row, "seconds": s} for name, s in taken.items()}, {"parse": 0.5, "receive": 0.25, "read": 0.25}
    )
    assert rows["read"]["ratio"] == 3.0 and rows["receive"]["ratio"] is None and rows["receive"]["peak_mib"] == 200.0
    figures = dict.fromkeys(GOALS, 1.0) | {"stages": rows, "floor": {"seconds": 1.0}, "seconds": 4.0}
    table = as_table(figures | {"plain_script": {"seconds": 1.0}})
    told = table.splitlines()[-len(GOALS) :]
    assert sum("NOT HELD" in line for line in told) == sum(not holds(name, 1.0) for name in GOALS) == 3
    assert as_table({}).count("not measured") == len(GOALS)
