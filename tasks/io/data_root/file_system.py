"""Which kind of file system a folder lies on, as the system's table of mounts says; and which kinds machines share."""

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
    """The kind of file system, such as `ext4` or `nfs4`; empty where the system does not tell.

    Args:
        path: a folder that is there.
        mounts: the table: a mount a line, its place and its kind in the second and third column.
    """
    if not mounts.is_file():
        return ""
    whole, found = path.resolve(), ("", "")
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        _, place, kind, *_ = line.split(" ")
        place = place.replace(r"\040", " ")
        # Of two at one place the later one lies over the other.
        if whole.is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def is_shared(kind: str) -> bool:
    """Whether a file system of that kind may be another machine's too."""
    return kind.startswith(_SHARED)
