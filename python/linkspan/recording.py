"""Recordings of `linkspan record`, as messages, tables and arrays.

::

    with linkspan.Recording("run42.mcap") as recording:
        for message in recording.messages("lab/*", begin=60.0, end=90.0):
            print(message.received, message.name, message["celsius"])
        frame = recording["lab/temperature"].to_pandas()
        images = recording.frames("lab/camera")
"""

from __future__ import annotations

import contextlib
import dataclasses
import html
import operator
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from . import _native
from .errors import Error, InvalidState, Missing, NotFound, Unsupported, WrongType, refused
from .forms import stand_in
from .options import Seconds
from .table import Batches, Table, cell, library
from .timestamp import Timestamp
from .words import said, shown

if TYPE_CHECKING:
    from ._native import RecordedMessage


class Scalar(Protocol):
    """A number, an instant or a time span of NumPy."""

    def item(self) -> Any:
        """Returns the Python object."""


#: Seconds since the beginning of the recording, or an instant: `Timestamp`, aware `datetime`, `numpy.datetime64`.
When = float | timedelta | Timestamp | datetime | Scalar

#: A time for the native module: nanoseconds since 1970, or, in a tuple, since the beginning, without clock steps.
Place = int | tuple[int]

_SECOND = 1_000_000_000
_END = 2**64 - 1
#: The last possible timestamp.
_LAST = 2**63 - 1
#: The rows of one batch of an export.
_ROWS = 65_536
#: The most names in an error.
_MOST_NAMED = 20


@dataclasses.dataclass(frozen=True, slots=True)
class RecordedName:
    """The facts about a name in a recording: message counts, sizes, times, encoding."""

    messages: int
    bytes: int
    missed: int
    skipped: int
    #: The times of the first and the last message; `None` without messages.
    first: Timestamp | None
    last: Timestamp | None
    incarnations: tuple[str, ...]
    encodings: tuple[str, ...]
    schemas: tuple[str, ...]
    sources: tuple[str, ...]


