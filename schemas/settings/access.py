"""Who besides the service's own account may open what stands in the data root: from the data root's `reference/access.toml`.

Without that file nobody: folders are 0700 and files 0600. A transfer agent of another account, which fetches what goes
out and brings what comes in, is let in by naming the places, and by giving those folders its group (`chgrp`):

    group_reads = ["lrs/outbox"]
    group_writes = ["lrs/inbox"]

To let a group into another place: add it to the tuple it belongs to. What is in neither can be opened to nobody.
"""

from dataclasses import dataclass
from typing import Annotated

from schemas.texts.edited_files import Checked, Says, check, toml_of

#: What leaves the service, and where others put what it takes in; relative to the data root.
MAY_BE_READ = ("dewi/outbox", "lrs/outbox", "snapshots")
MAY_BE_WRITTEN = ("dewi/inbox", "lrs/inbox")

#: The owner alone; the bits of a group that reads, and of one that writes. The sticky group keeps new files the group's.
OWNER_FOLDER, OWNER_FILE = 0o700, 0o600
GROUP_READS, GROUP_WRITES, GROUP_PASSES = 0o2050, 0o2070, 0o010


def _one_of(places: tuple[str, ...]) -> Says:
    return Says("fault.no_such_place", places.__contains__, {"place": str}, places=", ".join(places))


@dataclass(frozen=True)
class Access(Checked):
    """The places that a group is let into.

    Attributes:
        group_reads: it may list and read there.
        group_writes: it may also put files there.
    """

    group_reads: tuple[Annotated[str, _one_of(MAY_BE_READ)], ...] = ()
    group_writes: tuple[Annotated[str, _one_of(MAY_BE_WRITTEN)], ...] = ()

    def mode(self, place: str) -> int:
        """The permission bits of a folder.

        Args:
            place: relative to the data root, with `/`; empty for the data root itself.
        """
        if place in self.group_writes:
            return OWNER_FOLDER | GROUP_WRITES
        if place in self.group_reads:
            return OWNER_FOLDER | GROUP_READS
        above = f"{place}/" if place else ""
        leads_there = any(shared.startswith(above) for shared in (*self.group_reads, *self.group_writes))
        return OWNER_FOLDER | (GROUP_PASSES if leads_there else 0)


def parse_access(content: str, source: str = "reference/access.toml") -> Access:
    """Who is let in, as a TOML text says; `source` names it in faults.

    Raises:
        ConfigurationFault: with every key and place that is not known.
    """
    return check(Access, toml_of(content, source), source)
