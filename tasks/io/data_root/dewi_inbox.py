"""What lies in the DEWi inbox: plain XML returns, and zips of one or many, opened in memory and never trusted.

Also keeps what was refused: the bytes and the reason, under the hash of the content. Nothing read from a file decides a
path.
"""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused, ServiceFault
from tasks.io.data_root.data_root import write_whole

#: Far above any school's return (the largest are a few MiB), far below what could hurt the machine.
LARGEST_FILE = 64 * 2**20
LARGEST_ZIP = 256 * 2**20
MOST_MEMBERS = 1000
#: XML of this kind packs about 20:1; a bomb packs a thousand to one.
HIGHEST_RATIO = 200
_RATIO_FROM = 10 * 2**20
#: Only of these can a member be unpacked up to a bound; of others Python unpacks whatever is packed, before it is cut.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DIRECTORY_ENTRY = b"PK\x01\x02"
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
#: Byte order marks, blanks, and the empty halves of UTF-16.
_BEFORE_MARKUP = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_HEAD = 4096
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")
#: What starts like XML and is a report or a schema that lies beside a return.
_OTHER_MARKUP = (".htm", ".html", ".xhtml", ".xsd", ".xsl", ".xslt", ".svg")
_DRIVE = re.compile("[A-Za-z]:")


@dataclass(frozen=True)
class Arrival:
    """A file in the inbox.

    Attributes:
        path: relative to the inbox, as it can be stored and shown; bytes that are no UTF-8 are written as escapes.
        file: opens it.
    """

    path: str
    file: Path


@dataclass(frozen=True)
class ReturnDocument:
    """One return's bytes; `member` is its name inside a zip."""

    sha256: str
    data: bytes
    member: str | None


@dataclass(frozen=True)
class Opened:
    """The returns in a file, and how many other members of a zip were left out."""

    documents: list[ReturnDocument]
    left_out: int = 0


def list_arrivals(inbox: Path, la_code: str) -> list[Arrival]:
    """The files of an authority's folder, by name; half-written and hidden ones are left for the next run."""
    folder = inbox / la_code
    if not folder.is_dir():
        return []
    return [Arrival(storable(p.relative_to(inbox)), p) for p in sorted(folder.iterdir()) if p.is_file() and _whole(p)]


def files_at(inbox: Path, path: str) -> list[Path]:
    """The way back from `Arrival.path`: every file that is stored under that path."""
    place = inbox / path
    # Only a path with a backslash in it can stand for another name than its own.
    return sorted(p for p in place.parent.glob("*") if storable(p) == storable(place)) if "\\" in path else [place]


def misplaced(inbox: Path, la_codes: Iterable[str]) -> list[str]:
    """Files that no run will look at, as they lie in no authority's folder, or below one.

    Args:
        inbox: the DEWi inbox.
        la_codes: the authorities; each has a folder.

    Returns:
        Paths relative to the inbox, sorted; without hidden and half-written files, and those in hidden folders.
    """
    folders = set(la_codes)
    files = ((p, p.relative_to(inbox).parts) for p in inbox.rglob("*") if p.is_file() and _whole(p))
    return sorted(
        storable(Path(*parts))
        for _, parts in files
        if (len(parts) != 2 or parts[0] not in folders) and not any(part.startswith(".") for part in parts)
    )


def _whole(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() not in _HALF_WRITTEN


def storable(path: Path) -> str:
    """A file's name as a table can hold it and a person can be shown it.

    A name on disk is bytes; Python keeps those that are no UTF-8 as surrogates, which no table or file can hold.
    """
    return _visible(os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace"))


def _visible(name: str) -> str:
    """Without signs that a terminal obeys, or that hide what a name ends in; they are written as escapes."""
    if name.isprintable():
        return name
    hidden = ("Cc", "Cf", "Zl", "Zp")
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in hidden else c for c in name)


def sha256_of(path: Path) -> str:
    """The hash of a file's content, of whatever size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_arrival(path: Path) -> Opened:
    """The returns in a file: itself, or each member of a zip that is XML, by name.

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
    if path.suffix.lower() != ".xml" and not _starts_like_xml(content):
        raise Refused("not_a_return")
    return Opened([ReturnDocument(hashlib.sha256(content).hexdigest(), content, None)])


def document_at(inbox: Path, path: str, sha256: str) -> bytes:
    """The return with that content, opened from the inbox again.

    Args:
        inbox: the DEWi inbox.
        path: `Arrival.path` of the file that held it.
        sha256: of the return.

    Raises:
        ServiceFault: the file has gone from the inbox or has changed since it was received.
    """
    for file in files_at(inbox, path):
        try:
            documents = open_arrival(file).documents
        except (OSError, Refused):
            continue
        for document in documents:
            if document.sha256 == sha256:
                return document.data
    raise ServiceFault(bilingual("fault.return_gone", path=path))


def _starts_like_xml(content: bytes) -> bool:
    return content.lstrip(_BEFORE_MARKUP).startswith(b"<")


def _members(content: bytes) -> Opened:
    if content.count(_DIRECTORY_ENTRY) > MOST_MEMBERS:
        raise Refused("zip_too_large")  # before there is a Python object for each
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            _check(bundle.infolist(), len(content))
            files = sorted((m for m in bundle.infolist() if _is_file(_name(m))), key=_name)
            wanted = [m for m in files if _is_return(bundle, m)]
            documents = [_read(bundle, m) for m in wanted]
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError):
        # All that the zip reader raises on damaged or unusual content; it works on memory, so none of it is our fault.
        raise Refused("bad_zip") from None
    if not documents:
        raise Refused("zip_empty")
    return Opened(documents, len(files) - len(wanted))


