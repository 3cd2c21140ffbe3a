"""Support for generated code of packed records: a fixed-size record to bytes, and back.

`path` of an exception names the wrong field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from . import generated as read
from ._native import PackedPlan
from .errors import Error, OutOfRange, WrongType
from .timestamp import Timestamp

if TYPE_CHECKING:
    import numpy as np

E = TypeVar("E", bound=Enum)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a field: for `struct`, for NumPy, and the conversions between value and `struct`."""

    format: str
    dtype: Any
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    #: The kind's name in the native module, and its data: enum members, or the functions of an array.
    kind: str
    parts: tuple[Any, ...] = ()


def _same(value: Any) -> Any:
    return value


def _truth(byte: int) -> bool:
    if byte > 1:
        raise OutOfRange(f"a truth value is 0 or 1 in a packed record, {byte} was found")
    return bool(byte)


boolean = Form("B", "?", read.boolean, _truth, "bool")
i8, i16, i32, i64 = (
    Form(letter, f"<i{size}", check, _same, "signed")
    for letter, size, check in [("b", 1, read.i8), ("h", 2, read.i16), ("i", 4, read.i32), ("q", 8, read.i64)]
)
u8, u16, u32, u64 = (
    Form(letter, f"<u{size}", check, _same, "unsigned")
    for letter, size, check in [("B", 1, read.u8), ("H", 2, read.u16), ("I", 4, read.u32), ("Q", 8, read.u64)]
)
f32 = Form("f", "<f4", read.f32, _same, "float")
f64 = Form("d", "<f8", read.f64, _same, "float")
timestamp = Form("q", "<M8[ns]", lambda value: read.timestamp(value).nanoseconds, Timestamp, "timestamp")
uuid = Form("16s", "V16", lambda value: read.uuid(value).bytes, lambda block: UUID(bytes=block), "uuid")


def position(enum: type[E], size: int) -> Form:
    """Stores the position of a member in its enum, as a number with `size` bytes."""
    members = list(enum)
    positions = {member: at for at, member in enumerate(members)}

    def write(value: Any) -> int:
        found = positions.get(value) if isinstance(value, enum) else None
        if found is None:
            raise WrongType(f"a member of {enum.__name__} is expected, {value!r} was found")
        return found

    def member(number: int) -> E:
        if number < len(members):
            return members[number]
        raise OutOfRange(f"an enum's number is below {len(members)} here, {number} was found")

    return Form({1: "B", 2: "H", 4: "I"}[size], f"<u{size}", write, member, "enum", tuple(members))


def array(dtype: str, shape: tuple[int, ...], order: str | None = None) -> Form:
    """Stores the elements of an array with this shape, by default in row order.

    NumPy's dtype has the lengths in row order. For column order they are reversed.
    """
    import numpy as np

    of: Any = np.dtype(dtype).newbyteorder("<")
    check = read.array(dtype, shape)
    letter: Any = "F" if order == "column" else "C"
    count = 1
    for length in shape:
        count *= length

    def write(value: Any) -> bytes:
        return bytes(np.asarray(check(value), dtype=of).tobytes(letter))

    def unpack(block: bytes) -> Any:
        if of.kind == "b":
            for byte in block:
                _truth(byte)
        return np.frombuffer(block, of).reshape(shape, order=letter).copy(letter)

    return Form(f"{count * of.itemsize}s", (of, shape if letter == "C" else shape[::-1]), write, unpack, "truths" if of.kind == "b" else "array", (write, unpack))


