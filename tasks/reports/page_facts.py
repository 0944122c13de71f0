"""Facts for the pages of a cycle: rows of all authorities, read once from the lake and the files beside it. Reads only.

Belongs here: which rows are read, and which results of the service are reused. Does not belong here: how they are worked up
(`tasks.core.page_tables`), and which page shows what (`tasks.reports.pages`). To show more: an attribute of `Facts`.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from schemas.cycles import up_to
from schemas.settings.names import letters_apart
from schemas.settings.terms import ExceptionTerms, exception_terms
from schemas.states import BatchState, NotChosen, Volume
from tasks.core.exception_life import by_age
from tasks.core.masking import masked
from tasks.core.membership import composite_key, lookup
from tasks.core.merging import ONE_LEARNER_TWICE, ULN_DIFFERS, ULN_SHARED
from tasks.core.page_tables import (
    STATES,
    age_rows,
    code_rows,
    day_rows,
    needs_of_authorities,
    school_rows,
    share,
    waiting_rows,
    year_of,
    year_rows,
)
from tasks.core.superseding import CHANGED_WHILE_WAITING, CORRECT_ON_PORTAL
from tasks.core.suppression import TOTAL
from tasks.core.welsh_order import places
from tasks.io.data_root.reference import authorities, schools
from tasks.ledger.code_texts import lrs_codes
from tasks.ledger.holds import volumes
from tasks.ledger.standing import record_states
from tasks.reports.batches import NEEDING_ACTION, visible_batches
from tasks.reports.exception_counts import lives_at_snapshot
from tasks.reports.overview import counted, visible_by_authority
from tasks.reports.readiness_lists import readiness_of
from tasks.runtime.chunks import all_chunks
from tasks.runtime.context import RunContext

#: Findings that need a person, and the need; the last three are of learners whose ULN conflicts with another.
_NEEDS = {
    CORRECT_ON_PORTAL: "to_correct_on_portal",
    CHANGED_WHILE_WAITING: "changed_while_waiting",
    **dict.fromkeys((ULN_DIFFERS, ULN_SHARED, ONE_LEARNER_TWICE), "conflicts"),
}


@dataclass(frozen=True)
class Facts:
    """The facts of a cycle: rows of all authorities, as in `tasks.core.page_tables`.

    Attributes:
        missing: what schools still need (`readiness_lists.readiness_of`).
        codes: exceptions by code, with the meaning of each code.
        cycles, visible_cycles: this cycle and earlier ones; by authority, and as everybody may see them.
    """

    ctx: RunContext
    schools: pd.DataFrame
    years: pd.DataFrame
    days: pd.DataFrame
    codes: pd.DataFrame
    ages: pd.DataFrame
    waiting: pd.DataFrame
    missing: pd.DataFrame
    needs: pd.DataFrame
    batches: pd.DataFrame
    downloads: pd.DataFrame
    inputs: pd.DataFrame
    cycles: pd.DataFrame
    visible_cycles: pd.DataFrame
    terms: ExceptionTerms

    @classmethod
    def of(cls, ctx: RunContext, day: dt.date, *, conserved: bool) -> "Facts":
        """Read the facts from the lake and the files beside it; ages count until `day`, `conserved` as in `overview_of`."""
        data, lake, cycle = str(ctx.root.path), ctx.lake, ctx.cycle
        register = _with_names(schools(ctx.root.reference))
        columns = ["sha256", "la_code", "school_number", "received_at"]
        returns = lake.read("received", columns, cycle=cycle.id, kind="return", status="accepted")
        # The cycle of a refused file is not known: count the files that came while this cycle was open.
        refused = lake.read("received", columns, status="quarantined")
        refused = refused[refused["received_at"].str[:10].between(str(cycle.census_from), str(cycle.closes_on))]
        missing = readiness_of(data, cycle)
        volume = volumes(ctx)
        terms = exception_terms(ctx.root.reference / "exceptions.toml")
        lives = lives_at_snapshot(ctx.root, cycle.id)
        waiting = waiting_rows(lives, day, terms.bounds[-1])
        status = {c: counted(data, c, conserved=conserved or c != cycle.id) for c in _with_returns(ctx)}
        rows = school_rows(
            register,
            _counts(status[cycle.id]),
            returns.groupby("school_number")["received_at"].min().str[:10],
            missing[["school_number", "code"]],
            volume.index[volume["volume"] == Volume.ON_HOLD.value],
        )
        by_place = ["authority_cy", "authority_en", "authority_cy_place", "authority_en_place", "school_name_place"]
        rows = pd.concat([rows, register[by_place]], axis=1).sort_values(["la_code", "school_name_place"])
        batches = visible_batches(data, day, cycle.id).frame
        waits = {"long_open": waiting.groupby("la_code")["late"].sum()}
        for need, state in NEEDING_ACTION.items():
            waits[need] = batches[batches["state"] == state].groupby("la_code").size()
        waits |= _findings_by_need(ctx)
        far = volume.index[volume["volume"] == Volume.FAR_ABOVE.value].to_series()
        waits["far_above"] = far.groupby(far.str[:3]).size()
        waits["quarantined"] = refused.groupby("la_code").size()
        return cls(
            ctx=ctx,
            schools=rows,
            years=year_rows(_years(ctx)),
            days=_days(ctx, returns),
            codes=_with_meaning(ctx, code_rows(lives)),
            ages=age_rows(by_age(lives, day, terms), terms.ages),
            waiting=waiting,
            missing=missing,
            needs=needs_of_authorities(rows, waits),
            batches=batches,
            downloads=_downloads(ctx, register),
            inputs=_inputs(ctx, returns, refused),
            cycles=_cycles(status),
            visible_cycles=_visible_cycles(status),
            terms=terms,
        )


def _with_returns(ctx: RunContext) -> list[str]:
    """Return the earlier cycles with returns, in order, and this cycle."""
    returned = set(ctx.lake.read("received", ["cycle"], kind="return", status="accepted")["cycle"].dropna())
    return [cycle_id for cycle_id in up_to(ctx.cycle) if cycle_id in returned or cycle_id == ctx.cycle.id]


def _with_names(register: pd.DataFrame) -> pd.DataFrame:
    """Return the register with names of authorities, and the alphabetical rank of each name."""
    names = {"authority_cy": register["la_cy"], "authority_en": register["la_en"]}
    # A data root's own register may hold anything; text that looks like an identifier is not shown.
    names["school_name"] = register["school_name"].fillna("").map(masked).astype("str")
    rows = register[["la_code", "school_number"]].assign(**names).reset_index(drop=True)
    ordered = {f"{name}_place": places(rows[name], letters_apart()) for name in names}
    return rows.assign(**ordered)


def _counts(status: Mapping[str, Any]) -> pd.DataFrame:
    """Return by school_number: the states, and had_one."""
    rows = [
        [*(row[name] for name in STATES), row["not_chosen"].get(NotChosen.ULN_HELD.value, 0)]
        for row in status["schools"].values()
    ]
    index = pd.Index(list(status["schools"]), dtype="str")
    return pd.DataFrame(rows, index=index, columns=[*STATES, "had_one"], dtype="int64")


def _years(ctx: RunContext) -> pd.DataFrame:
    """Return the numbers of chosen learners by year group and state: la_code, year, state, number."""
    parts = [pd.DataFrame({"la_code": [], "year": [], "state": []}, dtype="str").assign(number=0)]
    for chunk in all_chunks(ctx):
        pupils = ctx.lake.read("pupils", ["row_ref", "nc_year"], cycle=ctx.cycle.id, **chunk.where)
        _, _, standing = record_states(ctx.lake, ctx.cycle, **chunk.where)
        year = year_of(lookup(standing["row_ref"], pupils["row_ref"], pupils["nc_year"]))
        rows = standing[["state"]].assign(la_code=standing["school_number"].str[:3], year=year)
        parts.append(rows.groupby(["la_code", "year", "state"]).size().rename("number").reset_index())
    return pd.concat(parts, ignore_index=True)


def _days(ctx: RunContext, returns: pd.DataFrame) -> pd.DataFrame:
    batches = ctx.lake.read("batches", ["batch_ref", "la_code", "state", "sent_at", "rows"], cycle=ctx.cycle.id)
    gone = batches[batches["sent_at"].notna() & (batches["state"] != BatchState.ABANDONED.value)]
    columns = ["batch_ref", "upn", "received_at", "uln"]
    answers = ctx.lake.read("lrs_returns", columns, tied="Y", cycle=ctx.cycle.id)
    first = answers.sort_values("received_at", kind="stable")
    first = first[~composite_key(first["batch_ref"], first["upn"]).duplicated()]
    whose = lookup(first["batch_ref"], batches["batch_ref"], batches["la_code"])
    came = first[["received_at"]].assign(la_code=whose, has_uln=first["uln"].notna())
    return day_rows(returns[["la_code", "received_at"]], gone[["la_code", "sent_at", "rows"]], came)


def _findings_by_need(ctx: RunContext) -> dict[str, pd.Series]:
    """Return the numbers of records with a finding of _NEEDS by la_code, by need; a record counts once for each need."""
    rows = ctx.lake.read("findings", ["row_ref", "rule", "la_code"], cycle=ctx.cycle.id, rule=list(_NEEDS))
    rows = rows.assign(need=rows["rule"].map(_NEEDS)).drop_duplicates(["row_ref", "need"])
    return {str(need): of_need.groupby("la_code").size() for need, of_need in rows.groupby("need", sort=False)}


def _with_meaning(ctx: RunContext, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with problem, action, and the code of these texts: UNKNOWN for a code that is not in the table."""
    wrong = {"label_cy": "wrong_cy", "label_en": "wrong_en"}
    codes = lrs_codes(ctx.root).rename(columns=wrong)[["code", *wrong.values(), "action_cy", "action_en"]]
    code = rows["return_code"].where(rows["return_code"].isin(codes["code"]), "UNKNOWN")
    return rows.assign(code=code).merge(codes, on="code", how="left")


