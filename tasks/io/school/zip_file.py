"""A school's zip in DEWi: workbook and, if it has ULNs, CTF and CSV for examinations. Equal content gives equal bytes."""

import datetime as dt
import io
import stat
import zipfile
from collections.abc import Collection

_UNIX = 3


def zip_name(school_number: str, cycle_id: str, number: int) -> str:
    """Return the zip's name, e.g. `ULN_6604025_2012-01_001.zip`; the school's files are numbered from 1."""
    return f"ULN_{school_number}_{cycle_id}_{number:03d}.zip"


def write_zip(files: dict[str, bytes], at: dt.datetime) -> bytes:
    """Pack files by name, each readable by its owner only and dated `at` (local; zip stores it to two seconds)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
            member.create_system = _UNIX  # otherwise the bytes would differ between operating systems
            member.external_attr = (stat.S_IFREG | 0o600) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, files[name])
    return buffer.getvalue()


def members_naming(name: str, content: bytes, texts: Collection[str]) -> list[str]:
    """Return the files of a delivery that contain one of the texts, sorted; workbooks, which are zips too, are searched.

    Args:
        name: the delivery's file name: a school's zip holds several files, an authority's workbook is one file.
        content: the delivery.
        texts: ASCII letters and digits, in capitals; files may have them in small letters.
    """
    wanted = [text.encode("ascii") for text in texts]
    if not name.endswith(".zip"):
        return [name] if _names(content, wanted) else []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return sorted(member for member in archive.namelist() if _names(archive.read(member), wanted))


def _names(content: bytes, wanted: list[bytes]) -> bool:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            return any(_names(inner.read(name), wanted) for name in inner.namelist())
    capitals = content.upper()
    return any(text in capitals for text in wanted)
