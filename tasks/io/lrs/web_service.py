"""Client of the LRS's learner web service: SOAP over mutual TLS, and the outcome of each call.

A call ends in a code of `schemas.codes.service_codes`, never in an exception: the libraries' exceptions quote messages, which
hold learners' data. Only `submit` of the kind FULL registers learners; nothing here is retried. A call that failed before it
began to send its body did not reach the LRS, so no learner's data left this machine.

zeep writes requests from our own description of the service (`schemas/lrs/learner_service.wsdl`); they are checked against
its schema before they are sent. Replies are parsed by `untrusted_xml` and read by local names, because the two published
descriptions qualify them differently.

Does not belong here: which batch goes when (`tasks.steps.lrs_calls`), and what a code means for a batch
(`schemas.codes.service_codes`). To add a call: its operation in the description, a method here.
"""

import ssl
import threading
import time
from collections.abc import Sequence
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
#: Far above any reply: two hundred learners are about 200 KiB.
_MOST_BYTES = 8 * 2**20
#: TLS alerts with which a server rejects our certificate; in TLS 1.3 they come after the request has begun.
_CERTIFICATE_ALERTS = frozenset(
    {
        *("TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_ACCESS_DENIED"),
        *("SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_REVOKED"),
        *("SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    }
)


@dataclass(frozen=True)
class Reply:
    """The outcome of a call.

    Attributes:
        code: the LRS's code, or one of `Connection`.
        job_ref: number of the job that the call began.
        message: the reply's message without its envelope; empty where there is none.
    """

    code: str
    job_ref: str = ""
    message: bytes = b""


class LearnerService:
    """The web service at the settings' address; thread-safe."""

    def __init__(self, settings: LrsService) -> None:
        self._settings = settings

    def submit(self, document: bytes, kind: JobKind) -> Reply:
        """Hand over a batch (`files.write_batch`, format SOAP), or have it checked; an accepted one gets a job number."""
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
        """Request a job's answers; the reply has a message where the job is finished."""
        return self._call("getBatchRegistrationOutput", ukprn, JobID=int(job_ref))

    def submit_verification(self, ukprn: str, learners: Sequence[dict[str, str]]) -> Reply:
        """Have the ULNs of at most 200 learners verified; keys as in `LearnerToVerify`."""
        rows = [dict(row) for row in learners]
        return _with_job(self._call("submitVerifyBatch", ukprn, LearnerRecordCount=len(rows), Learner=rows))

    def verification(self, job_ref: str, ukprn: str) -> Reply:
        """Request the result of a verification."""
        return self._call("getVerifyBatchOutput", ukprn, JobID=int(job_ref))

    def reached(self) -> str | None:
        """Return a code if the service cannot be reached, otherwise None; sends only a GET of the address."""
        try:
            with self._session() as session, self._request(session, "GET"):
                return None
        except (requests.RequestException, OSError) as error:  # also where a certificate or key cannot be read
            return _why_not(error, begun=False)

    def _call(self, operation: str, ukprn: str, **fields: Any) -> Reply:
        try:
            envelope = self._envelope(operation, ukprn, **fields)
            # Parsed again, because the prefixes that zeep leaves behind are not part of the message.
            fits = fits_schema(etree.fromstring(etree.tostring(envelope[0][0])))
        except Exception:  # noqa: BLE001 - the library's messages quote the value
            fits = False
        if not fits:
            return Reply(Connection.NOT_MADE)
        return self._post(etree.tostring(envelope, xml_declaration=True, encoding="UTF-8"))

    def _envelope(self, operation: str, ukprn: str, **fields: Any) -> etree._Element:
        caller = {
            # Nil fits both published descriptions: one requires the element, in the other it is optional.
            "OrganisationRef": self._settings.organisation_ref or zeep.xsd.Nil,
            "UKPRN": ukprn,
            "OrgPassword": self._settings.password.get_secret_value(),
            "UserName": self._settings.user_name,
        }
        with _SCHEMA_LOCK:
            client = _description()
        service = client.create_service(_BINDING, self._settings.address)
        message: etree._Element = client.create_message(service, operation, **caller, **fields)
        return message

    def _post(self, content: bytes) -> Reply:
        body = _Body(content)
        # A kept connection may be closed by the server just as it is reused; the outcome would then be unknown.
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "Connection": "close"}
        try:
            with self._session() as session, self._request(session, "POST", data=body, headers=headers) as response:
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

    def _request(self, session: requests.Session, method: str, **content: Any) -> requests.Response:
        limits = (self._settings.connect_seconds, self._settings.answer_seconds)
        return session.request(
            method, self._settings.address, timeout=limits, stream=True, allow_redirects=False, **content
        )

    def _session(self) -> requests.Session:
        """Open a call's session: a server may keep a connection despite "close", and a kept session would reuse it."""
        session = requests.Session()
        session.trust_env = False  # no proxy, no .netrc, only the authorities of the settings
        session.mount("https://", _MutualTls(self._settings))
        session.verify = self._settings.authority or True
        return session


class _Body(BytesIO):
    """A request body that knows whether sending has begun."""

    begun = False

    def __len__(self) -> int:
        return len(self.getbuffer())

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


class _MutualTls(HTTPAdapter):  # type: ignore[misc]  # the library has no types
    """Connections on which both sides present a certificate."""

    def __init__(self, settings: LrsService) -> None:
        self._context = ssl.create_default_context(cafile=settings.authority or None)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate:
            # A function, even for no password: otherwise OpenSSL asks for one on the terminal, and the run hangs.
            self._context.load_cert_chain(
                settings.certificate, settings.key or None, settings.key_password.get_secret_value
            )
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        return super().init_poolmanager(*args, **kwargs, ssl_context=self._context)


@cache
def _description() -> zeep.Client:
    return zeep.Client(str(_FOLDER / "learner_service.wsdl"), settings=zeep.Settings(forbid_dtd=True))


#: With the first schema, libxml2 builds state that all schemas share; this is not safe in several threads at once.
_SCHEMA_LOCK = threading.Lock()


def fits_schema(message: etree._Element) -> bool:
    """Whether a message is valid by the schema of its namespace; one thread at a time."""
    with _SCHEMA_LOCK:
        return bool(_schema(etree.QName(message).namespace or "").validate(message))


@cache
def _schema(namespace: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_FOLDER / f"{namespace.rpartition('/')[2]}.xsd"))


