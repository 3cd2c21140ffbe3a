"""The C library for the packaging tests: built, and installed under a separate prefix."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pytest

from support.tree import DEBUG, PROGRAM, ROOT

C_API = ROOT / "c-api"
VECTORS = ROOT / "tests/vectors/values.json"
TRANSPORTS = ("shm", "unix", "tcp", "fifo", "spool", "dgram", "file", "journal")
# Fortran programs that run in pairs over each transport, with a number for their endpoint.
PAIRS = {
    transport: (
        ([("receive", "send", 1)] if transport not in ("file", "journal") else [])
        + ([("serve", "call", 2)] if transport not in ("dgram", "file", "journal") else [])
        + ([("publish", "subscribe", 3)] if transport in ("shm", "unix", "tcp", "file", "journal") else [])
    )
    for transport in TRANSPORTS
}


def endpoint(transport: str, number: int) -> str:
    """An endpoint of this run: all of 127.0.0.0/8 is local."""
    if transport != "tcp":
        return f"{transport}:test/c{number}"
    high, middle, low = (os.getpid() >> shift & 255 for shift in (16, 8, 0))
    return f"tcp://127.{1 + high % 127}.{middle}.{low}:{23000 + number}"


# Seconds; only guards against a hang.
DEADLINE = 300


def run(*command: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a command and returns its output; a failure shows everything. Ends remaining processes."""
    words = [str(c) for c in command]
    # A remaining child would keep a pipe open.
    with TemporaryFile() as printed:
        process = subprocess.Popen(words, stdout=printed, stderr=printed, env=env, cwd=cwd, start_new_session=True)
        try:
            code = process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            code = f"not ended after {DEADLINE} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    assert code == 0, f"{' '.join(words)}: {code}\n{text}"
    return text


@pytest.fixture(scope="session")
def libraries() -> Path:
    """The folder with the libraries that cargo built; LINKSPAN_LIBRARIES names another one, for instance built for a sanitizer."""
    assert (DEBUG / "liblinkspan_c.a").exists() and PROGRAM.exists(), f"{DEBUG} is not built: tests/run build"
    return Path(os.environ.get("LINKSPAN_LIBRARIES", DEBUG))


@pytest.fixture(scope="session")
def prefix(libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("prefix")
    run(C_API / "install.sh", place, libraries)
    return place


@pytest.fixture(scope="session")
def one_word(libraries: Path, prefix: Path) -> Iterator[Path]:
    """An installation in a path without space: fpm splits flags, and a shell splits pkg-config's output."""
    if " " not in str(prefix):
        yield prefix
        return
    with TemporaryDirectory(prefix="lkp-", dir="/tmp") as place:
        run(C_API / "install.sh", place, libraries)
        yield Path(place)


@pytest.fixture
def environment(tmp_path: Path, prefix: Path) -> dict[str, str]:
    """A runtime directory for the test, with pkg-config and the loader set up for the prefix."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    return {
        **os.environ,
        "LINKSPAN_DIR": str(runtime),
        "LINKSPAN_STATE_DIR": str(tmp_path / "state"),
        "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"),
        "LD_LIBRARY_PATH": str(prefix / "lib"),
        "RUST_BACKTRACE": "0",
    }


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "valgrind: takes minutes for what AddressSanitizer finds in seconds")
    config.addinivalue_line("markers", "features: builds the shell program four times")


@contextmanager
def controller(environment: dict[str, str]) -> Iterator[None]:
    """Runs `linkspan controller` in the test's runtime directory; it must end successfully."""
    # The usual port may be in use.
    listen = [PROGRAM, "controller", "--listen", "unix:controller"]
    process = subprocess.Popen(listen, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
        process.terminate()
        output, _ = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
