"""A name that a program elsewhere publishes."""

from __future__ import annotations

import collections
from typing import Any, Deque, Dict, Iterable, Optional, Union

from . import errors
from .end import End
from .link import DEFAULT_TIMEOUT, Deadline, Link

#: Messages of a batch that are sent before the first of them is acknowledged.
_AHEAD = 64
#: Seconds between attempts to get the name back, at first and at most.
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 2.0


class _Batch:
    """The messages of one call."""

    def __init__(self) -> None:
        #: Messages that the gateway has not answered.
        self.under_way = 0
        #: The number of the last published message, and the first error.
        self.number = 0
        self.problem: Optional[errors.Error] = None

    def answered(self, answer: Union[int, errors.Error]) -> None:
        self.under_way -= 1
        if isinstance(answer, int):
            self.number = answer
        elif self.problem is None:
            self.problem = answer


class Publisher(End):
    """Publishes under a name: `with lab.publisher("lab/camera") as out: out.send({...})`.

    The name is there while the publisher is open, and comes back with the connection to the gateway.
    """

    _farewell = "unpublish"

    def __init__(self, link: Link, name: str, schema: Optional[str], timeout: Any) -> None:
        super().__init__(link)
        self.endpoint, self._schema = name, schema
        #: The batch of each frame that the gateway has not answered, in the order of the frames.
        self._unanswered: Deque[_Batch] = collections.deque()
        self._is_open = self._was_open = False
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
        self._is_open = False
        why = f": {problem}" if problem is not None else ""
        while self._unanswered:
            error = errors.Disconnected(f"{self.endpoint}: the connection to the gateway was lost; the message may have been published{why}")
            error.retryable = False
            self._unanswered.popleft().answered(error)

    def received(self, frame: Dict[str, Any], size: int) -> None:
        kind = frame["type"]
        if kind not in ("ack", "error"):
            return
        answer = frame["number"] if kind == "ack" else errors.of_frame(frame, self.endpoint)
        if self._is_open:
            if self._unanswered:
                self._unanswered.popleft().answered(answer)
        elif kind == "ack":
            self._is_open = self._was_open = True
        else:
            self._problem = answer

    # What the program calls.

    def _wait_until_open(self, deadline: Deadline) -> None:
        link = self._link
        pause = _FIRST_PAUSE
        taken: Optional[errors.Error] = None
        with link.changed:
            while True:
                link.wait_for(lambda: self._is_open or self._problem or self._is_closed or link.is_over, deadline)
                if not (self._was_open and isinstance(self._problem, errors.AddressInUse)) or self._is_closed or link.is_over or deadline.has_passed():
                    break
                # The gateway may still hold the name for an older connection of this program.
                taken = self._problem
                link.wait_for(lambda: self._is_closed or link.is_over, deadline.within(pause))
                pause = min(2 * pause, _LAST_PAUSE)
                self.connected()
            link.check()
            if self._is_closed:
                raise errors.InvalidState(f"{self.endpoint}: the publisher is closed")
            if self._problem is not None:
                problem, self._problem = self._problem, None
                # The name may be free by now.
                self.connected()
                raise problem
            if not self._is_open:
                raise taken or link.problem or errors.Timeout(f"{self.endpoint}: the gateway did not open it in time; look whether it runs")

    def send(self, value: Any, *, timeout: Any = DEFAULT_TIMEOUT) -> int:
        """Publishes a value; returns its number once the gateway has published it. `Disconnected` where that is not known."""
        return self.send_many([value], timeout=timeout)

    def send_many(self, values: Iterable[Any], *, timeout: Any = DEFAULT_TIMEOUT) -> int:
        """Publishes values one behind the other, without waiting for each; returns the number of the last."""
        deadline = Deadline(timeout)
        link, batch = self._link, _Batch()
        sent = 0
        try:
            # The iterator and the encoder run code of the program, so they run without the lock.
            for value in values:
                frame = {"type": "data", "id": self._id, "value": link.encoded(value)}
                with link.changed:
                    self._wait_for_answers(batch, _AHEAD, deadline)
                    if sent and deadline.has_passed():
                        raise self._not_acknowledged(deadline)
                    self._wait_until_open(deadline)
                    while not link.send(frame, deadline, lambda: self._is_open):
                        self._wait_until_open(deadline)
                    self._unanswered.append(batch)
                    batch.under_way += 1
                    sent += 1
            with link.changed:
                self._wait_for_answers(batch, 1, deadline)
                return batch.number
        except errors.Error as error:
            # Those before may have been published: the same again would be twice.
            if sent > 1:
                error.retryable = False
            raise

    def _wait_for_answers(self, batch: _Batch, ahead: int, deadline: Deadline) -> None:
        """Waits until fewer than so many messages of a batch are under way; raises its first error."""
        link = self._link
        in_time = link.wait_for(lambda: batch.under_way < ahead or link.is_over, deadline)
        if batch.problem is not None:
            raise batch.problem
        if not in_time:
            raise self._not_acknowledged(deadline)

    def _not_acknowledged(self, deadline: Deadline) -> errors.Error:
        error = errors.Timeout(f"{self.endpoint}: the gateway did not acknowledge within {deadline.seconds} s; the message may have been published")
        error.retryable = False
        return error

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self._is_open else "without a connection"
        return f"<linkspan_remote.Publisher {self.endpoint}, {state}>"
