"""Reads files that people edit: their text, their TOML, and a check against a class, which reports all faults at once.

An editor may add a byte-order mark, which is accepted, or use another encoding, which is a fault. `Checked` classes in the
module of each file define its contents. Pydantic compares; its errors become sentences here, which show no value unless a
`Condition` asks for it. Does not belong here: CSV of codes (`schemas.codes.code_table`).
To add a setting: a field in its class.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import ConfigurationFault

T = TypeVar("T")
C = TypeVar("C", bound="Checked")

#: Sentence by type of pydantic error; "fault.wrong_kind" for all others.
_SENTENCES = {
    "missing": "fault.missing_key",
    "extra_forbidden": "fault.unknown_key",
    "enum": "fault.one_of",
    "literal_error": "fault.one_of",
    "string_type": "fault.a_text",
    "tuple_type": "fault.a_list",
    "bool_type": "fault.not_true_or_false",
    "model_type": "fault.a_block",
    "date_type": "fault.a_date",
    "date_parsing": "fault.a_date",
    "date_from_datetime_parsing": "fault.a_date",
}


def text_of(path: Path, source: str = "") -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark; `source` is its name in faults.

    Raises:
        ConfigurationFault: the file is in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationFault(source or path.name, [bilingual("fault.not_utf8")]) from None


def toml_of(content: str, source: str) -> dict[str, Any]:
    """Return the content of a TOML text; `source` is its name in faults.

    Raises:
        ConfigurationFault: the text is not TOML; says where.
    """
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationFault(source, [bilingual("fault.not_toml", reason=error)]) from None


class Checked(BaseModel):
    """Base of classes that define a block or a row; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def conditions(self) -> Iterable[tuple[object, Bilingual]]:
        """Return conditions between valid values: whether each holds, and the sentence for its fault."""
        return ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        faults = [fault for holds, fault in self.conditions() if not holds]
        if faults:
            raise PydanticCustomError("faults", "faults", {"faults": faults})
        return self


class Condition:
    """In a field's annotation: a further condition on its value, and the sentence for all faults of the value."""

    def __init__(self, key: str, holds: Callable[[Any], object], **places: object) -> None:
        """Describe the condition.

        Args:
            key: the sentence's key; its places `key`, `column` and `kind` are filled with the field's name.
            holds: whether a value of the right type is valid.
            places: fill the other places; a function there is called with the value, and no other place shows it.
        """
        self._key, self._holds, self._places = key, holds, places

    def _checked(self, value: Any) -> Any:
        if not self._holds(value):
            raise ValueError
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        """Add the condition and the sentence to pydantic's schema."""
        checked = core_schema.no_info_after_validator_function(self._checked, handler(source))
        return core_schema.custom_error_schema(
            checked, self._key, custom_error_message=self._key, custom_error_context=self._places
        )


def one_of(allowed: Iterable[str]) -> Condition:
    """Return a field's annotation: only these values are valid."""
    words = tuple(allowed)
    return Condition("fault.one_of", words.__contains__, allowed=", ".join(words))


def follows(first: str, then: str) -> AfterValidator:
    """Return a field's annotation: `then`, the field, is not before the earlier field `first`, if both have a value."""

    def ordered(value: Any, info: ValidationInfo) -> Any:
        earlier = info.data.get(first)
        if earlier and value and earlier > value:
            raise PydanticCustomError("fault.order", "fault.order", {"first": first, "then": then})
        return value

    return AfterValidator(ordered)


#: A required text, list of texts, and positive whole number.
Text = Annotated[str, Condition("fault.a_text", str.strip)]
Texts = Annotated[tuple[Text, ...], Condition("fault.a_list", bool)]
Whole = Annotated[int, Condition("fault.whole_number", lambda number: number >= 1)]


def load(model: type[T], path: Path, replacement: Path | None = None, *, by_key: bool = False) -> T:
    """Return a shipped TOML file as a `model`, with the data root's file (`replacement`, may be missing) on top.

    A block of the data root replaces the shipped one, or if `by_key` only the keys that it has.

    Raises:
        ConfigurationFault: a file is not UTF-8 or not TOML; otherwise lists every fault of the combined content.
    """
    content, source = toml_of(text_of(path), path.name), path.name
    if replacement is not None and replacement.exists():
        source = f"reference/{replacement.name}"
        for name, block in toml_of(text_of(replacement, source), source).items():
            merge = isinstance(block, dict) and by_key
            content[name] = {**content.get(name, {}), **block} if merge else block
    return check(model, content, source)


