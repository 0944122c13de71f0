"""The pages of a cycle: `reports/<cycle>/site/`, one of Wales and one of each authority, in both languages (docs/pages.md).

Belongs here: what is read for them, what is let through, and which are made anew. Does not belong here: what stands in a
table (`tasks.core.page_tables`), layout (`schemas.pages`), bytes (`tasks.io.pages_html`). No engine, and no clock: a page
says as of when it is. To add a table: its rows in `_of_authorities` and `_of_wales`.

A page is made anew where what it shows has changed, or the service has; not because a run was there. `made.json` says at
which state of the lake all of them were looked through last, and comes last: a run that died before is done again.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from schemas.cycles import cycle_by_id, up_to
from schemas.exceptions import exception_terms
from schemas.pages import AUTHORITY, WALES, all_needs, all_sections
from schemas.readiness import lacks
from schemas.states import BatchShown, BatchState, Volume
from schemas.tables import EXCEPTION_LIVES, Tier
from schemas.views import PAGE_TABLES
from tasks.code_texts import lrs_codes
from tasks.core.exception_life import by_age
from tasks.core.membership import looked_up, paired
from tasks.core.page_sentences import SAYINGS, Said, of_learners
from tasks.core.page_tables import (
    HAD_ONE,
    STATES,
    age_rows,
    authority_rows,
    code_rows,
    day_rows,
    for_all,
    needs_of_authorities,
    school_rows,
    schools_for_all,
    share,
    waiting_rows,
    year_of,
    year_rows,
)
from tasks.core.superseding import CHANGED_WHILE_WAITING, CORRECT_ON_PORTAL
from tasks.core.suppression import TOTAL
from tasks.core.welsh_order import places
from tasks.ground import Ground, Portion, all_portions, moment
from tasks.hand_over import batches_shown
from tasks.holds import volumes
from tasks.io.data_root import write_together, write_whole
from tasks.io.edition import edition
from tasks.io.lake import frame_of
from schemas.names import letters_apart
from tasks.io.pages_html import PageContent, assets, write_page
from tasks.io.reference import authorities, schools
from tasks.overview import Overview, counted, told_by_authority
from tasks.showing import Shown, shown
from tasks.status import readiness_of, standing_of
from tasks.workers import spread

#: What a page depends on of the lake.
_TABLES = (
    *("received", "pupils", "dispositions", "findings", "batches", "batch_decisions", "operator_decisions"),
    *("lrs_returns", "learners", "exceptions", "deliveries"),
)
#: For so many days after a cycle has closed its ages are counted on; later nobody chases them.
_AGES_DAYS = 90
#: The folder of the page of Wales, beside those of the authorities.
WALES_FOLDER = "wales"


@dataclass(frozen=True)
class Site:
    """Where a cycle's pages lie, and how many of them were made anew."""

    folder: Path
    written: int


def site_of(ground: Ground) -> Path:
    """The folder of a cycle's pages."""
    return ground.root.reports(ground.cycle.id) / "site"


def pages_due(data: str, cycle_id: str, as_of: str) -> bool:
    """Whether anything that the pages are made from has moved since they were looked through last; quickly."""
    ground = Ground.of(data, cycle_id)
    return _made(ground).get("looked_at") != _looked_at(ground, moment(as_of).date())


def make_pages(data: str, cycle_id: str, as_of: str, seen: Overview, *, conserved: bool, run: str) -> Site:
    """Make the pages of a cycle that show something else than before.

    Args:
        data: the data root.
        cycle_id: the cycle.
        as_of: the time that the run counts as, ISO; ages are counted until then.
        seen: what everybody may see of the cycle.
        conserved: as `overview.overview_of` takes it.
        run: what made them, as people find it: the flow's name, or the command.

    Raises:
        ServiceFault: something would be shown that may not be.
    """
    ground, day = Ground.of(data, cycle_id), moment(as_of).date()
    looked_at, before = _looked_at(ground, day), _made(ground)
    facts = _Facts.of(ground, day, conserved=conserved)
    names = authorities().set_index("la_code")
    tables = {WALES_FOLDER: _of_wales(facts, seen)} | _of_authorities(facts)
    made, written = {}, 0
    for folder, shown_tables in tables.items():
        page = AUTHORITY if folder in names.index else WALES
        title = (names["la_cy"].get(folder, ""), names["la_en"].get(folder, ""))
        total = facts.totals.loc[folder] if page == AUTHORITY else seen.authorities.frame.iloc[-1]
        said = {name: SAYINGS[name](rows.frame) for name, rows in shown_tables.items() if name in SAYINGS}
        content = PageContent(page, ground.cycle, title, shown_tables, said | {"schools": _of_total(total)})
        made[folder] = content.fingerprint(edition())
        if before.get("pages", {}).get(folder) == made[folder] and _stands(site_of(ground) / folder):
            continue
        stamp = {"as_of": as_of, "run": run, "edition": edition()[:12], "versions": looked_at["versions"]}
        files = assets() | write_page(content, stamp)
        written += write_together({site_of(ground) / folder / name: data for name, data in files.items()}) > 0
    told = json.dumps({"looked_at": looked_at, "pages": made}, indent=1, sort_keys=True).encode() + b"\n"
    write_whole(site_of(ground) / "made.json", told)
    return Site(site_of(ground), written)


