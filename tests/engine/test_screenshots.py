"""The pictures in the docs are those that the command makes, and small."""

from tests.engine.screenshots import IMAGES, LARGEST, PICTURES
from tests.pages import screenshots as of_pages


def test_the_pictures_in_the_docs_are_those_that_are_made_and_small():
    lying = {path.stem: path.stat().st_size for path in IMAGES.iterdir()}
    assert lying.keys() == {picture.name for picture in (*PICTURES, *of_pages.PICTURES)}
    assert max(lying.values()) <= LARGEST
