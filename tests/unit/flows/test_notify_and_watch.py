"""A real server tells a webhook and a mailbox of what a person must know, and starts runs where files arrive."""

import time

import pytest

from tasks.io.lake.lake import Lake
from tests.support.servers.prefect import until

pytestmark = pytest.mark.long

#: A run that fails at once, under the name of one of the service's flows.
FAILS = """
from prefect import flow
@flow(name="census", flow_run_name="census 2012-01")
def census(): raise ValueError("of nobody")
census(return_state=True)
"""
OURS = ("uln-failed-run", "uln-incomplete-run", "uln-late-run", "uln-waiting-batches")


def automations(server):
    return sorted(one["name"] for one in server.asked("/automations/filter", {}) if one["name"].startswith("uln-"))


def subjects(told):
    return [one["subject"] for one in told]


def test_failed_runs_and_waiting_batches_are_told_to_webhook_and_mailbox_until_nobody_is(server, hook, mailbox, sent):
    url, told = hook
    smtp, came = mailbox
    at = ("--data", str(sent))
    said = server.uln("notify", "--webhook", url, "--email", "team@example.org", "--try", *at, ULN_SMTP=smtp)
    assert "webhook, email" in said and url not in said
    assert subjects(told) == ["Gwasanaeth ULN: prawf / ULN service: a try"]
    assert came[0][:3] == ("uln@example.org", ["team@example.org"], "Gwasanaeth ULN: prawf / ULN service: a try")
    # Again, with one channel alone: the other stays, and nothing is there twice.
    server.uln("notify", "--webhook", url, *at)
    assert automations(server) == sorted(OURS)
    written = str(server.asked("/automations/filter", {})) + str(server.asked("/block_documents/filter", {}))
    assert url not in written and "mailto" not in written, "addresses are the blocks' secrets"

    server.run("-W", "ignore", "-c", FAILS)
    assert until(lambda: "Gwasanaeth ULN: census yn Failed / ULN service: census is Failed" in subjects(told))

    # Three weeks and a half after Monday: the poll finds that the LRS has not answered, and the next one finds it again.
    ref = Lake(sent / "lake").read("batches")["batch_ref"].iloc[0]
    for day in ("2012-02-24T09:00", "2012-02-24T09:30"):
        server.uln("returns", "--as-of", day, *at)
    assert until(lambda: [one for one in told if "1 STUCK, 0 SENT_UNCONFIRMED" in one["subject"]])
    assert until(lambda: len(server.events("uln.batches.waiting")) == 2)
    assert not any("learners" in event["payload"] for event in server.events("uln.batches.waiting"))
    # What comes after it was told after it: a third cause, and then no second word of the second.
    events = "from flows.run.events import emit_incomplete; emit_incomplete('returns', 3)"
    server.run(
        "-W",
        "ignore",
        "-c",
        events + "\nfrom prefect.events.worker import EventsWorker as w; w.instance().wait_until_empty()",
    )
    assert until(lambda: [s for s in subjects(told) if "a run of returns could not do everything (3)" in s])
    waiting = [one for one in told if "STUCK" in one["subject"]]
    assert len(waiting) == 1 and ref in waiting[0]["body"] and "uln batches" in waiting[0]["body"]
    assert until(lambda: len(came) == len(told)) and [mail[2] for mail in came] == subjects(told)
    people = Lake(sent / "lake").read("batch_rows", ["upn", "family_name", "postcode"])
    for value in {*people["upn"], *people["family_name"], *people["postcode"]}:
        assert value not in str(told) + str(came) + str(server.events("uln.batches.waiting"))

    nobody = server.uln("notify", "--webhook", "http://127.0.0.1:9/secret", "--try", *at, expect=1)
    assert "the channel webhook cannot be reached" in nobody and "secret" not in nobody
    assert "4" in server.uln("notify", "--remove", *at) and automations(server) == []


def written_slowly(path, pieces=15):
    """A file as a slow transfer brings it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for n in range(pieces):
            file.write(f"{n}\n")
            file.flush()
            time.sleep(0.2)


def test_a_file_that_has_arrived_whole_starts_the_flow_that_takes_it_in(server, tmp_path):
    root = tmp_path / "root"
    (root / "reference").mkdir(parents=True)
    (root / "reference" / "watching.toml").write_text("[arrivals]\nsettled_seconds = 1\ntold_within_rounds = 60\n")
    prefect = ("-W", "ignore", "-m", "prefect", "--no-prompt")
    server.run(*prefect, "work-pool", "create", "uln", "--type", "process")
    server.run(*prefect, "deploy", "-n", "lrs-returns", "-n", "january-census")
    watcher = server.begin(
        "-u", "-W", "ignore", "-c", "from flows.cli.__main__ import main; main()", "watch", "--data", str(root)
    )
    assert "watching" in watcher.stdout.readline()
    marked = "M660402510001 Zzmarkername"
    assert until(
        lambda: server.events("uln.lrs-result.arrived") or _retried(root / "lrs" / "inbox" / f"{marked}.csv"), 60
    )
    written_slowly(root / "dewi" / "inbox" / "660" / f"{marked}.xml")
    (root / "dewi" / "inbox" / "660" / "half.part").write_text("x")
    assert until(lambda: server.events("uln.return.arrived"))
    watcher.terminate()
    watcher.wait(timeout=60)

    (returned,) = server.events("uln.return.arrived")
    assert returned["payload"] == {"files": 1, "authorities": {"660": 1}}, (
        "once, when it was whole; no half-written one"
    )
    assert server.events("uln.lrs-result.arrived")[0]["payload"]["files"] == 1
    assert "Zzmarkername" not in str(server.events("uln.return.arrived")) + str(server.events("uln.lrs-result.arrived"))
    ours = {one["id"]: one["name"] for one in server.asked("/deployments/filter", {})}

    def started():
        runs = server.asked("/flow_runs/filter", {"sort": "START_TIME_DESC"})
        return {ours[run["deployment_id"]] for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"}

    assert until(lambda: started() == {"lrs-returns", "january-census"})


def _retried(path):
    """The watch begins a moment after the word that it does: until it is told, the file is put there anew."""
    path.write_text(str(time.monotonic()))
    time.sleep(4)


def test_without_a_server_nothing_is_watched_and_nobody_can_be_told(server, tmp_path):
    for command in (["watch"], ["notify", "--webhook", "http://127.0.0.1:9/x"]):
        said = server.uln(
            *command, "--data", str(tmp_path), expect=1, PREFECT_API_URL="", PREFECT_HOME=str(tmp_path / "home")
        )
        assert "PREFECT_API_URL" in said
