"""What the watcher tells of, and to whom: no oftener than is said, no change of rights, and only a server that lets it in."""

import threading
from itertools import pairwise

import pytest
from watchfiles import Change

from flows.services import watch as watching
from schemas.settings.terms import Arrivals, Starts, how_watched
from tasks.io.data_root import inbox_watch
from tasks.io.data_root.data_root import DataRoot
from tasks.maintenance import arrivals as module
from tasks.maintenance.arrivals import arrivals

PAUSES = Starts(census_again_after_seconds=30, lrs_returns_again_after_seconds=10)


def told(root, monkeypatch, rounds, starts=PAUSES, begun=0):
    """What is told in each of some rounds of ten seconds, in each of which files are put into inboxes.

    The watcher begins when a clock shows `begun`.
    """
    shipped = how_watched()
    how = shipped.model_copy(update={"arrivals": Arrivals(settled_seconds=10, told_within_rounds=1), "starts": starts})
    found = {"now": 0}

    def played(*_):
        for number, names in enumerate(rounds):
            found["now"] = number
            for name in names:
                (root.path / name).parent.mkdir(parents=True, exist_ok=True)
                (root.path / name).write_text(str(number), encoding="utf-8")
            yield {str(root.path / name) for name in names}

    monkeypatch.setattr(module, "changes", played)
    return [
        (found["now"], sorted(path.name for path in paths))
        for paths in arrivals(root, how, lambda: begun + 10 * found["now"])
    ]


def test_returns_and_result_files_start_runs_no_oftener_than_is_said(tmp_path, monkeypatch):
    root = DataRoot(tmp_path).create()
    rounds = [[f"dewi/inbox/660/r{n}.xml", f"lrs/inbox/a{n}.csv"] for n in range(8)] + [[], []]
    found = told(root, monkeypatch, rounds)
    returns = [number for number, names in found if any(name.endswith(".xml") for name in names)]
    answers = [number for number, names in found if any(name.endswith(".csv") for name in names)]
    assert all(b - a >= 3 for a, b in pairwise(returns)) and len(returns) >= 2
    assert answers == list(range(answers[0], answers[0] + len(answers))), "the other inbox does not wait for it"
    names = [name for _, names in found for name in names]
    assert len(names) == len(set(names)) and {f"a{n}.csv" for n in range(8)} <= set(names)


@pytest.mark.parametrize(
    ("begun", "first"),
    [(0, {"a": 2, "b": 1}), (20, {"a": 1, "b": 1}), (1_000, {"a": 1, "b": 1}), (-1_000, {"a": 2, "b": 1})],
    ids=["at once", "two rounds later", "long after", "the clock was put back"],
)
def test_a_watcher_that_is_started_again_starts_no_run_sooner_than_the_one_before_would_have(
    tmp_path, monkeypatch, begun, first
):
    root = DataRoot(tmp_path).create()
    # The one before has told of both inboxes in its second round, and ends at once.
    before = told(root, monkeypatch, [["dewi/inbox/660/old.xml", "lrs/inbox/old.csv"], []])
    assert before == [(1, ["old.csv", "old.xml"])]
    assert root.announced_arrivals.stat().st_mode & 0o077 == 0
    rounds = [["dewi/inbox/660/a.xml", "lrs/inbox/b.csv"], [], [], [], []]
    found = told(root, monkeypatch, rounds, begun=begun + 10)
    assert {name[0]: number for number, names in found for name in names} == first


@pytest.mark.parametrize("content", ["", "[1]", '{"census": "soon", "lrs-returns": null}', "\x00"])
def test_a_spoilt_memory_of_what_was_told_stops_no_watcher(tmp_path, monkeypatch, content):
    root = DataRoot(tmp_path).create()
    root.announced_arrivals.parent.mkdir(exist_ok=True)
    root.announced_arrivals.write_text(content, encoding="utf-8")
    assert told(root, monkeypatch, [["lrs/inbox/a.csv"], []]) == [(1, ["a.csv"])]


def test_a_folder_whose_rights_change_is_no_arrival_and_one_that_comes_is(tmp_path, monkeypatch):
    root = DataRoot(tmp_path).create()
    folder = root.dewi_inbox / "660"
    folder.mkdir()
    (folder / "old.xml").write_text("x", encoding="utf-8")
    rounds = iter([{(Change.modified, str(folder))}, {(Change.added, str(folder))}])
    monkeypatch.setattr(inbox_watch, "watch", lambda *_, **__: rounds)
    seen = list(inbox_watch.changes(root, 1))
    assert seen == [{str(folder)}, {str(folder), str(folder / "old.xml")}]


def test_on_the_disk_a_folder_s_changed_rights_tell_of_nothing_that_lies_in_it(tmp_path):
    root = DataRoot(tmp_path).create()
    folder, stop = root.dewi_inbox / "660", threading.Event()
    folder.mkdir()
    (folder / "old.xml").write_text("x", encoding="utf-8")
    seen = []
    for round_of, touched in enumerate(inbox_watch.changes(root, 1, stop)):
        seen.append(touched)
        if round_of == 0:
            folder.chmod(0o750)
            (root.lrs_inbox / "new.csv").write_text("x", encoding="utf-8")
        if any("new.csv" in path for path in touched) or round_of > 60:
            stop.set()
    paths = set().union(*seen)
    assert str(root.lrs_inbox / "new.csv") in paths and str(folder / "old.xml") not in paths


class Server:
    """A server whose health everybody is told, and which lets in who has the word."""

    def __init__(self, lets_in):
        self.lets_in, self.asked = lets_in, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to be put away."""

    def api_healthcheck(self):
        """Well, whoever asks."""

    def read_flows(self, **_):
        """What only those are told who are let in."""
        self.asked.append("flows")
        if not self.lets_in:
            raise PermissionError("401")
        return []


@pytest.mark.parametrize("lets_in", [True, False])
def test_a_server_that_stands_and_does_not_take_our_word_counts_as_not_told(tmp_path, monkeypatch, lets_in):
    server, told_of = Server(lets_in), []
    file = DataRoot(tmp_path).create().lrs_inbox / "a.csv"
    monkeypatch.setattr(watching, "refuse_without_server", lambda: None)
    monkeypatch.setattr(watching, "get_client", lambda **_: server)
    monkeypatch.setattr(watching, "emit_arrived", told_of.append)
    monkeypatch.setattr(watching, "arrivals", lambda *_: iter([[file]]))
    assert list(watching.watch_inboxes(str(tmp_path))) == [(1, lets_in)]
    assert server.asked == ["flows"] and len(told_of) == int(lets_in)
