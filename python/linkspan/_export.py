"""Runs the exports of `linkspan recording export`: `python -m linkspan._export`.

Standard input has the request as JSON. The last line of the output is the result: `refused` tables, `left_out`
messages, and `error` with its `code`.
"""

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

#: The most files written in one pass over the recording.
_OPEN = 128


class _Exported(Recording):
    """That program may end early, and may ask for progress."""

    def serve(self, may_name: Callable[[], None]) -> None:
        """Sets a function to call before each file gets its name."""
        self._may_name = may_name
        self._out: TextIO | None = None

    def tell(self, names: list[str], out: TextIO) -> None:
        """Prints the exported share of all messages as a JSON line after each batch."""
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
    """Writes all names into one file, or one file per name.

    Returns the names without a table, and the messages left out of other tables. `doing` names the file in progress.
    """
    paths: dict[str, str] = dict(request["tables"])
    found = recording._tables_of(list(paths), made["times"])
    refused: list[dict[str, Any]] = []
    for name in list(paths):
        try:
            found.check(name)
        except Error as error:
            if len(request["tables"]) == 1:
                raise
            # A failing name must not cost other tables.
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
    try:
        found.check_whole(name)
    except Error as error:
        return {"count": found.left_out(name), "error": f"{name}: {error}"}
    return {}


def _write_each(
    recording: Recording, form: str, found: _native.TablesOfNames, paths: dict[str, str], making: tuple[bool, int | None, bool], doing: list[str]
) -> bool:
    """Writes one file for each name, 128 in each pass; returns whether any name has messages."""
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
    """The writer finishes its file at the end."""
    with exporting(name), out:
        yield out


def export(request: dict[str, Any], out: TextIO, may_name: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Errors become one line. `may_name` raises if no further file may get its name."""
    form, tables = request["form"], request["tables"]
    made: dict[str, Any] = {
        # Nanoseconds since 1970, or, in a list, since the beginning.
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
        # Before the first name, the error is about the recording and names it.
        at = "" if doing[0] == request["recording"] else f"{doing[0]}: "
        return {"error": f"{at}{error}", "code": error.code}
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return {"error": f"{doing[0]}: {error}", "code": NoSpace.code if full else 0}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001, a traceback would say less
        return {"error": f"{doing[0]}: {type(error).__name__}: {error}", "code": 0}


def _end_with_reader(out: TextIO) -> None:
    """Ends this program by SIGTERM when its reading program ends, so that no further file gets its name."""

    def wait() -> None:
        _has_no_reader(out, None)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="reader", daemon=True).start()


def _has_no_reader(out: TextIO, timeout: int | None) -> bool:
    """Waits up to `timeout` milliseconds for the end of the reading program."""
    # poll always reports a pipe without a reader. A death signal of the parent would reach a program between both, such
    # as a launcher in LINKSPAN_PYTHON.
    watched = select.poll()
    watched.register(out.fileno(), 0)
    return bool(watched.poll(timeout))


def _end_without_reader(out: TextIO) -> None:
    """The signal may come after the last file."""
    if _has_no_reader(out, 0):
        _terminated(signal.SIGTERM, None)


def _terminated(number: int, _frame: object) -> None:
    """Leaves all blocks, which remove unfinished files, as after Ctrl-C."""
    sys.exit(128 + number)


def main() -> None:
    """Output of libraries goes to standard error."""
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
