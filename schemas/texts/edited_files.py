"""Reads files that people edit: their text, their TOML, and whether they fit a class; otherwise all faults at once.

An editor may add a byte-order mark, which is accepted, or use another encoding, which is a fault. Frozen `Checked`
dataclasses in the module of each file define its contents. Pydantic compares; its errors become sentences here, which show
no value unless a class asks for it (`Says`). Does not belong here: CSV of codes (`schemas.codes.code_table`).
To add a setting: a field in its class.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import ConfigurationFault

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationInfo
    from pydantic_core import CoreSchema, ErrorDetails

T = TypeVar("T")

#: Sentence by type of pydantic error; "fault.wrong_kind" for all others.
_SENTENCES = {
    "missing": "fault.missing_key",
    "extra_forbidden": "fault.unknown_key",
    "unexpected_keyword_argument": "fault.unknown_key",
    "enum": "fault.one_of",
    "literal_error": "fault.one_of",
    "string_type": "fault.a_text",
    "tuple_type": "fault.a_list",
    "bool_type": "fault.not_true_or_false",
    "dataclass_type": "fault.a_block",
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


class Checked:
    """Base of dataclasses that define a block or a row; unknown keys are refused."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


class Wrong(ValueError):
    """Raised by a `__post_init__`: the values of a block or row do not fit together."""

    def __init__(self, faults: Iterable[Bilingual]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(self.faults))

    @classmethod
    def unless(cls, *checks: tuple[object, Bilingual]) -> None:
        """Raise the sentences of the conditions that do not hold, if there are any."""
        faults = [fault for holds, fault in checks if not holds]
        if faults:
            raise cls(faults)


class Says:
    """In a field's annotation: a further condition on its value, and the sentence for its faults."""

    def __init__(
        self,
        key: str,
        holds: Callable[[Any], object] = lambda _: True,
        shows: Mapping[str, Callable[[Any], object]] | None = None,
        **places: object,
    ) -> None:
        """Describe the sentence.

        Args:
            key: of the sentence; its places `key`, `column` and `kind` are filled with the field's name.
            holds: whether a value of the right type is valid.
            shows: functions of the value, by the place they fill; other places do not show it.
            places: values of the other places.
        """
        self.key, self._holds, self._shows, self._places = key, holds, shows or {}, places

    def sentence(self, name: str, value: object) -> Bilingual:
        """Return the sentence for a field with that name and value."""
        shown = {place: show(value) for place, show in self._shows.items()}
        return bilingual(self.key, **{"key": name, "column": name, "kind": name, **self._places, **shown})

    def _checked(self, value: Any) -> Any:
        if not self._holds(value):
            raise ValueError
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Add the condition and the sentence to pydantic's schema."""
        from pydantic_core import core_schema  # noqa: PLC0415 - code that reads no file need not wait for pydantic

        checked = core_schema.no_info_after_validator_function(self._checked, handler(source))
        return core_schema.custom_error_schema(
            checked, self.key, custom_error_message=self.key, custom_error_context={"says": self}
        )


class Follows(Says):
    """In a field's annotation: its value is not before that of an earlier field; holds if either is missing."""

    def __init__(self, first: str, then: str) -> None:
        """Name the earlier field, and this one."""
        super().__init__("fault.order", first=first, then=then)
        self._first = first

    def _ordered(self, value: Any, info: "ValidationInfo") -> Any:
        first = (info.data or {}).get(self._first)
        if first and value and first > value:
            from pydantic_core import PydanticCustomError  # noqa: PLC0415

            raise PydanticCustomError("order", "order", {"says": self})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Add the condition to pydantic's schema."""
        from pydantic_core import core_schema  # noqa: PLC0415

        return core_schema.with_info_after_validator_function(self._ordered, handler(source))


#: A required text, list of texts, and positive whole number.
Text = Annotated[str, Says("fault.a_text", str.strip)]
Texts = Annotated[tuple[Text, ...], Says("fault.a_list", bool)]
Whole = Annotated[int, Says("fault.whole_number", lambda number: number >= 1)]


def one_of(allowed: Iterable[str]) -> Says:
    """Allow only some values."""
    words = tuple(allowed)
    return Says("fault.one_of", words.__contains__, allowed=", ".join(words))


def load(model: type[T], path: Path, own: Path | None = None, *, by_key: bool = False) -> T:
    """Return a shipped TOML file as a `model`, with the data root's file (`own`, may be missing) on top.

    A block of the data root replaces the shipped one, or if `by_key` only the keys that it has.

    Raises:
        ConfigurationFault: lists every fault of both files.
    """
    content, source = toml_of(text_of(path), path.name), path.name
    if own is not None and own.exists():
        source = f"reference/{own.name}"
        for name, block in toml_of(text_of(own, source), source).items():
            merge = isinstance(block, dict) and by_key
            content[name] = {**content.get(name, {}), **block} if merge else block
    return check(model, content, source)


