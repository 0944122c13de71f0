"""What people edit is read whatever their editor puts before it, and told by name where it cannot be read."""

import codecs

import pytest

from schemas.settings.terms import all_retention, exception_terms, how_watched, volume_bounds
from schemas.texts import catalogue as texts
from schemas.texts import translations
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

OWN = {
    "exceptions.toml": (exception_terms, "# Sŵn\n"),
    "retention.toml": (all_retention, "# Sŵn\n"),
    "volume.toml": (volume_bounds, "[bounds]\nleast = 7\n"),
    "watching.toml": (how_watched, "# Sŵn\n"),
}


@pytest.mark.parametrize("name", OWN)
def test_a_file_of_ones_own_is_read_with_a_mark_before_it_and_told_by_name_in_another_encoding(name, tmp_path):
    load, content = OWN[name]
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    plain = load(path)
    path.write_bytes(codecs.BOM_UTF8 + content.encode())
    assert load(path) == plain
    path.write_bytes(f"# ŵyn\n{content}".encode("utf-16"))
    with pytest.raises(ConfigurationFault, match=f"reference/{name}: nid yw'n UTF-8.* / is not UTF-8"):
        load(path)


def test_what_comes_of_a_data_root_is_named_by_its_file_and_shows_no_value(tmp_path):
    path = tmp_path / "watching.toml"
    path.write_text('[starts]\ncensus_again_after_seconds = "MARKER"\n', encoding="utf-8")
    with pytest.raises(ConfigurationFault) as caught:
        how_watched(path)
    assert caught.value.source == "reference/watching.toml" and "MARKER" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert all(fault.cy != fault.en for fault in caught.value.faults)


def test_what_is_no_toml_is_told_with_its_place():
    assert toml_of("a = 1", "x.toml") == {"a": 1}
    with pytest.raises(ConfigurationFault, match=r"^x\.toml: nid yw'n TOML.* / is not TOML: .*line 2"):
        toml_of("a = 1\nb = ?\n", "x.toml")


def test_a_text_is_named_as_its_file_where_nobody_says_otherwise(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_bytes("ŵ".encode("utf-16"))
    with pytest.raises(ConfigurationFault, match=r"^codes\.csv: "):
        text_of(path)


@pytest.mark.parametrize("name", ["texts.csv", "cy.po"])
def test_the_texts_themselves_are_told_by_name_too(name, tmp_path, monkeypatch):
    of, place, read = {
        "texts.csv": (texts, "_FILE", texts.all_texts),
        "cy.po": (translations, "CATALOGUE", translations.all_translations),
    }[name]
    shipped, path = getattr(of, place), tmp_path / name
    read()
    monkeypatch.setattr(of, place, path)
    path.write_bytes(codecs.BOM_UTF8 + shipped.read_bytes())
    assert read.__wrapped__() == read()
    path.write_bytes(shipped.read_bytes() + "ŵ".encode("utf-16"))
    with pytest.raises(ConfigurationFault, match=rf"^{name}: .*(UTF-8|not_utf8)"):
        read.__wrapped__()
