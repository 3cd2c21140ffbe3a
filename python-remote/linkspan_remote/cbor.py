"""Values in CBOR, as docs/wire-format.md of Linkspan has them."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import struct
import sys
import uuid
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from typing import Any, List, NamedTuple, Tuple

from .arrays import DTYPES, PARTS, Elements, made, taken
from .errors import Malformed, TooLarge, Unsupported
from .timestamp import Timestamp


class Limits(NamedTuple):
    """What one value may have; as in Linkspan where the gateway says nothing else."""

    #: Values, an array of numbers counted once.
    values: int = 1_000_000
    #: Lists and maps inside of each other.
    levels: int = 64
    #: Bytes of a key.
    key: int = 64 << 10

    @classmethod
    def of(cls, said: Any) -> Limits:
        """Those that the gateway has said in its first frame."""
        known = {name: said[name] for name in cls._fields if type(said.get(name)) is int}
        return cls(**known)


class Encoded:
    """A value that is encoded already."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


#: Levels that a frame may have around a value.
_AROUND = 2
_TAGS = {tag: dtype for dtype, (_, _, tag) in DTYPES.items()}
_COMPLEX, _BOOLEANS, _BY_ROWS, _BY_COLUMNS, _INSTANT, _UUID, _NAMED, _DECIMAL = 43001, 41, 40, 1040, 1001, 37, 27, 4


def encode(value: Any) -> bytes:
    """The bytes of a value; `Unsupported`, with its path, for what has no form, and `TooLarge` for what no program takes."""
    return encode_within(value, Limits())


def encode_within(value: Any, limits: Limits) -> bytes:
    """The bytes of a value that is within these limits."""
    out = _Out(limits)
    _put(out, value, "", 0)
    return b"".join(out)


