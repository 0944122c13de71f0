"""What the LRS web service answered: batches as files like those of its portal, verifications as rows.

Belongs here: what is made of a message. Does not belong here: the call (`web_service`), and the reading of a result file
(`files`), which takes this form as any other XML.
"""

import pandas as pd
from lxml import etree


def result_file(message: bytes, ukprn: str, file_name: str, job_ref: str) -> bytes:
    """A job's answers as a result file: what the LRS said as it came, and of which batch, which the message does not say.

    Args:
        message: GetSubmitBatchOutputResponse.
        ukprn: the batch's.
        file_name: its stem, by which the answers are tied to it.
        job_ref: the job's number.
    """
    root = etree.Element("LrsServiceResult")
    for name, text in (("UKPRN", ukprn), ("FileName", file_name), ("JobID", job_ref)):
        etree.SubElement(root, name).text = text
    root.append(etree.fromstring(message))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


#: The outcomes that an answer counts (docs/reference/sources.md#lrs-results).
_COUNTERS = ("NewLearners", "ExistsUpdatedLearners", "PossibleMatchLearners", "LearnersNotFound", "RejectedLearners")


def answered_learners(message: bytes) -> tuple[int, int]:
    """How many learners an answer names, and how many its own five counters speak of; what is no number counts as none.

    Args:
        message: GetSubmitBatchOutputResponse; whether its names are qualified, the LRS's descriptions do not agree.
    """
    root = etree.fromstring(message)
    named = [(one.findtext("{*}MISIdentifier") or "").strip() for one in root.findall("{*}Learner")]
    counters = [(root.findtext(f"{{*}}{name}Count") or "").strip() for name in _COUNTERS]
    return len(set(named) - {""}) + named.count(""), sum(int(one) for one in counters if one.isdecimal())


def verified_learners(message: bytes) -> pd.DataFrame:
    """What a verification says: upn and uln as they were asked about, code, flags (of what differs, `;` between them).

    Args:
        message: GetVerifyBatchOutputResponse; empty where there is none, and then it says nothing.
    """
    rows = []
    for one in () if not message else etree.fromstring(message).iter("{*}VerifiedLearner"):
        cells = [(etree.QName(cell).localname, (cell.text or "").strip()) for cell in one.iterchildren(etree.Element)]
        flags = ";".join(text for name, text in cells if name == "FailureFlag")
        named = dict(cells)
        asked = {"upn": named.get("MISIdentifier"), "uln": named.get("SearchedULN")}
        rows.append({**asked, "code": named.get("ResponseCode"), "flags": flags})
    return pd.DataFrame(rows, columns=["upn", "uln", "code", "flags"]).astype("str")
