"""A publisher that is killed and started again, ten times: each way to receive gets something of every incarnation."""

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
from pathlib import Path

import pytest

import linkspan
import linkspan.aio
from conftest import Start
from support.compilers import INCLUDE, compiled, shared_library
from support.waiting import until

#: How often it is killed.
TIMES = 10

#: Publishes its number, again and again.
PUBLISHER = """
publisher = linkspan.publisher(sys.argv[1])
while True:
    publisher.send(int(sys.argv[2]))
    time.sleep(0.002)
"""

#: What a call that receives says while there is no message, and messages that were missed.
NOTHING = (linkspan.Empty, linkspan.NotFound, linkspan.Disconnected, linkspan.Timeout, linkspan.Stalled)


class Ways:
    """Subscriptions to a name, a list and a pattern, each in a blocking call, a poll loop, a task of asyncio and a coroutine of C++."""

    def __init__(self, name: str, pattern: str, coroutine: Path) -> None:
        self._coroutine = coroutine
        self.seen: dict[str, set[int]] = {}
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(f"{how.__name__[1:]} of {what}", how, names))
            for what, names in (("a name", name), ("a list", [name]), ("a pattern", pattern))
            for how in (self._call, self._poll, self._task, self._await)
        ]

    def __enter__(self) -> "Ways":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.errors, self.errors

    def have(self, incarnation: int) -> bool:
        return len(self.seen) == len(self._threads) and all(incarnation in seen for seen in self.seen.values())

    def _run(self, way: str, how: Callable[[set[int], "str | list[str]"], None], names: "str | list[str]") -> None:
        try:
            how(self.seen.setdefault(way, set()), names)
        except BaseException as error:  # noqa: BLE001, the test tells it
            self.errors.append(error)

    def _call(self, seen: set[int], names: "str | list[str]") -> None:
        with linkspan.subscribe(names) as subscriber:
            while not self._over.is_set():
                with contextlib.suppress(linkspan.Lagged, *NOTHING):
                    seen.add(subscriber.recv(timeout=1.0).value)

    def _poll(self, seen: set[int], names: "str | list[str]") -> None:
        with linkspan.subscribe(names) as subscriber:
            ready = select.poll()
            ready.register(subscriber.fileno(), select.POLLIN)
            while not self._over.is_set():
                # The time-out only ends the test: no attempt is made unless the descriptor is readable.
                while ready.poll(100) and not self._over.is_set():
                    with contextlib.suppress(linkspan.Lagged, *NOTHING):
                        seen.add(subscriber.try_recv().value)

    def _task(self, seen: set[int], names: "str | list[str]") -> None:
        async def receive() -> None:
            async with linkspan.aio.subscribe(names) as subscriber:
                while True:
                    with contextlib.suppress(linkspan.Lagged):
                        seen.add((await subscriber.recv(timeout=None)).value)

        async def until_over() -> None:
            task = asyncio.ensure_future(receive())
            while not self._over.is_set() and not task.done():
                await asyncio.sleep(0.1)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(until_over())

    def _await(self, seen: set[int], names: "str | list[str]") -> None:
        words = ["list", *names] if isinstance(names, list) else ["name", names]
        with subprocess.Popen([str(self._coroutine), *words], stdout=subprocess.PIPE, bufsize=0) as child:
            assert child.stdout is not None
            while not self._over.is_set():
                if select.select([child.stdout], [], [], 0.1)[0]:
                    line = child.stdout.readline()
                    assert line, f"ended with {child.wait(60)}"
                    seen.add(int(line))
            child.kill()


@pytest.fixture(scope="module")
def coroutine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", INCLUDE, Path(__file__).with_name("awaiting.cpp")]
    return compiled(*words, *shared_library(), out=tmp_path_factory.mktemp("coroutine") / "awaiting")


@pytest.mark.costly
@pytest.mark.parametrize("gap", [0.0, 3.0])
@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_every_way_gets_every_incarnation(start: Start, coroutine: Path, transport: str, ends: signal.Signals, gap: float) -> None:
    name = f"{transport}:lab/x"
    with Ways(name, "lab/*", coroutine) as ways:
        for incarnation in range(TIMES if gap == 0.0 else 3):
            publisher = start(PUBLISHER, name, str(incarnation))
            until(f"each way has incarnation {incarnation}: {ways.seen}", lambda i=incarnation: ways.have(i))
            os.kill(publisher.pid, ends)
            publisher.wait(60)
            time.sleep(gap)


#: Publishes a value at a name, and ends when its standard input does.
ONE_VALUE = """
with linkspan.publisher(sys.argv[1]) as out:
    out.send(1)
    print("sent", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["close", "kill"])
@pytest.mark.parametrize(("transport", "most"), [("shm", 63), ("unix", 0)])
def test_call_that_does_not_wait_says_within_so_many_calls_that_the_publisher_ended(start: Start, transport: str, most: int, end: str) -> None:
    """As docs/concepts.md says: a call that looked at the connection each time would cost a system call."""
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
