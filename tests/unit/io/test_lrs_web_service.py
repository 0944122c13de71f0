"""Calls of the LRS web service over loopback: what is said, and that each thing that goes wrong has its own code."""

import contextlib
import datetime as dt
import logging
import socket
import ssl
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pandas as pd
import pytest
import zeep
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from schemas.codes.service_codes import Connection, service_codes
from schemas.lrs.profiles import BY_SERVICE, SOAP, all_profiles
from schemas.states import JobKind
from tasks.io.lrs.files import read_result, write_batch
from tasks.io.lrs.messages import answered_learners, result_file
from tasks.io.lrs.settings import lrs_service
from tasks.io.lrs.web_service import LearnerService, _read_reply
from tasks.rehearsal.certificates import make_certificates
from tasks.rehearsal.lrs_web_stand_in import PASSWORD, Fault, answer_jobs, serving, settings_of
from tests.support.paths import GOLDEN, PROJECT

MESSAGES = GOLDEN / "lrs_service"
SCHEMAS = PROJECT / "schemas" / "lrs"
NAME, UKPRN = "Zzmarkername", "10000001"
FIELDS = ["upn", "given_name", "middle_name", "family_name", "dob", "gender", "postcode", "ability_to_share"]
LEARNERS = pd.DataFrame(
    [
        ["M660402510001", "Ann", "Mair", NAME, "1996-11-05", "2", "LL77 7NG", "1"],
        ["A660402510002", "Sion & Co", None, "O'Brien-Jones", "1997-02-28", "1", "LL77 7NG", "2"],
    ],
    columns=FIELDS,
).astype("str")
DAY = dt.date(2012, 1, 29)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def lrs(tmp_path, certificates):
    with serving(tmp_path / "root", certificates) as stand_in:
        yield stand_in


@pytest.fixture
def caller(lrs, certificates, tmp_path, monkeypatch):
    """Makes a service of the settings, with what a test changes in them."""
    monkeypatch.setenv("ULN_LRS_PASSWORD", PASSWORD)

    def made(**changes):
        said = dict(line.split(" = ", 1) for line in settings_of(lrs, certificates).splitlines())
        said |= {key: f'"{value}"' if isinstance(value, (str, Path)) else str(value) for key, value in changes.items()}
        (tmp_path / "lrs_service.toml").write_text("".join(f"{k} = {v}\n" for k, v in said.items()), encoding="utf-8")
        return LearnerService(lrs_service(tmp_path))

    return made


def document(rows=LEARNERS):
    return write_batch(rows, profile=all_profiles()[BY_SERVICE], fmt=SOAP, ukprn=UKPRN, file_name="LRB_X.SOAP")


def pretty(content):
    return etree.tostring(
        etree.fromstring(content, etree.XMLParser(remove_blank_text=True)), pretty_print=True
    ).decode()


def test_what_a_batch_hands_over_is_the_golden_message(caller, monkeypatch):
    assert document().decode() == (MESSAGES / "batch.xml").read_text(encoding="utf-8")
    said = []
    monkeypatch.setattr(LearnerService, "_post", lambda _self, content: said.append(content))
    monkeypatch.setattr("tasks.io.lrs.web_service._with_job", lambda reply: reply)
    caller(organisation_ref="WG0001").submit(document(), JobKind.FULL)
    caller().submit(document(), JobKind.CHECK)
    assert pretty(said[0]) == (MESSAGES / "submit_full.xml").read_text(encoding="utf-8")
    assert b"<JobType>CHK</JobType>" in said[1] and b"OrganisationRef" in said[1]
    nothing = etree.fromstring(said[1]).find(".//OrganisationRef")
    assert nothing.text is None and nothing.attrib == {"{http://www.w3.org/2001/XMLSchema-instance}nil": "true"}


