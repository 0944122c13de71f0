"""The pages of a cycle: `reports/<cycle>/site/`, one of Wales and one of each authority, in both languages (docs/pages.md).

Belongs here: what is let through to which page, and which are made anew. Does not belong here: what is read
(`tasks.reports.page_facts`), what stands in a table (`tasks.core.page_tables`), layout (`schemas.settings.pages`), bytes
(`tasks.io.pages.html`). No engine, and no clock: a page says as of when it is. To add a table: its rows in `_authorities`
and `_wales`.

A page is made anew where what it shows has changed, or the service has; not because a run was there. `made.json` says at
which state of the lake all of them were looked through last, and comes last: a run that died before is done again.
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd

from schemas.codes.readiness import lacks
from schemas.cycles import cycle_by_id
from schemas.settings.names import letters_apart
from schemas.settings.pages import AUTHORITY, WALES, parse_address
from schemas.states import SchoolOutcome
from schemas.tables import Tier
from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import text_of
from schemas.texts.faults import ServiceFault
from schemas.views import PAGE_TABLES
from tasks.core.page_sentences import SAYINGS, of_whole_page
from tasks.core.page_tables import STATES, authority_rows, for_all, schools_for_all, share
from tasks.core.suppression import TOTAL
from tasks.core.welsh_order import places
from tasks.io.data_root.data_root import DataRoot, write_together, write_whole
from tasks.io.data_root.edition import edition
from tasks.io.data_root.reference import authorities
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.pages.html import assets, without_links, write_page
from tasks.io.pages.words import PageContent, PageRows
from tasks.ledger.standing import purged_cycles
from tasks.reports.overview import Overview, overview_of
from tasks.reports.page_facts import Facts
from tasks.runtime.context import RunContext, moment
from tasks.runtime.visibility import check_visible

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


def site_of(ctx: RunContext) -> Path:
    """The folder of a cycle's pages."""
    return ctx.root.reports(ctx.cycle.id) / "site"


def pages_due(data: str, cycle_id: str, as_of: str) -> bool:
    """Whether anything that the pages are made from has moved since they were looked through last; quickly."""
    ctx = RunContext.of(data, cycle_id)
    return _made(ctx).get("looked_at") != _looked_at(ctx, moment(as_of).date())


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
    ctx, day = RunContext.of(data, cycle_id), moment(as_of).date()
    looked_at, before = _looked_at(ctx, day), _made(ctx)
    facts = Facts.of(ctx, day, conserved=conserved)
    stamp = {"as_of": as_of, "run": run, "edition": edition()[:12]}
    pages = {WALES_FOLDER: _wales(facts, seen), **_authorities(facts)}
    made = {folder: content.fingerprint(edition()) for folder, content in pages.items()}
    stand = {
        folder: one
        for folder, one in made.items()
        if before.get("pages", {}).get(folder) == one and _stands(site_of(ctx) / folder)
    }
    files = {one: assets() | write_page(pages[one], stamp) for one in made if one not in stand}
    if files and before:
        # Of a page that is half put in its place nothing is known, also where all becomes again what it was.
        _write_made(ctx, {"looked_at": None, "pages": stand})
    written = sum(
        write_together({site_of(ctx) / folder / name: page for name, page in own.items()}) > 0
        for folder, own in files.items()
    )
    _write_made(ctx, {"looked_at": looked_at, "pages": made})
    return Site(site_of(ctx), written)


def report_of(data: str, cycle_id: str, as_of: str) -> Site:
    """Make the pages of a cycle because a person asks for them, while no run is on the data root.

    Args:
        data: the data root.
        cycle_id: the cycle; a purged one keeps the pages that it has, for its year groups are gone.
        as_of: the time it counts as, ISO.

    Raises:
        ServiceFault: a run holds the data root; or nothing has been received.
    """
    ctx = RunContext.of(data, cycle_id)
    if ctx.lake.version("received") < 0:  # where nothing is, nothing is made
        raise ServiceFault(bilingual("fault.no_pages", cycle=cycle_id))
    with one_run_at_a_time(data):
        if cycle_id in purged_cycles(data):
            return Site(site_of(ctx), 0)
        seen = overview_of(data, cycle_id, as_of, conserved=False)
        return make_pages(data, cycle_id, as_of, seen, conserved=False, run="uln report")


def drop_dead_links(root: DataRoot) -> int:
    """Take the links to files that are gone from all pages that there are: a cycle that was purged keeps its pages.

    Args:
        root: the data root; whoever calls has it to himself.

    Returns:
        How many pages were changed.
    """
    found = sorted(root.path.glob("reports/*/site/*/index.*.html"))
    return sum(
        write_whole(page, without_links(page.read_bytes(), lambda path: not (root.path / path).exists()))
        for page in found
    )


