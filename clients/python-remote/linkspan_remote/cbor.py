"""Decodes CBOR values, as docs/wire-format.md describes them; encoder.py encodes them."""

from __future__ import annotations

import struct
import uuid
from decimal import Decimal
from typing import Any, List, Tuple

from .arrays import DTYPES, Elements, made
from .errors import Malformed, TooLarge, Unsupported, WrongType, shown
from .limits import AROUND_BYTES, AROUND_LEVELS, AROUND_VALUES, DIGITS, DIMENSIONS, EXPONENT, INTEGER_BYTES, VALUE_COST, Limits
from .tags import BOOLEANS, BY_COLUMNS, BY_ROWS, COMPLEX, DECIMAL, INSTANT, NAMED, UUID
from .timestamp import Timestamp

_TAGS = {tag: dtype for dtype, (_, _, tag) in DTYPES.items()}
_LIMITS = Limits()
_AROUND = Limits(_LIMITS.values + AROUND_VALUES, _LIMITS.levels + AROUND_LEVELS)


def decode(data: Any, encoding: str = "cbor") -> Any:
    """Decodes a value; raises `Malformed` for other bytes."""
    check_encoding(encoding)
    try:
        view = memoryview(data).cast("B")
    except TypeError:
        raise WrongType(f"data={shown(data)}: give bytes, or an object with the buffer protocol", path="data") from None
    return _decode(view, _LIMITS)[0]


def decode_frame(data: Any, longest: int) -> Tuple[Any, int]:
    """Decodes a frame; returns it with its memory cost."""
    if len(data) > longest + AROUND_BYTES:
        raise TooLarge(f"a frame of {len(data)} bytes; this client takes values of {longest}, which max_message_size= of connect raises")
    value, values = _decode(memoryview(data), _AROUND)
    return value, len(data) + values * VALUE_COST


def check_encoding(encoding: Any) -> None:
    """Refuses other encodings than CBOR, the only encoding of this protocol."""
    if not isinstance(encoding, str):
        raise WrongType(f"encoding={shown(encoding)}: give \"cbor\"", path="encoding")
    if encoding != "cbor":
        raise Unsupported(f"encoding={encoding[:64]!r}: this client has cbor alone; the module linkspan has the others")


def _decode(data: memoryview, limits: Limits) -> Tuple[Any, int]:
    reader = _Reader(data, limits)
    try:
        value = reader.value(0)
    except (ArithmeticError, IndexError, TypeError, ValueError, struct.error) as error:
        if isinstance(error, (Malformed, TooLarge)):
            raise
        raise Malformed(f"at byte {reader.at}: no value in CBOR begins or ends here", offset=reader.at) from None
    if reader.at != len(reader.data):
        raise Malformed(f"{len(reader.data) - reader.at} bytes behind the value", offset=reader.at)
    return value, reader.values


