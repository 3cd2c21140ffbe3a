"""Recordings: what a lab recorded with `linkspan record`, as messages, tables and arrays.

::

    recording = linkspan.Recording("run42.mcap")
    for message in recording.messages("lab/*", begin=60.0, end=90.0):
        print(message.received, message.name, message["celsius"])
    frame = recording.table("lab/temperature").to_pandas()
    images = recording.frames("lab/camera")

A table is given to other libraries by Arrow's C data interface: pyarrow, polars, pandas, DuckDB. What needs such a library says so.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import _native
from .errors import InvalidState, NotFound, Unsupported
from .timestamp import Timestamp

if TYPE_CHECKING:
    from ._native import RecordedMessage

#: Seconds since the beginning of the recording, or an instant.
When = float | timedelta | Timestamp | datetime

_SECOND = 1_000_000_000
_END = 2**64 - 1
#: Rows of a table while a recording is exported.
_ROWS = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedName:
    """What a recording has of a name: counts of messages, times, and how they are encoded."""

    messages: int
    bytes: int
    missed: int
    skipped: int
    first: Timestamp
    last: Timestamp
    incarnations: tuple[str, ...]
    encodings: tuple[str, ...]
    schemas: tuple[str, ...]
    sources: tuple[str, ...]


class Table:
    """The messages of a name: a row a message, and the columns `received`, `sent`, `sequence`, `source` and one a field.

    Fields of a map within a map are joined by `/`. Integers beside floats are floats where no digit is lost; values of several types are text
    in JSON. Any library that knows Arrow's C stream interface takes it without a copy: `pyarrow.table(t)`, `polars.DataFrame(t)`.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _native.Table) -> None:
        self._native = native

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's C stream interface: a capsule."""
        return self._native.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._native)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._native.column_names

    def unit(self, column: str) -> str | None:
        """The unit that the schema gives the field."""
        return dict(self._native.describe(column)).get("unit")

    def __getitem__(self, column: str) -> Any:
        """A column: numbers as an array without a copy, instants as `datetime64[ns]` where NumPy is there; arrays of one shape as one array
        with a dimension more; texts, bytes, arrays of several lengths, and integers with nulls as a list with `None` for nulls."""
        found = self._native.numbers(column)
        valid = self._native.validity(column)
        facts = dict(self._native.describe(column))
        if found is not None:
            if facts["format"] == "tsn:UTC" and hasattr(found, "view"):
                found = found.view("datetime64[ns]")
            if valid is None or facts["format"] == "g":
                return found
            return [value if there else None for value, there in zip(found.tolist(), valid.tolist(), strict=True)]
        if (texts := self._native.texts(column)) is not None:
            return texts
        if (lists := self._native.lists(column)) is not None:
            ends, elements = lists
            ends = ends.tolist()
            there = [True] * len(self) if valid is None else valid.tolist()
            spans = zip(ends, ends[1:], there, strict=False)
            return [elements[begin:end] if is_there else None for begin, end, is_there in spans]
        return [None] * len(self)

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`."""
        return _library("pyarrow").table(self)

    def to_polars(self) -> Any:
        """A `polars.DataFrame`."""
        return _library("polars").DataFrame(self)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`; needs pyarrow as well."""
        _library("pandas")
        return self.to_arrow().to_pandas()

    def __repr__(self) -> str:
        return f"<linkspan.Table of {len(self)} rows: {', '.join(self.columns)}>"


class Recording:
    """A recording: a file that `linkspan record` or another program wrote in MCAP, with its further parts.

    With `follow=True` iteration goes on while it is written, until its recorder ends it. A file that is cut or wrong is read as far as it
    goes: `problems` says where.
    """

    __slots__ = ("_beginning", "_found", "follow", "path")

    def __init__(self, path: str | os.PathLike[str], *, follow: bool = False) -> None:
        self.path = os.fspath(path)
        self.follow = follow
        self._beginning: tuple[list[str], int | None] | None = None
        self._found: tuple[dict[str, Any], dict[str, str]] | None = None
        # Errors of the file come from here, and not from the first use.
        _native.RecordingReader(self.path, [], 0, _END, follow)

    def _summary(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What it has, read once, or each time while it may grow."""
        if self._found is None or self.follow:
            value, schemas = _native.recording_summary(self.path)
            self._found = value, dict(schemas)
        return self._found

    @property
    def names(self) -> dict[str, RecordedName]:
        """Its names, with what it has of each."""
        return {
            name: RecordedName(
                messages=facts["messages"],
                bytes=facts["bytes"],
                missed=facts["missed"],
                skipped=facts["skipped"],
                first=Timestamp(facts["first"]),
                last=Timestamp(facts["last"]),
                incarnations=tuple(facts["incarnations"]),
                encodings=tuple(facts["encodings"]),
                schemas=tuple(facts["schemas"]),
                sources=tuple(facts["sources"]),
            )
            for name, facts in self._summary()[0]["names"].items()
        }

    @property
    def facts(self) -> dict[str, str]:
        """What the recorder wrote at the beginning: `machine`, `timezone`, `version`, `command`, and others."""
        return dict(self._summary()[0]["recording"])

    @property
    def notes(self) -> dict[str, str]:
        """What was noted with `--note KEY=TEXT`."""
        return dict(self._summary()[0]["notes"])

    @property
    def parts(self) -> list[str]:
        """The paths of its files."""
        return list(self._summary()[0]["parts"])

    @property
    def problems(self) -> list[str]:
        """Where a file is cut or wrong, each with its byte."""
        return list(self._summary()[0]["problems"])

    @property
    def begin(self) -> Timestamp | None:
        """When the first message or event was received; `None` where there is none."""
        found = self._summary()[0].get("begin")
        return None if found is None else Timestamp(found)

    @property
    def end(self) -> Timestamp | None:
        """When the last one was."""
        found = self._summary()[0].get("end")
        return None if found is None else Timestamp(found)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What happened to names and to the recorder, in order: dicts with `time` (nanoseconds since 1970), `kind` and what the kind has."""
        return _native.recording_events(self.path)

    def schema(self, name: str) -> str | None:
        """The newest schema of a name in Linkspan's notation; `None` where its messages have none."""
        self._check([name])
        return self._summary()[1].get(name)

    def __iter__(self) -> Iterator[RecordedMessage]:
        """Every message, in the order in which they were received."""
        return self.messages()

    def messages(
        self, *names: str, begin: When | None = None, end: When | None = None, timeout: float | None = None
    ) -> Iterator[RecordedMessage]:
        """The messages of these names and patterns (all, where none is given) that were received from `begin` to `end`.

        With `follow`, `timeout` is how long to wait for the next one in seconds, then `Timeout` is raised; `None` waits for ever.
        """
        if not self.follow:
            self._check(names)
        return _native.RecordingReader(self.path, list(names), *self._times(begin, end), self.follow, timeout)

    def table(self, name: str, *, begin: When | None = None, end: When | None = None) -> Table:
        """The messages of a name as a table."""
        self._check([name])
        return Table(_native.recording_table(self.path, name, *self._times(begin, end)))

    def batches(
        self, name: str, *, begin: When | None = None, end: When | None = None, rows: int = _ROWS
    ) -> Iterator[Table]:
        """The same in tables of so many rows, all with the same columns, in memory that does not grow with the recording."""
        if rows < 1:
            raise InvalidState(f"batches of {rows} rows: give at least 1")
        self._check([name])
        return map(Table, _native.RecordingTables(self.path, name, *self._times(begin, end), rows))

    def frames(
        self, name: str, field: str | None = None, *, begin: When | None = None, end: When | None = None
    ) -> Any:
        """The arrays of a name as one array with a dimension more in front: a frame a message, all of one shape and element type.

        `field` is where the array is in the message; it may be left out where there is only one.
        """
        table = self.table(name, begin=begin, end=end)
        formats = {column: dict(table._native.describe(column)) for column in table.columns}
        arrays = [column for column, facts in formats.items() if facts["format"].startswith("+")]
        if field is None:
            if len(arrays) != 1:
                raise InvalidState(f"messages of {name} have {len(arrays)} fields with arrays ({', '.join(arrays)}): name one")
            [field] = arrays
        elif field not in arrays:
            raise InvalidState(f"{field} of {name} holds no arrays; these do: {', '.join(arrays) or 'none'}")
        found = table._native.numbers(field)
        if found is None:
            raise InvalidState(f"{field} of {name} has arrays of several shapes, or messages without one: use table(), or batches()")
        return found

    def write_parquet(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        begin: When | None = None,
        end: When | None = None,
        **options: Any,
    ) -> None:
        """Writes the messages of a name as a Parquet file, a batch at a time; options are those of `pyarrow.parquet.ParquetWriter`."""
        writer = _library("pyarrow.parquet").ParquetWriter
        self._write(self.batches(name, begin=begin, end=end), lambda schema: writer(os.fspath(path), schema, **options))

    def write_arrow(
        self, name: str, path: str | os.PathLike[str], *, begin: When | None = None, end: When | None = None
    ) -> None:
        """Writes the messages of a name as an Arrow file (Feather version 2), a batch at a time."""
        writer = _library("pyarrow.ipc").new_file
        self._write(self.batches(name, begin=begin, end=end), lambda schema: writer(os.fspath(path), schema))

    def _write(self, batches: Iterator[Table], opened: Callable[[Any], Any]) -> None:
        first = next(batches, None)
        if first is None:
            raise NotFound(f"{self.path} has no message of this name in these times")
        with opened(first.to_arrow().schema) as out:
            out.write_table(first.to_arrow())
            for batch in batches:
                out.write_table(batch.to_arrow())

    def write_hdf5(
        self, path: str | os.PathLike[str], *names: str, begin: When | None = None, end: When | None = None
    ) -> None:
        """Writes an HDF5 file, which must not exist: a group a name, a data set a column, which may be extended.

        Instants are nanoseconds since 1970 as 64-bit integers; units of the schema are the attribute `unit`. What is null has a `False` in the
        data set of the column's name with `.valid`; a `/` in a column's name is a `~`.
        """
        from ._hdf5 import write

        h5py = _library("h5py")
        self._check(names)
        batches = {name: self.batches(name, begin=begin, end=end) for name in self._matching(names)}
        write(self, h5py, os.fspath(path), batches)

    def _outline(self) -> tuple[list[str], int | None]:
        """Its names, and when it begins, without a look at the messages where it was closed."""
        if self._beginning is None or self.follow:
            self._beginning = _native.recording_outline(self.path)
        return self._beginning

    def _matching(self, names: Iterable[str]) -> list[str]:
        return _native.matching_names(self._outline()[0], list(names))

    def _check(self, names: Iterable[str]) -> None:
        """`NotFound` for a name or pattern that fits none."""
        there = self._outline()[0]
        for name in names:
            if name not in there and not _native.matching_names(there, [name]):
                raise NotFound(f"{name} fits no name of {self.path}; it has {', '.join(there) or 'none'}")

    def _times(self, begin: When | None, end: When | None) -> tuple[int, int]:
        return self._time(begin, 0), self._time(end, _END)

    def _time(self, when: When | None, otherwise: int) -> int:
        if when is None:
            return otherwise
        if isinstance(when, datetime):
            when = Timestamp.from_datetime(when)
        if isinstance(when, Timestamp):
            return max(when.nanoseconds, 0)
        if isinstance(when, timedelta):
            when = when.total_seconds()
        if not isinstance(when, int | float) or isinstance(when, bool) or not when >= 0:
            raise Unsupported(f"{when!r} is no time: give seconds since the beginning from 0 upwards, or a Timestamp")
        return min((self._outline()[1] or 0) + round(when * _SECOND), _END)

    def __repr__(self) -> str:
        return f"<linkspan.Recording {self.path}>"


def _library(name: str) -> ModuleType:
    """A library that is not needed for anything else."""
    try:
        __import__(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise Unsupported(f"this needs {package}: pip install {package}, or pip install 'linkspan[recording]'") from error
    return sys.modules[name]