def address_of(data: str, cycle_id: str) -> str:
    """Where the page of Wales is, as people find it: below the address that the data root is served at, or below its folder.

    Raises:
        ConfigurationFault: `reference/pages.toml` is wrong.
    """
    ctx = RunContext.of(data, cycle_id)
    own = ctx.root.reference / "pages.toml"
    served = parse_address(text_of(own)) if own.exists() else ""
    page = site_of(ctx) / WALES_FOLDER / "index.cy.html"
    return served + page.relative_to(ctx.root.path).as_posix()


def _stands(folder: Path) -> bool:
    return all((folder / name).exists() for name in (*assets(), *(f"index.{lang}.html" for lang in ("cy", "en"))))


def _write_made(ctx: RunContext, told: dict[str, Any]) -> None:
    write_whole(site_of(ctx) / "made.json", json.dumps(told, indent=1, sort_keys=True).encode() + b"\n")


def _made(ctx: RunContext) -> dict[str, Any]:
    path = site_of(ctx) / "made.json"
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def _looked_at(ctx: RunContext, day: dt.date) -> dict[str, Any]:
    """What the pages are made from: where the lake is, what lies beside it, the service, and the day ages count to."""
    beside = hashlib.sha256(edition().encode())
    taken = ctx.root.snapshots(ctx.cycle.id) / "exceptions.parquet"
    own = (path for path in sorted(ctx.root.reference.rglob("*")) if path.is_file())
    for path in (*own, *([taken] if taken.exists() else [])):
        beside.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    until = min(day, ctx.cycle.closes_on + dt.timedelta(days=_AGES_DAYS))
    versions = {name: ctx.lake.version(name) for name in _TABLES}
    return {"delta_versions": versions, "beside": beside.hexdigest(), "day": until.isoformat()}