def _of_total(total: "pd.Series[Any]") -> Said:
    of = pd.DataFrame([total])
    return of_learners(of.assign(share=share(of["uln"].astype("Int64"), of["chosen"].astype("Int64"))).iloc[0])


def _stands(folder: Path) -> bool:
    return all((folder / f"index.{lang}.html").exists() for lang in ("cy", "en"))


def _made(ground: Ground) -> dict[str, Any]:
    path = site_of(ground) / "made.json"
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def _looked_at(ground: Ground, day: dt.date) -> dict[str, Any]:
    """What the pages are made from: where the lake is, what lies beside it, the service, and the day ages count to."""
    beside = hashlib.sha256(edition().encode())
    manifest = ground.root.snapshots(ground.cycle.id) / "manifest.json"
    own = (path for path in sorted(ground.root.reference.rglob("*")) if path.is_file())
    for path in (*own, *([manifest] if manifest.exists() else [])):
        beside.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    until = min(day, ground.cycle.closes_on + dt.timedelta(days=_AGES_DAYS))
    versions = {name: ground.lake.version(name) for name in _TABLES}
    return {"versions": versions, "beside": beside.hexdigest(), "day": until.isoformat()}


@dataclass(frozen=True)
class _Facts:
    """What is known of a cycle, of all authorities at once."""

    ground: Ground
    schools: pd.DataFrame
    totals: pd.DataFrame
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
    cycles_told: pd.DataFrame

    @classmethod
    def of(cls, ground: Ground, day: dt.date, *, conserved: bool) -> "_Facts":
        data, lake, cycle = str(ground.root.path), ground.lake, ground.cycle
        register = _named(schools(ground.root.reference))
        columns = ["sha256", "kind", "status", "cycle", "la_code", "school_number", "received_at"]
        received = lake.read("received", columns, cycle=cycle.id)
        returns = received[(received["kind"] == "return") & (received["status"] == "accepted")]
        missing = readiness_of(data, cycle)
        volume = volumes(ground)
        terms = exception_terms(ground.root.reference / "exceptions.toml")
        lives = _lives(ground)
        waiting = waiting_rows(lives, day, terms.bounds[-1])
        status = {one: counted(data, one, conserved=conserved or one != cycle.id) for one in _with_returns(ground)}
        rows = school_rows(
            register,
            _counts(status.get(cycle.id, {})),
            returns.groupby("school_number")["received_at"].min().str[:10],
            missing[["school_number", "code"]],
            volume.index[volume["volume"] == Volume.ON_HOLD.value],
        )
        by_place = ["authority_cy", "authority_en", "authority_cy_place", "authority_en_place", "school_name_place"]
        rows = pd.concat([rows, register[by_place]], axis=1).sort_values(["la_code", "school_name_place"])
        batches = batches_shown(data, day, cycle.id).frame
        waits = {"long_open": waiting.groupby("la_code")["late"].sum()}
        waits |= _batches_that_wait(batches) | _findings_told(ground)
        far = volume.index[volume["volume"] == Volume.FAR_ABOVE.value].to_series()
        waits["far_above"] = far.groupby(far.str[:3]).size()
        waits["quarantined"] = received[received["status"] == "quarantined"].groupby("la_code").size()
        return cls(
            ground=ground,
            schools=rows,
            totals=rows.groupby("la_code")[["chosen", *STATES]].sum(),
            years=year_rows(_years(ground)),
            days=_days(ground, returns),
            codes=code_rows(lives).merge(_meanings(ground), left_on="return_code", right_on="code", how="left"),
            ages=age_rows(by_age(lives, day, terms), terms.ages),
            waiting=waiting,
            missing=missing,
            needs=needs_of_authorities(rows, waits),
            batches=batches,
            downloads=_downloads(ground, register),
            inputs=_inputs(ground, received),
            cycles=_cycles(status),
            cycles_told=_cycles_told(status),
        )


