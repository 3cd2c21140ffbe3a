"""What an attempt to connect may meet at a name, and a task of asyncio that waits there: it gets the first message of the program that takes
the name afterwards. The same for calls and poll loops is `rust-core/tests/waking.rs`."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import linkspan
import linkspan.aio

#: Only guards against a hang.
SOON = 60.0

#: Puts something at a name.
Met = Callable[[str], contextlib.AbstractContextManager[object]]

#: What is at the name does not send what the program awaits, and the next attempt may succeed.
PASSES = (
    linkspan.NotFound, linkspan.Stalled, linkspan.Timeout, linkspan.Malformed, linkspan.InvalidState, linkspan.SchemaMismatch,
    linkspan.Disconnected, linkspan.VersionMismatch,
)


def schema(field: str) -> str:
    return f'name = "reading"\n[fields.{field}]\ntype = "f64"\n'


def place(endpoint: str) -> Path:
    transport, name = endpoint.split(":")
    return Path(os.environ["LINKSPAN_DIR"], f"{name.replace('/', '@')}.{transport}")


@contextlib.contextmanager
def meets(endpoint: str, meet: Callable[[socket.socket], object], backlog: int = 16) -> Iterator[None]:
    """A socket at the name that does this with each connection."""
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place(endpoint)))
        listener.listen(backlog)
        listener.settimeout(0.05)

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    meet(listener.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(SOON)
            place(endpoint).unlink()


@contextlib.contextmanager
def nothing(endpoint: str) -> Iterator[None]:
    yield


@contextlib.contextmanager
def dead(endpoint: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place(endpoint)))
        listener.listen()
    yield


@contextlib.contextmanager
def busy(endpoint: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as only:
        listener.bind(str(place(endpoint)))
        listener.listen(0)
        only.connect(str(place(endpoint)))
        yield
        place(endpoint).unlink()


def ended(endpoint: str) -> contextlib.AbstractContextManager[None]:
    return meets(endpoint, lambda peer: peer.close())


def silent(endpoint: str) -> contextlib.AbstractContextManager[None]:
    kept: list[socket.socket] = []
    return meets(endpoint, kept.append)


def nonsense(endpoint: str) -> contextlib.AbstractContextManager[None]:
    def answer(peer: socket.socket) -> None:
        with peer:
            peer.recv(64)
            peer.sendall(b"x" * 64)

    return meets(endpoint, answer)


def other_pattern(endpoint: str) -> contextlib.AbstractContextManager[object]:
    return linkspan.listen(endpoint)


def other_schema(endpoint: str) -> contextlib.AbstractContextManager[object]:
    return linkspan.publisher(endpoint, schema=schema("volts"))


MET = [nothing, dead, busy, ended, silent, nonsense, other_pattern, other_schema]


async def awaited(endpoint: str, way: str, met: Met, options: dict) -> None:
    names = {"a name": endpoint, "a list": [endpoint], "a pattern": endpoint + "*"}[way]
    with met(endpoint):
        try:
            subscriber = linkspan.aio.subscribe(names, **options)
        except PASSES:
            # A name that refuses the program is an error at once.
            assert met in (nonsense, other_pattern, other_schema) and way != "a pattern"
            return

        async def receive() -> object:
            while True:
                try:
                    return (await subscriber.recv(timeout=None)).value
                except PASSES:
                    # Other tasks go on: what comes at once comes again and again.
                    await asyncio.sleep(0)

        task = asyncio.ensure_future(receive())
        # The attempt is made while that is there.
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not task.done(), task.result()
    with linkspan.publisher(endpoint, **options) as publisher:
        publisher.send({"celsius": 21.5})
        assert await asyncio.wait_for(task, SOON) == {"celsius": 21.5}
    await subscriber.close()


@pytest.mark.parametrize("met", MET, ids=lambda met: met.__name__)
@pytest.mark.parametrize("way", ["a name", "a list", "a pattern"])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_task_wakes_for_the_next_publisher(transport: str, way: str, met: Met) -> None:
    endpoint = f"{transport}:lab/x"
    options = {"schema": schema("celsius")} if met is other_schema else {}
    asyncio.run(awaited(endpoint, way, met, options))