class Layout(Generic[R]):
    """The layout of a packed record: path, offset and form of each field, and the total size.

    `records` maps paths of inner records to their classes. Values that do not fit the native module's plan are handled
    here, field by field, for an exact error.
    """

    #: Packs a record, with zeros between the fields. `WrongType` or `OutOfRange` if a field does not fit.
    pack: Callable[[R], bytes]
    #: Unpacks an instance of a class. `WrongType` or `OutOfRange` for other messages.
    unpack: Callable[[type[R], Any], R]

    def __init__(
        self, cls: type[R], size: int, *fields: tuple[str, int, Form], records: Mapping[str, type[Any]] | None = None
    ) -> None:
        self.size = size
        self.fields = fields
        words, end = ["<"], 0
        for _, offset, form in fields:
            words.append("x" * (offset - end) + form.format)
            end = offset + struct.calcsize("<" + form.format)
        self._struct = struct.Struct("".join(words) + "x" * (size - end))
        self._attributes = _attributes(cls, [(path.split("/"), offset, form) for path, offset, form in fields], "", records or {})
        plan = PackedPlan(cls, size, self._attributes, self._pack_each, self._unpack_each)
        self.pack = plan.pack
        self.unpack = plan.unpack

    def _pack_each(self, record: R) -> bytes:
        values = list(_values(record, self._attributes))
        return self._struct.pack(*self._each([form.write for _, _, form in self.fields], values))

    def _unpack_each(self, cls: type[R], block: Any) -> R:
        if not isinstance(block, bytes):
            raise WrongType(f"bytes is expected, {block!r:.60} of type {type(block).__name__} was found")
        if len(block) != self.size:
            raise WrongType(f"{self.size} packed bytes are expected, {len(block)} were found")
        return _made(cls, self._attributes, iter(self._each([form.read for _, _, form in self.fields], self._struct.unpack(block))))

    def _each(self, ways: Sequence[Callable[[Any], Any]], values: Sequence[Any]) -> list[Any]:
        out: list[Any] = []
        try:
            for way, value in zip(ways, values, strict=True):
                out.append(way(value))
        except Error as error:
            error.path = self.fields[len(out)][0]
            raise
        return out

    def numpy_dtype(self) -> np.dtype[Any]:
        """Returns the dtype for an array of records: `numpy.frombuffer(block, dtype)`."""
        return _dtype([(path.split("/"), offset, form) for path, offset, form in self.fields], self.size)


#: An attribute and its description: a class with attributes, or a field with kind, size, offset and data.
_Attribute = tuple[str, Any]


def _attributes(cls: type[Any], fields: Sequence[tuple[list[str], int, Form]], under: str, records: Mapping[str, type[Any]]) -> list[_Attribute]:
    found: list[_Attribute] = []
    for name, key, _ in cls.__linkspan_fields__:
        inner = [(path[1:], offset, form) for path, offset, form in fields if path[0] == key]
        [path, offset, form] = inner[0]
        if path:
            of = records[under + key]
            found.append((name, (of, _attributes(of, inner, f"{under}{key}/", records))))
        else:
            found.append((name, (form.kind, struct.calcsize("<" + form.format), offset, form.parts)))
    return found


def _values(record: Any, attributes: Sequence[_Attribute]) -> Iterator[Any]:
    for name, of in attributes:
        value = getattr(record, name)
        if isinstance(of[0], str):
            yield value
        else:
            yield from _values(value, of[1])


def _made(cls: type[R], attributes: Sequence[_Attribute], values: Iterator[Any]) -> R:
    return cls(**{name: next(values) if isinstance(of[0], str) else _made(of[0], of[1], values) for name, of in attributes})


def _dtype(fields: list[tuple[list[str], int, Form]], size: int | None) -> np.dtype[Any]:
    import numpy as np

    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    for path, offset, form in fields:
        if path[0] in names:
            continue
        inner = [(rest[1:], at - offset, other) for rest, at, other in fields if rest[0] == path[0] and len(rest) > 1]
        names.append(path[0])
        formats.append(_dtype(inner, None) if inner else form.dtype)
        offsets.append(offset)
    # NumPy's annotations cannot express dtypes made at run time.
    whole: Any = {"names": names, "formats": formats, "offsets": offsets}
    if size is not None:
        whole["itemsize"] = size
    made: np.dtype[Any] = np.dtype(whole)
    return made
