"""What analysts do with the pages, from the file system and over HTTP: sort, narrow, change the language, download."""

import csv
import io
import re

import pytest

from tests.pages.names import GWYNEDD, HOSTILE, IN_ORDER, NEATH, OTHER, PAGES, SECTIONS, WALES


def numbers(cells):
    """The cells of a column of numbers; what is no number comes before all."""
    return [float(re.sub(r"[,%\s]", "", cell)) if re.search(r"[0-9]", cell) else -1.0 for cell in cells]


def of_gwynedd(names):
    """Those of a page's names whose order is known, in the order of the page."""
    return [name for name in names if name in IN_ORDER.values()]


@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_a_page_has_its_sections_in_order_each_with_a_heading(window, folder, lang):
    window.open(folder, lang)
    found = window.state("[...document.querySelectorAll('main section[id]')].map(s => [s.id, !!s.querySelector('h2')])")
    assert found == [[name, True] for name in SECTIONS]


def test_a_heading_sorts_by_mouse_up_and_down(window):
    window.open(GWYNEDD, "en")
    button = window.heading("schools", "uln").get_by_role("button")
    # Of numbers the largest are looked for first.
    for direction in ("descending", "ascending"):
        button.click()
        found = numbers(window.column("schools", "uln"))
        assert found == sorted(found, reverse=direction == "descending")
        assert len(set(found)) > 1
        assert window.heading("schools", "uln").get_attribute("aria-sort") == direction
    sorted_by = window.table("schools").locator("th:is([aria-sort=ascending], [aria-sort=descending])")
    assert sorted_by.count() == 1


@pytest.mark.parametrize("press", ["Enter", "Space"])
def test_a_heading_sorts_by_keyboard_and_keeps_the_focus(window, press):
    window.open(GWYNEDD, "cy")
    before = window.column("schools", "held")
    window.heading("schools", "held").get_by_role("button").focus()
    window.page.keyboard.press(press)
    assert window.column("schools", "held") != before
    assert numbers(window.column("schools", "held")) == sorted(numbers(before), reverse=True)
    assert window.state("document.activeElement.closest('th').dataset.key") == "held"


@pytest.mark.parametrize("lang", ["cy", "en"])
def test_names_are_in_the_order_of_the_welsh_alphabet_at_first_and_when_sorted(window, lang):
    window.open(GWYNEDD, lang)
    assert of_gwynedd(window.column("schools", "school_name")) == list(IN_ORDER.values())
    button = window.heading("schools", "school_name").get_by_role("button")
    window.heading("schools", "uln").get_by_role("button").click()
    button.click()
    assert of_gwynedd(window.column("schools", "school_name")) == list(IN_ORDER.values())
    button.click()
    assert of_gwynedd(window.column("schools", "school_name")) == list(reversed(IN_ORDER.values()))


def test_every_column_that_can_be_sorted_is(window):
    """Each up and down, with no row lost and the columns' cells kept together."""
    window.open(GWYNEDD, "en")
    moved = 0
    for name in window.state("[...document.querySelectorAll('table[data-table]')].map(t => t.dataset.table)"):
        before = window.rows(name)
        for key in window.keys(name):
            button = window.heading(name, key).get_by_role("button")
            if not button.count():
                continue
            orders = []
            for _ in range(2):
                button.click()
                orders.append([cell for cell in window.column(name, key) if re.fullmatch(r"[0-9,]+", cell)])
                assert sorted(window.rows(name)) == sorted(before), (name, key)
            up, down = ([int(cell.replace(",", "")) for cell in order] for order in orders)
            assert up in (sorted(up), sorted(up, reverse=True)) and down == up[::-1], (name, key)
            moved += len(set(up)) > 1
    assert moved > 5


def test_what_is_typed_narrows_a_table_and_the_count_says_so(window):
    window.open(GWYNEDD, "en")
    everything = window.rows("schools")
    count = window.page.locator('[data-count="schools"]')
    # As somebody types who has no circumflex at hand, and no capitals.
    window.page.locator('input[data-filter="schools"]').fill("ddol")
    assert window.column("schools", "school_name") == ["Ysgol Ddôl Las"]
    assert re.findall(r"[0-9]+", count.inner_text()) == ["1", str(len(everything))]
    assert count.get_attribute("aria-live") == "polite" or count.get_attribute("role") == "status"
    window.page.locator('input[data-filter="schools"]').fill("no school is called so")
    assert window.rows("schools") == []
    assert re.findall(r"[0-9]+", count.inner_text()) == ["0", str(len(everything))]
    window.page.locator('input[data-filter="schools"]').fill("")
    assert window.rows("schools") == everything


def test_a_state_narrows_a_table_and_each_state_has_its_schools(window):
    window.open(GWYNEDD, "en")
    choose = window.page.locator('select[data-filter="schools"][data-key="state"]')
    everything = window.column("schools", "state")
    states = choose.locator("option").all_inner_texts()[1:]
    assert {re.sub(r" \([0-9]+\)$", "", state) for state in states} == set(everything)
    assert len(states) > 1
    for state in states:
        choose.select_option(label=state)
        word = re.sub(r" \([0-9]+\)$", "", state)
        assert window.column("schools", "state") == [word] * everything.count(word)
        assert state == f"{word} ({everything.count(word)})"
    choose.select_option(index=0)
    assert window.column("schools", "state") == everything