def test_of_several_threads_one_holds_a_message_against_its_schema_at_a_time(caller, monkeypatch):
    """libxml2 may fail where the first schemas of a process are made at once; a batch that was not sent would count as unknown."""
    busy, met, gate = threading.Lock(), [], threading.Event()

    def slow(_namespace):
        met.append(busy.acquire(blocking=False))
        gate.wait(0.05)
        if met[-1]:
            busy.release()
        return etree.XMLSchema(etree.parse(SCHEMAS / "batchmsg.xsd"))

    monkeypatch.setattr("tasks.io.lrs.web_service._schema", slow)
    service = caller()
    with ThreadPoolExecutor(4) as threads:
        codes = [one.code for one in threads.map(lambda _: service.submit(document(), JobKind.FULL), range(4))]
    assert all(met) and len(met) >= 4 and codes == ["WSRC0007"] * 4


def test_a_message_that_could_not_be_held_against_its_schema_was_not_sent(lrs, caller, monkeypatch):
    def broken(_namespace):
        raise etree.XMLSchemaParseError("Document is not valid XML Schema")

    monkeypatch.setattr("tasks.io.lrs.web_service._schema", broken)
    assert caller().submit(document(), JobKind.FULL).code == Connection.NOT_MADE and not lrs.taken


def test_a_message_fits_our_description_of_the_service_and_its_order_is_the_schema_s():
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "batchmsg.xsd"))
    message = etree.parse(MESSAGES / "submit_full.xml").find(".//{http://api.lrs.miap.gov.uk/batchmsg}SubmitBatch")
    assert schema.validate(etree.fromstring(etree.tostring(message))), schema.error_log
    described = zeep.Client(str(SCHEMAS / "learner_service.wsdl")).get_type(
        "{http://api.lrs.miap.gov.uk/learner}BatchLearner"
    )
    layout = [c.xml_name or c.heading for c in all_profiles()[BY_SERVICE].columns if not c.first_row_only]
    assert layout == [name for name, _ in described.elements]


def test_a_batch_is_taken_answered_later_and_read_as_any_result_file(caller, tmp_path):
    service = caller()
    handed = service.submit(document(), JobKind.FULL)
    assert (handed.code, handed.job_ref) == ("WSRC0007", "1001")
    assert service.output("1001", UKPRN).code == "WSRC0008"
    assert service.output("7", UKPRN).code == "WSRC0018"
    answer_jobs(tmp_path / "root", DAY)
    answered = service.output("1001", UKPRN)
    assert answered.code == "WSRC0009"
    content = result_file(answered.message, UKPRN, "LRB_X", "1001")
    assert pretty(content) == (MESSAGES / "result.xml").read_text(encoding="utf-8")
    rows = read_result(content, all_profiles())
    assert rows["mis_identifier"].tolist() == LEARNERS["upn"].tolist()
    assert rows[["ukprn", "file_name_cell"]].drop_duplicates().to_numpy().tolist() == [[UKPRN, "LRB_X"]]
    assert rows["return_code"].tolist() == ["RC001", "RC011"] and rows["uln"].notna().tolist() == [True, False]
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "batchmsg.xsd"))
    assert schema.validate(etree.fromstring(answered.message)), schema.error_log
    assert rows[["given_name", "family_name", "dob", "gender", "postcode", "ability_to_share"]].equals(
        LEARNERS[["given_name", "family_name", "dob", "gender", "postcode", "ability_to_share"]]
    )


def test_a_check_gives_no_uln_and_leaves_nothing_in_the_register(caller, tmp_path):
    service = caller()
    assert service.submit(document(), JobKind.CHECK).job_ref == "1001"
    answer_jobs(tmp_path / "root", DAY)
    checked = read_result(result_file(service.output("1001", UKPRN).message, UKPRN, "X", "1001"), all_profiles())
    assert checked["uln"].isna().all() and checked["return_code"].notna().all()
    assert not (tmp_path / "root" / "rehearsal" / "lrs" / "register.parquet").exists()