def _with_returns(ground: Ground) -> list[str]:
    """The cycles up to this one that have returns, in order."""
    there = set(ground.lake.read("received", ["cycle"], kind="return", status="accepted")["cycle"].dropna())
    return [one for one in up_to(ground.cycle) if one in there]


def _named(register: pd.DataFrame) -> pd.DataFrame:
    """The register with names of authorities, and where each name is in the order of the alphabet."""
    names = {"authority_cy": register["la_cy"], "authority_en": register["la_en"]}
    named = register[["la_code", "school_number", "school_name"]].assign(**names).reset_index(drop=True)
    ordered = {f"{of}_place": places(named[of], letters_apart()) for of in ("school_name", *names)}
    return named.assign(**ordered)


def _counts(status: Mapping[str, Any]) -> pd.DataFrame:
    """By school_number: the states, and had_one."""
    own = status.get("schools", {})
    rows = {
        school: {name: row[name] for name in STATES} | {"had_one": row["not_chosen"].get(HAD_ONE, 0)}
        for school, row in own.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*STATES, "had_one"]).astype("int64")


def _lives(ground: Ground) -> pd.DataFrame:
    """The cycle's exceptions as its last snapshot has them; before the first one there are none."""
    taken = ground.root.snapshots(ground.cycle.id) / "exceptions.parquet"
    names = [column.name for column in EXCEPTION_LIVES.columns]
    if not taken.exists():
        return pd.DataFrame({name: [] for name in names}, dtype="str")
    return frame_of(pq.read_table(taken)).reindex(columns=names).astype("str")


def _years(ground: Ground) -> pd.DataFrame:
    parts = spread(years_of, repeat(ground), all_portions(ground))
    nothing = pd.DataFrame({"la_code": [], "year": [], "state": []}, dtype="str").assign(number=0)
    return pd.concat([nothing, *parts], ignore_index=True)


def years_of(ground: Ground, portion: Portion) -> pd.DataFrame:
    """How many of a portion's chosen learners stand where, by year group: la_code, year, state, number."""
    said = ground.lake.read("pupils", ["row_ref", "nc_year"], cycle=ground.cycle.id, **portion.where)
    _, _, standing = standing_of(ground.lake, ground.cycle, **portion.where)
    year = year_of(looked_up(standing["row_ref"], said["row_ref"], said["nc_year"]))
    rows = standing[["state"]].assign(la_code=standing["school_number"].str[:3], year=year)
    return rows.groupby(["la_code", "year", "state"]).size().rename("number").reset_index()


def _days(ground: Ground, returns: pd.DataFrame) -> pd.DataFrame:
    batches = ground.lake.read("batches", ["batch_ref", "la_code", "state", "sent_at", "rows"], cycle=ground.cycle.id)
    gone = batches[batches["sent_at"].notna() & (batches["state"] != BatchState.ABANDONED.value)]
    columns = ["batch_ref", "upn", "received_at", "uln"]
    answers = ground.lake.read("lrs_returns", columns, tied="Y", cycle=ground.cycle.id)
    first = answers.sort_values("received_at", kind="stable")
    first = first[~paired(first["batch_ref"], first["upn"]).duplicated()]
    whose = looked_up(first["batch_ref"], batches["batch_ref"], batches["la_code"])
    came = first[["received_at"]].assign(la_code=whose, has_uln=first["uln"].notna())
    return day_rows(returns[["la_code", "received_at"]], gone[["la_code", "sent_at", "rows"]], came)


def _batches_that_wait(batches: pd.DataFrame) -> dict[str, pd.Series]:
    states = {"stuck_batches": BatchShown.STUCK, "unconfirmed_batches": BatchShown.SENT_UNCONFIRMED}
    return {need: batches[batches["state"] == s.value].groupby("la_code").size() for need, s in states.items()}


def _findings_told(ground: Ground) -> dict[str, pd.Series]:
    rules = {"to_correct_on_portal": CORRECT_ON_PORTAL, "changed_while_waiting": CHANGED_WHILE_WAITING}
    rows = ground.lake.read("findings", ["rule", "la_code"], cycle=ground.cycle.id, rule=list(rules.values()))
    return {need: rows[rows["rule"] == rule].groupby("la_code").size() for need, rule in rules.items()}


def _meanings(ground: Ground) -> pd.DataFrame:
    """What is wrong and what to do, by the LRS's code."""
    codes = lrs_codes(ground.root)
    told = {"label_cy": "wrong_cy", "label_en": "wrong_en"}
    return codes.rename(columns=told)[["code", "wrong_cy", "wrong_en", "action_cy", "action_en"]]


