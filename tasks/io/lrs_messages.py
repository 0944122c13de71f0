"""What the LRS web service answered, as files like those of its portal.

Belongs here: a message put into a file, and read back from it. Does not belong here: the call (`lrs_service`), and the
reading of a result file (`lrs_files`), which takes this form as any other XML.
"""

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
