"""The pages of a cycle: `reports/<cycle>/site/`, for Wales and for each authority, in both languages (docs/pages.md).

Belongs here: which page shows what, and which pages are made again. Does not belong here: reading (`reports.page_facts`),
rows of tables (`core.page_tables`), layout (`schemas.settings.pages`), bytes (`io.pages.html`). No engine and no clock: a
page shows its own time. To add a table: its rows in `_authorities` and `_wales`.

A page is made again only if its content or the service has changed, not because there was a run. `made.json` records the
state of the lake at the last check of all pages. It is written last: if a run dies before that, the next run checks again.
"""

import datetime as dt
import hashlib
import json
from collections import defaultdict
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
from tasks.core.page_sentences import SENTENCES, of_whole_page
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

#: Tables of the lake that the pages depend on.
_TABLES = (
    *("received", "pupils", "dispositions", "findings", "batches", "batch_decisions", "operator_decisions"),
    *("lrs_returns", "learners", "exceptions", "deliveries"),
)
#: Number of days after a cycle's close in which the ages on its pages grow; later nobody acts on them.
_AGES_DAYS = 90
#: The folder of the page of Wales, beside the authorities' folders.
WALES_FOLDER = "wales"


@dataclass(frozen=True)
class Site:
    """The folder of a cycle's pages, and how many of them were made again."""

    folder: Path
    written: int


def site_of(ctx: RunContext) -> Path:
    """Return the folder of a cycle's pages."""
    return ctx.root.reports(ctx.cycle.id) / "site"


def pages_due(data: str, cycle_id: str, as_of: str) -> bool:
    """Whether an input of the pages has changed since their last check; quick."""
    ctx = RunContext.of(data, cycle_id)
    return _made(ctx).get("looked_at") != _inputs_of(ctx, moment(as_of).date())


def make_pages(data: str, cycle_id: str, as_of: str, seen: Overview, *, conserved: bool, run: str) -> Site:
    """Make the pages of a cycle whose content has changed.

    `as_of` is the time of the run (ISO); ages are counted up to its day. `conserved` is as for `overview.overview_of`; `run`
    is the flow's name, or the command.

    Raises:
        ServiceFault: the disclosure gate refuses a row.
    """
    ctx, day = RunContext.of(data, cycle_id), moment(as_of).date()
    inputs, before = _inputs_of(ctx, day), _made(ctx)
    facts = Facts.of(ctx, day, conserved=conserved)
    stamp = {"as_of": as_of, "run": run, "edition": edition()[:12]}
    pages = {WALES_FOLDER: _wales(facts, seen), **_authorities(facts)}
    made = {folder: content.fingerprint(edition()) for folder, content in pages.items()}
    unchanged = {
        folder: mark
        for folder, mark in made.items()
        if before.get("pages", {}).get(folder) == mark and _is_complete(site_of(ctx) / folder)
    }
    files = {folder: assets() | write_page(pages[folder], stamp) for folder in made if folder not in unchanged}
    if files and before:
        # Forget the changed pages first: if the run dies, a half-written page must not count as made.
        _write_made(ctx, {"looked_at": None, "pages": unchanged})
    written = sum(
        write_together({site_of(ctx) / folder / name: page for name, page in files_of_page.items()}) > 0
        for folder, files_of_page in files.items()
    )
    _write_made(ctx, {"looked_at": inputs, "pages": made})
    return Site(site_of(ctx), written)


def report_of(data: str, cycle_id: str, as_of: str) -> Site:
    """Make the pages of a cycle at a person's request, while no run uses the data root.

    A purged cycle keeps its present pages, because its year groups are gone. `as_of` is the time of the pages, ISO.

    Raises:
        ServiceFault: a run has locked the data root, or no return has been received.
    """
    ctx = RunContext.of(data, cycle_id)
    if ctx.lake.version("received") < 0:  # an empty data root gets no pages
        raise ServiceFault(bilingual("fault.no_pages", cycle=cycle_id))
    with one_run_at_a_time(data):
        if cycle_id in purged_cycles(data):
            return Site(site_of(ctx), 0)
        seen = overview_of(data, cycle_id, as_of, conserved=False)
        return make_pages(data, cycle_id, as_of, seen, conserved=False, run="uln report")


def drop_dead_links(root: DataRoot) -> None:
    """Remove links to missing files from all pages: a purged cycle keeps its pages. The caller has locked the data root."""
    for page in sorted(root.path.glob("reports/*/site/*/index.*.html")):
        write_whole(page, without_links(page.read_bytes(), lambda path: not (root.path / path).exists()))


