"""A controller's command and the service's end finish each way to wait for tasks."""

import asyncio
import select
import threading
from collections.abc import Callable
from typing import Any

import pytest

import linkspan
from services import known

#: Seconds; only guards against a hang.
SOON = 60.0

Way = Callable[[Any, Any], Any]


def time_out(loop: Any, other: Any) -> Any:
    return loop.next(timeout=SOON)


def no_limit(loop: Any, other: Any) -> Any:
    return loop.next()


def callback(loop: Any, other: Any) -> Any:
    return loop.next(timeout=SOON, on_wait=lambda: True)


def iteration(loop: Any, other: Any) -> Any:
    return next(iter(loop), None)


def poll(loop: Any, other: Any) -> Any:
    while True:
        try:
            return loop.next(timeout=0)
        except linkspan.Timeout:
            assert select.select([loop], [], [], SOON)[0], "nothing wakes it"


def several(loop: Any, other: Any) -> Any:
    while True:
        try:
            return loop.next(timeout=0)
        except linkspan.Timeout:
            assert linkspan.wait([other, loop], timeout=SOON) == [loop]


def event_loop(loop: Any, other: Any) -> Any:
    async def waits() -> Any:
        running, woken = asyncio.get_running_loop(), asyncio.Event()
        running.add_reader(loop.fileno(), woken.set)
        try:
            while True:
                woken.clear()
                try:
                    return loop.next(timeout=0)
                except linkspan.Timeout:
                    await asyncio.wait_for(woken.wait(), SOON)
        finally:
            running.remove_reader(loop.fileno())

    return asyncio.run(waits())


@pytest.mark.parametrize("way", [time_out, no_limit, callback, iteration, poll, several, event_loop])
def test_each_way_to_wait_for_a_task_is_ended_by_the_commands_of_a_controller(controller: Any, way: Way) -> None:
    said: list[str] = []
    # Steps are an hour apart, so only commands end a wait.
    with linkspan.ServiceLoop("waits", every=3600) as loop, linkspan.subscribe("lab/silent") as other:
        loop.next(timeout=SOON).done()

        def commands() -> None:
            try:
                service = known(controller, "RUNNING", "waits")
                for verb in ("pause", "run", "pause", "shutdown"):
                    getattr(service, verb)(timeout=SOON)
                    said.append(verb)
            except BaseException:
                loop.shutdown()
                raise

        commanding = threading.Thread(target=commands)
        commanding.start()
        got = []
        while (task := way(loop, other)) is not None:
            if task.command != linkspan.Command.STEP:
                got.append(str(task.command))
            task.done()
        commanding.join(SOON)
    assert said == ["pause", "run", "pause", "shutdown"]
    assert got == ["PAUSE", "RUN", "PAUSE", "SHUTDOWN"], got
