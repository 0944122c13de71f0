"""Terms for exceptions: the ages by which they are counted, and the names of export files (`exceptions.toml`).

The shipped terms are a proposal. To change a bound or a word: in a data root's own `reference/exceptions.toml`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from schemas.texts.edited_files import Checked, Condition, load

_FILE = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True)
class ExceptionTerms:
    """The terms for exceptions.

    Attributes:
        bounds: ages in days, rising; the last age has no upper bound.
        export_words: a file is an export if its name, in lower case and without blanks, contains one of them.
    """

    bounds: tuple[int, ...]
    export_words: tuple[str, ...]

    @property
    def ages(self) -> tuple[str, ...]:
        """Return the names of the ages, rising: `0-7`, `8-28`, `29-90`, `91+`."""
        starts = [0, *(bound + 1 for bound in self.bounds)]
        return (*(f"{a}-{b}" for a, b in zip(starts, self.bounds, strict=False)), f"{starts[-1]}+")


class _Ageing(Checked):
    days: tuple[int, ...]


class _Export(Checked):
    named_like: tuple[str, ...]


class _Blocks(Checked):
    ageing: Annotated[_Ageing, Condition("fault.exceptions_ageing", lambda block: _rising(block.days))]
    export: Annotated[_Export, Condition("fault.exceptions_export", lambda block: _plain(block.named_like))]


def _rising(days: tuple[int, ...]) -> bool:
    return bool(days) and days[0] >= 0 and list(days) == sorted(set(days))


def _plain(words: tuple[str, ...]) -> bool:
    return bool(words) and all(word and word == "".join(word.lower().split()) for word in words)


def exception_terms(own: Path | None = None) -> ExceptionTerms:
    """Return the terms; blocks of a data root's file (`own`, may be missing) replace the shipped ones.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    blocks = load(_Blocks, _FILE, own)
    return ExceptionTerms(blocks.ageing.days, blocks.export.named_like)
