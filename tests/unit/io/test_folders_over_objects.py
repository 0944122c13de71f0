"""Folders in object stores: what comes, what is handed over, and what is told when a store, or the line to it, fails.

S3 against moto's server, Azure against Microsoft's Azurite, each on loopback; what they cannot be brought to say is said
by a server that answers what it is told to.
"""

import hashlib
import logging
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import unquote

import pytest

from schemas.settings.locations import FOLDERS, locations_of
from schemas.texts.faults import ServiceFault, TransientFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.remote import folders as places
from tasks.io.remote.folders import deliver_new, fetch_new, lrs_outbox, open_folder
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Unreachable
from tasks.rehearsal.s3_stand_in import s3_server
from tasks.runtime.process_guard import install_process_guard
from tests.support.faults.faulty_line import FaultyLine
from tests.support.servers.azurite import azurite_server

STORES = ["s3", pytest.param("azure", marks=pytest.mark.engine)]
NUMBERS = count()
#: What no answer may outlast here, in seconds; a loaded machine is slow.
PATIENCE = 20


@dataclass
class Store:
    """A store as its other side sees it, by its makers' own client.

    Attributes:
        server: it, with its log of requests.
        place: bucket or container, and what this test's names begin with.
        key: the settings of a way that let the service in.
        reader: those of an account that may list and read, and nothing else.
        stranger: those of nobody.
    """

    kind: str
    server: Any
    client: Any
    bucket: str
    prefix: str
    key: dict[str, str]
    reader: dict[str, str]
    stranger: dict[str, str]

    def put(self, name: str, data: bytes) -> None:
        """Let an object lie there."""
        if self.kind == "s3":
            self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=data)
        else:
            self.client.get_blob_client(self.bucket, f"{self.prefix}/{name}").upload_blob(data, overwrite=True)

    def remove(self, name: str) -> None:
        """Take an object away."""
        if self.kind == "s3":
            self.client.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}")
        else:
            self.client.get_blob_client(self.bucket, f"{self.prefix}/{name}").delete_blob()

    def lying(self, folder: str) -> dict[str, bytes]:
        """What lies in a folder, by name."""
        begin = f"{self.prefix}/{folder}/"
        if self.kind == "s3":
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=begin).get("Contents", [])
            read = {one["Key"]: self.client.get_object(Bucket=self.bucket, Key=one["Key"]) for one in found}
            return {name.removeprefix(begin): one["Body"].read() for name, one in read.items()}
        container = self.client.get_container_client(self.bucket)
        names = [one.name for one in container.list_blobs(name_starts_with=begin)]
        return {name.removeprefix(begin): container.download_blob(name).readall() for name in names}

    def asked(self, method: str) -> list[str]:
        """The requests of a kind that concern this test."""
        told = [unquote(one) for one in self.server.requests() if one.startswith(method)]
        return [one for one in told if f"{self.prefix}/" in one]

    def way(self, folder: str, **more: Any) -> dict[str, Any]:
        """What leads to one of its folders; another prefix or endpoint where `more` says so."""
        scheme = "s3" if self.kind == "s3" else "az"
        given = {"url": f"{scheme}://{self.bucket}/{self.prefix}/{folder}", "endpoint": self.server.endpoint}
        account = {"account": self.server.account} if self.kind == "azure" else {}
        return given | account | {"patience_seconds": PATIENCE} | self.key | more


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server, server.bucket("returns"), server.client()


@pytest.fixture(scope="module")
def azure():
    with azurite_server() as server, server.client() as client:
        yield server, server.container("returns"), client


@pytest.fixture(scope="module")
def s3_reader(s3):
    server, bucket, _ = s3
    reads = {"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}{w}" for w in ("", "/*")]}
    return server.user("reader", {"Effect": "Allow"} | reads)


