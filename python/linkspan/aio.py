"""Linkspan for asyncio: the synchronous functions, awaited in the event loop of the program.

    async with await linkspan.aio.connect("lab/spectrum") as ch:
        print((await ch.call({"op": "fft"}))["power"])

    async for reading in linkspan.aio.subscribe("lab/temperature"):
        print(reading["celsius"])

No other program can block the loop: `latest` and `names`, which query programs, use threads. In one event loop only one
task at a time receives on an object; any number of calls on a channel may run.

The time-out is the call's `timeout=`, else the option of the object, else 30 seconds. It raises `linkspan.Timeout`, or
`linkspan.Stalled` if a program does not answer. None waits for ever, as loops do (`async for`, `run`).

The first SIGTERM ends the loops over requests and published messages that wait for ever, the second the program, unless
the program handles it (`loop.add_signal_handler`). asyncio handles Ctrl-C: it cancels the main task.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from typing import Any, Generic, Self, TypeVar, Unpack

from . import _native
from ._watched import LEFT_OUT, MOMENT, NOT_YET, Watched, part_of, seconds_of, when_room
from .errors import Disconnected, Empty, Error, NotFound, Stalled, Timeout, WrongType, refused
from .event import Event
from .options import Options, Seconds
from .server import Server as _Server
from .server import check_handler, fail_with, number_of_workers
from .verbs import HasFileno, descriptors_of

T = TypeVar("T")
W = TypeVar("W", bound=HasFileno)
C = TypeVar("C", _native.Channel, _native.Subscriber, _Server)

_ANSWER = 0.5
"""Seconds to wait for the answer to a subscription, as without asyncio."""

_QUESTIONS = 32
"""The most concurrent queries of programs for their newest message, each in a thread."""

_LOOK = 0.005
"""Seconds between checks for new subscribers of a closing publisher."""


class _Each(Generic[T]):
    """A generator would end after the first cancelled step."""

    def __init__(self, next: Callable[[], Awaitable[T | None]]) -> None:
        self._next = next

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if (arrived := await self._next()) is None:
            raise StopAsyncIteration
        return arrived


class _EventSource(Watched[C]):
    def stats(self) -> dict[str, Any]:
        """Returns counters."""
        return self._inner.stats()

    def events(self) -> list[Event]:
        """Returns the events since the last call."""
        return self._inner.events()


class Channel(_EventSource[_native.Channel]):
    """A channel whose calls are awaited."""

    def __init__(self, inner: _native.Channel, options: Options) -> None:
        super().__init__(inner, options)
        self._idempotent = options.get("idempotent", False)

    def _received(self) -> int:
        return int(self._inner.stats()["received"])

    @property
    def role(self) -> str:
        """`listener` or `connector`."""
        return self._inner.role

    async def recv(self, *, timeout: Seconds = LEFT_OUT) -> _native.Message:
        """Waits for the next message, also while the peer is away."""
        return await self._wait(self._inner.try_recv, lambda whole: self._inner.recv(timeout=whole), timeout, receives=True)

    def try_recv(self) -> _native.Message:
        """Returns the next message without waiting; `Empty` without one."""
        return self._inner.try_recv()

    def poll(self) -> bool:
        """Returns whether `recv` would return without waiting."""
        return self._inner.poll()

    def ack(self) -> None:
        """Acknowledges all received messages, with `ack="manual"`."""
        self._inner.ack()

    async def send(self, value: Any, *, timeout: Seconds = LEFT_OUT) -> int:
        """Waits for room, sends a value and returns its sequence number. After a `Timeout` it was not sent."""
        return await self._when_room(lambda: self._inner.try_send(value), lambda whole: self._inner.send(value, timeout=whole), timeout)

    def try_send(self, value: Any) -> int:
        """Sends a value without waiting. `Full` without room or without a connected program."""
        return self._inner.try_send(value)

    def loan(self, shape: int | Sequence[int], dtype: Any = None, *, order: str = "C") -> Any:
        """Lends memory for an array that is sent without a copy, like `linkspan.Channel.loan`."""
        return self._inner.loan(shape, dtype, order=order)

    def loan_bytes(self, length: int) -> _native.BytesLoan:
        """Lends memory for bytes that are sent without a copy, like `linkspan.Channel.loan_bytes`."""
        return self._inner.loan_bytes(length)

    async def _when_room(self, attempt: Callable[[], T], last: Callable[[Any], T], timeout: Seconds) -> T:
        """Repeats the attempt until there is room; after the time-out returns the result of `last`."""
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        return await when_room(lambda: self._tried(attempt), lambda whole: self._tried(lambda: last(whole)), seconds)

    async def flush(self, *, timeout: Seconds = LEFT_OUT) -> None:
        """Waits until the peer has consumed all sent messages.

        The `missed` of `Timeout` is the number of unconsumed messages. `InvalidState` if another task or thread closes
        the channel.
        """
        await self._when_room(lambda: self._inner.flush(timeout=0), lambda whole: self._inner.flush(timeout=whole), timeout)

    async def call(self, value: Any, *, timeout: Seconds = LEFT_OUT) -> _native.Message:
        """Sends a request and awaits its answer.

        Any number of calls may run on one channel. A request that was cancelled, or ended with `Timeout`, may have been
        carried out, unless the text says that it was not sent.
        """
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        clock = asyncio.get_running_loop().time
        ends = None if seconds is None else clock() + seconds

        def remaining() -> float | None:
            return None if ends is None else max(0.0, ends - clock())

        asked = await self._when_room(
            lambda: self._inner.start_call(value, within=remaining()),
            lambda whole: self._inner.start_call(value, within=0, timeout=whole),
            seconds,
        )
        try:
            return await self._wait(
                lambda: self._inner.finish_call(asked, timeout=0),
                lambda _: self._inner.finish_call(asked, timeout=part_of(seconds)),
                remaining(),
            )
        except asyncio.CancelledError:
            # Any time-out keeps the request from going to the next server.
            with contextlib.suppress(Error):
                self._inner.finish_call(asked, timeout=1e-6)
            raise

    async def reply(self, request: _native.Message, value: Any, *, timeout: Seconds = LEFT_OUT) -> None:
        """Answers a request that `recv` returned."""
        reply = self._inner.reply
        await self._when_room(lambda: reply(request, value, timeout=0), lambda whole: reply(request, value, timeout=whole), timeout)

    def __aiter__(self) -> AsyncIterator[_native.Message]:
        return _Each(lambda: self.recv(timeout=None))


class Listener(Watched[_native.Listener]):
    """Accepts peers at an endpoint."""

    def __init__(self, inner: _native.Listener, options: Options) -> None:
        super().__init__(inner, options)
        self._options = options

    async def accept(self, *, timeout: Seconds = LEFT_OUT) -> Channel:
        """Waits for the next peer and returns its channel."""
        accept = self._inner.accept
        made = await self._wait(lambda: accept(timeout=0), lambda whole: accept(timeout=whole), timeout, receives=True)
        return Channel(made, self._options)


class Subscriber(_EventSource[_native.Subscriber]):
    """Receives published messages, the latest value first; iterate over it.

    `await` and `async with` wait for the answers of all present publishers. Their later messages are received or
    counted as missed.
    """

    def __await__(self) -> Generator[Any, None, Self]:
        return self._answered().__await__()

    async def __aenter__(self) -> Self:
        return await self

    async def _answered(self) -> Self:
        def joined() -> bool:
            if not self._inner.has_joined():
                raise Empty(self.endpoint)
            return True

        # A late publisher is joined by the receiving calls, and an event reports it.
        await self._wait(joined, lambda _: self._inner.has_joined(), _ANSWER)
        return self

    def ack(self) -> None:
        """Acknowledges the last message, and all before it, with `ack="manual"`."""
        self._inner.ack()

    async def recv(self, *, timeout: Seconds = LEFT_OUT) -> _native.Message:
        """Waits for the next message.

        `Lagged` once after missed messages, `NotFound` if there was no publisher until the time-out."""
        return await self._wait(self._inner.try_recv, lambda whole: self._inner.recv(timeout=whole), timeout, receives=True)

    def try_recv(self) -> _native.Message:
        """Returns the next message without waiting; `Empty` without one."""
        return self._inner.try_recv()

    def try_iter(self) -> _native.Available:
        """Iterates over the available messages without waiting."""
        return self._inner.try_iter()

    def poll(self) -> bool:
        """Returns whether `recv` would return without waiting."""
        return self._inner.poll()

    async def next(self, *, timeout: Seconds = None) -> _native.Message | None:
        """Waits for the next message; returns `None` after close or SIGTERM.

        Without a time-out it waits for ever.

        Missed messages raise no error; `message.missed` counts them.
        """
        next = self._inner.next
        look = part_of(None) if timeout is None else 0

        def attempt() -> _native.Message | None:
            try:
                return next(timeout=look)
            except Disconnected as ended:  # another publisher may come
                raise Empty(self.endpoint) from ended

        return await self._wait(attempt, lambda whole: next(timeout=whole), timeout, receives=True)

    def __aiter__(self) -> AsyncIterator[_native.Message]:
        return _Each(self.next)


class Server(_EventSource[_Server]):
    """Answers the requests of many clients: iterate over it, or give `run` a handler."""

    async def next(self, *, timeout: Seconds = LEFT_OUT) -> _native.Request | None:
        """Waits for the next request; returns `None` after close, or after SIGTERM with the time-out None."""
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        next = self._inner.next
        look = part_of(None) if seconds is None else 0
        return await self._wait(lambda: next(timeout=look), lambda whole: next(timeout=whole), seconds, receives=True)

    def __aiter__(self) -> AsyncIterator[_native.Request]:
        return _Each(lambda: self.next(timeout=None))

    async def run(self, handler: Callable[[_native.Request], Any], *, workers: int = 1) -> None:
        """Answers each request with the result of the handler, which may be a coroutine.

        Up to `workers` handlers run at once. Errors are those of `linkspan.Server.run`.
        """
        check_handler(self.endpoint, handler)
        workers = number_of_workers(self.endpoint, workers, "handlers at once")
        free = asyncio.Semaphore(workers)
        async with asyncio.TaskGroup() as tasks:
            await free.acquire()
            async for request in self:
                if workers == 1:
                    await self._answer(handler, request)
                    continue
                tasks.create_task(self._answer(handler, request)).add_done_callback(lambda _done: free.release())
                del request
                await free.acquire()

    async def _answer(self, handler: Callable[[_native.Request], Any], request: _native.Request) -> None:
        try:
            answer = handler(request)
            if inspect.isawaitable(answer):
                answer = await answer
            if not request.answered:
                request.reply(answer)
        except Exception as error:  # the caller gets every exception
            fail_with(self.endpoint, request, error)


class Publisher:
    """Publishes at an endpoint. It never waits for a subscriber."""

    def __init__(self, inner: _native.Publisher, options: Options) -> None:
        self._inner = inner
        self._timeout = seconds_of(options.get("timeout", LEFT_OUT))

    async def send(self, value: Any) -> int:
        """Publishes a value and returns its sequence number.

        It never waits for subscribers, but a `journal:` writes to the disk and a `file:` takes its lock. If that must
        not block the loop, use `asyncio.to_thread` with a `linkspan.publisher`.
        """
        return self._inner.send(value)

    async def send_many(self, values: Iterable[Any]) -> int:
        """Publishes each value of an iterable, like `linkspan.Publisher.send_many`; returns their number."""
        return self._inner.send_many(values)

    def loan(self, shape: int | Sequence[int], dtype: Any = None, *, order: str = "C") -> Any:
        """Lends memory for an array to publish, like `linkspan.Publisher.loan`."""
        return self._inner.loan(shape, dtype, order=order)

    def loan_bytes(self, length: int) -> _native.BytesLoan:
        """Lends memory for bytes to publish, like `linkspan.Publisher.loan_bytes`."""
        return self._inner.loan_bytes(length)

    async def wait_for_subscribers(self, count: int = 1, *, timeout: Seconds = LEFT_OUT) -> None:
        """Waits until `count` subscribers are connected, or raises `Timeout`.

        `InvalidState` if another task or thread closes the publisher.
        """
        await self._again(lambda given: self._inner.wait_for_subscribers(count, timeout=given), timeout)

    async def flush(self, *, timeout: Seconds = LEFT_OUT) -> None:
        """Waits until every connected subscriber has been given all messages, like `linkspan.Publisher.flush`.

        `InvalidState` if another task or thread closes the publisher."""
        await self._again(lambda given: self._inner.flush(timeout=given), timeout)

    async def _again(self, call: Callable[[Any], None], timeout: Seconds) -> None:
        await when_room(lambda: call(0), call, self._timeout if timeout is LEFT_OUT else seconds_of(timeout))

    @property
    def endpoint(self) -> str:
        """The endpoint with its transport."""
        return self._inner.endpoint

    @property
    def subscribers(self) -> int:
        """The number of connected subscribers."""
        return self._inner.subscribers

    def stats(self) -> dict[str, Any]:
        """Returns counters."""
        return self._inner.stats()

    def events(self) -> list[Event]:
        """Returns the events since the last call."""
        return self._inner.events()

    async def close(self, *, timeout: Seconds = LEFT_OUT) -> None:
        """Serves the subscribers, then closes the publisher, like `linkspan.Publisher.close`."""
        # Waiting subscribers connect first, and slow ones receive; then the close needs no wait.
        clock = asyncio.get_running_loop().time
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        ends = None if seconds is None else clock() + seconds
        while self._inner._is_awaited() and (ends is None or clock() < ends):
            # Nothing reports the connection of a subscriber.
            await asyncio.sleep(_LOOK)
        with contextlib.suppress(Timeout):
            await self.flush(timeout=None if ends is None else max(0.0, ends - clock()))
        self._inner.close(timeout=0)

    def __repr__(self) -> str:
        return repr(self._inner).replace("<linkspan.", "<linkspan.aio.", 1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *raised: object) -> None:
        if kind is None:
            await self.close()
            return
        with contextlib.suppress(Timeout):
            self._inner.close(timeout=0)


#: The names of `linkspan` that this module lacks, and the reasons.
_ELSEWHERE = {
    "Controller": "its calls wait: await asyncio.to_thread(linkspan.Controller().names)",
    "Service": "a service has its own loop: run it by linkspan.run, in a thread of its own where the program has coroutines, too",
    "run": "a service has its own loop: run it by linkspan.run, in a thread of its own where the program has coroutines, too",
}


def __getattr__(name: str) -> Any:
    import linkspan

    if name in _ELSEWHERE:
        raise AttributeError(f"linkspan.aio has no {name} of its own: {_ELSEWHERE[name]}")
    if name in linkspan.__all__:
        raise AttributeError(f"linkspan.aio has no {name} of its own: linkspan.{name} serves in a coroutine as it is")
    raise AttributeError(f"module 'linkspan.aio' has no attribute {name!r}")


async def connect(endpoint: str, **options: Unpack[Options]) -> Channel:
    """Returns a channel to the program that listens or serves at the endpoint; waits for one."""
    channel = Channel(_native.Channel.dial(endpoint, **options), options)
    seconds = channel._timeout
    absent = await _join(channel, seconds, seconds, for_one=seconds != 0)
    if absent is not None:
        raise absent
    return channel


async def open(endpoint: str, **options: Unpack[Options]) -> Channel:  # noqa: A001 - the verb in every language
    """Connects if a program listens at the endpoint; otherwise listens. `channel.role` has the result."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        channel = Channel(_native.Channel.begin_open(endpoint, **options), options)
        if channel.role == "listener":
            return channel
        seconds = channel._timeout
        left = None if seconds is None else max(0.0, began + seconds - clock())
        absent = await _join(channel, left, seconds, for_one=False)
        if absent is None:
            return channel
        # The listening program has ended, so this one listens.
        if left == 0.0:
            raise absent
        await asyncio.sleep(MOMENT)


