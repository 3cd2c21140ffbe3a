"""Arrays of numbers: NumPy's where it is there, and otherwise a class that holds their bytes."""

from __future__ import annotations

import array
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]

from .errors import Malformed, Unsupported

#: The element types: the letter of `struct` and `array`, bytes of one, and the tag of RFC 8746 for little-endian
#: elements.
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
#: Complex numbers are a typed array of their parts.
PARTS = {"c64": "f32", "c128": "f64"}
_OF_NUMPY = {"u1": "u8", "u2": "u16", "u4": "u32", "u8": "u64", "i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64", "f4": "f32", "f8": "f64",
             "c8": "c64", "c16": "c128", "b1": "bool"}
_TO_NUMPY = {name: letters for letters, name in _OF_NUMPY.items()}


class Elements(NamedTuple):
    """An array as it travels."""

    dtype: str
    shape: Tuple[int, ...]
    #: `C` by rows, `F` by columns.
    order: str
    #: Little-endian elements, one behind the other; of `bool` one byte each.
    data: Any


class NdArray:
    """An array of numbers where there is no NumPy: `shape`, `dtype`, its bytes, and lists of its elements."""

    __slots__ = ("data", "dtype", "order", "shape")

    def __init__(self, dtype: str, shape: Any, data: Any, order: str = "C") -> None:
        self.dtype, self.shape, self.order, self.data = dtype, tuple(shape), order, bytes(data)

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
        """Its elements, in lists as its dimensions; a number where it has none."""
        flat = self._flat()
        strides, step = [], 1
        for length in self.shape if self.order == "F" else reversed(self.shape):
            strides.append(step)
            step *= length
        if self.order != "F":
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
        return self.tolist()[index]

    def __eq__(self, other: object) -> Any:
        return self.shape == other.shape and self.tolist() == other.tolist() if isinstance(other, NdArray) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<linkspan_remote.NdArray {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}>"


def made(elements: Elements) -> Any:
    """The array that a program gets: `numpy.ndarray`, read-only, over the bytes that came; `NdArray` without NumPy."""
    count = 1
    for length in elements.shape:
        count *= length
    size = 1 if elements.dtype == "bool" else DTYPES[PARTS.get(elements.dtype, elements.dtype)][1] * (2 if elements.dtype in PARTS else 1)
    if count * size != len(elements.data):
        raise Malformed(f"an array of shape {list(elements.shape)} has {count} elements of {size} bytes, and {len(elements.data)} bytes came")
    if numpy is None:
        return NdArray(elements.dtype, elements.shape, elements.data, elements.order)
    found = numpy.frombuffer(elements.data, numpy.dtype("<" + _TO_NUMPY[elements.dtype]))
    try:
        found = found.reshape(elements.shape, order=elements.order)  # type: ignore[call-overload]
    except (OverflowError, ValueError):  # one without elements, whose other lengths NumPy cannot count
        return NdArray(elements.dtype, elements.shape, elements.data, elements.order)
    found.flags.writeable = False
    return found


def taken(value: Any) -> Optional[Elements]:
    """What an array or a buffer of a program is on the way; none for what is neither."""
    if isinstance(value, NdArray):
        return Elements(value.dtype, value.shape, value.order, value.data)
    if isinstance(value, complex):
        import struct

        return Elements("c128", (), "C", struct.pack("<dd", value.real, value.imag))
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _of_numpy(numpy.asarray(value))
    if isinstance(value, (memoryview, array.array)):
        view = memoryview(value)
        dtype = {"?": "bool", "c": "u8"}.get(view.format) or next(
            (name for name, (letter, size, _) in DTYPES.items() if letter.lower() in ("f", "d") and letter == view.format), None
        ) or _integer(view)
        if dtype is None:
            raise Unsupported(f"a buffer of format {view.format!r} has no form here; give an array of numbers")
        data = view.tobytes()
        if sys.byteorder == "big" and view.itemsize > 1:
            swapped = array.array(DTYPES[dtype][0], data)
            swapped.byteswap()
            data = swapped.tobytes()
        return Elements(dtype, tuple(view.shape or ()), "C", data)
    return None


def _integer(view: memoryview) -> Optional[str]:
    """The type of integers of a buffer; their widths differ between systems."""
    if view.format not in "bBhHiIlLqQnN":
        return None
    return f"{'i' if view.format in 'bhilqn' else 'u'}{8 * view.itemsize}"


def _of_numpy(value: Any) -> Optional[Elements]:
    if value.dtype.kind == "f" and value.dtype.itemsize == 2:
        value = value.astype("f4")
    if numpy.ma.is_masked(value):
        raise Unsupported("an array with masked elements has no form; give array.filled(number)")
    name = _OF_NUMPY.get(f"{value.dtype.kind}{value.dtype.itemsize}")
    if name is None:
        raise Unsupported(f"an array of {value.dtype} has no form here; give numbers of at most 64 bits, or a list")
    by_columns = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    data = little.tobytes(order="F" if by_columns else "C")
    return Elements(name, value.shape, "F" if by_columns else "C", data)
