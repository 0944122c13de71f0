"""A page is the same bytes for the same rows, says the same in both languages, and shows hostile names as text."""

import re

import pytest
from lxml import html

from schemas.cycles import cycle_by_id
from schemas.settings.pages import AUTHORITY, WALES, all_needs, all_sections
from schemas.states import BatchShown, SchoolOutcome
from schemas.texts.catalogue import all_texts
from schemas.views import PAGE_TABLES
from tasks.core.page_sentences import SENTENCES, of_whole_page
from tasks.io.pages.html import assets, without_links, write_page
from tasks.io.pages.words import PageContent, PageRows

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
MADE = {"as_of": "2012-02-12T09:15", "run": f"lrs-returns {HOSTILE}", "edition": "abc"}
TOTAL = {"chosen": 400, "held": 15, "waiting": 0, "sent": 0, "uln": 375, "exception": 10, "share": 937}
LEARNERS = TOTAL | {"had_one": 4}


def a_row(table, number):
    """A row of a table with something in each of its columns."""
    text = {c.name: HOSTILE for c in PAGE_TABLES[table].columns if str(c.type) == "string"}
    row = text | {c.name: number for c in PAGE_TABLES[table].columns if str(c.type) == "int64"}
    known = {
        "la_code": "660",
        "need": "not_returned",
        "share": 937,
        "state": "STUCK" if table == "batches" else "exception",
        "year": "9",
        "day": "2012-02-12",
        "returned_on": "2012-01-29",
        "since": "2012-01-29",
        "delivered_on": "2012-02-12",
        "last_on": "2012-02-12",
        "input": "returns",
        "age": 30 if table == "batches" else "91+",
    }
    return row | {name: value for name, value in known.items() if name in row}


def content(page=AUTHORITY, number=7, **rows):
    names = [table.name for section in all_sections() for table in section.tables[page]]
    tables = {}
    for name in names:
        own = rows.get(name, [a_row(name, number)])
        tables[name] = PageRows(tuple(column.name for column in PAGE_TABLES[name].columns), own)
    said = {name: SENTENCES[name](told.rows) for name, told in tables.items() if name in SENTENCES}
    said |= {"readiness": said.get("readiness") or said["steps"], "schools": of_whole_page(TOTAL)}
    title = (HOSTILE, HOSTILE) if page == AUTHORITY else ("", "")
    return PageContent(page, cycle_by_id("2012-01"), title, tables, said)


def pages(*args, **kwargs):
    files = write_page(content(*args, **kwargs), MADE)
    return {name.split(".")[1]: html.fromstring(data.decode()) for name, data in files.items()}


@pytest.mark.parametrize("page", [AUTHORITY, WALES])
def test_whatever_stands_in_a_name_is_text(page):
    for name, data in write_page(content(page), MADE).items():
        tree = html.fromstring(data.decode())
        assert [script.get("src") for script in tree.iter("script")] == ["site.js"], name
        assert not list(tree.iter("img")) and "49" not in {text.strip() for text in tree.itertext()}
        assert not [a for element in tree.iter() for a in element.attrib if a.startswith("on") or a == "style"]
        assert HOSTILE in tree.xpath("string(//table[@data-table='schools']//tbody)")


@pytest.mark.parametrize("page", [AUTHORITY, WALES])
def test_a_page_keeps_to_its_contract(page):
    for lang, tree in pages(page).items():
        assert tree.get("lang") == lang and tree.xpath("//main[@id='main']") and len(tree.xpath("//h1")) == 1
        ids = [section.get("id") for section in tree.xpath("//main/section")]
        assert ids == [section.name for section in all_sections()]
        assert len(tree.xpath("//main/section/h2")) == len(ids)
        for table in tree.xpath("//table"):
            name = table.get("data-table")
            assert table.xpath("caption") and tree.xpath(
                f"//div[@class='tools'][@hidden]/a[@data-download='{name}'][@download]"
            )
            heads = table.xpath("thead/tr/th")
            assert all(head.get("scope") == "col" and head.get("data-key") for head in heads)
            assert all((head.get("aria-sort") == "none") == bool(head.xpath("button")) for head in heads)
            assert len(table.xpath("tbody/tr/th[@scope='row']")) == len(table.xpath("tbody/tr"))
        assert tree.xpath("//input[@data-filter='schools']") and tree.xpath(
            "//select[@data-filter='schools'][@data-key]"
        )
        switch = tree.xpath("//a[@data-switch-language]")[0]
        assert switch.get("hreflang") == switch.get("lang") == ("en" if lang == "cy" else "cy")
        all_ids = tree.xpath("//@id")
        assert len(all_ids) == len(set(all_ids))
        policy = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        assert not [at for at in tree.xpath("//@href | //@src") if "//" in at.replace("../", "")]