@pytest.mark.parametrize(
    ("planted", "code", "heard"),
    [
        (Fault.DROPPED_BEFORE, Connection.NO_ANSWER, 0),
        (Fault.DROPPED_AFTER, Connection.NO_ANSWER, 1),
        (Fault.SILENT, Connection.NO_ANSWER, 1),
        (Fault.ODD, Connection.ODD_ANSWER, 1),
        (Fault.BROKEN, Connection.ODD_ANSWER, 1),
        (Fault.GATEWAY, Connection.REFUSED, 0),
        ("WSEC0003", "WSEC0003", 0),
        ("WSEC0999", "WSEC0999", 0),
    ],
)
def test_each_thing_that_goes_wrong_has_its_code_and_is_tried_once(lrs, caller, planted, code, heard):
    lrs.planned["SubmitBatch"] = deque([planted])
    assert caller(answer_seconds=1.5).submit(document(), JobKind.FULL).code == code
    assert lrs.taken["SubmitBatch"] == heard
    told = service_codes()[code].explanation
    assert told.cy != told.en and code in told.en
    # Of what may have been taken nobody says that it was not.
    assert (service_codes()[code].outcome == "unknown") or heard == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, Connection.REFUSED),
        (302, Connection.ODD_ANSWER),
        (408, Connection.ODD_ANSWER),
        (409, Connection.ODD_ANSWER),
    ],
)
def test_only_an_answer_of_one_that_has_not_looked_says_that_nothing_was_taken(status, code):
    assert _read_reply(status, b"<html/>").code == code


