"""The story of one learner: what the ledger holds of them, as events in the order of time.

Belongs here: which records are the same learner's, and what each table says as an event: when, what, where it stands.
Does not belong here: reading (`tasks.reports.trace`), words (`schemas/texts/texts.csv`, `trace.<kind>`), who may see it
(`tasks.runtime.visibility`). To add a kind of event: a member of `Kind` at its place in the order of a day, a function
here, its text.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from schemas.codes.own_findings import merge_findings
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
    """What happened, in the order in which it is told where the times are equal."""

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


#: What an event says; text, null where it does not arise.
EVENT_COLUMNS = (
    *("at", "kind", "cycle", "school_number", "file", "place", "batch_ref", "code", "state", "upn", "uln", "detail"),
)
#: What of a record tells who it is of, in the order in which a person reads it.
_TOLD_OF_RECORD = ("surname", "forename", "middle_names", "dob", "gender", "postcode", "nc_year", "enrol_status")


@dataclass(frozen=True)
class Held:
    """What the ledger holds of one learner; each a table of the lake with rows of this learner's alone.

    Attributes:
        received: the returns and result files, and every other return of the schools in these cycles.
        exceptions: `exception_life.milestones` of the learner's.
        deliveries: of the learner's schools and their authorities; and members, the names of the files in it that name the
            learner with ; between them, null where the delivery is gone.
        verifications: of ULNs that a return gives; told at the time at which they were asked for.
        opt_outs: upn, recorded_on.
        purged: what was removed of what is named here.
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
    """Why a text is not one that a learner can be asked for by, as a key of the texts; None where it is one.

    Args:
        key: a UPN, or a ULN.
    """
    one = pd.Series([key], dtype="str")
    if key.strip().isdecimal():
        if not uln_shape_ok(one).iloc[0]:
            return "fault.trace_uln_shape"
        return "fault.trace_uln_none" if uln_placeholder(one).iloc[0] or not uln_valid(one).iloc[0] else None
    return None if upn_shape(one).isin(["permanent", "temporary"]).iloc[0] else "fault.trace_upn_shape"


def unknown_fault(key: str) -> str:
    """What to say of a key that is in order and that nobody has: where the check letter is wrong, that too."""
    one = pd.Series([key], dtype="str")
    if key.strip().isdecimal():
        return "fault.trace_uln_unknown"
    return "fault.trace_upn_unknown" if upn_check_letter_ok(one).iloc[0] else "fault.trace_upn_letter"


def same_learner(records: pd.DataFrame, upns: Set[str]) -> set[str]:
    """The UPNs that are a learner's by what returns say of former UPNs.

    A former UPN names the learner where the person agrees (`one_learner.person`), or where nothing is known of who it was.

    Args:
        records: upn, former_upn (canonical), person; every record that has one of these UPNs, or a UPN beside one of them, in
            either column.
        upns: those that are known to be.

    Returns:
        Those, and the ones that follow from them by one step.
    """
    people = records.dropna(subset=["upn", "person"]).groupby("upn")["person"].agg(set).to_dict()
    near = records["upn"].isin(upns) | records["former_upn"].isin(upns)
    links = records[near].dropna(subset=["upn", "former_upn"]).drop_duplicates(["upn", "former_upn", "person"])
    found = set(upns)
    for upn, former, who in zip(links["upn"], links["former_upn"], links["person"], strict=True):
        agrees = former not in people or who in people[former]
        if agrees and (upn in upns or former in upns):
            found |= {upn, former}
    return found


def events(held: Held) -> pd.DataFrame:
    """All that happened to a learner, oldest first.

    What has no time of its own is told at that of what it came from: a disposition and a rule's finding with the return,
    superseding with the return that superseded, what the service itself found with the answer that let it find it. States
    are those of now.

    Returns:
        EVENT_COLUMNS, sorted by time and by the order of `Kind`.
    """
    returned = _returned(held)
    parts = [
        _opted_out(held),
        returned,
        *_decided(held, returned),
        *_found(held, returned),
        _verified(held),
        *_sent(held),
        _decisions(held),
        *_answered(held),
        *_exceptions(held),
        _conflicts(held),
        _delivered(held),
        _purged(held, returned),
    ]
    told = pd.concat([part.reindex(columns=list(EVENT_COLUMNS)).astype("str") for part in parts], ignore_index=True)
    order = {kind.value: place for place, kind in enumerate(Kind)}
    told = told.assign(rank=told["kind"].map(order)).sort_values(
        ["at", "rank", "cycle", "school_number", "file", "place", "code"], na_position="first", ignore_index=True
    )
    return told[list(EVENT_COLUMNS)]


