"""Names and codes that would do something stay text in the browser, and a page runs nothing but its own program."""

import re

from tests.pages.names import GWYNEDD, HOSTILE, HOSTILE_CODE, NEATH, WALES


def test_hostile_names_and_codes_are_text(window):
    """No element is made of them, no dialog opens (the window would tell), and they stand there as they are spelled."""
    window.open(NEATH, "en")
    names = window.column("schools", "school_name")
    assert set(HOSTILE) <= set(names)
    assert HOSTILE_CODE in window.column("exceptions", "return_code")
    assert window.state("document.querySelectorAll('img, iframe, object, embed, [onerror], [onclick]').length") == 0
    assert window.state("[...document.scripts].every(s => s.src)")
    assert window.state("[...document.querySelectorAll('style, [style]')].length") == 0
    window.page.locator('input[data-filter="schools"]').fill("<script>")
    assert window.column("schools", "school_name") == [HOSTILE[0]]
    window.open(NEATH, "en", "#schools?schools.q=%3Cimg%20src%3Dx%20onerror%3Dalert(4)%3E")
    assert window.state("document.querySelectorAll('img').length") == 0
    window.open(WALES, "cy")
    assert set(HOSTILE) <= set(window.column("schools", "school_name"))


def test_the_policy_of_a_page_stops_what_is_not_its_own(opened):
    """A line of program put into the page does not run, and the browser says what stopped it."""
    window = opened()
    window.open(GWYNEDD, "en")
    window.state(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s); })()"
    )
    assert window.state("window.ran") is None
    assert window.stopped()
    policy = window.page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)
    window.open(GWYNEDD, "en")  # a page is as it was
    window.troubles.clear()
