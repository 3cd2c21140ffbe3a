"""A publisher is killed and restarted ten times.

Each way to receive gets messages of every incarnation, or reports a missing one.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

import linkspan
import linkspan.aio
from conftest import Start
from support.compilers import INCLUDE, compiled, shared_library
from support.network import free_port
from support.tree import DEBUG
from support.waiting import until

TIMES = 10
#: Seconds that each incarnation lives after its first message.
LIFE = 1.0

PUBLISHER = """
publisher = linkspan.publisher(sys.argv[1])
publisher.send(int(sys.argv[2]))
print("up", flush=True)
while True:
    publisher.send(int(sys.argv[2]))
    time.sleep(0.01)
"""

#: Errors of a receiving call without messages or after losses.
NOTHING = (linkspan.Empty, linkspan.NotFound, linkspan.Disconnected, linkspan.Timeout, linkspan.Stalled)
#: Text of the event for an unmet publisher.
TOLD = "neither received nor counted"


class Ways:
    """Receives through a name, a list and, if supported, a pattern.

    Each one uses a blocking call, a loop, a poll loop, an asyncio task and a C++ coroutine. Recorders follow a name
    and a pattern.
    """

    def __init__(self, name: str, pattern: str | None, coroutine: Path, folder: Path) -> None:
        self._coroutine, self._folder = coroutine, folder
        self.seen: dict[str, set[int]] = {}
        self.told: dict[str, int] = {}
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._open: list[linkspan.Subscriber] = []
        patterns: list[tuple[str, str | list[str]]] = [("a pattern", pattern)] if pattern else []
        self._threads = [
            threading.Thread(target=self._run, args=(f"{how.__name__[1:]} of {what}", how, names))
            for what, names in (("a name", name), ("a list", [name]), *patterns)
            for how in (self._call, self._iterate, self._poll, self._task, self._await)
        ]
        self._recorders = [(f"record of {what}", names) for what, names in (("a name", name), *patterns)]
        self._threads += [threading.Thread(target=self._run, args=(way, self._record, names)) for way, names in self._recorders]

    def __enter__(self) -> "Ways":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for subscriber in self._open:
            subscriber.close()
        for thread in self._threads:
            thread.join(60)
        assert not self.errors, self.errors

    def have(self, incarnation: int) -> bool:
        assert not self.errors, self.errors
        return len(self.seen) == len(self._threads) and all(incarnation in seen for seen in self.seen.values())

    def untold(self, incarnations: range) -> dict[str, list[int]]:
        """Returns each way's missing incarnations, except in reported runs."""
        lacking = {}
        for way, seen in self.seen.items():
            missing = [one for one in incarnations if one not in seen]
            runs = len(list(groupby(enumerate(missing), lambda at: at[1] - at[0])))
            if self.told.get(way, 0) < runs:
                lacking[way] = missing
        return lacking

    def _run(self, way: str, how: "Callable[[str, set[int], str | list[str]], None]", names: "str | list[str]") -> None:
        try:
            how(way, self.seen.setdefault(way, set()), names)
        except BaseException as error:  # noqa: BLE001, the test tells it
            self.errors.append(error)

    def _note(self, way: str, subscriber: "linkspan.Subscriber | linkspan.aio.Subscriber") -> None:
        self.told[way] = self.told.get(way, 0) + sum(TOLD in event.text for event in subscriber.events())

    def _call(self, way: str, seen: set[int], names: "str | list[str]") -> None:
        with linkspan.subscribe(names) as subscriber:
            while not self._over.is_set():
                with contextlib.suppress(linkspan.Lagged, *NOTHING):
                    seen.add(subscriber.recv(timeout=1.0).value)
                self._note(way, subscriber)

    def _iterate(self, way: str, seen: set[int], names: "str | list[str]") -> None:
        subscriber = linkspan.subscribe(names)
        self._open.append(subscriber)
        for message in subscriber:
            seen.add(message.value)
            self._note(way, subscriber)

    def _poll(self, way: str, seen: set[int], names: "str | list[str]") -> None:
        with linkspan.subscribe(names) as subscriber:
            ready = select.poll()
            ready.register(subscriber.fileno(), select.POLLIN)
            while not self._over.is_set():
                # The time-out only ends the test: attempts need a readable descriptor.
                while ready.poll(100) and not self._over.is_set():
                    with contextlib.suppress(linkspan.Lagged, *NOTHING):
                        seen.add(subscriber.try_recv().value)
                    self._note(way, subscriber)

    def _task(self, way: str, seen: set[int], names: "str | list[str]") -> None:
        async def receive() -> None:
            async with linkspan.aio.subscribe(names) as subscriber:
                while True:
                    with contextlib.suppress(linkspan.Lagged):
                        seen.add((await subscriber.recv(timeout=None)).value)
                    self._note(way, subscriber)

        async def until_over() -> None:
            task = asyncio.ensure_future(receive())
            while not self._over.is_set() and not task.done():
                await asyncio.sleep(0.1)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(until_over())

    def _await(self, way: str, seen: set[int], names: "str | list[str]") -> None:
        words = ["list", *names] if isinstance(names, list) else ["name", names]
        with subprocess.Popen([str(self._coroutine), *words], stdout=subprocess.PIPE, bufsize=0) as child:
            assert child.stdout is not None
            while not self._over.is_set():
                if select.select([child.stdout], [], [], 0.1)[0]:
                    line = child.stdout.readline()
                    assert line, f"ended with {child.wait(60)}"
                    if line == b"told\n":
                        self.told[way] = self.told.get(way, 0) + 1
                    else:
                        seen.add(int(line))
            child.kill()

    def _record(self, way: str, seen: set[int], names: str) -> None:
        file = self._folder / f"{way.split()[-1]}.mcap"
        with subprocess.Popen([DEBUG / "linkspan-record", "record", names, "-o", file], stdout=subprocess.DEVNULL) as child:
            until("it records", file.exists)
            while not self._over.wait(0.5):
                seen |= {message.value for message in linkspan.Recording(file)}
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == 0
        recording = linkspan.Recording(file)
        seen |= {message.value for message in recording}
        self.told[way] = sum(event["kind"] == "unconnected" for event in recording.events)
        checked = subprocess.run([DEBUG / "linkspan-record", "recording", "check", file], capture_output=True, text=True)
        assert checked.returncode == (6 if self.told[way] else 5 if names.startswith("tcp:") else 0), checked