def _downloads(ctx: RunContext, register: pd.DataFrame) -> pd.DataFrame:
    """Return the newest delivery of each school and authority whose file still exists; workbooks first."""
    columns = ["la_code", "school_number", "path", "delivered_at", "number", "ulns", "exceptions"]
    rows = ctx.lake.read("deliveries", columns, cycle=ctx.cycle.id).sort_values(["school_number", "number"])
    rows = rows.drop_duplicates("school_number", keep="last")
    # A purge may have removed the file since.
    rows = rows[rows["path"].map(lambda path: (ctx.root.path / path).exists()).astype(bool)]
    is_authority = rows["school_number"] == rows["la_code"]
    las = authorities()
    for lang in ("cy", "en"):
        school = lookup(rows["school_number"], register["school_number"], register["school_name"])
        authority = lookup(rows["la_code"], las["la_code"], las[f"la_{lang}"])
        name = school.mask(is_authority, authority).fillna(rows["school_number"])
        rows = rows.assign(**{f"receiver_{lang}": name, f"receiver_{lang}_place": places(name, letters_apart())})
    # An authority's workbook holds all its lines, but no ULNs.
    ulns = rows["ulns"].astype("Int64").mask(is_authority)
    rows = rows.assign(of_school=~is_authority, ulns=ulns, delivered_on=rows["delivered_at"].str[:10])
    return rows.sort_values(["la_code", "of_school", "receiver_cy_place", "school_number"], ignore_index=True)


