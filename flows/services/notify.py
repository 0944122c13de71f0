"""Notifications when a run fails, is late or incomplete, or when batches wait for a person: automations and channels.

`uln notify` writes them to the server, and brings them up to date with this module each time: run it again after a change of
texts or events. A channel is a notification block of the engine: a webhook, or e-mail through a mail server. Addresses and
passwords are secrets of the block and appear in no automation.
To add a cause: an entry in `_causes`; a channel: a function that saves a block, and its name in `Channel`.
"""

import datetime as dt
from collections.abc import Iterable
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
    """Channels of notification; the block of each on the server is `uln-<channel>`."""

    WEBHOOK = "webhook"
    EMAIL = "email"


#: The engine's block types of the channels. Its `slack-webhook` takes any address of the notification library (Apprise), so
#: a mail server's too; the engine has no block for e-mail through a given server.
_TYPE = {Channel.WEBHOOK: "custom-webhook", Channel.EMAIL: "slack-webhook"}
_NAMES = "uln-"


def notify(again_after_hours: int, webhook: str | None, email: str | None, server: str | None) -> list[str]:
    """Create channels and automations, or update them; a channel that is not named stays as it is.

    The same notification is sent again after some hours. A webhook takes JSON, `subject` and `body`; an e-mail goes through
    a server (`mail_address`).

    Returns:
        The channels that now get notifications.

    Raises:
        ConfigurationFault: there is no channel, the mail server is missing or cannot be read, or `email` has no @.
    """
    if webhook is not None:
        block = CustomWebhookNotificationBlock(
            name="uln",
            url="{{url}}",
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
            secrets=SecretDict({"url": webhook}),  # the address is a secret, because it lets anyone post there
            headers=None,
            cookies=None,
        )
        block.save(_NAMES + Channel.WEBHOOK, overwrite=True)
    if email is not None:
        SlackWebhook(url=SecretStr(mail_address(email, server))).save(_NAMES + Channel.EMAIL, overwrite=True)
    blocks = _blocks(required=True)
    for name, (trigger, subject, body) in _causes(dt.timedelta(hours=again_after_hours)).items():
        actions: list[Any] = [
            SendNotification(type="send-notification", block_document_id=block.id, subject=subject, body=body)
            for block in blocks.values()
        ]
        description = str(bilingual("notify.description"))
        _save(AutomationCore(name=_NAMES + name, description=description, trigger=trigger, actions=actions))
    return [channel.value for channel in blocks]


def remove() -> int:
    """Delete automations and channels, and return the number of automations."""
    deleted = 0
    with get_client(sync_client=True) as client:
        for name in _causes(dt.timedelta()):
            for automation in client.read_automations_by_name(_NAMES + name):
                client.delete_automation(automation.id)
                deleted += 1
        for block in _blocks(required=False).values():
            client.delete_block_document(block.id)
    return deleted


def try_out() -> None:
    """Send a test message to each channel.

    Raises:
        ConfigurationFault: there is no channel.
        ServiceFault: a channel could not be reached; the message names the channel, not its address.
    """
    for channel in _blocks(required=True):
        block: Any = Block.load(f"{_TYPE[channel]}/{_NAMES}{channel}")
        try:
            with block.raise_on_failure():
                block.notify(body=str(bilingual("notify.try_body")), subject=str(bilingual("notify.try_subject")))
        except Exception as fault:  # noqa: BLE001 - the library's messages contain the address
            raise ServiceFault(bilingual("fault.channel", channel=channel, fault=type(fault).__name__)) from None


def _blocks(*, required: bool) -> dict[Channel, BlockDocument]:
    """Return the blocks of the channels that exist on the server; refuse to go on without any, if one is required."""
    blocks = {}
    with get_client(sync_client=True) as client:
        for channel in Channel:
            try:
                blocks[channel] = client.read_block_document_by_name(_NAMES + channel, _TYPE[channel])
            except ObjectNotFound:
                continue
    if required and not blocks:
        raise ConfigurationFault("uln notify", [bilingual("fault.no_channel")])
    return blocks


#: The library's word for the encryption of a mail connection, by scheme of the server's address.
_MAIL = {"smtp": "insecure", "smtp+starttls": "starttls", "smtps": "ssl"}


def mail_address(email: str, server: str | None) -> str:
    """Return the notification library's address for a mail to `email`.

    The server is `smtps://[user:password@]host[:port][?from=address]`; or `smtp+starttls`; or `smtp`, without TLS.

    Raises:
        ConfigurationFault: the server is missing or cannot be read, or `email` has no @.
    """
    parts = urlsplit(server or "")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _MAIL or not parts.hostname or port == -1 or "@" not in email:
        raise ConfigurationFault("ULN_SMTP", [bilingual("fault.mail_server")])
    sender = parse_qs(parts.query).get("from", [email])[0]
    user = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
    where = parts.hostname if port is None else f"{parts.hostname}:{port}"
    how = {"smtp": parts.hostname, "to": email, "from": sender, "mode": _MAIL[parts.scheme]}
    return f"{'mailto' if parts.scheme == 'smtp' else 'mailtos'}://{user}{where}?{urlencode(how, quote_via=quote)}"


def _save(wanted: AutomationCore) -> None:
    """Create an automation, or update the existing one of its name; delete any others of that name."""
    with get_client(sync_client=True) as client:
        existing = client.read_automations_by_name(wanted.name)
        if existing:
            client.update_automation(existing[0].id, wanted)
        else:
            client.create_automation(wanted)
        for duplicate in existing[1:]:
            client.delete_automation(duplicate.id)


#: The fields of an event of the service that a notification's text names.
_EVENT_FIELDS = ("stuck", "unconfirmed", "cycles", "references", "faults")


def _causes(again_after: dt.timedelta) -> dict[str, tuple[EventTrigger, str, str]]:
    """Return the trigger, subject and text of each automation, by its name."""
    places = {name: f"{{{{ event.payload.{name} }}}}" for name in _EVENT_FIELDS}
    run = {"flow": "{{ flow.name }}", "run": "{{ flow_run.name }}", "state": "{{ flow_run.state.name }}"}
    run["link"] = "{{ flow_run|ui_url or '' }}"
    # By flow and deployment: a poll that fails every half hour notifies at intervals, another flow's failure at once.
    by_flow = {"related:flow:prefect.resource.id", "related:deployment:prefect.resource.id"}

    def cause(events: Iterable[str], resources: str, for_each: set[str], text: str, **more: str) -> Any:
        trigger = EventTrigger(
            expect=set(events),
            match={"prefect.resource.id": resources},
            for_each=for_each,
            threshold=1,
            posture=Posture.Reactive,  # the default, but an update sends only what was set
            within=again_after,
        )
        return trigger, *(str(bilingual(f"notify.{text}_{part}", **places | more)) for part in ("subject", "body"))

    def of_run(*states: str) -> Any:
        events = [f"prefect.flow-run.{state}" for state in states]
        return cause(events, "prefect.flow-run.*", by_flow, "failed-run", **run)

    def of_event(event: Event, resources: str, text: str) -> Any:
        return cause([event], resources, {"prefect.resource.id"}, text, flow="{{ event.resource.name }}")

    return {
        "failed-run": of_run("Failed", "Crashed", "TimedOut"),
        # Its own trigger, so that a notification of a late run does not suppress one of the same run's failure.
        "late-run": of_run("Late"),
        "waiting-batches": of_event(Event.BATCHES_WAITING, "uln.batches.*", "waiting-batches"),
        "incomplete-run": of_event(Event.RUN_INCOMPLETE, "uln.flow.*", "incomplete-run"),
    }
