"""The life of an exception: opened, seen in a workbook, asked for again, resolved or withdrawn; each with its day and cause.

Nothing of it is stored: it is a function of the answers, the returns, the batches and the deliveries that the ledger holds
(law 4, docs/explanation/laws.md), and of the cycles that are looked at, so that a cycle's own view does not change with later
ones. `docs/exceptions.md` has the same as a table for people.

| state | when |
|---|---|
| resolved | the register holds a ULN, or the school's newest return has one, or a former UPN that has one |
| withdrawn | the learner stands in no newest return any more, or is not chosen there |
| asked_again | a later batch took the learner to the LRS; how that ended is told by that batch's own exception |
| seen | it is open, and a workbook with it went to the school |
| open | else |

The first that holds. What resolved it is what came first; an export that came before the answer that it settles counts too.
Whatever was said under another UPN of the same learner (`one_learner.learner_upns`) counts as if it were this one.

Belongs here: what becomes of exceptions, and how many of them there are. Does not belong here: which code means what
(`schemas.codes.return_codes`), which learners are sent again (`batching.to_send`).
To add a state or a cause: a word in `schemas.states`, a case in `lives`, its row in `docs/exceptions.md`.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.settings.exceptions import ExceptionTerms
from schemas.states import Disposition, ExceptionCause, ExceptionState, NotChosen, RowState
from schemas.tables import EXCEPTION_LIVES, EXCEPTIONS
from tasks.core.identifiers import uln_valid
from tasks.core.membership import composite_key, is_in, lookup, place_in

#: What happens to an exception.
MILESTONES = ("opened", "seen", "asked_again", "resolved", "withdrawn")
MILESTONE_COLUMNS = (*(c.name for c in EXCEPTIONS.columns), "cause", *MILESTONES, "since", "asked_by")
#: What is still to be done by somebody at the school.
STILL_OPEN = (ExceptionState.OPEN.value, ExceptionState.SEEN.value)


def exported(file_names: pd.Series, cells: pd.Series, terms: ExceptionTerms) -> pd.Series:
    """Whether answers came in an export of processed exceptions, and not in a result file.

    Source: docs/reference/sources.md#exceptions.

    Args:
        file_names: of the files.
        cells: what their FileName columns say.
        terms: the words by which exports are known.
    """
    told = (file_names.fillna("") + "|" + cells.fillna("")).str.lower().str.replace(r"\s+", "", regex=True)
    found = pd.Series(False, index=told.index)
    for word in terms.export_words:
        found |= told.str.contains(word, regex=False)
    return found


def lives(moments: pd.DataFrame) -> pd.DataFrame:
    """What became of exceptions, by day.

    Args:
        moments: `milestones`.

    Returns:
        The columns of EXCEPTION_LIVES, in the order of its key. Days are those of the runs.
    """
    days = {f"{name}_on": moments[name].str[:10] for name in MILESTONES}
    return moments.assign(**days, since=moments["since"].str[:10])[[c.name for c in EXCEPTION_LIVES.columns]]


@dataclass(frozen=True)
class LearnerHistory:
    """What the ledger holds of the learners of some exceptions; each table has its rows under every UPN of a learner.

    Attributes:
        another: upn, other; UPNs that are one learner's, in either order (`one_learner.learner_upns`).
        answers: upn, batch_ref, uln, received_at, sha256, ordinal, exported; every tied answer.
        held: upn, uln; what the register holds.
        records: upn, cycle, school_number, sha256, uln, disposition, reason, state, batch_ref; the records in every
            return of the cycles that are not purged, in the newest of a school and in older ones.
        returns: sha256, cycle, school_number, received_at; those schools' accepted returns, the newest of each cycle last.
        sent: upn, batch_ref, cycle, built_at; the batches that the learners went out in (`standing.latest_sent_rows`).
        deliveries: cycle, school_number, delivered_at.
        cycles: in order.
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
    """What became of exceptions, as the last of the history's cycles sees it.

    Args:
        exceptions: rows of the lake's table; of the cycles.
        history: of these exceptions' learners.

    Returns:
        MILESTONE_COLUMNS, in the order of the key of EXCEPTIONS, with state, cause, since, and when each of MILESTONES was;
        null where the thing has not happened, or, of `seen`, where it ended before a workbook could tell of it. The school
        and its authority are those where the learner stands now; asked_by is the school on whose portal it stands.
    """
    cycles = history.cycles
    rows = exceptions.drop(columns="state").sort_values(list(EXCEPTION_LIVES.key), ignore_index=True)
    rows["place"] = place_in(rows["cycle"], cycles)
    own = rows[["upn"]].drop_duplicates()
    upns = pd.concat([own.assign(other=own["upn"]), history.another[["upn", "other"]]])
    answers = history.answers
    answers = answers.assign(
        key=composite_key(answers["upn"], answers["batch_ref"]), has=uln_valid(answers["uln"]).astype(bool)
    )
    rows["opened"] = _first(
        composite_key(rows["upn"], rows["batch_ref"]), answers[~answers["has"]], "key", "received_at"
    )
    rows["since"] = _first(rows["upn"], _under_each(rows[["upn", "opened"]], upns), "upn", "opened")
    again = _again(rows, _under_each(history.sent, upns), cycles)
    rows["asked_again"] = again.drop_duplicates("at").set_index("at")["built_at"].reindex(rows.index).astype("str")
    by_lrs = _answered(rows, _under_each(_giving(answers, history.held), upns), again)
    decided = _deciding(rows, _under_each(history.records, upns), _in_time(history.returns, cycles))
    by_return = _later(decided["uln_at"], rows["opened"]).where(decided["has_uln"] & decided["stays"])
    of_lrs = by_lrs["at"].notna() & ~(by_return < by_lrs["at"]).fillna(False)
    rows["resolved"] = by_lrs["at"].where(of_lrs, by_return)
    gone = decided["left_at"].fillna(decided["not_chosen_at"])
    rows["withdrawn"] = _later(gone, rows["opened"]).where(rows["resolved"].isna())
    rows["seen"] = _seen_at(rows, decided, history.deliveries)
    withdrawn = gone.notna() & rows["resolved"].isna()
    rows["cause"] = pd.Series(None, index=rows.index, dtype="str").case_when(
        [
            (rows["resolved"].notna() & of_lrs, by_lrs["cause"]),
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


def _first(keys: pd.Series, rows: pd.DataFrame, by: str, column: str) -> pd.Series:
    """The least that stands in a column for each key; null where there is none."""
    least = rows.groupby(by)[column].min()
    return lookup(keys, least.index.to_series(), least)


def _under_each(rows: pd.DataFrame, upns: pd.DataFrame) -> pd.DataFrame:
    """Rows under each UPN (of `upns`: upn, other) whose learner they are of; in the given order for each of them."""
    return upns.merge(rows.rename(columns={"upn": "other"}), on="other").drop(columns="other")


def _later(one: pd.Series, other: pd.Series) -> pd.Series:
    """The later of two moments, row by row; null where the first is."""
    return one.where(~(one < other).fillna(False), other).where(one.notna())


def _giving(answers: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """The answers that gave the ULN that the register holds."""
    stands = lookup(answers["upn"], held["upn"], held["uln"])
    return answers[answers["has"] & (answers["uln"].str.strip() == stands).fillna(False)]


def _answered(rows: pd.DataFrame, gave: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """When and how the LRS gave the ULN that the register holds: at, cause; null where it holds none."""
    gave = gave.sort_values(["upn", "received_at", "sha256", "ordinal"]).drop_duplicates("upn")
    found = {name: lookup(rows["upn"], gave["upn"], gave[name]) for name in ("received_at", "batch_ref")}
    by_export = is_in(rows["upn"], gave.loc[gave["exported"].astype(bool), "upn"])
    cause = by_export.map({True: ExceptionCause.EXPORT.value, False: ExceptionCause.RESULT.value}).astype("str")
    places = rows.index.to_series().astype("str")
    later = is_in(
        composite_key(places, found["batch_ref"]), composite_key(again["at"].astype("str"), again["batch_ref"])
    )
    cause = cause.mask(later, ExceptionCause.RESUBMISSION.value)
    at = _later(found["received_at"], rows["opened"])
    return pd.DataFrame({"at": at, "cause": cause.where(at.notna())})


def _in_time(returns: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """The returns with their number in their school, over all cycles, and when the one after each was received."""
    rows = returns.assign(place=place_in(returns["cycle"], cycles), within=range(len(returns)))
    rows = rows.sort_values(["school_number", "place", "within"], ignore_index=True)
    of_school = rows.groupby("school_number")
    newest = ~rows.duplicated(["school_number", "cycle"], keep="last")
    return rows.assign(n=of_school.cumcount(), newest=newest, next_at=of_school["received_at"].shift(-1))


def _deciding(rows: pd.DataFrame, records: pd.DataFrame, returns: pd.DataFrame) -> pd.DataFrame:
    """The record that says where the learner of each exception stands, and what it says.

    Of the records in newest returns that of the last cycle, of several there the one with the exception, then one that is
    chosen, then one that has a ULN. Where there is none the last one in an older return says from where the learner left.

    Returns:
        Beside `rows`: school_number and place (of the cycle; null where there is no record at all), stays (no newer return
        of that school lacks the learner), came_at (when the return with that record came), left_at, not_chosen_at, has_uln,
        uln_at (when the first return with a ULN for the learner came).
    """
    own = records[["upn", "cycle", "school_number", "sha256", "uln", "disposition", "reason", "state", "batch_ref"]]
    own = own.merge(returns[["sha256", "n", "place", "newest", "received_at", "next_at"]], on="sha256")
    own["has_uln"] = uln_valid(own["uln"]).astype(bool)
    own["not_chosen"] = own["disposition"] == Disposition.NOT_CHOSEN.value
    own["names_uln"] = own["has_uln"] | (own["not_chosen"] & own["reason"].eq(NotChosen.ULN_HELD.value))
    pairs = rows[["upn", "batch_ref", "place"]].rename(columns={"batch_ref": "asked_in", "place": "from"})
    found = pairs.reset_index(names="at").merge(own, on="upn")
    found = found[found["place"] >= found["from"]]
    excepted = found["state"].eq(RowState.EXCEPTION.value) & found["batch_ref"].eq(found["asked_in"])
    rank = np.select([excepted, ~found["not_chosen"], found["names_uln"]], [3, 2, 1], 0)
    found = found.assign(rank=np.where(found["newest"], rank, -1), last=found["place"].where(found["newest"], -1))
    found = found.sort_values(["at", "last", "rank", "place", "n", "school_number", "sha256"])
    best = found.drop_duplicates("at", keep="last").set_index("at").reindex(rows.index)
    uln_at = found[found["names_uln"]].groupby("at")["received_at"].min().reindex(rows.index)
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


def _again(rows: pd.DataFrame, sent: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """The batches that took the learner to the LRS after the one of the exception, in order: at, batch_ref, built_at."""
    places = sent.assign(place=place_in(sent["cycle"], cycles)).drop(columns="cycle")
    pairs = rows[["upn", "batch_ref"]].reset_index(names="at").merge(places, on="upn", suffixes=("", "_other"))
    order = ["place", "built_at", "batch_ref_other"]
    pairs = pairs.sort_values(["at", *order], ignore_index=True)
    own = pairs["batch_ref"] == pairs["batch_ref_other"]
    after = own.groupby(pairs["at"]).cumsum().gt(0) & ~own
    found = pairs.loc[after, ["at", "batch_ref_other", "built_at"]]
    return found.rename(columns={"batch_ref_other": "batch_ref"})


def _seen_at(rows: pd.DataFrame, decided: pd.DataFrame, deliveries: pd.DataFrame) -> pd.Series:
    """When a workbook first told of each exception; null where the exception ended before.

    A workbook tells of it in the cycle in which it was opened, at the school at which the learner stands there; until a
    return brought the learner to that one, at the school that asked.
    """
    there = decided["stays"] & decided["place"].eq(rows["place"])
    moved = there & decided["school_number"].ne(rows["school_number"])
    ended = rows[["asked_again", "resolved", "withdrawn"]].fillna("9999").min(axis=1)
    came = decided["came_at"].where(decided["came_at"] < ended, ended)
    by_asking = _first_file(rows, ended.where(~moved, came), deliveries)
    now_at = rows.assign(school_number=decided["school_number"]).where(moved)
    return by_asking.fillna(_first_file(now_at, ended, deliveries))


def _first_file(rows: pd.DataFrame, ended: pd.Series, deliveries: pd.DataFrame) -> pd.Series:
    """When the first file went to the school of each exception while it was open; null where it ended before."""
    pairs = rows[["cycle", "school_number", "opened"]].assign(ended=ended).reset_index(names="at")
    pairs = pairs.merge(deliveries, on=["cycle", "school_number"])
    pairs = pairs[(pairs["delivered_at"] >= pairs["opened"]) & (pairs["delivered_at"] < pairs["ended"])]
    return pairs.groupby("at")["delivered_at"].min().reindex(rows.index).astype("str")


def by_state(told: pd.DataFrame) -> pd.DataFrame:
    """How many exceptions there are by cycle, state and cause.

    Args:
        told: `lives`.

    Returns:
        cycle, state, cause (empty where there is none), number; in the order of ExceptionState within a cycle.
    """
    counted = told.assign(cause=told["cause"].fillna("")).groupby(["cycle", "state", "cause"]).size()
    found = counted.rename("number").reset_index()
    order = [state.value for state in ExceptionState]
    found = found.assign(place=place_in(found["state"], order)).sort_values(["cycle", "place", "cause"])
    return found[["cycle", "state", "cause", "number"]].reset_index(drop=True)


def by_code(told: pd.DataFrame) -> pd.DataFrame:
    """How many open exceptions there are by return code: return_code, number; the commonest first."""
    counted = still_open(told).groupby("return_code").size().rename("number").reset_index()
    return counted.sort_values(["number", "return_code"], ascending=[False, True], ignore_index=True)


def still_open(told: pd.DataFrame) -> pd.DataFrame:
    """The exceptions that somebody at a school has to see to."""
    return told[told["state"].isin(STILL_OPEN)]


def by_age(told: pd.DataFrame, day: dt.date, terms: ExceptionTerms) -> pd.DataFrame:
    """How many exceptions are open, by school and by how long their learners have waited.

    Args:
        told: `lives`.
        day: until which days are counted; what was opened after it is of no age yet.
        terms: the bounds of the ages.

    Returns:
        la_code, school_number, age (of `terms.ages`), number; by school and age, none that is nought.
    """
    rows = still_open(told)
    days = (pd.Timestamp(day) - pd.to_datetime(rows["since"], format="%Y-%m-%d")).dt.days
    place = np.searchsorted(np.array(terms.bounds), days.to_numpy(), side="left")
    counted = rows.assign(place=place).groupby(["la_code", "school_number", "place"]).size().rename("number")
    found = counted.reset_index()
    found["age"] = pd.Series([terms.ages[n] for n in found["place"]], index=found.index, dtype="str")
    return found[["la_code", "school_number", "age", "number"]]