@pytest.fixture(params=STORES)
def store(request):
    server, bucket, client = request.getfixturevalue(request.param)
    # A space and a letter beyond ASCII, as folders of schools have them.
    prefix = f"tŷ {next(NUMBERS)}"
    if request.param == "s3":
        access, secret = request.getfixturevalue("s3_reader")
        key = {"access_key": server.access_key, "secret_key": server.secret_key}
        others = {"access_key": access, "secret_key": secret}, key | {"secret_key": "stranger-secret"}
    else:
        key = {"account_key": server.account_key}
        past = datetime(2001, 1, 1, tzinfo=UTC)
        tokens = server.token(bucket, "rl"), server.token(bucket, "rlcw", past)
        others = tuple({"account_key": "", "sas_token": token} for token in tokens)
    return Store(request.param, server, client, bucket, prefix, key, *others)


@pytest.fixture
def lead(store, monkeypatch) -> Callable[..., None]:
    """Let the data root's ways lead to the store; called again, with what is otherwise."""

    def leads(**more: Any) -> None:
        for way in FOLDERS:
            for key, value in store.way(way.replace("_", "/"), **more).items():
                name = f"ULN_WAY_{way.upper()}__{key.upper()}"
                monkeypatch.setenv(name, str(value)) if value else monkeypatch.delenv(name, raising=False)

    leads()
    return leads


@pytest.fixture
def root(tmp_path, lead):  # noqa: ARG001 - the ways lead to the store
    return DataRoot(tmp_path / "root").create()


def nothing(_seconds: float) -> None:
    """No time passes."""


def opened_at(root, name):
    return open_folder(getattr(locations_of(root.reference), name))


def received(root, *folders: str) -> list[bytes]:
    return sorted(p.read_bytes() for p in root.path.joinpath(*folders).rglob("*") if p.is_file())


# What comes


def test_what_is_new_comes_once_and_stays_as_received(store, root):
    store.put("dewi/inbox/660/a b.xml", b"<a/>")
    store.put("dewi/inbox/660/empty.xml", b"")
    store.put("dewi/inbox/660/b.xml.part", b"<b")
    assert fetch_new(root, "dewi_inbox", nothing) == 2 and fetch_new(root, "dewi_inbox", nothing) == 0
    store.put("dewi/inbox/660/a b.xml", b"<a>other</a>")
    assert fetch_new(root, "dewi_inbox", nothing) == 1
    assert received(root, "dewi", "inbox") == [b"", b"<a/>", b"<a>other</a>"]


def test_the_same_delivery_again_brings_nothing_twice(store, root):
    for _ in range(2):
        store.put("lrs/inbox/r.csv", b"answers")
        fetch_new(root, "lrs_inbox", nothing)
    assert received(root, "lrs", "inbox") == [b"answers"]


def test_an_object_with_the_name_of_a_folder_hides_nothing_silently(store, root):
    for name in ("660", "660/a.xml", "661/b.xml"):
        store.put(f"dewi/inbox/{name}", b"<a/>")
    told = ""
    try:
        fetch_new(root, "dewi_inbox", nothing)
    except Rejected as fault:
        told = str(fault)
    came = {path.relative_to(root.dewi_inbox).as_posix() for path in root.dewi_inbox.rglob("*") if path.is_file()}
    assert "661/b.xml" in came and ("660/a.xml" in came or "1 files or folders could not be taken" in told)


def test_nothing_there_yet_is_no_fault(root):
    assert fetch_new(root, "dewi_inbox", nothing) == 0


def test_an_object_that_is_put_anew_between_two_looks_is_left_for_the_next_run(store, root):
    store.put("lrs/inbox/r.csv", b"once")
    assert fetch_new(root, "lrs_inbox", lambda _: store.put("lrs/inbox/r.csv", b"anew")) == 0
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and received(root, "lrs", "inbox") == [b"anew"]


