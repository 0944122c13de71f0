"""Which authorities a run visits, how many processes it is worth, and how it ends where it could do nothing."""

import pytest
from prefect.states import Completed, Failed

from flows import census as module
from flows.run.flow_run import FlowRun, chosen_authorities
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.chunks import StageResult
from tasks.runtime.executor import processes_for
from tasks.stages.receive import receive
from tasks.stages.transfer import fetch
from tests.support.without_engine import without_an_engine


def test_all_authorities_some_or_those_of_schools():
    assert len(chosen_authorities(None, None)) == 22
    assert chosen_authorities(["681", "660"], None) == ["660", "681"]
    assert chosen_authorities(None, ["6744057"]) == ["674"]
    with pytest.raises(ConfigurationFault, match="999"):
        chosen_authorities(["999"], None)


def test_workers_only_where_there_is_much_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ULN_WORKERS", "3")
    folder = DataRoot(tmp_path).create().dewi_inbox / "660"
    folder.mkdir()
    assert processes_for(str(tmp_path)) == 1
    with (folder / "much.xml").open("wb") as file:
        file.truncate(21 * 2**20)
    assert processes_for(str(tmp_path)) == 3


class Receives:
    """A stage that cannot do some authorities."""

    name = "receive"

    def __init__(self, failing):
        self.failing = failing

    def __call__(self, las, **_):
        """What it did of each."""
        walked = StageResult({la: {"files": 1} for la in las if la not in self.failing})
        walked.faults = {la: "cy / en" for la in las if la in self.failing}
        return Completed(data=walked)


class _Gives:
    """A stage that ends with what it was given."""

    name = "release"

    def __init__(self, walked):
        self._walked = walked

    def __call__(self, **_given):
        return Completed(data=self._walked)


@pytest.mark.parametrize(("failing", "fails"), [(["660", "661"], True), (["660"], False), ([], False)])
def test_a_census_in_which_every_authority_fails_has_failed(tmp_path, monkeypatch, failing, fails):
    told = without_an_engine(monkeypatch)
    for stage in ("read", "select", "validate", "batch", "release", "readiness"):
        monkeypatch.setattr(module, stage, Receives(()))
    monkeypatch.setattr(module, "receive", Receives(failing))
    monkeypatch.setattr(module, "conserve", lambda **_: {})
    given = {"cycle": "2012-01", "la": ["660", "661"], "as_of": "2012-01-30T02:30", "data": str(tmp_path)}
    if fails:
        with pytest.raises(ServiceFault, match="any of the 2 authorities"):
            module.census.fn(**given)
        assert "census-2012-01-overview" in dict(told), "its page says what stopped each"
    else:
        assert module.census.fn(**given)["faults"] == len(failing)


def test_an_authority_of_which_one_batch_was_refused_has_had_the_others_done(tmp_path, monkeypatch):
    without_an_engine(monkeypatch)
    tour = FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1)
    some = StageResult({"660": {"sent": 6, "learners": 40, "unconfirmed": 0}}, {"660": "one batch was refused"})
    tour.stage(_Gives(some))
    assert tour.faults == {"660": "one batch was refused"}
    tour.refuse_nothing_done()
    tour = FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1)
    tour.stage(_Gives(StageResult({}, {"660": "no batch could be handed over"})))
    with pytest.raises(ServiceFault, match="any of the 1"):
        tour.refuse_nothing_done()


def test_an_inbox_elsewhere_that_is_away_counts_as_a_fault_and_its_authorities_go_on(tmp_path, monkeypatch):
    class Away:
        name = "fetch"

        def __call__(self, **_):
            return self

        def result(self, **_):
            return ServiceFault("y gweinydd / the server")

    class Stage(Away):
        name = "receive"

        def result(self, **_):
            return StageResult({"660": {"files": 1}})

    without_an_engine(monkeypatch)
    tour = FlowRun(["660"], flow="census", data=str(tmp_path), cycle="2012-01", steps=1)
    tour.best_effort(Away(), data=str(tmp_path), name="dewi_inbox")
    tour.stage(Stage())
    assert tour.total() == {"fetch.faults": 1, "receive.files": 1, "faults": 1}
    assert tour.is_all_done(), "what came balances, whatever did not come"
    tour.stage(_Gives(StageResult({"660": {"faults": 1}})))
    assert not tour.is_all_done()
    tour.refuse_nothing_done()


class Ran:
    """A task, run without the engine; what it ends with, its fault among it."""

    def __init__(self, task):
        self.name, self._run = task.name, task.fn

    def __call__(self, **given):
        """Its state, as the flow asks for it."""
        assert given.pop("return_state")
        try:
            return Completed(data=self._run(**given))
        except ServiceFault as fault:
            return Failed(data=fault)


def test_what_came_from_an_inbox_elsewhere_is_received_though_another_file_there_could_not_be_read(
    tmp_path, monkeypatch
):
    far = tmp_path / "far" / "660"
    far.mkdir(parents=True)
    for number in range(40):
        (far / f"{number:02}.xml").write_bytes(b"return %d" % number)
    monkeypatch.setenv("ULN_WAY_DEWI_INBOX__URL", far.parent.as_uri())
    monkeypatch.setenv("ULN_WAY_DEWI_INBOX__SETTLED_SECONDS", "0")
    DataRoot(tmp_path / "root").create().dewi_inbox.joinpath("660", "00.xml").mkdir(parents=True)
    told = []
    monkeypatch.setattr("flows.run.flow_run.log_stage_faults", lambda stage, _, faults: told.append((stage, faults)))
    without_an_engine(monkeypatch)
    tour = FlowRun(["660"], flow="census", data=str(tmp_path / "root"), cycle="2012-01", steps=2)
    tour.best_effort(Ran(fetch), data=str(tmp_path / "root"), name="dewi_inbox")
    tour.stage(Ran(receive), as_of="2012-01-30T02:30")
    total = tour.total()
    assert (total["fetch.faults"], total["faults"], total["receive.files"]) == (1, 1, 39)
    assert [stage for stage, faults in told if faults] == ["fetch"]
