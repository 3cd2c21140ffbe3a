"""A recorder of all names: publishers that it does not know the owners of give it any number, any event and any amount."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import independent
from party import SOON
from independent import Frame, Link
from peer import Host, Pulpit, socket_of
from support.tree import DEBUG
from support.waiting import until

RECORDER = DEBUG / "linkspan-record"
HONEST = """
import sys, time, linkspan
with linkspan.publisher("shm:lab/honest") as out:
    out.wait_for_subscribers(1, timeout=60)
    for i in range(int(sys.argv[1])):
        out.send({"i": i})
        time.sleep(0.001)
    print("sent", flush=True)
    sys.stdin.read()
"""


class Recorded:
    """A recorder of `*`, an honest publisher that it must not lose, and a runtime directory for hostile ones."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        self.run.mkdir(mode=0o700)
        self.env = {**os.environ, "LINKSPAN_DIR": str(self.run), "LINKSPAN_STATE_DIR": str(folder / "state")}
        self.env["LINKSPAN_CONTROLLER"] = f"unix:{self.run}/controller"
        self.children: list[subprocess.Popen[str]] = []

    def start(self, *words: object) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        child = subprocess.Popen(list(map(str, words)), cwd=self.folder, env=self.env, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        self.children.append(child)
        return child

    def record(self, *words: object) -> "subprocess.Popen[str]":
        return self.start(RECORDER, "record", "*", "-o", "r.mcap", "--sync", "20ms", *words)

    def tool(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([RECORDER, *words], cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=SOON)

    def info(self) -> dict:
        done = self.tool("recording", "info", "r.mcap", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {"names": {}, "events": {}}

    def name(self, name: str) -> dict:
        return self.info()["names"].get(name, {"messages": 0, "missed": 0})

    def stop(self, recorder: "subprocess.Popen[str]") -> str:
        recorder.send_signal(signal.SIGINT)
        out, err = recorder.communicate(timeout=SOON)
        assert recorder.returncode == 0, f"{recorder.returncode}\n{out}{err}"
        return out + err


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path)
    yield made
    for child in made.children:
        if child.poll() is None:
            child.kill()
        child.communicate()


class Preacher:
    """A hostile publisher over a stream."""

    def __init__(self, directory: Path) -> None:
        self.host = Host(directory, "unix:hostile/numbers")
        self.link: Link | None = None

    def admit(self) -> None:
        self.link = self.host.accept("publish")

    def publish(self, value: object, number: int) -> None:
        if self.link is None:
            self.admit()
        assert self.link
        body = independent.encode(value)
        self.link.stream.put(Frame(independent.DATA, independent.CBOR, 0, number, 0, time.time_ns(), b"", body))

    def close(self) -> None:
        self.host.close()
        if self.link:
            socket_of(self.link).close()


NUMBERS = [(1, 1 << 63, 3), ((1 << 64) - 1,), ((1 << 64) - 2, (1 << 64) - 1, 5), (0, 1, 0), (1 << 62, 1 << 63, (1 << 64) - 3)]


@pytest.mark.parametrize("transport", ["shm", "unix"])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_numbers_of_one_publisher_end_no_recording(recorded: Recorded, numbers: tuple[int, ...], transport: str) -> None:
    recorder = recorded.record()
    honest = recorded.start(sys.executable, "-c", HONEST, 1_000)
    until("the honest one is recorded", lambda: recorded.name("lab/honest")["messages"] > 0)
    if transport == "shm":
        pulpit: Pulpit | Preacher = Pulpit(recorded.run, "shm:hostile/numbers")
        pulpit.publish("first", numbers[0])
        pulpit.admit()
    else:
        pulpit = Preacher(recorded.run)
        pulpit.publish("first", numbers[0])
    for number in numbers[1:]:
        pulpit.publish("more", number)
        time.sleep(0.05)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("all honest ones are recorded", lambda: recorded.name("lab/honest")["messages"] == 1_000)
    assert recorder.poll() is None, recorder.communicate()
    printed = recorded.stop(recorder)
    assert "panicked" not in printed, printed
    info = recorded.info()
    assert info["names"]["lab/honest"]["missed"] == 0
    for words in (["info"], ["check"]):
        assert "panicked" not in recorded.tool("recording", *words, "r.mcap").stderr
    checked = recorded.tool("recording", "check", "r.mcap").stdout
    # The ring's reader leaves out what goes back. Elsewhere what goes back, and what is no number, is said and not recorded.
    wrong = any(b < a or b > (1 << 64) - 2 for a, b in zip((0, *numbers), numbers))
    if transport == "unix":
        assert ("refused: hostile/numbers: " in checked) == wrong, checked
    assert "repeat" not in checked and "overlap" not in checked and "gap" not in checked, checked
    pulpit.close()