def test_an_object_that_is_gone_when_it_is_fetched_comes_when_it_is_there_again(store, root, monkeypatch):
    store.put("lrs/inbox/r.csv", b"answers")
    looked, looks = places._list_files, count()

    def gone_after_the_second_look(there):
        found = looked(there)
        if next(looks) == 1:
            store.remove("lrs/inbox/r.csv")
        return found

    monkeypatch.setattr(places, "_list_files", gone_after_the_second_look)
    assert fetch_new(root, "lrs_inbox", nothing) == 0
    store.put("lrs/inbox/r.csv", b"answers")
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and received(root, "lrs", "inbox") == [b"answers"]


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_thousands_of_objects_are_listed_a_thousand_at_a_time(store, root):
    names = [f"{store.prefix}/dewi/inbox/660/{number:04}.xml" for number in range(5000)]
    store.server.fill(store.bucket, names)
    with opened_at(root, "dewi_inbox") as there:
        assert len(there.listing("660")) == 5000
    assert len(store.asked("GET")) == 5


@pytest.mark.parametrize("store", [pytest.param("azure", marks=pytest.mark.engine)], indirect=True)
def test_a_listing_asks_nothing_of_single_objects(store, root):
    for number in range(50):
        store.put(f"dewi/inbox/660/{number:02}.xml", b"x")
    with opened_at(root, "dewi_inbox") as there:
        assert len(there.listing("660")) == 50
    assert len(store.asked("GET")) == 2 and not store.asked("HEAD")


# What is handed over


def test_a_batch_is_handed_over_once_and_never_over_another_file(store, root):
    store.put("lrs/outbox/taken", b"theirs")
    with lrs_outbox(root) as outbox:
        outbox.ready()
        assert outbox.hand_over({"ours": b"x"}) == outbox.hand_over({"ours": b"x"}) == {}
        assert isinstance(outbox.hand_over({"taken": b"x"})["taken"], Rejected)
    assert store.lying("lrs/outbox") == {"ours": b"x", "taken": b"theirs"}


@pytest.mark.parametrize("other", [True, False], ids=["another file", "the same file"])
def test_of_those_who_put_at_once_one_does(store, root, other):
    def put(number: int) -> str:
        with opened_at(root, "lrs_outbox") as there:
            try:
                there.put_new("batch", b"batch %d" % number if other else b"batch")
            except Rejected:
                return "refused"
            return f"{number}"

    with ThreadPoolExecutor(8) as at_once:
        did = list(at_once.map(put, range(8)))
    done = [
        one.split()[-1]
        for one in store.asked("PUT")
        if one.split()[-2 if store.kind == "azure" else -1] in ("200", "201")
    ]
    assert len(done) == 1
    if other:
        assert did.count("refused") == 7
        assert store.lying("lrs/outbox") == {"batch": b"batch " + next(d for d in did if d != "refused").encode()}
    else:
        assert "refused" not in did and store.lying("lrs/outbox") == {"batch": b"batch"}


def test_school_files_are_brought_once(store, root):
    (root.dewi_outbox / "660").mkdir()
    (root.dewi_outbox / "660" / "w.xlsx").write_bytes(b"w")
    assert deliver_new(root) == 1 and deliver_new(root) == 0
    assert store.lying("dewi/outbox") == {"660/w.xlsx": b"w"}


# What is told


def is_shut_out(store, sentence: str) -> bool:
    """Whether credentials are told to be wrong; Azurite gives Azure's code for lacking rights, Azure its own (below)."""
    return ("does not let the service in" if store.kind == "s3" else "does not allow it") in sentence


def told(fault: BaseException) -> str:
    """What people read of a fault: one sentence in both languages, and no credential in anything that came of it."""
    assert isinstance(fault, ServiceFault)
    sentence = str(fault)
    assert sentence.count(" / ") == 1 and "\n" not in sentence
    return sentence


@pytest.mark.parametrize("who", ["reader", "stranger"])
def test_who_may_not_is_told_and_nothing_is_put(store, root, lead, who):
    lead(**getattr(store, who))
    with lrs_outbox(root) as outbox:
        fault = outbox.hand_over({"batch": b"x"})["batch"]
    assert isinstance(fault, Rejected)
    assert is_shut_out(store, told(fault)) if who == "stranger" else "does not allow it" in told(fault)
    assert store.lying("lrs/outbox") == {} and len(store.asked("PUT")) == 1


