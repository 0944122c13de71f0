"""The story of one learner: the ledger's rows as events, in order of time.

Belongs here: which records are the same learner's, and the events that each table gives. Does not belong here: reading
(`tasks.reports.trace`), texts (`schemas/texts/texts.csv`, `trace.<kind>`), who may see it (`tasks.runtime.visibility`).
To add a kind of event: a member of `Kind` at its place among events of the same time, a function here, its text.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from schemas.codes.merge_findings import merge_findings
from schemas.states import Disposition, NotChosen
from schemas.tables import SENT_FIELDS
from tasks.core.exception_life import MILESTONES
from tasks.core.held import is_blocking
from tasks.core.identifiers import (
    canonical_upn,
    uln_placeholder,
    uln_shape_ok,
    uln_valid,
    upn_check_letter_ok,
    upn_shape,
)
from tasks.core.membership import is_in
from tasks.core.merging import ONE_LEARNER_TWICE


class Kind(StrEnum):
    """Kinds of events, in the order in which events of the same time are listed."""

    OPTED_OUT = "opted_out"
    RETURNED = "returned"
    CHOSEN = "chosen"
    NOT_CHOSEN = "not_chosen"
    HELD = "held"
    WARNED = "warned"
    VERIFICATION_ASKED = "verification_asked"
    VERIFIED = "verified"
    BATCHED = "batched"
    HANDED_OVER = "handed_over"
    DECIDED = "decided"
    ANSWERED_ULN = "answered_uln"
    ANSWERED_CODE = "answered_code"
    ANSWERED_UNTIED = "answered_untied"
    EXCEPTION_OPENED = "exception_opened"
    EXCEPTION_ASKED_AGAIN = "exception_asked_again"
    EXCEPTION_RESOLVED = "exception_resolved"
    EXCEPTION_WITHDRAWN = "exception_withdrawn"
    CONFLICT = "conflict"
    DELIVERED_ULN = "delivered_uln"
    DELIVERED_LISTED = "delivered_listed"
    DELIVERED_GONE = "delivered_gone"
    EXCEPTION_SEEN = "exception_seen"
    PURGED = "purged"


#: Columns of an event; text, null where they do not apply.
EVENT_COLUMNS = (
    *("at", "kind", "cycle", "school_number", "file", "place", "batch_ref", "code", "state", "upn", "uln", "detail"),
)
#: Fields that show whose record it is, in the order in which a person reads them.
_RECORD_FIELDS = ("surname", "forename", "middle_names", "dob", "gender", "postcode", "nc_year", "enrol_status")


@dataclass(frozen=True)
class LearnerLedger:
    """The ledger's rows for one learner: tables of the lake, with this learner's rows only.

    Attributes:
        received: the learner's returns and result files, and all other returns of these schools in these cycles.
        exceptions: `exception_life.milestones` of the learner's exceptions.
        deliveries: to the learner's schools and their authorities; with members, the names of the files in each that name the
            learner, joined by ";", null where the delivery is gone.
        verifications: of ULNs in returns; each is an event at asked_at.
        opt_outs: upn, recorded_on.
        purged: removals; only those of items in the other tables become events.
    """

    received: pd.DataFrame
    pupils: pd.DataFrame
    dispositions: pd.DataFrame
    findings: pd.DataFrame
    batches: pd.DataFrame
    batch_rows: pd.DataFrame
    decisions: pd.DataFrame
    answers: pd.DataFrame
    exceptions: pd.DataFrame
    learners: pd.DataFrame
    deliveries: pd.DataFrame
    verifications: pd.DataFrame
    opt_outs: pd.DataFrame
    purged: pd.DataFrame


def key_fault(key: str) -> str | None:
    """Return the text key of the fault in a search key; None where it can be a UPN or a ULN."""
    keys = pd.Series([key], dtype="str")
    if key.strip().isdecimal():
        if not uln_shape_ok(keys).iloc[0]:
            return "fault.trace_uln_shape"
        return "fault.trace_uln_none" if uln_placeholder(keys).iloc[0] or not uln_valid(keys).iloc[0] else None
    return None if upn_shape(keys).isin(["permanent", "temporary"]).iloc[0] else "fault.trace_upn_shape"


def unknown_fault(key: str) -> str:
    """Return the text key for a well-formed search key that no learner has; a wrong check letter has its own text."""
    keys = pd.Series([key], dtype="str")
    if key.strip().isdecimal():
        return "fault.trace_uln_unknown"
    return "fault.trace_upn_unknown" if upn_check_letter_ok(keys).iloc[0] else "fault.trace_upn_letter"


def same_learner(records: pd.DataFrame, upns: Set[str]) -> set[str]:
    """Return a learner's UPNs (those known, `upns`, and those one step further), as returns link them by former UPNs.

    A former UPN is the learner's if the person agrees (`one_learner.person`), or if nothing is known about its person.
    `records` has upn, former_upn (canonical) and person of every record that has one of these UPNs, or a UPN linked to one of
    them, in either column.
    """
    people = records.dropna(subset=["upn", "person"]).groupby("upn")["person"].agg(set).to_dict()
    near = records["upn"].isin(upns) | records["former_upn"].isin(upns)
    links = records[near].dropna(subset=["upn", "former_upn"]).drop_duplicates(["upn", "former_upn", "person"])
    linked = set(upns)
    for upn, former, person in zip(links["upn"], links["former_upn"], links["person"], strict=True):
        agrees = former not in people or person in people[former]
        if agrees and (upn in upns or former in upns):
            linked |= {upn, former}
    return linked


def events(ledger: LearnerLedger) -> pd.DataFrame:
    """Return all events of a learner, the oldest first.

    An event without a time of its own takes that of its source: a disposition or a rule's finding that of the return; if the
    return is superseded, the disposition that of the next one; a merge finding or a conflict that of the latest answer.
    States are the present ones; a decision's state is the one after it.

    Returns:
        EVENT_COLUMNS, sorted by time and by the order of `Kind`.
    """
    returned = _return_events(ledger)
    parts = [
        ledger.opt_outs.assign(at=ledger.opt_outs["recorded_on"], kind=Kind.OPTED_OUT.value),
        returned,
        *_disposition_events(ledger, returned),
        *_finding_events(ledger, returned),
        _verification_events(ledger),
        *_batch_events(ledger),
        _decision_events(ledger),
        *_answer_events(ledger),
        *_exception_events(ledger),
        _conflict_events(ledger),
        _delivery_events(ledger),
        _purge_events(ledger, returned),
    ]
    rows = pd.concat([part.reindex(columns=list(EVENT_COLUMNS)).astype("str") for part in parts], ignore_index=True)
    order = {kind.value: place for place, kind in enumerate(Kind)}
    rows = rows.assign(rank=rows["kind"].map(order)).sort_values(
        ["at", "rank", "cycle", "school_number", "file", "place", "code"], na_position="first", ignore_index=True
    )
    return rows[list(EVENT_COLUMNS)]


def _return_events(ledger: LearnerLedger) -> pd.DataFrame:
    files = ledger.received.set_index("sha256")
    file = {name: ledger.pupils["sha256"].map(files[name]).astype("str") for name in ("received_at", "path", "member")}
    rows = ledger.pupils.assign(
        at=file["received_at"],
        kind=Kind.RETURNED.value,
        file=("dewi/inbox/" + file["path"]) + ("#" + file["member"]).fillna(""),
        place=ledger.pupils["ordinal"].astype("str"),
        upn=canonical_upn(ledger.pupils["upn"]),
    )
    # A purge leaves only the place of a record.
    detail = _joined(rows, _RECORD_FIELDS).mask(rows["surname"].isna() & rows["dob"].isna())
    former = canonical_upn(rows["former_upn"])
    return rows.assign(detail=detail.where(former.isna(), detail + "; FormerUPN " + former))


def _joined(rows: pd.DataFrame, fields: Iterable[str]) -> pd.Series:
    values = rows[list(fields)].fillna("").to_numpy()
    return pd.Series([", ".join(row) for row in values], index=rows.index, dtype="str")


def _disposition_events(ledger: LearnerLedger, returned: pd.DataFrame) -> list[pd.DataFrame]:
    dispositions = ledger.dispositions[["row_ref", "disposition", "reason", "detail"]].assign(
        code=lambda d: d["reason"]
    )
    rows = returned.drop(columns=["kind", "uln", "detail"]).merge(dispositions, on="row_ref")
    accepted = ledger.received[ledger.received["status"] == "accepted"]
    superseded = rows["reason"] == NotChosen.SUPERSEDED_RETURN.value
    since = [_next_return(accepted, *row) for row in zip(rows["school_number"], rows["cycle"], rows["at"], strict=True)]
    rows["at"] = rows["at"].mask(superseded, pd.Series(since, index=rows.index, dtype="str"))
    chosen = rows["disposition"] == Disposition.CHOSEN.value
    return [rows[chosen].assign(kind=Kind.CHOSEN.value), rows[~chosen].assign(kind=Kind.NOT_CHOSEN.value)]


def _next_return(accepted: pd.DataFrame, school: str, cycle: str, at: str) -> str:
    """Return when the school's next return in the cycle was received; `at` where there is none."""
    times = accepted.loc[(accepted["school_number"] == school) & (accepted["cycle"] == cycle), "received_at"]
    return str(min((time for time in times if time > at), default=at))


