"""Linkspan for asyncio: the same verbs, awaited, over the event loop's own readiness. No thread, no runtime.

    async for reading in linkspan.aio.subscribe("lab/temperature"):
        print(reading["celsius"])

One task at a time receives on an object. Time-outs are asyncio's: `async with asyncio.timeout(1.0)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self, TypeVar, Unpack

from . import _native, errors, verbs
from ._native import Message, Request
from .options import Options
from .server import fail_with

T = TypeVar("T")


async def _ready(descriptor: int) -> None:
    """Waits until the descriptor is readable."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(descriptor, lambda: readable.done() or readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


async def _when_ready(descriptor: Callable[[], int], attempt: Callable[[], T]) -> T:
    """What the attempt gives, once it no longer says that it would have to wait."""
    watched = descriptor()
    while True:
        try:
            return attempt()
        except (errors.Empty, errors.Timeout):
            await _ready(watched)


class Channel:
    """A channel whose calls are awaited."""

    def __init__(self, channel: _native.Channel) -> None:
        self._channel = channel
        self._receiving = asyncio.Lock()

    async def recv(self) -> Message:
        """The next message. While the other side is away, waits for it to come back."""
        async with self._receiving:
            return await _when_ready(self._channel.fileno, self._channel.try_recv)

    async def send(self, value: Any) -> int:
        """Sends a value; gives its sequence number."""
        return await _when_room(lambda: self._channel.try_send(value))

    async def call(self, value: Any) -> Message:
        """Sends a request and awaits its answer. Calls on one channel are made one after the other."""
        async with self._receiving:
            asked = await _when_room(lambda: self._channel.ask(value))
            return await _when_ready(self._channel.fileno, lambda: self._channel.try_answer(asked))

    async def close(self) -> None:
        """Closes the channel at once; what the other side has not consumed may be lost."""
        _close(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            yield await self.recv()
