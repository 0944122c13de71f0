"""The kind of file system that a folder is on, from the system's table of mounts; and the kinds that machines share."""

from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_SHARED = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "virtiofs",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "gfs2",
    "ocfs2",
    "afs",
    "glusterfs",
    "fuse.",
)


def file_system_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return an existing folder's kind of file system, such as `ext4` or `nfs4`; empty without a table of mounts.

    The table has a mount a line, with its folder and kind in the second and third column.
    """
    if not mounts.is_file():
        return ""
    whole, deepest = path.resolve(), ("", "")
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        _, place, kind, *_ = line.split(" ")
        place = place.replace(r"\040", " ")
        # Of two mounts on a folder the later one hides the earlier.
        if whole.is_relative_to(place) and len(place) >= len(deepest[0]):
            deepest = (place, kind)
    return deepest[1]


def is_shared(kind: str) -> bool:
    """Whether machines may share a file system of that kind."""
    return kind.startswith(_SHARED)
