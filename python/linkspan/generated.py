"""Support for generated code: readers that convert the value of a message to known types.

`linkspan schema generate --lang python` writes code that calls these. Its `decode` makes instances by a `Plan`; if the
bytes do not fit, the readers give the exact error. A reader returns the value in its type, or raises `WrongType` or
`OutOfRange` with the `path` in the message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from ._native import Plan as Plan
from .errors import Error, Missing, OutOfRange, WrongType
from .timestamp import Timestamp

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


@dataclass(frozen=True, kw_only=True)
class SchemaType:
    """Schema properties of a field that its annotation cannot express, for `typing.Annotated`.

    `Annotated[int, SchemaType("u16", unit="V", range=(0, 400))]`, with the keys of the notation. `linkspan schema
    import --from python` reads it.
    """

    #: An integer width for `int`, or `f32` for `float`.
    type: str | None = attribute(default=None, kw_only=False)
    #: The unit, in UCUM notation.
    unit: str | None = None
    #: The least and the greatest number, both included.
    range: tuple[float, float] | None = None
    #: The most bytes of a text in UTF-8 or of bytes, or the most values of a list.
    max_length: int | None = None
    #: The lengths of an array: numbers, `"*"` for any, or names. A name has one length in a message.
    shape: tuple[int | str, ...] | None = None
    #: The element type of an array, such as `f64`, if the annotation lacks it.
    dtype: str | None = None
    #: The order of an array in memory: `row` or `column`.
    order: str | None = None
    #: Older names of the field.
    alias: str | tuple[str, ...] = ()
    #: A description of the field.
    doc: str = ""


_LARGEST_F32 = 3.4028235677973366e38


def _wrong(expected: str, value: Any) -> WrongType:
    return WrongType(f"{expected} is expected, {value!r:.60} of type {type(value).__name__} was found")


def _under(error: Error, key: str) -> Error:
    key = key.replace("~", "~0").replace("/", "~1")
    error.path = key if error.path is None else f"{key}/{error.path}"
    return error


def anything(value: Any) -> Any:
    """Accepts any value."""
    return value


def boolean(value: Any) -> bool:
    """Reads a bool."""
    if value is True or value is False:
        return bool(value)
    raise _wrong("a bool", value)


def _integer(name: str, low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int:
            raise _wrong(name, value)
        if low <= value <= high:
            return value
        raise OutOfRange(f"{name} is expected, {value} was found")

    return read


i8, i16, i32, i64 = (_integer(f"i{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64))
u8, u16, u32, u64 = (_integer(f"u{bits}", 0, 2**bits - 1) for bits in (8, 16, 32, 64))


def _exact(name: str, value: Any, bits: int) -> float:
    if type(value) is not int:
        raise _wrong(name, value)
    if abs(value) <= 2**bits:
        return float(value)
    raise OutOfRange(f"{name} is expected, {value} was found")


def f64(value: Any) -> float:
    """Reads a float, or an integer that a float holds exactly."""
    return value if type(value) is float else _exact("f64", value, 53)


def f32(value: Any) -> float:
    """Reads a float that does not overflow in 32 bits; it keeps its 64."""
    if type(value) is not float:
        return _exact("f32", value, 24)
    if abs(value) < _LARGEST_F32 or math.isinf(value) or math.isnan(value):
        return value
    raise OutOfRange(f"f32 is expected, {value} was found")


def _of(kind: type[T], name: str) -> Callable[[Any], T]:
    def read(value: Any) -> T:
        if type(value) is kind:
            return value
        raise _wrong(name, value)

    return read


text = _of(str, "text")
block = _of(bytes, "bytes")
timestamp = _of(Timestamp, "a timestamp")
uuid = _of(UUID, "a UUID")
decimal = _of(Decimal, "a decimal number")


def items(read: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    """Reads a list."""

    def whole(value: Any) -> list[T]:
        if type(value) is not list:
            raise _wrong("a list", value)
        out = []
        try:
            for item in value:
                out.append(read(item))
        except Error as error:
            raise _under(error, str(len(out))) from None
        return out

    return whole


def entries(read: Callable[[Any], T]) -> Callable[[Any], dict[str, T]]:
    """Reads a map with arbitrary keys."""

    def whole(value: Any) -> dict[str, T]:
        return {key: field(value, read, key) for key in fields(value)}

    return whole


def array(dtype: str, shape: tuple[int | None, ...] | None = None, order: str | None = None) -> Callable[[Any], Any]:
    """Reads a NumPy array with this element type, and, if given, lengths (None for any) and order."""
    wanted = f"an array of {dtype}" + ("" if shape is None else f" {list(shape)}") + (f" in {order} order" if order else "")

    def read(value: Any) -> Any:
        found = getattr(value, "dtype", None)
        lengths = getattr(value, "shape", None)
        if found is None or lengths is None:
            raise _wrong(wanted, value)
        fits = str(found) == dtype and (
            shape is None
            or (len(lengths) == len(shape) and all(s is None or s == n for s, n in zip(shape, lengths, strict=True)))
        )
        if fits and order is not None:
            fits = value.flags.f_contiguous if order == "column" else value.flags.c_contiguous
        if fits:
            return value
        raise WrongType(f"{wanted} is expected, one of {found} {list(lengths)} was found")

    return read


def name(enum: type[E], default: E | None = None) -> Callable[[Any], E]:
    """Reads an enum member by its name on the wire; unknown names give the default, if there is one."""

    def read(value: Any) -> E:
        member = enum._value2member_map_.get(text(value), default)
        if member is not None:
            return member  # type: ignore[return-value]
        raise WrongType(f"one of {', '.join(m.value for m in enum)} is expected, {value!r} was found")

    return read


def fields(value: Any) -> dict[str, Any]:
    """Reads a map."""
    if type(value) is dict:
        return value
    raise _wrong("a map", value)


def field(fields: Mapping[str, Any], read: Callable[[Any], T], key: str, *aliases: str) -> T:
    """Reads the field under this key, or under an older one."""
    for known in (key, *aliases) if aliases else (key,):
        if known in fields:
            try:
                return read(fields[known])
            except Error as error:
                raise _under(error, known) from None
    raise _under(Missing(f"the field {key!r} is missing"), key)


def optional(fields: Mapping[str, Any], read: Callable[[Any], T], key: str, *aliases: str) -> T | None:
    """Reads the field under this key; None if it is absent or null."""
    for known in (key, *aliases):
        if fields.get(known) is not None:
            return field(fields, read, known)
    return None


def given(fields: Mapping[str, Any], read: Callable[[Any], T], default: Callable[[], T], key: str, *aliases: str) -> T:
    """Reads the field under this key; the default if it is absent."""
    for known in (key, *aliases):
        if known in fields:
            return field(fields, read, known)
    return default()


def variant(value: Any, readers: Mapping[str, Callable[[Any], T]]) -> T:
    """Reads a union: a map with exactly one variant."""
    found = fields(value)
    known = [key for key in found if key in readers]
    if len(found) != 1 or not known:
        raise WrongType(f"a map with exactly one of {', '.join(readers)} is expected, one of {', '.join(found)} was found")
    return field(found, readers[known[0]], known[0])