def _returned(held: Held) -> pd.DataFrame:
    files = held.received.set_index("sha256")
    of = {name: held.pupils["sha256"].map(files[name]).astype("str") for name in ("received_at", "path", "member")}
    rows = held.pupils.assign(
        at=of["received_at"],
        kind=Kind.RETURNED.value,
        file=("dewi/inbox/" + of["path"]) + ("#" + of["member"]).fillna(""),
        place=held.pupils["ordinal"].astype("str"),
        upn=canonical_upn(held.pupils["upn"]),
    )
    # Of a cycle that was purged nothing is left but the place.
    told = _in_a_row(rows, _TOLD_OF_RECORD).mask(rows["surname"].isna() & rows["dob"].isna())
    former = canonical_upn(rows["former_upn"])
    return rows.assign(detail=told.where(former.isna(), told + "; FormerUPN " + former))


def _in_a_row(rows: pd.DataFrame, fields: Iterable[str]) -> pd.Series:
    """Some fields of each row, as one text."""
    values = rows[list(fields)].fillna("").to_numpy()
    return pd.Series([", ".join(row) for row in values], index=rows.index, dtype="str")


def _decided(held: Held, returned: pd.DataFrame) -> list[pd.DataFrame]:
    rows = returned.drop(columns=["kind", "uln", "detail"]).merge(
        held.dispositions[["row_ref", "disposition", "reason", "detail"]], on="row_ref"
    )
    rows = rows.assign(code=rows["reason"])
    accepted = held.received[held.received["status"] == "accepted"]
    superseded = rows["reason"] == NotChosen.SUPERSEDED_RETURN.value
    since = [_next_return(accepted, *one) for one in zip(rows["school_number"], rows["cycle"], rows["at"], strict=True)]
    rows["at"] = rows["at"].mask(superseded, pd.Series(since, index=rows.index, dtype="str"))
    chosen = rows["disposition"] == Disposition.CHOSEN.value
    return [rows[chosen].assign(kind=Kind.CHOSEN.value), rows[~chosen].assign(kind=Kind.NOT_CHOSEN.value)]


def _next_return(accepted: pd.DataFrame, school: str, cycle: str, at: str) -> str:
    """When the next return of a school came; that one's own time where it is told that none came later."""
    own = accepted.loc[(accepted["school_number"] == school) & (accepted["cycle"] == cycle), "received_at"]
    return str(min((one for one in own if one > at), default=at))


def _found(held: Held, returned: pd.DataFrame) -> list[pd.DataFrame]:
    rows = returned.drop(columns=["kind", "uln", "detail"]).merge(
        held.findings[["row_ref", "rule", "severity", "field"]], on="row_ref"
    )
    ours = rows["rule"].isin([one.code for one in merge_findings()])
    last = _latest(held.answers["received_at"])
    rows = rows.assign(code=rows["rule"], detail=rows["field"])
    rows["at"] = rows["at"].mask(ours & (rows["at"] < last), last)
    blocking = is_blocking(rows)
    return [rows[blocking].assign(kind=Kind.HELD.value), rows[~blocking].assign(kind=Kind.WARNED.value)]


def _verified(held: Held) -> pd.DataFrame:
    rows = held.verifications
    kind = rows["code"].notna().map({True: Kind.VERIFIED.value, False: Kind.VERIFICATION_ASKED.value})
    return rows.assign(at=rows["asked_at"], kind=kind, detail=rows["flags"])


def _latest(times: pd.Series) -> str:
    return max(times.dropna(), default="")


def _sent(held: Held) -> list[pd.DataFrame]:
    ledger = held.batches[["batch_ref", "file_name", "state", "built_at", "sent_at"]]
    rows = held.batch_rows.merge(ledger, on="batch_ref")
    file, place = "lrs/outbox/" + rows["file_name"], rows["position"].astype("str")
    rows = rows.assign(file=file, place=place, detail=_in_a_row(rows, SENT_FIELDS))
    gone = rows[rows["sent_at"].notna()]
    return [
        rows.assign(at=rows["built_at"], kind=Kind.BATCHED.value),
        gone.drop(columns="detail").assign(at=gone["sent_at"], kind=Kind.HANDED_OVER.value),
    ]