def _finding_events(ledger: LearnerLedger, returned: pd.DataFrame) -> list[pd.DataFrame]:
    findings = ledger.findings[["row_ref", "rule", "severity", "field"]]
    rows = returned.drop(columns=["kind", "uln", "detail"]).merge(findings, on="row_ref")
    ours = rows["rule"].isin([finding.code for finding in merge_findings()])
    last = max(ledger.answers["received_at"].dropna(), default="")
    rows = rows.assign(code=rows["rule"], detail=rows["field"], at=rows["at"].mask(ours & (rows["at"] < last), last))
    blocking = is_blocking(rows)
    return [rows[blocking].assign(kind=Kind.HELD.value), rows[~blocking].assign(kind=Kind.WARNED.value)]


def _verification_events(ledger: LearnerLedger) -> pd.DataFrame:
    rows = ledger.verifications
    kind = rows["code"].notna().map({True: Kind.VERIFIED.value, False: Kind.VERIFICATION_ASKED.value})
    return rows.assign(at=rows["asked_at"], kind=kind, detail=rows["flags"])


def _batch_events(ledger: LearnerLedger) -> list[pd.DataFrame]:
    columns = ["batch_ref", "file_name", "state", "built_at", "sent_at"]
    rows = ledger.batch_rows.merge(ledger.batches[columns], on="batch_ref")
    file, place = "lrs/outbox/" + rows["file_name"], rows["position"].astype("str")
    rows = rows.assign(file=file, place=place, detail=_joined(rows, SENT_FIELDS))
    handed_over = rows[rows["sent_at"].notna()]
    return [
        rows.assign(at=rows["built_at"], kind=Kind.BATCHED.value),
        handed_over.drop(columns="detail").assign(at=handed_over["sent_at"], kind=Kind.HANDED_OVER.value),
    ]


