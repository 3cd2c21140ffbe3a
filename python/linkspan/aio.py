"""Linkspan for asyncio: the same functions, awaited, on the event loop's own readiness, which no other program holds up. No runtime; `latest` and
`names`, which ask programs, do so in threads of their own.

    async with await linkspan.aio.connect("lab/spectrum") as ch:
        print((await ch.call({"op": "fft"}))["power"])

    async for reading in linkspan.aio.subscribe("lab/temperature"):
        print(reading["celsius"])

One task at a time receives on an object in an event loop; any number of calls is under way on a channel, also beside it. An object
serves in one event loop after the other, and in those of several threads. What is awaited ends with `linkspan.Timeout` after the `timeout=` of the call, else
that of the object's options, else 30 seconds (beside a program that does not answer, with `linkspan.Stalled`); None waits for ever, and so do loops (`async for`, `run`). `asyncio.timeout` works as
well. Errors are those of the same calls without `await`.

The first SIGTERM ends the loops over requests and published messages that wait for ever, as it does without asyncio: `async for` ends, `run` returns, and
the program goes on to its own end; the second one ends the program. Where the program handles the signal (`loop.add_signal_handler`), that stays.
Ctrl-C is asyncio's: it cancels the main task.

`encode`, `decode` and `schema` do not wait for others, and serve in a coroutine as they are; services have a loop of their own.
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
"""Seconds that a program has to answer one that subscribes, as without asyncio."""

_QUESTIONS = 32
"""Programs that are asked at a time for their newest message, each in a thread."""

_LOOK = 0.005
"""Seconds between two looks whether a subscriber has connected to a publisher that closes."""


class _Each(Generic[T]):
    """The iterator over what arrives. A generator would end where one step of it is cancelled, as if nothing more came."""

    def __init__(self, next: Callable[[], Awaitable[T | None]]) -> None:
        self._next = next

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if (arrived := await self._next()) is None:
            raise StopAsyncIteration
        return arrived


class _EventSource(Watched[C]):
    """An object with counters and events."""

    def stats(self) -> dict[str, Any]:
        """Counters."""
        return self._inner.stats()

    def events(self) -> list[Event]:
        """The events since the last call."""
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
        """The next message. While the other side is away, waits until it connects again."""
        return await self._wait(self._inner.try_recv, lambda whole: self._inner.recv(timeout=whole), timeout, receives=True)

    def try_recv(self) -> _native.Message:
        """The next message if it is there; `Empty` otherwise."""
        return self._inner.try_recv()

    def poll(self) -> bool:
        """Whether `recv` would not wait."""
        return self._inner.poll()

    def ack(self) -> None:
        """Acknowledges everything that was received so far as consumed: for a channel with `ack="manual"`."""
        self._inner.ack()

    async def send(self, value: Any, *, timeout: Seconds = LEFT_OUT) -> int:
        """Sends a value, as soon as there is room; gives its sequence number. After a `Timeout` it was not sent."""
        return await self._when_room(lambda: self._inner.try_send(value), lambda whole: self._inner.send(value, timeout=whole), timeout)

    def try_send(self, value: Any) -> int:
        """Sends a value without waiting; `Full` where there is no room, or no program is connected."""
        return self._inner.try_send(value)

    def loan(self, shape: int | Sequence[int], dtype: Any = None, *, order: str = "C") -> Any:
        """Lends memory for an array that is sent without a copy, as `linkspan.Channel.loan` does."""
        return self._inner.loan(shape, dtype, order=order)

    def loan_bytes(self, length: int) -> _native.BytesLoan:
        """Lends memory for opaque bytes that are sent without a copy, as `linkspan.Channel.loan_bytes` does."""
        return self._inner.loan_bytes(length)

    async def _when_room(self, attempt: Callable[[], T], last: Callable[[Any], T], timeout: Seconds) -> T:
        """Returns the result of the attempt, made again and again until there is room; after the time-out what the last call says."""
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        return await when_room(lambda: self._tried(attempt), lambda whole: self._tried(lambda: last(whole)), seconds)

    async def flush(self, *, timeout: Seconds = LEFT_OUT) -> None:
        """Waits until the other side has consumed what was sent; the `missed` of a `Timeout` is the number that it has not. `InvalidState`
        where another task or thread closes the channel meanwhile."""
        await self._when_room(lambda: self._inner.flush(timeout=0), lambda whole: self._inner.flush(timeout=whole), timeout)

    async def call(self, value: Any, *, timeout: Seconds = LEFT_OUT) -> _native.Message:
        """Sends a request and awaits its answer. Any number of calls is under way on one channel, answered in any order.

        A request that ended in `Timeout` or was cancelled may have been carried out all the same, unless the text says that it was
        not sent, because the other side did not take what was sent before.
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
            # After a time-out, however short, the request is not sent to the next server.
            with contextlib.suppress(Error):
                self._inner.finish_call(asked, timeout=1e-6)
            raise

    async def reply(self, request: _native.Message, value: Any, *, timeout: Seconds = LEFT_OUT) -> None:
        """Answers a request that `recv` gave."""
        reply = self._inner.reply
        await self._when_room(lambda: reply(request, value, timeout=0), lambda whole: reply(request, value, timeout=whole), timeout)

    def __aiter__(self) -> AsyncIterator[_native.Message]:
        return _Each(lambda: self.recv(timeout=None))