def named(transport: str) -> tuple[str, str | None]:
    """Returns a name, and a matching pattern if the transport has one."""
    if transport == "tcp":
        return f"tcp://127.0.0.1:{free_port()}", None
    return f"{transport}:lab/x", "lab/*"


@pytest.fixture(scope="module")
def coroutine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", INCLUDE, Path(__file__).with_name("awaiting.cpp")]
    return compiled(*words, *shared_library(), out=tmp_path_factory.mktemp("coroutine") / "awaiting")


@pytest.mark.costly
@pytest.mark.parametrize(("gap", "times"), [(0.0, TIMES), (3.0, 3)])
@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_every_way_gets_every_incarnation(start: Start, coroutine: Path, tmp_path: Path, transport: str, ends: signal.Signals, gap: float, times: int) -> None:
    name, pattern = named(transport)
    with Ways(name, pattern, coroutine, tmp_path) as ways:
        for incarnation in range(times):
            publisher = start(PUBLISHER, name, str(incarnation))
            until(f"each way has incarnation {incarnation}: {ways.seen}", lambda i=incarnation: ways.have(i))
            os.kill(publisher.pid, ends)
            publisher.wait(60)
            time.sleep(gap)
    assert not any(ways.told[way] for way in ways.told if way.startswith("record")), ways.told


@pytest.mark.costly
@pytest.mark.parametrize(("gap", "ends"), [(0.02, signal.SIGKILL), (0.3, signal.SIGKILL), (1.2, signal.SIGKILL), (0.02, signal.SIGTERM)])
@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_every_way_gets_an_incarnation_that_lives_a_second_or_tells(start: Start, coroutine: Path, tmp_path: Path, transport: str, ends: signal.Signals, gap: float) -> None:
    name, pattern = named(transport)
    with Ways(name, pattern, coroutine, tmp_path) as ways:
        for incarnation in range(TIMES):
            publisher = start(PUBLISHER, name, str(incarnation))
            assert publisher.stdout and publisher.stdout.readline() == "up\n"
            time.sleep(LIFE)
            os.kill(publisher.pid, ends)
            publisher.wait(60)
            time.sleep(gap)
        start(PUBLISHER, name, str(TIMES))
        until(f"each way has the last one, which lives on: {ways.seen}", lambda: ways.have(TIMES))
    lacking = ways.untold(range(TIMES))
    assert not lacking, lacking
    # The port or socket of an ending publisher does not count as a gap.
    whole = [way for way, seen in ways.seen.items() if way.startswith("record") and seen >= set(range(TIMES))]
    assert not any(ways.told[way] for way in whole), ways.told


ONE_VALUE = """
with linkspan.publisher(sys.argv[1]) as out:
    out.send(1)
    print("sent", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["close", "kill"])
@pytest.mark.parametrize(("transport", "most"), [("shm", 63), ("unix", 0)])
def test_call_that_does_not_wait_says_within_so_many_calls_that_the_publisher_ended(start: Start, transport: str, most: int, end: str) -> None:
    """docs/reference-exchange.md states the number. Checking the connection in each call would cost a system call."""
    name = f"{transport}:lab/ended"
    publisher = start(ONE_VALUE, name)
    assert publisher.stdout.readline() == "sent\n"
    with linkspan.subscribe(name) as readings:
        readings.recv(timeout=60.0)
        with pytest.raises(linkspan.Timeout):
            readings.recv(timeout=0)
        if end == "kill":
            publisher.kill()
        else:
            publisher.stdin.close()
        publisher.wait()
        calls = 0
        while True:
            with pytest.raises((linkspan.Timeout, linkspan.NotFound)) as ended:
                readings.recv(timeout=0)
            if ended.type is linkspan.NotFound:
                break
            calls += 1
            assert calls <= most
