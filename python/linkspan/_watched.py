"""Waiting for an object in asyncio event loops: the waiting tasks of each loop, and waking them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from . import _native
from .errors import Empty, Error, Full, NotFound, Stalled, Timeout, Unsupported
from .options import Options, Seconds
from .server import Server

T = TypeVar("T")
S = TypeVar("S", _native.Channel, _native.Listener, _native.Subscriber, Server)

LEFT_OUT: Any = ...
"""The `timeout=` of a call without one."""

MOMENT = 0.005
"""Seconds between polls for space to send, which no descriptor signals."""

NOT_YET = (Empty, Timeout, NotFound, Stalled)
"""Errors of an attempt that may succeed when the descriptor is readable."""


def seconds_of(timeout: Seconds) -> float | None:
    return _native.wait_seconds() if timeout is LEFT_OUT else _native.wait_seconds(timeout)


def part_of(seconds: float | None) -> Any:
    """The `timeout=` of a call within a wait; with seconds it is the last call."""
    return _native.PartOf(seconds)


async def when_room(attempt: Callable[[], T], last: Callable[[Any], T], seconds: float | None) -> T:
    """Repeats the attempt while it fails for lack of room; after `seconds` returns the result of `last`."""
    clock = asyncio.get_running_loop().time
    ends = None if seconds is None else clock() + seconds
    while True:
        try:
            return attempt()
        except (Full, Timeout, NotFound, Stalled):
            if ends is not None and clock() >= ends:
                break
        await asyncio.sleep(MOMENT if ends is None else min(MOMENT, max(0.0, ends - clock())))
    return last(part_of(seconds))


class Waits:
    """The state of an object in one event loop: waiting tasks, turn to receive, descriptor."""

    __slots__ = ("descriptor", "loop", "looks", "one", "tasks", "watches")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self.loop = loop
        self.descriptor = descriptor
        self.one = asyncio.Lock()
        self.tasks: dict[asyncio.Future[None], None] = {}
        self.watches = False
        self.looks = False

    def wake(self) -> None:
        """Lets every waiting task try again. The descriptor is not watched until a task waits again."""
        for woken in self.tasks:
            if not woken.done():
                woken.set_result(None)
        self.rest()

    def rest(self) -> None:
        if self.watches:
            self.watches = False
            if not self.loop.is_closed():
                self.loop.remove_reader(self.descriptor)


class Watched(Generic[S]):
    """An object of the synchronous interface with a descriptor that is readable when it has work."""

    def __init__(self, inner: S, options: Options) -> None:
        self._inner: S = inner
        self._timeout = seconds_of(options.get("timeout", LEFT_OUT))
        try:
            self._descriptor = inner.fileno()
        except Unsupported:  # it only sends to a mailslot and never receives
            self._descriptor = -1
        # By loop, because a loop may end while a task waits in it, and threads have separate loops.
        self._waits: dict[asyncio.AbstractEventLoop, Waits] = {}
        self._seen = 0
        self._closed = False

    async def _until(self, attempt: Callable[[], T]) -> T:
        """Repeats the attempt when the descriptor is readable, and returns its result.

        The task makes the attempt itself: a result in a future would be lost if the task were cancelled or timed out in
        that turn of the loop.
        """
        while True:
            try:
                return self._tried(attempt)
            except NOT_YET:
                await self._woken()

    def _tried(self, attempt: Callable[[], T]) -> T:
        """Makes an attempt, then wakes the tasks whose messages it received.

        The descriptor may no longer wake them.
        """
        try:
            return attempt()
        except (*NOT_YET, Full):
            raise
        except BaseException:  # other tasks find this error when they look
            self._wake()
            raise
        finally:
            if self._is_awaited() and not (here := self._here()).looks:
                # Woken tasks make their attempts in one turn of the loop. One look after the last attempt suffices.
                here.looks = True
                self._look()
                here.loop.call_soon(self._look_again, here)

    def _here(self) -> Waits:
        loop = asyncio.get_running_loop()
        if (here := self._waits.get(loop)) is None:
            for ended in [each for each in tuple(self._waits) if each.is_closed()]:
                self._waits.pop(ended, None)
            here = self._waits[loop] = Waits(loop, self._descriptor)
        return here

    def _is_awaited(self) -> bool:
        return any(waits.tasks for waits in tuple(self._waits.values()))

    def _look_again(self, here: Waits) -> None:
        here.looks = False
        self._look()

    def _look(self) -> None:
        if self._is_awaited() and (received := self._received()) != self._seen:
            self._seen = received
            self._wake()

    def _received(self) -> int:
        """Changes when an attempt may have received something for another task."""
        return 0

    async def _woken(self) -> None:
        """Waits until the descriptor is readable, or another task has received something."""
        here = self._here()
        woken: asyncio.Future[None] = here.loop.create_future()
        if not here.watches and not self._closed:
            here.loop.add_reader(self._descriptor, here.wake)
            here.watches = True
        here.tasks[woken] = None
        try:
            await woken
        finally:
            del here.tasks[woken]
            if not here.tasks:
                here.rest()

    def _wake(self) -> None:
        self._in_each_loop(Waits.wake)

    def _in_each_loop(self, do: Callable[[Waits], None]) -> None:
        """Calls `do` in each open loop, and at once in the running loop."""
        running = asyncio.get_running_loop()
        for waits in tuple(self._waits.values()):
            if waits.loop is running:
                do(waits)
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    waits.loop.call_soon_threadsafe(do, waits)

    async def _wait(self, attempt: Callable[[], T], last: Callable[[Any], T], timeout: Seconds, *, receives: bool = False) -> T:
        """Repeats the attempt until it returns; after the time-out returns the result of `last`.

        `last` gets the time-out for the core's error. Only one receiving task at a time makes attempts.
        """
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        try:
            async with asyncio.timeout(seconds):
                if not receives:
                    return await self._until(attempt)
                async with self._here().one:
                    return await self._until(attempt)
        except TimeoutError as over:
            # The attempt failed with Timeout, not the wait.
            if isinstance(over, Error):
                raise
        return self._tried(lambda: last(part_of(seconds)))

    @property
    def endpoint(self) -> str:
        """The endpoint with its transport."""
        return self._inner.endpoint

    def fileno(self) -> int:
        """Returns a file descriptor for `wait`, readable when a call would receive something.

        `InvalidState` after close, and in a forked child.
        """
        return self._descriptor if self._descriptor < 0 else self._inner.fileno()

    async def close(self) -> None:
        """Closes without waiting. The text of a `Timeout` has the amount that the peer had not consumed."""
        # The descriptor is about to close and would wake no task.
        self._in_each_loop(Waits.rest)
        self._closed = True
        try:
            if isinstance(self._inner, (_native.Channel, Server)):
                self._inner.close(timeout=0)
            else:
                self._inner.close()
        finally:
            self._wake()

    def __repr__(self) -> str:
        return repr(self._inner).replace("<linkspan.", "<linkspan.aio.", 1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        # The receiver still gets the sent messages; only their acknowledgement cannot be awaited.
        with contextlib.suppress(Timeout):
            await self.close()
