"""What sorting does to a column of any kind: words, names, days and shares by the place that each cell says it has."""

from tests.pages.names import GWYNEDD

#: The places of a column's cells, in the order in which the rows are shown.
_PLACES = """(table, key) => { const at = [...table.tHead.rows[0].cells].findIndex(head => head.dataset.key === key);
    return [...table.tBodies[0].rows].map(row => Number(row.cells[at].dataset.sort)); }"""


def test_each_kind_of_column_goes_down_and_up_and_not_only_those_of_numbers(window):
    window.open(GWYNEDD, "en")
    moved = set()
    for name in window.state("[...document.querySelectorAll('table[data-table]')].map(t => t.dataset.table)"):
        for key in window.keys(name):
            button = window.heading(name, key).get_by_role("button")
            if not button.count():
                continue
            came, found = window.table(name).evaluate(_PLACES, key), {}
            for _ in range(2):
                button.click()
                found[window.heading(name, key).get_attribute("aria-sort")] = window.table(name).evaluate(_PLACES, key)
            assert found == {"ascending": sorted(came), "descending": sorted(came, reverse=True)}, (name, key)
            button.click()
            assert window.table(name).evaluate(_PLACES, key) == came, "the third time it is as it came"
            if found["ascending"] != found["descending"]:
                moved.add(key)
    assert moved >= {"school_name", "state", "returned_on", "share", "uln", "day", "receiver"}