def _downloads(ground: Ground, register: pd.DataFrame) -> pd.DataFrame:
    """The newest file of each school and authority that still stands: workbooks first."""
    columns = ["la_code", "school_number", "path", "delivered_at", "number", "ulns", "exceptions"]
    rows = ground.lake.read("deliveries", columns, cycle=ground.cycle.id).sort_values(["school_number", "number"])
    rows = rows.drop_duplicates("school_number", keep="last")
    rows = rows[[(ground.root.path / path).exists() for path in rows["path"]]]
    own = rows["school_number"] == rows["la_code"]
    las = authorities()
    for lang in ("cy", "en"):
        school = looked_up(rows["school_number"], register["school_number"], register["school_name"])
        authority = looked_up(rows["la_code"], las["la_code"], las[f"la_{lang}"])
        name = school.mask(own, authority).fillna(rows["school_number"])
        rows = rows.assign(**{f"receiver_{lang}": name, f"receiver_{lang}_place": places(name, letters_apart())})
    rows = rows.assign(own=~own, delivered_on=rows["delivered_at"].str[:10])
    return rows.sort_values(["la_code", "own", "receiver_cy_place", "school_number"], ignore_index=True)


def _inputs(ground: Ground, received: pd.DataFrame) -> pd.DataFrame:
    """What the pages are made from: input, number, last_on; by la_code."""
    kinds = {
        "returns": (received["kind"] == "return") & (received["status"] == "accepted"),
        "quarantined": received["status"] == "quarantined",
    }
    found = []
    for name, which in kinds.items():
        of = received[which].groupby("la_code")["received_at"]
        last_on = of.max().str[:10]
        found.append(pd.DataFrame({"input": name, "number": of.size(), "last_on": last_on}).reset_index())
    columns = ["sha256", "batch_ref", "received_at"]
    answers = ground.lake.read("lrs_returns", columns, tied="Y", cycle=ground.cycle.id)
    batches = ground.lake.read("batches", ["batch_ref", "la_code"], cycle=ground.cycle.id)
    answers = answers.assign(la_code=looked_up(answers["batch_ref"], batches["batch_ref"], batches["la_code"]))
    of_files = answers.groupby("la_code")
    files = pd.DataFrame({"number": of_files["sha256"].nunique(), "last_on": of_files["received_at"].max().str[:10]})
    found.append(files.assign(input="results").reset_index())
    return pd.concat(found, ignore_index=True)[["la_code", "input", "number", "last_on"]]


def _cycles(status: Mapping[str, Any]) -> pd.DataFrame:
    """Each cycle's learners by authority: la_code, cycle, returned, chosen, the states, share."""
    found = []
    for one, told in status.items():
        rows = _counts(told).drop(columns="had_one")
        by_la = rows.assign(la_code=rows.index.str[:3], returned=1).groupby("la_code").sum()
        found.append(by_la.reset_index().assign(cycle=one))
    rows = pd.concat(found, ignore_index=True)
    rows["chosen"] = rows[list(STATES)].sum(axis=1)
    return rows.assign(share=share(rows["uln"], rows["chosen"]))


def _cycles_told(status: Mapping[str, Any]) -> pd.DataFrame:
    """Each cycle's learners, as its own table by authority tells them: cycle, returned, chosen, the states, share."""
    found = []
    for one, told in status.items():
        total = told_by_authority(told["schools"]).loc[TOTAL]
        found.append({"cycle": one, "returned": int(total["schools"]), **total[["chosen", *STATES]].to_dict()})
    rows = pd.DataFrame(found, columns=["cycle", "returned", "chosen", *STATES]).astype(
        dict.fromkeys(["returned", "chosen", *STATES], "Int64")
    )
    return rows.assign(share=share(rows["uln"], rows["chosen"]))


def _of_authorities(facts: _Facts) -> dict[str, dict[str, Shown]]:
    """The tables of each authority's page, by its code: counts by school, for its own analysts."""
    name = facts.schools[["school_number", "school_name", "school_name_place"]]
    frames = {
        "needs": facts.needs,
        "schools": facts.schools,
        "exceptions": facts.codes,
        "ages": facts.ages,
        "waiting": facts.waiting.merge(name, on="school_number"),
        "readiness": _lacking(facts.missing).merge(name, on="school_number").sort_values("school_name_place"),
        "years": facts.years,
        "days": facts.days,
        "cycles": _titled(facts.cycles),
        "batches": facts.batches.merge(name, on="school_number", how="left"),
        "downloads": facts.downloads,
        "inputs": facts.inputs,
    }
    pages: dict[str, dict[str, Shown]] = {}
    parts = {table: dict(list(rows.groupby("la_code"))) for table, rows in frames.items()}
    for la in facts.totals.index:
        own = {table: parts[table].get(la, frames[table].head(0)) for table in frames}
        own["schools"] = own["schools"].drop(columns=["authority_cy", "authority_en"])
        pages[str(la)] = {table: _let_through(table, rows) for table, rows in own.items()}
    return pages