def _decision_events(ledger: LearnerLedger) -> pd.DataFrame:
    learners = ledger.batch_rows[["batch_ref", "upn"]].merge(ledger.batches[["batch_ref", "file_name"]], on="batch_ref")
    rows = ledger.decisions.merge(learners, on="batch_ref")
    return rows.assign(
        at=rows["decided_at"],
        kind=Kind.DECIDED.value,
        file="lrs/outbox/" + rows["file_name"],
        code=rows["decision"],
        state=rows["state_after"],
        detail=rows["reason"],
    )


def _answer_events(ledger: LearnerLedger) -> list[pd.DataFrame]:
    names = ledger.received.set_index("sha256")["file_name"]
    rows = ledger.answers.assign(
        at=ledger.answers["received_at"],
        file="lrs/inbox/" + ledger.answers["sha256"].map(names).astype("str"),
        place=ledger.answers["ordinal"].astype("str"),
        code=ledger.answers["return_code"],
        uln=ledger.answers["uln"].str.strip(),
    )
    tied, has_uln = rows["tied"].eq("Y"), uln_valid(rows["uln"])
    return [
        rows[tied & has_uln].assign(kind=Kind.ANSWERED_ULN.value),
        rows[tied & ~has_uln].assign(kind=Kind.ANSWERED_CODE.value),
        rows[~tied].assign(kind=Kind.ANSWERED_UNTIED.value),
    ]


