"""Types of flow parameters, as Prefect's form shows them and as a run checks them.

Belongs here: types that several flows share; drop-downs take their values from `schemas` and the registers. Does not belong
here: what a flow does with a value. The message for a wrong value is in both languages and never repeats the value, because
every user of the engine reads it. To add a type: here, with its sentence `form.<name>` in `schemas/texts/texts.csv`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.cycles import SCHEDULED_KINDS, all_cycles
from schemas.texts.catalogue import bilingual
from tasks.io.data_root.reference import authorities

_CYCLES = list(all_cycles())
_LAS = [str(code) for code in authorities()["la_code"]]
#: How a rehearsal hands files over.
_TRANSPORTS = ["files", "sftp", "s3", "soap"]
#: A school's number: its authority's code and four digits.
_SCHOOL = r"^\d{7}$"


def _checked(key: str, sound: Callable[[Any], bool], **places: object) -> BeforeValidator:
    """Return a validator that accepts None and sound values, and rejects others in one sentence without the value."""

    def check(value: Any) -> Any:
        if value is None or sound(value):
            return value
        # The library fills placeholders in a message; the sentence goes in as a value, so braces in it stay as they are.
        raise PydanticCustomError("form", "{sentence}", {"sentence": str(bilingual(f"form.{key}", **places))})

    return BeforeValidator(check)


def _is_school(value: object) -> bool:
    return isinstance(value, str) and len(value) == len("6604025") and value.isdecimal() and value[:3] in _LAS


def _all_are(sound: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda values: isinstance(values, list) and all(map(sound, values))


def _is_moment(value: object) -> bool:
    try:
        dt.datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _choice(values: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": values}


def _several(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "uniqueItems": True, "items": {"type": "string", **items}}


class _NoDefault(dict[str, Any]):
    """A field's schema that drops its default.

    For an empty field whose schema has the default null, the form sends null, and the server refuses it. If the schema has
    no default, the form sends nothing, and the server would accept null.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "default":
            super().__setitem__(key, value)


@dataclass(frozen=True)
class _OrNone:
    """Schema of an optional field: the form shows it like a required one, without asking for its type first."""

    schema: dict[str, Any]

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        """Return the schema; the library calls this, then adds the parameter's default."""
        nullable = {"enum": [*self.schema["enum"], None]} if "enum" in self.schema else {}
        return _NoDefault(self.schema | nullable)


# The flow's own default decides whether a value may be left out.
_cycle = _checked("cycle", lambda value: value in _CYCLES, cycles=", ".join(_CYCLES))
_schools = _checked("schools", _all_are(_is_school), first=_LAS[0], last=_LAS[-1])
_number = _checked("number", lambda value: type(value) is int and value >= 0)
_A_NUMBER = {"type": "integer", "minimum": 0}

CycleId = Annotated[str, _cycle, WithJsonSchema(_choice(_CYCLES))]
MaybeCycleId = Annotated[str | None, _cycle, _OrNone(_choice(_CYCLES))]
MaybeKind = Annotated[
    str | None,
    _checked("kind", lambda value: value in SCHEDULED_KINDS, kinds=", ".join(SCHEDULED_KINDS)),
    _OrNone(_choice(list(SCHEDULED_KINDS))),
]
MaybeLas = Annotated[
    list[str] | None,
    _checked("las", _all_are(lambda value: value in _LAS), first=_LAS[0], last=_LAS[-1]),
    _OrNone(_several({"enum": _LAS})),
]
School = Annotated[
    str,
    _checked("school", _is_school, first=_LAS[0], last=_LAS[-1]),
    WithJsonSchema({"type": "string", "pattern": _SCHOOL}),
]
MaybeSchools = Annotated[list[str] | None, _schools, _OrNone(_several({"pattern": _SCHOOL}))]
MaybeMoment = Annotated[str | None, _checked("as_of", _is_moment), _OrNone({"type": "string"})]
MaybeFolder = Annotated[str | None, _checked("data", _is_text), _OrNone({"type": "string"})]
#: The form, and the server before it stores anything, refuse text that looks like a UPN or a postcode; a run checks again.
_NO_UPN = r"^(?![A-Za-z][0-9]{11}[0-9A-Za-z]$)[\s\S]+$"
_NO_PUPIL = (
    r"^(?![\s\S]*[A-Za-z][0-9]{11}[0-9A-Za-z])(?![\s\S]*\b[A-Za-z]{1,2}[0-9][0-9A-Za-z]? ?[0-9][A-Za-z]{2}\b)[\s\S]+$"
)
Ref = Annotated[str, _checked("ref", _is_text), WithJsonSchema({"type": "string", "pattern": _NO_UPN})]
Reason = Annotated[str, _checked("reason", _is_text), WithJsonSchema({"type": "string", "pattern": _NO_PUPIL})]
Number = Annotated[int, _number, WithJsonSchema(_A_NUMBER)]
MaybeNumber = Annotated[int | None, _number, _OrNone(_A_NUMBER)]
TransportName = Annotated[
    str,
    _checked("transport", lambda value: value in _TRANSPORTS, transports=", ".join(_TRANSPORTS)),
    WithJsonSchema(_choice(_TRANSPORTS)),
]