def _name(member: zipfile.ZipInfo) -> str:
    """The name as it stands in the zip, which `filename` cuts at a NUL; some Windows tools separate by backslashes."""
    return member.orig_filename.replace("\\", "/")


def _is_file(name: str) -> bool:
    # A Mac puts a shadow of each file beside it: `__MACOSX/._x.xml`, or `._x.xml`.
    return not name.endswith("/") and not name.startswith("__MACOSX/") and "/." not in f"/{name}"


def _is_return(bundle: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether it is called XML, or starts like XML whatever it is called."""
    name = _name(member).lower()
    if name.endswith((".xml", *_OTHER_MARKUP)):
        return name.endswith(".xml")
    with bundle.open(member) as file:
        return _starts_like_xml(file.read(_HEAD))


def _check(members: list[zipfile.ZipInfo], packed: int) -> None:
    """Refuse what the zip's own directory shows to be unsafe.

    Args:
        members: the directory.
        packed: bytes of the whole zip; the true measure where members share the same packed bytes.
    """
    names = [_name(m) for m in members]
    unsafe = [n.startswith("/") or _DRIVE.match(n) or "\0" in n or ".." in n.split("/") for n in names]
    links = [stat.S_ISLNK(m.external_attr >> 16) for m in members]
    sizes = [(m.file_size, m.compress_size) for m in members]
    size = sum(unpacked for unpacked, _ in sizes)
    checks = {
        "zip_encrypted": any(m.flag_bits & 0x1 for m in members),
        "zip_other_method": any(m.compress_type not in _METHODS for m in members),
        "zip_unsafe_name": any(unsafe) or any(links),
        "zip_duplicate_name": len(names) != len(set(names)),
        "zip_nested": any(n.lower().endswith((".zip", ".7z", ".rar", ".gz")) for n in names),
        "zip_too_large": size > LARGEST_ZIP
        or any(unpacked > LARGEST_FILE for unpacked, _ in sizes)
        or any(a > _RATIO_FROM and a > HIGHEST_RATIO * b for a, b in [*sizes, (size, packed)]),
    }
    for reason, found in checks.items():
        if found:
            raise Refused(reason)


def _read(bundle: zipfile.ZipFile, member: zipfile.ZipInfo) -> ReturnDocument:
    with bundle.open(member) as file:
        # The size that a zip declares is the sender's word; what is read is bounded.
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Refused("zip_too_large")
    return ReturnDocument(hashlib.sha256(content).hexdigest(), content, _visible(_name(member)))


def quarantine(root: Path, sha256: str, content: bytes | None, reason: dict[str, str]) -> Path:
    """Keep a refused file and its reason.

    Args:
        root: the data root.
        sha256: of the content; names the folder.
        content: the refused bytes; None where they are too many to keep twice, the inbox has them.
        reason: code, detail, and texts in both languages; becomes reason.json.
    """
    folder = root / "quarantine" / sha256
    if content is not None:
        write_whole(folder / _kept_name(content), content)
    text = json.dumps(reason, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_whole(folder / "reason.json", text.encode())
    return folder


def let_go(root: Path, accepted: Iterable[str]) -> None:
    """Take out of quarantine what was accepted after all, so that it holds only what stands refused.

    Args:
        root: the data root.
        accepted: the hashes of files whose acceptance is recorded; the inbox still has them.
    """
    held = {folder.name for folder in (root / "quarantine").glob("*")}
    for sha256 in sorted(held.intersection(accepted)):
        shutil.rmtree(root / "quarantine" / sha256)


def _kept_name(content: bytes) -> str:
    """A fixed name by what the bytes look like, so that a person can open the file; never the sender's own name."""
    if content.startswith(_ZIP_STARTS):
        return "file.zip"
    return "file.xml" if _starts_like_xml(content) else "file.bin"
