"""A name whose calls a remote program answers."""

from __future__ import annotations

import collections
import inspect
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Deque, Dict, Optional

from . import errors
from .end import End
from .frames import Frame
from .limits import HELD_MESSAGES, REQUESTS
from .link import Deadline, Link
from .message import Message

_LOG = logging.getLogger("linkspan_remote.server")
_HANDLER_FAILED = -32603


def _failure(text: str, kind: str = "", code: int = _HANDLER_FAILED, data: Any = None) -> Dict[str, Any]:
    return {"failure": {"code": code, "kind": kind, "text": text, "data": data}}


def _dropped() -> Dict[str, Any]:
    return _failure("the program took the request and gave no answer", "Dropped")


class Request(Message):
    """A call, to be answered once by `reply` or `fail`. A request that is dropped unanswered fails at its caller."""

    __slots__ = ("_call", "_generation", "_server", "_state", "wants_reply")

    def __init__(self, server: Server, call: int, wants_reply: bool, value: Any) -> None:
        super().__init__(value, server.endpoint, call)
        self._server, self._call, self._generation = server, call, server._link.generation
        #: Whether the caller waits for an answer; false for a sent message.
        self.wants_reply = wants_reply
        self._state = not wants_reply

    @property
    def answered(self) -> bool:
        """Whether it was answered or wants no answer."""
        return self._state

    def reply(self, value: Any) -> None:
        """Answers with a value. The answer is dropped if the caller is gone."""
        self._answer({"value": value})

    def fail(self, text: str, type: str = "", code: int = _HANDLER_FAILED, data: Any = None) -> None:  # noqa: A002 - as in linkspan
        """Fails the call: the caller gets `Remote` with this text, type, code and data."""
        self._answer(_failure(text, type, code, data))

    def _answer(self, outcome: Dict[str, Any]) -> None:
        if self._state:
            raise errors.InvalidState(f"{self.name}: the request was answered, or wants no answer")
        link = self._server._link
        # A request of an earlier connection has already failed at its caller.
        link.send(self._frame(outcome), Deadline(None), lambda: link.generation == self._generation)
        self._state = True

    def _frame(self, outcome: Dict[str, Any]) -> Dict[str, Any]:
        return {"type": "answer", "id": self._server._id, "call": self._call, **outcome}

    def _fail_with(self, error: BaseException) -> None:
        if isinstance(error, errors.Remote):
            self.fail(error.remote_text or str(error), error.remote_type or "Remote", error.remote_code, error.data)
            return
        try:
            text = str(error)
        except Exception as inner:  # the text of an exception of a program
            text = f"its text cannot be had: {type(inner).__name__}"
        self.fail(text.encode("utf-8", "replace").decode(), type(error).__name__)

    def __enter__(self) -> Request:
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException], trace: Any) -> None:
        if self._state:
            return
        if error is None:
            self._answer(_dropped())
        else:
            self._fail_with(error)

    def __del__(self) -> None:
        # The garbage collector may run this in any thread, with any lock held.
        if not self._state:
            self._server._link.send_later(self._frame(_dropped()), self._generation)