async def _join(channel: Channel, seconds: float | None, whole: float | None, *, for_one: bool) -> NotFound | None:
    """Waits until a channel is connected; closes the channel if that fails.

    The wait takes `seconds`, the rest of the `whole` wait. Returns the error if no program listens, unless `for_one`
    waits for a program. Even with a time-out of 0, a listening program has the usual time to answer.
    """

    def attempt() -> NotFound | None:
        try:
            channel._inner.join(timeout=0)
        except NotFound as absent:
            if for_one:
                raise
            return absent
        return None

    def last(_rest: Any) -> None:
        # Continues the current attempt: a new one would be a second connection for the peer.
        channel._inner.join(timeout=part_of(whole))

    seconds = _ANSWER if seconds == 0 else seconds
    is_connected = False
    try:
        # A channel without a descriptor only sends to a mailslot.
        awaited = channel._wait(attempt, last, seconds) if channel._descriptor >= 0 else when_room(attempt, last, seconds)
        absent = await awaited
        is_connected = absent is None
        return absent
    finally:
        if not is_connected:  # the peer sees the end at once
            with contextlib.suppress(Error):
                channel._inner.close(timeout=0)


def _briefly(options: Options) -> Any:
    """Returns the options of an object that binds a name without blocking the loop.

    If another program has the name, `AddressInUse` comes after 20 ms instead of half a second.
    """
    return {**options, "timeout": part_of(seconds_of(options.get("timeout", LEFT_OUT)))}