class Listener(Watched[_native.Listener]):
    """Takes one peer after the other."""

    def __init__(self, inner: _native.Listener, options: Options) -> None:
        super().__init__(inner, options)
        self._options = options

    async def accept(self, *, timeout: Seconds = LEFT_OUT) -> Channel:
        """The channel to the next peer that connects."""
        accept = self._inner.accept
        made = await self._wait(lambda: accept(timeout=0), lambda whole: accept(timeout=whole), timeout, receives=True)
        return Channel(made, self._options)


class Subscriber(_EventSource[_native.Subscriber]):
    """Receives what is published, the latest value first; iterate over it.

    To await it, or to enter it by `async with`, waits for the answers of the publishers that there are: what they publish from then on
    is received, or counted as missed.
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

        # One that is late is joined later, by the calls that receive, and an event tells.
        await self._wait(joined, lambda _: self._inner.has_joined(), _ANSWER)
        return self

    def ack(self) -> None:
        """Acknowledges the last message, and all before it, as consumed: for a subscriber with `ack="manual"`."""
        self._inner.ack()

    async def recv(self, *, timeout: Seconds = LEFT_OUT) -> _native.Message:
        """The next message; `Lagged` once where some were missed, `NotFound` where there was no publisher until the time-out."""
        return await self._wait(self._inner.try_recv, lambda whole: self._inner.recv(timeout=whole), timeout, receives=True)

    def try_recv(self) -> _native.Message:
        """The next message if it is there; `Empty` otherwise."""
        return self._inner.try_recv()

    def try_iter(self) -> _native.Available:
        """The messages that are there, without waiting for more."""
        return self._inner.try_iter()

    def poll(self) -> bool:
        """Whether `recv` would not wait."""
        return self._inner.poll()

    async def next(self, *, timeout: Seconds = None) -> _native.Message | None:
        """The next message, `None` once closed or stopped by SIGTERM; waits for ever where no time-out is given.

        Missed messages are not an error here, but `message.missed`.
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
        """The next request; `None` once the server is closed, and, where the time-out is None, stopped by SIGTERM."""
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        next = self._inner.next
        look = part_of(None) if seconds is None else 0
        return await self._wait(lambda: next(timeout=look), lambda whole: next(timeout=whole), seconds, receives=True)

    def __aiter__(self) -> AsyncIterator[_native.Request]:
        return _Each(lambda: self.next(timeout=None))

    async def run(self, handler: Callable[[_native.Request], Any], *, workers: int = 1) -> None:
        """Answers each request with the result of the handler, which may be a coroutine; up to `workers` of them at once.

        What the handler raises is answered as `Remote` and logged, as by `linkspan.Server.run`.
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
        except Exception as error:  # every one of them is the caller's to see
            fail_with(self.endpoint, request, error)


class Publisher:
    """Publishes at an endpoint. It never waits for a subscriber."""

    def __init__(self, inner: _native.Publisher, options: Options) -> None:
        self._inner = inner
        self._timeout = seconds_of(options.get("timeout", LEFT_OUT))

    async def send(self, value: Any) -> int:
        """Publishes a value and returns its sequence number.

        It does not wait, so that it may be called as often as messages arise; a `journal:` writes to the disk and a `file:` takes its lock
        meanwhile: where the loop must not be held up by that, use `asyncio.to_thread` with a `linkspan.publisher`.
        """
        return self._inner.send(value)

    async def send_many(self, values: Iterable[Any]) -> int:
        """Publishes each value of an iterable, as `linkspan.Publisher.send_many` does; gives how many."""
        return self._inner.send_many(values)

    def loan(self, shape: int | Sequence[int], dtype: Any = None, *, order: str = "C") -> Any:
        """Memory for an array to be filled and published, as `linkspan.Publisher.loan` gives it."""
        return self._inner.loan(shape, dtype, order=order)

    def loan_bytes(self, length: int) -> _native.BytesLoan:
        """Memory for opaque bytes to be written and published, as `linkspan.Publisher.loan_bytes` gives it."""
        return self._inner.loan_bytes(length)

    async def wait_for_subscribers(self, count: int = 1, *, timeout: Seconds = LEFT_OUT) -> None:
        """Waits until so many subscribers are connected; `Timeout` where there are fewer, `InvalidState` where another task or thread closes
        the publisher meanwhile."""
        await self._again(lambda given: self._inner.wait_for_subscribers(count, timeout=given), timeout)

    async def flush(self, *, timeout: Seconds = LEFT_OUT) -> None:
        """Waits until every connected subscriber has been given what was published before, as `linkspan.Publisher.flush` does; `InvalidState` where
        another task or thread closes the publisher meanwhile."""
        await self._again(lambda given: self._inner.flush(timeout=given), timeout)

    async def _again(self, call: Callable[[Any], None], timeout: Seconds) -> None:
        await when_room(lambda: call(0), call, self._timeout if timeout is LEFT_OUT else seconds_of(timeout))

    @property
    def endpoint(self) -> str:
        """The endpoint, with its transport."""
        return self._inner.endpoint

    @property
    def subscribers(self) -> int:
        """The number of connected subscribers."""
        return self._inner.subscribers

    def stats(self) -> dict[str, Any]:
        """Counters."""
        return self._inner.stats()

    def events(self) -> list[Event]:
        """The events since the last call."""
        return self._inner.events()

    async def close(self, *, timeout: Seconds = LEFT_OUT) -> None:
        """Closes the publisher once the subscribers have been served, as `linkspan.Publisher.close` does; `Timeout` where one has not
        received in time what is left."""
        # Those that are waiting connect first, and slow ones receive: only then is there nothing to wait for.
        clock = asyncio.get_running_loop().time
        seconds = self._timeout if timeout is LEFT_OUT else seconds_of(timeout)
        ends = None if seconds is None else clock() + seconds
        while self._inner._is_awaited() and (ends is None or clock() < ends):
            # Nothing reports that a subscriber has connected.
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


#: What this module has no form of its own of, and why.
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
    """A channel to the program that listens or serves at the endpoint; waits for one."""
    channel = Channel(_native.Channel.dial(endpoint, **options), options)
    seconds = channel._timeout
    absent = await _join(channel, seconds, seconds, for_one=seconds != 0)
    if absent is not None:
        raise absent
    return channel


async def open(endpoint: str, **options: Unpack[Options]) -> Channel:  # noqa: A001 - the verb in every language
    """Connects if a program listens at the endpoint and listens otherwise; `channel.role` has the result."""
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
        # The program that had the name has ended: this one listens.
        if left == 0.0:
            raise absent
        await asyncio.sleep(MOMENT)


async def _join(channel: Channel, seconds: float | None, whole: float | None, *, for_one: bool) -> NotFound | None:
    """Waits so many seconds, the rest of the `whole` wait, until a channel is connected, and closes it where it will not be.

    Returns the error where no program listens, unless it waits `for_one` that does. Without a time-out, a program that listens has the
    time to answer that any has.
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
        # Of the attempt under way: another one would be a second connection for the other side.
        channel._inner.join(timeout=part_of(whole))

    seconds = _ANSWER if seconds == 0 else seconds
    is_connected = False
    try:
        # What has no descriptor only sends, into a mailslot.
        awaited = channel._wait(attempt, last, seconds) if channel._descriptor >= 0 else when_room(attempt, last, seconds)
        absent = await awaited
        is_connected = absent is None
        return absent
    finally:
        if not is_connected:  # the other side sees at once that its peer has gone
            with contextlib.suppress(Error):
                channel._inner.close(timeout=0)


