"""Machines of a test: each a runtime directory of its own, with a bridge of its own to the others over loopback."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
PROGRAM = TARGET / "linkspan"
#: Only guards against a hang.
SOON = 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def eventually(what: Callable[[], Any], why: str) -> Any:
    """What it gives once that is true."""
    deadline, last = time.monotonic() + SOON, None
    while time.monotonic() < deadline:
        last = what()
        if last:
            return last
        time.sleep(0.05)
    raise AssertionError(f"{why}: not within {SOON} s; last {last!r}")


class Lines:
    """A program whose standard output is read line by line."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process, self.rest = process, b""

    def next(self) -> str:
        deadline = time.monotonic() + SOON
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], "no line came in time"
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            assert more, "the program has ended"
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()


class Machine:
    """A runtime directory, its programs, its bridge."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        folder.mkdir(mode=0o700)
        self.env = os.environ | {"LINKSPAN_DIR": str(folder), "HOME": str(folder), "XDG_STATE_HOME": str(folder)}
        self.running: list[subprocess.Popen] = []
        self.said = folder.with_suffix(".log")

    def start(self, *arguments: object, **more: Any) -> subprocess.Popen:
        command = [str(PROGRAM), *map(str, arguments)]
        more.setdefault("stdin", subprocess.DEVNULL)
        with self.said.open("ab") as log:
            process = subprocess.Popen(command, env=self.env, stderr=log, **more)
        self.running.append(process)
        return process

    def run(self, *arguments: object, code: int = 0) -> str:
        command = [str(PROGRAM), *map(str, arguments)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=SOON)
        assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def bridge(self, *arguments: object) -> subprocess.Popen:
        process = self.start("bridge", "--machine", self.name, *arguments)
        eventually(lambda: process.poll() is not None or self.status(), "the bridge runs")
        assert process.poll() is None, self.said.read_text()
        return process

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [str(PROGRAM), "latest", "bridge/status", "--json"], env=self.env, capture_output=True, timeout=SOON
        )
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def publisher(self, name: str) -> subprocess.Popen:
        """One that publishes each line of its standard input."""
        return self.start("pub", name, stdin=subprocess.PIPE)

    def subscriber(self, name: str, *more: object) -> Lines:
        return Lines(self.start("sub", name, "--json", "-t", "forever", *more, stdout=subprocess.PIPE))

    def listed(self, name: str) -> dict[str, Any] | None:
        lines = map(json.loads, self.run("ls", name, "--json").splitlines())
        return next((line for line in lines if line["endpoint"] == f"shm:{name}"), None)

    def has(self, name: str) -> None:
        eventually(lambda: self.listed(name), f"{self.name} has {name}")

    def end(self) -> None:
        for process in reversed(self.running):
            if process.poll() is None:
                process.kill()
            process.wait(SOON)
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Callable[[str], Machine]]:
    made: list[Machine] = []

    def make(name: str) -> Machine:
        made.append(Machine(name, tmp_path / name))
        return made[-1]

    yield make
    for machine in made:
        machine.end()


@pytest.fixture
def pair(machines: Callable[[str], Machine]) -> tuple[Machine, Machine, int]:
    """North exports lab/*, south imports it."""
    north, south, port = machines("north"), machines("south"), free_port()
    north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    south.bridge("--import", "lab/*", "--peer", f"tcp/127.0.0.1:{port}")
    return north, south, port


def say(process: subprocess.Popen, *values: object) -> None:
    for value in values:
        process.stdin.write(f"{json.dumps(value)}\n".encode())
    process.stdin.flush()


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(SOON)