def _why_not(error: Exception, *, begun: bool) -> str:
    """Return the code of a call without a reply."""
    raised: BaseException | None = error
    while raised is not None:
        if isinstance(raised, ssl.SSLCertVerificationError):
            return Connection.NOT_TRUSTED
        if isinstance(raised, ssl.SSLError) and (not begun or raised.reason in _CERTIFICATE_ALERTS):
            return Connection.NOT_TRUSTED
        reason = getattr(raised, "reason", None)
        inner = [cause for cause in (reason, *raised.args) if isinstance(cause, BaseException)]
        raised = inner[0] if inner else raised.__cause__ or raised.__context__
    return Connection.NO_ANSWER if begun else Connection.NOT_REACHED


#: HTTP statuses of a server that has not accepted a call. After others, such as a redirect, it may have accepted it.
_REFUSALS = {400, 401, 403, 404, 405, 411, 413, 415}


def _read_reply(status: int, content: bytes) -> Reply:
    message = _message(content)
    if message is None:
        return Reply(Connection.REFUSED if status in _REFUSALS else Connection.ODD_ANSWER)
    if message.tag == f"{_SOAP}Fault":
        return Reply(_text(message, "ErrorCode") or Connection.UNKNOWN)
    code = (message.findtext("{*}ResponseCode") or "").strip()
    return Reply(code or Connection.ODD_ANSWER, message=etree.tostring(message))


def _message(content: bytes) -> etree._Element | None:
    """Return the only element of an envelope's body; None where there is no body, or not exactly one element."""
    try:
        envelope = parse(content)
    except Refused:
        return None
    body = envelope.find(f"{_SOAP}Body")
    elements = [] if body is None else [element for element in body if isinstance(element.tag, str)]
    return elements[0] if len(elements) == 1 else None


def _with_job(reply: Reply) -> Reply:
    """Return the reply to a hand-over with its job number; without one, a code of acceptance means nothing."""
    if not reply.message:
        return reply
    job = _text(etree.fromstring(reply.message), "JobID")
    return Reply(reply.code, job) if job.isascii() and job.isdigit() else Reply(reply.code)


def _text(message: etree._Element, name: str) -> str:
    return next(((element.text or "").strip() for element in message.iter(f"{{*}}{name}")), "")
