"""The machines of a test: each has its own runtime directory, and a bridge that connects to the others over loopback."""

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
from support.network import free_port
from support.tree import DEBUG as TARGET  # noqa: F401 - for the tests
from support.tree import PROGRAM, ROOT  # noqa: F401 - for the tests
from support.waiting import until

#: Seconds; only guards against a hang.
SOON = 30


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class NatsServer:
    """A NATS server, with JetStream by default; its stored messages outlive its process."""

    def __init__(self, folder: Path, configuration: str = "", port: int | None = None, *, jetstream: bool = True) -> None:
        folder.mkdir()
        self.folder, self.port, self.file = folder, port or free_port(), folder / "server.conf"
        store = f"jetstream {{ store_dir: {json.dumps(str(folder), ensure_ascii=False)} }}\n" if jetstream else ""
        self.file.write_text(f"{store}{configuration}\n")
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        command = ["nats-server", "-a", "127.0.0.1", "-p", str(self.port), "-c", str(self.file)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("the NATS server accepts connections", lambda: accepts(self.port))

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(SOON)


class Meeting:
    """The bridges' meeting point: the port of a zenoh listener, or a NATS server."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine, self.ports = engine, [free_port() for _ in range(3)]
        self.server = NatsServer(folder / "nats-server", port=self.ports[0]) if engine == "nats" else None

    @property
    def port(self) -> int:
        return self.ports[0]

    def listen(self) -> tuple[str, ...]:
        """Flags of one bridge."""
        return ("--listen", f"tcp/127.0.0.1:{self.port}") if self.engine == "zenoh" else self.connect()

    def connect(self, port: int | None = None) -> tuple[str, ...]:
        """Flags of another bridge; `port` may be a proxy's."""
        if self.engine == "nats":
            return ("--engine", "nats", "--server", f"nats://127.0.0.1:{port or self.port}")
        return ("--peer", f"tcp/127.0.0.1:{port or self.port}")

    def ring(self, at: int) -> list[str]:
        """Returns the flags of a bridge among several fully connected bridges."""
        if self.engine == "nats":
            return list(self.connect())
        peers = [part for port in self.ports[:at] for part in self.connect(port)]
        return ["--listen", f"tcp/127.0.0.1:{self.ports[at]}", *peers]


class Lines:
    def __init__(self, process: subprocess.Popen) -> None:
        self.process, self.rest = process, b""

    def next(self) -> str:
        deadline = time.monotonic() + SOON
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            waiting = select.poll()
            waiting.register(self.process.stdout, select.POLLIN)
            assert left > 0 and waiting.poll(left * 1_000), "no line came in time"
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            assert more, "the program has ended"
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()


class Machine:
    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        folder.mkdir(mode=0o700)
        home, state = str(folder), str(folder / "state")
        own = {"LINKSPAN_DIR": home, "LINKSPAN_STATE_DIR": state, "HOME": home, "XDG_STATE_HOME": home}
        self.env = os.environ | own
        self.running: list[subprocess.Popen] = []
        self.log = folder.with_suffix(".log")

    def start(self, *arguments: object, **more: Any) -> subprocess.Popen:
        command = [str(PROGRAM), *map(str, arguments)]
        more.setdefault("stdin", subprocess.DEVNULL)
        with self.log.open("ab") as log:
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
        until("the bridge runs", lambda: process.poll() is not None or self.status())
        assert process.poll() is None, self.log.read_text()
        return process

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [str(PROGRAM), "latest", "bridge/status", "--json"], env=self.env, capture_output=True, timeout=SOON
        )
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def publisher(self, name: str) -> subprocess.Popen:
        """Publishes each line of its standard input."""
        return self.start("pub", name, stdin=subprocess.PIPE)

    def subscriber(self, name: str, *more: object) -> Lines:
        return Lines(self.start("sub", name, "--json", "-t", "forever", *more, stdout=subprocess.PIPE))

    def listed(self, name: str) -> dict[str, Any] | None:
        lines = map(json.loads, self.run("ls", name, "--json").splitlines())
        return next((line for line in lines if line["endpoint"] == f"shm:{name}"), None)

    def has(self, name: str) -> None:
        until(f"{self.name} has {name}", lambda: self.listed(name))

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


@pytest.fixture(params=["zenoh", "nats"])
def meeting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Meeting]:
    made = Meeting(request.param, tmp_path)
    yield made
    if made.server:
        made.server.kill()


@pytest.fixture
def exporting() -> list[str]:
    """More flags of the bridge that exports; tests override it."""
    return []


@pytest.fixture
def pair(machines: Callable[[str], Machine], meeting: Meeting, exporting: list[str]) -> tuple[Machine, Machine, int]:
    """North exports lab/*, south imports it."""
    north, south = machines("north"), machines("south")
    north.bridge("--export", "lab/*", *exporting, *meeting.listen())
    south.bridge("--import", "lab/*", *meeting.connect())
    return north, south, meeting.port


def publish(process: subprocess.Popen, *values: object) -> None:
    for value in values:
        process.stdin.write(f"{json.dumps(value)}\n".encode())
    process.stdin.flush()


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(SOON)
