"""Where the folders are: the environment over the file, no secret where one may be read, all faults at once."""

import pytest

from schemas.faults import ConfigurationFault
from schemas.ways import parse_ways


def faults_of(content, environment=None, monkeypatch=None):
    for name, value in (environment or {}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationFault) as wrong:
        parse_ways(content, environment or {})
    return wrong.value


def test_nothing_said_is_below_the_data_root():
    assert parse_ways("", {}).named == {}


def test_the_environment_stands_over_the_file_and_no_secret_is_shown(monkeypatch):
    environment = {"ULN_WAY_LRS_INBOX__PASSWORD": "of-nobody", "ULN_WAY_LRS_INBOX__SETTLED_SECONDS": "3"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    way = parse_ways(
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