def _inputs(ctx: RunContext, returns: pd.DataFrame, refused: pd.DataFrame) -> pd.DataFrame:
    """Return what the pages are made from: la_code, input, number, last_on."""
    answers = ctx.lake.read("lrs_returns", ["sha256", "batch_ref", "received_at"], tied="Y", cycle=ctx.cycle.id)
    batches = ctx.lake.read("batches", ["batch_ref", "la_code"], cycle=ctx.cycle.id)
    answers = answers.assign(la_code=lookup(answers["batch_ref"], batches["batch_ref"], batches["la_code"]))
    inputs = []
    for name, rows in {"returns": returns, "quarantined": refused, "results": answers}.items():
        files = rows.groupby("la_code").agg(number=("sha256", "nunique"), last_on=("received_at", "max"))
        inputs.append(files.assign(input=name, last_on=files["last_on"].str[:10]).reset_index())
    return pd.concat(inputs, ignore_index=True)[["la_code", "input", "number", "last_on"]]


def _cycles(status: Mapping[str, Any]) -> pd.DataFrame:
    """Return each cycle's learners by authority: la_code, cycle, returned, chosen, the states, share."""
    parts = []
    for cycle_id, counts in status.items():
        rows = _counts(counts).drop(columns="had_one")
        by_la = rows.assign(la_code=rows.index.str[:3], returned=1).groupby("la_code").sum()
        parts.append(by_la.reset_index().assign(cycle=cycle_id))
    rows = pd.concat(parts, ignore_index=True)
    rows["chosen"] = rows[list(STATES)].sum(axis=1)
    return rows.assign(share=share(rows["uln"], rows["chosen"]))


def _visible_cycles(status: Mapping[str, Any]) -> pd.DataFrame:
    """Return each cycle's learners, as in the total of `visible_by_authority`: cycle, returned, chosen, the states, share."""
    totals = {cycle_id: visible_by_authority(counts["schools"]).loc[TOTAL] for cycle_id, counts in status.items()}
    rows = pd.DataFrame(totals).T.rename(columns={"schools": "returned"})[["returned", "chosen", *STATES]]
    rows = rows.astype("Int64").rename_axis("cycle").reset_index()
    return rows.assign(share=share(rows["uln"], rows["chosen"]))
