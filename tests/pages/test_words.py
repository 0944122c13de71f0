"""The pages' languages: each piece of text is marked with its own, and nothing is said in the wrong one."""

import re

import pytest

from tests.pages.names import PAGES

#: Every text with the language that it is marked with: of elements, of what is read out, of what is shown in empty fields.
_TEXTS = """() => {
    const found = [];
    const say = (node, text) => text && text.trim() &&
        found.push([node.closest('[lang]').lang, text.trim(), !!node.closest('[translate=no], script, style')]);
    const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) say(walk.currentNode.parentElement, walk.currentNode.data);
    for (const node of document.querySelectorAll('*')) {
        for (const name of ['aria-label', 'title', 'alt', 'placeholder', 'aria-description', 'data-label', 'data-shown']) {
            say(node, node.getAttribute(name));
        }
    }
    return found;
}"""
#: Words that are of one language alone, and of no school's name.
_WORDS = {
    "cy": "yr|mae|wedi|dysgwyr|dysgwr|heb|gan|yn|ac|eu|nad|oes|hyn|hon|ar gyfer|ysgolion|gyda|mewn|cyfeiriad|o'r|i'r|sydd",
    "en": "the|of|with|has|have|are|was|were|schools|learners|learner|batches|by|which|that|there|their|sent|and|not|for",
}
_OF = {lang: re.compile(rf"(?<![\w'’])(?:{words})(?![\w'’])", re.IGNORECASE) for lang, words in _WORDS.items()}


@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_every_text_is_marked_with_its_language(opened, folder, lang):
    window = opened()
    window.open(folder, lang)
    assert window.state("document.documentElement.lang") == lang
    texts = window.state(_TEXTS)
    wrong = [
        (marked, text, of)
        for marked, text, apart in texts
        for of, words in _OF.items()
        if not apart and of != marked and words.search(text)
    ]
    assert wrong == []
    assert {marked for marked, _, _ in texts} == {"cy", "en"}, "the switch at least is in the other language"
    assert sum(marked == lang for marked, _, _ in texts) > 100
    said = " ".join(text for marked, text, _ in texts if marked == lang)
    assert len(_OF[lang].findall(said)) > 20, "the words that are looked for do stand there"


@pytest.mark.parametrize(("folder", "lang"), PAGES)
def test_a_page_has_a_title_of_its_own_in_its_language(opened, folder, lang):
    window = opened()
    window.open(folder, lang)
    title, heading = window.page.title(), window.page.locator("h1").inner_text()
    assert title
    assert set(re.findall(r"\w+", heading)) & set(re.findall(r"\w+", title))
    assert not _OF["en" if lang == "cy" else "cy"].search(title)


def test_every_page_has_another_title(opened):
    window = opened()
    titles = []
    for folder, lang in PAGES:
        window.open(folder, lang)
        titles.append(window.page.title())
    assert len(set(titles)) == len(PAGES)
