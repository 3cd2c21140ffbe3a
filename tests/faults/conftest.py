"""A runtime directory for each test, and programs managed by process id."""

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

# That folder has an independent implementation of the protocol, without slots.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "independent"))

Start = Callable[..., subprocess.Popen[str]]

#: Helpers for every program of these tests.
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
    """Sets the runtime directory for this process and its children; durable files belong to this test."""
    directory = tmp_path / "run"
    directory.mkdir(mode=0o755)
    monkeypatch.setenv("LINKSPAN_DIR", str(directory))
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(tmp_path / "state"))
    return directory


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python program from text; its output can be read line by line, and the test's end kills it.

    `within` lists words of unshare for separate namespaces; `mounts` is shell text that runs there first. `env`
    extends the environment.
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
        # Includes all forked processes.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.close()
        # The reader may be gone.
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()



@pytest.fixture
def group() -> Iterator[Group]:
    made = Group()
    yield made
    made.end()
