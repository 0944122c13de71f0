"""Turns answers of the LRS web service into result files (batches) and rows (verifications).

Does not belong here: the call (`web_service`), and the reading of a result file (`files`), which reads this form like any
other XML.
"""

import pandas as pd
from lxml import etree


def result_file(message: bytes, ukprn: str, file_name: str, job_ref: str) -> bytes:
    """Return a job's answers as a result file: GetSubmitBatchOutputResponse unchanged, plus UKPRN, file name and job.

    The message does not name its batch; `file_name`, the stem of the batch's file name, ties the answers to it.
    """
    root = etree.Element("LrsServiceResult")
    for name, text in (("UKPRN", ukprn), ("FileName", file_name), ("JobID", job_ref)):
        etree.SubElement(root, name).text = text
    root.append(etree.fromstring(message))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


#: The outcomes for which an answer has a counter (docs/reference/sources.md#lrs-results).
_COUNTERS = ("NewLearners", "ExistsUpdatedLearners", "PossibleMatchLearners", "LearnersNotFound", "RejectedLearners")


def answered_learners(message: bytes) -> tuple[int, float]:
    """Return the number of learners in an answer, and the sum of its five counters; a counter that is no number is 0.

    `message` is a GetSubmitBatchOutputResponse, with or without qualified names: the LRS's descriptions differ.
    """
    root = etree.fromstring(message)
    named = [(row.findtext("{*}MISIdentifier") or "").strip() for row in root.findall("{*}Learner")]
    counters = [(root.findtext(f"{{*}}{name}Count") or "").strip() for name in _COUNTERS]
    return len(set(named) - {""}) + named.count(""), sum(float(count) for count in counters if count.isdecimal())


def verified_learners(message: bytes) -> pd.DataFrame:
    """Return a verification's rows: upn and uln as sent, code, flags (one for each difference, separated by `;`).

    `message` is a GetVerifyBatchOutputResponse; an empty message gives no rows.
    """
    rows = []
    for row in () if not message else etree.fromstring(message).iter("{*}VerifiedLearner"):
        cells = [(etree.QName(cell).localname, (cell.text or "").strip()) for cell in row.iterchildren(etree.Element)]
        flags = ";".join(text for name, text in cells if name == "FailureFlag")
        named = dict(cells)
        sent = {"upn": named.get("MISIdentifier"), "uln": named.get("SearchedULN")}
        rows.append({**sent, "code": named.get("ResponseCode"), "flags": flags})
    return pd.DataFrame(rows, columns=["upn", "uln", "code", "flags"]).astype("str")
