"""How exceptions are told: the ages they are counted by, and which files count as exports (`exceptions.toml`).

Shipped as a proposal; a data root may have its own `reference/exceptions.toml`. To change a bound or a word: there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("exceptions.toml")
_KEYS = {"ageing": "days", "export": "named_like"}


@dataclass(frozen=True)
class ExceptionTerms:
    """The terms in which exceptions are told.

    Attributes:
        bounds: ages in days, rising; the last age of all has no bound.
        export_words: a file whose name holds one of them, in small letters and without blanks, is an export.
    """

    bounds: tuple[int, ...]
    export_words: tuple[str, ...]

    @property
    def ages(self) -> tuple[str, ...]:
        """The ages by name, rising: `0-7`, `8-28`, `29-90`, `91+`."""
        starts = [0, *(bound + 1 for bound in self.bounds)]
        return (*(f"{a}-{b}" for a, b in zip(starts, self.bounds, strict=False)), f"{starts[-1]}+")


def parse_exceptions(content: str, source: str = "exceptions.toml") -> dict[str, Any]:
    """Read blocks of terms.

    Args:
        content: the TOML text.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: with every unknown block and wrong value.
    """
    blocks = toml_of(content, source)
    faults = [both("fault.unknown_key", key=name) for name in sorted(set(blocks) - set(_KEYS))]
    for name, key in _KEYS.items():
        if name in blocks and not _sound(name, blocks[name], key):
            faults.append(both(f"fault.exceptions_{name}"))
    if faults:
        raise ConfigurationFault(source, faults)
    return {name: blocks[name][key] for name, key in _KEYS.items() if name in blocks}


def _sound(name: str, block: Any, key: str) -> bool:
    values = block.get(key) if isinstance(block, dict) and set(block) == {key} else None
    if not isinstance(values, list) or not values:
        return False
    if name == "ageing":
        return all(type(n) is int and n >= 0 for n in values) and values == sorted(set(values))
    return all(isinstance(word, str) and word and word == _plain(word) for word in values)


def _plain(text: str) -> str:
    return "".join(text.lower().split())


def exception_terms(own: Path | None = None) -> ExceptionTerms:
    """The terms.

    Args:
        own: a data root's file, whose blocks take the place of the shipped ones; may be missing.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    found = parse_exceptions(text_of(_FILE))
    if own is not None and own.exists():
        found |= parse_exceptions(text_of(own, f"reference/{own.name}"), f"reference/{own.name}")
    return ExceptionTerms(tuple(found["ageing"]), tuple(found["export"]))
