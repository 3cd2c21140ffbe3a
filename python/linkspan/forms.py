"""What stands for objects that no value of Linkspan is made of directly: sets, spans of time, tables of NumPy and pandas.

The module for the core asks here for objects whose type it does not know itself; docs/values.md has the whole table. NumPy and
pandas are used where the program has imported them, and never imported here.
"""

from __future__ import annotations

import base64
import collections.abc
import itertools
import sys
from datetime import date, timedelta
from typing import Any

from ._native import MAX_VALUES, Message
from .errors import TooLarge, Unsupported, WrongType

_SECOND = 1_000_000_000
_NOT_A_TIME = -(2**63)
#: The days around 1970 of which 64 bits hold all nanoseconds.
_DAYS = 106_751


def stand_in(value: Any) -> Any:
    """The value that is sent for an object, `NotImplemented` where none is known; `Unsupported` where one has to be chosen."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (getattr(numpy, "ndarray", ()), getattr(numpy, "generic", ()))):
        return _of_numpy(numpy, value)
    if isinstance(value, timedelta):  # one of pandas, too, which may be none
        return value.total_seconds() if value == value else None
    if isinstance(value, date):
        return value.isoformat()
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas, "DataFrame") and type(value).__module__.partition(".")[0] == "pandas":
        return _of_pandas(pandas, value)
    if isinstance(value, (collections.abc.Set, collections.abc.Sequence, collections.deque)):
        return _items(value)
    return NotImplemented


def _items(value: Any) -> list[Any]:
    """The items; `TooLarge` for more than a message may have, of which a `range` may have more than fit any memory."""
    items = list(itertools.islice(value, MAX_VALUES + 1))
    if len(items) > MAX_VALUES:
        raise TooLarge(
            f"a {type(value).__name__} of more than {MAX_VALUES} items, which is the most that a message may have: "
            "send numbers as an array, such as numpy.arange gives, or parts of it"
        )
    return items


def jsonable(value: Any) -> Any:
    """For `json.dumps(message, default=linkspan.jsonable)`: what JSON has no form for, in the nearest one that it has.

    A message becomes its value; timestamps, UUIDs and decimals text; arrays nested lists; bytes Base64. `linkspan.encode(message, "json")`
    writes JSON from which all of these come back as what they were.
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
    """Arrays and scalars whose elements are no numbers of a buffer."""
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


def _instant(nanoseconds: int) -> Any:
    from .timestamp import Timestamp

    return None if nanoseconds == _NOT_A_TIME else Timestamp(nanoseconds)


def _nanoseconds(numpy: Any, value: Any) -> Any:
    """Nanoseconds since 1970 as 64-bit integers; the least one where there is no time."""
    none = numpy.isnat(value)
    # NumPy multiplies without a check for overflow, so the days are compared first; finer units than nanoseconds are not rounded.
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
    """Spans of time in seconds: an array, or a float, which is None where there is no time."""
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
    """Tables become maps of their columns, columns arrays or lists, missing values null."""
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
        # Numbers without a missing one are an array; everything else is a list with its values.
        if dtype.kind in "biuf" and not isinstance(dtype, pandas.CategoricalDtype) and not series.isna().any():
            return series.to_numpy(dtype=getattr(dtype, "numpy_dtype", None))
        return [None if missing else item for item, missing in zip(series.tolist(), series.isna())]
    return series.to_numpy()
