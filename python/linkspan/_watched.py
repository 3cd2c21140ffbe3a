"""An object of the synchronous interface that is awaited in event loops of asyncio: who waits in which loop, and who is woken."""

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
"""Seconds between polls of a state that no descriptor signals: room to send."""

NOT_YET = (Empty, Timeout, NotFound, Stalled)
"""What an attempt fails with that may succeed when the descriptor is readable."""


def seconds_of(timeout: Seconds) -> float | None:
    return _native.wait_seconds() if timeout is LEFT_OUT else _native.wait_seconds(timeout)


def part_of(seconds: float | None) -> Any:
    """The `timeout=` of a call that is part of a wait here: with seconds, the last one of it."""
    return _native.PartOf(seconds)


async def when_room(attempt: Callable[[], T], last: Callable[[Any], T], seconds: float | None) -> T:
    """Returns the result of the attempt once it does not fail for want of room; after so many seconds what the last call says."""
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
    """What one event loop has of an object: the tasks that wait, the turn of those that receive, and whether it watches the descriptor."""

    __slots__ = ("descriptor", "loop", "looks", "one", "tasks", "watches")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        self.loop = loop
        self.descriptor = descriptor
        self.one = asyncio.Lock()
        self.tasks: dict[asyncio.Future[None], None] = {}
        self.watches = False
        self.looks = False

    def wake(self) -> None:
        """Lets each task that waits make its attempt, and watches the descriptor no more until one waits again."""
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
    """An object of the synchronous interface and the descriptor that is readable when it has something to do."""

    def __init__(self, inner: S, options: Options) -> None:
        self._inner: S = inner
        self._timeout = seconds_of(options.get("timeout", LEFT_OUT))
        try:
            self._descriptor = inner.fileno()
        except Unsupported:  # it only sends, into a mailslot: nothing arrives
            self._descriptor = -1
        # By loop: one may end while a task waits in it, and threads may have loops of their own.
        self._waits: dict[asyncio.AbstractEventLoop, Waits] = {}
        self._seen = 0
        self._closed = False

    async def _until(self, attempt: Callable[[], T]) -> T:
        """Returns the result of the attempt once that would no longer wait. It is made again when the descriptor is readable.

        The task itself makes it, and awaits nothing between the attempt and its result: what is taken goes to the caller. A result that a future
        held would be lost where the task is cancelled, or its time is over, in the turn of the loop in which it came.
        """
        while True:
            try:
                return self._tried(attempt)
            except NOT_YET:
                await self._woken()

    def _tried(self, attempt: Callable[[], T]) -> T:
        """Returns the result of the attempt, and lets the tasks that wait have what it has received for them.

        An attempt receives what belongs to others, too, and the descriptor does not tell them: the answer to another call, or the
        end of the connection.
        """
        try:
            return attempt()
        except (*NOT_YET, Full):
            raise
        except BaseException:  # theirs, too, as they find when they look
            self._wake()
            raise
        finally:
            if self._is_awaited() and not (here := self._here()).looks:
                # Those that were woken make their attempts in one turn of the loop: one look is behind the last of them.
                here.looks = True
                self._look()
                here.loop.call_soon(self._look_again, here)

    def _here(self) -> Waits:
        """What the running loop has of it."""
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
        """Wakes the tasks that wait if something has been received since the last look."""
        if self._is_awaited() and (received := self._received()) != self._seen:
            self._seen = received
            self._wake()

    def _received(self) -> int:
        """What changes where an attempt may have received something for another task."""
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
        """Does this in each loop that is not closed: at once in the running one."""
        running = asyncio.get_running_loop()
        for waits in tuple(self._waits.values()):
            if waits.loop is running:
                do(waits)
            else:
                with contextlib.suppress(RuntimeError):  # it is closed
                    waits.loop.call_soon_threadsafe(do, waits)

    async def _wait(self, attempt: Callable[[], T], last: Callable[[Any], T], timeout: Seconds, *, receives: bool = False) -> T:
        """Returns the result of the attempt once that would no longer wait; after the time-out what the last call says, whose argument is the
        time-out of a call that has waited for so long: the error is the core's.

        Of the tasks that receive one makes attempts at a time.
        """
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        try:
            async with asyncio.timeout(seconds):
                if not receives:
                    return await self._until(attempt)
                async with self._here().one:
                    return await self._until(attempt)
        except TimeoutError as over:
            # An attempt has failed with it, and not the wait.
            if isinstance(over, Error):
                raise
        return self._tried(lambda: last(part_of(seconds)))

    @property
    def endpoint(self) -> str:
        """The endpoint, with its transport."""
        return self._inner.endpoint

    def fileno(self) -> int:
        """A file descriptor that is readable while there is something to receive: for `wait`. `InvalidState` once it is closed, and in a child
        of a fork, where the number is that of nothing of its own."""
        return self._descriptor if self._descriptor < 0 else self._inner.fileno()

    async def close(self) -> None:
        """Closes it without waiting: the text of a `Timeout` has how much the other side had not consumed by then."""
        # The descriptor is about to close, and would wake no task.
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
        # Sent messages stay there to be received; only their acknowledgement cannot be awaited.
        with contextlib.suppress(Timeout):
            await self.close()
