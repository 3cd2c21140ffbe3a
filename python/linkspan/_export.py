"""What `linkspan recording export --parquet`, `--arrow` and `--hdf5` run: `python -m linkspan._export FORM RECORDING OUTPUT BEGIN END NAME...`."""

from __future__ import annotations

import sys

from .errors import Error
from .recording import Recording
from .timestamp import Timestamp


def main(form: str, path: str, output: str, begin: str, end: str, *names: str) -> int:
    """Writes the file; an error is one line on standard error, and the exit code 1."""
    last = 2**63 - 1
    times = {"begin": Timestamp(min(int(begin), last)), "end": Timestamp(min(int(end), last))}
    try:
        recording = Recording(path)
        if form == "hdf5":
            recording.write_hdf5(output, *names, **times)
        else:
            write = recording.write_parquet if form == "parquet" else recording.write_arrow
            write(names[0], output, **times)
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
