"""What these tests need and is not there fails with a sentence, and is not skipped."""

import pytest

from tests.engine import browser
from tests.engine.processes import NotInstalled, postgres_programs


def test_without_postgresql_the_tests_say_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalled, match="apt-get install postgresql"):
        postgres_programs(debian=tmp_path)


def test_the_newest_postgresql_is_taken(tmp_path):
    for version in ("9", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    assert postgres_programs(debian=tmp_path) == tmp_path / "15" / "bin"


def test_without_chromium_the_tests_say_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "CHROMIUM", tmp_path / "chromium")
    with pytest.raises(NotInstalled, match="apt-get install chromium"), browser.pages("http://127.0.0.1/api"):
        pass
