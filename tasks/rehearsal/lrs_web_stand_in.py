"""The stand-in's web service: SOAP over mutual TLS on loopback, by our own description of the LRS's, with faults on demand.

It answers from the stand-in's register (`lrs_stand_in`), by the same rules as for files, and sees only what it is sent.
Like the LRS, it accepts a batch and answers it later (`answer_jobs`). Jobs and their answers outlast a run
(`rehearsal/lrs/jobs/`), so that another process can serve them.

Calls are checked against the LRS's schema for order, forms and maximum number of learners (WSEC0001); then the password and
the stated number of learners are checked. A job is known only to the UKPRN that handed it over, and only to the matching
operation. A CHK job changes nothing in the register. A batch received twice becomes two jobs: what the real service does
is not public.

Our own conventions, because nothing is public: verification jobs answer with WSRC0007 to WSRC0010, which are described for
registration; CHK answers RC001 or RC002 without a ULN where there is no fault; LearnersNotFoundCount is 0, and every other
code counts as rejected; a job's number is known as long as the stand-in's data root exists.

To plant a new kind of fault: a word in `Fault`, a line in `_Handler._answer`.
"""

import datetime as dt
import socket
import ssl
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from lxml import etree

import schemas
from schemas.lrs.profiles import all_profiles
from schemas.states import JobKind
from tasks.io.data_root.data_root import write_whole
from tasks.io.lrs.web_service import fits_schema
from tasks.rehearsal import lrs_web_messages as messages
from tasks.rehearsal.certificates import Certificates
from tasks.rehearsal.lrs_stand_in import StandInState, StandInSummary, answered_batches

_FOLDER = Path(schemas.__file__).with_name("lrs")
#: The only password that the service accepts.
PASSWORD = "rehearsal"  # noqa: S105 - of a service on loopback, only during a rehearsal
_CLOSED, _BAD, _PASSWORD, _UNKNOWN_JOB = "WSEC0004", "WSEC0001", "WSEC0005", "WSRC0018"
#: Operation -> code for a call whose stated number of learners is wrong.
_MISCOUNTED = {"SubmitBatch": "WSRC0017", "SubmitVerifyBatch": "WSRC0030"}
#: Message that requests a job's answers -> message that begins such a job.
_BEGUN_BY = {"GetSubmitBatchOutput": "SubmitBatch", "GetVerifyBatchOutput": "SubmitVerifyBatch"}


class Fault(StrEnum):
    """A planned fault of a call.

    DROPPED_BEFORE, DROPPED_AFTER: the connection ends before, or after, the call was accepted. SILENT: accepted, no answer.
    ODD: accepted, answer is not SOAP. GATEWAY: refused by a gateway in front of the service. BROKEN: accepted, answer is an
    empty 500. TWICE: every learner is answered twice. LEFT_OUT: the first learner has no answer. Any other code of the LRS
    gives its fault; a result code (WSRC) gives a reply with that code only.
    """

    DROPPED_BEFORE = "dropped_before"
    DROPPED_AFTER = "dropped_after"
    SILENT = "silent"
    ODD = "odd"
    GATEWAY = "gateway"
    BROKEN = "broken"
    TWICE = "twice"
    LEFT_OUT = "left_out"


class WebStandIn:
    """The running service.

    Attributes:
        address: its URL.
        planned: operation -> faults of its next calls, in order; None for a call without a fault.
        closed: whether it is out of hours.
        taken: message name -> number of calls that passed the checks of schema and password.
        seconds: delay of each answer.
        let_go: ends the wait of SILENT.
    """

    def __init__(self, root: Path) -> None:
        self.address = ""
        self.planned: dict[str, deque[str | None]] = {}
        self.closed = False
        self.taken: Counter[str] = Counter()
        self.seconds = 0.0
        self.let_go = threading.Event()
        self._root, self._jobs = root, _jobs(root)
        self._turn = threading.Lock()

    def reply(self, message: etree._Element) -> etree._Element:
        """Return the reply to a message."""
        name = etree.QName(message).localname
        if self.closed:
            return messages.fault_reply(_CLOSED)
        if not fits_schema(etree.fromstring(etree.tostring(message))):
            return messages.fault_reply(_BAD)
        if message.findtext("OrgPassword") != PASSWORD:
            return messages.fault_reply(_PASSWORD)
        with self._turn:
            self.taken[name] += 1
            if name in _MISCOUNTED:
                if int(message.findtext("LearnerRecordCount") or 0) != len(message.findall("Learner")):
                    return messages.response_to(message, _MISCOUNTED[name])
                return messages.response_to(message, messages.TAKEN, str(self._keep(message)))
            path = self._jobs / f"{message.findtext('JobID')}.xml"
            job = etree.parse(path).getroot() if path.exists() else None
            if job is None or etree.QName(job).localname != _BEGUN_BY[name] or _ukprn(job) != _ukprn(message):
                return messages.response_to(message, _UNKNOWN_JOB)
            if name == "GetVerifyBatchOutput":
                return messages.verify_output(job, StandInState(self._root).register)
            if not _answer_of(path).exists():
                return messages.response_to(message, messages.UNFINISHED)
            return etree.parse(_answer_of(path)).getroot()

    def _keep(self, message: etree._Element) -> int:
        numbers = [int(path.stem) for path in self._jobs.glob("*.xml") if path.stem.isdigit()]
        number = max(numbers, default=1000) + 1
        kept = deepcopy(message)
        etree.strip_elements(kept, "OrgPassword", with_tail=False)
        write_whole(self._jobs / f"{number}.xml", etree.tostring(kept, encoding="UTF-8"))
        return number