def check(model: type[T], content: object, source: str, faults: Sequence[str] = ()) -> T:
    """Return the content of a file (values of TOML, JSON or CSV) as a `Checked` class, or a container of them.

    Raises:
        ConfigurationFault: lists every fault, after the given `faults`; `source` is the file's name.
    """
    value, more = compared(model, content)
    if value is None or faults:
        raise ConfigurationFault(source, [*faults, *more])
    return value


def check_blocks(
    model: type[C],
    content: dict[str, Any],
    source: str,
    besides: Callable[[dict[str, C]], list[Bilingual]] = lambda _: [],
) -> dict[str, C]:
    """Return blocks of a class by their names in the file `source`; the field `id` is the name.

    `besides` returns faults between the valid blocks.

    Raises:
        ConfigurationFault: lists every fault of every block.
    """
    blocks, faults = named(content, "id")
    sound: dict[str, C] = {}
    for name, block in blocks.items():
        value, more = compared(dict[str, model], {name: block})  # type: ignore[valid-type]
        sound |= value or {}
        faults += more
    faults += besides(sound)
    if faults:
        raise ConfigurationFault(source, faults)
    return sound


def named(blocks: dict[str, Any], key: str) -> tuple[dict[str, Any], list[Bilingual]]:
    """Return blocks with their name under a key, and a fault for each block that has that key itself."""
    known = {name: block for name, block in blocks.items() if isinstance(block, dict)}
    faults = [bilingual("fault.unknown_key", key=key).at(f"[{name}]") for name, block in known.items() if key in block]
    return {**blocks, **{name: {**block, key: name} for name, block in known.items()}}, faults


def compared(model: type[T], content: object) -> tuple[T | None, list[Bilingual]]:
    """Return the object, or None and all faults.

    Compared as strict JSON: a list may become any container and a text a date; no other type is converted.
    """
    try:
        return TypeAdapter(model).validate_json(json.dumps(content, default=str), strict=True), []
    except ValidationError as wrong:
        return None, sentences(wrong.errors(include_url=False))


def sentences(errors: Iterable[ErrorDetails], keys: Mapping[str, str] = {}) -> list[Bilingual]:
    """Return pydantic's errors in both languages, each after its block: `[2012-01]`, `[columns 3]`.

    `keys` are keys of unusual sentences by type of error; "" for all others. A type that begins with `fault.` is itself
    the key.
    """
    lines: dict[Bilingual, None] = {}
    for error in errors:
        at, context = error["loc"], error.get("ctx", {})
        if "faults" in context:  # between the values of a block
            lines |= dict.fromkeys(fault.at(_block(at)) for fault in context["faults"])
            continue
        kind = error["type"]
        key = keys.get(kind) or keys.get("") or _SENTENCES.get(kind, "fault.wrong_kind")
        if at[-1:] == ("[key]",):
            at, key = at[:-1], "fault.unknown_key"
        elif kind == "string_type" and isinstance(at[-1], int):
            key = "fault.a_list"
        if kind.startswith("fault."):
            key = kind
        last = max((n for n, part in enumerate(at) if isinstance(part, str)), default=-1)
        name = str(at[last]) if at else ""
        allowed = ", ".join(re.findall(r"'([^']*)'", str(context.get("expected", ""))))
        filled = {place: value(error["input"]) if callable(value) else value for place, value in context.items()}
        fault = bilingual(key, **{"key": name, "column": name, "kind": name, "allowed": allowed, **filled})
        # Some sentences already name their block.
        lines[fault if fault.en.startswith("[") else fault.at(_block(at[: max(last, 0)]))] = None
    return list(lines)


def _block(at: Sequence[int | str]) -> str:
    """Return `[columns 3]` for a place in a file: blocks by name, items of a list by number."""
    parts = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")
    return f"[{parts}]" if parts else ""
