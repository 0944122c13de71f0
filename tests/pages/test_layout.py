"""Where the pages are narrow, enlarged, spaced out, in print, in grey or without their program: nothing is lost."""

import io
import itertools
import re

import pytest
from pypdf import PdfReader

from tests.pages.names import GWYNEDD, NEATH, PAGES, WALES

#: What sticks out of the page to the right, and of no frame that can be moved; and texts that are cut off.
_LOST = """() => {
    const wide = document.documentElement.clientWidth;
    const framed = n => { for (let p = n.parentElement; p; p = p.parentElement)
        if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true; return false; };
    const hidden = n => getComputedStyle(n).clipPath !== 'none' || n.closest('.unseen, svg');
    const found = [];
    for (const n of document.querySelectorAll('body *')) {
        if (!n.checkVisibility() || hidden(n)) continue;
        const box = n.getBoundingClientRect();
        if (box.right > wide + 1 && !framed(n)) found.push(['out', n.outerHTML.slice(0, 100)]);
        const style = getComputedStyle(n);
        if (style.overflow === 'hidden' && (n.scrollWidth > n.clientWidth + 1 || n.scrollHeight > n.clientHeight + 1))
            found.push(['cut', n.outerHTML.slice(0, 100)]);
    }
    return found;
}"""
_NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
#: WCAG 1.4.12.
_SPACED = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }"
#: A4 landscape between its margins, in CSS pixels.
_PAPER = 1031


@pytest.mark.parametrize("width", [320, 640, 768, 1280])
@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_nothing_sticks_out_or_is_cut_at_any_width(opened, folder, lang, width):
    """320 is reflow (WCAG 1.4.10); 640 is 1280 at 200 % (1.4.4)."""
    window = opened(width=width, height=256 if width == 320 else 800)
    window.open(folder, lang)
    assert window.state(_LOST) == []
    assert window.state(_NO_SIDEWAYS)


@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_on_an_analysts_screen_no_table_moves_sideways(opened, folder, lang):
    """What is compared is seen at once, however long a school's name is."""
    window = opened(width=1280)
    window.open(folder, lang)
    wide = "[...document.querySelectorAll('table')].filter(t => t.offsetWidth > t.parentElement.clientWidth).map(t => t.dataset.table)"
    assert window.state(wide) == []


@pytest.mark.parametrize("width", [1280, 320])
def test_text_alone_at_twice_the_size_loses_nothing(opened, width):
    window = opened(width=width)
    window.open(NEATH, "cy")
    window.state("document.documentElement.style.fontSize = '200%'")
    assert window.state(_LOST) == []
    assert window.state(_NO_SIDEWAYS)


def test_text_spaced_out_loses_nothing(opened):
    window = opened(width=320)
    window.open(NEATH, "cy")
    window.state(
        f"(() => {{ const s = new CSSStyleSheet(); s.replaceSync({_SPACED!r}); document.adoptedStyleSheets = [s]; }})()"
    )
    assert window.state("getComputedStyle(document.querySelector('p')).letterSpacing") != "normal"
    assert window.state(_LOST) == []
    assert window.state(_NO_SIDEWAYS)


def test_at_twice_the_size_a_table_is_sorted_and_narrowed(opened):
    window = opened(width=640, height=450, device_scale_factor=2)
    window.open(GWYNEDD, "en")
    window.heading("schools", "uln").get_by_role("button").click()
    assert window.heading("schools", "uln").get_attribute("aria-sort") == "descending"
    window.page.locator('input[data-filter="schools"]').fill("llan")
    assert window.column("schools", "school_name") == ["Ysgol Llan"]