def address_of(data: str, cycle_id: str) -> str:
    """Return the address of the page of Wales, below the address that serves the data root; without one, a relative path.

    Raises:
        ConfigurationFault: `reference/pages.toml` is wrong.
    """
    ctx = RunContext.of(data, cycle_id)
    path = ctx.root.reference / "pages.toml"
    served = parse_address(text_of(path)) if path.exists() else ""
    page = site_of(ctx) / WALES_FOLDER / "index.cy.html"
    return served + page.relative_to(ctx.root.path).as_posix()


def _is_complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in (*assets(), *(f"index.{lang}.html" for lang in ("cy", "en"))))


def _write_made(ctx: RunContext, content: dict[str, Any]) -> None:
    write_whole(site_of(ctx) / "made.json", json.dumps(content, indent=1, sort_keys=True).encode() + b"\n")


def _made(ctx: RunContext) -> dict[str, Any]:
    path = site_of(ctx) / "made.json"
    content: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return content


def _inputs_of(ctx: RunContext, day: dt.date) -> dict[str, Any]:
    """Return the inputs of the pages: state of the lake, files beside it, edition, and the day of the ages."""
    beside = hashlib.sha256(edition().encode())
    snapshot = ctx.root.snapshots(ctx.cycle.id) / "exceptions.parquet"
    reference = (path for path in sorted(ctx.root.reference.rglob("*")) if path.is_file())
    for path in (*reference, *([snapshot] if snapshot.exists() else [])):
        beside.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    until = min(day, ctx.cycle.closes_on + dt.timedelta(days=_AGES_DAYS))
    versions = {name: ctx.lake.version(name) for name in _TABLES}
    return {"delta_versions": versions, "beside": beside.hexdigest(), "day": until.isoformat()}


def _authorities(facts: Facts) -> dict[str, PageContent]:
    """Return the content of each authority's page, by code: counts by school, for its own analysts."""
    name = facts.schools[["school_number", "school_name", "school_name_place"]]
    frames = {
        "needs": facts.needs,
        "schools": facts.schools.drop(columns=[n for n in facts.schools.columns if n.startswith("authority_")]),
        "exceptions": facts.codes.drop(columns="code"),
        "ages": facts.ages,
        "waiting": facts.waiting.merge(name, on="school_number"),
        "readiness": _missing_rows(facts.missing).merge(name, on="school_number").sort_values("school_name_place"),
        "years": facts.years,
        "days": facts.days,
        "cycles": _with_titles(facts.cycles),
        "batches": facts.batches.merge(name, on="school_number", how="left"),
        "downloads": facts.downloads,
        "inputs": facts.inputs,
    }
    # Pass the gate once for all authorities, then split.
    visible = {table: _visible_rows(table, _rank_names(rows), Tier.INTERNAL) for table, rows in frames.items()}
    rows_of: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for table, page_rows in visible.items():
        for row in page_rows.rows:
            rows_of[row["la_code"], table].append(row)
    pages = {}
    las = authorities()[["la_code", "la_cy", "la_en"]].astype("str")
    for la, *title in las[las["la_code"].isin(facts.schools["la_code"])].itertuples(index=False, name=None):
        tables = {table: PageRows(page_rows.columns, rows_of[la, table]) for table, page_rows in visible.items()}
        total = {name: sum(row[name] for row in tables["schools"].rows) for name in ("chosen", *STATES)}
        pages[la] = _content(AUTHORITY, facts, (title[0], title[1]), tables, total)
    return pages