class _Reader:
    """Reads consecutive values."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        self.data, self.at, self.levels, self.limits = data, 0, limits.levels, limits
        #: Values so far.
        self.values = 1

    def count(self, values: int) -> None:
        """Counts the items of a list or map before the reader decodes any of them."""
        self.values += values
        if self.values > self.limits.values:
            raise TooLarge(f"at byte {self.at}: {self.values} values; a message has at most {self.limits.values}")

    def head(self) -> Tuple[int, int]:
        """Reads an item's major type and number. The gateway only writes definite lengths."""
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
        """Reads a short list inside a value, such as a shape, without nested lists or maps."""
        start = self.at
        major, count = self.head()
        if major != 4 or count > DIMENSIONS:
            raise Malformed(f"at byte {start}: a list of few items has to follow")
        return [self.value(self.levels + 1) for _ in range(count)]

    def integer(self) -> int:
        major, number = self.head()
        if major > 1:
            raise Malformed(f"at byte {self.at - 1}: an integer has to follow")
        return number if major == 0 else -1 - number

    def value(self, depth: int) -> Any:
        if depth > self.levels + 2 * AROUND_LEVELS:  # tags inside of each other
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
        if major < 6:
            self.count(number)
        if major == 4:
            return [self.value(depth + 1) for _ in range(number)]
        if major == 5:
            entries = {}
            for _ in range(number):
                key = self.value(depth + 1)
                if not isinstance(key, str):
                    raise Malformed(f"at byte {start}: a map whose key is no text")
                if len(key) > self.limits.key:
                    raise TooLarge(f"at byte {start}: a key of {len(key)} characters; it has at most {self.limits.key} bytes")
                entries[key] = self.value(depth + 1)
            if len(entries) != number:
                raise Malformed(f"at byte {start}: a map with a key that comes twice")
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
        if tag == INSTANT:
            return self.instant()
        if tag in (BY_ROWS, BY_COLUMNS):
            major, count = self.head()
            if (major, count) != (4, 2):
                raise Malformed(f"at byte {start}: an array is a list of its shape and its elements")
            shape = self.items()
            if not all(type(length) is int and length >= 0 for length in shape):
                raise Malformed(f"at byte {start}: a shape is a list of lengths")
            dtype, data = self.elements()
            return made(Elements(dtype, tuple(shape), "F" if tag == BY_COLUMNS else "C", data))
        if tag in (COMPLEX, BOOLEANS) or tag in _TAGS:
            raise Malformed(f"at byte {start}: elements without a shape")
        value = self.items() if tag in (DECIMAL, NAMED) else self.value(self.levels + 1 if depth <= self.levels else depth + 1)
        if tag in (2, 3) and isinstance(value, bytes):
            if len(value) > INTEGER_BYTES:
                raise TooLarge(f"at byte {start}: an integer of {len(value)} bytes; it has at most {INTEGER_BYTES}")
            number = int.from_bytes(value, "big")
            return number if tag == 2 else -1 - number
        if tag == UUID and isinstance(value, bytes) and len(value) == 16:
            return uuid.UUID(bytes=value)
        if tag == DECIMAL and len(value) == 2 and all(type(part) is int for part in value):
            return decimal(*value)
        if tag == NAMED and len(value) == 2 and value[0] == "decimal" and isinstance(value[1], str):
            if len(value[1]) > DIGITS + 32:
                raise TooLarge(f"at byte {start}: a decimal number of {len(value[1])} characters; it has at most {DIGITS} digits")
            return Decimal(value[1])
        raise Malformed(f"at byte {start}: tag {tag} is none of Linkspan's, or tags what it cannot")

    def instant(self) -> Timestamp:
        """Reads the map of tag 1001: seconds under 1, nanoseconds under -9."""
        start = self.at
        _, count = self.head()
        if count > 2:
            raise Malformed(f"at byte {start}: an instant is a map of seconds and nanoseconds")
        parts = {self.integer(): self.integer() for _ in range(count)}
        seconds, rest = parts.get(1), parts.get(-9, 0)
        if seconds is None:
            raise Malformed(f"at byte {start}: an instant is a map of seconds and nanoseconds")
        return Timestamp(seconds * 1_000_000_000 + rest)

    def elements(self) -> Tuple[str, Any]:
        """Reads an array's element type and its bytes in little-endian order."""
        start = self.at
        major, tag = self.head()
        if major == 6 and tag == BOOLEANS:
            major, count = self.head()
            flags = self.piece(count)
            if major != 4 or any(byte not in (0xF4, 0xF5) for byte in flags):
                raise Malformed(f"at byte {start}: booleans are a list of true and false")
            return "bool", bytes(byte == 0xF5 for byte in flags)
        is_complex = major == 6 and tag == COMPLEX
        if is_complex:
            major, tag = self.head()
        dtype = _TAGS.get(tag) if major == 6 else None
        if is_complex:
            dtype = {"f32": "c64", "f64": "c128"}.get(dtype or "")
        major, length = self.head()
        if dtype is None or major != 2:
            raise Malformed(f"at byte {start}: the elements of an array are a typed array of RFC 8746, little-endian")
        return dtype, self.piece(length)


def decimal(exponent: int, number: int) -> Decimal:
    """Returns a decimal number; raises `TooLarge` and `Malformed` beyond the limits."""
    if abs(number) >= _BEYOND:
        raise TooLarge(f"a decimal number has at most {DIGITS} digits")
    digits = tuple(map(int, str(abs(number))))
    if not (-EXPONENT - 1 <= exponent and exponent + len(digits) - 1 <= EXPONENT):
        raise Malformed("the exponent of a decimal number has 32 bits")
    return Decimal((int(number < 0), digits, exponent))


_BEYOND = 10**DIGITS