def _authorities(facts: Facts) -> dict[str, PageContent]:
    """What each authority's page shows, by its code: counts by school, for its own analysts."""
    name = facts.schools[["school_number", "school_name", "school_name_place"]]
    frames = {
        "needs": facts.needs,
        "schools": facts.schools.drop(columns=[n for n in facts.schools.columns if n.startswith("authority_")]),
        "exceptions": facts.codes.drop(columns="code"),
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
    # Through the gate once, and then to each its own.
    told = {table: _let_through(table, _placed(rows), Tier.INTERNAL) for table, rows in frames.items()}
    own: dict[str, dict[str, list[dict[str, Any]]]] = {
        la: {table: [] for table in told} for la in facts.schools["la_code"].unique()
    }
    for table, shown_rows in told.items():
        for row in shown_rows.rows:
            if row["la_code"] in own:
                own[row["la_code"]][table].append(row)
    pages = {}
    for la in authorities().to_dict("records"):
        if la["la_code"] not in own:
            continue
        tables = {table: PageRows(told[table].columns, rows) for table, rows in own[la["la_code"]].items()}
        total = {name: sum(row[name] for row in tables["schools"].rows) for name in ("chosen", *STATES)}
        title = (str(la["la_cy"]), str(la["la_en"]))
        pages[str(la["la_code"])] = _content(AUTHORITY, facts, title, tables, total)
    return pages


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """With places among the rows of the same authority, so that no name of another one changes its page."""
    names = [name for name in map(str, rows.columns) if name.endswith("_place")]
    found = {name: rows.groupby("la_code")[name].rank("dense").astype("int64") for name in names}
    return rows.assign(**found)


def _content(
    page: str, facts: Facts, title: tuple[str, str], tables: dict[str, PageRows], total: dict[str, Any]
) -> PageContent:
    known = share(*(pd.Series([total[name]], dtype="Int64") for name in ("uln", "chosen"))).iloc[0]
    said = {name: SAYINGS[name](told.rows) for name, told in tables.items() if name in SAYINGS}
    # A section is called as the table that its sentence is of, but for one.
    said |= {"readiness": said["steps"]} if "steps" in said else {}
    whole = of_whole_page({**total, "share": None if pd.isna(known) else int(cast(int, known))})
    return PageContent(page, facts.ctx.cycle, title, tables, said | {"schools": whole})


def _waiting_too(schools: pd.DataFrame, total: "pd.Series[Any]") -> pd.DataFrame:
    """What waits for a person besides what the run page tells: schools, and learners as the table by authority tells them."""
    known = {SchoolOutcome.NOT_RETURNED: "not_returned", SchoolOutcome.NOT_READY: "not_ready"}
    waiting = schools["state"].map({outcome.value: need for outcome, need in known.items()}).dropna()
    learners = total[["exception", "held"]].astype("Int64")
    numbers = pd.concat([waiting.value_counts().astype("Int64"), learners[learners.fillna(1) > 0]])
    return numbers.rename_axis("need").reset_index(name="number")


def _let_through(table: str, rows: pd.DataFrame, to: Literal[Tier.OPEN, Tier.INTERNAL]) -> PageRows:
    view = PAGE_TABLES[table]
    names = tuple(column.name for column in view.columns if column.name in rows.columns)
    return PageRows(names, check_visible(view, rows[list(names)], to=to).rows())


def _lacking(missing: pd.DataFrame) -> pd.DataFrame:
    names = {
        f"{of}_{lang}": f"{to}_{lang}" for of, to in (("text", "missing"), ("where", "place")) for lang in ("cy", "en")
    }
    return missing.drop(columns="school_name").rename(columns=names)


def _titled(rows: pd.DataFrame) -> pd.DataFrame:
    cycles = {one: cycle_by_id(one) for one in rows["cycle"].unique()}
    return rows.assign(
        cycle_cy=rows["cycle"].map(lambda one: cycles[one].title_cy),
        cycle_en=rows["cycle"].map(lambda one: cycles[one].title_en),
    )


def _wales(facts: Facts, seen: Overview) -> PageContent:
    """What the page of Wales shows: no number that tells of fewer than five learners (docs/security.md)."""
    total = seen.authorities.frame.iloc[-1]
    is_told = {name: not pd.isna(total[name]) for name in STATES}
    told = seen.authorities.frame
    las = authorities().set_index("la_code")
    public = schools_for_all(facts.schools)
    rows = authority_rows(public, told)
    rows = rows[(rows["schools"] > 0) | (rows["la_code"] == TOTAL)]
    for lang in ("cy", "en"):
        name = rows["la_code"].map(las[f"la_{lang}"])
        rows = rows.assign(**{f"authority_{lang}": name, f"authority_{lang}_place": places(name, letters_apart())})
    steps = facts.missing.groupby("code").size().rename("schools")
    texts = pd.DataFrame([vars(one) for one in lacks()]).set_index("code")
    missing = _lacking(texts.join(steps, how="inner").assign(school_name="").reset_index())
    codes = for_all(facts.codes, "code", {"number": is_told["exception"]})
    # By what is told: the order must not tell which of two hidden ones is larger.
    codes = codes.assign(at=codes["number"].fillna(1)).sort_values(["at", "code"], ascending=[False, True])
    meanings = facts.codes[["code", "wrong_cy", "wrong_en", "action_cy", "action_en"]].drop_duplicates("code")
    years = for_all(facts.years, "year", is_told)
    # By what is told alone; of hidden ones no share.
    parts = years[list(STATES)].sum(axis=1).mask(years[list(STATES)].isna().any(axis=1))
    years = years.assign(share=share(years["uln"], parts))
    place = pd.to_numeric(years["year"], errors="coerce").fillna(99)
    # What was handed over is what was sent, has a ULN or an exception: with its sum a hidden one of them would be known.
    is_known = {
        "asked": all(is_told[name] for name in ("sent", "uln", "exception")),
        "answered_uln": is_told["uln"],
        "answered_without": is_told["exception"],
    }
    days = for_all(facts.days, "day", is_known)
    ages = for_all(facts.ages, "age", {"number": is_told["exception"]})
    from_youngest = {age: at for at, age in enumerate(facts.terms.ages)}
    files = facts.days.groupby("day")[["returns", "batches"]].sum().reset_index()
    inputs = facts.inputs.groupby("input", sort=False).agg(number=("number", "sum"), last_on=("last_on", "max"))
    batches = seen.batches.frame.merge(
        facts.schools[["school_number", "school_name", "school_name_place"]], on="school_number", how="left"
    )
    frames = {
        "needs": pd.concat([seen.waiting.frame.rename(columns={"what": "need"}), _waiting_too(public, total)]),
        "authorities": rows,
        "schools": public.sort_values("school_name_place"),
        "exceptions": codes.merge(meanings, on="code"),
        "ages": ages.sort_values("age", key=lambda age: age.map(from_youngest)),
        "steps": missing.sort_values(["schools", "code"], ascending=[False, True]),
        "years": years.assign(at=place).sort_values("at"),
        "days": files.merge(days, on="day").sort_values("day"),
        "cycles": _titled(facts.cycles_told),
        "batches": batches,
        "inputs": inputs.reset_index(),
    }
    tables = {table: _let_through(table, one, Tier.OPEN) for table, one in frames.items()}
    return _content(WALES, facts, ("", ""), tables, seen.authorities.rows()[-1])
