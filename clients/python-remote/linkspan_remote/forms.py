"""Stand-ins for objects of NumPy and other libraries that are not arrays of numbers; the README lists the refused ones.

Uses a library only if the program has imported it. Objects of other libraries are read through protocols such as
`__array__`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from .errors import TooLarge, Unsupported
from .limits import DIMENSIONS
from .timestamp import Timestamp

_SECOND = 1_000_000_000
#: The days around 1970 whose nanoseconds fit in 64 bits.
_DAYS = 106_751
#: Libraries whose objects hold more than a value can express, with the advice for each.
_INSTEAD = {
    "pandas": "series.to_numpy(), or {name: frame[name].to_numpy() for name in frame}",
    "polars": "series.to_numpy(), or frame.to_dict(as_series=False)",
    "pyarrow": "array.to_numpy(), or table.to_pydict()",
    "xarray": 'data.to_dict(data="array"), or data.values',
    "duckdb": "relation.fetchnumpy()",
}
#: Modes of Pillow images whose elements are the whole content.
_MODES = ("1", "L", "LA", "I", "F", "RGB", "RGBA")


def stand_in(value: Any) -> Any:
    """Returns the value to send for an object.

    `NotImplemented` if none is known; raises `Unsupported` if the program must choose one.
    """
    kind = type(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _of_numpy(numpy, value)
    library = str(kind.__module__).partition(".")[0]
    if library == "pandas" and value is getattr(sys.modules.get("pandas"), "NA", kind):
        return None
    if library == "PIL" and isinstance(mode := getattr(value, "mode", None), str):
        if mode not in _MODES and not mode.startswith("I;16"):
            raise Unsupported(f'an image of mode {mode} has no form; give image.convert("RGB"), or numpy.asarray(image) for its elements alone')
        return _elements(value)
    if library in _INSTEAD or hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__arrow_c_array__"):
        raise Unsupported(f"{kind.__module__}.{kind.__qualname__} has no form; give {_INSTEAD.get(library, 'a dict of its columns')}")
    if isinstance(getattr(kind, "model_fields", None), Mapping) and callable(getattr(kind, "model_dump", None)):
        return value.model_dump()  # pydantic
    if isinstance(attributes := getattr(kind, "__attrs_attrs__", None), tuple):
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    if any(hasattr(kind, protocol) for protocol in ("__dlpack__", "__array__", "__array_interface__")):
        return _elements(value)
    try:
        return memoryview(value)
    except TypeError:
        return NotImplemented


def _elements(value: Any) -> Any:
    """Returns a NumPy array of an object's elements."""
    try:
        import numpy
    except ImportError:
        raise Unsupported(f"a {type(value).__name__} is read by NumPy, which is not installed; give a buffer of its elements, such as array.array") from None
    array = numpy.from_dlpack(value) if hasattr(value, "__dlpack__") else numpy.asarray(value)
    if array.dtype.kind == "O":
        raise Unsupported(f"a {type(value).__name__} gives no numbers; give what it holds as dict, list or a numpy.ndarray")
    return array


def _of_numpy(numpy: Any, value: Any) -> Any:
    """Converts arrays and scalars whose elements are not plain numbers."""
    is_array = isinstance(value, numpy.ndarray)
    kind, names = value.dtype.kind, value.dtype.names
    if kind == "V" and names is not None:
        return {name: value[name] for name in names}
    if kind == "M":
        return _instants(numpy, value)
    if kind == "m":
        return _seconds(numpy, value)
    if kind in "USOT" and is_array:
        return value.tolist()
    if kind in "biu" or kind == "f" and value.dtype.itemsize <= 8:
        return value.item()
    instead = {"f": "astype(float), where its precision is enough", "c": "astype(complex), where its precision is enough"}
    raise Unsupported(f"an array of dtype {value.dtype} has no form; give array.{instead.get(kind, 'tolist()')}")


def _instants(numpy: Any, value: Any) -> Any:
    """Returns timestamps in nested lists; None for NaT."""
    none = numpy.isnat(value)
    # NumPy multiplies without an overflow check, so the days are compared first. Units finer than nanoseconds are not
    # rounded.
    try:
        days = value.astype("datetime64[D]").astype("int64")
        exact = value.astype("datetime64[ns]")
        outside = ~none & ((days < -_DAYS) | (days >= _DAYS) | (exact != value))
    except OverflowError:
        raise Unsupported(f"{value.dtype} has no form; give it in nanoseconds, or a coarser unit") from None
    if numpy.any(outside):
        first = numpy.asarray(value)[outside][0] if numpy.ndim(value) else value
        raise Unsupported(f"{first} has no form: a timestamp is nanoseconds since 1970, from 1677-09-22 to 2262-04-11; give such a one")
    if value.ndim > DIMENSIONS:
        raise TooLarge(f"over the rank limit: {value.ndim} dimensions asked, {DIMENSIONS} allowed")
    least = -(2**63)

    def part(item: Any) -> Any:
        if isinstance(item, list):
            return [part(one) for one in item]
        return None if item == least else Timestamp(item)

    return part(exact.astype("int64").tolist())


def _seconds(numpy: Any, value: Any) -> Any:
    """Returns time spans in seconds: an array, or a float; None for NaT."""
    if numpy.datetime_data(value.dtype)[0] == "generic" and not numpy.all(numpy.isnat(value)):
        raise Unsupported(f"{value.dtype} has no unit, so it is no length of time: give it one, as 'timedelta64[s]'")
    try:
        seconds = value / numpy.timedelta64(_SECOND, "ns")
    except TypeError:
        raise Unsupported(f"{value.dtype} has no length in seconds; give it in a unit from weeks downwards, as 'timedelta64[s]'") from None
    if isinstance(seconds, numpy.ndarray):
        return seconds
    return None if numpy.isnan(seconds) else float(seconds)
