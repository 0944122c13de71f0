"""Faults: exceptions that stop work, in classes that keep a sender's faults apart from our own.

Their texts may be shown to anyone: they name files, schools, batches and columns, never a pupil.
No text is looked up here: a fault holds sentences made by its raiser (`schemas.texts.catalogue.bilingual`), or
`Message`s as text if the texts themselves are being read.
"""

from collections.abc import Sequence


class Message:
    """A sentence not yet made: the key of its text, and the values of its places."""

    def __init__(self, key: str, /, **places: object) -> None:
        self.key, self.places = key, places

    def __str__(self) -> str:
        """Return key and places, as the sentence for a fault in the texts themselves."""
        return f"{self.key} ({', '.join(f'{name}: {value}' for name, value in self.places.items())})"


class ConfigurationFault(Exception):
    """Data that people edit (a cycle, a layout, a code table, reference files) is wrong; lists every fault."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source = source
        self.faults = list(faults)
        super().__init__(f"{source}: " + "; ".join(faults))

    def __reduce__(self) -> tuple[type["ConfigurationFault"], tuple[str, list[str]]]:
        """Return the arguments for pickling."""
        return type(self), (self.source, self.faults)


class Refused(Exception):
    """A file sent to us cannot be used: the sender's fault; the file goes to quarantine with this reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)

    def __reduce__(self) -> tuple[type["Refused"], tuple[str, str]]:
        """Return the arguments for pickling."""
        return type(self), (self.reason, self.detail)


class ServiceFault(Exception):
    """Something of ours failed; one sentence with a next step."""


class TransientFault(ServiceFault):
    """Our storage or a server was unreachable or busy for a moment; work that hands nothing over may be retried."""
