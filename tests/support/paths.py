"""Where the project, its packages and the golden files are."""

from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
GOLDEN = PROJECT / "tests" / "golden"
PACKAGES = ("schemas", "expectations", "tasks", "flows")


def modules(*folders: str) -> Iterator[Path]:
    """The Python files below some folders of the project, sorted; of the whole service where none is named."""
    for folder in folders or PACKAGES:
        yield from sorted((PROJECT / folder).rglob("*.py"))