def listen(endpoint: str, **options: Unpack[Options]) -> Listener:
    """Listens at the endpoint; each `accept` returns the channel to one peer. Raises `AddressInUse`."""
    return Listener(_native.Listener(endpoint, **_briefly(options)), options)


def serve(endpoint: str, **options: Unpack[Options]) -> Server:
    """Serves requests at the endpoint: `async for request in serve(name)`.

    Or use `await serve(name).run(handler)`.
    """
    return Server(_Server(endpoint, **_briefly(options)), options)


def publisher(endpoint: str, **options: Unpack[Options]) -> Publisher:
    """Publishes at the endpoint: `async with publisher(name) as out: await out.send(value)`.

    Raises `AddressInUse`.
    """
    return Publisher(_native.Publisher(endpoint, **_briefly(options)), options)


def subscribe(endpoint: str | Iterable[str], **options: Unpack[Options]) -> Subscriber:
    """Receives from the endpoint, the latest value first: `async for message in subscribe(name)`.

    Endpoints are those of `linkspan.subscribe`. This call only begins to connect. `await` or `async with` waits up to
    half a second for the answers of present publishers. Their later messages are received or counted as missed.
    """
    return Subscriber(_native.Subscriber.dial(endpoint, **options), options)


async def latest(endpoint: str, **options: Unpack[Options]) -> _native.Message:
    """Returns the newest message at the endpoint, like `linkspan.latest`."""
    at_once = Options(**{**options, "timeout": 0})
    if "timeout" not in options:
        return await _in_thread(lambda: _native.latest(endpoint, **at_once))
    seconds = seconds_of(options["timeout"])
    clock = asyncio.get_running_loop().time
    ends = None if seconds is None else clock() + seconds
    missing: Error | None = None
    try:
        async with asyncio.timeout(seconds):
            return await _in_thread(lambda: _native.latest(endpoint, **at_once))
    except NOT_YET as error:
        missing = error
    except TimeoutError:
        pass
    # The stored position of a `client_id` belongs to the program's subscriber.
    own: Any = {name: value for name, value in options.items() if name != "client_id"}
    first = subscribe(endpoint, **own)
    try:
        left = None if ends is None else max(0.0, ends - clock())
        return await first._wait(first._inner.try_recv, lambda _: first._inner.recv(timeout=part_of(seconds)), left)
    except Timeout:
        # A publisher exists but has published nothing, or has not answered.
        if isinstance(missing, (Empty, Stalled)):
            raise missing from None
        raise
    finally:
        await first.close()


