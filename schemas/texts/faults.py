"""The ways in which work can stop, so that the sender's faults stay apart from our own.

Texts of these exceptions may be shown to anyone: they name files, schools, batches and columns, never a pupil.
Nothing here looks a text up: a fault holds sentences that its raiser made (`schemas.texts.catalogue.bilingual`), or,
where the texts themselves are read, `Message`s.
"""

from collections.abc import Sequence


class Message:
    """A sentence that is not yet made: the key of its text, and what fills its places."""

    def __init__(self, key: str, /, **places: object) -> None:
        self.key, self.places = key, places

    def __str__(self) -> str:
        """The key and the places: the sentence of a fault in the texts themselves."""
        return f"{self.key} ({', '.join(f'{name}: {value}' for name, value in self.places.items())})"


class ConfigurationFault(Exception):
    """Data that a person edits (a cycle, a layout, a code table, reference files) is wrong; lists every fault."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source = source
        self.faults = list(faults)
        super().__init__(f"{source}: " + "; ".join(faults))

    def __reduce__(self) -> tuple[type["ConfigurationFault"], tuple[str, list[str]]]:
        """How it gets from one process to another."""
        return type(self), (self.source, self.faults)


class Refused(Exception):
    """A file that was sent to us cannot be used: the sender's fault, ends in quarantine with this reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)

    def __reduce__(self) -> tuple[type["Refused"], tuple[str, str]]:
        """How it gets from one process to another."""
        return type(self), (self.reason, self.detail)


class ServiceFault(Exception):
    """Something of ours could not be done; one sentence with a next step."""


class TransientFault(ServiceFault):
    """Our own storage was away or busy for a moment: what only reads it, and writes to it, may be tried again."""
