"""What is fuzzed: each target takes bytes as a reader gets them. All but a refusal is a failure."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from schemas.codes.quarantine_reasons import all_reasons
from schemas.lrs.profiles import all_profiles
from schemas.plasc.layouts import all_layouts
from schemas.texts.faults import Refused
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.lrs.files import read_result
from tasks.io.plasc.reader import read_return

CORPUS = Path(__file__).with_name("corpus")
_PROFILES, _LAYOUTS = all_profiles(), all_layouts()
#: Of a processor, for one input of some kilobytes; an honest return of a megabyte takes a tenth.
MOST_SECONDS = 5


class TooLong(Exception):
    """An input that took more time than its size can be worth."""


def plasc(content: bytes) -> None:
    """The reader of PLASC returns."""
    found = read_return(content, _LAYOUTS)
    assert len(found.pupils) == found.header.declared, "records were lost or made"


def lrs(content: bytes) -> None:
    """The reader of LRS results, CSV and XML."""
    rows = read_result(content, _PROFILES)
    assert rows["ordinal"].tolist() == list(range(1, len(rows) + 1)), "rows were lost or made"
    assert rows["ukprn"].notna().any() or rows.empty, "answers of nobody"


def zipped(content: bytes) -> None:
    """The opener of files in the DEWi inbox, as which a zip is told by its content."""
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(content)
        file.flush()
        for document in open_arrival(Path(file.name)).documents:
            parts = (document.member or "").split("/")
            assert ".." not in parts and parts[0], "a name that leads elsewhere"


TARGETS: dict[str, Callable[[bytes], None]] = {"plasc": plasc, "lrs": lrs, "zip": zipped}


def tried(target: str, content: bytes) -> str | None:
    """Give an input to a target.

    Returns:
        What it was refused for, None where it was taken.

    Raises:
        BaseException: whatever is no refusal with a reason that is told to people, and TooLong.
    """
    began = time.process_time()
    try:
        TARGETS[target](content)
        reason = None
    except Refused as refused:
        assert refused.reason in all_reasons(), refused.reason
        reason = refused.reason
    if time.process_time() - began > MOST_SECONDS:
        raise TooLong
    return reason
