"""What `linkspan recording export --parquet`, `--arrow` and `--hdf5` run: `python -m linkspan._export`, which reads what to do as JSON from standard
input, prints lines of JSON that say how far it has come where the request asks for them, and at last what became of it: the tables that are `refused`, and `error` with its `code`."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from .errors import Error, NoSpace, NotFound, TooLarge
from .recording import Recording, Table, exporting
from .timestamp import Timestamp

#: The last time that a timestamp has.
_LAST = 2**63 - 1


class _Told(Recording):
    """A recording that says after each batch which part of all messages it has given."""

    def tell(self, names: list[str], out: TextIO) -> None:
        """Says it from now on, as a line of JSON."""
        self._out, self._given = out, 0
        self._all = sum(self.names[name].messages for name in names if name in self.names)

    def batches(self, name: str, **more: Any) -> Iterator[Table]:
        for batch in super().batches(name, **more):
            yield batch
            self._given += len(batch)
            print(json.dumps({"progress": self._given / max(self._all, self._given)}), file=self._out, flush=True)


def export(request: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Writes the files; whatever is raised meanwhile is one line."""
    form, tables = request["form"], request["tables"]
    made: dict[str, Any] = {
        "begin": Timestamp(min(request["begin"], _LAST)),
        "end": Timestamp(min(request["end"], _LAST)),
        "replace": request["replace"],
        "mode": request["mode"],
    }
    doing, made_one = request["recording"], False
    refused: list[dict[str, Any]] = []
    try:
        told = request.get("progress")
        recording = (_Told if told else Recording)(request["recording"], max_message_size=request.get("max_message_size"))
        if isinstance(recording, _Told):
            recording.tell([name for name, _ in tables], out)
        if form == "hdf5":
            recording.write_hdf5(tables[0][1], *(name for name, _ in tables), **made)
        else:
            write = recording.write_parquet if form == "parquet" else recording.write_arrow
            empty: NotFound | None = None
            for name, path in tables:
                doing = name
                try:
                    with exporting(name):
                        write(name, path, **made)
                    made_one = True
                except NotFound as error:
                    # No message in these times: there is no table of it.
                    empty = error
                except TooLarge as error:
                    if len(tables) == 1:
                        raise
                    # A name with too many fields costs no other table.
                    refused.append({"error": f"{name}: {error}", "code": error.code})
            if empty is not None and not made_one and not refused:
                raise empty
        return {"refused": refused}
    except Error as error:
        return {"error": str(error), "code": error.code}
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        return {"error": f"{doing}: {error}", "code": NoSpace.code if full else 0}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001, one that ends the program with a traceback says less
        return {"error": f"{doing}: {type(error).__name__}: {error}", "code": 0}


def main() -> None:
    """Does it. Libraries that print something print it on standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        answer = export(json.load(sys.stdin), out)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
