"""A table of a recording: the messages of a name in columns, for NumPy and Arrow's C stream interface."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from . import _native
from .errors import InvalidState, Unsupported

#: The rows, and the values per row, in a notebook.
SHOWN = 8


class Table:
    """The messages of a name: one row per message.

    The columns are `received`, `sent`, `sequence`, `source`, and one per field; a table of several names begins with
    `name`. Fields of nested maps are joined by `/`. Columns with integers and floats are floats if no digit is lost.
    Values of several types are JSON text. `NAME~shape` has the shapes of different arrays.

    Libraries with Arrow's C stream interface read it without a copy: `pyarrow.table(t)`, `polars.DataFrame(t)`.
    """

    __slots__ = ("_held",)

    def __init__(self, native: _native.Table) -> None:
        self._held: _native.Table | None = native

    @property
    def _native(self) -> _native.Table:
        if self._held is None:
            raise InvalidState("the table is closed")
        return self._held

    def close(self) -> None:
        """Releases the memory. Existing arrays keep their part."""
        self._held = None

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Exports a capsule of Arrow's C stream interface."""
        return self._native.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._native)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __iter__(self) -> Iterator[str]:
        """Iterates over the names of the columns."""
        return iter(self.columns)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._native.column_names

    def keys(self) -> list[str]:
        """Returns the names of the columns, for `dict(table)`."""
        return self.columns

    def __array__(self, dtype: object = None, copy: bool | None = None) -> Any:
        """Always raises, because columns have several types. The error names alternatives."""
        raise Unsupported("a table is no one array: give table.to_pandas(), table.to_polars(), or a column of it, table[name]")

    def unit(self, column: str) -> str | None:
        """Returns the unit of the field in the schema."""
        return dict(self._native.describe(column)).get("unit")

    def __getitem__(self, column: str) -> Any:
        """Returns a column: numbers as an array without a copy, other types as a list.

        Instants are `datetime64[ns]` with NumPy. Arrays of one shape are one array with an additional dimension. Null
        floats are NaN and null instants NaT; without NumPy, and in columns of other types, nulls are `None` in a list.
        """
        return self._values(column)

    def _values(self, column: str, most: int | None = None) -> Any:
        native = self._native
        found, valid = native.numbers(column), native.validity(column)
        there = None if valid is None else valid.tolist()[:most]
        facts = dict(native.describe(column))
        if found is not None:
            is_marked = facts["format"] == "g"
            if facts["format"] == "tsn:UTC" and hasattr(found, "view"):
                found, is_marked = _instants(found.view("datetime64[ns]"), valid), True
            if there is None or is_marked:
                return found if most is None else _sliceable(found)[:most]
            return [value if is_there else None for value, is_there in zip(found.tolist()[:most], there, strict=True)]
        if (texts := native.texts(column, most)) is not None:
            return texts
        rows = len(self) if most is None else min(most, len(self))
        if (lists := native.lists(column)) is None:
            return [None] * rows
        ends, elements = lists[0].tolist()[: rows + 1], _sliceable(lists[1])
        all_there = [True] * rows if there is None else there
        arrays = [elements[begin:end] if is_there else None for begin, end, is_there in zip(ends, ends[1:], all_there, strict=False)]
        # Without NumPy only the flat elements are available.
        return self._shaped(column, arrays, facts, most) if hasattr(elements, "reshape") else arrays

    def _shaped(self, column: str, arrays: list[Any], facts: dict[str, str], most: int | None) -> list[Any]:
        from ._hdf5 import shape_of

        beside, order = f"{column}~shape", "F" if facts.get("order") == "column" else "C"
        one = shape_of(facts)
        shapes = self._values(beside, most) if beside in self.columns else [one] * len(arrays)
        return [
            array if array is None or shape is None or len(shape) == 1 else array.reshape(tuple(shape), order=order)
            for array, shape in zip(arrays, shapes, strict=True)
        ]

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns

    def _repr_html_(self) -> str:
        if self._held is None:
            return html.escape(repr(self))
        columns = {column: self._values(column, SHOWN) for column in self.columns}
        head = "".join(f"<th>{cell(column)}</th>" for column in columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{cell(values[row])}</td>" for values in columns.values()) + "</tr>"
            for row in range(min(len(self), SHOWN))
        )
        more = f"{len(self)} rows" + (f", of which these are the first {SHOWN}" if len(self) > SHOWN else "")
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{more}</p>"

    def to_arrow(self) -> Any:
        """Returns a `pyarrow.Table`."""
        return library("pyarrow").table(self)

    def to_polars(self) -> Any:
        """Returns a `polars.DataFrame`."""
        return library("polars").DataFrame(self)

    def to_pandas(self) -> Any:
        """Returns a `pandas.DataFrame`; also needs pyarrow. Integers with nulls become `Int64` or `UInt64`."""
        pandas, pyarrow = library("pandas"), library("pyarrow")
        arrow = self.to_arrow()
        frame = arrow.to_pandas()
        nullable = {pyarrow.int64(): pandas.Int64Dtype(), pyarrow.uint64(): pandas.UInt64Dtype()}
        for name, column in zip(arrow.column_names, arrow.columns, strict=True):
            if column.null_count and column.type in nullable:
                frame[name] = column.to_pandas(types_mapper=nullable.get)
        return frame

    def __repr__(self) -> str:
        if self._held is None:
            return "<linkspan.Table, closed>"
        return f"<linkspan.Table of {len(self)} rows: {_native.one_line(', '.join(self.columns))}>"


class Batches(Iterator[Table]):
    """The tables of `batches`."""

    def __init__(self, native: _native.RecordingTables) -> None:
        self._native, self._given = native, 0

    def __next__(self) -> Table:
        table = Table(next(self._native))
        self._given += 1
        return table

    def __repr__(self) -> str:
        return f"{repr(self._native).removesuffix('>')}: {self._given} given>"


def _instants(array: Any, valid: Any) -> Any:
    """NaT for nulls; copies only if there are nulls."""
    if valid is None:
        return array
    array = array.copy()
    array[~valid] = "NaT"
    return array


def _sliceable(array: Any) -> Any:
    """A NumPy array, or without NumPy a list of its elements."""
    return array if hasattr(array, "reshape") else array.tolist()


def cell(value: object) -> str:
    """Formats a value for a page: type and shape of a long value."""
    shape = getattr(value, "shape", ())
    text = f"{getattr(value, 'dtype', '')} of {tuple(shape)}" if shape else str(value)
    text = _native.one_line(text)
    return html.escape(text if len(text) <= 80 else text[:79] + "…")


def library(name: str) -> ModuleType:
    try:
        __import__(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise Unsupported(f"this needs {package}: pip install {package}, or pip install 'linkspan[recording]'") from error
    return sys.modules[name]
