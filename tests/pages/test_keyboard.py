"""The pages with a keyboard alone, and in the order in which a reader of screens reads them."""

import itertools
import re

import pytest

from tests.pages.names import GWYNEDD, PAGES, WALES

#: What can have the focus, in the order of the document.
_CONTROLS = """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
    .filter(n => n.checkVisibility({visibilityProperty: true}) && !n.disabled).map((n, i) => (n.dataset.nth = i, i))"""
#: Which of them has it, whether that can be seen, and whether anything lies over it.
_FOCUSED = """() => {
    const n = document.activeElement, style = getComputedStyle(n), box = n.getBoundingClientRect();
    const x = Math.min(Math.max(box.left + Math.min(box.width, 40) / 2, 0), innerWidth - 1);
    const y = Math.min(Math.max(box.top + Math.min(box.height, 20) / 2, 0), innerHeight - 1);
    const over = document.elementFromPoint(x, y);
    return {
        nth: n.dataset.nth ?? null,
        what: n.outerHTML.slice(0, 120),
        seen: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2),
        within: box.bottom > 0 && box.top < innerHeight && box.width > 0 && box.height > 0,
        free: !!over && (n.contains(over) || over.contains(n)),
    };
}"""


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize(("folder", "lang"), [(WALES, "en"), (GWYNEDD, "cy")])
def test_tab_reaches_everything_once_in_order_and_the_focus_can_be_seen(opened, folder, lang, width):
    window = opened(width=width)
    window.open(folder, lang)
    controls = window.state(_CONTROLS)
    assert len(controls) > 30
    reached = []
    for _ in range(len(controls)):
        window.page.keyboard.press("Tab")
        found = window.state(_FOCUSED)
        assert found["seen"], found
        assert found["within"], found
        assert found["free"], found
        reached.append(found["nth"])
    assert reached == [str(n) for n in controls]
    for nth in reversed(reached[-8:-1]):
        window.page.keyboard.press("Shift+Tab")
        assert window.state(_FOCUSED)["nth"] == nth, "nothing holds the focus"


def test_the_first_control_leads_past_the_top_of_the_page(window):
    window.open(GWYNEDD, "en")
    window.page.keyboard.press("Tab")
    assert window.state("document.activeElement.getAttribute('href')") == "#main"
    window.page.keyboard.press("Enter")
    window.page.keyboard.press("Tab")
    assert window.state("document.querySelector('main').contains(document.activeElement)")


def test_a_wide_table_can_be_read_with_the_arrows(opened):
    """On a narrow screen a table that is wider than it moves within its own frame, without a mouse."""
    window = opened(width=320, height=640)
    window.open(GWYNEDD, "en")
    frame = window.table("schools").locator("xpath=ancestor::*[@tabindex='0'][1]")
    assert frame.evaluate("n => n.scrollWidth > n.clientWidth")
    assert frame.evaluate("n => !!(n.getAttribute('aria-label') || n.getAttribute('aria-labelledby'))")
    frame.focus()
    for _ in range(5):
        window.page.keyboard.press("ArrowRight")
    window.page.wait_for_function("n => n.scrollLeft > 0", arg=frame.element_handle())


def test_a_filter_can_be_used_with_the_keyboard(window):
    window.open(GWYNEDD, "cy")
    window.page.locator('input[data-filter="schools"]').focus()
    window.page.keyboard.type("llan")
    assert window.column("schools", "school_name") == ["Ysgol Llan"]
    window.page.keyboard.press("Control+A")
    window.page.keyboard.press("Delete")
    window.page.locator('select[data-filter="schools"]').focus()
    everything = window.rows("schools")
    window.page.keyboard.press("ArrowDown")
    assert 0 < len(window.rows("schools")) < len(everything)


@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_the_reading_order_is_one_heading_then_sections_then_tables_with_captions(opened, folder, lang):
    window = opened()
    window.open(folder, lang)
    levels = window.state("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    landmarks = window.state(
        "['header', 'nav', 'main', 'footer'].map(n => document.querySelectorAll(`body ${n}`).length)"
    )
    assert landmarks[2] == 1
    captions = window.state("[...document.querySelectorAll('table')].map(t => t.caption && t.caption.innerText.trim())")
    assert all(captions)
    assert len(set(captions)) == len(captions), "else a list of tables has two of one name"
    assert window.state("[...document.querySelectorAll('thead th')].every(h => h.scope === 'col')")
    assert window.state("[...document.querySelectorAll('tbody tr')].every(r => r.querySelector('th[scope=row]'))")


@pytest.mark.parametrize("lang", ["cy", "en"])
def test_what_a_reader_of_screens_is_told(opened, lang):
    """The accessibility tree has every control by a name of its own, the headings in order and the charts as pictures."""
    window = opened()
    window.open(GWYNEDD, lang)
    tree = window.page.locator("body").aria_snapshot()
    headings = re.findall(r'- heading "(.+?)" \[level=([0-9])\]', tree)
    assert [int(level) for _, level in headings][:2] == [1, 2]
    assert not re.findall(
        r"- (?:button|textbox|searchbox|combobox|link|img|table|region)(?::| \[|$)", tree, re.MULTILINE
    )
    names = re.findall(r'- (?:textbox|searchbox|combobox) "(.+?)"', tree)
    assert len(set(names)) == len(names) > 1, "two fields of one name cannot be told apart"
    # A chart is one picture: its parts are not read out one by one.
    charts = window.page.locator("figure[data-chart]")
    assert charts.count() >= 4
    for n in range(charts.count()):
        svg = charts.nth(n).locator("svg[role=img]")
        parts = svg.get_attribute("aria-labelledby").split()
        told = [window.page.locator(f"[id='{part}']").text_content().strip() for part in parts]
        assert len(parts) == 2
        assert all(told)
        # Its numbers stand in a table of the same section too.
        assert charts.nth(n).locator("xpath=ancestor::section[1]//table").count()


def test_the_headings_say_how_a_table_is_sorted(opened):
    window = opened()
    window.open(GWYNEDD, "en")
    heading = window.heading("schools", "uln")
    assert heading.get_attribute("aria-sort") in (None, "none")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