def test_whom_the_store_does_not_know_reads_nothing(store, root, lead):
    lead(**store.stranger)
    with pytest.raises(Rejected) as refused:
        fetch_new(root, "dewi_inbox", nothing)
    assert is_shut_out(store, told(refused.value))


def test_a_bucket_that_is_not_there_is_told(store, root, lead):
    scheme = "s3" if store.kind == "s3" else "az"
    lead(url=f"{scheme}://nowhere/{store.prefix}")
    with lrs_outbox(root) as outbox:
        with pytest.raises(Rejected) as refused:
            outbox.ready()
        fault = outbox.hand_over({"batch": b"x"})["batch"]
        with pytest.raises(Rejected):
            outbox.holds("batch", "")
    assert told(fault) == told(refused.value) and "no such folder or bucket" in told(fault)


def through(store, lead, line, **more: Any) -> None:
    """Lead over a line that breaks."""
    lead(endpoint=store.server.endpoint.replace(str(store.server.port), str(line.port)), **more)


def test_a_store_that_is_away_is_told_and_nothing_is_lost(store, root, lead):
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
    with lrs_outbox(root) as outbox:
        fault = outbox.hand_over({"batch": b"x"})["batch"]
    assert isinstance(fault, Unreachable) and "does not answer" in told(fault)
    with pytest.raises(TransientFault):
        fetch_new(root, "dewi_inbox", nothing)


def test_a_store_that_does_not_answer_is_waited_for_no_longer_than_it_may(store, root, lead):
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line, patience_seconds=1)
        line.hold()
        began = time.monotonic()
        with pytest.raises(TransientFault) as away:
            fetch_new(root, "dewi_inbox", nothing)
        with lrs_outbox(root) as outbox:
            fault = outbox.hand_over({"batch": b"x"})["batch"]
        took = time.monotonic() - began
        line.release()
    assert "does not answer" in told(away.value)
    assert isinstance(fault, OutcomeUnknown) and "nobody knows" in told(fault) and took < PATIENCE


def test_a_slow_line_is_no_fault(store, root, lead):
    data = bytes(40_000)
    store.put("lrs/inbox/r.csv", data)
    with FaultyLine("127.0.0.1", store.server.port) as line:
        line.slow(20_000)
        through(store, lead, line)
        with lrs_outbox(root) as outbox:
            assert outbox.hand_over({"batch": data}) == {}
        assert fetch_new(root, "lrs_inbox", nothing) == 1
    assert store.lying("lrs/outbox") == {"batch": data} and received(root, "lrs", "inbox") == [data]


def test_a_line_that_breaks_in_mid_upload_leaves_no_half_file_and_puts_no_second_time(store, root, lead):
    data = bytes(range(256)) * 2000
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
        line.cut_after(200_000, "server")
        with lrs_outbox(root) as outbox:
            fault = outbox.hand_over({"batch": data})["batch"]
        sent = line.seen["server"]
        assert isinstance(fault, OutcomeUnknown) and "nobody knows" in told(fault)
        assert sent < len(data) and store.lying("lrs/outbox") == {}
        with lrs_outbox(root) as outbox:  # as a person decides who has asked the LRS
            assert outbox.hand_over({"batch": data}) == {}
    assert store.lying("lrs/outbox") == {"batch": data}


def test_a_line_that_breaks_in_mid_download_leaves_nothing_half_and_the_next_run_fetches_it(store, root, lead):
    data = bytes(range(256)) * 2000
    store.put("lrs/inbox/r.csv", data)
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
        line.cut_after(200_000, "client")
        if store.kind == "s3":  # Azure's library reads on where the line broke, which does no harm
            with pytest.raises(TransientFault) as away:
                fetch_new(root, "lrs_inbox", nothing)
            assert "does not answer" in told(away.value) and received(root, "lrs", "inbox") == []
        assert fetch_new(root, "lrs_inbox", nothing) == 1
    assert received(root, "lrs", "inbox") == [data]


