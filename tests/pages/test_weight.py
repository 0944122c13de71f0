"""What a browser loads to show a page; the bench has all Wales (`make bench PART=pages`)."""

from tests.bench.pages import _made, ready_once, spent_once, weights
from tests.pages.names import PAGES

#: Bytes.
_MOST = 1_000_000
#: Seconds of processor time.
_MOST_SPENT = 1.0


def test_no_page_is_heavier_than_a_megabyte(site):
    """The page of Wales has every school of the register on it, whoever takes part."""
    found = weights(site)
    assert set(found) >= {f"{folder} {lang}" for folder, lang in PAGES}
    assert max(found.values()) < _MOST
    assert {path.name for path in (site / "wales").iterdir()} == {
        "index.cy.html",
        "index.en.html",
        "site.css",
        "site.js",
    }


def test_a_page_tells_when_it_can_be_used_and_its_tables_sort_at_once(browser, addresses):
    """In processor time of the page's own thread, which a busy machine hardly stretches; the bench has it by the clock."""
    ready_once(browser, addresses["file"], "wales cy")  # the browser's own start
    assert 0.01 < min(spent_once(browser, addresses["file"], "wales cy") for _ in range(2)) < _MOST_SPENT


def test_the_bench_makes_all_pages_once_and_then_finds_none_due(played):
    found = _made(played)
    assert found["pages"] in (0, 23), "all of them, or the tests before this one have had them made"
    assert 0 < found["pages_look_cpu_s"] < found["pages_cpu_s"]