def _exception_events(ledger: LearnerLedger) -> list[pd.DataFrame]:
    """Return an event for each of `exception_life.MILESTONES` that an exception has reached."""
    # An exception belongs to the school that asked, wherever the learner is now.
    rows = ledger.exceptions.assign(code=ledger.exceptions["return_code"], school_number=ledger.exceptions["asked_by"])
    detail = {"opened": rows["all_codes"], "resolved": rows["cause"], "withdrawn": rows["cause"]}
    nothing = pd.Series(None, index=rows.index, dtype="str")
    parts = [rows.assign(at=rows[n], kind=f"exception_{n}", detail=detail.get(n, nothing)) for n in MILESTONES]
    return [part[part["at"].notna()] for part in parts]


def _conflict_events(ledger: LearnerLedger) -> pd.DataFrame:
    rows = ledger.learners[ledger.learners["conflict"].notna()]
    # List another UPN only if it is the same learner's; to find another learner's, people search by ULN.
    same = rows["other_upns"].where(rows["conflict"].str.contains(ONE_LEARNER_TWICE))
    other = (rows["other_ulns"].fillna("") + ";" + same.fillna("")).str.strip(";")
    rows = rows.assign(detail=other.mask(other == ""), code=rows["conflict"].str.split(";").astype(object))
    received = ledger.answers.loc[uln_valid(ledger.answers["uln"]), "received_at"]
    return rows.explode("code").assign(at=max(received.dropna(), default=""), kind=Kind.CONFLICT.value)


def _delivery_events(ledger: LearnerLedger) -> pd.DataFrame:
    rows = ledger.deliveries
    members = rows["members"].fillna("")
    with_uln = members.str.contains(r"_CTF_[^;]*\.xml", regex=True)
    cases = [(rows["members"].isna(), Kind.DELIVERED_GONE.value), (with_uln, Kind.DELIVERED_ULN.value)]
    kind = pd.Series(Kind.DELIVERED_LISTED.value, index=rows.index, dtype="str").case_when(cases)
    # A delivery that exists and does not name the learner is not an event of theirs.
    deliveries = rows.assign(at=rows["delivered_at"], kind=kind, file=rows["path"], detail=rows["members"])
    return deliveries[rows["members"].isna() | (members != "")]


def _purge_events(ledger: LearnerLedger, returned: pd.DataFrame) -> pd.DataFrame:
    files = ledger.received.assign(of=ledger.received["container_sha256"].fillna(ledger.received["sha256"]))
    named = {
        **dict(zip(files["of"], files["file_name"], strict=True)),
        **dict(zip(ledger.batches["batch_ref"], ledger.batches["file_name"], strict=True)),
        **dict(zip(ledger.deliveries["sha256"], ledger.deliveries["path"], strict=True)),
        **{cycle: cycle for cycle in returned["cycle"]},
    }
    rows = ledger.purged[is_in(ledger.purged["ref"], pd.Series(list(named), dtype="str"))]
    return rows.assign(at=rows["purged_on"], code=rows["kind"], kind=Kind.PURGED.value, file=rows["ref"].map(named))