#: A put of that much whose answer is swallowed once most of it went: not before, as there the store says "go on".
BATCH, MOST = bytes(50_000), 40_000


def test_a_put_that_was_done_though_its_answer_was_lost_is_found_done(store, root, lead):
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
        line.swallow_answers(MOST)
        with lrs_outbox(root) as outbox:
            assert outbox.hand_over({"batch": BATCH}) == {}
        assert line.connections > 1
    assert store.lying("lrs/outbox") == {"batch": BATCH} and len(store.asked("PUT")) == 1


def test_a_put_whose_answer_was_lost_is_not_done_again_though_the_lrs_has_taken_the_file(store, root, lead):
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
        with opened_at(root, "lrs_outbox") as there:
            looked = there.content

            def taken_by_then(path):
                store.remove(f"lrs/outbox/{path}")
                return looked(path)

            there.content = taken_by_then
            line.swallow_answers(MOST)
            with pytest.raises(OutcomeUnknown) as unknown:
                there.put_new("batch", BATCH)
    assert "nobody knows" in told(unknown.value)
    assert store.lying("lrs/outbox") == {} and len(store.asked("PUT")) == 1


def test_of_an_answer_that_was_lost_nobody_knows_where_nobody_can_look(store, root, lead):
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
        line.swallow_answers(MOST, then_gone=True)
        with lrs_outbox(root) as outbox:
            assert isinstance(outbox.hand_over({"batch": BATCH})["batch"], OutcomeUnknown)
        line.back()
        with lrs_outbox(root) as outbox:  # the next run looks, and finds it
            assert outbox.holds("batch", hashlib.sha256(BATCH).hexdigest())
    assert len(store.asked("PUT")) == 1


def test_school_files_go_with_the_next_run_when_the_line_broke(store, root, lead):
    for name in ("a.zip", "b.zip"):
        (root.dewi_outbox / name).write_bytes(name.encode() * 50_000)
    with FaultyLine("127.0.0.1", store.server.port) as line:
        through(store, lead, line)
        line.cut_after(300_000, "server")
        with pytest.raises(TransientFault) as away:
            deliver_new(root)
        assert "does not answer" in told(away.value)
        assert deliver_new(root) == 1
    assert {name: len(data) for name, data in store.lying("dewi/outbox").items()} == {
        "a.zip": 250_000,
        "b.zip": 250_000,
    }


# What stores say that these two do not


class Canned(ThreadingHTTPServer):
    """Answers each put with a status and code, and each get with an object or that there is none."""

    def __init__(self, status: int, code: str, there: bytes | None) -> None:
        self.puts = 0
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()
        outer = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # who puts waits to be told to go on

            def do_PUT(self) -> None:
                outer.puts += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.say(status, body, code)

            def do_GET(self) -> None:
                if there is None:
                    self.say(404, body.replace(code.encode(), b"NoSuchKey"), "BlobNotFound")
                else:
                    self.say(200, there, "")

            def say(self, status: int, body: bytes, code: str) -> None:
                self.send_response(status)
                for name, value in (("Content-Length", str(len(body))), ("x-ms-error-code", code)):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Answer)


ANSWERS = [
    ("s3", 503, "SlowDown", Unreachable, "has too much to do"),
    ("s3", 403, "RequestTimeTooSkewed", Rejected, "clock"),
    ("s3", 400, "AuthorizationHeaderMalformed", Rejected, "another region"),
    ("s3", 400, "ExpiredToken", Rejected, "does not let the service in"),
    ("s3", 507, "XMinioStorageFull", Rejected, "may be full"),
    ("s3", 501, "NotImplemented", Rejected, "did not take"),
    ("s3", 500, "InternalError", OutcomeUnknown, "nobody knows"),
    ("s3", 502, "Bad gateway", OutcomeUnknown, "nobody knows"),
    ("s3", 409, "ConditionalRequestConflict", OutcomeUnknown, "nobody knows"),
    ("azure", 503, "ServerBusy", Unreachable, "has too much to do"),
    ("azure", 403, "AuthenticationFailed", Rejected, "does not let the service in"),
    ("azure", 500, "InternalError", OutcomeUnknown, "nobody knows"),
]


