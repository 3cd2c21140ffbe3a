"""What an attempt to connect may meet at a name, and who waits there: a task of asyncio gets the first message of the program that takes the
name afterwards, and a service is with the controller that does. The same for calls and poll loops is `rust-core/tests/waking.rs`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import linkspan
import linkspan.aio
from conftest import Start
from support import obstacles
from support.tree import PROGRAM
from support.waiting import until

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
    if name.startswith("/"):
        return Path(name)
    return Path(os.environ["LINKSPAN_DIR"], f"{name.replace('/', '@')}.{transport}")


def at(obstacle: Callable[[Path], contextlib.AbstractContextManager[object]]) -> Met:
    def met(endpoint: str) -> contextlib.AbstractContextManager[object]:
        return obstacle(place(endpoint))

    met.__name__ = obstacle.__name__
    return met


def other_pattern(endpoint: str) -> contextlib.AbstractContextManager[object]:
    return linkspan.listen(endpoint)


def other_schema(endpoint: str) -> contextlib.AbstractContextManager[object]:
    return linkspan.publisher(endpoint, schema=schema("volts"))


SOCKETS = [at(obstacle) for obstacle in obstacles.ALL]
MET = [*SOCKETS, other_pattern, other_schema]


async def awaited(endpoint: str, way: str, met: Met, options: dict) -> None:
    names = {"a name": endpoint, "a list": [endpoint], "a pattern": endpoint + "*"}[way]
    with met(endpoint):
        try:
            subscriber = linkspan.aio.subscribe(names, **options)
        except PASSES:
            # A name that refuses the program is an error at once.
            assert met.__name__ in ("nonsense", "other_pattern", "other_schema") and way != "a pattern"
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


#: A service that only waits for its end.
SERVICE = """
class Idle(linkspan.Service):
    def step(self): pass

linkspan.run(Idle(), name="lab/idle", every=0.1)
"""


@pytest.mark.parametrize("met", SOCKETS, ids=lambda met: met.__name__)
def test_service_wakes_for_the_next_controller(start: Start, tmp_path: Path, met: Met) -> None:
    endpoint = f"unix:{tmp_path}/controller"
    env = {"LINKSPAN_CONTROLLER": endpoint}
    with met(endpoint):
        service = start(SERVICE, env=env)
        # Its first attempts are made while that is there; what comes after them is the same for each number of
        # attempts.
        time.sleep(1)
        assert service.poll() is None
    controller = subprocess.Popen([str(PROGRAM), "controller", "--quiet", "--listen", endpoint], env={**os.environ, **env})
    try:
        listing = [str(PROGRAM), "service", "ls"]
        ls = partial(subprocess.run, listing, env={**os.environ, **env}, text=True, capture_output=True, timeout=SOON)
        until("the controller has the service", lambda: "lab/idle" in ls().stdout)
        service.send_signal(signal.SIGTERM)
        assert service.wait(SOON) == 0
    finally:
        controller.kill()
        controller.wait(SOON)
