"""Import an export of processed exceptions: an LRS file that a person names, collected at once.

It is collected like any other file in `lrs/inbox`. The decision records that a person has called it an export, so its answers
count as an export's whatever the file's name is (`tasks.ledger.exception_life`).
"""

from pathlib import Path

from schemas.codes.quarantine_reasons import all_reasons
from schemas.states import OperatorDecision
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import Refused, ServiceFault
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.dewi_inbox import sha256_of
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.io.lrs.files import result_bytes
from tasks.ledger.operator_decisions import last_decided, refuse_reason, save_decision
from tasks.stages.collect import collect
from tasks.stages.merge import merge


def import_export(data: str, file: str, reason: str, as_of: str, *, from_inbox: bool = False) -> Bilingual:
    """Collect an export, with all other files in `lrs/inbox`, and merge it; the next returns run publishes.

    The file is copied to `lrs/inbox` unless it is there. With `from_inbox`, `file` is the name of a file in `lrs/inbox`;
    users of the engine may name no other. Other arguments and the result are as for `decide_school.release_hold`.

    Raises:
        ServiceFault: there is no such file, `lrs/inbox` has another file of its name, the file is refused, or the reason is
            not accepted.
    """
    refuse_reason(reason, as_of)
    root = DataRoot(Path(data))
    path = root.lrs_inbox / Path(file).name if from_inbox else Path(file).resolve()
    # A user of the engine may name files in the inbox only, and learns nothing about any other path.
    if (from_inbox and file != path.name) or not path.is_file():
        raise ServiceFault(bilingual("fault.no_export"))
    with one_run_at_a_time(data):
        sha256 = _in_inbox(root, path)
        lake = Lake.of(root)
        if last_decided(lake, OperatorDecision.IMPORT, ref=sha256).empty:
            save_decision(root, OperatorDecision.IMPORT, sha256, reason, as_of, 0)
        collect.fn(data=data, as_of=as_of)
        merge.fn(data=data)
        received = lake.read("received", ["status", "reason"], sha256=sha256, kind="lrs_result")
        if received.empty:
            raise ServiceFault(bilingual("fault.not_taken_in"))
        if received["status"].iloc[0] != "accepted":
            raise _refused(str(received["reason"].iloc[0]))
        tied = lake.read("lrs_returns", ["tied"], sha256=sha256)["tied"]
    return bilingual("terminal.done_import", rows=len(tied), untied=int((tied == "N").sum()))


def _in_inbox(root: DataRoot, path: Path) -> str:
    """Copy a file to `lrs/inbox` unless it is there, and return its sha256.

    Raises:
        ServiceFault: `lrs/inbox` has another file of its name, or the file cannot be read as one of the LRS's.
    """
    place = root.lrs_inbox / path.name
    if path != place.resolve():
        try:
            content = result_bytes(path)
        except Refused as refused:
            raise _refused(refused.reason) from None
        if place.exists() and place.read_bytes() != content:
            raise ServiceFault(bilingual("fault.another_in_inbox"))
        write_whole(place, content)
    return sha256_of(place)


def _refused(reason: str) -> ServiceFault:
    return ServiceFault(bilingual("fault.export_refused", reason=all_reasons()[reason].text))
