"""Obstacles at a name during the first attempts: an asyncio task still gets the first message.

A service reaches the controller that takes the name later. `rust-core/tests/waking.rs` has the cases of calls and
poll loops.
"""

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

#: Seconds; only guards against a hang.
SOON = 60.0

Met = Callable[[str], contextlib.AbstractContextManager[object]]

#: Obstacles that do not send the awaited data; the next attempt may succeed.
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
            assert met.__name__ in ("nonsense", "other_pattern", "other_schema") and way != "a pattern"
            return

        async def receive() -> object:
            while True:
                try:
                    return (await subscriber.recv(timeout=None)).value
                except PASSES:
                    # Yields to other tasks: immediate results repeat.
                    await asyncio.sleep(0)

        task = asyncio.ensure_future(receive())
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
        # Lets the first attempts meet the obstacle; the result does not depend on their number.
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