def _let_through(table: str, rows: pd.DataFrame) -> Shown:
    view = PAGE_TABLES[table]
    names = [column.name for column in view.columns if column.name in rows.columns]
    return shown(view, _in_order(table, rows)[names].reset_index(drop=True), to=Tier.INTERNAL)


def _in_order(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The needs in the order of their table; all others are in order."""
    if table != "needs":
        return rows
    order = [need.need for need in all_needs()]
    return rows.assign(at=rows["need"].map(order.index)).sort_values("at")


def _lacking(missing: pd.DataFrame) -> pd.DataFrame:
    names = {f"{of}_{lang}": f"{to}_{lang}" for of, to in (("text", "missing"), ("where", "place")) for lang in ("cy", "en")}
    return missing.drop(columns="school_name").rename(columns=names)


def _titled(rows: pd.DataFrame) -> pd.DataFrame:
    cycles = {one: cycle_by_id(one) for one in rows["cycle"].unique()}
    return rows.assign(
        cycle_cy=rows["cycle"].map(lambda one: cycles[one].title_cy),
        cycle_en=rows["cycle"].map(lambda one: cycles[one].title_en),
    )


def _of_wales(facts: _Facts, seen: Overview) -> dict[str, Shown]:
    """The tables of the page of Wales: no number that tells of fewer than five learners (docs/security.md)."""
    total = seen.authorities.frame.iloc[-1]
    is_told = {name: not pd.isna(total[name]) for name in STATES}
    told = seen.authorities.frame
    las = authorities().set_index("la_code")
    rows = authority_rows(facts.schools, told)
    rows = rows[(rows["schools"] > 0) | (rows["la_code"] == TOTAL)]
    for lang in ("cy", "en"):
        name = rows["la_code"].map(las[f"la_{lang}"])
        rows = rows.assign(**{f"authority_{lang}": name, f"authority_{lang}_place": places(name, letters_apart())})
    steps = facts.missing.groupby("code").size().rename("schools")
    texts = pd.DataFrame([vars(one) for one in lacks()]).set_index("code")
    missing = _lacking(texts.join(steps, how="inner").assign(school_name="").reset_index())
    codes = for_all(facts.codes, "return_code", {"number": is_told["exception"]})
    order = codes.assign(at=codes["number"].fillna(1)).sort_values(["at", "return_code"], ascending=[False, True])
    years = for_all(facts.years, "year", is_told)
    # By what is told alone; of hidden ones no share.
    parts = years[list(STATES)].sum(axis=1).mask(years[list(STATES)].isna().any(axis=1))
    years = years.assign(share=share(years["uln"], parts))
    place = pd.to_numeric(years["year"], errors="coerce").fillna(99)
    days = for_all(facts.days, "day", dict.fromkeys(["asked", "answered_uln", "answered_without"], True))
    files = facts.days.groupby("day")[["returns", "batches"]].sum().reset_index()
    inputs = facts.inputs.groupby("input", sort=False).agg(number=("number", "sum"), last_on=("last_on", "max"))
    public = schools_for_all(facts.schools).merge(
        facts.schools.drop(columns=["state", "la_code", "school_name", "returned_on"]), on="school_number"
    )
    hide = ["chosen", *STATES, "share", "had_one"]
    batches = seen.batches.frame.merge(
        facts.schools[["school_number", "school_name", "school_name_place"]], on="school_number", how="left"
    )
    frames = {
        "needs": seen.waiting.frame.rename(columns={"what": "need"}),
        "authorities": rows,
        "schools": public.drop(columns=hide).sort_values("school_name_place"),
        "exceptions": order.drop(columns="at").merge(_meanings(facts.ground), left_on="return_code", right_on="code"),
        "ages": for_all(facts.ages, "age", {"number": is_told["exception"]}),
        "steps": missing.sort_values(["schools", "code"], ascending=[False, True]),
        "years": years.assign(at=place).sort_values("at"),
        "days": files.merge(days, on="day").sort_values("day"),
        "cycles": _titled(facts.cycles_told),
        "batches": batches,
        "inputs": inputs.reset_index(),
    }
    return {table: _let_through(table, one) for table, one in frames.items()}


