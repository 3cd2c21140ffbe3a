"""Linkspan for asyncio: the same functions, awaited, on the event loop's own readiness. No runtime, no thread.

    async with await linkspan.aio.connect("lab/spectrum") as ch:
        print((await ch.call({"op": "fft"}))["power"])

    async for reading in linkspan.aio.subscribe("lab/temperature"):
        print(reading["celsius"])

One task at a time receives on an object; any number of calls is under way on a channel, also beside it. What is awaited ends with `linkspan.Timeout` after the `timeout=` of the call, else
that of the object's options, else 30 seconds; None waits for ever, and so do loops (`async for`). `asyncio.timeout` works as
well. A publisher never waits, so `linkspan.publisher` serves here as it is; so do `latest`, `encode` and `decode`, and services have a loop
of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, Self, TypeVar, Unpack

from . import _native
from .errors import Empty, Error, Full, InvalidState, NotFound, Stalled, Timeout, Unsupported
from .event import Event
from .options import Options
from .server import Server as _Server
from .server import fail_with, log_failure, number_of_workers

T = TypeVar("T")
C = TypeVar("C", _native.Channel, _native.Subscriber, _Server)
S = TypeVar("S", _native.Channel, _native.Listener, _native.Subscriber, _Server)

_LEFT_OUT: Any = ...
"""The `timeout=` of a call without one."""

_MOMENT = 0.005
"""Seconds between polls of a state that no descriptor signals: room to send."""


@dataclasses.dataclass
class _Late:
    """A time-out while a coroutine awaits."""

    what: str
    retryable: bool = True
    ends: float | None = None

    @property
    def remaining(self) -> float | None:
        """The seconds until the time-out; `None` without one."""
        return None if self.ends is None else max(0.0, self.ends - asyncio.get_running_loop().time())


class _Watched(Generic[S]):
    """An object of the synchronous interface and the descriptor that is readable when it has something to do."""

    def __init__(self, inner: S, options: Options) -> None:
        self._inner: S = inner
        self._absent: NotFound | Stalled | None = None
        self._timeout = _seconds(options.get("timeout", _LEFT_OUT))
        try:
            self._descriptor = inner.fileno()
        except Unsupported:  # it only sends, into a mailslot: nothing arrives
            self._descriptor = -1
        self._one = asyncio.Lock()
        self._waiting: dict[asyncio.Future[Any], Callable[[], Any]] = {}
        self._seen = 0
        self._closed = False

    async def _until(self, attempt: Callable[[], T]) -> T:
        """Returns the result of the attempt once that would no longer wait. It is made again when the descriptor is readable."""
        while True:
            try:
                return attempt()
            except (Empty, Timeout, NotFound, Stalled) as error:
                self._absent = error if isinstance(error, (NotFound, Stalled)) else None
                break
            finally:
                self._share()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if not self._waiting and not self._closed:
            loop.add_reader(self._descriptor, self._attempt)
        self._waiting[done] = attempt
        try:
            return await done
        finally:
            self._waiting.pop(done, None)
            self._rest()

    def _rest(self) -> None:
        """Watches the descriptor no more if nothing is waited for."""
        if not self._waiting and not self._closed:
            asyncio.get_running_loop().remove_reader(self._descriptor)

    def _attempt(self) -> None:
        """Makes each attempt that is waited for again, until all that has arrived is with those that wait for it.

        An attempt receives what belongs to others, too, and the descriptor does not tell them: the answer to another call, or the
        end of the connection.
        """
        while self._waiting:
            is_done = False
            for done, attempt in list(self._waiting.items()):
                if done.done():
                    continue
                try:
                    result = attempt()
                except (Empty, Timeout, NotFound, Stalled) as error:
                    self._absent = error if isinstance(error, (NotFound, Stalled)) else None
                    continue
                except BaseException as error:  # the task that awaits it gets every one of them
                    done.set_exception(error)
                else:
                    done.set_result(result)
                del self._waiting[done]
                is_done = True
            if is_done:
                continue
            received = self._received()
            if received == self._seen:
                break
            self._seen = received
        self._rest()

    def _received(self) -> int:
        """What changes where an attempt may have received something for another task."""
        return 0

    def _share(self) -> None:
        """Lets the tasks that wait have what another one has received for them."""
        if self._waiting and self._received() != self._seen:
            self._attempt()

    @contextlib.asynccontextmanager
    async def _within(self, timeout: float | None, what: str, kind: type[Error] = Timeout) -> AsyncIterator[_Late]:
        """Ends the awaits in it with `Timeout` once the time is over, or with `NotFound` where no program listened, `Stalled` where one
        did not answer.

        The object that it yields sets what a time-out means from then on.
        """
        late = _Late(what)
        seconds = self._timeout if timeout is _LEFT_OUT else _seconds(timeout)
        self._absent = None
        try:
            async with asyncio.timeout(seconds) as limit:
                late.ends = limit.when()
                yield late
        except TimeoutError as over:
            if isinstance(over, Error):
                raise
            if self._absent is not None:
                raise self._absent from None
            error = kind(f"{self.endpoint}: " + late.what.format(f"{seconds:g} s"))
            if not late.retryable:
                error.retryable = False
            raise error from None

    @property
    def endpoint(self) -> str:
        """The endpoint, with its transport."""
        return self._inner.endpoint

    async def close(self) -> None:
        """Closes it without waiting: the text of a `Timeout` has how much the other side had not consumed by then."""
        if self._waiting and not self._closed:
            # The descriptor is about to close, and would wake no task.
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._closed = True
        try:
            if isinstance(self._inner, (_native.Channel, _Server)):
                self._inner.close(timeout=0)
            else:
                self._inner.close()
        finally:
            self._attempt()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        # Sent messages stay there to be received; only their acknowledgement cannot be awaited.
        with contextlib.suppress(Timeout):
            await self.close()


class _EventSource(_Watched[C]):
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

    async def recv(self, *, timeout: float | None = _LEFT_OUT) -> _native.Message:
        """The next message. While the other side is away, waits until it connects again."""
        async with self._within(timeout, "no message came within {}"), self._one:
            return await self._until(self._inner.try_recv)

    def ack(self) -> None:
        """Acknowledges everything that was received so far as consumed: for a channel with `ack="manual"`."""
        self._inner.ack()

    async def send(self, value: Any, *, timeout: float | None = _LEFT_OUT) -> int:
        """Sends a value, as soon as there is room; gives its sequence number. After a `Timeout` it was not sent."""
        async with self._within(timeout, "the peer did not receive what was sent before within {}"):
            return await self._when_room(lambda: self._inner.try_send(value))

    async def _when_room(self, attempt: Callable[[], T]) -> T:
        """Returns the result of the attempt, made again and again until there is room."""
        try:
            return await _when_room(attempt)
        finally:
            self._share()

    async def flush(self, *, timeout: float | None = _LEFT_OUT) -> None:
        """Waits until the other side has consumed what was sent; the `missed` of a `Timeout` is the number that it has not."""
        seconds = self._timeout if timeout is _LEFT_OUT else _seconds(timeout)
        clock = asyncio.get_running_loop().time
        ends = None if seconds is None else clock() + seconds
        while True:
            try:
                return self._inner.flush(timeout=0)
            except Timeout:
                if ends is not None and clock() >= ends:
                    raise
            finally:
                self._share()
            await asyncio.sleep(_MOMENT)

    async def call(self, value: Any, *, timeout: float | None = _LEFT_OUT) -> _native.Message:
        """Sends a request and awaits its answer. Any number of calls is under way on one channel, answered in any order.

        A request that ended in `Timeout` or was cancelled may have been carried out all the same, unless the text says that it was
        not sent, because the other side did not take what was sent before.
        """
        what = "the peer did not receive what was sent before within {}; the request was not sent"
        async with self._within(timeout, what) as late:
            asked = await self._when_room(lambda: self._inner.start_call(value, within=late.remaining))
            late.what = "no answer came within {}; the request was sent, and whether it was carried out is unknown"
            late.retryable = self._idempotent
            try:
                return await self._until(lambda: self._inner.finish_call(asked, timeout=0))
            except asyncio.CancelledError:
                # After a time-out, however short, the request is not sent to the next server.
                with contextlib.suppress(Error):
                    self._inner.finish_call(asked, timeout=1e-6)
                raise

    async def reply(self, request: _native.Message, value: Any, *, timeout: float | None = _LEFT_OUT) -> None:
        """Answers a request that `recv` gave."""
        async with self._within(timeout, "the client has not received the answer within {}"):
            await self._when_room(lambda: self._inner.reply(request, value, timeout=0))

    async def __aiter__(self) -> AsyncIterator[_native.Message]:
        while True:
            yield await self.recv(timeout=None)

    async def _connected(self) -> Self:
        async with self._within(_LEFT_OUT, "no program listens there within {}", NotFound):
            return await self._once_connected()

    async def _once_connected(self) -> Self:
        await self._until(self._check_connection)
        return self

    def _check_connection(self) -> None:
        """Raises `Empty` while there is no connection."""
        try:
            self._inner.poll()
        except InvalidState:
            # A server has this error, too, once it is there: it can only be called.
            if not self._inner.stats()["connections"]:
                raise
        if not self._inner.stats()["connections"]:
            raise Empty(self.endpoint)


class Listener(_Watched[_native.Listener]):
    """Takes one peer after the other."""

    def __init__(self, inner: _native.Listener, options: Options) -> None:
        super().__init__(inner, options)
        self._options = options

    async def accept(self, *, timeout: float | None = _LEFT_OUT) -> Channel:
        """The channel to the next peer that connects."""
        async with self._within(timeout, "no program connected within {}"), self._one:
            return Channel(await self._until(lambda: self._inner.accept(timeout=0)), self._options)


class Subscriber(_EventSource[_native.Subscriber]):
    """Receives what is published, the latest value first; iterate over it."""

    def ack(self) -> None:
        """Acknowledges the last message, and all before it, as consumed: for a subscriber with `ack="manual"`."""
        self._inner.ack()

    async def recv(self, *, timeout: float | None = _LEFT_OUT) -> _native.Message:
        """The next message; `Lagged` once where some were missed, `NotFound` where there was no publisher until the time-out."""
        async with self._within(timeout, "no message came within {}"), self._one:
            return await self._until(lambda: self._inner.recv(timeout=0))

    async def __aiter__(self) -> AsyncIterator[_native.Message]:
        while True:
            async with self._one:
                message = await self._until(lambda: self._inner.next(timeout=0))
            if message is None:
                return
            yield message


class Server(_EventSource[_Server]):
    """Answers the requests of many clients: iterate over it, or give `run` a handler."""

    async def next(self, *, timeout: float | None = _LEFT_OUT) -> _native.Request | None:
        """The next request; none once the server is closed."""
        async with self._within(timeout, "no request came within {}"), self._one:
            return await self._until(lambda: self._inner.next(timeout=0))

    async def __aiter__(self) -> AsyncIterator[_native.Request]:
        while (request := await self.next(timeout=None)) is not None:
            yield request
            del request

    async def run(self, handler: Callable[[_native.Request], Any], *, workers: int = 1) -> None:
        """Answers each request with the result of the handler, which may be a coroutine; up to `workers` of them at once.

        What the handler raises is answered as `Remote` and logged, as by `linkspan.Server.run`.
        """
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
            log_failure(self.endpoint, request, error)
            if not request.answered:
                fail_with(request, error)


#: What this module has no form of its own of, and why.
_ELSEWHERE = {
    "publisher": "it never waits, so linkspan.publisher serves in a coroutine as it is",
    "latest": "it does not wait without a time-out, so linkspan.latest serves in a coroutine as it is",
    "wait": "await several at once with asyncio.wait, or asyncio.TaskGroup",
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


def _seconds(timeout: float | None) -> float | None:
    return _native.wait_seconds() if timeout is _LEFT_OUT else _native.wait_seconds(timeout)


async def _when_room(attempt: Callable[[], T]) -> T:
    while True:
        try:
            return attempt()
        except (Full, Timeout, NotFound, Stalled):
            await asyncio.sleep(_MOMENT)


async def connect(endpoint: str, **options: Unpack[Options]) -> Channel:
    """A channel to the program that listens or serves at the endpoint; waits for one."""
    channel = Channel(_native.Channel.dial(endpoint, **options), options)
    if channel._descriptor >= 0:
        return await channel._connected()
    at_once = Options(**{**options, "timeout": 0})
    async with channel._within(_LEFT_OUT, "no program receives there within {}", NotFound):
        return Channel(await _when_room(lambda: _native.Channel.connect(endpoint, **at_once)), options)


async def open(endpoint: str, **options: Unpack[Options]) -> Channel:  # noqa: A001 - the verb in every language
    """Connects if a program listens at the endpoint and listens otherwise; `channel.role` has the result."""
    return Channel(_native.Channel.open(endpoint, **options), options)


def listen(endpoint: str, **options: Unpack[Options]) -> Listener:
    """Listens at the endpoint; each `accept` gives the channel to one peer."""
    return Listener(_native.Listener(endpoint, **options), options)


def serve(endpoint: str, **options: Unpack[Options]) -> Server:
    """Serves requests at the endpoint: `async for request in serve(name)`, or `await serve(name).run(handler)`."""
    return Server(_Server(endpoint, **options), options)


def subscribe(endpoint: str | Sequence[str], **options: Unpack[Options]) -> Subscriber:
    """Receives what is published at the endpoint, the latest value first: `async for message in subscribe(name)`.

    The endpoint may be a pattern such as `lab/*` (`*` stands for any characters, `?` for one), or a list of endpoints and patterns:
    names that appear later join, and `message.name` is the endpoint of each message. `stats()["names"]` has the received and the
    missed messages of each name, `stats()["refused"]` why a name that fits is left out. Files and journals are meant by patterns such
    as `journal:lab/*` alone.
    """
    return Subscriber(_native.Subscriber(endpoint, **options), options)
