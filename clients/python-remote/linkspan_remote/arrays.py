"""Arrays of numbers: NumPy's if it is installed, and a class with their bytes if not."""

from __future__ import annotations

import array
import operator
import sys
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

from .errors import Malformed, OutOfRange, TooLarge, Unsupported, WrongType, shown
from .limits import ARRAY_BYTES, DIMENSIONS

#: The element types: letter of `struct` and `array`, bytes per element, and little-endian tag of RFC 8746.
DTYPES: Dict[str, Tuple[str, int, int]] = {
    "u8": ("B", 1, 64),
    "u16": ("H", 2, 69),
    "u32": ("I", 4, 70),
    "u64": ("Q", 8, 71),
    "i8": ("b", 1, 72),
    "i16": ("h", 2, 77),
    "i32": ("i", 4, 78),
    "i64": ("q", 8, 79),
    "f32": ("f", 4, 85),
    "f64": ("d", 8, 86),
}
#: Complex numbers are typed arrays of their parts.
PARTS = {"c64": "f32", "c128": "f64"}
_OF_NUMPY = {"u1": "u8", "u2": "u16", "u4": "u32", "u8": "u64", "i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64", "f4": "f32", "f8": "f64",
             "c8": "c64", "c16": "c128", "b1": "bool"}
_TO_NUMPY = {name: letters for letters, name in _OF_NUMPY.items()}


class Elements(NamedTuple):
    """The wire form of an array."""

    dtype: str
    shape: Tuple[int, ...]
    #: `C` by rows, `F` by columns.
    order: str
    #: Consecutive little-endian elements; one byte per `bool`.
    data: Any