def _briefly(options: Options) -> Any:
    """The options of an object that binds a name, and does not hold the loop where another program has it: `AddressInUse` after 20 ms, and not
    after the half second in which one that is ending gives it up."""
    return {**options, "timeout": part_of(seconds_of(options.get("timeout", LEFT_OUT)))}


def listen(endpoint: str, **options: Unpack[Options]) -> Listener:
    """Listens at the endpoint; each `accept` gives the channel to one peer. `AddressInUse` where a living process listens."""
    return Listener(_native.Listener(endpoint, **_briefly(options)), options)


def serve(endpoint: str, **options: Unpack[Options]) -> Server:
    """Serves requests at the endpoint: `async for request in serve(name)`, or `await serve(name).run(handler)`."""
    return Server(_Server(endpoint, **_briefly(options)), options)


def publisher(endpoint: str, **options: Unpack[Options]) -> Publisher:
    """Publishes at the endpoint: `async with publisher(name) as out: await out.send(value)`. `AddressInUse` where a living process does."""
    return Publisher(_native.Publisher(endpoint, **_briefly(options)), options)


def subscribe(endpoint: str | Iterable[str], **options: Unpack[Options]) -> Subscriber:
    """Receives what is published at the endpoint, the latest value first: `async for message in subscribe(name)`.

    The endpoint may be a pattern such as `lab/*` (`*` stands for any characters, `?` for one), or a list of endpoints and patterns:
    names that appear later join, and `message.name` is the endpoint of each message. `stats()["names"]` has the received and the
    missed messages of each name, `stats()["refused"]` why a name that fits is left out. Files and journals are meant by patterns such
    as `journal:lab/*` alone.

    It only begins to connect. `async with`, or to await it, waits for the answers of the publishers that are there, up to half a second: from then
    on every message is received, or counted as missed.
    """
    return Subscriber(_native.Subscriber.dial(endpoint, **options), options)