class Server(End):
    """Answers the calls of a name: iterate over it, or pass a handler to `run`. The name returns after a reconnect.
    """

    _farewell = "unserve"

    def __init__(self, link: Link, name: str, schema: Optional[str], reply_schema: Optional[str], timeout: Any) -> None:
        super().__init__(link)
        self.endpoint = name
        self._schemas = {"schema": schema, "reply_schema": reply_schema}
        self._arrived: Deque[Request] = collections.deque()
        #: The memory cost of each request, and their sum.
        self._costs: Deque[int] = collections.deque()
        self._held = 0
        self._is_open = self._was_open = False
        self._problem: Optional[errors.Error] = None
        deadline = Deadline(timeout)
        link.wait_until_up(deadline)
        with link.changed:
            self._id = link.add(self)
            self.connected()
            link.wait_for(lambda: self._is_open or self._problem or link.is_over, deadline)
            if not self._is_open:
                problem = self._problem or link.problem or errors.Timeout(f"{name}: the gateway did not open it in time; look whether it runs")
                self.close()
                raise problem

    # Called by the link, with its lock held.

    def connected(self) -> None:
        self._is_open, self._problem = False, None
        self._link.send({"type": "serve", "id": self._id, "name": self.endpoint, **self._schemas})

    def disconnected(self, problem: Optional[errors.Error]) -> None:
        self._is_open = False
        self._closing()
        if self._link.is_over:
            self._problem = problem or errors.InvalidState("the connection to the gateway is closed")

    def received(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "request":
            self._costs.append(frame.cost)
            self._held += frame.cost
            if len(self._arrived) >= REQUESTS or self._held > HELD_MESSAGES * self._link.longest and self._arrived:
                raise errors.Malformed(f"{self.endpoint}: the gateway sent more requests than fit, before the program took them")
            self._arrived.append(Request(self, frame["call"], bool(frame.get("wants_reply", True)), frame.get("value")))
        elif kind == "ack":
            self._is_open = self._was_open = True
        elif kind == "closed":
            said = frame.get("error") or {"kind": "Disconnected", "text": f"{self.endpoint}: the gateway gave the name up"}
            self._problem = errors.of_frame(said, self.endpoint)
        elif kind == "error" and not self._is_open:
            self._problem = errors.of_frame(frame, self.endpoint)
        elif kind == "error":
            _LOG.error("%s: an answer was refused: %s", self.endpoint, frame.get("text"))

    # Called by the program.

    def next(self, *, timeout: Any = None) -> Optional[Request]:
        """Returns the next request; None after close. Without a time-out, waits forever."""
        deadline = Deadline(timeout)
        link = self._link
        with link.changed:
            link.wait_for(lambda: self._arrived or self._is_closed or self._problem, deadline)
            if self._is_closed:
                return None
            if self._arrived:
                self._held -= self._costs.popleft()
                return self._arrived.popleft()
            if link.is_closed:
                return None
            if self._problem is not None:
                problem = self._problem
                if not link.is_over and link.welcome is not None:
                    # The name may be free by now.
                    self.connected()
                raise problem
            raise link.problem or errors.Timeout(f"{self.endpoint}: no request came within {deadline.seconds} s")

    def run(self, handler: Callable[[Request], Any], *, workers: int = 1) -> None:
        """Answers each request with the handler's result until the server closes.

        An exception of the handler becomes `Remote` with its type and text, and is logged by
        `linkspan_remote.server`. The loop then continues. `workers` threads run handlers at once.
        """
        if not callable(handler):
            raise errors.WrongType(f"{self.endpoint}: handler={errors.shown(handler)}: give a function that accepts a request and returns its answer", path="handler")
        if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):
            raise errors.WrongType(f"{self.endpoint}: the handler is a coroutine function, which this loop cannot await: give a function")
        wanted = "give the number of threads that run the handler, an int from 1 upwards"
        if isinstance(workers, bool) or not isinstance(workers, int):
            raise errors.WrongType(f"{self.endpoint}: workers={errors.shown(workers)}: {wanted}", path="workers")
        if workers < 1:
            raise errors.OutOfRange(f"{self.endpoint}: workers={workers}: {wanted}", path="workers")
        if workers == 1:
            for request in self:
                self._serve(handler, request)
            return
        free = threading.Semaphore(workers)
        with ThreadPoolExecutor(workers, thread_name_prefix="linkspan-worker") as pool:
            free.acquire()
            for request in self:
                pool.submit(self._serve, handler, request).add_done_callback(lambda _done: free.release())
                del request
                free.acquire()

    def _serve(self, handler: Callable[[Request], Any], request: Request) -> None:
        try:
            answer = handler(request)
            if not request.answered:
                request.reply(answer)
        except Exception as error:  # every one of them is the caller's to see
            try:
                if not request.answered:
                    request._fail_with(error)
            except errors.Error as refused:
                _LOG.error("%s: the failure could not be sent: %s", self.endpoint, refused)
            if not isinstance(error, errors.Remote):
                _LOG.error("%s: the handler failed", self.endpoint, exc_info=error)

    def _closing(self) -> None:
        for request in self._arrived:
            request._state = True
        self._arrived.clear()
        self._costs.clear()
        self._held = 0

    def __iter__(self) -> Server:
        return self

    def __next__(self) -> Request:
        while True:
            try:
                request = self.next()
            except errors.Error as error:
                # The name returns with a reconnect, or after another connection has given it up.
                may_come_back = error.retryable or self._was_open and isinstance(error, errors.AddressInUse)
                if self._link.is_over or not may_come_back:
                    raise
                with self._link.changed:
                    self._link.wait_for(lambda: self._is_closed, Deadline(0.5))
                continue
            if request is None:
                raise StopIteration
            return request

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._is_open else "without a connection"
        return f"<linkspan_remote.Server {self.endpoint}, {state}>"
