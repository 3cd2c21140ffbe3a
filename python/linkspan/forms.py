"""Replacements for objects without a direct value: sets, time spans, tables, arrays of libraries.

The native module calls this for unknown types; docs/values.md has the table. A library is used only if the program has
imported it. Other libraries' objects are read through `__dlpack__`, `__array__`, `__arrow_c_stream__`.
"""

from __future__ import annotations

import base64
import collections.abc
import importlib
import itertools
import sys
from datetime import date, datetime, timedelta, timezone
from typing import Any

from ._native import MAX_VALUES, Message, one_line
from .errors import Error, TooLarge, Unsupported, WrongType
from .words import said

_SECOND = 1_000_000_000
_NOT_A_TIME = -(2**63)
#: The days before and after 1970 whose nanoseconds fit 64 bits.
_DAYS = 106_751


def stand_in(value: Any) -> Any:
    """Returns the value that is sent for an object.

    `NotImplemented` for unknown types. `Unsupported` if the program must choose a form.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (getattr(numpy, "ndarray", ()), getattr(numpy, "generic", ()))):
        return _of_numpy(numpy, value)
    if isinstance(value, timedelta):  # also pandas' Timedelta, which may be NaT
        return value.total_seconds() if value == value else None
    if isinstance(value, date):
        return value.isoformat()
    try:
        other = _of_library(value)
    except (Error, MemoryError):
        raise
    except Exception as error:
        # The library failed, or the object violates a protocol that it declares.
        raise Unsupported(
            one_line(
                f"{_shown(value)} cannot be read: {type(error).__name__}: {said(error)}; give what it holds as dict, list, str, a number, bytes or an array"
            )
        ) from error
    if other is not NotImplemented:
        return other
    if isinstance(value, (collections.abc.Set, collections.abc.Sequence, collections.deque)):
        return _items(value)
    return NotImplemented


def _items(value: Any) -> list[Any]:
    """Returns the items. `TooLarge` for more than a message may have; a `range` could exceed all memory."""
    items = list(itertools.islice(value, MAX_VALUES + 1))
    if len(items) > MAX_VALUES:
        raise TooLarge(
            f"a {type(value).__name__} of more than {MAX_VALUES} items, which is the most that a message may have: "
            "send numbers as an array, such as numpy.arange gives, or parts of it"
        )
    return items


def jsonable(value: Any) -> Any:
    """Converts objects for JSON: `json.dumps(message, default=linkspan.jsonable)`.

    Messages become their value; timestamps, UUIDs and decimals become text; arrays nested lists; bytes Base64. Only
    `linkspan.encode(message, "json")` keeps the types.
    """
    if isinstance(value, Message):
        return value.value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, complex):
        return [value.real, value.imag]
    if type(value).__name__ in ("Timestamp", "UUID", "Decimal"):
        return str(value)
    other = stand_in(value)
    if other is NotImplemented:
        raise WrongType(f"{type(value).__name__} has no form in JSON")
    return other


def _of_numpy(numpy: Any, value: Any) -> Any:
    kind, names = value.dtype.kind, value.dtype.names
    if kind == "V" and names is not None:
        return {name: value[name] for name in names}
    if kind == "M":
        exact = _nanoseconds(numpy, value)
        return exact if isinstance(value, numpy.ndarray) else _instant(int(exact))
    if kind == "m":
        return _seconds(numpy, value)
    if kind == "f" and value.dtype.itemsize == 2:
        return value.astype("float32")
    if kind in "USOT" and isinstance(value, numpy.ndarray):
        return value.tolist()
    instead = {
        "f": "send array.astype(float), where its precision is enough",
        "c": "send array.astype(complex), where its precision is enough",
    }
    raise Unsupported(f"an array of dtype {value.dtype} has no form: {instead.get(kind, 'send array.tolist()')}")


def _of_library(value: Any) -> Any:
    """Converts an object by its fields, columns or elements."""
    kind = type(value)
    library = str(kind.__module__).partition(".")[0]
    pandas = sys.modules.get("pandas")
    if library == "pandas" and pandas is not None and hasattr(pandas, "DataFrame"):
        return _of_pandas(pandas, value)
    if library in _REFUSED:
        raise Unsupported(f"{kind.__module__}.{kind.__qualname__} has no form: {_REFUSED[library]}")
    if isinstance(getattr(kind, "model_fields", None), collections.abc.Mapping) and callable(getattr(kind, "model_dump", None)):
        return value.model_dump()  # pydantic
    if isinstance(attributes := getattr(kind, "__attrs_attrs__", None), tuple):
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    if library == "linkspan" and kind.__name__ == "Table":
        return {column: value[column] for column in value.columns}
    if library == "PIL":
        return _of_image(value)
    if library == "polars" and (columns := _of_polars(value)) is not NotImplemented:
        return columns
    if hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__arrow_c_array__"):
        return _of_arrow(value)
    if hasattr(kind, "__dlpack__") and hasattr(kind, "__dlpack_device__"):
        return _of_dlpack(value)
    interface = getattr(value, "__dict__", None)
    of_this_one = isinstance(interface, dict) and isinstance(interface.get("__array_interface__"), dict)
    if hasattr(kind, "__array__") or hasattr(kind, "__array_interface__") or of_this_one:
        return _elements(value, lambda numpy: numpy.asarray(value), "numpy.asarray")
    return NotImplemented


#: Libraries whose objects hold more than a value can express, and the replacement for each.
_REFUSED = {
    "xarray": 'give data.to_dict(data="array"), which keeps dimensions and coordinates, or data.values, the elements alone',
}

#: Modes of Pillow images that their elements describe completely.
_MODES = ("1", "L", "LA", "I", "F", "RGB", "RGBA")


def _of_image(image: Any) -> Any:
    mode = getattr(image, "mode", None)
    if not isinstance(mode, str) or not hasattr(type(image), "__array_interface__"):
        return NotImplemented
    if mode not in _MODES and not mode.startswith("I;16"):
        raise Unsupported(f'an image of mode {mode} has no form: give image.convert("RGB"), or numpy.asarray(image) for its elements alone')
    return _elements(image, lambda numpy: numpy.asarray(image), "numpy.asarray")


def _of_polars(value: Any) -> Any:
    if hasattr(value, "collect") and not hasattr(value, "to_dict"):
        raise Unsupported("a polars.LazyFrame has no values yet: give frame.collect()")
    if type(value).__name__ == "Expr":
        raise Unsupported("a polars.Expr has no values: give frame.select(expression), or a polars.Series")
    if hasattr(value, "get_columns"):
        return {column.name: _of_series(column) for column in value.get_columns()}
    return _of_series(value) if hasattr(value, "null_count") else NotImplemented


def _of_series(series: Any) -> Any:
    """An array for numbers without missing values; otherwise a list."""
    is_plain = series.dtype.is_numeric() and not series.dtype.is_decimal() and series.null_count() == 0
    return series.to_numpy() if is_plain and "numpy" in sys.modules else [_in_utc(item) for item in series.to_list()]


def _in_utc(item: Any) -> Any:
    """Times without a zone are UTC, as in NumPy."""
    return item.replace(tzinfo=timezone.utc) if isinstance(item, datetime) and item.tzinfo is None else item


def _of_arrow(value: Any) -> Any:
    """A table becomes a map of columns, an array a column, by pyarrow or polars."""
    pyarrow = _imported("pyarrow")
    if pyarrow is None:
        polars = _imported("polars")
        if polars is None or not hasattr(type(value), "__arrow_c_stream__"):
            raise Unsupported(f"{_shown(value)} is read by pyarrow or polars, and neither is installed: give its columns as a dict")
        return _of_polars(polars.DataFrame(value))
    if not hasattr(value, "schema") and hasattr(value, "type"):
        return _of_chunks(pyarrow, pyarrow.chunked_array([pyarrow.array(value)] if not hasattr(value, "chunks") else value.chunks, value.type))
    if hasattr(type(value), "__arrow_c_array__") and not hasattr(type(value), "__arrow_c_stream__"):
        array = pyarrow.array(value)
        if not pyarrow.types.is_struct(array.type):
            return _of_chunks(pyarrow, pyarrow.chunked_array([array]))
    try:
        table = pyarrow.table(value)
    except pyarrow.ArrowException:
        # A stream with one column, which `table` rejects.
        return _of_chunks(pyarrow, pyarrow.chunked_array(value))
    if len({*table.column_names}) < table.num_columns:
        twice = next(name for name in table.column_names if table.column_names.count(name) > 1)
        raise Unsupported(f"two columns of a table are called {twice!r}: give each a name of its own")
    return {name: _of_chunks(pyarrow, table[name]) for name in table.column_names}


def _of_chunks(pyarrow: Any, column: Any) -> Any:
    types = pyarrow.types
    is_number = types.is_integer(column.type) or types.is_floating(column.type)
    if is_number and column.null_count == 0 and "numpy" in sys.modules:
        return column.to_numpy()
    if types.is_timestamp(column.type):
        # Nanoseconds since 1970 are exact in any zone.
        return [None if item is None else _instant(item) for item in _nanoseconds_of(pyarrow, column)]
    return [_in_utc(item) for item in column.to_pylist()]


def _nanoseconds_of(pyarrow: Any, column: Any) -> list[int | None]:
    numbers = column.cast(pyarrow.timestamp("ns", tz=column.type.tz)).cast(pyarrow.int64())
    return list(numbers.to_pylist())


def _of_dlpack(value: Any) -> Any:
    kind, _ = value.__dlpack_device__()
    if kind not in (1, 3):  # host memory, or device memory that the host shares
        raise Unsupported(f"{_shown(value)} is on a device: give a copy in the processor's memory, such as tensor.cpu()")
    return _elements(value, lambda numpy: numpy.from_dlpack(value), "DLPack")


def _elements(value: Any, view: Any, protocol: str) -> Any:
    numpy = _imported("numpy")
    if numpy is None:
        raise Unsupported(f"{_shown(value)} is read by NumPy, which is not installed: give a buffer of its elements, such as array.array")
    try:
        array = view(numpy)
    except Exception as error:
        raise Unsupported(
            f"{_shown(value)} does not give its elements by {protocol}: {said(error)}; give a numpy.ndarray of them, such as tensor.detach().cpu().numpy()"
        ) from error
    if not isinstance(array, numpy.ndarray) or array.dtype.kind == "O":
        raise Unsupported(f"{_shown(value)} gives no numbers by {protocol}: give what it holds as dict, list or a numpy.ndarray")
    return array


def _imported(name: str) -> Any:
    """Returns the installed library, whose protocol the object implements; None if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _shown(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _instant(nanoseconds: int) -> Any:
    from .timestamp import Timestamp

    return None if nanoseconds == _NOT_A_TIME else Timestamp(nanoseconds)


def _nanoseconds(numpy: Any, value: Any) -> Any:
    """Nanoseconds since 1970 as 64-bit integers; the least integer for NaT."""
    none = numpy.isnat(value)
    # NumPy multiplies without overflow checks, so days are compared first.
    try:
        days = value.astype("datetime64[D]").astype("int64")
        exact = value.astype("datetime64[ns]")
        outside = ~none & ((days < -_DAYS) | (days >= _DAYS) | (exact != value))
    except OverflowError:
        raise Unsupported(f"{value.dtype} has no form: give it in nanoseconds, or a coarser unit") from None
    if numpy.any(outside):
        first = numpy.asarray(value)[outside][0] if numpy.ndim(value) else value
        raise Unsupported(f"{first} has no form: a timestamp is nanoseconds since 1970, from 1677-09-22 to 2262-04-11")
    return numpy.ascontiguousarray(exact.astype("int64")).reshape(numpy.shape(value))


def _seconds(numpy: Any, value: Any) -> Any:
    """An array or a float; None for a single NaT."""
    if numpy.datetime_data(value.dtype)[0] == "generic" and not numpy.all(numpy.isnat(value)):
        # NumPy would assume the unit of the other operand.
        raise Unsupported(f"{value.dtype} has no unit, so it is no length of time: give it one, as 'timedelta64[s]'")
    try:
        seconds = value / numpy.timedelta64(_SECOND, "ns")
    except TypeError:
        raise Unsupported(
            f"{value.dtype} has no length in seconds: give it in a unit from weeks downwards, as 'timedelta64[s]'"
        ) from None
    if isinstance(seconds, numpy.ndarray):
        return seconds
    return None if numpy.isnan(seconds) else float(seconds)


def _of_pandas(pandas: Any, value: Any) -> Any:
    """Tables become maps of columns, columns arrays or lists, missing values null."""
    if value is pandas.NA or value is pandas.NaT:
        return None
    if isinstance(value, pandas.DataFrame):
        return _table(pandas, value)
    if isinstance(value, pandas.Series):
        if _is_counted(pandas, value.index):
            return _column(pandas, value)
        return _table(pandas, value.to_frame("value" if value.name is None else value.name))
    if isinstance(value, pandas.MultiIndex):
        return _table(pandas, pandas.DataFrame(index=value))
    if isinstance(value, (pandas.Index, pandas.api.extensions.ExtensionArray)):
        return _column(pandas, pandas.Series(value))
    return NotImplemented


def _is_counted(pandas: Any, index: Any) -> bool:
    """Whether an index only counts the rows from 0."""
    return isinstance(index, pandas.RangeIndex) and (index.start, index.step) == (0, 1) and index.name is None


def _table(pandas: Any, frame: Any) -> dict[Any, Any]:
    if not _is_counted(pandas, frame.index):
        try:
            frame = frame.reset_index()
        except ValueError as error:
            raise Unsupported(f"the index of a table is sent as a column, and has none: {error}") from None
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise Unsupported(f"two columns of a table are called {twice!r}: give each a name of its own")
    return {name: _column(pandas, frame[name]) for name in frame.columns}


def _column(pandas: Any, series: Any) -> Any:
    dtype = series.dtype
    if isinstance(dtype, pandas.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        dtype = series.dtype
    if isinstance(dtype, pandas.api.extensions.ExtensionDtype):
        # Numbers without missing values become an array, other columns a list.
        if dtype.kind in "biuf" and not isinstance(dtype, pandas.CategoricalDtype) and not series.isna().any():
            return series.to_numpy(dtype=getattr(dtype, "numpy_dtype", None))
        return [None if missing else item for item, missing in zip(series.tolist(), series.isna())]
    return series.to_numpy()