def test_every_chart_has_its_sentence_its_table_and_a_name():
    for tree in pages().values():
        figures = tree.xpath("//figure[@data-chart]")
        assert len(figures) >= 4
        for figure in figures:
            drawn = figure.xpath(".//*[local-name()='svg']")[0]
            named = [tree.xpath(f"string(//*[@id='{one}'])") for one in drawn.get("aria-labelledby").split()]
            assert drawn.get("role") == "img" and all(named)
            assert figure.xpath("string(figcaption)") == named[1]
            assert figure.xpath("following-sibling::*//table")


def test_welsh_and_english_have_the_same_rows_and_places():
    cy, en = (pages()[lang] for lang in ("cy", "en"))
    for at in ("//@id", "//@data-key", "//@data-sort", "//@data-word", "//table/@data-table"):
        assert cy.xpath(at) == en.xpath(at), at
    # No sentence of one language stands on the page of the other.
    for there, other in ((cy, "en"), (en, "cy")):
        own = {need.text_cy if other == "cy" else need.text_en for need in all_needs()}
        assert not own & {text.strip() for text in there.itertext()}


def test_what_is_not_told_is_told_as_that_and_is_in_no_chart():
    row = a_row("authorities", 7) | dict.fromkeys(("uln", "held", "share"))
    tree = pages(WALES, authorities=[row | {"la_code": "total", "authority_cy": None, "authority_en": None}])["en"]
    cells = tree.xpath("//table[@data-table='authorities']/tfoot/tr/*")
    assert [cell.text_content().strip() for cell in cells].count("[c]") == 3
    labels = tree.xpath("//figure[@data-chart='schools']//*[local-name()='text']/text()")
    assert "ULN: [c]" in labels and "Held: [c]" in labels


def test_days_of_which_some_are_hidden_have_no_line():
    days = [a_row("days", 30) | {"day": f"2012-02-{day}"} for day in (11, 12, 13)]
    drawn = "//figure[@data-chart='days']"
    assert pages(WALES, days=days)["en"].xpath(drawn)
    assert not pages(WALES, days=[*days, days[0] | {"day": "2012-02-14", "answered_uln": None}])["en"].xpath(drawn)


@pytest.mark.parametrize("last", ["2012-02-02", "2012-02-03", "2012-02-28", "2012-09-01", "2014-01-01"])
def test_days_are_drawn_however_near_or_far_apart(last):
    days = [a_row("days", 30) | {"day": day} for day in ("2012-02-01", last)]
    assert pages(days=days)["cy"].xpath("//figure[@data-chart='days']//*[local-name()='svg']")


def test_where_nothing_is_hidden_no_number_is_told_as_hidden():
    cycles = [a_row("cycles", 7) | {"share": share} for share in (None, 937)]
    made = pages(AUTHORITY, cycles=cycles, downloads=[a_row("downloads", 7) | {"ulns": None}])["en"]
    assert "[c]" not in made.xpath("string(//main)")
    assert "[c]" in pages(WALES, cycles=cycles)["en"].xpath("string(//section[@id='cycles'])")


@pytest.mark.parametrize("code", ["2012-99-99", "\u00b2\u2070\u00b9\u00b2-\u00b9\u00b9-\u00b9\u00b9", "RC\x01X"])
def test_a_code_that_looks_like_a_day_or_like_nothing_stops_no_page(code):
    made = pages(exceptions=[a_row("exceptions", 7) | {"return_code": code}])["en"]
    assert code[:2] in made.xpath("string(//section[@id='exceptions'])")


