"""A runtime directory, and plain peers that use sockets, pipes and text without Linkspan."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import linkspan

#: Seconds; only guards against a hang.
SOON = 60

#: A Python peer's beginning: a connection to the address, and lines over it.
PREAMBLE = """
import json, os, socket, sys
def connect(where):
    if where.startswith("tcp:"):
        host, port = where.removeprefix("tcp://").rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=60.0)
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(where)
    return s
def listen(where):
    if where.startswith("tcp:"):
        host, port = where.removeprefix("tcp://").rsplit(":", 1)
        return socket.create_server((host, int(port)))
    s = socket.socket(socket.AF_UNIX)
    s.bind(where)
    s.listen()
    return s
where = sys.argv[1]
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("LINKSPAN_DIR", str(directory))
    return directory


class PlainPeers:
    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *command: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.started.append(child)
        return child

    def python(self, text: str, *words: str) -> subprocess.Popen[str]:
        # Isolated, so that it finds no module of Linkspan.
        return self.run(sys.executable, "-I", "-u", "-c", PREAMBLE + textwrap.dedent(text), *words)

    def bash(self, text: str, *words: str) -> subprocess.Popen[str]:
        return self.run("bash", "-euc", textwrap.dedent(text), "bash", *words)

    def php(self, text: str, *words: str) -> subprocess.Popen[str]:
        return self.run("php", "-n", "-r", textwrap.dedent(text), "--", *words)


@pytest.fixture
def plain_peers() -> Iterator[PlainPeers]:
    made = PlainPeers()
    yield made
    for child in made.started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def output(child: subprocess.Popen[str]) -> str:
    out, _ = child.communicate(timeout=SOON)
    assert child.returncode == 0, out
    return out


class Served:
    """A server that answers in a separate thread and keeps one-way messages."""

    def __init__(self, endpoint: str, **options: Any) -> None:
        self.server = linkspan.serve(endpoint, framing="lines", **options)
        self.endpoint = self.server.endpoint
        self.notifications: list[Any] = []
        self.arrived = threading.Condition()
        self.thread = threading.Thread(target=self.server.run, args=(self.answer,))
        self.thread.start()

    def answer(self, request: linkspan.Request) -> Any:
        if not request.wants_reply:
            with self.arrived:
                self.notifications.append(request.value)
                self.arrived.notify()
            return None
        method, params = request["method"], request.value.get("params")
        if method == "sum":
            return sum(params)
        if method == "echo":
            return params
        if method == "refuse":
            request.fail("too long", "spectrum.window_too_long", -32001, {"most": 4096})
            return None
        raise LookupError(f"no method {method}")

    def wait_for(self, count: int) -> list[Any]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.notifications) >= count, SOON)
            return self.notifications

    def close(self) -> None:
        self.server.close()
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def begin(endpoint: str, **options: Any) -> Served:
        made.append(Served(endpoint, **options))
        return made[-1]

    yield begin
    for served in made:
        served.close()
