"""Whom the engine tells when a run fails, is late or incomplete, or batches wait for a person: automations and channels.

`uln notify` makes them on the server, and makes them anew each time, so that they are as this module says; where the words
or the events change here, run it again. A channel is a notification block that the engine ships: a webhook, or e-mail
through a mail server. Addresses and passwords are secrets of the block and stand in no automation.
To add a cause: an entry of `_causes`; a channel: a function that saves a block, its name in `Channel`.
"""

import datetime as dt
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.run.events import Event
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault, ServiceFault


class Channel(StrEnum):
    """How a person is told; the name of its block on the server is `uln-<channel>`."""

    WEBHOOK = "webhook"
    EMAIL = "email"


#: The engine's block types of the channels. Its `slack-webhook` is the plain one that takes any address of the notification
#: library (Apprise), mail servers among them; the engine ships no block for e-mail through a server of one's own.
_TYPE = {Channel.WEBHOOK: "custom-webhook", Channel.EMAIL: "slack-webhook"}
_NAMES = "uln-"


def notify(again_after_hours: int, webhook: str | None, email: str | None, server: str | None) -> list[str]:
    """Make channels and automations, or bring them up to what this module says; a channel that is not named stays.

    Args:
        again_after_hours: how long the same is not told again.
        webhook: an address that takes JSON: `subject` and `body`.
        email: whom to write to.
        server: of the mail (`mail_address`).

    Returns:
        The channels that are told now.

    Raises:
        ConfigurationFault: there is no channel, or the mail server is missing or cannot be read.
    """
    if webhook is not None:
        _webhook(webhook).save(_block_name(Channel.WEBHOOK), overwrite=True)
    if email is not None:
        SlackWebhook(url=SecretStr(mail_address(email, server))).save(_block_name(Channel.EMAIL), overwrite=True)
    blocks = _blocks()
    if not blocks:
        raise ConfigurationFault("uln notify", [bilingual("fault.no_channel")])
    for name, (trigger, subject, body) in _causes(dt.timedelta(hours=again_after_hours)).items():
        actions: list[Any] = [_send(one, subject, body) for one in blocks.values()]
        _keep(
            AutomationCore(
                name=_NAMES + name, description=str(bilingual("notify.description")), trigger=trigger, actions=actions
            )
        )
    return [channel.value for channel in blocks]


def remove() -> int:
    """Take automations and channels away.

    Returns:
        How many automations there were.
    """
    gone = 0
    with get_client(sync_client=True) as client:
        for name in _causes(dt.timedelta()):
            for one in client.read_automations_by_name(_NAMES + name):
                client.delete_automation(one.id)
                gone += 1
        for block in _blocks().values():
            client.delete_block_document(block.id)
    return gone


def try_out() -> None:
    """Send a word to each channel, so that a person sees it arrive.

    Raises:
        ConfigurationFault: there is no channel.
        ServiceFault: one could not be reached; names the channel, not its address.
    """
    blocks = _blocks()
    if not blocks:
        raise ConfigurationFault("uln notify", [bilingual("fault.no_channel")])
    for channel in blocks:
        block: Any = Block.load(f"{_TYPE[channel]}/{_block_name(channel)}")
        try:
            with block.raise_on_failure():
                block.notify(body=str(bilingual("notify.try_body")), subject=str(bilingual("notify.try_subject")))
        except Exception as fault:  # noqa: BLE001 - whatever a library says holds the address
            raise ServiceFault(bilingual("fault.channel", channel=channel, fault=type(fault).__name__)) from None


def _block_name(channel: Channel) -> str:
    return _NAMES + channel.value


def _blocks() -> dict[Channel, BlockDocument]:
    """The channels that are there."""
    found = {}
    with get_client(sync_client=True) as client:
        for channel in Channel:
            try:
                found[channel] = client.read_block_document_by_name(_block_name(channel), _TYPE[channel])
            except ObjectNotFound:
                continue
    return found


def _webhook(url: str) -> CustomWebhookNotificationBlock:
    """The address is the block's secret: whoever has it may write there."""
    return CustomWebhookNotificationBlock(
        name="uln",
        url="{{url}}",
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
        secrets=SecretDict({"url": url}),
        headers=None,
        cookies=None,
    )


