"""The pages of `docs/` are true: links lead somewhere, paths exist, and code cites only pages and headings that exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted((PROJECT / "docs").rglob("*.md"))
EXPLANATION = PROJECT / "docs" / "explanation"
#: The folders of the code, by whose names a path in a page begins.
FOLDERS = "flows|tasks|schemas|expectations|docs|requirements"
#: What may cite a page. Texts for people are held by the runbook's and the guides' tests too.
CITING = (".py", ".toml", ".csv", ".po", ".xsd", ".wsdl", ".yaml")


def headings(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def citing_files():
    for folder in ("flows", "tasks", "schemas", "expectations", "tests"):
        files = sorted((PROJECT / folder).rglob("*"))
        yield from (path for path in files if path.suffix in CITING and path != Path(__file__))


def cited(text):
    """The pages that a text of the code cites, each with a heading or none."""
    for page, anchor in re.findall(r"((?:[\w-]+/)*[\w.-]+\.md)(?:#([\w-]+))?", text):
        yield page, anchor
    for page, several in re.findall(r"(docs/[\w/.-]+\.md) \((#[^)]*)\)", text):
        yield from ((page, anchor) for anchor in re.findall(r"#([\w-]+)", several))


def ids(path):
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_link_leads_to_a_page_or_picture_and_to_a_heading_in_it(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            name, _, anchor = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            assert there.exists(), target
            assert not anchor or anchor in headings(there), target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_page_names_paths_and_tests_that_exist(page):
    text = page.read_text(encoding="utf-8")
    paths = re.findall(rf"`((?:{FOLDERS})/[\w./*-]*)`", text)
    assert [path for path in paths if not list(PROJECT.glob(path.rstrip("/")))] == []
    tests = {path.stem for path in (PROJECT / "tests").rglob("test_*.py")}
    functions = re.findall(r"\(`(test_\w+)`\)", text)
    named = set(re.findall(r"`(?:tests/[\w/]+/)?(test_\w+)(?:\.py)?`", text)) - set(functions)
    assert named <= tests


def test_code_cites_pages_and_headings_that_exist():
    lost, number = set(), 0
    for path in citing_files():
        for page, anchor in cited(path.read_text(encoding="utf-8")):
            here = next(
                (folder / page for folder in (PROJECT, PROJECT / "docs") if (folder / page).is_file()), PROJECT / page
            )
            number += page.startswith("docs/reference/") or page.startswith("docs/explanation/")
            if not here.is_file() or (anchor and anchor not in headings(here)):
                lost.add(f"{ids(path)}: {page}#{anchor}")
    assert lost == set() and number > 50


def test_every_room_is_named_on_the_page_of_the_house():
    packages = {path.parent.relative_to(PROJECT).as_posix() for path in (PROJECT / "tasks").glob("*/__init__.py")}
    text = (EXPLANATION / "architecture.md").read_text(encoding="utf-8").split("## Rooms")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([\w/]+)` \|", text, flags=re.M)) == packages | {"flows", "expectations", "schemas"}


def test_there_are_eleven_laws_and_code_cites_no_other():
    text = (EXPLANATION / "laws.md").read_text(encoding="utf-8")
    laws = re.split(r"^## ", text, flags=re.M)[1:]
    assert [int(law.split(".")[0]) for law in laws] == list(range(1, 12))
    assert all("\n- Held in: `" in law and "\n- Tests: `test_" in law for law in laws)
    code = [path.read_text(encoding="utf-8") for path in citing_files() if path.suffix == ".py"]
    numbers = {int(number) for content in code for number in re.findall(r"\b[Ll]aws? (\d+)", content)}
    assert numbers and numbers <= set(range(1, 12))


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("schemas/texts/locale/cy.po", r'msgctxt "return_codes:RC007:label"\nmsgid .+\nmsgstr "Cyfatebiaeth bosibl'),
        ("schemas/cycles.toml", r"\[2012-01\]\n(?:.+\n)*year_groups = \[9, "),
        ("tasks/io/school/ctf_writer.py", '"Header"'),
        ("tasks/stages/release.py", "SENT_UNCONFIRMED"),
        ("schemas/plasc/paths.csv", "^field,"),
        ("schemas/texts/texts.csv", r"\nworkbook\.surname,"),
        ("prefect.yaml", r'name: lrs-returns\n(?:.+\n)*      - cron: "\*/30 '),
        ("expectations/catalogue.csv", ",blocking,"),
        ("tasks/core/standing.py", r"RowState\.HELD"),
    ],
)
def test_the_trail_of_a_newcomer_s_questions_ends_where_the_answer_is(file, says):
    trail = (EXPLANATION / "architecture.md").read_text(encoding="utf-8").split("## Eight questions")[1]
    assert f"`{file}`" in trail
    assert re.search(says, (PROJECT / file).read_text(encoding="utf-8"))


def test_the_glossary_has_each_term_once_and_the_welsh_of_the_catalogue():
    text = (PROJECT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    terms = [cells for cells in rows if len(cells) == 3 and cells[0] != "English"]
    names = [name for cells in terms for name in cells[0].split(", ")]
    assert len(names) == len(set(names)) > 40
    catalogue = (PROJECT / "schemas" / "texts" / "locale" / "cy.po").read_text(encoding="utf-8")
    guides = [path.read_text(encoding="utf-8") for path in (PROJECT / "docs" / "guides").glob("*.cy.md")]
    used = " ".join(" ".join([catalogue, *guides]).lower().split())
    welsh = [re.sub(r" [*†]$| \(.*\)$", "", w).lower() for cells in terms for w in cells[1].split(", ") if w[0] != "("]
    official = {re.sub(r" †.*$", "", cells[1]).lower() for cells in terms if "†" in cells[1]}
    # A word's first letter may mutate.
    assert [w for w in welsh if w not in official and w[1:] not in used] == []
