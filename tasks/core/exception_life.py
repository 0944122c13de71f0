"""The life of an exception: opened, seen in a workbook, asked again, resolved or withdrawn; each with its day and cause.

It is never stored. It follows from the ledger's answers, returns, batches and deliveries (law 4, docs/explanation/laws.md)
and from the cycles in view, so later cycles do not change the view of a cycle. For people: `docs/exceptions.md`.

| state | when |
|---|---|
| resolved | the register has a ULN, or the school's newest return has a ULN or a former UPN with one |
| withdrawn | no newest return has the learner any more, or the learner is not chosen there |
| asked_again | a later batch took the learner to the LRS; the exception of that batch shows how it ended |
| seen | open, and a workbook that lists it went to the school |
| open | otherwise |

The first row that holds is the state; the earliest resolution is the cause. An export counts even if it arrived before the
answer that it settles. Rows under another UPN of the same learner (`one_learner.learner_upns`) count as if under this one.

Belongs here: states of exceptions, and their counts. Does not belong here: meanings of codes (`schemas.codes.return_codes`),
learners to send again (`batching.to_send`).
To add a state or a cause: a word in `schemas.states`, a case in `milestones`, its row in `docs/exceptions.md`.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.settings.terms import ExceptionTerms
from schemas.states import Disposition, ExceptionCause, ExceptionState, NotChosen, RowState
from schemas.tables import EXCEPTION_LIVES, EXCEPTIONS
from tasks.core.identifiers import uln_valid
from tasks.core.membership import composite_key, is_in, lookup, place_in

#: Events in the life of an exception.
MILESTONES = ("opened", "seen", "asked_again", "resolved", "withdrawn")
MILESTONE_COLUMNS = (*(c.name for c in EXCEPTIONS.columns), "cause", *MILESTONES, "since", "asked_by")


def exported(file_names: pd.Series, cells: pd.Series, terms: ExceptionTerms) -> pd.Series:
    """Whether answers came in an export of processed exceptions, not in a result file (docs/reference/sources.md#exceptions).

    `cells` are the values of the files' FileName columns; `terms` has the words that mark an export.
    """
    names = (file_names.fillna("") + "|" + cells.fillna("")).str.lower().str.replace(r"\s+", "", regex=True)
    is_export = pd.Series(False, index=names.index)
    for word in terms.export_words:
        is_export |= names.str.contains(word, regex=False)
    return is_export


def lives(moments: pd.DataFrame) -> pd.DataFrame:
    """Return exceptions (`milestones`) with days instead of times: EXCEPTION_LIVES, in the order of its key."""
    days = {f"{name}_on": moments[name].str[:10] for name in MILESTONES}
    return moments.assign(**days, since=moments["since"].str[:10])[[c.name for c in EXCEPTION_LIVES.columns]]


@dataclass(frozen=True)
class LearnerHistory:
    """The ledger's rows for the learners of some exceptions, under every UPN of each learner.

    Attributes:
        another: upn, other; pairs of UPNs of one learner, in either order (`one_learner.learner_upns`).
        answers: upn, batch_ref, uln, received_at, sha256, ordinal, exported; every tied answer.
        held: upn, uln; the ULNs in the register.
        records: upn, cycle, school_number, sha256, uln, disposition, reason, state, batch_ref; from all returns, newest and
            older, of the cycles that are not purged.
        returns: sha256, cycle, school_number, received_at; accepted returns of the schools in `records`, the newest of each
            cycle last.
        sent: upn, batch_ref, cycle, built_at; the batches that the learners were sent in (`standing.latest_sent_rows`).
        deliveries: cycle, school_number, delivered_at.
        cycles: ids of the cycles in view, in order.
    """

    another: pd.DataFrame
    answers: pd.DataFrame
    held: pd.DataFrame
    records: pd.DataFrame
    returns: pd.DataFrame
    sent: pd.DataFrame
    deliveries: pd.DataFrame
    cycles: list[str]


def milestones(exceptions: pd.DataFrame, history: LearnerHistory) -> pd.DataFrame:
    """Return the state of exceptions and the time of each event, as of the last cycle in view.

    Args:
        exceptions: rows of the lake's table, from the cycles in view.
        history: the ledger's rows for their learners.

    Returns:
        MILESTONE_COLUMNS, in the order of the key of EXCEPTIONS. Each of MILESTONES has its time, or null if it has not
        happened; `seen` is also null if the exception ended before a workbook listed it. school_number and la_code are the
        learner's present ones; asked_by is the school on whose portal the exception is.
    """
    cycles = history.cycles
    rows = exceptions.drop(columns="state").sort_values(list(EXCEPTION_LIVES.key), ignore_index=True)
    rows["place"] = place_in(rows["cycle"], cycles)
    unique = rows[["upn"]].drop_duplicates()
    upns = pd.concat([unique.assign(other=unique["upn"]), history.another[["upn", "other"]]])
    answers = history.answers.assign(has=uln_valid(history.answers["uln"]).astype(bool))
    without = answers[~answers["has"]].assign(key=lambda r: composite_key(r["upn"], r["batch_ref"]))
    rows["opened"] = _earliest(composite_key(rows["upn"], rows["batch_ref"]), without, "key", "received_at")
    rows["since"] = _earliest(rows["upn"], _under_each_upn(rows[["upn", "opened"]], upns), "upn", "opened")
    later = _later_batches(rows, _under_each_upn(history.sent, upns), cycles)
    rows["asked_again"] = later.drop_duplicates("at").set_index("at")["built_at"].reindex(rows.index).astype("str")
    by_lrs = _lrs_resolutions(rows, _under_each_upn(_known_uln_answers(answers, history.held), upns), later)
    decided = _deciding_records(rows, _under_each_upn(history.records, upns), _numbered(history.returns, cycles))
    by_return = _not_before(decided["uln_at"], rows["opened"]).where(decided["has_uln"] & decided["stays"])
    lrs_first = by_lrs["at"].notna() & ~(by_return < by_lrs["at"]).fillna(False)
    rows["resolved"] = by_lrs["at"].where(lrs_first, by_return)
    gone = decided["left_at"].fillna(decided["not_chosen_at"])
    rows["withdrawn"] = _not_before(gone, rows["opened"]).where(rows["resolved"].isna())
    rows["seen"] = _seen_at(rows, decided, history.deliveries)
    withdrawn = gone.notna() & rows["resolved"].isna()
    rows["cause"] = pd.Series(None, index=rows.index, dtype="str").case_when(
        [
            (rows["resolved"].notna() & lrs_first, by_lrs["cause"]),
            (rows["resolved"].notna(), ExceptionCause.RETURN.value),
            (withdrawn & decided["left_at"].notna(), ExceptionCause.LEFT.value),
            (withdrawn, ExceptionCause.NOT_CHOSEN.value),
        ]
    )
    rows["state"] = pd.Series(ExceptionState.OPEN.value, index=rows.index, dtype="str").case_when(
        [(rows[state.value].notna(), state.value) for state in ExceptionState if state.value in MILESTONES]
    )
    school = decided["school_number"].where(decided["stays"], rows["school_number"])
    rows = rows.assign(asked_by=rows["school_number"], school_number=school, la_code=school.str[:3])
    return rows[list(MILESTONE_COLUMNS)].astype("str")


def _earliest(keys: pd.Series, rows: pd.DataFrame, by: str, column: str) -> pd.Series:
    earliest = rows.groupby(by)[column].min()
    return lookup(keys, earliest.index.to_series(), earliest)


def _under_each_upn(rows: pd.DataFrame, upns: pd.DataFrame) -> pd.DataFrame:
    """Return rows under each UPN of their learner (`upns`: upn, other), in their order."""
    return upns.merge(rows.rename(columns={"upn": "other"}), on="other").drop(columns="other")


def _not_before(moments: pd.Series, earliest: pd.Series) -> pd.Series:
    """Return the later of two moments, row by row; null where the first is null."""
    return moments.where(~(moments < earliest).fillna(False), earliest).where(moments.notna())


def _known_uln_answers(answers: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Return the answers that gave the ULN in the register."""
    known = lookup(answers["upn"], held["upn"], held["uln"])
    return answers[answers["has"] & (answers["uln"].str.strip() == known).fillna(False)]


def _lrs_resolutions(rows: pd.DataFrame, answers: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Return when and how the LRS gave the ULN in the register: at, cause; null where the register has none."""
    answers = answers.sort_values(["upn", "received_at", "sha256", "ordinal"]).drop_duplicates("upn")
    first = {name: lookup(rows["upn"], answers["upn"], answers[name]) for name in ("received_at", "batch_ref")}
    by_export = is_in(rows["upn"], answers.loc[answers["exported"].astype(bool), "upn"])
    cause = by_export.map({True: ExceptionCause.EXPORT.value, False: ExceptionCause.RESULT.value}).astype("str")
    answered_in = composite_key(rows.index.to_series().astype("str"), first["batch_ref"])
    resubmitted = is_in(answered_in, composite_key(later["at"].astype("str"), later["batch_ref"]))
    cause = cause.mask(resubmitted, ExceptionCause.RESUBMISSION.value)
    at = _not_before(first["received_at"], rows["opened"])
    return pd.DataFrame({"at": at, "cause": cause.where(at.notna())})


def _numbered(returns: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """Number each school's returns over all cycles.

    Adds n (the number), newest (whether it is the school's newest return in its cycle), next_at (when its next one came).
    """
    rows = returns.assign(place=place_in(returns["cycle"], cycles), within=range(len(returns)))
    rows = rows.sort_values(["school_number", "place", "within"], ignore_index=True)
    of_school = rows.groupby("school_number")
    newest = ~rows.duplicated(["school_number", "cycle"], keep="last")
    return rows.assign(n=of_school.cumcount(), newest=newest, next_at=of_school["received_at"].shift(-1))


def _deciding_records(rows: pd.DataFrame, records: pd.DataFrame, returns: pd.DataFrame) -> pd.DataFrame:
    """Return the facts of the record that decides each exception.

    A record in a school's newest return of a cycle decides. Of several, those of the last cycle count, in this order: the
    record with the exception, a chosen one, one with a ULN. If there is none, the last record in an older return shows the
    school that the learner left.

    Returns:
        Index of `rows`: school_number, place (number of the record's cycle; null without a record), stays (the record is in
        the school's last return), came_at (when its return was received), left_at, not_chosen_at, has_uln, uln_at (when the
        first return with a ULN for the learner was received).
    """
    known = records[["upn", "cycle", "school_number", "sha256", "uln", "disposition", "reason", "state", "batch_ref"]]
    known = known.merge(returns[["sha256", "n", "place", "newest", "received_at", "next_at"]], on="sha256")
    known["has_uln"] = uln_valid(known["uln"]).astype(bool)
    known["not_chosen"] = known["disposition"] == Disposition.NOT_CHOSEN.value
    known["names_uln"] = known["has_uln"] | (known["not_chosen"] & known["reason"].eq(NotChosen.ULN_HELD.value))
    pairs = rows[["upn", "batch_ref", "place"]].rename(columns={"batch_ref": "asked_in", "place": "from"})
    joined = pairs.reset_index(names="at").merge(known, on="upn")
    joined = joined[joined["place"] >= joined["from"]]
    excepted = joined["state"].eq(RowState.EXCEPTION.value) & joined["batch_ref"].eq(joined["asked_in"])
    rank = np.select([excepted, ~joined["not_chosen"], joined["names_uln"]], [3, 2, 1], 0)
    joined = joined.assign(rank=np.where(joined["newest"], rank, -1), last=joined["place"].where(joined["newest"], -1))
    joined = joined.sort_values(["at", "last", "rank", "place", "n", "school_number", "sha256"])
    best = joined.drop_duplicates("at", keep="last").set_index("at").reindex(rows.index)
    uln_at = joined[joined["names_uln"]].groupby("at")["received_at"].min().reindex(rows.index)
    stays = best["newest"].eq(True) & best["next_at"].isna()
    named = best["names_uln"].eq(True)
    return pd.DataFrame(
        {
            "school_number": best["school_number"].astype("str"),
            "place": best["place"],
            "stays": stays,
            "came_at": best["received_at"].astype("str"),
            "left_at": best["next_at"].where(~stays).astype("str"),
            "not_chosen_at": best["received_at"].where(stays & best["not_chosen"].eq(True) & ~named).astype("str"),
            "has_uln": named & best["not_chosen"].eq(True),
            "uln_at": uln_at.astype("str"),
        }
    )


def _later_batches(rows: pd.DataFrame, sent: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """Return the learner's batches after that of the exception, in order: at (index of `rows`), batch_ref, built_at."""
    batches = sent.assign(place=place_in(sent["cycle"], cycles)).drop(columns="cycle")
    pairs = rows[["upn", "batch_ref"]].reset_index(names="at").merge(batches, on="upn", suffixes=("", "_other"))
    pairs = pairs.sort_values(["at", "place", "built_at", "batch_ref_other"], ignore_index=True)
    same = pairs["batch_ref"] == pairs["batch_ref_other"]
    after = same.groupby(pairs["at"]).cumsum().gt(0) & ~same
    return pairs.loc[after, ["at", "batch_ref_other", "built_at"]].rename(columns={"batch_ref_other": "batch_ref"})


def _seen_at(rows: pd.DataFrame, decided: pd.DataFrame, deliveries: pd.DataFrame) -> pd.Series:
    """Return when a workbook first listed each exception; null where the exception ended before.

    An exception is listed only in workbooks of the cycle that opened it. Until a return of that cycle has the learner at
    another school, they are the workbooks of the school that asked; from then on, those of the other school.
    """
    in_cycle = decided["stays"] & decided["place"].eq(rows["place"])
    moved = in_cycle & decided["school_number"].ne(rows["school_number"])
    ended = rows[["asked_again", "resolved", "withdrawn"]].fillna("9999").min(axis=1)
    came = decided["came_at"].where(decided["came_at"] < ended, ended)
    by_asking = _first_delivery(rows, ended.where(~moved, came), deliveries)
    now_at = rows.assign(school_number=decided["school_number"]).where(moved)
    return by_asking.fillna(_first_delivery(now_at, ended, deliveries))


def _first_delivery(rows: pd.DataFrame, ended: pd.Series, deliveries: pd.DataFrame) -> pd.Series:
    """Return the first delivery to each exception's school while it was open; null where it ended before."""
    pairs = rows[["cycle", "school_number", "opened"]].assign(ended=ended).reset_index(names="at")
    pairs = pairs.merge(deliveries, on=["cycle", "school_number"])
    pairs = pairs[(pairs["delivered_at"] >= pairs["opened"]) & (pairs["delivered_at"] < pairs["ended"])]
    return pairs.groupby("at")["delivered_at"].min().reindex(rows.index).astype("str")


def by_state(exceptions: pd.DataFrame) -> pd.DataFrame:
    """Count `lives`: cycle, state, cause (empty without one), number; by cycle, in the order of ExceptionState."""
    by_cause = exceptions.assign(cause=exceptions["cause"].fillna("")).groupby(["cycle", "state", "cause"])
    rows = by_cause.size().reset_index(name="number")
    rows["place"] = place_in(rows["state"], [state.value for state in ExceptionState])
    return rows.sort_values(["cycle", "place", "cause"], ignore_index=True).drop(columns="place")


def by_code(exceptions: pd.DataFrame) -> pd.DataFrame:
    """Count open exceptions by return code: return_code, number; the most frequent first."""
    counted = still_open(exceptions).groupby("return_code").size().reset_index(name="number")
    return counted.sort_values(["number", "return_code"], ascending=[False, True], ignore_index=True)


def still_open(exceptions: pd.DataFrame) -> pd.DataFrame:
    """Return the exceptions on which a school still has to act."""
    return exceptions[exceptions["state"].isin([ExceptionState.OPEN.value, ExceptionState.SEEN.value])]


def by_age(exceptions: pd.DataFrame, day: dt.date, terms: ExceptionTerms) -> pd.DataFrame:
    """Count open exceptions by school and by how long their learners have waited.

    Ages are counted up to `day`; an exception opened after that day is in the first age band. `terms` has the bands.

    Returns:
        la_code, school_number, age (of `terms.ages`), number; by school and age, without zeros.
    """
    rows = still_open(exceptions)
    days = (pd.Timestamp(day) - pd.to_datetime(rows["since"], format="%Y-%m-%d")).dt.days
    place = np.searchsorted(np.array(terms.bounds), days.to_numpy(), side="left")
    by_school = (
        rows.assign(place=place).groupby(["la_code", "school_number", "place"]).size().reset_index(name="number")
    )
    by_school["age"] = pd.Series([terms.ages[n] for n in by_school["place"]], dtype="str")
    return by_school[["la_code", "school_number", "age", "number"]]