@pytest.mark.parametrize("lang", ["cy", "en"])
def test_the_other_language_is_the_same_page_at_the_same_place_with_the_same_rows(window, lang):
    window.open(GWYNEDD, lang)
    window.page.locator('input[data-filter="schools"]').fill("las")
    window.heading("schools", "uln").get_by_role("button").click()
    window.page.locator("section#years").scroll_into_view_if_needed()
    window.state("document.querySelector('#years').scrollIntoView()")
    schools = window.column("schools", "school_name")
    assert set(schools) == {"Ysgol Ddôl Las", "Ysgol Lôn Las"}
    switch = window.page.locator("a[data-switch-language]")
    assert (switch.get_attribute("lang"), switch.get_attribute("hreflang")) == (OTHER[lang], OTHER[lang])
    # As a person does who has read down to a section and then changes: the switch is at the top of the page.
    with window.page.expect_navigation():
        switch.evaluate("a => a.click()")
    window.page.wait_for_load_state("load")
    assert window.state("document.documentElement.lang") == OTHER[lang]
    assert window.page.locator("h1").inner_text()
    assert window.column("schools", "school_name") == schools
    top = window.state("document.querySelector('#years').getBoundingClientRect().top")
    assert -200 < top < 400
    # And back again.
    with window.page.expect_navigation():
        window.page.locator("a[data-switch-language]").evaluate("a => a.click()")
    assert window.state("document.documentElement.lang") == lang


def test_the_two_languages_show_the_same_numbers(opened):
    cy, en = opened(), opened()
    for folder in (WALES, GWYNEDD, NEATH):
        cy.open(folder, "cy")
        en.open(folder, "en")
        names = [
            one.state("[...document.querySelectorAll('[data-table]')].map(t => t.dataset.table)") for one in (cy, en)
        ]
        assert names[0] == names[1]
        for name in names[0]:
            assert cy.keys(name) == en.keys(name)
            of = "t => [...t.tBodies[0].rows].map(r => [...r.querySelectorAll('.number')].map(c => c.innerText))"
            rows = [sorted(map(tuple, one.table(name).evaluate(of))) for one in (cy, en)]
            assert rows[0] == rows[1], (folder, name)


def saved(window, name):
    """The CSV of a table, as bytes, and its file's name."""
    # Chromium drops what would be the eleventh download within a second; no person is as quick.
    window.page.wait_for_timeout(150)
    with window.page.expect_download() as told:
        window.page.locator(f'[data-download="{name}"]').click()
    return told.value.path().read_bytes(), told.value.suggested_filename


@pytest.mark.parametrize(("folder", "lang"), [(GWYNEDD, "en"), (NEATH, "cy"), (WALES, "cy")])
def test_every_table_can_be_downloaded_as_it_is_shown(window, folder, lang):
    window.open(folder, lang)
    names = window.state("[...document.querySelectorAll('table[data-table]')].map(t => t.dataset.table)")
    assert "schools" in names
    for name in names:
        content, file = saved(window, name)
        assert file.endswith(".csv")
        assert content.startswith(b"\xef\xbb\xbf"), "Excel takes it for another encoding without the mark"
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
        shown = [*window.rows(name), *window.totals(name)]
        assert len(rows) == len(shown) + 1
        assert {len(row) for row in rows} == {len(window.keys(name))}
        for row, cells in zip(rows[1:], shown, strict=True):
            assert [_plain(cell) for cell in row] == [_plain(cell) for cell in cells], name


def _plain(cell):
    """A cell as both the page and the file have it: numbers without signs for people, days as words or not at all."""
    cell = cell.removeprefix("'")
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2} \w+ [0-9]{4}", cell):
        return "".join(re.findall(r"[0-9]{4}", cell))
    return re.sub(r"\s+", " ", cell.removesuffix("%").replace(",", ""))


def test_a_download_has_the_order_and_the_rows_that_are_shown(window):
    window.open(GWYNEDD, "en")
    window.page.locator('input[data-filter="schools"]').fill("las")
    window.heading("schools", "school_name").get_by_role("button").click()
    window.heading("schools", "school_name").get_by_role("button").click()
    rows = list(csv.DictReader(io.StringIO(saved(window, "schools")[0].decode("utf-8-sig"), newline="")))
    name = window.heading("schools", "school_name").inner_text().strip(" ▲▼")
    assert [row[name] for row in rows] == window.column("schools", "school_name") == ["Ysgol Lôn Las", "Ysgol Ddôl Las"]


def test_no_cell_of_a_download_is_a_formula(window):
    window.open(NEATH, "en")
    formula = False
    for name in window.state("[...document.querySelectorAll('table[data-table]')].map(t => t.dataset.table)"):
        for row in csv.reader(io.StringIO(saved(window, name)[0].decode("utf-8-sig"), newline="")):
            assert not [cell for cell in row if re.match(r"[\s\u200b]*[=+\-@＝＋－＠\t\r]", cell)], (name, row)
            formula |= any(HOSTILE[1] in cell for cell in row)
    assert formula, "there was a name that looks like one"


def test_files_of_the_service_can_be_opened_from_the_page(window, played):
    """The workbook of the authority and the zips of its schools are where the page says that they are."""
    window.open(GWYNEDD, "en")
    links = window.state(
        "[...document.querySelectorAll('#downloads a[href]:not([data-download])')].map(a => a.getAttribute('href'))"
    )
    there = [((played.root / "reports" / "2013-01" / "site" / GWYNEDD) / link).resolve() for link in links]
    assert there
    assert all(path.is_file() for path in there)
    assert {path.suffix for path in there} == {".xlsx", ".zip"}
    assert all(path.is_relative_to(played.root / "dewi" / "outbox" / GWYNEDD) for path in there)