class _Out(List[bytes]):
    """The parts of what is encoded, and how many values are in it."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits, self.values = limits, 1

    def enter(self, count: int, path: str, depth: int) -> None:
        """Counts the items of a list or a map, before any of them is encoded."""
        self.values += count
        if self.values > self.limits.values:
            raise _at(TooLarge, path, f"{self.values} values; a message has at most {self.limits.values}: give numbers as an array")
        if depth >= self.limits.levels:
            raise _at(TooLarge, path, f"lists and maps inside of each other to more than {self.limits.levels} levels")


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    for size, low in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if number < 1 << 8 * size:
            return bytes((major << 5 | low,)) + number.to_bytes(size, "big")
    raise OverflowError(number)


def _integer(number: int) -> bytes:
    major, positive = (0, number) if number >= 0 else (1, -1 - number)
    if positive < 1 << 64:
        return _head(major, positive)
    data = positive.to_bytes((positive.bit_length() + 7) // 8, "big")
    if len(data) > 1024:
        raise TooLarge("an integer of more than 1 KiB; give bytes, or a text")
    return _head(6, 2 + major) + _head(2, len(data)) + data


def _text(text: str, path: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise _at(Unsupported, path, "a text with a lone surrogate is no UTF-8; give bytes") from None
    return _head(3, len(data)) + data


def _at(kind: Any, path: str, text: str) -> Exception:
    error = kind(f"{path or 'the value'}: {text}")
    error.path = path
    return error


def _put(out: _Out, value: Any, path: str, depth: int) -> None:
    if value is None or value is True or value is False:
        out.append({None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value])
    elif type(value) is int:
        out.append(_integer(value))
    elif type(value) is float:
        out.append(b"\xfb" + struct.pack(">d", value))
    elif type(value) is str:
        out.append(_text(value, path))
    elif type(value) is Encoded:
        out.append(value.data)
    elif isinstance(value, (bytes, bytearray)):
        out += (_head(2, len(value)), bytes(value))
    elif isinstance(value, enum.Enum):
        _put(out, value.value, path, depth)
    elif isinstance(value, Timestamp):
        seconds, rest = divmod(value.nanoseconds, 1_000_000_000)
        out += (_head(6, _INSTANT), b"\xa2\x01", _integer(seconds), b"\x28", _integer(rest))
    elif isinstance(value, uuid.UUID):
        out += (_head(6, _UUID), b"\x50", value.bytes)
    elif isinstance(value, Decimal):
        _put_decimal(out, value)
    elif _is_scalar(value) and (found := _scalar(value)) is not value:
        _put(out, found, path, depth)
    elif (elements := _elements(value, path)) is not None:
        _put_array(out, elements)
    elif hasattr(value, "__linkspan_value__"):
        _put(out, value.__linkspan_value__(), path, depth)
    elif isinstance(value, Mapping):
        out.enter(len(value), path, depth)
        out.append(_head(5, len(value)))
        for key, item in value.items():
            if not isinstance(key, str):
                raise _at(Unsupported, path, f"a key is a text, and not {type(key).__name__}; give str(key)")
            text = _text(str(key), path)
            if len(text) > out.limits.key and len(key.encode()) > out.limits.key:
                raise _at(TooLarge, path, f"a key of {len(key.encode())} bytes; it has at most {out.limits.key}")
            out.append(text)
            _put(out, item, f"{path}/{key}" if path else str(key), depth + 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        _put(out, fields, path, depth)
    elif isinstance(value, str):
        out.append(_text(str(value), path))
    elif isinstance(value, int):
        out.append(_integer(int(value)))
    elif isinstance(value, float):
        _put(out, float(value), path, depth)
    elif isinstance(value, datetime.datetime):
        _put(out, Timestamp.from_datetime(value), path, depth)
    elif isinstance(value, datetime.date):
        out.append(_text(value.isoformat(), path))
    elif isinstance(value, datetime.timedelta):
        _put(out, value.total_seconds(), path, depth)
    elif isinstance(value, (Sequence, Set, collections.deque)):
        out.enter(len(value), path, depth)
        out.append(_head(4, len(value)))
        for at, item in enumerate(value):
            _put(out, item, f"{path}/{at}" if path else str(at), depth + 1)
    else:
        raise _at(Unsupported, path, f"a {type(value).__name__} has no form in a message; give a dict of what it holds")


def _is_scalar(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


def _scalar(value: Any) -> Any:
    """What a number, a text or an instant of NumPy stands for in Python; arrays of no dimensions for its complex numbers."""
    if value.dtype.kind == "M":
        if str(value) == "NaT":
            return None
        return Timestamp(int(value.astype("datetime64[ns]").astype("int64")))
    if value.dtype.kind == "m":
        return None if str(value) == "NaT" else float(value / value.dtype.type(1, "s"))
    return value if value.dtype.kind == "c" else value.item()


def _elements(value: Any, path: str) -> Any:
    """An array or a buffer; none for what is neither."""
    try:
        return taken(value)
    except Unsupported as error:
        raise _at(Unsupported, path, str(error)) from None


def _put_decimal(out: _Out, value: Decimal) -> None:
    sign, digits, exponent = value.as_tuple()
    number = int("".join(map(str, digits)) or "0")
    if isinstance(exponent, int) and not (sign and number == 0):
        out += (_head(6, _DECIMAL), b"\x82", _integer(exponent), _integer(-number if sign else number))
    else:
        out += (_head(6, _NAMED), b"\x82", _text("decimal", ""), _text(str(value), ""))


def _put_array(out: _Out, elements: Elements) -> None:
    out += (_head(6, _BY_COLUMNS if elements.order == "F" else _BY_ROWS), b"\x82", _head(4, len(elements.shape)))
    out.extend(map(_integer, elements.shape))
    if elements.dtype == "bool":
        out += (_head(6, _BOOLEANS), _head(4, len(elements.data)))
        out.append(bytes(0xF5 if byte else 0xF4 for byte in elements.data))
        return
    if elements.dtype in PARTS:
        out.append(_head(6, _COMPLEX))
    out += (_head(6, DTYPES[PARTS.get(elements.dtype, elements.dtype)][2]), _head(2, len(elements.data)), elements.data)


def decode(data: Any) -> Any:
    """The value of these bytes; `Malformed` where they are none."""
    return _decode(data, Limits().levels)


def decode_frame(data: Any) -> Any:
    """The frame of these bytes, with a value inside."""
    return _decode(data, Limits().levels + _AROUND)


def _decode(data: Any, levels: int) -> Any:
    reader = _Reader(memoryview(data).cast("B"), levels)
    try:
        value = reader.value(0)
    except (ArithmeticError, IndexError, TypeError, ValueError, struct.error) as error:
        if isinstance(error, (Malformed, TooLarge)):
            raise
        raise Malformed(f"at byte {reader.at}: no value in CBOR begins or ends here") from None
    if reader.at != len(reader.data):
        raise Malformed(f"{len(reader.data) - reader.at} bytes behind the value")
    return value


class _Reader:
    """Reads values one behind the other."""

    def __init__(self, data: memoryview, levels: int) -> None:
        self.data, self.at, self.levels = data, 0, levels

    def head(self) -> Tuple[int, int]:
        """The major type and the number of an item of definite length, as the gateway writes them."""
        byte = self.data[self.at]
        self.at += 1
        major, low = byte >> 5, byte & 31
        if low < 24:
            return major, low
        if low > 27:
            raise Malformed(f"at byte {self.at - 1}: an item of indefinite length, which the gateway does not write")
        return major, int.from_bytes(self.piece(1 << (low - 24)), "big")

    def piece(self, length: int) -> memoryview:
        if length > len(self.data) - self.at:
            raise Malformed(f"at byte {self.at}: {length} bytes are said to follow, and {len(self.data) - self.at} do")
        self.at += length
        return self.data[self.at - length : self.at]

    def items(self) -> List[Any]:
        """The items of a list that is a part of one value, such as a shape: no lists or maps."""
        start = self.at
        major, count = self.head()
        if major != 4 or count > 16:
            raise Malformed(f"at byte {start}: a list of few items has to follow")
        return [self.value(self.levels + 1) for _ in range(count)]

    def integer(self) -> int:
        major, number = self.head()
        if major > 1:
            raise Malformed(f"at byte {self.at - 1}: an integer has to follow")
        return number if major == 0 else -1 - number

    def value(self, depth: int) -> Any:
        if depth > self.levels + 2 * _AROUND:  # tags inside of each other
            raise TooLarge("a value of too many levels")
        start = self.at
        if self.data[start] >> 5 == 7:
            return self.simple(self.data[start] & 31)
        major, number = self.head()
        if major < 2:
            return number if major == 0 else -1 - number
        if major == 2:
            return bytes(self.piece(number))
        if major == 3:
            return str(self.piece(number), "utf-8")
        if number > len(self.data) - self.at and major < 6:
            raise Malformed(f"at byte {start}: {number} items are said to follow in {len(self.data) - self.at} bytes")
        if depth >= self.levels and major < 6:
            raise TooLarge(f"at byte {start}: lists and maps inside of each other to more than {self.levels} levels")
        if major == 4:
            return [self.value(depth + 1) for _ in range(number)]
        if major == 5:
            entries = {}
            for _ in range(number):
                key = self.value(depth + 1)
                if not isinstance(key, str):
                    raise Malformed(f"at byte {start}: a map whose key is no text")
                entries[key] = self.value(depth + 1)
            return entries
        return self.tagged(number, depth)

    def simple(self, low: int) -> Any:
        self.at += 1
        if low in (20, 21, 22):
            return (False, True, None)[low - 20]
        if low == 25:
            return struct.unpack(">e", self.piece(2))[0]
        if low == 26:
            return struct.unpack(">f", self.piece(4))[0]
        if low == 27:
            return struct.unpack(">d", self.piece(8))[0]
        raise Malformed(f"at byte {self.at - 1}: no value of Linkspan")

    def tagged(self, tag: int, depth: int) -> Any:
        start = self.at
        if tag == _INSTANT:
            return self.instant()
        if tag in (_BY_ROWS, _BY_COLUMNS):
            major, count = self.head()
            if (major, count) != (4, 2):
                raise Malformed(f"at byte {start}: an array is a list of its shape and its elements")
            shape = self.items()
            if not all(type(length) is int and length >= 0 for length in shape):
                raise Malformed(f"at byte {start}: a shape is a list of lengths")
            dtype, data = self.elements()
            return made(Elements(dtype, tuple(shape), "F" if tag == _BY_COLUMNS else "C", data))
        if tag in (_COMPLEX, _BOOLEANS) or tag in _TAGS:
            raise Malformed(f"at byte {start}: elements without a shape")
        value = self.items() if tag in (_DECIMAL, _NAMED) else self.value(self.levels + 1 if depth <= self.levels else depth + 1)
        if tag in (2, 3) and isinstance(value, bytes):
            number = int.from_bytes(value, "big")
            return number if tag == 2 else -1 - number
        if tag == _UUID and isinstance(value, bytes) and len(value) == 16:
            return uuid.UUID(bytes=value)
        if tag == _DECIMAL and len(value) == 2 and all(type(part) is int for part in value):
            exponent, number = value
            return Decimal((int(number < 0), tuple(map(int, str(abs(number)))), exponent))
        if tag == _NAMED and len(value) == 2 and value[0] == "decimal" and isinstance(value[1], str):
            return Decimal(value[1])
        raise Malformed(f"at byte {start}: tag {tag} is none of Linkspan's, or tags what it cannot")

    def instant(self) -> Timestamp:
        """The map of tag 1001: seconds under 1, nanoseconds under -9."""
        start = self.at
        _, count = self.head()
        parts = {self.integer(): self.integer() for _ in range(count)}
        seconds, rest = parts.get(1), parts.get(-9, 0)
        if seconds is None:
            raise Malformed(f"at byte {start}: an instant is a map of seconds and nanoseconds")
        return Timestamp(seconds * 1_000_000_000 + rest)

    def elements(self) -> Tuple[str, Any]:
        """The elements of an array: their type, and their bytes in little-endian order."""
        start = self.at
        major, tag = self.head()
        if major == 6 and tag == _BOOLEANS:
            major, count = self.head()
            flags = self.piece(count)
            if major != 4 or any(byte not in (0xF4, 0xF5) for byte in flags):
                raise Malformed(f"at byte {start}: booleans are a list of true and false")
            return "bool", bytes(byte == 0xF5 for byte in flags)
        is_complex = major == 6 and tag == _COMPLEX
        if is_complex:
            major, tag = self.head()
        dtype = _TAGS.get(tag) if major == 6 else None
        if is_complex:
            dtype = {"f32": "c64", "f64": "c128"}.get(dtype or "")
        major, length = self.head()
        if dtype is None or major != 2:
            raise Malformed(f"at byte {start}: the elements of an array are a typed array of RFC 8746, little-endian")
        return dtype, self.piece(length)

