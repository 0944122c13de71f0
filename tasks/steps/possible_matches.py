"""Publish: the likely cause of each possible match. No engine."""

import pandas as pd
import pyarrow as pa

from schemas.codes.return_codes import POSSIBLE_MATCH
from schemas.cycles import cycle_by_id, up_to
from schemas.lrs.profiles import Profile, all_profiles
from schemas.states import BatchState
from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import demographics, lrs_names
from tasks.core.membership import is_in
from tasks.core.possible_match import Known, causes, lives_like, used_as
from tasks.io.data_root.reference import authorities
from tasks.io.lake.lake import frame_of
from tasks.ledger.standing import purged_cycles, register_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext


def possible_matches(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """Return the likely cause of each possible match among a chunk's learners in the cycle: upn, batch_ref, cause.

    This reads everything that was sent, so `publish` calls it for all its authorities at once.
    """
    lake, cycle = ctx.lake, ctx.cycle
    columns = ["upn", "batch_ref", "row_ref", "school_number"]
    matches = lake.read("exceptions", columns, cycle=cycle.id, return_code=POSSIBLE_MATCH, **chunk.where)
    if matches.empty:
        return matches.assign(cause="")[["upn", "batch_ref", "cause"]]
    five = list(DEMOGRAPHICS)
    sent = lake.read("batch_rows", ["batch_ref", "upn", *five], cycle=cycle.id, upn=matches["upn"])
    record = ["row_ref", "former_upn", "former_surname", "nc_year"]
    records = lake.read("pupils", record, cycle=cycle.id, row_ref=matches["row_ref"], **chunk.where)
    matches = matches.merge(sent, on=["batch_ref", "upn"]).merge(records, on="row_ref", how="left")
    profile = all_profiles(ctx.root.reference / "lrs")[cycle.lrs_profile]
    matches["former_upn"] = canonical_upn(matches["former_upn"])
    matches["former_family_name"] = lrs_names(matches["former_surname"], profile)
    purged = purged_cycles(str(ctx.root.path))
    earlier = [c for c in up_to(cycle) if c != cycle.id and c not in purged]
    matches["years_since"] = matches["school_number"].map(_years_since(ctx, earlier))
    return causes(matches, _known_of(ctx, matches, earlier, profile))


def _years_since(ctx: RunContext, earlier: list[str]) -> pd.Series:
    """Return by school number: years since the school's last return in an earlier cycle."""
    received = ctx.lake.read("received", ["cycle", "school_number", "kind", "status"], cycle=earlier)
    returns = received[(received["kind"] == "return") & (received["status"] == "accepted")]
    years = returns["cycle"].map({c: cycle_by_id(c).academic_year for c in earlier}).astype("float64")
    return ctx.cycle.academic_year - years.groupby(returns["school_number"]).max()


def _known_of(ctx: RunContext, matches: pd.DataFrame, earlier: list[str], profile: Profile) -> Known:
    """Return what earlier returns hold about some learners, and similar sent rows, up to the cycle."""
    lake, five = ctx.lake, list(DEMOGRAPHICS)
    names = ["upn", "school_number", "surname", "forename", "gender", "dob", "postcode"]
    upns = pd.concat([matches["upn"], matches["former_upn"]])
    before = lake.read("pupils", names, cycle=earlier, upn=upns)
    earlier_upns = matches[["upn", "former_upn"]].melt("upn", value_name="then")[["upn", "then"]]
    earlier_upns = pd.concat([earlier_upns, matches[["upn"]].assign(then=matches["upn"])]).dropna().drop_duplicates()
    then = demographics(before, profile).assign(
        school_number=before["school_number"], then=canonical_upn(before["upn"])
    )
    given_up = lake.read("batches", ["batch_ref"], state=BatchState.ABANDONED.value)["batch_ref"]
    others, uses = [], []
    for piece in lake.pieces("batch_rows", ["batch_ref", "upn", *five], cycle=up_to(ctx.cycle)):
        others.append(lives_like(piece, matches))
        uses.append(used_as(piece, matches))
    alike = frame_of(pa.concat_tables(others))
    former = lake.read("batch_rows", ["upn"], cycle=up_to(ctx.cycle), upn=matches["former_upn"])["upn"]
    without = lake.read("exceptions", ["upn"], cycle=up_to(ctx.cycle), upn=former)["upn"]
    with_uln = register_of(lake, ctx.cycle, upn=without).dropna(subset="uln")["upn"]
    return Known(
        before=earlier_upns.merge(then, on="then"),
        others=alike[~is_in(alike["batch_ref"], given_up)],
        former=former[~is_in(former, without) | is_in(former, with_uln)],
        uses=pd.concat(uses).groupby("name", as_index=False).sum(),
        allotted_here=list(authorities()["la_code"]),
    )