async def latest(endpoint: str, **options: Unpack[Options]) -> _native.Message:
    """The newest message at the endpoint. `Empty` where none was published yet, `NotFound` where no program publishes.

    It does not wait, unless the option `timeout` says for how many seconds it waits for a publisher and its first message.
    """
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
    # The position that is kept for a `client_id` is that of the program's subscriber.
    own: Any = {name: value for name, value in options.items() if name != "client_id"}
    first = subscribe(endpoint, **own)
    try:
        left = None if ends is None else max(0.0, ends - clock())
        return await first._wait(first._inner.try_recv, lambda _: first._inner.recv(timeout=part_of(seconds)), left)
    except Timeout:
        # A publisher that was there has published nothing, or has not answered.
        if isinstance(missing, (Empty, Stalled)):
            raise missing from None
        raise
    finally:
        await first.close()


async def wait(objects: Iterable[W], *, timeout: Seconds = LEFT_OUT) -> list[W]:
    """Waits until at least one of several objects is ready, and returns the ready ones.

    The objects are those of this module that receive, or anything with `fileno()`. What it gives is to be looked at with a call that does not
    wait (`try_recv()`, `await server.next(timeout=0)`), which may still find nothing: then wait again. `timeout` is in seconds: left out 30,
    `None` for ever, 0 not at all. Raises `Timeout` where none had something to do in time. No other task waits for them meanwhile.
    """
    objects, descriptors = descriptors_of(objects)
    seconds = seconds_of(timeout)
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    # Descriptors of their own: the loop has one callback for each, and another task may have given it.
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
    """Returns the result of an attempt that does not wait, such as `channel.try_recv`, made again each time the descriptor of the object that `waits` is readable.

    It is for the objects of `linkspan` itself in other event loops, which say when: `anyio.wait_readable` in trio, too, `trio.lowlevel.wait_readable`.
    Time-outs and cancelling are those of the loop. One task at a time waits for an object. `WrongType` for arguments of other kinds.
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
    """What is open on this machine, as `linkspan.names` lists it, which asks each program: in a thread meanwhile, where one can be started."""
    return await _in_thread(_native.names)


@functools.cache
def _asking() -> concurrent.futures.ThreadPoolExecutor:
    """Threads that ask, and wait half a second for a program that is stopped: the few of the loop's executor are the program's own."""
    return concurrent.futures.ThreadPoolExecutor(_QUESTIONS, "linkspan-aio")


# A child of a fork has none of the threads.
os.register_at_fork(after_in_child=_asking.cache_clear)


async def _in_thread(ask: Callable[[], T]) -> T:
    """Returns the result of a call that asks programs, each of which has its time to answer, and takes nothing from them: one that is given up
    in the middle has lost nothing."""
    try:
        return await asyncio.get_running_loop().run_in_executor(_asking(), contextvars.copy_context().run, ask)
    except RuntimeError:
        # No thread can be started, or the loop ends: it waits for the answers then.
        return ask()
