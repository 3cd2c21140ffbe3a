"""Starts recorders, replays and publishers in a separate runtime directory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.tree import DEBUG, PROGRAM
from support.waiting import until

#: Seconds; only guards against a hang.
SOON = 60.0

#: Exit code of `check` for a whole file with losses of unknown number.
LOSSES = 6

#: Sends {"i": number, "x": half the number}, one per period, until standard input ends or the count is reached.
PUBLISHER = """
import select, sys, time
import linkspan
name, count, period, size = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
body = bytes(size)
with linkspan.publisher(name) as out:
    out.wait_for_subscribers(1, timeout=60)
    for i in range(count):
        out.send({"i": i, "x": i / 2, "body": body} if size else {"i": i, "x": i / 2})
        if period: time.sleep(period)
    print("sent", flush=True)
    sys.stdin.read()
"""


class Lab:
    """A folder for recordings, a runtime directory, and programs that end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir(mode=0o700)
        self.env = {**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state")}
        self.env["LINKSPAN_CONTROLLER"] = f"unix:{folder}/run/controller"
        self.children: list[subprocess.Popen[str]] = []

    def start(self, *command: object, within: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        words = [*within, *map(str, command)]
        child = subprocess.Popen(
            words, cwd=self.folder, env=self.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.children.append(child)
        return child

    def publisher(self, name: str, count: int, period: float = 0.0, size: int = 0) -> "subprocess.Popen[str]":
        """Starts a publisher that waits for its first subscriber."""
        return self.start(sys.executable, "-c", PUBLISHER, name, count, period, size)

    def python(self, script: str, *words: object) -> "subprocess.Popen[str]":
        return self.start(sys.executable, "-c", script, *words)

    def record(self, *words: object, within: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        return self.start(DEBUG / "linkspan-record", "record", *words, within=within)

    def recording(self, *words: object, code: int = 0, within: float = SOON) -> str:
        """Runs `linkspan recording` through the shell program."""
        return self.run(PROGRAM, "recording", *words, code=code, within=within)

    def run(self, *command: object, code: int = 0, within: float = SOON) -> str:
        done = subprocess.run(list(map(str, command)), cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=within)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def info(self, file: str) -> dict:
        # A recorder subscribes before it creates its file, and may have removed the first part again.
        path = self.folder / file
        until(f"{file} is there", lambda: next(path.parent.glob(f"{path.stem}*{path.suffix}"), None))
        return json.loads(self.run(PROGRAM, "recording", "info", file, "--json"))

    def stop(self, child: "subprocess.Popen[str]", code: int = 0) -> str:
        """Ends a recorder with Ctrl-C and returns its output."""
        child.send_signal(signal.SIGINT)
        return ended(child, code)


def ended(child: "subprocess.Popen[str]", code: int = 0) -> str:
    out, err = child.communicate(timeout=SOON)
    assert child.returncode == code, f"{child.args}: {child.returncode}\n{out}{err}"
    return out + err


def sent(publisher: "subprocess.Popen[str]") -> None:
    """Waits until the publisher has sent all messages."""
    assert publisher.stdout and publisher.stdout.readline() == "sent\n", publisher.stderr and publisher.stderr.read()


Ended = Callable[..., str]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    for child in lab.children:
        # A shell in between may have started further programs.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.communicate(timeout=SOON)
