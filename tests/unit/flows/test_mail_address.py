"""A mail server's address becomes what the notification library takes; a wrong one is told before anything is saved."""

import pytest
from apprise import Apprise

from flows.services.notify import mail_address
from schemas.texts.faults import ConfigurationFault

#: The library loads a plug-in that asks for something old.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.mark.parametrize(
    ("server", "host", "port", "mode", "sender", "user"),
    [
        ("smtps://mail.example.org", "mail.example.org", 465, "ssl", "team@example.org", None),
        ("smtps://me:p%40ss@mail.example.org:4650?from=uln@example.org", "mail.example.org", 4650, "ssl", "uln@example.org", "me"),
        ("smtp+starttls://mail.example.org?from=uln@example.org", "mail.example.org", 587, "starttls", "uln@example.org", None),
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, "insecure", "team@example.org", None),
    ],
)  # fmt: skip
def test_the_library_reads_what_was_meant(server, host, port, mode, sender, user):
    made = Apprise.instantiate(mail_address("team@example.org", server))
    assert (made.smtp_host, made.port, made.secure_mode) == (host, port, mode)
    assert made.from_addr[1] == sender and [address for _, address in made.targets] == ["team@example.org"]
    assert made.user == user and made.password == ("p@ss" if user else None)


@pytest.mark.parametrize(
    "server", [None, "", "mail.example.org", "http://mail.example.org", "smtp://", "smtp://host:port"]
)
def test_a_server_that_cannot_be_read_is_refused(server):
    with pytest.raises(ConfigurationFault, match="ULN_SMTP"):
        mail_address("team@example.org", server)


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ConfigurationFault):
        mail_address("team", "smtp://127.0.0.1")