def test_numbers_are_sorted_as_numbers_and_given_to_a_spreadsheet_as_numbers():
    tree = pages(number=1234)["en"]
    cell = tree.xpath("//table[@data-table='schools']//td[@data-csv='1234']")[0]
    assert cell.text_content().strip() == "1,234" and cell.get("data-sort") == "1234"
    day = tree.xpath("//table[@data-table='schools']//td[time]")[0]
    assert (day.get("data-csv") or day.text_content().strip(), day.get("data-sort")) == ("2012-01-29", "20120129")


@pytest.mark.parametrize("lang", ["cy", "en"])
def test_no_word_of_a_sentence_depends_on_whether_a_number_is_one(lang):
    """A number stands behind a colon or in brackets, so that no verb, and no Welsh noun or mutation, follows from it."""
    counts = ("number", "schools", "chosen", "uln", "exception", "held", "waits")
    there = 0
    for key, told in all_texts().items():
        if key.startswith("pages.says."):
            for name in counts:
                for place in re.finditer(rf"{{{name}}}", told[lang]):
                    there += 1
                    assert re.search(r"(: |\()$", told[lang][: place.start()]), key
                    assert re.match(r"[;.)]|$| \(", told[lang][place.end() :]), key
    assert there > 8


@pytest.mark.parametrize("page", [AUTHORITY, WALES])
def test_the_columns_of_a_table_are_called_differently_each_for_what_it_is(page):
    for lang, tree in pages(page).items():
        for table in tree.xpath("//table"):
            # A page has the LRS's code as it came, or as one of ours; never both.
            other = "code" if page == AUTHORITY else "return_code"
            heads = [head.text_content().strip() for head in table.xpath(f"thead/tr/th[@data-key!='{other}']")]
            assert all(heads) and len(set(heads)) == len(heads), table.get("data-table")
            assert not {"Number", "Nifer", "Rhif"} & set(heads), (lang, table.get("data-table"))


def test_files_that_are_gone_are_named_and_not_linked():
    paths = ["dewi/outbox/660/6604025/a&b.zip", "dewi/outbox/660/there.xlsx"]
    rows = [a_row("downloads", 7) | {"path": path} for path in paths]
    for page in write_page(content(downloads=rows), MADE).values():
        left = without_links(page, lambda path: path == paths[0])
        table = html.fromstring(left.decode()).xpath("//table[@data-table='downloads']")[0]
        assert [link.get("href") for link in table.iter("a")] == [f"../../../../{paths[1]}"]
        assert "a&b.zip" in table.text_content()
        before, after = (html.fromstring(one.decode()) for one in (page, left))
        assert after.text_content() == before.text_content()
        assert len(after.xpath("//a")) == len(before.xpath("//a")) - 1
        assert without_links(page, lambda _: False) == page


def test_a_table_without_rows_says_so():
    tree = pages(exceptions=[], ages=[], waiting=[])["en"]
    assert not tree.xpath("//table[@data-table='exceptions'] | //figure[@data-chart='exceptions']")
    assert "No exception is open." in tree.xpath("string(//section[@id='exceptions'])")


def test_a_welsh_name_on_an_english_page_is_read_out_in_welsh():
    row = a_row("schools", 7) | {"school_name": "Ysgol Gyfun Llangefni"}
    assert pages(schools=[row])["en"].xpath("//th/span[@lang='cy']/text()") == ["Ysgol Gyfun Llangefni"]
    assert not pages(schools=[row])["cy"].xpath("//th/span[@lang]")


def test_the_same_rows_make_the_same_bytes_and_another_number_another_page():
    assert write_page(content(), MADE) == write_page(content(), MADE)
    assert content().fingerprint("1") == content().fingerprint("1")
    others = {content().fingerprint("2"), content(number=8).fingerprint("1"), content(WALES).fingerprint("1")}
    assert len(others | {content().fingerprint("1")}) == 4


def test_every_word_that_a_row_may_hold_can_be_shown():
    for outcome in SchoolOutcome:
        pages(schools=[a_row("schools", 7) | {"state": outcome.value}])
    for state in BatchShown:
        pages(batches=[a_row("batches", 7) | {"state": state.value}])


def test_style_and_program_ask_nobody_for_anything():
    files = assets()
    assert set(files) == {"site.css", "site.js"}
    for data in files.values():
        assert not re.search(rb"https?:|@import|url\(|eval|innerHTML|fetch|XMLHttp", data)
        assert len(data) < 20_000
