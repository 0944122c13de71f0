"""Printing on the terminal: counts, a cycle's status, actions needed, the check of a return.

Belongs here: layout on a screen, in the terminal's language (`flows.cli.language`). Does not belong here: commands
(`flows.cli.*_commands`), or the source of the numbers (`tasks.reports`). Nothing here imports the engine.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expectations.rule_catalogue import all_rules
from flows.cli.arguments import day_of
from flows.cli.language import heading, localised, localised_text, pair
from schemas.codes.quarantine_reasons import all_reasons
from schemas.codes.return_codes import all_return_codes
from schemas.cycles import Cycle, all_cycles, cycle_by_id
from schemas.settings.terms import all_retention
from schemas.tables import Tier
from schemas.texts.faults import Refused
from schemas.texts.translations import all_translations
from schemas.views import CHECKED, PURGED_BY_KIND
from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.visibility import VisibleRows, check_visible

out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)


def print_plain(text: str) -> None:
    """Print text for another program unchanged: no width, no colours."""
    sys.stdout.write(text)


def print_json(content: object) -> None:
    """Print the answer to `--json`."""
    print_plain(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def print_fault(sentence: str) -> None:
    """Print why a command cannot go on, in one sentence."""
    err.print(f"[bold red]uln:[/] {escape(sentence)}")


#: The counts of a run that are printed, in this order.
_COUNTS = (
    *("receive.accepted", "receive.quarantined", "read.records", "validate.held", "batch.on_hold"),
    *("lrs-check.batches", "lrs-check.checked", "lrs-check.exceptions", "lrs-check.unclear", "lrs-check.unfinished"),
    *("release.sent", "release.learners", "release.later", "ask.jobs", "ask.unfinished", "ask.failed"),
    *("verify.asked", "verify.told", "ask.verified", "ask.left_out"),
    *("collect.rows", "collect.untied", "merge.conflicts", "publish.zips", "faults"),
)


def print_counts(*runs: dict[str, int]) -> None:
    """Print the counts of some runs, added up by `stage.count`; zeros only where they reassure."""
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update(run)
    for name in _COUNTS:
        if name in counts and (counts[name] or name in ("release.learners", "faults")):
            out.print(f"{counts[name]:>10,}  {localised_text(f'count.{name}')}")


_MOST_NAMED = 20
_STATES = ("records", "not_chosen", "held", "waiting", "sent", "uln", "exception")


def print_reasons(not_chosen: dict[str, int], indent: str = "") -> None:
    """Print the reasons why records were not chosen, with their numbers."""
    if not_chosen:
        out.print(f"{indent}{localised_text('terminal.not_chosen')}:")
    for reason, n in not_chosen.items():
        out.print(f"{indent}{n:>10,}  {localised_text(f'reason.{reason}')}")


def print_stand_in(counts: dict[str, int]) -> None:
    """Print the share of learners that the LRS stand-in gave a ULN at once, and the number of the others by code."""
    if counts["rows"]:
        share = f"{counts['ulns'] / counts['rows']:.1%}"
        out.print(localised_text("terminal.unaided", share=share, sent=f"{counts['rows']:,}"))
    codes = all_return_codes()
    for name, n in sorted(counts.items()):
        code = name.removeprefix("exception.")
        if code != name and n:
            meaning = codes.get(code, codes["UNKNOWN"])
            out.print(f"{n:>10,}  {code}: {pair(meaning.label_cy, meaning.label_en)}")


def print_status(root: str, cycle: str, la: list[str], as_of: str | None = None) -> None:
    """Print a cycle's schools with their counts, the total, and the actions needed; `as_of` dates the actions only."""
    from tasks.ledger.standing import purged_cycles
    from tasks.reports.batches import batches_needing_action
    from tasks.reports.exception_counts import open_for_long
    from tasks.reports.status import attention, status_of, unknown_elements

    status: Any = status_of(root, cycle, la or None)
    c = cycle_by_id(cycle)
    table = Table(title=pair(c.title_cy, c.title_en))
    table.add_column(heading("shown.school"), no_wrap=True)
    for state in _STATES:
        table.add_column(heading(f"shown.{state}"), justify="right")
    table.add_column(heading("shown.balances"))

    def add(name: str, row: dict[str, Any]) -> None:
        numbers = [sum(row[k].values()) if k == "not_chosen" else row[k] for k in _STATES]
        balances = "✓" if row["balanced"] else f"[red]{localised_text('shown.no')}[/]"
        table.add_row(name, *(f"{n:,}" for n in numbers), balances)

    for school, row in status["schools"].items():
        add(school, row)
    table.add_section()
    add(f"{len(status['schools']):,}", status["total"])
    out.print(table)
    print_reasons(status["total"]["not_chosen"])
    if purged_on := purged_cycles(root).get(cycle):
        out.print(localised_text("terminal.purged", day=purged_on))
    day = day_of(as_of)
    waiting: dict[str, Any] = batches_needing_action(root, day, cycle) | attention(root, cycle)
    for name, items in (waiting | {"long_open": open_for_long(root, c, day)}).items():
        if items:
            number, named = (items, []) if isinstance(items, int) else (len(items), items[:_MOST_NAMED])
            text = f"{localised_text('terminal.for_a_person')}: {number:,} {localised_text(f'terminal.{name}')}"
            out.print(f"[yellow]{text}[/]")
            for item in named:
                out.print(f"    {escape(item)}")
    for row in unknown_elements(root, cycle, la or None).rows():
        out.print(f"[yellow]{escape(localised_text('terminal.unknown_element', **row))}[/]")


