"""What `linkspan recording export --parquet`, `--arrow` and `--hdf5` run: `python -m linkspan._export`, which reads what to do as JSON from standard
input, prints lines of JSON that say how far it has come where the request asks for them, and at last what became of it: the tables that are `refused`, the messages that are `left_out` of others, and `error` with its `code`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from . import _native
from .errors import Error, NoSpace
from .recording import Recording, exporting, writer
from .table import Table

#: Files that are written at the same time, at most: each pass over the recording writes some of them.
_OPEN = 128


class _Exported(Recording):
    """A recording whose export another program reads: that program may end before the export does, and may ask for its progress."""

    def serve(self, may_name: Callable[[], None]) -> None:
        """Has this called before each file gets its name."""
        self._may_name = may_name
        self._out: TextIO | None = None

    def tell(self, names: list[str], out: TextIO) -> None:
        """Says after each batch which part of all messages it has given, as a line of JSON."""
        self._out, self._given = out, 0
        self._all = sum(self.names[name].messages for name in names if name in self.names)

    def _before_name(self) -> None:
        self._may_name()

    def _chosen(self, tables: _native.TablesOfNames, names: list[str]) -> Iterator[tuple[str, Table]]:
        for name, batch in super()._chosen(tables, names):
            yield name, batch
            if self._out is not None:
                self._given += len(batch)
                print(json.dumps({"progress": self._given / max(self._all, self._given)}), file=self._out, flush=True)


def _write(recording: Recording, form: str, request: dict[str, Any], made: dict[str, Any], doing: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Writes all names into one file, or a file for each; returns those that have no table, and what of others is left out. `doing` has what is
    written now."""
    paths: dict[str, str] = dict(request["tables"])
    found = recording._tables_of(list(paths), made["times"])
    refused: list[dict[str, Any]] = []
    for name in list(paths):
        try:
            found.check(name)
        except Error as error:
            if len(request["tables"]) == 1:
                raise
            # What one name has costs no other table.
            refused.append({"error": f"{name}: {error}", "code": error.code})
            del paths[name]
    making = made["replace"], made["mode"]
    if form == "hdf5":
        is_written = bool(paths) and recording._write_hdf5(found, list(paths), request["tables"][0][1], *making)
    else:
        is_written = _write_each(recording, form, found, paths, (*making, request.get("in_folder", False)), doing)
    if not is_written and not refused:
        raise recording._empty(list(paths))
    left_out = [_left_out(found, name) for name in paths if found.left_out(name)]
    return {"refused": refused, **({"left_out": left_out} if left_out else {})}


def _left_out(found: _native.TablesOfNames, name: str) -> dict[str, Any]:
    """How many messages of a name are not in its table, and why the first one is not."""
    try:
        found.check_whole(name)
    except Error as error:
        return {"count": found.left_out(name), "error": f"{name}: {error}"}
    return {}


def _write_each(
    recording: Recording, form: str, found: _native.TablesOfNames, paths: dict[str, str], making: tuple[bool, int | None, bool], doing: list[str]
) -> bool:
    """Writes a file for each name that has messages; returns whether one has. One pass over the recording is for 128 of them."""
    names, written = list(paths), 0
    for at in range(0, len(names), _OPEN):
        with contextlib.ExitStack() as open_files:
            outs: dict[str, Any] = {}
            for name, batch in recording._chosen(found, names[at : at + _OPEN]):
                doing[:] = [name]
                with exporting(name):
                    table = batch.to_arrow()
                    if name not in outs:
                        file = open_files.enter_context(recording._new_file(paths[name], *making))
                        outs[name] = open_files.enter_context(_closed(name, writer(form, file, table.schema)))
                    outs[name].write_table(table)
                del batch, table
            written += len(outs)
    return written > 0


@contextlib.contextmanager
def _closed(name: str, out: Any) -> Iterator[Any]:
    """A writer of a file, which writes the end of it."""
    with exporting(name), out:
        yield out


def export(request: dict[str, Any], out: TextIO, may_name: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Writes the files; whatever is raised meanwhile is one line. `may_name` ends it where no file is to get its name any more."""
    form, tables = request["form"], request["tables"]
    made: dict[str, Any] = {
        # Nanoseconds since 1970, or in a list those since the beginning.
        "times": tuple(tuple(time) if isinstance(time, list) else time for time in (request["begin"], request["end"])),
        "replace": request["replace"],
        "mode": request["mode"],
    }
    doing = [request["recording"]]
    try:
        recording = _Exported(request["recording"], max_message_size=request.get("max_message_size"))
        recording.serve(may_name)
        if request.get("progress"):
            recording.tell([name for name, _ in tables], out)
        return dict(_write(recording, form, request, made, doing))
    except Error as error:
        # Before a name is written, the error is of the recording and says so.
        at = "" if doing[0] == request["recording"] else f"{doing[0]}: "
        return {"error": f"{at}{error}", "code": error.code}
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return {"error": f"{doing[0]}: {error}", "code": NoSpace.code if full else 0}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001, one that ends the program with a traceback says less
        return {"error": f"{doing[0]}: {type(error).__name__}: {error}", "code": 0}


def _end_with_reader(out: TextIO) -> None:
    """Ends this program by SIGTERM when the program that reads its answer ends, however that ends: no file gets its name then."""

    def wait() -> None:
        _has_no_reader(out, None)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="reader", daemon=True).start()


def _has_no_reader(out: TextIO, timeout: int | None) -> bool:
    """Whether the program that reads the answer has ended, or does within so many milliseconds."""
    # A pipe that no one reads any more is an error, which is always reported. A death signal of the parent would come to the program in
    # between, where LINKSPAN_PYTHON names one that starts the interpreter.
    watched = select.poll()
    watched.register(out.fileno(), 0)
    return bool(watched.poll(timeout))


def _end_without_reader(out: TextIO) -> None:
    """Ends this program if its reader has: its signal may come after the last file was written."""
    if _has_no_reader(out, 0):
        _terminated(signal.SIGTERM, None)


def _terminated(number: int, _frame: object) -> None:
    """Leaves all blocks, which remove what is unfinished, as after Ctrl-C."""
    sys.exit(128 + number)


def main() -> None:
    """Does it. Libraries that print something print it on standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _terminated)
    _end_with_reader(out)
    try:
        answer = export(json.load(sys.stdin), out, lambda: _end_without_reader(out))
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