class NdArray:
    """An array of numbers without NumPy: `shape`, `dtype`, bytes, and lists of elements."""

    __slots__ = ("data", "dtype", "order", "shape")

    def __init__(self, data: Any, dtype: Optional[str] = None, shape: Any = None, order: str = "row") -> None:
        try:
            view = memoryview(data)
        except TypeError:
            raise WrongType(f"data={shown(data)}: give bytes, or an object with the buffer protocol", path="data") from None
        if order not in ("row", "column"):
            raise Unsupported(f"order={shown(order)}: give \"row\" or \"column\"")
        elements = _of_buffer(view)
        if dtype is not None and not isinstance(dtype, str):
            raise WrongType(f"dtype={shown(dtype)}: give the name of an element type as text, such as \"f64\" or \"u8\"", path="dtype")
        #: The element type, such as `f64`; the order of the elements; their bytes.
        self.dtype, self.order, self.data = elements.dtype if dtype is None else dtype, order, bytes(elements.data)
        one = bytes_of_shape(self.dtype, (1,))
        lengths = (len(self.data) // one,) if shape is None else (shape,) if isinstance(shape, int) else shape
        #: The length of each dimension.
        self.shape = _lengths(lengths)
        asked = bytes_of_shape(self.dtype, self.shape)
        if asked != len(self.data):
            raise Malformed(f"an array of {self.dtype} of shape {list(self.shape)} has {asked} bytes, and here are {len(self.data)}")

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return len(self.data)

    def _flat(self) -> List[Any]:
        if self.dtype == "bool":
            return [byte != 0 for byte in self.data]
        letter = DTYPES[PARTS.get(self.dtype, self.dtype)][0]
        elements = array.array(letter, self.data)
        if sys.byteorder == "big":
            elements.byteswap()
        if self.dtype in PARTS:
            return [complex(re, im) for re, im in zip(elements[::2], elements[1::2])]
        return elements.tolist()

    def tolist(self) -> Any:
        """Returns the elements in nested lists, or a number for an array without dimensions."""
        flat = self._flat()
        strides, step = [], 1
        for length in self.shape if self.order == "column" else reversed(self.shape):
            strides.append(step)
            step *= length
        if self.order != "column":
            strides.reverse()

        def part(dimension: int, at: int) -> Any:
            if dimension == len(self.shape):
                return flat[at]
            return [part(dimension + 1, at + i * strides[dimension]) for i in range(self.shape[dimension])]

        return part(0, 0)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array without dimensions has no length")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        found = self.tolist()
        for one in index if isinstance(index, tuple) else (index,):
            found = found[one]
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> Any:
        return self.shape == other.shape and self.tolist() == other.tolist() if isinstance(other, NdArray) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<linkspan_remote.NdArray {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}>"


def _lengths(shape: Any) -> Tuple[int, ...]:
    try:
        found = tuple(map(operator.index, shape))
    except TypeError:
        raise WrongType(f"shape={shown(shape)}: give an integer or a sequence of integers", path="shape") from None
    if min(found, default=0) < 0:
        raise OutOfRange(f"shape={shown(shape)}: give lengths from 0 upwards", path="shape")
    return found


def bytes_of_shape(dtype: str, shape: Tuple[int, ...]) -> int:
    """Returns the bytes of an array; raises `TooLarge` above the limits of all programs."""
    if len(shape) > DIMENSIONS:
        raise TooLarge(f"over the rank limit: {len(shape)} dimensions asked, {DIMENSIONS} allowed")
    part = PARTS.get(dtype, dtype)
    if part not in DTYPES and part != "bool" or min(shape, default=0) < 0:
        raise Unsupported(f"an array of {dtype!r} of shape {list(shape)} is none; give one of {', '.join((*DTYPES, *PARTS, 'bool'))}, and lengths from 0")
    size = 1 if part == "bool" else DTYPES[part][1] * (2 if dtype in PARTS else 1)
    count = 1
    for length in shape:
        count *= max(length, 1)
    if count > ARRAY_BYTES or 0 not in shape and count * size > ARRAY_BYTES:
        raise TooLarge(f"the shape {list(shape)} overflows 64 bits")
    return 0 if 0 in shape else count * size


def made(elements: Elements) -> Any:
    """Returns the received array: a read-only `numpy.ndarray` over the received bytes, or `NdArray` without NumPy."""
    asked = bytes_of_shape(elements.dtype, elements.shape)
    if asked != len(elements.data):
        raise Malformed(f"an array of {elements.dtype} of shape {list(elements.shape)} has {asked} bytes, and {len(elements.data)} bytes came")
    if numpy is None:
        return NdArray(elements.data, elements.dtype, elements.shape, "column" if elements.order == "F" else "row")
    found = numpy.frombuffer(elements.data, numpy.dtype("<" + _TO_NUMPY[elements.dtype]))
    try:
        found = found.reshape(elements.shape, order=elements.order)  # type: ignore[call-overload]
    except (OverflowError, ValueError):  # one without elements, whose other lengths NumPy cannot count
        return NdArray(elements.data, elements.dtype, elements.shape, "column" if elements.order == "F" else "row")
    found.flags.writeable = False
    return found


def taken(value: Any) -> Optional[Elements]:
    """Returns the wire form of a program's array or buffer; None for other objects."""
    if isinstance(value, NdArray):
        return Elements(value.dtype, value.shape, "F" if value.order == "column" else "C", value.data)
    if isinstance(value, complex):
        import struct

        return Elements("c128", (), "C", struct.pack("<dd", value.real, value.imag))
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.complexfloating)):
        # Fields of a record are checked one by one, because NumPy finds no mark in a record's mask.
        if value.dtype.names is None and numpy.ma.is_masked(value):
            raise Unsupported("masked elements have no form; give array.filled(value), or array.data and array.mask as two")
        return _of_numpy(numpy.asarray(value))
    if isinstance(value, (memoryview, array.array)):
        return _of_buffer(memoryview(value))
    return None


def _of_buffer(view: memoryview) -> Elements:
    # ctypes buffers state their byte order even if it is the native one.
    letter = view.format.lstrip("@=<" if sys.byteorder == "little" else "@=")
    dtype = {"?": "bool", "c": "u8", "f": "f32", "d": "f64"}.get(letter) or _integer(letter, view.itemsize)
    if dtype is None:
        raise Unsupported(f"a buffer of format {view.format!r} has no form here; give an array of numbers")
    data = view.tobytes()
    if sys.byteorder == "big" and view.itemsize > 1:
        swapped = array.array(DTYPES[dtype][0], data)
        swapped.byteswap()
        data = swapped.tobytes()
    return Elements(dtype, tuple(view.shape or ()), "C", data)


def _integer(letter: str, size: int) -> Optional[str]:
    """Returns a buffer's integer type, whose width differs between systems."""
    return f"{'i' if letter in 'bhilqn' else 'u'}{8 * size}" if letter and letter in "bBhHiIlLqQnN" else None


def _of_numpy(value: Any) -> Optional[Elements]:
    """Returns the wire form of an array of numbers; None for other arrays."""
    if value.dtype.kind == "f" and value.dtype.itemsize == 2:
        value = value.astype("f4")
    name = _OF_NUMPY.get(f"{value.dtype.kind}{value.dtype.itemsize}")
    if name is None:
        return None
    by_columns = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    data = little.tobytes(order="F" if by_columns else "C")
    return Elements(name, value.shape, "F" if by_columns else "C", data)
