"""Every guide stands in both languages, says the same in each, and names commands and files that are there."""

import re

import pytest
import typer

from flows.cli.__main__ import app
from tests.support.paths import PROJECT

GUIDES = PROJECT / "docs" / "guides"
NAMES = sorted({path.name.split(".")[0] for path in GUIDES.glob("*.md")})


def guide(name, lang):
    return (GUIDES / f"{name}.{lang}.md").read_text(encoding="utf-8")


def shape(text):
    """Headings by level, and list items and table rows, in order: what a translation leaves as it is."""
    return re.findall(r"^(#+ |- |\d\. |\|)", text, flags=re.M)


def named(text):
    """What is not translated: commands, files, options; but the language that is asked for."""
    found = re.findall(r"`([^`]+)`|^ {7}(uln .+)$", text, flags=re.M)
    return sorted(re.sub(r"(lang |LANG=)(cy|en)", r"\1..", one or other) for one, other in found)


def test_there_is_a_guide_for_each_of_the_three():
    assert NAMES == ["authorities", "schools", "team"]


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_headings_lists_commands_and_codes(name):
    cy, en = guide(name, "cy"), guide(name, "en")
    assert shape(cy) == shape(en) and shape(en).count("## ") >= 4
    assert named(cy) == named(en) and named(en)
    assert sorted(set(re.findall(r"RC\d+", cy))) == sorted(set(re.findall(r"RC\d+", en)))


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.md")), ids=lambda path: path.name)
def test_a_guide_is_short_and_names_commands_and_options_that_there_are(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.split()) <= 850, "two pages"
    group = typer.main.get_command(app)
    assert set(re.findall(r"`?uln ([a-z]+)", text)) <= set(group.commands)
    options = {option for command in (group, *group.commands.values()) for p in command.params for option in p.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= options | {"--help"}
