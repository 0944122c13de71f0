"""Publish: the likely cause of each possible match."""

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
    """Publish: the likely cause of each possible match that the LRS answered for a chunk's learners in the cycle.

    It looks through everything that was sent. `publish` asks for all its authorities at once.

    Returns:
        upn, batch_ref, cause.
    """
    lake, cycle = ctx.lake, ctx.cycle
    of_one = ["upn", "batch_ref", "row_ref", "school_number"]
    asked = lake.read("exceptions", of_one, cycle=cycle.id, return_code=POSSIBLE_MATCH, **chunk.where)
    if asked.empty:
        return asked.assign(cause="")[["upn", "batch_ref", "cause"]]
    five = list(DEMOGRAPHICS)
    sent = lake.read("batch_rows", ["batch_ref", "upn", *five], cycle=cycle.id, upn=asked["upn"])
    record = ["row_ref", "former_upn", "former_surname", "nc_year"]
    records = lake.read("pupils", record, cycle=cycle.id, row_ref=asked["row_ref"], **chunk.where)
    asked = asked.merge(sent, on=["batch_ref", "upn"]).merge(records, on="row_ref", how="left")
    profile = all_profiles(ctx.root.reference / "lrs")[cycle.lrs_profile]
    asked["former_upn"] = canonical_upn(asked["former_upn"])
    asked["former_family_name"] = lrs_names(asked["former_surname"], profile)
    purged = purged_cycles(str(ctx.root.path))
    earlier = [one for one in up_to(cycle) if one != cycle.id and one not in purged]
    asked["years_since"] = asked["school_number"].map(_years_since(ctx, earlier))
    return causes(asked, _known_of(ctx, asked, earlier, profile))


def _years_since(ctx: RunContext, earlier: list[str]) -> pd.Series:
    """How many years ago each school last sent a return in an earlier cycle; by school number."""
    received = ctx.lake.read("received", ["cycle", "school_number", "kind", "status"], cycle=earlier)
    taken = received[(received["kind"] == "return") & (received["status"] == "accepted")]
    years = taken["cycle"].map({one: cycle_by_id(one).academic_year for one in earlier}).astype("float64")
    return ctx.cycle.academic_year - years.groupby(taken["school_number"]).max()


def _known_of(ctx: RunContext, asked: pd.DataFrame, earlier: list[str], profile: Profile) -> Known:
    """What earlier returns have of some learners, and what was sent that is like them, up to the cycle."""
    lake, five = ctx.lake, list(DEMOGRAPHICS)
    names = ["upn", "school_number", "surname", "forename", "gender", "dob", "postcode"]
    upns = pd.concat([asked["upn"], asked["former_upn"]])
    before = lake.read("pupils", names, cycle=earlier, upn=upns)
    own = asked[["upn", "former_upn"]].melt("upn", value_name="then")[["upn", "then"]]
    own = pd.concat([own, asked[["upn"]].assign(then=asked["upn"])]).dropna().drop_duplicates()
    then = demographics(before, profile).assign(
        school_number=before["school_number"], then=canonical_upn(before["upn"])
    )
    given_up = lake.read("batches", ["batch_ref"], state=BatchState.ABANDONED.value)["batch_ref"]
    others, uses = [], []
    for piece in lake.pieces("batch_rows", ["batch_ref", "upn", *five], cycle=up_to(ctx.cycle)):
        others.append(lives_like(piece, asked))
        uses.append(used_as(piece, asked))
    alike = frame_of(pa.concat_tables(others))
    former = lake.read("batch_rows", ["upn"], cycle=up_to(ctx.cycle), upn=asked["former_upn"])["upn"]
    without = lake.read("exceptions", ["upn"], cycle=up_to(ctx.cycle), upn=former)["upn"]
    with_uln = register_of(lake, ctx.cycle, upn=without).dropna(subset="uln")["upn"]
    return Known(
        before=own.merge(then, on="then"),
        others=alike[~is_in(alike["batch_ref"], given_up)],
        former=former[~is_in(former, without) | is_in(former, with_uln)],
        uses=pd.concat(uses).groupby("name", as_index=False).sum(),
        allotted_here=list(authorities()["la_code"]),
    )
