"""Shared by every test: a separate runtime directory, other processes, and an end to hangs."""

import asyncio
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading

import pytest
from support import costs, signals
from support.limits import pytest_runtest_call, pytest_runtest_setup, pytest_runtest_teardown  # noqa: F401

signals.restore()


def pytest_configure(config):
    config.pluginmanager.register(costs)


@pytest.fixture(autouse=True)
def runtime_dir(tmp_path_factory, monkeypatch):
    """Short, because a Unix socket's address holds 107 bytes."""
    directory = tmp_path_factory.mktemp("ls")
    monkeypatch.setenv("LINKSPAN_DIR", str(directory))
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(directory / "state"))
    return directory


CHANNELS = ["shm", "unix", "tcp", "fifo", "spool"]
"""The transports with messages both ways, and calls."""

STORES = ["file", "journal"]
PUBLISHERS = ["shm", "unix", "tcp", *STORES]
TRANSPORTS = [*CHANNELS, "dgram", *STORES]


def over(*transports):
    """Runs the test on each transport; the file's fixture `name` gives a name."""
    return pytest.mark.parametrize("name", transports, indirect=True)


def run_within(seconds, coroutine):
    """Runs a coroutine with a limit in seconds."""

    async def limited():
        async with asyncio.timeout(seconds):
            return await coroutine

    return asyncio.run(limited())


def endpoint(transport, name="lab/one"):
    if transport != "tcp":
        return f"{transport}:{name}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"tcp://127.0.0.1:{taken.getsockname()[1]}"


class Peer:
    def __init__(self, code, *args):
        prelude = "import os, sys, signal, time\nimport linkspan\nsay = lambda *a: print(*a, flush=True)\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", prelude + textwrap.dedent(code), *map(str, args)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
        )

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def line_while(self, channel):
        """Polls the channel during the wait, because it reconnects only in a call."""
        reading = queue.Queue()
        threading.Thread(target=lambda: reading.put(self.process.stdout.readline())).start()
        while reading.empty():
            channel.poll()
        line = reading.get()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Waits for it; returns exit code, output and error output."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def peer():
    started = []

    def start(code, *args):
        started.append(Peer(code, *args))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.signal(signal.SIGKILL)
        one.process.communicate()


ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/linkspan"


class Hub:
    """The program `linkspan controller` in this test's runtime directory."""

    def __init__(self):
        self.process = None

    def start(self):
        assert PROGRAM.exists(), f"{PROGRAM} is not built: cargo build -p linkspan-cli"
        command = [str(PROGRAM), "controller", "--no-tcp"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def hub():
    """A controller that is not started yet."""
    hub = Hub()
    yield hub
    if hub.process is not None:
        hub.kill()


@pytest.fixture
def controller(hub):
    import linkspan

    hub.start()
    with linkspan.Controller() as controller:
        yield controller