def pressed(text):
    """A text without blanks, as lines and cells are broken otherwise in print."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_in_print_every_cell_and_sentence_stands_on_the_paper(opened, folder, lang):
    window = opened()
    window.open(folder, lang)
    names = window.state("[...document.querySelectorAll('table[data-table]')].map(t => t.dataset.table)")
    cells = {cell for name in names for row in window.rows(name) for cell in row if cell}
    said = set(window.page.locator("main h1, main h2, main p").all_inner_texts())
    window.page.emulate_media(media="print")
    reader = PdfReader(io.BytesIO(window.page.pdf(prefer_css_page_size=True)))
    printed = pressed(" ".join(page.extract_text() for page in reader.pages))
    shown = {text for text in said if window.page.locator("main").get_by_text(text, exact=True).first.is_visible()}
    assert [cell for cell in cells if pressed(cell) not in printed] == []
    assert [text for text in shown if pressed(text) not in printed] == []
    assert [place for page in reader.pages for place in _beyond(page)] == []


@pytest.mark.parametrize("lang", ["cy", "en"])
def test_in_print_a_table_has_its_headings_on_each_sheet(opened, lang):
    """Those that are buttons on the screen too; the page of Wales has more schools than any sheet holds."""
    window = opened()
    window.open(WALES, lang)
    headings = [window.heading("schools", key).inner_text() for key in window.keys("schools")]
    numbers = set(window.column("schools", "school_number"))
    window.page.emulate_media(media="print")
    sheets = [page.extract_text() for page in PdfReader(io.BytesIO(window.page.pdf(prefer_css_page_size=True))).pages]
    of_schools = [sheet for sheet in sheets if len(numbers & set(re.findall("[0-9]{7}", sheet))) > 5]
    assert len(of_schools) > 3
    assert [head for sheet in of_schools for head in headings if pressed(head) not in pressed(sheet)] == []


def _beyond(page):
    """Texts that begin beyond the edges of a printed page."""
    found = []

    def visit(text, cm, tm, _font, _size):
        x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
        if text.strip() and not 0 <= x <= float(page.mediabox.width):
            found.append((text, x))

    page.extract_text(visitor_text=visit)
    return found


@pytest.mark.parametrize("folder", [WALES, GWYNEDD, NEATH])
def test_in_print_no_table_is_wider_than_the_paper(opened, folder):
    window = opened(width=_PAPER)
    window.open(folder, "cy")
    window.page.emulate_media(media="print")
    wide = "[...document.querySelectorAll('table')].map(t => [t.dataset.table, t.getBoundingClientRect().right])"
    assert [one for one in window.state(wide) if one[1] > _PAPER] == []
    assert not window.page.locator("nav").first.is_visible()
    assert not window.page.locator("input").first.is_visible()


@pytest.mark.parametrize("way", ["file", "http"])
@pytest.mark.parametrize(("folder", "lang"), [(WALES, "cy"), (NEATH, "en")])
def test_without_its_program_every_row_is_there_and_no_control_that_does_nothing(opened, folder, lang, way):
    window = opened(way)
    window.open(folder, lang)
    names = window.state("[...document.querySelectorAll('table[data-table]')].map(t => t.dataset.table)")
    rows = {name: window.rows(name) for name in names}
    bare = opened(way, java_script_enabled=False)
    bare.open(folder, lang)
    assert {name: bare.rows(name) for name in names} == rows
    assert bare.page.locator("h1").is_visible()
    dead = bare.page.locator("input, select, [data-download]").filter(visible=True)
    assert dead.count() == 0
    assert window.page.locator("input, select, [data-download]").filter(visible=True).count() > 3


def test_hidden_numbers_and_states_are_told_in_words(opened):
    """Colour is never all: each state is a word, each bar has its name and its number, each number not told a sign."""
    window = opened()
    for folder, lang in PAGES:
        window.open(folder, lang)
        assert all(window.column("schools", "state"))
        empty = window.state(
            "[...document.querySelectorAll('tbody :is(td, th)')].filter(c => !c.innerText.trim()).length"
        )
        assert empty == 0
        charts = window.page.locator("figure[data-chart] svg")
        for n in range(charts.count()):
            assert charts.nth(n).locator("text").count() >= 2, "a chart's parts are named in it"


@pytest.mark.parametrize("folder", [GWYNEDD, NEATH, WALES])
def test_no_label_of_a_chart_is_cut(opened, folder):
    window = opened()
    window.open(folder, "cy")
    assert window.state("document.querySelectorAll('figure svg text').length") > 10
    cut = """[...document.querySelectorAll('figure svg')].flatMap(svg => { const all = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter(text => { const box = text.getBoundingClientRect();
            return box.left < all.left || box.right > all.right || box.top < all.top || box.bottom > all.bottom })
            .map(text => text.textContent) })"""
    assert window.state(cut) == []


def test_the_colours_of_a_chart_differ_in_grey(opened):
    """Of two colours in one chart the one is at least half as bright again as the other, as a printer without ink shows."""
    window = opened()
    window.open(GWYNEDD, "en")
    colours = """[...document.querySelectorAll('figure[data-chart] svg')].map(svg => [...new Set([...svg.querySelectorAll(
        '.series :is(rect, circle, path, line)')].flatMap(n => [getComputedStyle(n).fill, getComputedStyle(n).stroke])
        .filter(c => /^rgb\\(/.test(c)))].map(c => c.match(/[0-9]+/g).map(Number)))"""
    charts = window.state(colours)
    assert max(len(found) for found in charts) > 1, "there is a chart of two things"
    for found in charts:
        greys = sorted(
            0.2126 * (r / 255) ** 2.2 + 0.7152 * (g / 255) ** 2.2 + 0.0722 * (b / 255) ** 2.2 for r, g, b in found
        )
        assert all((after + 0.05) / (before + 0.05) >= 1.5 for before, after in itertools.pairwise(greys))