async def wait(objects: Iterable[W], *, timeout: Seconds = LEFT_OUT) -> list[W]:
    """Waits until at least one of several objects is ready, like `linkspan.wait`.

    No other task may wait for these objects at the same time.
    """
    objects, descriptors = descriptors_of(objects)
    seconds = seconds_of(timeout)
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    # Duplicates, because the loop has one callback per descriptor, and another task may have set it.
    watched = [os.dup(descriptor) for descriptor in {*descriptors}]
    try:
        for descriptor in watched:
            loop.add_reader(descriptor, woken.set)
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return [objects[at] for at in _native.wait_any(descriptors, timeout=0)]
                except Timeout:
                    woken.clear()
                    await woken.wait()
    except TimeoutError as over:
        if isinstance(over, Error):
            raise
    finally:
        for descriptor in watched:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    return [objects[at] for at in _native.wait_any(descriptors, timeout=part_of(seconds))]


async def until(attempt: Callable[[], T], waits: HasFileno, wait_readable: Callable[[int], Awaitable[object]]) -> T:
    """Repeats a non-waiting attempt, such as `channel.try_recv`, and returns its result.

    It tries again whenever the descriptor of `waits` is readable. It is for objects of `linkspan` in other event loops,
    through `anyio.wait_readable` or `trio.lowlevel.wait_readable`. Only one task at a time may wait for an object.
    """
    if not callable(attempt):
        raise refused(WrongType, "attempt", attempt, "a function that does not wait, such as channel.try_recv")
    if not callable(wait_readable):
        raise refused(WrongType, "wait_readable", wait_readable, "the function of the event loop, such as anyio.wait_readable")
    if not hasattr(waits, "fileno"):
        raise refused(WrongType, "waits", waits, "the object of linkspan whose method the attempt is")
    descriptor = waits.fileno()
    while True:
        try:
            return attempt()
        except NOT_YET:
            await wait_readable(descriptor)


async def names() -> list[dict[str, Any]]:
    """Lists open names, like `linkspan.names`, in a thread if one can be started."""
    return await _in_thread(_native.names)


@functools.cache
def _asking() -> concurrent.futures.ThreadPoolExecutor:
    """Threads for queries, which wait half a second for a stopped program."""
    return concurrent.futures.ThreadPoolExecutor(_QUESTIONS, "linkspan-aio")


# A forked child lacks the threads.
os.register_at_fork(after_in_child=_asking.cache_clear)


async def _in_thread(ask: Callable[[], T]) -> T:
    """An abandoned query loses nothing, because it takes nothing from the programs."""
    try:
        return await asyncio.get_running_loop().run_in_executor(_asking(), contextvars.copy_context().run, ask)
    except RuntimeError:
        # No thread can start, or the loop ends; query in this thread.
        return ask()