def check(model: type[T], content: object, source: str, faults: Sequence[str] = ()) -> T:
    """Return the content of a file (values of TOML, JSON or CSV) as a `Checked` dataclass, or a container of them.

    Raises:
        ConfigurationFault: lists every fault, after the given `faults`; `source` is the file's name.
    """
    value, errors = compared(model, content)
    if errors or faults:
        raise ConfigurationFault(source, [*faults, *sentences(errors)])
    return value


def check_blocks(
    model: type[T],
    content: dict[str, Any],
    source: str,
    besides: Callable[[dict[str, T]], list[Bilingual]] = lambda _: [],
) -> dict[str, T]:
    """Return blocks of a class by their names in the file `source`; the field `id` is the name.

    `besides` returns faults between the valid blocks.

    Raises:
        ConfigurationFault: lists every fault of every block.
    """
    blocks, faults = named(content, "id")
    sound: dict[str, T] = {}
    for name, block in blocks.items():
        value, errors = compared(model, block)
        faults += sentences({**error, "loc": (name, *error["loc"])} for error in errors)
        sound |= {} if errors else {name: value}
    faults += besides(sound)
    if faults:
        raise ConfigurationFault(source, faults)
    return sound


def named(blocks: dict[str, Any], key: str) -> tuple[dict[str, Any], list[Bilingual]]:
    """Return blocks with their name under a key, and a fault for each block that has that key itself."""
    known = {name: block for name, block in blocks.items() if isinstance(block, dict)}
    faults = [
        bilingual("fault.unknown_key", key=key).at(_block([name])) for name, block in known.items() if key in block
    ]
    return {**blocks, **{name: {**block, key: name} for name, block in known.items()}}, faults


def compared(model: type[T], content: object) -> tuple[T, list["ErrorDetails"]]:
    """Return the object without errors, or all of pydantic's errors.

    Compared as strict JSON: a list may become any container and a text a date; no other type is converted.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - code that reads no file need not wait for pydantic

    try:
        adapter = _adapter(model)  # type: ignore[arg-type]
        value: T = adapter.validate_json(json.dumps(content, default=str), strict=True)
        return value, []
    except ValidationError as wrong:
        return None, wrong.errors(include_url=False)  # type: ignore[return-value]


@cache
def _adapter(model: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(model)


def sentences(errors: Iterable["ErrorDetails"], keys: Mapping[str, str] = {}) -> list[Bilingual]:
    """Return pydantic's errors in both languages, each after its block: `[2012-01]`, `[columns 3]`.

    `keys` are keys of unusual sentences by type of error; "" for all others. A type that begins with `fault.` is itself
    the key.
    """
    lines: dict[Bilingual, None] = {}
    for error in errors:
        if error["type"] == "value_error" and isinstance(error["ctx"]["error"], Wrong):
            lines |= dict.fromkeys(fault.at(_block(error["loc"])) for fault in error["ctx"]["error"].faults)
            continue
        at = error["loc"][:-1] if error["loc"][-1:] == ("[key]",) else error["loc"]
        last = max((n for n, part in enumerate(at) if isinstance(part, str)), default=-1)
        fault = _sentence(error, str(at[last]) if at else "", keys)
        # Some sentences already name their block.
        lines[fault if fault.en.startswith("[") else fault.at(_block(at[: max(last, 0)]))] = None
    return list(lines)


def _sentence(error: "ErrorDetails", name: str, keys: Mapping[str, str]) -> Bilingual:
    kind, context = error["type"], error.get("ctx", {})
    if "says" in context:
        line: Bilingual = context["says"].sentence(name, error["input"])
        return line
    key = (
        kind
        if kind.startswith("fault.")
        else keys.get(kind) or keys.get("") or _SENTENCES.get(kind, "fault.wrong_kind")
    )
    if error["loc"][-1:] == ("[key]",):
        key = "fault.unknown_key"
    elif kind == "string_type" and isinstance(error["loc"][-1], int):
        key = "fault.a_list"
    allowed = ", ".join(re.findall(r"'([^']*)'", str(context.get("expected", ""))))
    return bilingual(key, **{**context, "key": name, "column": name, "allowed": allowed})


def _block(at: Sequence[int | str]) -> str:
    """Return `[columns 3]` for a place in a file: blocks by name, items of a list by number."""
    parts = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")
    return f"[{parts}]" if parts else ""
