"""What `linkspan recording export --parquet`, `--arrow` and `--hdf5` run: `python -m linkspan._export`, which reads what to do as JSON from standard
input, prints lines of JSON that say how far it has come where the request asks for them, and at last what became of it: the tables that are `refused`, and `error` with its `code`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from . import _native
from .errors import Error, NoSpace
from .recording import Recording, Table, _new_file, exporting, writer
from .timestamp import Timestamp

#: The last time that a timestamp has.
_LAST = 2**63 - 1
#: Files that are written at the same time, at most: each pass over the recording writes some of them.
_OPEN = 128


class _Told(Recording):
    """A recording that says after each batch which part of all messages it has given."""

    def tell(self, names: list[str], out: TextIO) -> None:
        """Says it from now on, as a line of JSON."""
        self._out, self._given = out, 0
        self._all = sum(self.names[name].messages for name in names if name in self.names)

    def _chosen(self, tables: _native.TablesOfNames, names: list[str]) -> Iterator[tuple[str, Table]]:
        for name, batch in super()._chosen(tables, names):
            yield name, batch
            self._given += len(batch)
            print(json.dumps({"progress": self._given / max(self._all, self._given)}), file=self._out, flush=True)


def _write(recording: Recording, form: str, request: dict[str, Any], made: dict[str, Any], doing: list[str]) -> list[dict[str, Any]]:
    """Writes a file for each name; returns those that could not be. One pass over the recording is for all names, and one for each 128 of them.
    `doing` has what is written now."""
    paths: dict[str, str] = dict(request["tables"])
    found = recording._tables_of(list(paths), made["begin"], made["end"])
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
    names, written = list(paths), 0
    for at in range(0, len(names), _OPEN):
        with contextlib.ExitStack() as open_files:
            outs: dict[str, Any] = {}
            for name, batch in recording._chosen(found, names[at : at + _OPEN]):
                doing[:] = [name]
                with exporting(name):
                    table = batch.to_arrow()
                    if name not in outs:
                        file = open_files.enter_context(_new_file(paths[name], made["replace"], made["mode"]))
                        outs[name] = open_files.enter_context(_closed(name, writer(form, file, table.schema)))
                    outs[name].write_table(table)
                del batch, table
            written += len(outs)
    if not written and not refused:
        raise recording._empty(names)
    return refused


@contextlib.contextmanager
def _closed(name: str, out: Any) -> Iterator[Any]:
    """A writer of a file, which writes the end of it."""
    with exporting(name), out:
        yield out


def export(request: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Writes the files; whatever is raised meanwhile is one line."""
    form, tables = request["form"], request["tables"]
    made: dict[str, Any] = {
        "begin": Timestamp(min(request["begin"], _LAST)),
        "end": Timestamp(min(request["end"], _LAST)),
        "replace": request["replace"],
        "mode": request["mode"],
    }
    doing = [request["recording"]]
    try:
        told = request.get("progress")
        recording = (_Told if told else Recording)(request["recording"], max_message_size=request.get("max_message_size"))
        if isinstance(recording, _Told):
            recording.tell([name for name, _ in tables], out)
        if form != "hdf5":
            return {"refused": _write(recording, form, request, made, doing)}
        recording.write_hdf5(tables[0][1], *(name for name, _ in tables), **made)
        return {"refused": []}
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
    watched = select.poll()
    # A pipe that no one reads any more is an error, which is always reported. A death signal of the parent would come to the program in
    # between, where LINKSPAN_PYTHON names one that starts the interpreter.
    watched.register(out.fileno(), 0)

    def wait() -> None:
        watched.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="reader", daemon=True).start()


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
        answer = export(json.load(sys.stdin), out)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
