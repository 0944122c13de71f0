"""When the returns flow may say that a cycle is done: only where every school's file could be made."""

from types import SimpleNamespace

import pytest
from prefect.states import Completed

from flows import lrs_returns as module
from schemas.texts.faults import ServiceFault
from tasks.runtime.chunks import StageResult
from tests.support.without_engine import without_an_engine


class Stage:
    """A stage that only answers with counts."""

    def __init__(self, name, **counts):
        self.name, self.counts, self.calls = name, counts, 0

    def __call__(self, las=None, **_):
        """Count the call and answer, by authority where it was given some."""
        self.calls += 1
        return Completed(data=StageResult({la: dict(self.counts) for la in las})) if las else dict(self.counts)


@pytest.mark.parametrize(
    ("faults", "purged", "published", "snapshots"),
    [(0, {}, 1, 1), (1, {}, 1, 0), (0, {"2012-01": "2015-01-01"}, 0, 0)],
    ids=["all-made", "one-school-s-file-missing", "over"],
)
def test_a_snapshot_is_taken_only_where_no_school_was_left(tmp_path, monkeypatch, faults, purged, published, snapshots):
    stages = SimpleNamespace(snapshot=Stage("snapshot"), publish=Stage("publish", faults=faults, zips=1))
    stand_ins = {
        "collect": Stage("collect", faults=0),
        "merge": Stage("merge"),
        "conserve": Stage("conserve"),
        "publish": stages.publish,
        "snapshot": stages.snapshot,
        "cycles_with_returns": lambda _: ["2012-01"],
        "published": lambda *_: False,
        "purged_cycles": lambda _: purged,
        "chosen_authorities": lambda *_: ["660"],
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(module, name, stand_in)
    without_an_engine(monkeypatch)
    total = module.lrs_returns.fn(as_of="2012-02-12T09:15", data=str(tmp_path))
    assert (total["faults"], stages.publish.calls, stages.snapshot.calls) == (faults, published, snapshots)


class Publishes:
    """Publishing that can do nothing for some authorities of a cycle."""

    name = "publish"

    def __init__(self, failing):
        self.failing = failing

    def __call__(self, cycle, las, **_):
        """What it did of each."""
        failing = self.failing.get(cycle, ())
        walked = StageResult({la: {"zips": 1} for la in las if la not in failing})
        walked.faults = {la: "cy / en" for la in las if la in failing}
        return Completed(data=walked)


@pytest.mark.parametrize(
    ("failing", "fails"),
    [
        ({"2011-09": ["660", "661"], "2012-01": ["660", "661"]}, True),
        ({"2011-09": ["660", "661"], "2012-01": ["660"]}, False),
        ({"2012-01": ["660", "661"]}, False),
        ({}, False),
    ],
    ids=["nobody", "one-authority-of-one-cycle", "one-cycle", "all"],
)
def test_a_run_that_could_publish_for_no_authority_has_failed(tmp_path, monkeypatch, failing, fails):
    stand_ins = {
        "collect": Stage("collect", faults=0),
        "merge": Stage("merge"),
        "conserve": Stage("conserve"),
        "publish": Publishes(failing),
        "snapshot": Stage("snapshot"),
        "cycles_with_returns": lambda _: ["2011-09", "2012-01"],
        "published": lambda *_: False,
        "purged_cycles": lambda _: {},
        "chosen_authorities": lambda *_: ["660", "661"],
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(module, name, stand_in)
    told = without_an_engine(monkeypatch)
    given = {"as_of": "2012-02-12T09:15", "data": str(tmp_path)}
    if fails:
        with pytest.raises(ServiceFault, match="any of the 2 authorities"):
            module.lrs_returns.fn(**given)
        assert {f"lrs-returns-{cycle}-overview" for cycle in failing} <= dict(told).keys(), (
            "pages say what stopped each"
        )
    else:
        assert module.lrs_returns.fn(**given)["faults"] == sum(map(len, failing.values()))


class Stopped:
    """A step that ends in a fault."""

    def __init__(self, name):
        self.name = name

    def __call__(self, **_):
        """Answer as a task whose state is asked for."""
        return SimpleNamespace(result=lambda **_: ServiceFault("yr LRS / the LRS"))


@pytest.mark.parametrize("stopped", ["fetch", "ask", "deliver"])
def test_what_cannot_be_had_from_or_brought_to_another_machine_is_told_and_holds_up_nothing(
    tmp_path, monkeypatch, stopped
):
    collect = Stage("collect", faults=0)
    stand_ins = {
        "has_jobs": lambda _: stopped == "ask",
        "is_elsewhere": lambda _, way: way == {"fetch": "lrs_inbox", "deliver": "dewi_outbox"}.get(stopped),
        stopped: Stopped(stopped),
        "collect": collect,
        "merge": Stage("merge"),
        "cycles_with_returns": lambda _: [],
        "purged_cycles": lambda _: {},
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(module, name, stand_in)
    told = []
    monkeypatch.setattr("flows.run.flow_run.log_stage_faults", lambda stage, _, faults: told.append((stage, faults)))
    without_an_engine(monkeypatch)
    total = module.lrs_returns.fn(as_of="2012-02-12T09:15", data=str(tmp_path))
    assert (total["faults"], total[f"{stopped}.faults"], collect.calls) == (1, 1, 1)
    assert told == [(stopped, {"": "yr LRS / the LRS"})]
