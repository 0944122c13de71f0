"""What lies in the DEWi inbox: plain XML returns, and zips of one or many, opened in memory and never trusted.

Also keeps what was refused: the bytes and the reason, under the hash of the content. Nothing read from a file decides a
path.
"""

import hashlib
import io
import json
import lzma
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from schemas.faults import Refused
from tasks.io.data_root import write_whole

#: Far above any school's return (the largest are a few MiB), far below what could hurt the machine.
LARGEST_FILE = 256 * 2**20
LARGEST_ZIP = 2**30
MOST_MEMBERS = 1000
#: XML of this kind packs about 20:1; a bomb packs a thousand to one.
HIGHEST_RATIO = 200
_RATIO_FROM = 10 * 2**20
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_BEFORE_MARKUP = b"\xef\xbb\xbf \t\r\n"
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")


@dataclass(frozen=True)
class Arrival:
    """A file in the inbox, known by its content; `path` is relative to the inbox."""

    path: str
    sha256: str


@dataclass(frozen=True)
class ReturnDocument:
    """One return's bytes; `member` is its name inside a zip."""

    sha256: str
    data: bytes
    member: str | None


def list_arrivals(inbox: Path, la_code: str) -> list[Arrival]:
    """The files of an authority's folder, by name; half-written and hidden ones are left for the next run."""
    folder = inbox / la_code
    if not folder.is_dir():
        return []
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    whole = [p for p in files if p.suffix.lower() not in _HALF_WRITTEN]
    return [Arrival(p.relative_to(inbox).as_posix(), _sha256(p)) for p in whole]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_arrival(path: Path) -> list[ReturnDocument]:
    """The returns in a file: itself, or each XML member of a zip, by name.

    Raises:
        Refused: the file is not a return, too large, or a zip that is damaged or not safe.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise Refused("file_too_large")
    content = path.read_bytes()
    if content.startswith(_ZIP_STARTS):
        return _members(content)
    if path.suffix.lower() == ".zip":
        raise Refused("bad_zip")
    if path.suffix.lower() != ".xml" and not content.lstrip(_BEFORE_MARKUP).startswith(b"<"):
        raise Refused("not_a_return")
    return [ReturnDocument(hashlib.sha256(content).hexdigest(), content, None)]


def _members(content: bytes) -> list[ReturnDocument]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            _check(bundle.infolist(), len(content))
            wanted = sorted(i.filename for i in bundle.infolist() if _is_return(i.filename))
            documents = [_read(bundle, name) for name in wanted]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError):
        # All that the zip reader raises on damaged or unusual content; it works on memory, so none of it is our fault.
        raise Refused("bad_zip") from None
    if not documents:
        raise Refused("zip_empty")
    return documents


def _is_return(name: str) -> bool:
    # A Mac puts a shadow of each file beside it: `__MACOSX/._x.xml`, or `._x.xml`.
    return name.lower().endswith(".xml") and not name.startswith("__MACOSX/") and "/." not in f"/{name}"


def _check(members: list[zipfile.ZipInfo], packed: int) -> None:
    """Refuse what the zip's own directory shows to be unsafe.

    Args:
        members: the directory.
        packed: bytes of the whole zip; the true measure where members share the same packed bytes.
    """
    # The name as it stands in the zip; `filename` has already been cut at a NUL and has its separators turned.
    names = [m.orig_filename for m in members]
    unsafe = [n.startswith(("/", "\\")) or "\\" in n or ":" in n or "\0" in n or ".." in n.split("/") for n in names]
    links = [stat.S_ISLNK(m.external_attr >> 16) for m in members]
    sizes = [(m.file_size, m.compress_size) for m in members]
    size = sum(unpacked for unpacked, _ in sizes)
    checks = {
        "zip_encrypted": any(m.flag_bits & 0x1 for m in members),
        "zip_unsafe_name": any(unsafe) or any(links),
        "zip_duplicate_name": len(names) != len(set(names)),
        "zip_nested": any(n.lower().endswith((".zip", ".7z", ".rar", ".gz")) for n in names),
        "zip_too_large": len(members) > MOST_MEMBERS
        or size > LARGEST_ZIP
        or any(unpacked > LARGEST_FILE for unpacked, _ in sizes)
        or any(a > _RATIO_FROM and a > HIGHEST_RATIO * b for a, b in [*sizes, (size, packed)]),
    }
    for reason, found in checks.items():
        if found:
            raise Refused(reason)


def _read(bundle: zipfile.ZipFile, name: str) -> ReturnDocument:
    with bundle.open(name) as member:
        # The size that a zip declares is the sender's word; what is read is bounded.
        content = member.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Refused("zip_too_large")
    return ReturnDocument(hashlib.sha256(content).hexdigest(), content, name)


def quarantine(root: Path, sha256: str, content: bytes, reason: dict[str, str]) -> Path:
    """Keep a refused file and its reason.

    Args:
        root: the data root.
        sha256: of the content; names the folder.
        content: the refused bytes.
        reason: code, detail, and texts in both languages; becomes reason.json.
    """
    folder = root / "quarantine" / sha256
    write_whole(folder / _kept_name(content), content)
    text = json.dumps(reason, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_whole(folder / "reason.json", text.encode())
    return folder


def _kept_name(content: bytes) -> str:
    """A fixed name by what the bytes look like, so that a person can open the file; never the sender's own name."""
    if content.startswith(_ZIP_STARTS):
        return "file.zip"
    return "file.xml" if content.lstrip(_BEFORE_MARKUP).startswith(b"<") else "file.bin"
