"""systemd as a program sees it: a socket that receives the program's notifications."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from support.tree import PROGRAM
from support.waiting import until

PATIENCE = 30  # seconds; only a hang takes this long


class Supervisor:
    """Starts a program as systemd does, and reads its notifications."""

    def __init__(self, folder, name):
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LINKSPAN_")},
            "LINKSPAN_DIR": str(folder), "LINKSPAN_STATE_DIR": str(folder / "state"), "NOTIFY_SOCKET": name,
        }
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.received = []
        self.words = []
        self.running = []

    def start(self, *words, watchdog=None, supervised=True, **more):
        env = dict(self.env)
        if watchdog is not None:
            env["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        if not supervised:
            del env["NOTIFY_SOCKET"]
        # Under strace a process would otherwise survive in a shared process group.
        program = subprocess.Popen([str(word) for word in words], env=env, start_new_session=True, **more)
        self.running.append(program)
        return program

    def linkspan(self, *words):
        env = {name: value for name, value in self.env.items() if name != "NOTIFY_SOCKET"}
        done = subprocess.run([PROGRAM, *words], env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done
        return done.stdout

    def until_known(self):
        """Waits until the controller has the service `it` in a state after STARTING."""
        until("the service `it`", lambda: re.search(r"^it +(?!STARTING)", self.linkspan("service", "ls"), re.M))

    def next(self, patience=PATIENCE):
        if not self.words:
            self.socket.settimeout(patience)
            try:
                words = self.socket.recv(65536).decode()
            except (TimeoutError, BlockingIOError):
                return None
            assert words.endswith("\n"), words
            self.words = words.splitlines()
        self.received.append(self.words.pop(0))
        return self.received[-1]

    def until(self, wanted):
        """Reads until this notification; returns those before it."""
        before = []
        while True:
            word = self.next()
            assert word is not None, f"{wanted} did not arrive, but {before} did"
            if word.startswith(wanted):
                return before
            before.append(word)

    def all(self):
        return list(iter(lambda: self.next(0), None))

    def within(self, seconds):
        end = time.monotonic() + seconds
        return list(iter(lambda: self.next(max(end - time.monotonic(), 0)), None))

    def end(self):
        for program in reversed(self.running):
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def supervisor(request, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    name = f"{tmp_path}/notify" if request.param == "path" else f"@linkspan-test-{os.getpid()}-{time.monotonic_ns()}"
    supervisor = Supervisor(folder, name)
    yield supervisor
    supervisor.end()


def python(text):
    return [sys.executable, "-c", text]
