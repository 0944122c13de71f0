"""Access to the data root for accounts besides the service's own: the data root's `reference/access.toml`.

Without that file there is none: folders are 0700 and files 0600. For a transfer agent under another account, name the
places in that file and give those folders its group (`chgrp`):

    group_reads = ["lrs/outbox"]
    group_writes = ["lrs/inbox"]

To let a group into another place: add the place to one of the two tuples. A place in neither cannot be opened to anyone.
"""

from typing import Annotated

from schemas.texts.edited_files import Checked, Condition, check, toml_of

#: Folders with files that leave the service, and folders with files that others bring; relative to the data root.
MAY_BE_READ = ("dewi/outbox", "lrs/outbox", "snapshots")
MAY_BE_WRITTEN = ("dewi/inbox", "lrs/inbox")

#: Modes for the owner alone; bits for a group that reads, writes or only passes. The setgid bit gives new files the group.
OWNER_FOLDER, OWNER_FILE = 0o700, 0o600
GROUP_READS, GROUP_WRITES, GROUP_PASSES = 0o2050, 0o2070, 0o010


def _place(places: tuple[str, ...]) -> Condition:
    return Condition("fault.no_such_place", places.__contains__, place=str, places=", ".join(places))


class Access(Checked):
    """The places where a group may list and read (`group_reads`), and also put files (`group_writes`)."""

    group_reads: tuple[Annotated[str, _place(MAY_BE_READ)], ...] = ()
    group_writes: tuple[Annotated[str, _place(MAY_BE_WRITTEN)], ...] = ()

    def mode(self, place: str) -> int:
        """Return the permission bits of a folder; `place` is relative to the data root, with `/`; empty for the root."""
        if place in self.group_writes:
            return OWNER_FOLDER | GROUP_WRITES
        if place in self.group_reads:
            return OWNER_FOLDER | GROUP_READS
        above = f"{place}/" if place else ""
        leads_to_shared = any(shared.startswith(above) for shared in (*self.group_reads, *self.group_writes))
        return OWNER_FOLDER | (GROUP_PASSES if leads_to_shared else 0)


def parse_access(content: str, source: str = "reference/access.toml") -> Access:
    """Return the access in a TOML text; `source` is its name in faults.

    Raises:
        ConfigurationFault: lists every unknown key and place.
    """
    return check(Access, toml_of(content, source), source)