#: How the connection to a mail server is kept from others, by what its address begins with; as the library calls it.
_MAIL = {"smtp": "insecure", "smtp+starttls": "starttls", "smtps": "ssl"}


def mail_address(email: str, server: str | None) -> str:
    """Where a mail goes, as the notification library takes it.

    Args:
        email: whom to write to.
        server: `smtps://[user:password@]host[:port][?from=address]`; `smtp+starttls`; `smtp` without TLS.

    Raises:
        ConfigurationFault: the server is missing or cannot be read.
    """
    found = urlsplit(server or "")
    try:
        port = found.port
    except ValueError:
        port = -1
    if found.scheme not in _MAIL or not found.hostname or port == -1 or "@" not in email:
        raise ConfigurationFault("ULN_SMTP", [bilingual("fault.mail_server")])
    sender = parse_qs(found.query).get("from", [email])[0]
    user = f"{found.username}:{found.password or ''}@" if found.username else ""
    where = found.hostname if port is None else f"{found.hostname}:{port}"
    how = {"smtp": found.hostname, "to": email, "from": sender, "mode": _MAIL[found.scheme]}
    return f"{'mailto' if found.scheme == 'smtp' else 'mailtos'}://{user}{where}?{urlencode(how, quote_via=quote)}"


def _send(block: BlockDocument, subject: str, body: str) -> SendNotification:
    return SendNotification(type="send-notification", block_document_id=block.id, subject=subject, body=body)


def _keep(wanted: AutomationCore) -> None:
    """Make it, or bring the one of that name up to it; only one is left."""
    with get_client(sync_client=True) as client:
        there = client.read_automations_by_name(wanted.name)
        if there:
            client.update_automation(there[0].id, wanted)
        else:
            client.create_automation(wanted)
        for one in there[1:]:
            client.delete_automation(one.id)


def _causes(again_after: dt.timedelta) -> dict[str, tuple[EventTrigger, str, str]]:
    """What is told: when, under which subject, in which words; by the automation's name."""
    run = {"flow": "{{ flow.name }}", "run": "{{ flow_run.name }}", "state": "{{ flow_run.state.name }}"}
    run |= {"link": "{{ flow_run|ui_url or '' }}"}
    batches = {name: f"{{{{ event.payload.{name} }}}}" for name in ("stuck", "unconfirmed", "cycles")}
    incomplete = {"flow": "{{ event.resource.name }}", "faults": "{{ event.payload.faults }}"}
    places = {
        "failed-run": run,
        "late-run": run,
        "waiting-batches": batches | {"references": "{{ event.payload.references }}"},
        "incomplete-run": incomplete,
    }
    triggers = {
        "failed-run": _runs(("Failed", "Crashed", "TimedOut"), again_after),
        # Apart, so that a run that began late does not keep its own failure from being told.
        "late-run": _runs(("Late",), again_after),
        "waiting-batches": _again(Event.BATCHES_WAITING, "uln.batches.*", again_after),
        "incomplete-run": _again(Event.RUN_INCOMPLETE, "uln.flow.*", again_after),
    }
    return {name: (trigger, *_words(name, places[name])) for name, trigger in triggers.items()}


def _words(name: str, places: dict[str, str]) -> tuple[str, str]:
    """Subject and text, in both languages; of runs they are the same, the state is in them."""
    name = "failed-run" if name == "late-run" else name
    return str(bilingual(f"notify.{name}_subject", **places)), str(bilingual(f"notify.{name}_body", **places))


def _runs(states: tuple[str, ...], after: dt.timedelta) -> EventTrigger:
    """A poll that fails every half-hour is told once in a while; another flow's or deployment's failure at once."""
    return EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in states},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        for_each={"related:flow:prefect.resource.id", "related:deployment:prefect.resource.id"},
        threshold=1,
        posture=Posture.Reactive,  # an update sends only what was set
        within=after,
    )


def _again(event: Event, resources: str, after: dt.timedelta) -> EventTrigger:
    return EventTrigger(
        expect={event.value},
        match={"prefect.resource.id": resources},
        for_each={"prefect.resource.id"},
        threshold=1,
        posture=Posture.Reactive,
        within=after,
    )
