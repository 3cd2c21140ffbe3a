"""A name that a program elsewhere publishes."""

from __future__ import annotations

import collections
import threading
from typing import Any, Deque, Dict, Iterable, Optional

from . import errors
from .link import DEFAULT_TIMEOUT, Deadline, Link

#: Messages of a batch that are sent before the first of them is acknowledged.
_AHEAD = 64


class Publisher:
    """Publishes under a name: `with lab.publisher("lab/camera") as out: out.send({...})`.

    The name is there while the publisher is open, and comes back with the connection to the gateway.
    """

    def __init__(self, link: Link, name: str, schema: Optional[str], timeout: Any) -> None:
        self._link, self.endpoint, self._schema = link, name, schema
        #: Frames that were sent and whose answer has not come: the number of each, or its error, in their order.
        self._answers: Deque[Any] = collections.deque()
        self._under_way = 0
        #: Those of them that no call waits for any more.
        self._given_up = 0
        #: Held by the thread that publishes: the answers come in the order of the frames.
        self._turn = threading.Lock()
        self._is_open = False
        self._is_closed = False
        self._problem: Optional[errors.Error] = None
        deadline = Deadline(timeout)
        link.wait_until_up(deadline)
        with link.changed:
            self._id = link.add(self)
            self.connected()
        try:
            self._wait_until_open(deadline)
        except BaseException:
            self.close()
            raise

    # What the link calls, with its lock.

    def connected(self) -> None:
        self._is_open, self._problem = False, None
        self._link.send({"type": "publish", "id": self._id, "name": self.endpoint, "schema": self._schema})

    def disconnected(self, problem: Optional[errors.Error]) -> None:
        self._is_open, self._given_up = False, 0
        why = f": {problem}" if problem is not None else ""
        while self._under_way:
            self._under_way -= 1
            error = errors.Disconnected(f"{self.endpoint}: the connection to the gateway was lost; the message may have been published{why}")
            error.retryable = False
            self._answers.append(error)

    def received(self, frame: Dict[str, Any], size: int) -> None:
        if not self._is_open:
            if frame["type"] == "ack":
                self._is_open = True
            elif frame["type"] == "error":
                self._problem = errors.of_frame(frame, self.endpoint)
        elif frame["type"] in ("ack", "error") and self._given_up:
            self._given_up -= 1
        elif frame["type"] in ("ack", "error") and self._under_way:
            self._under_way -= 1
            self._answers.append(frame["number"] if frame["type"] == "ack" else errors.of_frame(frame, self.endpoint))

    # What the program calls.

    def _wait_until_open(self, deadline: Deadline) -> None:
        link = self._link
        with link.changed:
            link.wait_for(lambda: self._is_open or self._problem or self._is_closed or link.is_over, deadline)
            link.check()
            if self._is_closed:
                raise errors.InvalidState(f"{self.endpoint}: the publisher is closed")
            if self._problem is not None:
                problem, self._problem = self._problem, None
                # The name may be free by now.
                self.connected()
                raise problem
            if not self._is_open:
                raise link.problem or errors.Timeout(f"{self.endpoint}: the gateway did not open it in time; look whether it runs")

    def send(self, value: Any, *, timeout: Any = DEFAULT_TIMEOUT) -> int:
        """Publishes a value; returns its number once the gateway has published it. `Disconnected` where that is not known."""
        return self.send_many([value], timeout=timeout)

    def send_many(self, values: Iterable[Any], *, timeout: Any = DEFAULT_TIMEOUT) -> int:
        """Publishes values one behind the other, without waiting for each; returns the number of the last."""
        deadline = Deadline(timeout)
        remaining = deadline.remaining()
        if not self._turn.acquire(timeout=-1 if remaining is None else min(remaining, threading.TIMEOUT_MAX)):
            raise errors.Timeout(f"{self.endpoint}: another thread publishes, and was not done within {deadline.seconds} s")
        link = self._link
        sent = 0
        try:
            with link.changed:
                number = 0
                for value in values:
                    number = self._answered(number, _AHEAD, deadline)
                    frame = {"type": "data", "id": self._id, "value": value}
                    self._wait_until_open(deadline)
                    while not link.send(frame, deadline, lambda: self._is_open):
                        self._wait_until_open(deadline)
                    self._under_way += 1
                    sent += 1
                return self._answered(number, 1, deadline)
        except errors.Error as error:
            # Those before may have been published: the same again would be twice.
            if sent > 1:
                error.retryable = False
            raise
        finally:
            with link.changed:
                self._given_up += self._under_way
                self._under_way = 0
                self._answers.clear()
            self._turn.release()

    def _answered(self, number: int, ahead: int, deadline: Deadline) -> int:
        """Waits until fewer than so many are under way; returns the last number, or raises the first error."""
        link = self._link
        in_time = link.wait_for(lambda: self._under_way < ahead or link.is_over, deadline)
        while self._answers:
            answer = self._answers.popleft()
            if isinstance(answer, errors.Error):
                raise answer
            number = answer
        if not in_time:
            error = errors.Timeout(f"{self.endpoint}: the gateway did not acknowledge within {deadline.seconds} s; the message may have been published")
            error.retryable = False
            raise error
        return number

    def close(self) -> None:
        """Ends the publisher, and frees its name."""
        with self._link.changed:
            if not self._is_closed:
                self._is_closed = True
                self._link.remove(self._id)
                if not self._link.is_over:
                    self._link.send({"type": "unpublish", "id": self._id})
                self._link.changed.notify_all()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._is_open else "without a connection"
        return f"<linkspan_remote.Publisher {self.endpoint}, {state}>"
