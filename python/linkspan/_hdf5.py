"""Recordings as HDF5 files, written by h5py a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recording import Recording, Table


def write(recording: Recording, h5py: Any, path: str, names: Mapping[str, Iterable[Table]]) -> None:
    """Writes the tables of each name. A file that exists is not overwritten: h5py's FileExistsError."""
    with h5py.File(path, "x") as file:
        for key, text in {**recording.facts, **recording.notes}.items():
            file.attrs[key] = text
        for name, tables in names.items():
            group = file.create_group(name)
            for table in tables:
                for column in table.columns:
                    _append(group, h5py, table, column)
            if (schema := recording.schema(name)) is not None:
                group.attrs["schema"] = schema


def _append(group: Any, h5py: Any, table: Table, column: str) -> None:
    """Adds a column of a batch to its data set."""
    import numpy

    native = table._native
    facts = dict(native.describe(column))
    place = column.replace("/", "~")
    valid = native.validity(column)
    if (numbers := native.numbers(column)) is not None:
        data, dtype = numbers, numbers.dtype
    elif (texts := native.texts(column)) is not None:
        is_text = facts["format"] == "U"
        dtype = h5py.string_dtype() if is_text else h5py.vlen_dtype(numpy.uint8)
        empty: Any = "" if is_text else b""
        values = [empty if text is None else text for text in texts]
        data = _objects(values if is_text else [numpy.frombuffer(block, numpy.uint8) for block in values])
    elif (lists := native.lists(column)) is not None:
        ends, elements = lists
        dtype = h5py.vlen_dtype(elements.dtype)
        data = _objects([elements[begin:end] for begin, end in zip(ends, ends[1:], strict=False)])
    else:
        # Nulls alone.
        data, dtype = numpy.zeros(len(table)), numpy.dtype(float)
        valid = numpy.zeros(len(table), bool)
    first = place not in group
    _extend(group, place, data, dtype)
    if first:
        for key in ("unit", "encoding"):
            if key in facts:
                group[place].attrs[key] = facts[key]
        if facts["format"] == "tsn:UTC":
            group[place].attrs["unit"] = "ns since 1970-01-01T00:00:00Z"
    mark = f"{place}.valid"
    if valid is not None or mark in group:
        before = group[place].shape[0] - len(data)
        if mark not in group and before:
            _extend(group, mark, numpy.ones(before, bool), numpy.dtype(bool))
        _extend(group, mark, numpy.ones(len(data), bool) if valid is None else valid, numpy.dtype(bool))


def _extend(group: Any, place: str, data: Any, dtype: Any) -> None:
    """Makes a data set longer by this data; makes it where it is not there."""
    rest = data.shape[1:]
    if place not in group:
        # A chunk of about 1 MiB; h5py's own guess is for data sets that do not grow.
        size = max(1, getattr(dtype, "itemsize", 16) * int(_product(rest)))
        rows = max(1, min(len(data) or 1, (1 << 20) // size))
        chunks = (rows, *rest) if all(rest) else True
        group.create_dataset(place, shape=(0, *rest), maxshape=(None, *rest), dtype=dtype, chunks=chunks)
    found = group[place]
    before = found.shape[0]
    found.resize(before + len(data), axis=0)
    if _is_of_arrays(dtype):
        # Arrays of one length would be taken for one array.
        for row, array in enumerate(data, before):
            found[row] = array
    elif len(data):
        found[before:] = data


def _is_of_arrays(dtype: Any) -> bool:
    """Whether each element is an array of any length."""
    return (dtype.metadata or {}).get("vlen", str) is not str


def _objects(values: list[Any]) -> Any:
    """An array of objects, which may be arrays."""
    import numpy

    data = numpy.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        data[row] = value
    return data


def _product(lengths: Iterable[int]) -> int:
    product = 1
    for length in lengths:
        product *= length
    return product
