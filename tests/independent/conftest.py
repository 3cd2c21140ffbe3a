"""A runtime directory and the program `linkspan`, for tests of the independent implementation."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/linkspan"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def linkspan(run: Path, tmp_path: Path) -> Iterator[Start]:
    environment = {**os.environ, "LINKSPAN_DIR": str(run), "LINKSPAN_STATE_DIR": str(tmp_path / "state")}
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, pipes_in: bool = False) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        ins = pipe if pipes_in else subprocess.DEVNULL
        child = subprocess.Popen([PROGRAM, *words], text=True, stdin=ins, stdout=pipe, stderr=pipe, env=environment)
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.communicate()
