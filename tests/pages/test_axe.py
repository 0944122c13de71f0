"""axe-core in the real browser finds nothing: WCAG 2.2 AA and its best practices, every page, wide, narrow and as printed."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.pages.names import GWYNEDD, PAGES, WALES

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Without its preloading: it would ask for the style a second time, by a way that the pages' policy forbids.
_ASKED = {
    "runOnly": {"type": "tag", "values": _TAGS},
    "resultTypes": ["violations", "incomplete"],
    "preload": False,
}
_VIEWS = {"wide": {"width": 1280}, "narrow": {"width": 320, "height": 640}, "print": {"width": 1020}}
#: What axe cannot tell where something moves or is drawn, and the test of contrast below does.
_NOT_TOLD = {"color-contrast"}
#: The contrast of each text with what is behind it: the nearest colour that covers, of those that it stands in.
_CONTRASTS = """() => {
    const parts = c => (c.match(/[0-9.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const behind = n => { for (let p = n; p; p = p.parentElement) {
        const c = parts(getComputedStyle(p).backgroundColor);
        if (c.length === 3 || c[3] === 1) return c;
    } return [255, 255, 255]; };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walk.nextNode()) {
        const n = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || !n.checkVisibility()) continue;
        const style = getComputedStyle(n);
        const [one, other] = [parts(n.closest('svg') ? style.fill : style.color), behind(n)].map(light);
        const ratio = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
        found.push([ratio, n.outerHTML.slice(0, 100)]);
    }
    return found;
}"""


def found_by_axe(window):
    """What axe finds wrong, and what it could not tell; each as rule and place."""
    result = Axe().run(window.page, options=_ASKED).response
    assert result["testEngine"]["name"] == "axe-core"
    assert len(result["passes"]) > 20, "it looked"
    return {
        kind: [
            (one["id"], node["target"], node.get("failureSummary", "")) for one in result[kind] for node in one["nodes"]
        ]
        for kind in ("violations", "incomplete")
    }


@pytest.mark.parametrize("view", sorted(_VIEWS))
@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_axe_finds_nothing(opened, folder, lang, view):
    window = opened(**_VIEWS[view])
    window.open(folder, lang)
    if view == "print":
        window.page.emulate_media(media="print")
    found = found_by_axe(window)
    assert found["violations"] == []
    assert [one for one in found["incomplete"] if one[0] not in _NOT_TOLD] == []


def test_axe_finds_nothing_after_a_table_was_sorted_and_narrowed_to_nothing(opened):
    window = opened()
    window.open(GWYNEDD, "en")
    window.heading("schools", "uln").get_by_role("button").click()
    window.page.locator('input[data-filter="schools"]').fill("no school is called so")
    assert found_by_axe(window)["violations"] == []


@pytest.mark.parametrize("view", sorted(_VIEWS))
@pytest.mark.parametrize("folder", [GWYNEDD, WALES])
def test_every_text_has_contrast_enough(opened, folder, view):
    window = opened(**_VIEWS[view])
    window.open(folder, "cy")
    if view == "print":
        window.page.emulate_media(media="print")
    found = window.state(_CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []


def test_axe_would_find_something(opened):
    """A picture without a text: else the tests above say nothing."""
    window = opened()
    window.open(GWYNEDD, "en")
    window.state("document.querySelector('main').append(document.createElement('img'))")
    assert {"image-alt"} <= {rule for rule, _, _ in found_by_axe(window)["violations"]}
