"""The LRS's learner web service as we call it: SOAP over mutual TLS, and what became of each call.

A call ends in a code of `schemas.codes.service_codes`, never in an exception: what the libraries raise holds messages, and so
learners. Of the calls only `submit` of the kind FULL creates anything; nothing here is tried twice. Whether a learner's
data left this machine is known exactly: a call that failed before its body was begun was not heard.

Requests are written by zeep from our own description of the service (`schemas/lrs/learner_service.wsdl`) and held against
its schema before they go; replies are read by our own hardened reader, by local names, for both published descriptions of
the service spell them differently.

Belongs here: connection, messages, codes of a call. Does not belong here: which batch goes when
(`tasks.steps.lrs_calls`), what a code means for a batch (`schemas.codes.service_codes`). To add a call: its operation
in the description, a method here.
"""

import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
import zeep
from lxml import etree
from requests.adapters import HTTPAdapter

import schemas
from schemas.codes.service_codes import Connection
from schemas.states import JobKind
from schemas.texts.faults import Refused
from tasks.io.lrs.settings import LrsService
from tasks.io.untrusted_xml import parse

_FOLDER = Path(schemas.__file__).with_name("lrs")
_BINDING = "{http://learner.webservice.miap.gov.uk}LearnerBinding"
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
#: Far above any reply: two hundred learners are some 200 KiB.
_MOST_BYTES = 8 * 2**20
#: What a server says that takes no such certificate; under TLS 1.3 it says so when the request is under way already.
_CERTIFICATE_ALERTS = frozenset(
    {
        *("TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_ACCESS_DENIED"),
        *("SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_REVOKED"),
        *("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    }
)


@dataclass(frozen=True)
class Reply:
    """What became of a call.

    Attributes:
        code: the LRS's, or one of `Connection`.
        job_ref: the number of the job that it began.
        message: the reply's message without its envelope; empty where there is none.
    """

    code: str
    job_ref: str = ""
    message: bytes = b""


class LearnerService:
    """The web service of some settings; its methods may be called from several threads."""

    def __init__(self, settings: LrsService) -> None:
        self._settings = settings
        self._threads = threading.local()

    def submit(self, document: bytes, kind: JobKind) -> Reply:
        """Hand a batch over, or have it checked.

        Args:
            document: `files.write_batch` in the form SOAP.
            kind: what shall be done with it.

        Returns:
            The code; and the job's number, where the LRS took it.
        """
        batch = etree.fromstring(document)
        learners = [{str(cell.tag): cell.text for cell in learner} for learner in batch.iterfind("Learner")]
        reply = self._call(
            "submitBatchRegistration",
            str(batch.findtext("UKPRN")),
            JobType=kind.value,
            LearnerRecordCount=len(learners),
            Learner=learners,
        )
        return _with_job(reply)

    def output(self, job_ref: str, ukprn: str) -> Reply:
        """Ask for the answers of a job; its message where it is finished."""
        return self._call("getBatchRegistrationOutput", ukprn, JobID=int(job_ref))

    def submit_verification(self, ukprn: str, learners: Sequence[dict[str, str]]) -> Reply:
        """Ask whether ULNs are their learners': at most 200, by the names of `LearnerToVerify`."""
        reply = self._call(
            "submitVerifyBatch", ukprn, LearnerRecordCount=len(learners), Learner=[dict(one) for one in learners]
        )
        return _with_job(reply)

    def verification(self, job_ref: str, ukprn: str) -> Reply:
        """Ask for what became of a verification."""
        return self._call("getVerifyBatchOutput", ukprn, JobID=int(job_ref))

    def reached(self) -> str | None:
        """Why the service cannot be reached, as a code; None where it can. Sends nothing but a request for the page."""
        try:
            with (
                self._on_its_own_connection() as session,
                session.get(self._settings.address, timeout=self._limits(), stream=True, allow_redirects=False),
            ):
                return None
        except (requests.RequestException, OSError) as error:  # also of a certificate or key that cannot be read
            return _why_not(error, begun=False)

    def _call(self, operation: str, ukprn: str, **given: Any) -> Reply:
        try:
            envelope = self._envelope(operation, ukprn, **given)
            # As it is read: what zeep leaves of prefixes is no part of it.
            fits = fits_schema(etree.fromstring(etree.tostring(envelope[0][0])))
        except Exception:  # noqa: BLE001 - whatever the library says of a value names the value
            return Reply(Connection.NOT_MADE)
        if not fits:
            return Reply(Connection.NOT_MADE)
        return self._post(etree.tostring(envelope, xml_declaration=True, encoding="UTF-8"))

    def _envelope(self, operation: str, ukprn: str, **given: Any) -> etree._Element:
        who = {
            # One published description wants the element, which may be nil; the other lets it be left out, or nil.
            "OrganisationRef": self._settings.organisation_ref or zeep.xsd.Nil,
            "UKPRN": ukprn,
            "OrgPassword": self._settings.password.get_secret_value(),
            "UserName": self._settings.user_name,
        }
        with _ONE_AT_A_TIME:
            client = _description()
        service = client.create_service(_BINDING, self._settings.address)
        message: etree._Element = client.create_message(service, operation, **who, **given)
        return message

    def _post(self, content: bytes) -> Reply:
        body = _Body(content)
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": '""',
            # A connection that is kept may be closed by the other side just as it is used again, and nobody knows then.
            "Connection": "close",
        }
        try:
            with (
                self._on_its_own_connection() as session,
                session.post(
                    self._settings.address,
                    data=body,
                    headers=headers,
                    timeout=self._limits(),
                    stream=True,
                    allow_redirects=False,
                ) as response,
            ):
                status, reply = response.status_code, self._read(response)
        except (requests.RequestException, OSError) as error:
            return Reply(_why_not(error, begun=body.begun))
        return _read_reply(status, reply)

    def _read(self, response: requests.Response) -> bytes:
        until = time.monotonic() + self._settings.answer_seconds
        content = bytearray()
        for part in response.iter_content(2**16):
            content += part
            if len(content) > _MOST_BYTES or time.monotonic() > until:
                raise requests.ReadTimeout
        return bytes(content)

    def _limits(self) -> tuple[float, float]:
        return self._settings.connect_seconds, self._settings.answer_seconds

    @contextmanager
    def _on_its_own_connection(self) -> Iterator[requests.Session]:
        session = self._session()
        try:
            yield session
        finally:
            # Asked to close, a server may keep it all the same, and the library would then use it again.
            session.close()

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            session = requests.Session()
            session.trust_env = False  # no proxy, no .netrc, no other authorities than those that are set
            session.mount("https://", _MutualTls(self._settings))
            session.verify = self._settings.authority or True
            self._threads.session = session
        found: requests.Session = self._threads.session
        return found


class _Body(BytesIO):
    """What is sent, which knows whether it was begun."""

    begun = False

    def __len__(self) -> int:
        return len(self.getbuffer())

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


class _MutualTls(HTTPAdapter):  # type: ignore[misc]  # the library has no types
    """Connections on which both sides show a certificate."""

    def __init__(self, settings: LrsService) -> None:
        self._context = ssl.create_default_context(cafile=settings.authority or None)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate:
            # As a function, also of no password: else OpenSSL asks for one on the terminal, and the run waits for ever.
            self._context.load_cert_chain(
                settings.certificate, settings.key or None, settings.key_password.get_secret_value
            )
        super().__init__(max_retries=0)

    def init_poolmanager(self, *given: Any, **named: Any) -> Any:
        return super().init_poolmanager(*given, **named, ssl_context=self._context)


@cache
def _description() -> zeep.Client:
    return zeep.Client(str(_FOLDER / "learner_service.wsdl"), settings=zeep.Settings(forbid_dtd=True))


#: libxml2 makes what all schemas share with the first of them, and not safely where several threads come at once.
_ONE_AT_A_TIME = threading.Lock()


def fits_schema(message: etree._Element) -> bool:
    """Whether a message is as the schema of its namespace has it; of several threads one is told at a time."""
    with _ONE_AT_A_TIME:
        return bool(_schema(etree.QName(message).namespace or "").validate(message))


@cache
def _schema(namespace: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_FOLDER / f"{namespace.rpartition('/')[2]}.xsd"))