def test_a_certificate_that_is_none_and_a_key_without_its_password_are_told_and_not_asked_for(caller, tmp_path):
    (tmp_path / "none.pem").write_text("no certificate", encoding="ascii")
    service = caller(certificate=tmp_path / "none.pem", key="")
    assert service.reached() == service.submit(document(), JobKind.FULL).code == Connection.NOT_TRUSTED
    key = ec.generate_private_key(ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(b"unknown")
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (tmp_path / "locked.pem").write_bytes(key.private_bytes(*pem, locked))
    assert caller(key=tmp_path / "locked.pem").reached() == Connection.NOT_TRUSTED


def test_an_answer_that_comes_too_slowly_is_none_and_one_that_takes_its_time_is_one(lrs, caller):
    lrs.seconds = 3.0
    assert caller(answer_seconds=0.5).submit(document(), JobKind.FULL).code == Connection.NO_ANSWER
    lrs.seconds = 0.3
    assert caller(answer_seconds=20).submit(document(), JobKind.FULL).code == "WSRC0007"


def test_out_of_hours_and_a_wrong_password_are_told_by_the_lrs(lrs, caller, monkeypatch):
    monkeypatch.setenv("ULN_LRS_PASSWORD", "wrong")
    assert caller().submit(document(), JobKind.FULL).code == "WSEC0005"
    lrs.closed = True
    assert caller().submit(document(), JobKind.FULL).code == "WSEC0004"
    assert not lrs.taken


def test_where_nobody_listens_nothing_was_handed_over(caller):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = caller(address=f"https://127.0.0.1:{port}/x")
    assert nobody.submit(document(), JobKind.FULL).code == Connection.NOT_REACHED
    assert nobody.reached() == Connection.NOT_REACHED
    assert service_codes()[Connection.NOT_REACHED].outcome == "not_taken"


def test_without_a_certificate_that_the_other_side_trusts_nothing_is_handed_over(lrs, caller, certificates, tmp_path):
    others = make_certificates(tmp_path / "others")
    # The other side may end the connection before its word is read: that it is not reached can be told before any call.
    for changes in ({"certificate": others.caller}, {"certificate": ""}):
        assert caller(**changes, route="files").reached() in (Connection.NOT_TRUSTED, Connection.NOT_REACHED)
    # An authority that does not vouch for the LRS; a file that is no certificate of ours.
    for changes in ({"authority": others.authority}, {"certificate": certificates.authority}):
        assert caller(**changes).submit(document(), JobKind.FULL).code == Connection.NOT_TRUSTED
    assert not lrs.taken
    assert caller().reached() is None


def test_a_server_that_ends_the_connection_without_a_word_after_the_handshake_is_no_matter_of_trust(
    caller, certificates
):
    """Under TLS an end without notice is an error of TLS, too: it says nothing of what was heard."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.service)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            plain, _ = listening.accept()
            with context.wrap_socket(plain, server_side=True) as secured:
                while b"</" not in secured.recv(65536):
                    pass
                secured.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"https://127.0.0.1:{listening.getsockname()[1]}/x"
        assert caller(address=address).submit(document(), JobKind.FULL).code == Connection.NO_ANSWER
        thread.join()


class Lingering:
    """A side that keeps connections though it is asked to close them, and counts the messages that it gets on each.

    Attributes:
        messages: how many came on each connection, in their order.
        drops: the places, in the order of all messages, of those after which it ends the connection without a word.
    """

    def __init__(self, certificates):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.service)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._listening.getsockname()[1]}/x"
        self.messages, self.drops, self._number = [], set(), count()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as secured:
            place, got = len(self.messages), b""
            self.messages.append(0)
            while part := secured.recv(65536):
                got += part
                if not got.rstrip().endswith(b"Envelope>"):
                    continue
                self.messages[place] += 1
                got = b""
                if next(self._number) in self.drops:
                    secured.shutdown(socket.SHUT_RDWR)
                    return
                secured.sendall(
                    b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(TAKEN) + TAKEN
                )

    def close(self):
        """Take no connection any more."""
        self._listening.close()


TAKEN = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r:SubmitBatchResponse '
    b'xmlns:r="http://api.lrs.miap.gov.uk/batchmsg"><ResponseCode>WSRC0007</ResponseCode><JobID>1</JobID>'
    b"</r:SubmitBatchResponse></e:Body></e:Envelope>"
)


@pytest.mark.parametrize("drops", [set(), {1}, {0, 1, 2}], ids=["none", "the-second", "all"])
def test_a_call_is_made_once_on_a_connection_of_its_own_whatever_becomes_of_the_connection(caller, certificates, drops):
    """On a connection that is kept the libraries may call again by themselves, or meet its end with a call under way."""
    with contextlib.closing(Lingering(certificates)) as other_side:
        other_side.drops = drops
        service = caller(address=other_side.address)
        codes = [service.submit(document(), JobKind.FULL).code for _ in range(3)]
    assert codes == [Connection.NO_ANSWER if n in drops else "WSRC0007" for n in range(3)]
    assert other_side.messages == [1, 1, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"given_name": " "},
        {"gender": "7"},
        {"family_name": "x" * 36},
        {"postcode": "SW1A 1AC"},
        {"postcode": "D02 X285"},
        {"dob": "1997-02-29"},
        {"dob": "1997-11-31"},
        {"dob": "05/11/1996"},
        {"ability_to_share": "3"},
    ],
    ids=lambda changes: "-".join(next(iter(changes.items()))).replace(" ", "_"),
)
def test_what_does_not_fit_the_schema_is_not_called(lrs, caller, changes):
    assert caller().submit(document(LEARNERS.assign(**changes)), JobKind.FULL).code == Connection.NOT_MADE
    assert not lrs.taken


@pytest.mark.parametrize(
    "changes",
    [{"postcode": "ZZ99 3WZ"}, {"postcode": "BFPO 1234"}, {"postcode": None}, {"dob": "2000-02-29"}, {"dob": None}],
)
def test_what_the_lrs_would_let_through_is_called(caller, changes):
    assert caller().submit(document(LEARNERS.assign(**changes).astype("str")), JobKind.FULL).code == "WSRC0007"


def test_the_stand_in_takes_no_more_than_the_lrs_would(lrs, caller):
    service = caller()
    many = pd.concat([LEARNERS] * 101, ignore_index=True)
    assert service.submit(document(many.head(200)), JobKind.FULL).code == "WSRC0007"
    assert service.submit(document(many), JobKind.FULL).code == Connection.NOT_MADE
    one = {"MISIdentifier": "M660402510001", "ULN": "1000102504", "FamilyName": "A", "GivenName": "B"}
    learner = {"MISIdentifier": "M660402510001", "GivenName": "B", "FamilyName": "A"}
    miscounted = {"LearnerRecordCount": 2, "Learner": [learner]}
    assert service._call("submitBatchRegistration", UKPRN, JobType="FUL", **miscounted).code == "WSRC0017"
    assert service._call("submitVerifyBatch", UKPRN, LearnerRecordCount=2, Learner=[one]).code == "WSRC0030"
    checks = service.submit_verification(UKPRN, [one])
    # A job is its organisation's, and of its kind.
    assert service.output(checks.job_ref, UKPRN).code == service.verification("1001", UKPRN).code == "WSRC0018"
    assert service.output("1001", "10000009").code == "WSRC0018" and service.output("1001", UKPRN).code == "WSRC0008"
    assert sorted(path.stem for path in lrs._jobs.glob("*.xml")) == ["1001", "1002"], "what was miscounted is no job"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<Envelope/>",
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>',
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><a/><b/></e:Body></e:Envelope>',
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><SubmitBatchResponse/></e:Body></e:Envelope>',
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault/></e:Body></e:Envelope>',
    ],
)
def test_whatever_is_answered_ends_in_a_code(body):
    from tasks.io.lrs.web_service import _read_reply

    assert service_codes()[_read_reply(200, body).code].outcome == "unknown"
    assert not _read_reply(200, body).job_ref


def test_a_fault_is_read_whichever_way_its_elements_are_spelled():
    from tasks.io.lrs.web_service import _read_reply

    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:Server</faultcode><detail>'
        '<x:MIAPAPIException xmlns:x="http://api.lrs.miap.gov.uk/exceptions">{}</x:MIAPAPIException></detail></e:Fault></e:Body></e:Envelope>'
    )
    for code in ("<x:ErrorCode>WSEC0004</x:ErrorCode>", "<ErrorCode> WSEC0004 </ErrorCode>"):
        assert _read_reply(500, envelope.format(code).encode()).code == "WSEC0004"


def test_no_library_says_whom_a_call_is_about(lrs, caller, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    lrs.planned["SubmitBatch"] = deque([None, Fault.ODD, Fault.DROPPED_AFTER, "WSEC0001"])
    for _ in range(4):
        caller().submit(document(), JobKind.FULL)
    caller().submit(document(LEARNERS.assign(given_name=" ")), JobKind.FULL)
    said = caplog.text + "".join(capfd.readouterr())
    assert NAME not in said and PASSWORD not in said and "M660402510001" not in said


@pytest.mark.parametrize(
    ("counters", "told"),
    [(("1", "0", "0", "0", "1"), 2), (("1", "1", "1", "1", "1"), 5), ((), 0), (("n/a", "2.0", "-1", "", "1"), 1)],
    ids=["as-many", "more", "none", "no-numbers"],
)
@pytest.mark.parametrize("qualified", [False, True])
def test_learners_whom_an_answer_names_and_counts(counters, told, qualified):
    answer = etree.parse(MESSAGES / "result.xml").getroot().find("{*}GetSubmitBatchOutputResponse")
    for at, counter in enumerate([one for one in answer if one.tag.endswith("Count")]):
        if at < len(counters):
            counter.text = counters[at]
        else:
            answer.remove(counter)
    if qualified:
        for one in answer.iterdescendants():
            one.tag = f"{{http://api.lrs.miap.gov.uk/batchmsg}}{one.tag}"
    assert answered_learners(etree.tostring(answer)) == (2, told)
