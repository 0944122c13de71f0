"""How long each kind of thing that holds pupils' data is kept: rows of data in `retention.toml`, read and checked here.

To change one: its block there, or in a data root's `reference/retention.toml`. To add a kind: a block, a member of `Kind`,
its words in `texts.csv` (`purge.<kind>`), and in `tasks.maintenance.purge` what is of that kind.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from schemas.texts.catalogue import both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("retention.toml")


class Kind(StrEnum):
    """What is kept for a while."""

    RETURNS = "returns"
    RESULTS = "results"
    REFUSED = "refused"
    BATCH_FILES = "batch_files"
    SCHOOL_FILES = "school_files"
    EVIDENCE = "evidence"
    LOGS = "logs"
    LAKE_VERSIONS = "lake_versions"
    PUPILS = "pupils"
    VERIFICATIONS = "verifications"


@dataclass(frozen=True)
class Retention:
    """For how long.

    Attributes:
        days: so many.
        decided: whether the data's controller has said so.
    """

    days: int
    decided: bool

    def cut_off(self, before: dt.date, today: dt.date) -> dt.date:
        """What is of an earlier day than this one may go: it is past its days, and was asked for."""
        return min(before, today - dt.timedelta(days=self.days))


def parse_retention(content: str, source: str = "retention.toml") -> dict[Kind, Retention]:
    """Read how long kinds are kept.

    Args:
        content: the TOML text, a block per kind.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: with every unknown kind and wrong or missing key.
    """
    blocks = toml_of(content, source)
    faults = [both("fault.unknown_key", key=kind) for kind in sorted(set(blocks) - set(Kind))]
    for kind, block in blocks.items():
        given = block if isinstance(block, dict) else {}
        sound = {"days", "decided"} == set(given) and type(given["days"]) is int and type(given["decided"]) is bool
        if not sound or given["days"] < 0:
            faults.append(both("fault.retention", kind=kind))
    if faults:
        raise ConfigurationFault(source, faults)
    return {Kind(kind): Retention(**block) for kind, block in blocks.items()}


def all_retention(own: Path | None = None) -> dict[Kind, Retention]:
    """How long every kind is kept.

    Args:
        own: a data root's file, whose blocks take the place of the shipped ones; may be missing.

    Raises:
        ConfigurationFault: a file is wrong, or a kind has no block.
    """
    found = parse_retention(text_of(_FILE), _FILE.name)
    if set(found) != set(Kind):
        raise ConfigurationFault(
            _FILE.name, [both("fault.retention", kind=kind) for kind in sorted(set(Kind) - set(found))]
        )
    if own is not None and own.exists():
        found |= parse_retention(text_of(own, f"reference/{own.name}"), f"reference/{own.name}")
    return found
