"""A runtime directory for each test, and programs that are started, watched and ended by process id."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime directory, for this process and those it starts."""
    directory = tmp_path / "run"
    directory.mkdir(mode=0o755)
    monkeypatch.setenv("LINKSPAN_DIR", str(directory))
    return directory


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python program given as text; what it prints can be read line by line. It is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def program(text: str, *words: str) -> subprocess.Popen[str]:
        code = "import os, sys, time, linkspan\n" + textwrap.dedent(text)
        child = subprocess.Popen(
            [sys.executable, "-u", "-c", code, *words], text=True,
            stdout=subprocess.PIPE, start_new_session=True,
        )
        started.append(child)
        return child

    yield program
    for child in started:
        # With whatever it forked.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()

