"""axe-core in the real browser finds nothing: WCAG 2.2 AA and its best practices, every page, wide, narrow and as printed."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.pages.names import GWYNEDD, PAGES

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_ASKED = {"runOnly": {"type": "tag", "values": _TAGS}, "resultTypes": ["violations", "incomplete"]}
_VIEWS = {"wide": {"width": 1280}, "narrow": {"width": 320, "height": 640}, "print": {"width": 1020}}
#: What axe cannot tell by itself here, and a test of ours does: none.
_NOT_TOLD: set[str] = set()


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


def test_axe_would_find_something(opened):
    """A picture without a text: else the tests above say nothing."""
    window = opened()
    window.open(GWYNEDD, "en")
    window.state("document.querySelector('main').append(document.createElement('img'))")
    assert {"image-alt"} <= {rule for rule, _, _ in found_by_axe(window)["violations"]}