def lead_to(canned, kind, monkeypatch) -> None:
    """Let the LRS outbox be at a server that answers what it is told to."""
    endpoint = f"http://127.0.0.1:{canned.server_port}"
    given = {
        "s3": {"url": "s3://b/out", "access_key": "key-of-ours", "secret_key": "secret-of-ours", "endpoint": endpoint},
        "azure": {"url": "az://b/out", "account": "a", "account_key": "c2VjcmV0", "endpoint": f"{endpoint}/a"},
    }
    monkeypatch.setenv("ULN_WAY_LRS_OUTBOX__PATIENCE_SECONDS", str(PATIENCE))
    for key, value in given[kind].items():
        monkeypatch.setenv(f"ULN_WAY_LRS_OUTBOX__{key.upper()}", value)


@pytest.fixture
def canned(request) -> Iterator[Canned]:
    with Canned(*request.param) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("canned", "kind", "fault", "says"),
    [((status, code, None), kind, fault, says) for kind, status, code, fault, says in ANSWERS],
    ids=[f"{kind} {code}" for kind, _, code, _, _ in ANSWERS],
    indirect=["canned"],
)
def test_each_answer_of_a_store_is_told_and_none_makes_it_put_again(canned, kind, fault, says, tmp_path, monkeypatch):
    lead_to(canned, kind, monkeypatch)
    with lrs_outbox(DataRoot(tmp_path).create()) as outbox:
        found = outbox.hand_over({"batch": b"x"})["batch"]
    assert isinstance(found, fault) and says in told(found) and canned.puts == 1


@pytest.mark.parametrize(
    "canned", [(412, "PreconditionFailed", b"x"), (409, "ConditionalRequestConflict", b"x")], indirect=True
)
def test_a_store_that_tells_in_its_own_way_that_the_very_file_stands_there_is_understood(canned, tmp_path, monkeypatch):
    lead_to(canned, "s3", monkeypatch)
    with lrs_outbox(DataRoot(tmp_path).create()) as outbox:
        assert outbox.hand_over({"batch": b"x"}) == {}
        assert isinstance(outbox.hand_over({"batch": b"y"})["batch"], Rejected)


@pytest.fixture
def boundary(root, monkeypatch):
    """What holds in a process of the service, until the end of the test."""
    factory, level = logging.getLogRecordFactory(), logging.getLogger("botocore").level
    for place, name in (
        (warnings, "showwarning"),
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    monkeypatch.setattr("tasks.runtime.process_guard._guarded", None)
    install_process_guard(str(root.path))
    yield
    logging.setLogRecordFactory(factory)
    logging.getLogger("botocore").setLevel(level)


@pytest.mark.usefixtures("boundary")
def test_no_credential_is_in_a_log_or_in_anything_that_shows_a_fault(store, root, lead, caplog):
    caplog.set_level(logging.DEBUG)
    passing = {"session_token": "token-of-ours"} if store.kind == "s3" else {}
    accounts = store.key, store.reader, store.stranger | passing
    secrets = {
        value.partition("sig=")[2] or value for who in accounts for key, value in who.items() if key != "access_key"
    }
    secrets = {unquote(value) for value in secrets if value}
    assert len(secrets) >= 3
    shown = []
    for who in accounts:
        lead(**who)
        with opened_at(root, "lrs_outbox") as there:
            shown += [repr(there), repr(there.location), repr(vars(there)), there.shown]
        with lrs_outbox(root) as outbox:
            for fault in outbox.hand_over({"batch": b"x"}).values():
                shown += traceback.format_exception(fault)
    shown += [record.getMessage() for record in caplog.records]
    leaks = [text[:100] for text in shown for secret in secrets if secret in unquote(text)]
    assert not leaks and len(shown) > 12
