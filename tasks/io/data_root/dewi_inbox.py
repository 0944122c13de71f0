"""The DEWi inbox: returns as plain XML or in zips, opened in memory and never trusted; and the quarantine.

The quarantine keeps a refused file's bytes and reason under the hash of its content. Nothing read from a file decides a
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

from schemas.codes.quarantine_reasons import all_reasons
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused, ServiceFault
from tasks.io.data_root.data_root import write_whole

#: Far above any school's return (the largest are a few MiB), far below what could hurt the machine.
LARGEST_FILE = 64 * 2**20
LARGEST_ZIP = 256 * 2**20
MOST_MEMBERS = 1000
#: A return packs about 20:1, a zip bomb a thousand to one.
HIGHEST_RATIO = 200
_RATIO_FROM = 10 * 2**20
#: Python can stop unpacking at a bound only with these methods; with others it unpacks the whole member first.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DIRECTORY_ENTRY = b"PK\x01\x02"
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
#: Byte order marks, blanks, and the zero bytes of UTF-16.
_BEFORE_MARKUP = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_HEAD = 4096
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")
#: Reports and schemas that accompany a return and begin like XML.
_OTHER_MARKUP = (".htm", ".html", ".xhtml", ".xsd", ".xsl", ".xslt", ".svg")
_DRIVE = re.compile("[A-Za-z]:")


@dataclass(frozen=True)
class Arrival:
    """A file in the inbox.

    Attributes:
        path: relative to the inbox, as it can be stored and shown; bytes that are not UTF-8 are written as escapes.
        file: the path that opens it.
    """

    path: str
    file: Path


@dataclass(frozen=True)
class ReturnDocument:
    """The bytes of a return; `member` is its name inside a zip."""

    sha256: str
    data: bytes
    member: str | None


@dataclass(frozen=True)
class Opened:
    """The returns in a file, and the number of a zip's other members."""

    documents: list[ReturnDocument]
    left_out: int = 0


def list_arrivals(inbox: Path, la_code: str) -> list[Arrival]:
    """Return the files in an authority's folder, sorted; half-written and hidden ones are left for the next run."""
    folder = inbox / la_code
    if not folder.is_dir():
        return []
    files = (p for p in sorted(folder.iterdir()) if p.is_file() and may_be_whole(p))
    return [Arrival(storable(p.relative_to(inbox)), p) for p in files]


def files_at(inbox: Path, path: str) -> list[Path]:
    """Return every file whose `Arrival.path` is this path."""
    place = inbox / path
    # Only a path with a backslash can be the stored form of another name.
    return sorted(p for p in place.parent.glob("*") if storable(p) == storable(place)) if "\\" in path else [place]


def misplaced(inbox: Path, la_codes: Iterable[str]) -> list[str]:
    """Return the files that no run reads: those in no authority's folder, or in a folder below one.

    Paths are relative to the inbox and sorted; hidden and half-written files and hidden folders are left out.
    """
    folders = set(la_codes)
    files = (p.relative_to(inbox) for p in inbox.rglob("*") if p.is_file() and may_be_whole(p))
    return sorted(
        storable(file)
        for file in files
        if (len(file.parts) != 2 or file.parts[0] not in folders) and not any(p.startswith(".") for p in file.parts)
    )


def may_be_whole(path: Path) -> bool:
    """Whether a file's name is neither hidden nor that of a file that is still being written."""
    return not path.name.startswith(".") and path.suffix.lower() not in _HALF_WRITTEN


