"""A runtime directory for each test, and programs that are started, watched and ended by process id."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from support.memory import Group
from support.namespaces import unshare

# The tests in that folder have an independent implementation of the protocol, which knows no slots.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "independent"))

Start = Callable[..., subprocess.Popen[str]]

#: The helpers that every program of these tests can use.
BEGIN = """
def became(use):
    \"\"\"What became of a call: "done", or the kind of its error.\"\"\"
    try:
        use()
    except linkspan.Error as error:
        return type(error).__name__
    return "done"

def fill(folder):
    \"\"\"Takes all the space of a folder's file system, and all its names; gives the files back to remove.\"\"\"
    made = []
    try:
        for size in (1 << 16, 1 << 12, 1):
            try:
                with open(f"{folder}/fill-{size}", "wb", buffering=0) as file:
                    made.append(file.name)
                    while file.write(b"x" * size) == size: pass
                    os.fsync(file.fileno())
            except OSError: pass
        for i in range(100_000):
            open(f"{folder}/fill-name-{i}", "x").close()
            made.append(f"{folder}/fill-name-{i}")
    except OSError: pass
    return made
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime directory, for this process and those that it starts; their durable files are of this test alone."""
    directory = tmp_path / "run"
    directory.mkdir(mode=0o755)
    monkeypatch.setenv("LINKSPAN_DIR", str(directory))
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(tmp_path / "state"))
    return directory


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python program given as text; what it prints can be read line by line. It is killed at the end.

    With `within`, in namespaces of its own: the words of unshare; `mounts` is shell text that is run there first. `env` is
    added to the environment.
    """
    started: list[subprocess.Popen[str]] = []

    def program(
        text: str, *words: str, within: Sequence[str] = (), mounts: str = "", env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        code = "import os, sys, time, linkspan\n" + BEGIN + textwrap.dedent(text)
        command = [sys.executable, "-u", "-c", code, *words]
        if within:
            command = [*unshare(*within), "sh", "-ec", mounts + '\nexec "$@"', "sh", *command]
        child = subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            env={**os.environ, **(env or {})},
        )
        started.append(child)
        return child

    yield program
    for child in started:
        # With all processes that it forked.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.close()
        # The rest of the output is not read any more.
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()



@pytest.fixture
def group() -> Iterator[Group]:
    made = Group()
    yield made
    made.end()