class Recording:
    """A recording: an MCAP file of `linkspan record` or another program, with its further parts.

    Iteration yields every message; `recording[name]` is the table of a name. With `follow=True` iteration continues
    until the recorder ends the recording. A damaged file is read as far as possible; see `problems`. Messages above 64
    MiB need `max_message_size`, in bytes.
    """

    __slots__ = ("_closed", "_found", "_outlined", "follow", "max_message_size", "path")

    def __init__(
        self, path: str | os.PathLike[str], *, follow: bool = False, max_message_size: int | None = None
    ) -> None:
        self.path = _native.file_path(path)
        self.follow = follow
        self.max_message_size = max_message_size
        self._closed = False
        self._outlined: tuple[list[str], list[str]] | None = None
        self._found: tuple[dict[str, Any], dict[str, str]] | None = None
        # Errors of the file are raised here instead of at the first use.
        _native.RecordingReader(self.path, [], 0, _END, follow, max_message_size=max_message_size)

    def close(self) -> None:
        """Ends the use of this object, which has no open file between calls."""
        self._closed = True

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        if self._closed:
            raise InvalidState(f"the recording {self.path} is closed")

    def _summary(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Read once, or each time while the recording may grow."""
        self._open()
        if self._found is None or self.follow:
            value, schemas = _native.recording_summary(self.path, self.max_message_size)
            self._found = value, dict(schemas)
        return self._found

    def __len__(self) -> int:
        """The number of messages, without repetitions. The first use reads the whole recording."""
        return sum(facts["messages"] for facts in self._summary()[0]["names"].values())

    def __bool__(self) -> bool:
        """A recording is always true, even without messages."""
        return True

    def __contains__(self, name: object) -> bool:
        """Whether the recording has messages of this name, or an entry about missed ones."""
        return name in self._outline()[0]

    def __getitem__(self, name: str) -> Table:
        """Returns `table(name)`: the messages of a name or pattern. `KeyError` without any."""
        try:
            return self.table(name)
        except NotFound as error:
            raise Missing(str(error)) from None

    def _ipython_key_completions_(self) -> list[str]:
        return self._outline()[0]

    @property
    def names(self) -> dict[str, RecordedName]:
        """The names, with the facts about each."""
        return {
            name: RecordedName(
                messages=facts["messages"],
                bytes=facts["bytes"],
                missed=facts["missed"],
                skipped=facts["skipped"],
                first=None if facts["first"] is None else _instant(facts["first"]),
                last=None if facts["last"] is None else _instant(facts["last"]),
                incarnations=tuple(facts["incarnations"]),
                encodings=tuple(facts["encodings"]),
                schemas=tuple(facts["schemas"]),
                sources=tuple(facts["sources"]),
            )
            for name, facts in self._summary()[0]["names"].items()
        }

    @property
    def facts(self) -> dict[str, str]:
        """The recorder's facts: `machine`, `timezone`, `version`, `command` and others."""
        return dict(self._summary()[0]["recording"])

    @property
    def notes(self) -> dict[str, str]:
        """The notes of `--note KEY=TEXT`."""
        return dict(self._summary()[0]["notes"])

    @property
    def parts(self) -> list[str]:
        """The paths of the files."""
        return list(self._summary()[0]["parts"])

    @property
    def problems(self) -> list[str]:
        """The damage in the files, each with its byte offset."""
        return list(self._summary()[0]["problems"])

    @property
    def begin(self) -> Timestamp | None:
        """The time of the first received message or event; `None` without any."""
        found = self._summary()[0].get("begin")
        return None if found is None else _instant(found)

    @property
    def end(self) -> Timestamp | None:
        """The time of the last received message or event."""
        found = self._summary()[0].get("end")
        return None if found is None else _instant(found)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of names and of the recorder, in order: dicts with `time`, `kind` and further keys."""
        self._open()
        events = _native.recording_events(self.path, self.max_message_size)
        for event in events:
            event["time"] = _instant(event["time"])
        return events

    def schema(self, name: str) -> str | None:
        """Returns the newest schema of a name as text of the notation; `None` without one."""
        self._check([name])
        return self._summary()[1].get(name)

    def __iter__(self) -> Iterator[RecordedMessage]:
        """Yields every message in order of reception."""
        return self.messages()

    def messages(
        self, *names: str, begin: When | None = None, end: When | None = None, timeout: Seconds = None
    ) -> Iterator[RecordedMessage]:
        """Yields the messages of these names and patterns, or of all names, received from `begin` to `end`.

        With `follow`, `timeout` limits the wait for each message in seconds; then `Timeout`. `None` waits for ever.
        """
        self._open()
        times = self._times(begin, end)
        if self.follow:
            return _native.RecordingReader(self.path, list(names), *times, True, timeout, self.max_message_size)
        chosen = self._matching(names) if names else []
        return _native.RecordingReader(self.path, chosen, *times, False, timeout, self.max_message_size)

    def table(self, name: str, *, begin: When | None = None, end: When | None = None) -> Table:
        """Returns the messages of a name as a table; for a pattern, with a first column `name`."""
        names = self._matching([name])
        times = self._times(begin, end)
        return Table(_native.recording_table(self.path, names, *times, name not in names, self.max_message_size))

    def batches(
        self, name: str, *, begin: When | None = None, end: When | None = None, rows: int = _ROWS
    ) -> Iterator[Table]:
        """Yields tables with `rows` rows, or fewer if those exceed 16 MiB of messages.

        All tables have the same columns. The memory in use does not grow with the recording.
        """
        try:
            number = operator.index(rows)
        except TypeError:
            raise refused(WrongType, "rows", rows, "the number of rows, an int from 1 upwards") from None
        if number < 1:
            raise InvalidState(f"batches of {number} rows: give at least 1")
        names = self._matching([name])
        times, limit = self._times(begin, end), self.max_message_size
        return Batches(_native.RecordingTables(self.path, names, *times, rows, name not in names, limit))

    def frames(
        self, name: str, field: str | None = None, *, begin: When | None = None, end: When | None = None
    ) -> Any:
        """Returns the arrays of a name as one array with an additional first dimension: one frame per message.

        All frames have one shape and element type. `field` is the path of the array, unless there is only one.
        """
        if not isinstance(field, str | None):
            raise refused(WrongType, "field", field, "the name of the field that has the arrays as text, or None")
        table = self.table(name, begin=begin, end=end)
        formats = {column: dict(table._native.describe(column)) for column in table.columns}
        arrays = [column for column, facts in formats.items() if facts["format"].startswith("+") and "beside" not in facts]
        if field is None:
            if len(arrays) != 1:
                raise InvalidState(f"messages of {name} have {len(arrays)} fields with arrays ({', '.join(arrays)}): name one")
            [field] = arrays
        elif field not in arrays:
            raise InvalidState(f"{field} of {name} holds no arrays; these do: {', '.join(arrays) or 'none'}")
        found = table._native.numbers(field)
        if found is None:
            raise InvalidState(
                f"{field} of {name} has arrays of several shapes, or messages without one: table({name!r})[{field!r}] has each of them, and None"
            )
        return found

    def write_parquet(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        begin: When | None = None,
        end: When | None = None,
        replace: bool = False,
        mode: int | None = None,
        **options: Any,
    ) -> None:
        """Writes the messages of a name as a Parquet file, in batches.

        Options are those of `pyarrow.parquet.ParquetWriter`; by default only numbers have statistics. The file gets its
        name when it is complete. Only a regular file with `replace` is replaced. `mode` is the file's mode; by default,
        that of new files in its folder.
        """
        self._write("parquet", name, self.batches(name, begin=begin, end=end), path, (replace, mode), options)

    def write_arrow(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        begin: When | None = None,
        end: When | None = None,
        replace: bool = False,
        mode: int | None = None,
    ) -> None:
        """Writes the messages of a name as an Arrow file (Feather version 2), like `write_parquet`."""
        self._write("arrow", name, self.batches(name, begin=begin, end=end), path, (replace, mode), {})

    def _write(
        self,
        form: str,
        name: str,
        batches: Iterator[Table],
        path: str | os.PathLike[str],
        making: tuple[bool, int | None],
        options: dict[str, Any],
    ) -> None:
        first = next(batches, None)
        if first is None:
            raise self._empty([name])
        with self._new_file(path, *making) as file, exporting(name), writer(form, file, first.to_arrow().schema, **options) as out:
            # Only one batch is in memory: each is freed before the next one is read.
            out.write_table(first.to_arrow())
            del first
            while (batch := next(batches, None)) is not None:
                out.write_table(batch.to_arrow())
                del batch

    def write_hdf5(
        self,
        path: str | os.PathLike[str],
        *names: str,
        begin: When | None = None,
        end: When | None = None,
        replace: bool = False,
        mode: int | None = None,
    ) -> None:
        """Writes an HDF5 file: a group per name, an extendable data set per column; `~` replaces `/`.

        Instants are nanoseconds since 1970 as 64-bit integers. Units of the schema are the attribute `unit`. The data
        set with the suffix `.valid` is `False` for nulls, the one with `.shape` has the shapes of different arrays.
        `replace` and `mode` are as for `write_parquet`.
        """
        chosen = self._matching(names)
        found = self._tables_of(chosen, self._times(begin, end))
        for name in chosen:
            found.check(name)
            found.check_whole(name)
        if not self._write_hdf5(found, chosen, path, replace, mode):
            raise self._empty(chosen)

    def _write_hdf5(
        self, found: _native.TablesOfNames, names: list[str], path: str | os.PathLike[str], replace: bool, mode: int | None
    ) -> bool:
        """Writes the file. Returns false, and makes no file, if these names have no message."""
        from ._hdf5 import write

        h5py = library("h5py")
        tables = self._chosen(found, names)
        first = next(tables, None)
        if first is not None:
            with self._new_file(path, replace, mode) as file:
                write(self, h5py, file, names, first, tables)
        return first is not None

    @contextlib.contextmanager
    def _new_file(self, path: str | os.PathLike[str], replace: bool, mode: int | None, is_in_folder: bool = False) -> Iterator[Any]:
        """An incomplete file is removed. The folder of several files must not be a link."""
        new = (_native.NewFile.within if is_in_folder else _native.NewFile)(path, replace, mode)
        with _of_linkspan(f"writing {_native.file_path(path)}"), open(new.fileno(), "r+b", buffering=0, closefd=False) as file:
            yield file
        new.sync()
        self._before_name()
        new.finish()

    def _before_name(self) -> None:
        """Called when a file is complete, before it gets its name."""

    def _empty(self, names: list[str]) -> NotFound:
        return NotFound(_native.one_line(f"{self.path} has no message of {', '.join(names[:20])} in these times"))

    def _tables_of(self, names: list[str], times: tuple[Place, Place]) -> _native.TablesOfNames:
        """One pass over the recording finds the columns."""
        return _native.TablesOfNames(self.path, names, *times, self.max_message_size)

    def _chosen(self, tables: _native.TablesOfNames, names: list[str]) -> Iterator[tuple[str, Table]]:
        """Yields the batches of chosen names, each with its name, in one more pass."""
        tables.choose(names)
        for name, native in tables:
            yield name, Table(native)

    def _outline(self) -> tuple[list[str], list[str]]:
        """Returns the names and the damage, without reading messages of a closed recording."""
        self._open()
        if self._outlined is None or self.follow:
            self._outlined = _native.recording_outline(self.path, self.max_message_size)
        return self._outlined

    def _matching(self, names: Iterable[str]) -> list[str]:
        """Returns the names that equal or match one of these, or all names. `NotFound` if one matches none."""
        there = self._outline()[0]
        names = list(names)
        found = _native.matching_names(there, names)
        if len(names) == 1 and not found:
            self._check(names)
        elif len(names) > 1:
            self._check(names)
        return found

    def _check(self, names: Iterable[str]) -> None:
        there, damage = self._outline()
        for name in names:
            if not _native.matching_names(there, [name]):
                shown = ", ".join(there[:_MOST_NAMED]) + (f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else "")
                hidden = f"; damage may hide it: {damage[0]}" if damage else ""
                raise NotFound(_native.one_line(f"{name} fits no name of {self.path}; it has {shown or 'none'}{hidden}"))

    def _times(self, begin: When | None, end: When | None) -> tuple[Place, Place]:
        return self._time("begin", begin, 0), self._time("end", end, _END)

    def _time(self, name: str, when: When | None, otherwise: int) -> Place:
        if when is None:
            return otherwise
        if type(when).__module__ == "numpy":
            # Columns of times contain instants and time spans.
            scalar: Any = when
            when = stand_in(scalar) if type(when).__name__ in ("datetime64", "timedelta64") else scalar.item()
            if when is None:
                raise _no_time(name, scalar, "seconds since the beginning from 0 upwards, or a Timestamp")
        if isinstance(when, datetime):
            when = Timestamp.from_datetime(when)
        if isinstance(when, Timestamp):
            return max(when.nanoseconds, 0)
        if isinstance(when, timedelta):
            when = when.total_seconds()
        if not isinstance(when, int | float) or isinstance(when, bool) or not when >= 0:
            raise _no_time(name, when, "seconds since the beginning from 0 upwards, or a Timestamp")
        if when > _END / _SECOND and when != float("inf"):
            raise _no_time(name, when, "fewer seconds: 64 bits do not have so many nanoseconds; Timestamp(n) is n nanoseconds since 1970")
        return _END if when == float("inf") else (min(round(when * _SECOND), _END),)

    def __repr__(self) -> str:
        path = _native.one_line(self.path)
        if self._closed:
            return f"<linkspan.Recording {path}, closed>"
        try:
            names = len(self._outline()[0])
        except Error as error:
            return f"<linkspan.Recording {path}: {error}>"
        counted = f"{len(self)} messages of " if self._found is not None and not self.follow else ""
        return f"<linkspan.Recording {path}: {counted}{names} {'name' if names == 1 else 'names'}{', followed' if self.follow else ''}>"

    def _repr_html_(self) -> str:
        if self._closed:
            return html.escape(repr(self))
        names = self.names
        head = "".join(f"<th>{head}</th>" for head in ("name", "messages", "missed", "first", "last", "schemas"))
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{cell(value)}</td>" for value in (name, facts.messages, facts.missed, facts.first, facts.last, ", ".join(facts.schemas)))
            + "</tr>"
            for name, facts in list(names.items())[:_MOST_NAMED]
        )
        more = f" {len(names) - _MOST_NAMED} more names." if len(names) > _MOST_NAMED else ""
        return (
            f"<p>{cell(self.path)}: {len(self)} messages of {len(names)} names, {len(self.problems)} problems</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{more}</p>"
        )


def _no_time(name: str, given: object, give: str) -> Unsupported:
    error = Unsupported(f"{name}={shown(given)} is no time: give {give}")
    error.path = name
    return error


def _instant(nanoseconds: int) -> Timestamp:
    """Times of a file have one bit more; later ones become the last timestamp."""
    return Timestamp(min(nanoseconds, _LAST))


@contextlib.contextmanager
def _of_linkspan(doing: str) -> Iterator[None]:
    """Raises system errors as errors of Linkspan, such as `NoSpace` for a full disk."""
    try:
        yield
    except Error:
        raise
    except OSError as error:
        if error.errno is None:
            raise Unsupported(_native.one_line(f"{doing}: {said(error)}")) from error
        _native.fail_by_system(doing, error.errno)


@contextlib.contextmanager
def exporting(name: str) -> Iterator[None]:
    """Adds the name of the exported messages to foreign errors."""
    try:
        with _of_linkspan(f"writing {name}"):
            yield
    except Error:
        raise
    except Exception as error:
        raise Unsupported(_native.one_line(f"{name}: {type(error).__name__}: {said(error)}")) from error


def writer(form: str, file: Any, schema: Any, **options: Any) -> Any:
    """The object writes tables into a file, batch by batch."""
    if form == "arrow":
        return library("pyarrow.ipc").new_file(file, schema)
    types = library("pyarrow.types")
    numbers = [field.name for field in schema if types.is_primitive(field.type)]
    return library("pyarrow.parquet").ParquetWriter(file, schema, **{"write_statistics": numbers, **options})
