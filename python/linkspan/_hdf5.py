"""Recordings as HDF5 files, written by h5py in batches.

Every name has a unique group and every column a unique data set. `~` replaces the `/` of a column. Characters with a
special meaning become `%` and two digits. Information that HDF5 elements cannot hold is in an additional data set.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recording import Recording
    from .table import Table

#: Suffixes of additional data sets: rows with a value, shapes of arrays, texts with zero bytes.
_BESIDE = (".valid", ".shape", ".json")
#: A `%` that looks like an escape of this module.
_AMBIGUOUS = re.compile("%(?=00|25|2E|2F|7E)")


def write(
    recording: Recording, h5py: Any, file: Any, names: list[str], first: tuple[str, Table], tables: Iterator[tuple[str, Table]]
) -> None:
    """Writes the tables of these names. The first table is already read."""
    from .recording import exporting

    target = _Target(file)
    with h5py.File(target, "w") as made:
        facts = recording.facts
        for key, text in facts.items():
            _attribute(made, key, text)
        for key, text in recording.notes.items():
            if key in facts:
                while key in facts or key in recording.notes:
                    key = f"note:{key}"
            _attribute(made, key, text)
        places = group_places(names)
        below = _below(places.values())
        # Read at once, because there may be thousands of names.
        schemas = recording._summary()[1]
        groups: dict[str, _Group] = {}
        for name in names:
            with exporting(name):
                group = made.create_group(places[name])
                groups[name] = _Group(group, below.get(places[name], set()))
                if places[name] != name:
                    _attribute(group, "name", name)
                if (schema := schemas.get(name)) is not None:
                    _attribute(group, "schema", schema)
        # Only one batch is in memory: each is freed before the next one is read.
        batch: tuple[str, Table] | None = first
        del first
        while batch is not None:
            name, table = batch
            with exporting(name):
                for column in table.columns:
                    _append(groups[name], h5py, table, column)
                    target.check()
            del batch, table
            batch = next(tables, None)
    # Raises an error of the last writes.
    target.check()


class _Target:
    """The file that HDF5 writes to.

    After a failed write HDF5 could not close an object and would abort the interpreter. The first error is therefore
    kept, and later blocks stay in memory until HDF5 closes the file.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = 0
        self._end = 0
        self._error: BaseException | None = None
        self._unwritten: list[tuple[int, bytes]] = []

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        block = memoryview(data).cast("B")
        if self._error is None:
            try:
                done = 0
                while done < len(block):
                    done += os.pwrite(self._file.fileno(), block[done:], self._at + done)
            except BaseException as error:  # noqa: BLE001, `check` raises it
                self._error = error
        if self._error is not None:
            self._unwritten.append((self._at, bytes(block)))
        self._at += len(block)
        self._end = max(self._end, self._at)
        return len(block)

    def read(self, size: int = -1) -> bytes:
        """h5py recognises a file by this method, and reads with `readinto`."""
        block = bytearray(max(self._end - self._at, 0) if size < 0 else size)
        self.readinto(block)
        return bytes(block)

    def readinto(self, buffer: Any) -> int:
        block = memoryview(buffer).cast("B")
        try:
            found = os.pread(self._file.fileno(), len(block), self._at)
        except OSError as error:
            self._error = self._error or error
            found = b""
        block[:] = found.ljust(len(block), b"\0")
        for at, data in self._unwritten:
            begin, end = max(at, self._at), min(at + len(data), self._at + len(block))
            if begin < end:
                block[begin - self._at : end - self._at] = data[begin - at : end - at]
        self._at += len(block)
        return len(block)

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        try:
            if self._error is None:
                os.truncate(self._file.fileno(), self._end)
        except OSError as error:
            self._error = error
        return self._end

    def flush(self) -> None:
        """Writes are unbuffered."""


def group_places(names: Iterable[str]) -> dict[str, str]:
    """A group is the path without empty parts, if this does not give two names an equal group."""
    names = list(names)
    exact = {name: "/".join(map(_place, name.split("/"))) for name in names}
    short = {name: "/".join(_place(part) for part in name.split("/") if part) for name in names}
    count = Counter(short.values())
    return {name: short[name] if short[name] and count[short[name]] == 1 else exact[name] for name in names}