def answer_jobs(root: Path, day: dt.date, seed: int = 0) -> StandInSummary:
    """Answer every unanswered batch job, as the LRS does at night (`reply` answers verifications); ages are those on `day`.

    Returns:
        Counts, without jobs that only check.
    """
    due = [path for path in _jobs(root).glob("*.xml") if path.stem.isdigit() and not _answer_of(path).exists()]
    jobs = [(path, etree.parse(path).getroot()) for path in sorted(due)]
    batches = [(path, message) for path, message in jobs if message.findtext("JobType")]
    full = [(path, message) for path, message in batches if message.findtext("JobType") == JobKind.FULL.value]
    for job in batches:
        if job not in full:
            _answer(root, [job], day, seed, keep=False)
    if not full:
        return StandInSummary()
    # In the order that files would have in the outbox.
    full.sort(key=lambda job: (_ukprn(job[1]), job[1].findtext("Learner/MISIdentifier") or "", int(job[0].stem)))
    return _answer(root, full, day, seed, keep=True)


def _answer(
    root: Path, jobs: list[tuple[Path, etree._Element]], day: dt.date, seed: int, *, keep: bool
) -> StandInSummary:
    state = StandInState(root)
    batches = [(path.name, day, messages.batch_table(message)) for path, message in jobs]
    summary, results = answered_batches(state, batches, all_profiles(), seed)
    if keep:
        state.save()
    for (path, message), result in zip(jobs, results, strict=True):
        shown = result if keep else result.assign(ULN="")
        write_whole(_answer_of(path), etree.tostring(messages.batch_output(message, shown), encoding="UTF-8"))
    return summary


@contextmanager
def serving(root: Path, certificates: Certificates) -> Iterator[WebStandIn]:
    """Run the service on a free port of loopback until the end of the block.

    It reads and writes only in the stand-in's own folder of the data root.
    """
    stand_in = WebStandIn(root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.service)
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    server = _Server(context, stand_in)
    stand_in.address = f"https://127.0.0.1:{server.server_address[1]}/LearnerService.svc"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, stand_in: WebStandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._context, self.stand_in = context, stand_in

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread, so that an unfinished handshake delays no other caller.
        with self._context.wrap_socket(request, server_side=True) as secured:
            _Handler(secured, client_address, self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that go away or have no certificate."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout: ClassVar[float] = 60

    def do_GET(self) -> None:
        self._send(200, (_FOLDER / "learner_service.wsdl").read_bytes())

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        body = etree.fromstring(content).find(f"{{{messages.SOAP}}}Body")
        assert body is not None  # noqa: S101 - only our own client calls it
        self._answer(body[0])

    def _answer(self, message: etree._Element) -> None:
        stand_in = self.server.stand_in
        planned = stand_in.planned.get(etree.QName(message).localname)
        fault = planned.popleft() if planned else None
        if fault == Fault.DROPPED_BEFORE:
            return self._drop()
        if fault == Fault.GATEWAY:
            return self._send(403, b"<html>forbidden</html>")
        if fault is not None and fault.startswith("WSRC"):
            return self._send(200, messages.in_envelope(messages.response_to(message, fault)))
        if fault is not None and fault not in set(Fault):
            return self._send(500, messages.in_envelope(messages.fault_reply(fault)))
        reply = stand_in.reply(message)
        if stand_in.seconds:
            stand_in.let_go.wait(stand_in.seconds)
        if fault == Fault.SILENT:
            stand_in.let_go.wait(60)
        if fault in (Fault.DROPPED_AFTER, Fault.SILENT):
            return self._drop()
        if fault == Fault.ODD:
            return self._send(200, b"<html>maintenance")
        if fault == Fault.BROKEN:
            return self._send(500, b"")
        learners = reply.findall("Learner") + reply.findall("VerifiedLearner")
        if fault == Fault.TWICE:
            reply.extend([deepcopy(learner) for learner in learners])
        if fault == Fault.LEFT_OUT:
            reply.remove(learners[0])
        return self._send(500 if etree.QName(reply).localname == "Fault" else 200, messages.in_envelope(reply))

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing, because messages name learners."""


def settings_of(stand_in: WebStandIn, certificates: Certificates) -> str:
    """Return `reference/lrs_service.toml` for a data root that uses the stand-in."""
    settings = {
        "route": "web-service",
        "address": stand_in.address,
        "user_name": "rehearsal",
        "certificate": certificates.caller,
        "authority": certificates.authority,
    }
    return "".join(f'{key} = "{value}"\n' for key, value in settings.items())


def _jobs(root: Path) -> Path:
    return root / "rehearsal" / "lrs" / "jobs"


def _answer_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.answer.xml")


def _ukprn(message: etree._Element) -> str:
    return message.findtext("UKPRN") or ""
