"""Where the folders are: the environment over the file, no secret where one may be read, all faults at once."""

import os

import pytest

from schemas.settings.locations import locations_of, parse_locations
from schemas.texts.faults import ConfigurationFault


def faults_of(content, environment=None, monkeypatch=None):
    for name, value in (environment or {}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationFault) as wrong:
        parse_locations(content, environment or {})
    return wrong.value


def test_nothing_said_is_below_the_data_root():
    assert parse_locations("", {}).named == {}


def test_the_environment_stands_over_the_file_and_no_secret_is_shown(monkeypatch):
    environment = {"ULN_WAY_LRS_INBOX__PASSWORD": "of-nobody", "ULN_WAY_LRS_INBOX__SETTLED_SECONDS": "3"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    way = parse_locations(
        '[lrs_inbox]\nurl = "sftp://uln@lrs.example:2222/in"\nsettled_seconds = 9\n', environment
    ).lrs_inbox
    assert way.settled_seconds == 3 and way.shown == "sftp://lrs.example:2222/in" and "of-nobody" not in repr(way)


def test_all_faults_are_told_at_once_and_no_value(monkeypatch):
    content = """
[dewi_inbox]
url = "sftp://uln:hidden@dewi.example/in"
[dewi_outbox]
url = "ftp://dewi.example/out"
[lrs_inbox]
url = "s3://lrs/in"
secret_key = "hidden"
known_hosts = "/x"
[lrs_out]
url = "s3://lrs/out"
"""
    fault = faults_of(content, {"ULN_WAY_LRS_OUTBX__URL": "s3://hidden"}, monkeypatch)
    english = [one.en for one in fault.faults]
    for words in (
        "secret_key may not stand in a file",
        "ULN_WAY_LRS_OUTBX__URL names no way",
        "[dewi_inbox] a URL may hold no password",
        "[dewi_outbox] the URL must begin",
        "[lrs_inbox] known_hosts is not a key",
        "[lrs_out] lrs_out is not a key",
    ):
        assert any(words in one for one in english), words
    assert "hidden" not in str(fault)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ('url = "s3://b/l"\nendpoint = "http://objects.example"', "endpoint must begin with https://"),
        ('url = "s3://b/l"\nendpoint = "objects.example"', "endpoint must begin with https://"),
        ('url = "s3://b/l"\nendpoint = "https://k:hidden@objects.example"', "endpoint must begin with https://"),
        ('url = "s3://b/l"\nendpoint = "https://objects.example/?sig=hidden"', "endpoint must begin with https://"),
        ('url = "s3://b/l"\nendpoint = "https://objects.example:hidden"', "endpoint cannot be read as an address"),
        ('url = "s3:///l"', "lacks its host, bucket or user"),
        ('url = "sftp://lrs.example/in"', "lacks its host, bucket or user"),
        ('url = "sftp://uln@lrs.example:hidden/in"', "url cannot be read as an address"),
        ('url = "sftp://uln@[hidden/in"', "must begin with one of"),
        ('url = "file://mnt/hidden"', "file:///folder"),
        ('url = "file:///"', "file:///folder"),
        ('url = "file://"', "file:///folder"),
    ],
)
def test_an_address_that_would_lead_elsewhere_or_in_the_open_is_refused(block, words):
    fault = faults_of(f"[lrs_outbox]\n{block}\n")
    assert [words in one.en and one.en.startswith("[lrs_outbox]") for one in fault.faults] == [True]
    assert "hidden" not in str(fault)


@pytest.mark.parametrize(
    "block",
    [
        'url = "s3://b/l"\nendpoint = "https://objects.example:9000/path"',
        'url = "s3://b"\nendpoint = "http://127.0.0.1:9000"',
        'url = "s3://b/l"\nendpoint = "http://[::1]:9000"',
        'url = "az://c/l"\naccount = "a"\nendpoint = "http://localhost:10000/a"',
        'url = "sftp://uln@[::1]:2222/in"',
        'url = "file:///mnt/uln%20wales"',
    ],
)
def test_an_address_that_is_sound_is_taken(block):
    assert list(parse_locations(f"[lrs_outbox]\n{block}\n", {}).named) == ["lrs_outbox"]


def test_a_file_that_a_windows_editor_saved_is_read_and_one_in_another_encoding_is_told(tmp_path):
    file = tmp_path / "ways.toml"
    file.write_bytes("\ufeff# tŷ\n[lrs_inbox]\nurl = 'file:///x'\n".encode())
    assert locations_of(tmp_path).lrs_inbox.folder == "/x"
    file.write_bytes("# tŷ\n[lrs_inbox]\nurl = 'file:///x'\n".encode("iso8859-14"))
    os.utime(file, (1, 1))
    with pytest.raises(ConfigurationFault, match="not UTF-8"):
        locations_of(tmp_path)
