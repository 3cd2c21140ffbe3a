"""The bridge carries later programs of exported names, after any outcome of its first attempt."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import publish
from support import obstacles
from support.tree import ROOT
from support.waiting import until

# That folder has an independent implementation of the protocol.
sys.path.insert(0, str(ROOT / "tests/independent"))

import independent  # noqa: E402

SOCKETS = {obstacle.__name__: obstacle for obstacle in obstacles.ALL}


@contextlib.contextmanager
def held(name: str, directory: Path, file: str) -> Iterator[threading.Event | None]:
    """Places an obstacle whose name a living program holds, if possible."""
    # Listings remove a name without a lock.
    lock = None if name in ("nothing", "dead") else independent.try_lock(directory, file)
    with SOCKETS[name](directory / file) as met:
        yield met
    if lock is not None:
        os.close(lock)


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_bridge_wakes_for_the_next_program_of_each_name(machines, meeting, transport: str) -> None:
    north, south = machines("north"), machines("south")
    with contextlib.ExitStack() as stack:
        # All obstacles at once, because none may delay another name.
        met = {name: stack.enter_context(held(name, north.folder, f"lab@{name}.{transport}")) for name in SOCKETS}
        other = north.start("reply", f"{transport}:lab/other-pattern", "-c", "cat")
        until("a program of another pattern is there", (north.folder / f"lab@other-pattern.{transport}").exists)
        north.bridge("--export", "lab/*", *meeting.listen())
        south.bridge("--import", "lab/*", *meeting.connect())
        for name in ("ended", "silent", "nonsense"):
            until(f"the bridge has met {name}", lambda name=name: met[name].is_set())
        other.send_signal(signal.SIGTERM)
        other.wait(60)
    for name in [*SOCKETS, "other-pattern"]:
        publish(north.publisher(f"{transport}:lab/{name}"), {"name": name})
        assert south.subscriber(f"lab/{name}").next() == f'{{"name":"{name}"}}'


@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_bridge_carries_every_incarnation_of_a_publisher_that_is_started_again(pair, transport: str, ends: signal.Signals) -> None:
    """Redials meet sockets of ending publishers, as in `tests/faults/test_restarts.py`."""
    north, south, _ = pair
    subscriber = south.subscriber("lab/again")
    for incarnation in range(10):
        publisher = north.publisher(f"{transport}:lab/again")
        publish(publisher, incarnation)
        assert subscriber.next() == str(incarnation)
        publisher.send_signal(ends)
        publisher.wait(60)


@pytest.mark.parametrize("name", SOCKETS)
def test_bridge_wakes_for_the_next_server_of_a_name(machines, meeting, name: str) -> None:
    north, south = machines("north"), machines("south")
    with held(name, north.folder, "lab@echo.shm") as met:
        north.bridge("--export", "lab/*", *meeting.listen())
        south.bridge("--import", "lab/*", *meeting.connect())
        until("the bridge has met it", lambda: met is None or met.is_set())
    north.start("reply", "lab/echo", "-c", "cat")
    south.has("lab/echo")
    assert south.run("call", "lab/echo", "[1,2]", "--json").strip() == "[1,2]"
