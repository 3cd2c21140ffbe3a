"""Idle objects never wake a wait, however often their descriptor is requested."""

import asyncio
import contextlib
import select
from collections.abc import Callable
from typing import Any

import pytest

import linkspan
from conftest import run_within
from linkspan import aio

#: Seconds; only guards against a hang.
SOON = 60.0
#: A busy object wakes its waiter a few times: it connects and notices the connection.
TURNS = 50
#: Seconds until a wait without an event ends with `Timeout`.
MOMENT = 0.05

Look = Callable[[], object]
Made = Callable[[contextlib.ExitStack], tuple[Any, Look]]


def channel(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    listener = stack.enter_context(linkspan.listen("shm:lab/one"))
    near = stack.enter_context(linkspan.connect("shm:lab/one"))
    stack.enter_context(listener.accept(timeout=SOON))
    return near, near.try_recv


def channel_over_a_stream(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    listener = stack.enter_context(linkspan.listen("unix:lab/one"))
    stack.enter_context(linkspan.connect("unix:lab/one"))
    far = stack.enter_context(listener.accept(timeout=SOON))
    return far, far.try_recv


def listener(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    made = stack.enter_context(linkspan.listen("unix:lab/one"))
    return made, lambda: made.accept(timeout=0)


def server(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    made = stack.enter_context(linkspan.serve("shm:lab/one"))
    return made, lambda: made.next(timeout=0)


def server_with_a_client(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    made = stack.enter_context(linkspan.serve("unix:lab/one"))
    stack.enter_context(linkspan.connect("unix:lab/one"))
    return made, lambda: made.next(timeout=0)


def subscriber(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    stack.enter_context(linkspan.publisher("shm:lab/one"))
    made = stack.enter_context(linkspan.subscribe("shm:lab/one"))
    return made, made.try_recv


def subscriber_without_a_publisher(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    made = stack.enter_context(linkspan.subscribe("unix:lab/one"))
    return made, made.try_recv


def subscriber_to_a_list(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    stack.enter_context(linkspan.publisher("unix:lab/one"))
    made = stack.enter_context(linkspan.subscribe(["unix:lab/one", "shm:lab/two"]))
    return made, made.try_recv


def subscriber_to_a_pattern(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    stack.enter_context(linkspan.publisher("shm:lab/one"))
    made = stack.enter_context(linkspan.subscribe("lab/*"))
    return made, made.try_recv


def service_loop(stack: contextlib.ExitStack) -> tuple[Any, Look]:
    made = stack.enter_context(linkspan.ServiceLoop("idle", every=3600))
    made.next(timeout=SOON).done()
    return made, lambda: made.next(timeout=0)


MADE = [
    channel, channel_over_a_stream, listener, server, server_with_a_client, subscriber, subscriber_without_a_publisher,
    subscriber_to_a_list, subscriber_to_a_pattern, service_loop,
]  # fmt: skip


def looked(look: Look) -> None:
    with contextlib.suppress(linkspan.Timeout, linkspan.NotFound, linkspan.Empty):
        assert look() is None, "it is idle"


def in_wait(idle: Any, look: Look) -> bool:
    try:
        assert linkspan.wait([idle], timeout=MOMENT) == [idle]
    except linkspan.Timeout:
        return True
    looked(look)
    return False


def in_aio_wait(idle: Any, look: Look) -> bool:
    async def waits() -> bool:
        try:
            assert await aio.wait([idle], timeout=MOMENT) == [idle]
        except linkspan.Timeout:
            return True
        looked(look)
        return False

    return run_within(SOON, waits())


def in_select(idle: Any, look: Look) -> bool:
    if not select.select([idle], [], [], MOMENT)[0]:
        return True
    looked(look)
    return False


@pytest.mark.parametrize("rests", [in_wait, in_aio_wait, in_select])
@pytest.mark.parametrize("made", MADE)
def test_idle_object_wakes_no_wait_again_and_again(made: Made, rests: Callable[[Any, Look], bool]) -> None:
    with contextlib.ExitStack() as stack:
        idle, look = made(stack)
        for _ in range(3):
            assert any(rests(idle, look) for _ in range(TURNS)), f"{made.__name__} keeps waking its waiter"


@pytest.mark.parametrize("rests", [in_wait, in_aio_wait, in_select])
def test_idle_client_of_a_controller_wakes_no_wait_again_and_again(
    controller: Any, rests: Callable[[Any, Look], bool]
) -> None:
    controller.watch()
    for _ in range(3):
        assert any(rests(controller, lambda: controller.next(timeout=0)) for _ in range(TURNS))


def test_every_class_with_a_descriptor_is_tried() -> None:
    """`NewFile` is written to and never waits."""
    classes = {name for name, one in vars(linkspan._native).items() if isinstance(one, type) and hasattr(one, "fileno")}
    tried = {"Channel", "Listener", "Server", "Subscriber", "ServiceLoop", "Controller"}
    assert {name for name in classes if name != "NewFile"} == tried


def test_idle_object_of_asyncio_wakes_no_wait_again_and_again() -> None:
    async def tried() -> None:
        async with contextlib.AsyncExitStack() as stack:
            listener = await stack.enter_async_context(aio.listen("unix:lab/one"))
            connecting = asyncio.ensure_future(aio.connect("unix:lab/one"))
            far = await stack.enter_async_context(await listener.accept(timeout=SOON))
            near = await stack.enter_async_context(await connecting)
            server = await stack.enter_async_context(aio.serve("shm:lab/two"))
            subscriber = await stack.enter_async_context(aio.subscribe("shm:lab/three"))
            looks: list[tuple[Any, Callable[[], Any]]] = [
                (near, near.try_recv), (far, far.try_recv), (subscriber, subscriber.try_recv),
                (server, lambda: server.next(timeout=0)), (listener, lambda: listener.accept(timeout=0)),
            ]  # fmt: skip
            for idle, look in looks:
                turns = 0
                while True:
                    try:
                        await aio.wait([idle], timeout=MOMENT)
                    except linkspan.Timeout:
                        break
                    turns += 1
                    assert turns < TURNS, f"{idle!r} keeps waking its waiter"
                    with contextlib.suppress(linkspan.Timeout, linkspan.NotFound, linkspan.Empty):
                        found = look()
                        assert not asyncio.iscoroutine(found) or await found is None

    run_within(SOON, tried())
