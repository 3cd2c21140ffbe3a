"""Commands refuse files that may block: a FIFO, a device, a leased file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tree import DEBUG, PROGRAM
from support.waiting import PATIENCE, next_line

#: Holds a write lease on a file, so opening it waits, until standard input closes.
LEASES = """
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], "r+")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.read()
"""

RECORD, GATEWAY, SCHEMA = (DEBUG / f"linkspan-{name}" for name in ("record", "gateway", "schema"))
#: Commands with FILE as the tested file, OUT as a free path, and GOOD as a certificate.
COMMANDS = [
    *([PROGRAM, "schema", word, "FILE"] for word in ("check", "show", "fingerprint", "validate")),
    [PROGRAM, "schema", "diff", "FILE", "FILE"],
    [PROGRAM, "schema", "generate", "FILE", "--lang", "python", "--output", "-"],
    [PROGRAM, "pub", "lab/x", "1", "--schema", "FILE"],
    [PROGRAM, "controller", "--http", "127.0.0.1:0", "--http-token", "FILE"],
    [SCHEMA, "export", "FILE", "--to", "json-schema"],
    [SCHEMA, "import", "FILE", "--from", "proto"],
    [SCHEMA, "infer", "FILE"],
    [SCHEMA, "infer", "lab/x", "--widen", "FILE"],
    *([RECORD, "recording", word, "FILE"] for word in ("info", "check", "report")),
    *([RECORD, "recording", "export", "FILE", form, "-o", "OUT"] for form in ("--csv", "--jsonl", "--ros2", "--parquet")),
    [RECORD, "recording", "cut", "FILE", "-o", "OUT"],
    [RECORD, "recording", "merge", "FILE", "FILE", "-o", "OUT"],
    [RECORD, "replay", "FILE"],
    [RECORD, "record", "lab/x", "-o", "OUT", "--attach", "FILE"],
    [RECORD, "record", "lab/x", "-o", "FILE"],
    [GATEWAY, "--tokens", "FILE"],
    [GATEWAY, "--listen", "127.0.0.1:0", "--tokens", "OUT", "--certificate", "FILE", "--key", "FILE"],
    [GATEWAY, "--listen", "127.0.0.1:0", "--tokens", "OUT", "--certificate", "GOOD", "--key", "FILE"],
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("files")
    os.mkfifo(folder / "fifo")
    (folder / "leased").write_text('name = "x"\n')
    good = folder / "good.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x", "-keyout", os.devnull]
    subprocess.run([*words, "-out", good], check=True, capture_output=True)
    leasing = subprocess.Popen([sys.executable, "-c", LEASES, folder / "leased"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert next_line(leasing.stdout, "the lease").strip() == "leased"
    found = {"a FIFO": folder / "fifo", "a leased file": folder / "leased", "a device": Path("/dev/zero"), "GOOD": good}
    if os.geteuid() == 0 and "could read" in readable(Path("/proc/kmsg")):
        # A regular file by its mode, but reading waits for the next kernel message.
        found["messages of the kernel"] = Path("/proc/kmsg")
    yield found
    leasing.communicate("")


def readable(path: Path) -> str:
    """Whether a blocking file has data; takes the data, so the next read waits."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        return str(error)
    try:
        while os.read(file, 1 << 16):
            pass
    except BlockingIOError:
        return "could read"
    except OSError as error:
        return str(error)
    finally:
        os.close(file)
    return "at its end"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join([Path(words[0]).name, *words[1:]]))
def test_files_that_may_never_end_are_refused_and_not_waited_for(files: dict[str, Path], tmp_path: Path, command: list) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {**os.environ, "LINKSPAN_DIR": str(tmp_path / "run"), "HOME": str(tmp_path)}
    for kind, file in files.items():
        if kind == "GOOD":
            continue
        replaced = {"FILE": str(file), "OUT": str(tmp_path / "out"), "GOOD": str(files["GOOD"])}
        words = [replaced.get(word, word) if isinstance(word, str) else word for word in command]
        done = subprocess.run(words, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode in (1, 2), (kind, words, done)
        # One error names the file; failures of the library or a memory limit do not count.
        [line] = [line for line in done.stderr.splitlines() if ": " in line and "try '--help'" not in line][-1:]
        assert str(file) in line and "Internal" not in line and "OutOfMemory" not in line, (kind, words, done.stderr)
        assert not (tmp_path / "out").exists(), (kind, words)
