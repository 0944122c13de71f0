"""The runbook says the same in both languages, quotes what the service says, and names commands and files that are there."""

import re

import pytest
import typer

from flows.cli.__main__ import app
from schemas.codes.quarantine_reasons import all_reasons
from schemas.texts.catalogue import all_texts
from tests.support.paths import PROJECT

DOCS = PROJECT / "docs"
BOOKS = {"en": DOCS / "runbook.md", "cy": DOCS / "runbook.cy.md"}
#: A quotation that is no sentence of the service's.
OWN_WORDS = {"“start afresh”", "“ddechrau o'r newydd”"}


def book(lang):
    return BOOKS[lang].read_text(encoding="utf-8")


def in_english_names(text):
    """What stands for a date, a school and a cycle in commands has a Welsh name in the Welsh book, as in the program."""
    for cy, en in (("runbook.cy.md", "runbook.md"), ("DYDDIAD", "DATE"), ("YSGOL", "SCHOOL"), ("CYLCH", "CYCLE")):
        text = text.replace(cy, en)
    return text


def shape(text):
    """Headings by level, list items, and table rows with their columns, in order."""
    return [
        f"{mark}{line.count('|')}" for line in text.splitlines() for mark in re.findall(r"^(#+ |- |\d\. |\|)", line)
    ]


def quotations(text):
    return [quoted for quoted in re.findall(r"“[^”]+”", text) if quoted not in OWN_WORDS and quoted != "“ ”"]


def said_by_the_service(lang):
    """Each text in that language, its places as any words."""
    texts = [text[lang] for text in all_texts().values()]
    texts += [getattr(reason, f"text_{lang}") for reason in all_reasons().values()]
    return [re.sub(r"\{[^}]*\}", "..", text) for text in texts]


def quotes(quoted, text):
    """Whether the pieces of a quotation, between its dots, stand in a text in their order, and no place is left out."""
    at = 0
    for piece in filter(None, (piece.strip() for piece in quoted.strip("“”").removeprefix("uln ").split(".."))):
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def test_both_say_the_same():
    assert shape(book("cy")) == shape(book("en")) and shape(book("en")).count("## 0") == 7
    assert len(quotations(book("cy"))) == len(quotations(book("en"))) > 40
    for names in (r"`([^`]+)`", r"\b(?:SENT_UNCONFIRMED|STUCK|Failed|Crashed|Late|Completed|Running)\b"):
        cy, en = (sorted(re.findall(names, in_english_names(book(lang)))) for lang in ("cy", "en"))
        assert cy == en


@pytest.mark.parametrize("lang", BOOKS)
def test_what_it_quotes_is_what_the_service_says(lang):
    said = said_by_the_service(lang)
    assert not [one for one in quotations(book(lang)) if not any(quotes(one, text) for text in said)]


@pytest.mark.parametrize("lang", BOOKS)
def test_it_names_commands_options_and_pages_that_there_are(lang):
    group = typer.main.get_command(app)
    assert set(re.findall(r"`uln ([a-z]+)", book(lang))) <= set(group.commands)
    options = {option for command in group.commands.values() for param in command.params for option in param.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", book(lang))) <= options | {"--all"}
    pages = set(re.findall(r"`(docs/[^`]+|schemas/[^`]+\.toml)`", book(lang)))
    assert pages and not [page for page in pages if not (DOCS.parent / page).exists()]
