"""Messages of the stand-in's web service: batches as tables, replies as XML.

Does not belong here: which reply a call gets (`lrs_web_stand_in`), and the LRS's register (`lrs_stand_in`).
"""

from collections import Counter
from copy import deepcopy

import pandas as pd
from lxml import etree

_BATCH, _VERIFY = "http://api.lrs.miap.gov.uk/batchmsg", "http://api.lrs.miap.gov.uk/vldmsg"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_FAULTS = "http://api.lrs.miap.gov.uk/exceptions"
#: Codes of a job: accepted, not answered yet, answered.
TAKEN, UNFINISHED, FINISHED = "WSRC0007", "WSRC0008", "WSRC0009"
_NEW, _KNOWN, _POSSIBLE = "RC001", "RC002", "RC007"
#: Start and end time of every job.
_NIGHT = "2000-01-01 20:00:00"


def batch_table(message: etree._Element) -> pd.DataFrame:
    """Return a batch as received: every cell text, the UKPRN in the first row."""
    records = [{str(cell.tag): cell.text or "" for cell in learner} for learner in message.findall("Learner")]
    records[0]["UKPRN"] = message.findtext("UKPRN") or ""
    return pd.DataFrame(records, dtype="str").fillna("")


def batch_output(message: etree._Element, result: pd.DataFrame) -> etree._Element:
    """Return a batch's answers: its learners as received, each with the ULN first and the return code last."""
    codes = Counter(result["ReturnCode"])
    rejected = sum(n for code, n in codes.items() if code not in (_NEW, _KNOWN, _POSSIBLE))
    output = etree.Element(f"{{{_BATCH}}}GetSubmitBatchOutputResponse", nsmap={"b": _BATCH})
    cells = {
        "ResponseCode": FINISHED,
        "JobStatus": "Complete",
        "NewLearnersCount": codes[_NEW],
        "ExistsUpdatedLearnersCount": codes[_KNOWN],
        "PossibleMatchLearnersCount": codes[_POSSIBLE],
        "LearnersNotFoundCount": 0,
        "RejectedLearnersCount": rejected,
        "JobStartedDateTime": _NIGHT,
        "JobFinishedDateTime": _NIGHT,
    }
    for name, value in cells.items():
        etree.SubElement(output, name).text = str(value)
    for learner, uln, code in zip(message.findall("Learner"), result["ULN"], result["ReturnCode"], strict=True):
        answered = deepcopy(learner)
        etree.strip_elements(answered, "ULN", with_tail=False)
        first = etree.Element("ULN")
        first.text = uln
        answered.insert(0, first)
        etree.SubElement(answered, "ReturnCode").text = code
        output.append(answered)
    return output


def verify_output(message: etree._Element, register: pd.DataFrame) -> etree._Element:
    """Return the result of a verification: WSVRC001, 003, 005 or 006, with a flag for each difference."""
    response = etree.Element(f"{{{_VERIFY}}}GetVerifyBatchOutputResponse", nsmap={"v": _VERIFY})
    etree.SubElement(response, "ResponseCode").text = FINISHED
    known = register.set_index("uln")
    compared = {"GivenName": "given_name", "FamilyName": "family_name", "DateOfBirth": "dob", "Gender": "gender"}
    flags = {"GivenName": "VRF1", "FamilyName": "VRF5", "DateOfBirth": "VRF7", "Gender": "VRF8"}
    for learner in message.findall("Learner"):
        cells = {str(cell.tag): cell.text or "" for cell in learner}
        answer = etree.SubElement(response, "VerifiedLearner")
        etree.SubElement(answer, "MISIdentifier").text = cells.get("MISIdentifier", "")
        for name in ("ULN", "FamilyName", "GivenName", "DateOfBirth", "Gender"):
            etree.SubElement(answer, f"Searched{name}").text = cells.get(name, "")
        uln = cells["ULN"]
        code, wrong = "WSVRC006", list[str]()
        if uln in known.index:
            registered = known.loc[uln]
            wrong = [n for n, f in compared.items() if cells.get(n) and cells[n].upper() != str(registered[f]).upper()]
            code = "WSVRC001" if not wrong else "WSVRC003" if set(wrong) <= {"GivenName"} else "WSVRC005"
        etree.SubElement(answer, "ResponseCode").text = code
        for name in wrong:
            etree.SubElement(answer, "FailureFlag").text = flags[name]
    return response


def response_to(message: etree._Element, code: str, job: str = "0") -> etree._Element:
    """Return a response without learners: the code, and the job that the message began or the empty times of its job."""
    name = etree.QName(message)
    response = etree.Element(f"{{{name.namespace}}}{name.localname}Response", nsmap={"r": name.namespace})
    begins = name.localname.startswith("Submit")
    more = {"JobID": job} if begins else {"JobStartedDateTime": "", "JobFinishedDateTime": ""}
    for cell, value in {"ResponseCode": code, **more}.items():
        etree.SubElement(response, cell).text = value
    return response


def fault_reply(code: str) -> etree._Element:
    """Return a fault of the service with a code."""
    fault = etree.Element(f"{{{SOAP}}}Fault", nsmap={"s": SOAP})
    etree.SubElement(fault, "faultcode").text = "s:Server"
    etree.SubElement(fault, "faultstring").text = "MIAPAPIException"
    detail = etree.SubElement(fault, "detail")
    exception = etree.SubElement(detail, f"{{{_FAULTS}}}MIAPAPIException", nsmap={"e": _FAULTS})
    etree.SubElement(exception, "ErrorCode").text = code
    return fault


def in_envelope(message: etree._Element) -> bytes:
    """Return a message in its SOAP envelope."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"s": SOAP})
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(message)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