def print_purged(root: str, items: list[Any], *, done: bool) -> None:
    """Print what was removed, or would be, as files and KiB by kind; and the kinds whose retention is not decided yet."""
    from tasks.maintenance.purge import totals

    rows = [{"kind": kind.value, "files": n, "kib": -(-size // 1024)} for kind, (n, size) in totals(items).items()]
    title = localised_text("terminal.has_purged" if done else "terminal.would_purge")
    table = Table(localised_text("shown.what"), heading("shown.files"), "KiB", title=title if items else None)
    for row in check_visible(PURGED_BY_KIND, rows).rows():
        if row["files"]:
            table.add_row(localised_text(f"purge.{row['kind']}"), f"{row['files']:,}", f"{row['kib']:,}")
    out.print(table if items else localised_text("terminal.nothing_to_purge"))
    kept_for = all_retention(DataRoot(Path(root)).reference / "retention.toml")
    undecided = [kind.value for kind, retention in kept_for.items() if not retention.decided]
    if undecided:
        out.print(f"[yellow]{localised_text('terminal.not_decided', kinds=', '.join(undecided))}[/]")


def print_batches(batches: Any) -> None:
    """Print the batches (`reports.batches.visible_batches`), one table per cycle; colour marks those that need action."""
    if not len(batches):
        out.print(localised_text("terminal.no_batches"))
    for cycle, rows in batches.fillna("").groupby("cycle", sort=False):
        table = Table(heading("shown.state"), heading("shown.school"), title=str(cycle))
        table.add_column(heading("shown.file"), no_wrap=True)  # because people type it
        for name in ("learners", "answered", "days"):
            table.add_column(heading(f"shown.{name}"), justify="right")
        table.add_column(heading("shown.since"), no_wrap=True)
        table.add_column(heading("shown.decision"))
        for batch in rows.to_dict("records"):
            waits = batch["state"] in ("SENT_UNCONFIRMED", "STUCK")
            state = f"[yellow]{batch['state']}[/]" if waits else batch["state"]
            counts = [f"{batch[name]:,}" for name in ("rows", "answered", "age")]
            school, file = batch["school_number"], escape(batch["file_name"])
            table.add_row(state, school, file, *counts, batch["since"], batch["decided"])
        out.print(table)


def print_exceptions(root: str, cycle: Cycle, counts: dict[str, VisibleRows]) -> None:
    """Print the exceptions by state and cause, by code, and by age and school (`exception_counts.visible_exceptions`)."""
    if not len(counts["states"].frame):
        out.print(localised_text("terminal.no_exceptions"))
        return
    table = Table(title=f"{localised_text('exceptions.states')}: {pair(cycle.title_cy, cycle.title_en)}")
    for name in ("cycle", "state", "cause", "number"):
        table.add_column(localised_text(f"exceptions.{name}"), justify="right" if name == "number" else "left")
    for row in counts["states"].rows():
        cause = localised_text(f"cause.{row['cause']}") if row["cause"] else ""
        table.add_row(row["cycle"], localised_text(f"exception.{row['state']}"), cause, f"{row['number']:,}")
    out.print(table)
    codes = all_return_codes(DataRoot(Path(root)).reference)
    for row in counts["codes"].rows():
        code = codes.get(row["return_code"], codes["UNKNOWN"])
        out.print(f"{row['number']:>10,}  {escape(row['return_code'])}: {pair(code.label_cy, code.label_en)}")
    ages = counts["ages"].frame
    if not len(ages):
        return
    by_place = ages.pivot_table(index=["la_code", "school_number"], columns="age", values="number", fill_value=0)
    columns = sorted(by_place.columns, key=lambda age: int(age.rstrip("+").split("-")[0]))
    table = Table(title=localised_text("exceptions.ages"))
    for name in ("la_code", "school_number", *columns):
        table.add_column(name if name in columns else localised_text(f"exceptions.{name}"), justify="right")
    for la, rows in by_place[columns].groupby(level="la_code"):
        table.add_row(f"[bold]{la}[/]", "", *(f"[bold]{int(n):,}[/]" for n in rows.sum()))
        for (_, school), numbers in zip(rows.index, rows.to_numpy(), strict=True):
            table.add_row("", school, *(f"{int(n):,}" for n in numbers))
    out.print(table)


_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "fault": "[red]✗[/]"}


def print_doctor(results: Sequence[Any]) -> None:
    """Print the doctor's results (`tasks.maintenance.doctor.CheckResult`), one line each, with the action below it."""
    for result in results:
        check = localised_text(f"doctor.{result.check}")
        out.print(f"{_MARKS[result.level]} {check}: {escape(localised(result.message))}", soft_wrap=True)
        if result.action is not None:
            out.print(f"    {escape(localised(result.action))}", soft_wrap=True)


def print_places(root: str, cycle: str) -> None:
    """Print where a rehearsal's files are, and what to look at next."""
    out.print("\n" + escape(localised_text("terminal.the_data", root=root)))
    for place, key in (
        ("dewi/outbox/", "dewi_outbox"),
        ("lrs/outbox/", "lrs_outbox"),
        ("quarantine/", "quarantine"),
        (f"snapshots/{cycle}/", "snapshots"),
        (f"reports/{cycle}/", "reports"),
        (f"rehearsal/truth/{cycle}/", "truth"),
    ):
        out.print(f"  {place:<28}{localised_text(f'place.{key}')}")
    example = next(iter(sorted((Path(root) / "dewi" / "outbox").rglob(f"ULN_*_{cycle}_*.zip"))), None)
    out.print(localised_text("terminal.next"))
    if example:
        out.print(f"  {example.relative_to(root)}", soft_wrap=True)
    out.print(f"  uln status {cycle} --data {root}\n  uln readiness --cycle {cycle} --data {root}", soft_wrap=True)


def print_wrong_usage(sentence: str, usage: str, command: str) -> None:
    """Print what is wrong with a command's arguments, in one sentence, and where its help is."""
    if usage:
        err.print(escape(usage))
    err.print(escape(localised_text("usage.see_help", command=command)))
    print_fault(sentence)


def print_refused(name: str, fault: Refused) -> None:
    """Print why a file would be refused, and what to do."""
    reason = all_reasons()[fault.reason]
    out.print(f"[red]✗[/] {escape(name)}: {pair(reason.text_cy, reason.text_en)} {escape(localised(fault.detail))}")
    out.print(f"  {pair(reason.action_cy, reason.action_en)}")


def print_checked(path: Path, checked: Any) -> None:
    """Print the check of one return: counts, and each finding by record, year, rule and action; no other value."""
    rules = {r.code: r for r in all_rules()}
    name = f"{path}#{checked.member}" if checked.member else str(path)
    mark = "[red]✗[/]" if checked.held else "[green]✓[/]"
    out.print(f"{mark} {escape(name)}: {checked.header.school_number}, {checked.cycle.id}, {checked.header.layout}")
    numbers = {name: f"{getattr(checked, name):,}" for name in ("records", "chosen", "held")}
    out.print(f"  {localised_text('terminal.checked', **numbers)}")
    print_reasons(checked.not_chosen, "  ")
    if checked.unknown_elements:
        elements = ", ".join(f"{name} {n}" for name, n in checked.unknown_elements.items())
        out.print(f"  {escape(localised_text('terminal.unknown_elements', elements=elements))}")
    if checked.findings.empty:
        return
    table = Table(*(heading(f"shown.{name}") for name in ("record", "year", "rule")), "LRS")
    for name in ("good", "action"):
        table.add_column(localised_text(f"shown.{name}"))
    for row in check_visible(CHECKED, checked.findings, to=Tier.INTERNAL).rows():
        rule = rules[row["rule"]]
        colour = "red" if row["severity"] == "blocking" else "yellow"
        year = row["nc_year"] if isinstance(row["nc_year"], str) else ""
        texts = (pair(rule.message_cy, rule.message_en, "\n"), pair(rule.action_cy, rule.action_en, "\n"))
        answer = rule.lrs_code or "-"  # the LRS's code if the row were sent
        table.add_row(str(row["ordinal"]), escape(year), f"[{colour}]{rule.code}[/]", answer, *texts)
    out.print(table)


def print_readiness(rows: Any, cycle: str) -> None:
    """Print what each school still needs (`readiness_lists.readiness_of`), with the entries of both registers."""
    names = ("number", "school", "missing", "action", "where")
    table = Table(*(localised_text(f"shown.{name}") for name in names), show_lines=True)
    for row in rows.to_dict("records"):
        values = {name: row[name] for name in ("ukrlp", "edubase", "found") if isinstance(row[name], str)}
        entries = [f"{localised_text(f'readiness.{name}')}: {value}" for name, value in values.items()]
        missing, action, where = (pair(row[f"{n}_cy"], row[f"{n}_en"], "\n") for n in ("text", "action", "where"))
        missing = escape("\n".join([missing, *entries]))
        table.add_row(row["school_number"], escape(row["school_name"]), missing, action, where)
    out.print(table)
    out.print(localised_text("terminal.not_ready", count=rows["school_number"].nunique(), cycle=cycle))


def print_cycles() -> None:
    """Print the census cycles and their data."""
    *texts, minimum_age = (localised_text(f"shown.{n}") for n in ("cycle", "title", "census", "years", "minimum_age"))
    table = Table(*texts, "LRS", "CTF", minimum_age)
    for c in all_cycles().values():
        age = f"{c.minimum_age} ({c.minimum_age_on})" if c.minimum_age else "-"
        title, census = pair(c.title_cy, c.title_en), f"{c.census_from} - {c.census_to}"
        table.add_row(c.id, title, census, ", ".join(map(str, c.year_groups)), c.lrs_profile, c.ctf_version, age)
    out.print(table)


def print_texts(*, review: bool) -> None:
    """Print how many texts have Welsh; with `review` also those that wait for a translator."""
    entries = all_translations()
    waiting = {context: entry for context, entry in entries.items() if entry.review}
    if review:
        table = Table(*(localised_text(f"shown.{name}") for name in ("context", "english", "welsh")), show_lines=True)
        for context, entry in waiting.items():
            table.add_row(*map(escape, (context, entry.english, entry.welsh)))
        out.print(table)
    out.print(localised_text("terminal.texts", count=len(entries), waiting=len(waiting)))
