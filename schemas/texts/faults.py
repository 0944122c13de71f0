"""The three ways in which work can stop, so that the sender's faults stay apart from our own.

Texts of these exceptions may be shown to anyone: they name files, schools, batches and columns, never a pupil.
"""

from collections.abc import Sequence


def told(key: str, /, **places: object) -> str:
    """A sentence in both languages (`schemas.texts.catalogue.both`), for the loaders of the texts themselves."""
    from schemas.texts.catalogue import both  # noqa: PLC0415 - the texts are read by loaders that have faults to tell

    return both(key, **places)


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


class PassingFault(ServiceFault):
    """Our own storage was away or busy for a moment: what only reads it, and writes to it, may be tried again."""
