"""Encodes values in CBOR. It refuses values that the gateway's decoder would refuse, because those end the connection.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import itertools
import operator
import struct
import uuid
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from typing import Any, List, Type

from .arrays import DTYPES, PARTS, Elements, bytes_of_shape, taken
from .cbor import check_encoding
from .errors import Error, OutOfMemory, OutOfRange, TooLarge, Unsupported
from .forms import stand_in
from .limits import DIGITS, EXPONENT, INTEGER_BYTES, Limits
from .tags import BIG, BIG_NEGATIVE, BOOLEANS, BY_COLUMNS, BY_ROWS, COMPLEX, DECIMAL, INSTANT, NAMED, UUID
from .timestamp import Timestamp


class Encoded:
    """An encoded value."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def encode(value: Any, encoding: str = "cbor") -> bytes:
    """Returns a value's bytes; raises `Unsupported` with the path of a value without a form, `TooLarge` above the
    limits.
    """
    check_encoding(encoding)
    return encode_within(value, Limits())


def encode_within(value: Any, limits: Limits) -> bytes:
    """Returns a value's bytes within these limits."""
    out = _Out(limits)
    try:
        _put(out, value, "", 0)
    except (OutOfRange, TooLarge, Unsupported) as error:
        if error._placed:
            raise
        raise _at(type(error), out.path, str(error)) from None
    except Error:  # of a program's own __linkspan_value__
        raise
    except MemoryError:
        raise OutOfMemory(f"{out.path or 'the value'}: no memory for its bytes; send it in parts") from None
    except Exception as error:  # of an object that does not keep to what its class says
        raise _at(Unsupported, out.path, f"it cannot be read: {_said(error)}; give a dict of what it holds") from error
    return b"".join(out)


class _Out(List[bytes]):
    """The encoded parts and the number of values."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits, self.values = limits, 1
        #: The path of the current value.
        self.path = ""

    def enter(self, count: int, path: str, depth: int) -> None:
        """Counts the items of a list or a map before encoding any of them."""
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
    asked = (abs(number).bit_length() + 7) // 8
    if asked > INTEGER_BYTES:
        raise TooLarge(f"over the integer limit: {asked} bytes asked, {INTEGER_BYTES} allowed; give bytes, or a text")
    data = positive.to_bytes((positive.bit_length() + 7) // 8, "big")
    return _head(6, BIG_NEGATIVE if major else BIG) + _head(2, len(data)) + data


def _text(text: str, path: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise _at(Unsupported, path, "a text with a lone surrogate is no UTF-8; give bytes") from None
    return _head(3, len(data)) + data


def _at(kind: Type[Error], path: str, text: str) -> Error:
    error = kind(f"{path or 'the value'}: {text}", path=path or None)
    error._placed = True
    return error


def _said(error: Exception) -> str:
    """Returns an exception's text on one line. The text comes from a program and may fail too."""
    try:
        text = " ".join(str(error).split())[:200]
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _put(out: _Out, value: Any, path: str, depth: int) -> None:
    out.path = path
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
        data = bytes(value)
        out += (_head(2, len(data)), data)
    elif isinstance(value, enum.Enum):
        _put(out, value.value, path, depth)
    elif isinstance(value, Timestamp):
        seconds, rest = divmod(value.nanoseconds, 1_000_000_000)
        out += (_head(6, INSTANT), b"\xa2\x01", _integer(seconds), b"\x28", _integer(rest))
    elif isinstance(value, uuid.UUID):
        out += (_head(6, UUID), b"\x50", value.bytes)
    elif isinstance(value, Decimal):
        _put_decimal(out, value)
    elif (elements := taken(value)) is not None:
        _put_array(out, elements)
    elif hasattr(value, "__linkspan_value__"):
        _put(out, value.__linkspan_value__(), path, depth)
    elif isinstance(value, Mapping):
        _put_map(out, value, path, depth)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        _put_map(out, fields, path, depth)
    elif isinstance(value, str):
        # The characters of a subclass, which may override `__str__`.
        out.append(_text(str.__str__(value), path))
    elif isinstance(value, int):
        out.append(_integer(int.__int__(value)))
    elif isinstance(value, float):
        _put(out, float.__float__(value), path, depth)
    elif isinstance(value, datetime.datetime):
        # pandas' NaT is a datetime and not equal to itself.
        _put(out, Timestamp.from_datetime(value) if value == value else None, path, depth)
    elif isinstance(value, datetime.date):
        out.append(_text(value.isoformat(), path))
    elif isinstance(value, datetime.timedelta):
        _put(out, value.total_seconds(), path, depth)
    elif (found := stand_in(value)) is not NotImplemented:
        _put(out, found, path, depth)
    elif isinstance(value, (Sequence, Set, collections.deque)):
        # A copy, because `len` may differ from the iterated items, and a range may exceed the memory.
        items = list(itertools.islice(value, out.limits.values + 1))
        out.enter(len(items), path, depth)
        out.append(_head(4, len(items)))
        for at, item in enumerate(items):
            _put(out, item, f"{path}/{at}" if path else str(at), depth + 1)
    else:
        raise _at(Unsupported, path, f"a {type(value).__name__} has no form in a message; give a dict of what it holds")