def _decisions(held: Held) -> pd.DataFrame:
    own = held.batch_rows[["batch_ref", "upn"]].merge(held.batches[["batch_ref", "file_name"]], on="batch_ref")
    rows = held.decisions.merge(own, on="batch_ref")
    return rows.assign(
        at=rows["decided_at"],
        kind=Kind.DECIDED.value,
        file="lrs/outbox/" + rows["file_name"],
        code=rows["decision"],
        state=rows["state_after"],
        detail=rows["reason"],
    )


def _answered(held: Held) -> list[pd.DataFrame]:
    names = held.received.set_index("sha256")["file_name"]
    rows = held.answers.assign(
        at=held.answers["received_at"],
        file="lrs/inbox/" + held.answers["sha256"].map(names).astype("str"),
        place=held.answers["ordinal"].astype("str"),
        code=held.answers["return_code"],
        uln=held.answers["uln"].str.strip(),
    )
    tied, has_uln = rows["tied"].eq("Y"), uln_valid(rows["uln"])
    return [
        rows[tied & has_uln].assign(kind=Kind.ANSWERED_ULN.value),
        rows[tied & ~has_uln].assign(kind=Kind.ANSWERED_CODE.value),
        rows[~tied].assign(kind=Kind.ANSWERED_UNTIED.value),
    ]


def _exceptions(held: Held) -> list[pd.DataFrame]:
    """Each of `exception_life.MILESTONES` of each exception, where it came to that."""
    # It is the affair of the school that asked, wherever the learner is now.
    rows = held.exceptions.assign(code=held.exceptions["return_code"], school_number=held.exceptions["asked_by"])
    detail = {"opened": rows["all_codes"], "resolved": rows["cause"], "withdrawn": rows["cause"]}
    nothing = pd.Series(None, index=rows.index, dtype="str")
    told = [rows.assign(at=rows[n], kind=f"exception_{n}", detail=detail.get(n, nothing)) for n in MILESTONES]
    return [part[part["at"].notna()] for part in told]


def _conflicts(held: Held) -> pd.DataFrame:
    rows = held.learners[held.learners["conflict"].notna()]
    # Another UPN is told where it is the same learner's; another learner's is found by asking for the ULN.
    same = rows["other_upns"].where(rows["conflict"].str.contains(ONE_LEARNER_TWICE))
    other = (rows["other_ulns"].fillna("") + ";" + same.fillna("")).str.strip(";")
    rows = rows.assign(detail=other.mask(other == ""), code=rows["conflict"].str.split(";").astype(object))
    at = _latest(held.answers.loc[uln_valid(held.answers["uln"]), "received_at"])
    return rows.explode("code").assign(at=at, kind=Kind.CONFLICT.value)


def _delivered(held: Held) -> pd.DataFrame:
    rows = held.deliveries
    members = rows["members"].fillna("")
    with_uln = members.str.contains(r"_CTF_[^;]*\.xml", regex=True)
    kind = pd.Series(Kind.DELIVERED_LISTED.value, index=rows.index, dtype="str").mask(
        with_uln, Kind.DELIVERED_ULN.value
    )
    kind = kind.mask(rows["members"].isna(), Kind.DELIVERED_GONE.value)
    # A delivery that is there and does not name the learner is none of theirs.
    told = rows.assign(at=rows["delivered_at"], kind=kind, file=rows["path"], detail=rows["members"])
    return told[rows["members"].isna() | (members != "")]


def _opted_out(held: Held) -> pd.DataFrame:
    return held.opt_outs.assign(at=held.opt_outs["recorded_on"], kind=Kind.OPTED_OUT.value)


def _purged(held: Held, returned: pd.DataFrame) -> pd.DataFrame:
    files = held.received.assign(of=held.received["container_sha256"].fillna(held.received["sha256"]))
    named = {
        **dict(zip(files["of"], files["file_name"], strict=True)),
        **dict(zip(held.batches["batch_ref"], held.batches["file_name"], strict=True)),
        **dict(zip(held.deliveries["sha256"], held.deliveries["path"], strict=True)),
        **{cycle: cycle for cycle in returned["cycle"]},
    }
    rows = held.purged[is_in(held.purged["ref"], pd.Series(list(named), dtype="str"))]
    return rows.assign(at=rows["purged_on"], code=rows["kind"], kind=Kind.PURGED.value, file=rows["ref"].map(named))
