"""The programs of a machine in a runtime directory of their own, and a tmux terminal that shows them."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from support.tree import PROGRAM
from support.waiting import until

PATIENCE = 60  # seconds; only a hang takes this long


class Machine:
    def __init__(self, folder):
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LINKSPAN_", "TMUX"))},
            "LINKSPAN_DIR": str(folder), "LINKSPAN_STATE_DIR": str(folder / "state"),
        }
        self.running = []

    def start(self, *words, **more):
        self.running.append(subprocess.Popen([str(word) for word in words], env=self.env, **more))
        return self.running[-1]

    def linkspan(self, *words):
        done = subprocess.run(
            [PROGRAM, *words], env=self.env, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def end(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Tmux:
    """A terminal in a separate tmux server."""

    def __init__(self, folder, env):
        # The path of a socket must be short.
        self.words = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self.env = env

    def __call__(self, *words):
        done = subprocess.run(
            [*self.words, *(str(word) for word in words)], env=self.env, capture_output=True, text=True, timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def open(self, columns, rows):
        """A shell that prints only a prompt."""
        shell = "exec env PS1='ready> ' sh -i"
        self("new-session", "-d", "-s", "screen", "-x", columns, "-y", rows, shell)
        self("set-option", "-t", "screen", "status", "off")
        self("resize-window", "-t", "screen", "-x", columns, "-y", rows)
        until("the shell", lambda: "ready>" in self.text())

    def lines(self):
        return self("capture-pane", "-p", "-t", "screen").splitlines()

    def text(self):
        return "\n".join(self.lines())

    def press(self, *keys):
        self("send-keys", "-t", "screen", *keys)

    def write(self, text):
        self("send-keys", "-t", "screen", "-l", text)

    def wait_for(self, condition, what):
        seen = []

        def look():
            seen[:] = self.lines()
            return seen if condition(seen) else None

        try:
            return until(what, look)
        except AssertionError:
            raise AssertionError(f"{what} has not come:\n" + "\n".join(seen)) from None

    def kill(self):
        subprocess.run([*self.words, "kill-server"], env=self.env, capture_output=True, timeout=PATIENCE, check=False)


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.end()


@pytest.fixture
def terminal(tmp_path_factory, machine):
    assert shutil.which("tmux"), "these tests need tmux"
    folder = tmp_path_factory.mktemp("t")
    terminal = Tmux(folder, machine.env)
    yield terminal
    terminal.kill()


@pytest.fixture
def python():
    return sys.executable
