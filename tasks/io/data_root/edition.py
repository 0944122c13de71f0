"""Which edition of the service this process runs: equal where the same input must make the same bytes.

Belongs here: what the bytes depend on. To add a library that shapes what is written: its name in `_SHAPING`.
"""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]
#: Where the service's code and its shipped data stand.
_ROOMS = ("schemas", "expectations", "tasks", "data/reference")
#: Libraries that judge, order or write.
_SHAPING = (
    *(
        "anyascii",
        "deltalake",
        "great-expectations",
        "jinja2",
        "leather",
        "lxml",
        "numpy",
        "pandas",
        "polib",
        "pyarrow",
    ),
    *("typst", "tzdata", "xlsxwriter", "xml2arrow"),
)


@cache
def edition() -> str:
    """A hash over the service's code, its shipped data, and the versions of Python and of what shapes the bytes."""
    found = hashlib.sha256(platform.python_version().encode())
    for name in _SHAPING:
        found.update(f"{name} {version(name)}\n".encode())
    for room in _ROOMS:
        for path in sorted((_CHECKOUT / room).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                found.update(path.relative_to(_CHECKOUT).as_posix().encode() + b"\0")
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