def storable(path: Path) -> str:
    """Return a file's name in a form that a table can store and a person can read.

    A name on disk is bytes. Python keeps bytes that are not UTF-8 as surrogates, which no table or file can hold.
    """
    return _visible(os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace"))


def _visible(name: str) -> str:
    """Escape the characters that control a terminal or hide the end of a name."""
    if name.isprintable():
        return name
    hidden = ("Cc", "Cf", "Zl", "Zp")
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in hidden else c for c in name)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's content, of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_arrival(path: Path) -> Opened:
    """Return the returns in a file: the file itself, or a zip's XML members in order of name.

    Raises:
        Refused: the file is not a return, is too large, or is a damaged or unsafe zip.
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
    """Return the bytes of a return, read from the inbox again; `path` is the `Arrival.path` of its file.

    Raises:
        ServiceFault: the file has gone or changed since it was received.
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
        raise Refused("zip_too_large")  # before Python makes an object of each
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            _check(bundle.infolist(), len(content))
            files = sorted((m for m in bundle.infolist() if _is_file(_name(m))), key=_name)
            wanted = [m for m in files if _is_return(bundle, m)]
            documents = [_read(bundle, m) for m in wanted]
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError):
        # The zip reader raises all of these on damaged or unusual content. It works in memory, so none is our fault.
        raise Refused("bad_zip") from None
    if not documents:
        raise Refused("zip_empty")
    return Opened(documents, len(files) - len(wanted))


def _name(member: zipfile.ZipInfo) -> str:
    """Return the name as the zip has it; `filename` cuts it at a NUL. Some Windows tools separate by backslashes."""
    return member.orig_filename.replace("\\", "/")


def _is_file(name: str) -> bool:
    # A Mac adds a shadow of each file: `__MACOSX/._x.xml` or `._x.xml`.
    return not name.endswith("/") and not name.startswith("__MACOSX/") and "/." not in f"/{name}"


def _is_return(bundle: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether the name ends in `.xml`; with other names, except `_OTHER_MARKUP`, whether the content begins like XML."""
    name = _name(member).lower()
    if name.endswith((".xml", *_OTHER_MARKUP)):
        return name.endswith(".xml")
    with bundle.open(member) as file:
        return _starts_like_xml(file.read(_HEAD))


def _check(members: list[zipfile.ZipInfo], packed: int) -> None:
    """Refuse a zip whose directory shows that it is unsafe.

    `packed`, the bytes of the whole zip, is the true measure if members share packed bytes.
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
    for reason, applies in checks.items():
        if applies:
            raise Refused(reason)


def _read(bundle: zipfile.ZipFile, member: zipfile.ZipInfo) -> ReturnDocument:
    with bundle.open(member) as file:
        # The declared size is only the sender's claim, so the read is bounded.
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Refused("zip_too_large")
    return ReturnDocument(hashlib.sha256(content).hexdigest(), content, _visible(_name(member)))


def quarantine(root: Path, sha256: str, content: bytes | None, file: str, refused: Refused) -> Path:
    """Keep a refused file and its reason in a folder named by the content's hash; return that folder.

    `content` is None for a file too large to keep twice: the inbox has it. reason.json names the `file`, and has the
    reason with its texts in both languages.
    """
    reason = {"file": file, "reason": refused.reason, "detail": refused.detail}
    texts = all_reasons()[refused.reason]
    reason |= {name: getattr(texts, name) for name in ("text_cy", "text_en", "action_cy", "action_en")}
    folder = root / "quarantine" / sha256
    if content is not None:
        write_whole(folder / _kept_name(content), content)
    text = json.dumps(reason, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_whole(folder / "reason.json", text.encode())
    return folder


def let_go(root: Path, accepted: Iterable[str]) -> None:
    """Remove from quarantine the files whose acceptance is recorded, by hash; the inbox still has them."""
    hashes = set(accepted)
    for folder in sorted((root / "quarantine").glob("*")):
        if folder.name in hashes:
            shutil.rmtree(folder)


def _kept_name(content: bytes) -> str:
    """Return a fixed name, never the sender's, with the extension that the bytes suggest, so that a person can open it."""
    if content.startswith(_ZIP_STARTS):
        return "file.zip"
    return "file.xml" if _starts_like_xml(content) else "file.bin"