def _why_not(error: Exception, *, begun: bool) -> str:
    """The code of a call that brought no reply."""
    met: BaseException | None = error
    while met is not None:
        if isinstance(met, ssl.SSLCertVerificationError):
            return Connection.NOT_TRUSTED
        if isinstance(met, ssl.SSLError) and (not begun or met.reason in _CERTIFICATE_ALERTS):
            return Connection.NOT_TRUSTED
        reason = getattr(met, "reason", None)
        inner = [one for one in (reason, *met.args) if isinstance(one, BaseException)]
        met = inner[0] if inner else met.__cause__ or met.__context__
    return Connection.NO_ANSWER if begun else Connection.NOT_REACHED


#: What a server answers that has not looked at a call. After others, such as leading elsewhere, it may have taken it.
_REFUSALS = {400, 401, 403, 404, 405, 411, 413, 415}


def _read_reply(status: int, content: bytes) -> Reply:
    message = _message(content)
    if message is None:
        return Reply(Connection.REFUSED if status in _REFUSALS else Connection.ODD_ANSWER)
    if message.tag == f"{_SOAP}Fault":
        return Reply(_text(message, "ErrorCode") or Connection.UNKNOWN)
    code = next((one.text for one in message if _local(one) == "ResponseCode"), None)
    return Reply((code or "").strip() or Connection.ODD_ANSWER, message=etree.tostring(message))


def _message(content: bytes) -> etree._Element | None:
    """What stands in an envelope's body."""
    try:
        envelope = parse(content)
    except Refused:
        return None
    body = envelope.find(f"{_SOAP}Body")
    found = [] if body is None else [one for one in body if isinstance(one.tag, str)]
    return found[0] if len(found) == 1 else None


def _with_job(reply: Reply) -> Reply:
    """The reply to a hand-over, with its job; a code that says that it was taken means nothing without one."""
    if not reply.message:
        return reply
    job = _text(etree.fromstring(reply.message), "JobID")
    return Reply(reply.code, job) if job.isascii() and job.isdigit() else Reply(reply.code)


def _text(message: etree._Element, name: str) -> str:
    return next(((one.text or "").strip() for one in message.iter(etree.Element) if _local(one) == name), "")


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname
