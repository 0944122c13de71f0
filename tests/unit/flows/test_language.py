"""The terminal speaks both languages, or the one that was asked for, in its help and its errors too."""

import ast
import re

import pytest
import typer

from flows.cli.__main__ import app
from flows.cli.language import chosen, language_of, localised_text, pair
from schemas.texts.catalogue import all_texts
from tests.support.cli import invoke as uln
from tests.support.paths import PROJECT
from tests.support.returns import write_return as a_return

FLOWS = PROJECT / "flows"
#: Words that stand in one language only, in what the commands below tell.
WELSH, ENGLISH = (
    re.compile(r"\b(mae|nid|oes|ysgol|heb|gofynnol|Defnydd)\b"),
    re.compile(r"(?<!-)\b(the|is|are|not|this|and|school)\b"),
)


def commands():
    group = typer.main.get_command(app)
    return {"uln": group, **group.commands}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([name, "--help"] for name in commands() if name != "uln"),
        ["census", "2012-02"],
        ["census", "2012-01", "--la", "999"],
        ["census", "2012-01", "--school", "12"],
        ["census", "2012-01", "--as-of", "yesterday"],
        ["rehearse", "--schools", "few"],
        ["rehearse", "--seed", "-1"],
        ["batches", "--state", "LOST"],
        ["abandon", "REF"],
        ["abandon", "--because"],
        ["cycles", "more"],
        ["purge", "--before", "yesterday"],
        ["nonsense"],
        ["readiness", "--la", "660"],
        ["check", "no-such-file.xml"],
        ["texts"],
    ],
    ids=" ".join,
)
def test_one_language_alone_or_both_with_welsh_first(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("ULN_DATA", str(tmp_path))
    cy, en, both = (uln(*lang, *arguments) for lang in (["--lang", "cy"], ["--lang=en"], []))
    assert cy.exit_code == en.exit_code == both.exit_code
    assert cy.output != en.output and len(both.output) > max(len(cy.output), len(en.output))
    assert not ENGLISH.search(re.sub(r"schemas/\S+|texts\b", "", cy.output)), cy.output
    assert not WELSH.search(en.output), en.output


def test_the_language_is_named_before_the_command_or_in_the_environment(monkeypatch):
    monkeypatch.delenv("ULN_LANG", raising=False)
    given = [
        ["--lang", "cy", "status"],
        ["--lang=en"],
        ["--help", "--lang", "cy"],
        ["status", "--lang", "cy"],
        ["--lang"],
        [],
    ]
    assert [language_of(words) for words in given] == ["cy", "en", "cy", None, None, None]
    monkeypatch.setenv("ULN_LANG", "cy")
    assert [language_of(words) for words in (["status"], ["--lang", "en"], ["--lang", "fr"])] == ["cy", "en", None]
    assert "Blynyddoedd" in uln("cycles").output and "Years" not in uln("cycles").output
    assert uln("--lang", "fr", "cycles").exit_code == 2


def test_a_command_leaves_the_language_as_it_was():
    uln("--lang", "cy", "cycles")
    assert chosen.get() is None and pair("un", "one") == "un / one" and " / " in localised_text("terminal.faults")


def test_a_refused_return_is_told_in_one_language_with_its_detail(tmp_path):
    path = a_return(tmp_path / "r.xml", estab="9999")
    cy, en = (uln("--lang", lang, "check", str(path), "--data", str(tmp_path)).output for lang in ("cy", "en"))
    assert "nid yw '6609999' yng nghofrestr yr ysgolion" in cy and "is not in" not in cy
    assert "'6609999' is not in the schools register" in en and "nid yw" not in en


def test_faults_of_files_that_people_keep_are_told_in_one_language(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "registration.csv").write_text("school_number,ukprn\n6604025,1\n", encoding="utf-8")
    cy = uln("--lang", "cy", "readiness", "--data", str(tmp_path)).output
    assert "registration.csv: mae colofn" in cy.replace("\n", " ") and "is missing" not in cy


def test_every_command_option_and_argument_has_its_help_in_both_languages():
    texts = all_texts()
    without = [f"help.{name}" for name in commands() if f"help.{name}" not in texts]
    without += [
        f"help.{name}.{param.name}"
        for name, command in commands().items()
        for param in command.params
        if f"help.{name}.{param.name}" not in texts and f"help.{param.name}" not in texts
    ]
    assert not without


@pytest.mark.parametrize("name", ["cli/__main__.py", "cli/output.py", "cli/typer_texts.py"])
def test_no_text_for_people_stands_in_the_code_and_none_passes_the_language_by(name):
    tree = ast.parse((FLOWS / name).read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, documented) and isinstance(n.body[0], ast.Expr)
    }
    pairs = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        and re.search(r"\w( / |\n)\w", node.value)
    ]  # fmt: skip
    assert not pairs
    printed = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "print"]
    past = [
        n.lineno
        for call in printed
        for n in ast.walk(call)
        if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "both"
    ]
    assert not past, "say() it"
    assert not [k for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords if k.arg == "help"]