def _rank_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank names within each authority, so that no name of another authority changes its page."""
    names = [name for name in map(str, rows.columns) if name.endswith("_place")]
    ranks = {name: rows.groupby("la_code")[name].rank("dense").astype("int64") for name in names}
    return rows.assign(**ranks)


def _content(
    page: str, facts: Facts, title: tuple[str, str], tables: dict[str, PageRows], total: dict[str, Any]
) -> PageContent:
    known = share(*(pd.Series([total[name]], dtype="Int64") for name in ("uln", "chosen"))).iloc[0]
    sentences = {name: SENTENCES[name](rows.rows) for name, rows in tables.items() if name in SENTENCES}
    # A section has the name of its sentence's table, except this one.
    sentences |= {"readiness": sentences["steps"]} if "steps" in sentences else {}
    whole = of_whole_page({**total, "share": None if pd.isna(known) else int(cast(int, known))})
    return PageContent(page, facts.ctx.cycle, title, tables, sentences | {"schools": whole})


def _other_needs(schools: pd.DataFrame, total: "pd.Series[Any]") -> pd.DataFrame:
    """Return the actions that the run page does not list: for schools, and for learners as counted by authority."""
    known = {SchoolOutcome.NOT_RETURNED: "not_returned", SchoolOutcome.NOT_READY: "not_ready"}
    waiting = schools["state"].map({outcome.value: need for outcome, need in known.items()}).dropna()
    learners = total[["exception", "held"]].astype("Int64")
    numbers = pd.concat([waiting.value_counts().astype("Int64"), learners[learners.fillna(1) > 0]])
    return numbers.rename_axis("need").reset_index(name="number")


def _visible_rows(table: str, rows: pd.DataFrame, to: Literal[Tier.OPEN, Tier.INTERNAL]) -> PageRows:
    view = PAGE_TABLES[table]
    names = tuple(column.name for column in view.columns if column.name in rows.columns)
    return PageRows(names, check_visible(view, rows[list(names)], to=to).rows())


def _missing_rows(missing: pd.DataFrame) -> pd.DataFrame:
    names = {"text_cy": "missing_cy", "text_en": "missing_en", "where_cy": "place_cy", "where_en": "place_en"}
    return missing.drop(columns="school_name").rename(columns=names)


def _with_titles(rows: pd.DataFrame) -> pd.DataFrame:
    cycles = rows["cycle"].map(cycle_by_id)
    return rows.assign(cycle_cy=[cycle.title_cy for cycle in cycles], cycle_en=[cycle.title_en for cycle in cycles])


def _wales(facts: Facts, seen: Overview) -> PageContent:
    """Return the content of the page of Wales: no number reveals fewer than five learners (docs/security.md)."""
    total = seen.authorities.frame.iloc[-1]
    is_visible = {name: not pd.isna(total[name]) for name in STATES}
    visible = seen.authorities.frame
    las = authorities().set_index("la_code")
    public = schools_for_all(facts.schools)
    rows = authority_rows(public, visible)
    rows = rows[(rows["schools"] > 0) | (rows["la_code"] == TOTAL)]
    for lang in ("cy", "en"):
        name = rows["la_code"].map(las[f"la_{lang}"])
        rows = rows.assign(**{f"authority_{lang}": name, f"authority_{lang}_place": places(name, letters_apart())})
    steps = facts.missing.groupby("code").size().rename("schools")
    texts = pd.DataFrame([vars(lack) for lack in lacks()]).set_index("code")
    missing = _missing_rows(texts.join(steps, how="inner").assign(school_name="").reset_index())
    codes = for_all(facts.codes, "code", {"number": is_visible["exception"]})
    # Sorted by the shown numbers: the order must not reveal which of two hidden numbers is larger.
    codes = codes.assign(at=codes["number"].fillna(1)).sort_values(["at", "code"], ascending=[False, True])
    meanings = facts.codes[["code", "wrong_cy", "wrong_en", "action_cy", "action_en"]].drop_duplicates("code")
    years = for_all(facts.years, "year", is_visible)
    # From the shown numbers alone; hidden numbers have no share.
    parts = years[list(STATES)].sum(axis=1).mask(years[list(STATES)].isna().any(axis=1))
    years = years.assign(share=share(years["uln"], parts))
    place = pd.to_numeric(years["year"], errors="coerce").fillna(99)
    # Handed over = sent + has a ULN + exception: a visible sum would reveal a hidden part.
    is_known = {
        "asked": all(is_visible[name] for name in ("sent", "uln", "exception")),
        "answered_uln": is_visible["uln"],
        "answered_without": is_visible["exception"],
    }
    days = for_all(facts.days, "day", is_known)
    ages = for_all(facts.ages, "age", {"number": is_visible["exception"]})
    from_youngest = {age: at for at, age in enumerate(facts.terms.ages)}
    files = facts.days.groupby("day")[["returns", "batches"]].sum().reset_index()
    inputs = facts.inputs.groupby("input", sort=False).agg(number=("number", "sum"), last_on=("last_on", "max"))
    batches = seen.batches.frame.merge(
        facts.schools[["school_number", "school_name", "school_name_place"]], on="school_number", how="left"
    )
    frames = {
        "needs": pd.concat([seen.waiting.frame.rename(columns={"what": "need"}), _other_needs(public, total)]),
        "authorities": rows,
        "schools": public.sort_values("school_name_place"),
        "exceptions": codes.merge(meanings, on="code"),
        "ages": ages.sort_values("age", key=lambda age: age.map(from_youngest)),
        "steps": missing.sort_values(["schools", "code"], ascending=[False, True]),
        "years": years.assign(at=place).sort_values("at"),
        "days": files.merge(days, on="day").sort_values("day"),
        "cycles": _with_titles(facts.visible_cycles),
        "batches": batches,
        "inputs": inputs.reset_index(),
    }
    tables = {table: _visible_rows(table, rows, Tier.OPEN) for table, rows in frames.items()}
    return _content(WALES, facts, ("", ""), tables, seen.authorities.rows()[-1])
