"""A learner's story on the terminal (`uln trace`): the only place that shows a learner's data, one learner at a time.

Does not belong here: how the story is collected (`tasks.reports.trace`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rich.markup import escape
from rich.table import Table

from flows.cli.language import localised_text, pair
from flows.cli.output import out
from schemas.codes.service_codes import ServiceCode, meaning, service_codes
from schemas.texts.catalogue import Language, all_texts
from schemas.texts.catalogue import text as in_language
from tasks.io.data_root.data_root import DataRoot
from tasks.ledger.code_texts import texts_of

if TYPE_CHECKING:
    from tasks.reports.trace import Story


_PLACE_WORDS = {"returned": "record", "batched": "position"}


def print_story(root: str, stories: Sequence["Story"]) -> None:
    """Print a learner's story, oldest event first; several stories if several learners share a ULN."""
    reasons = texts_of(DataRoot(Path(root))).drop_duplicates("code").set_index("code")
    codes = service_codes(DataRoot(Path(root)).reference)
    out.print(f"[yellow]{localised_text('trace.personal')}[/]")
    if len(stories) > 1:
        out.print(localised_text("trace.several", number=len(stories)))
    for story in stories:
        for row in story.known.of_learner.fillna("").to_dict("records"):
            key = "trace.known" if row["uln"] else "trace.known_no_uln"
            places = {"upn": row["upn"], "uln": row["uln"], "school": row["school_number"], "cycle": row["cycle"]}
            out.print(escape(localised_text(key, **places)))
        for row in story.states.of_learner.to_dict("records"):
            shared = {"cycle": row["cycle"], "school": row["school_number"], "upn": row["upn"]}
            state = f"trace.state.{row['state']}"
            words = {lang: shared | {"state": in_language(state, lang)} for lang in get_args(Language)}
            out.print(escape(_side_by_side("trace.stands", words)))
        table = Table(show_lines=True)
        for name in ("at", "school", "what", "where"):
            table.add_column(localised_text(f"trace.{name}"), overflow="fold")
        for event in story.events.of_learner.fillna("").to_dict("records"):
            words = {lang: _places_of(event, reasons, codes, lang) for lang in get_args(Language)}
            description = _side_by_side(f"trace.{event['kind']}", words, "\n")
            # The event's record, position or row in its file, if it has one.
            word = _PLACE_WORDS.get(event["kind"], "row" if event["kind"].startswith("answered") else None)
            place = localised_text(f"trace.{word}", place=event["place"]) if word else ""
            where = "\n".join(filter(None, (event["file"], place)))
            school = f"{event['school_number']} {event['cycle']}".strip()
            table.add_row(event["at"], school, escape(description), escape(where))
        out.print(table)


def _side_by_side(key: str, places: Mapping[Language, Mapping[str, str]], between: str = " / ") -> str:
    """Return a text in the terminal's language, with placeholders filled in each language's own words."""
    cy, en = (in_language(key, lang).format(**places[lang]) for lang in ("cy", "en"))
    return pair(cy, en, between)


def _places_of(event: dict[Any, Any], reasons: Any, codes: dict[str, ServiceCode], lang: Language) -> dict[str, str]:
    """Return the values for the placeholders of an event's text, with codes and states in words."""
    kind, code = event["kind"], event["code"]
    reason = str(reasons[f"wrong_{lang}"].get(code, "")) if code else ""
    if kind == "not_chosen":
        reason = f"{in_language(f'reason.{code}', lang)} {event['detail']}".strip()
    if kind == "verified":
        reason = getattr(meaning(code, codes), f"label_{lang}")
    if kind == "purged":
        reason = in_language(f"purge.{code}", lang)
    state = event["state"]
    if kind.startswith("exception"):
        state = in_language(f"exception.{state}", lang)
    detail = event["detail"]
    if kind in ("exception_resolved", "exception_withdrawn"):
        detail = in_language(f"cause.{detail}", lang)
    if kind == "warned":
        fields = (f"field.{name}" for name in detail.split(";"))
        detail = ", ".join(in_language(key, lang) if key in all_texts() else key.partition(".")[2] for key in fields)
    return {name: str(event[name]) for name in ("upn", "uln", "code")} | {
        "batch": event["batch_ref"],
        "reason": reason,
        "state": state,
        "detail": detail,
    }