def _put_map(out: _Out, value: Any, path: str, depth: int) -> None:
    """Encodes a copy of the entries: the decoder refuses a wrong count and repeated keys."""
    entries = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _at(Unsupported, f"{path}/{key}" if path else f"{key}", f"a key is a text, and not {type(key).__name__}; give str(key)")
        name = str.__str__(key)
        if name in entries:
            raise _at(Unsupported, path, f"two keys are {name[:64]!r}; give each a name of its own")
        entries[name] = item
    out.enter(len(entries), path, depth)
    out.append(_head(5, len(entries)))
    for name, item in entries.items():
        text = _text(name, path)
        if len(text) > out.limits.key and len(name.encode()) > out.limits.key:
            raise _at(TooLarge, path, f"a key of {len(name.encode())} bytes; it has at most {out.limits.key}")
        out.append(text)
        _put(out, item, f"{path}/{name}" if path else name, depth + 1)


def _put_decimal(out: _Out, value: Decimal) -> None:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        text = str(value)
        # NaN has no sign in the encoded form.
        text = "NaN" if text == "-NaN" else text
        if text not in ("NaN", "Infinity", "-Infinity"):
            raise Unsupported(f"the decimal number {text[:64]} has no form; give Decimal('NaN'), or None")
        out += (_head(6, NAMED), b"\x82", _text("decimal", ""), _text(text, ""))
        return
    first = exponent + len(digits) - 1
    if len(digits) > DIGITS:
        raise Unsupported(f"a decimal number of {len(digits)} digits; it has at most {DIGITS}: give a text")
    if not all(-EXPONENT - 1 <= power <= EXPONENT for power in (exponent, first)):
        raise Unsupported(f"a decimal number has exponents of at most E+{EXPONENT}, here is E{first:+}; give a text")
    number = int("".join(map(str, digits)) or "0")
    if sign and number == 0:
        out += (_head(6, NAMED), b"\x82", _text("decimal", ""), _text(str(value), ""))
    else:
        out += (_head(6, DECIMAL), b"\x82", _integer(exponent), _integer(-number if sign else number))


def _put_array(out: _Out, elements: Elements) -> None:
    shape = tuple(map(operator.index, elements.shape))
    asked = bytes_of_shape(elements.dtype, shape)
    if asked != len(elements.data):
        raise Unsupported(f"an array of {elements.dtype} of shape {list(shape)} has {asked} bytes, and here are {len(elements.data)}; give as many")
    out += (_head(6, BY_COLUMNS if elements.order == "F" else BY_ROWS), b"\x82", _head(4, len(shape)))
    out.extend(map(_integer, shape))
    if elements.dtype == "bool":
        out += (_head(6, BOOLEANS), _head(4, len(elements.data)))
        out.append(bytes(0xF5 if byte else 0xF4 for byte in elements.data))
        return
    if elements.dtype in PARTS:
        out.append(_head(6, COMPLEX))
    out += (_head(6, DTYPES[PARTS.get(elements.dtype, elements.dtype)][2]), _head(2, len(elements.data)), elements.data)
