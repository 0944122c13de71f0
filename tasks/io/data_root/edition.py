"""The edition of the service that this process runs: with the same edition, the same input makes the same bytes.

To add a library that affects the output: its name in `_SHAPING`.
"""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]
#: Folders of the service's code and its shipped data.
_ROOMS = ("schemas", "expectations", "tasks", "data/reference")
#: Libraries that can change what is decided, its order, or the bytes written.
_SHAPING = (
    *("anyascii", "deltalake", "great-expectations", "jinja2", "leather", "lxml", "numpy", "pandas"),
    *("polib", "pyarrow", "typst", "tzdata", "xlsxwriter", "xml2arrow"),
)


@cache
def edition() -> str:
    """Return a hash of the service's code, its shipped data, and the versions of Python and the libraries in `_SHAPING`."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in _SHAPING:
        digest.update(f"{name} {version(name)}\n".encode())
    for room in _ROOMS:
        for path in sorted((_CHECKOUT / room).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.relative_to(_CHECKOUT).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