def _below(groups: Iterable[str]) -> dict[str, set[str]]:
    below: dict[str, set[str]] = {}
    for path in groups:
        while "/" in path:
            path, _, last = path.rpartition("/")
            inner = below.setdefault(path, set())
            if last in inner:
                break
            inner.add(last)
    return below


def _place(text: str, slash: str = "~") -> str:
    """Returns a unique link name for the text."""
    place = _AMBIGUOUS.sub("%25", text).replace("~", "%7E").replace("\0", "%00").replace("/", slash)
    if not place.strip(".") or place.endswith(_BESIDE):
        before, dot, after = place.rpartition(".")
        place = f"{before}%2E{after}" if dot else "%2F"
    return place


def _attribute(of: Any, key: str, text: str) -> None:
    """HDF5 ends texts at a zero byte, so such texts become JSON under a name with `.json`."""
    place = _place(key, "/")
    if "\0" in text:
        of.attrs[f"{place}.json"] = json.dumps(text)
    else:
        of.attrs[place] = text


class _Group:
    """Each data set is looked up once, because lookups get slower with their number."""

    def __init__(self, made: Any, groups: set[str]) -> None:
        self.made, self.groups = made, groups
        self._sets: dict[str, Any] = {}
        self._rows: dict[str, int] = {}

    def rows(self, place: str) -> int | None:
        return self._rows.get(place)

    def extend(self, place: str, rows: int, data: Any, at: int, dtype: Any) -> None:
        """Extends a data set, new or not, by `rows` rows and writes `data` from row `at` on.

        The other rows have the fill value and take no room.
        """
        rest = data.shape[1:]
        if place not in self._sets:
            # A chunk gets about 1 MiB, or few rows if most rows are empty. h5py's estimate assumes a fixed size.
            size = max(1, getattr(dtype, "itemsize", 16) * int(_product(rest)))
            chunk = max(1, min(max(len(data), _FEW), rows or 1, (1 << 20) // size))
            chunks = (chunk, *rest) if all(rest) else True
            fill = _fill(dtype)
            self._sets[place] = self.made.create_dataset(place, shape=(0, *rest), maxshape=(None, *rest), dtype=dtype, chunks=chunks, fillvalue=fill)
            self._rows[place] = 0
        found, before = self._sets[place], self._rows[place]
        found.resize(before + rows, axis=0)
        self._rows[place] = before + rows
        first = before + at
        if _is_of_arrays(dtype):
            # HDF5 would read arrays of equal length as one array.
            for row, array in enumerate(data, first):
                found[row] = array
        elif len(data):
            found[first : first + len(data)] = data

    def extend_beside(self, place: str, before: int, rows: int, data: Any, at: int, dtype: Any, known: Any) -> None:
        """Extends an additional data set; in a new one, earlier rows get `known`."""
        import numpy

        if place not in self._sets and before:
            values = numpy.full(before if known else 0, known) if known else _objects([])
            self.extend(place, before, values, 0, dtype)
        self.extend(place, rows, data, at, dtype)


#: The fewest rows of a chunk. A smaller data set has fewer.
_FEW = 256


def _fill(dtype: Any) -> Any:
    """NaN for floats, as in the columns."""
    return float("nan") if getattr(dtype, "kind", "") == "f" else None


def _append(group: _Group, h5py: Any, table: Table, column: str) -> None:
    """Adds a column of a batch to its data set, and other information to the additional data sets."""
    import numpy

    native = table._native
    facts = dict(native.describe(column))
    beside = facts.get("beside")
    place = _place(column if beside is None else beside)
    if place in group.groups:
        # The group of another name. This escape is unique among columns.
        place = f"%2F{place}"
    if beside is not None:
        place += ".shape"
    rows = len(table)
    valid, texts_beside = native.validity(column), None
    begin, end = _span(valid, rows)
    if (numbers := native.numbers(column)) is not None:
        data, dtype = numbers, numbers.dtype
        if data.ndim == 1 and dtype.kind in "iufb" and _is_blank(data, dtype, begin, end):
            data = data[begin:end]
        else:
            begin = 0
    elif (texts := native.texts(column)) is not None:
        is_text = facts["format"] == "U"
        dtype = h5py.string_dtype() if is_text else h5py.vlen_dtype(numpy.uint8)
        empty: Any = "" if is_text else b""
        values = [empty if text is None else text for text in texts[begin:end]]
        if is_text:
            texts_beside = [json.dumps(text) if "\0" in text else "" for text in values]
            values = [text if not other else "" for text, other in zip(values, texts_beside, strict=True)]
        data = _objects(values if is_text else [numpy.frombuffer(block, numpy.uint8) for block in values])
    elif (lists := native.lists(column)) is not None:
        data, dtype = _arrays(h5py, lists, valid, shape_of(facts), facts.get("order"))
        begin = 0
    else:
        # The column has only nulls.
        data, dtype = numpy.zeros(rows), numpy.dtype(float)
        valid, begin = numpy.zeros(rows, bool), 0
    before = group.rows(place)
    group.extend(place, rows, data, begin, dtype)
    if before is None:
        _describe(group.made[place], column, place, facts)
    if valid is not None or group.rows(f"{place}.valid") is not None:
        there = numpy.ones(rows, bool) if valid is None else valid
        first, last = _span(valid, rows)
        group.extend_beside(f"{place}.valid", before or 0, rows, there[first:last], first, numpy.dtype(bool), True)
    if group.rows(f"{place}.json") is not None or any(texts_beside or ()):
        others = _objects(texts_beside or [])
        group.extend_beside(f"{place}.json", before or 0, rows, others, begin, h5py.string_dtype(), "")


def _span(valid: Any, rows: int) -> tuple[int, int]:
    """The range from the first row with a value to the last."""
    if valid is None:
        return 0, rows
    there = valid.nonzero()[0]
    return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)


def _is_blank(data: Any, dtype: Any, begin: int, end: int) -> bool:
    """Whether all rows outside the range equal the fill value."""
    import numpy

    around = data[:begin], data[end:]
    return all(bool(numpy.isnan(part).all() if dtype.kind == "f" else not part.any()) for part in around)


def _describe(made: Any, column: str, place: str, facts: Mapping[str, str]) -> None:
    for key in ("unit", "encoding"):
        if key in facts:
            _attribute(made, key, facts[key])
    if facts["format"] == "tsn:UTC":
        made.attrs["unit"] = "ns since 1970-01-01T00:00:00Z"
    if "beside" not in facts and place != column.replace("/", "~"):
        made.attrs["column"] = column
    if facts["format"] == "+L" and "shape" in facts and len(made.shape) == 1:
        made.attrs["shape"], made.attrs["order"] = facts["shape"], facts["order"]


def shape_of(facts: Mapping[str, str]) -> list[int] | None:
    return json.loads(facts["shape"]) if "shape" in facts else None


def _arrays(h5py: Any, lists: tuple[Any, Any], valid: Any, shape: list[int] | None, order: str | None) -> tuple[Any, Any]:
    """Returns arrays of one shape as one array, missing ones as zeros; other arrays as elements."""
    import numpy

    ends, elements = lists
    if shape is None or len(shape) == 1 or not 0 < _product(shape) <= len(elements):
        return _objects([elements[begin:end] for begin, end in zip(ends, ends[1:], strict=False)]), h5py.vlen_dtype(elements.dtype)
    data = numpy.zeros((len(ends) - 1, *shape), elements.dtype)
    there = slice(None) if valid is None else valid
    if order == "column":
        axes = (0, *range(len(shape), 0, -1))
        data[there] = elements.reshape(-1, *reversed(shape)).transpose(axes)
    else:
        data[there] = elements.reshape(-1, *shape)
    return data, elements.dtype


def _is_of_arrays(dtype: Any) -> bool:
    return (dtype.metadata or {}).get("vlen", str) is not str


def _objects(values: list[Any]) -> Any:
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
