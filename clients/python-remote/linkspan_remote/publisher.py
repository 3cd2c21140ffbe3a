"""A name that a remote program publishes."""

from __future__ import annotations

import collections
import weakref
from typing import Any, Deque, Iterable, Iterator, List, Optional, Tuple, Union

from . import errors
from .encoder import Encoded
from .end import End
from .frames import Frame
from .link import DEFAULT_TIMEOUT, Deadline, Link

#: The most messages, bytes and seconds of a run: a part of a batch without other threads' messages in between. A slow
#: iterable gives short runs.
_RUN, _RUN_BYTES, _RUN_TIME = 64, 8 << 20, 0.05
#: Open publishers of this process by gateway address and name, for the option `replace`.
_open: "weakref.WeakValueDictionary[Tuple[str, str], Publisher]" = weakref.WeakValueDictionary()
#: Seconds between attempts to get the name back, first and longest.
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 2.0


class _Batch:
    """The messages of one call."""

    def __init__(self) -> None:
        #: The counts of sent, unanswered and published messages.
        self.sent = self.under_way = self.published = 0
        #: The number of the last published message, and the first error.
        self.number = 0
        self.problem: Optional[errors.Error] = None

    def answered(self, answer: Union[int, errors.Error]) -> None:
        self.under_way -= 1
        if isinstance(answer, int):
            self.number, self.published = answer, self.published + 1
        elif self.problem is None:
            self.problem = answer


class Publisher(End):
    """Publishes under a name: `with lab.publisher("lab/camera") as out: out.send({...})`.

    The name exists while the publisher is open, and returns after a reconnect.
    """

    _farewell = "unpublish"

    def __init__(self, link: Link, name: str, schema: Optional[str], replace: bool, timeout: Any) -> None:
        super().__init__(link)
        self.endpoint, self._schema = name, schema
        #: The batch of each unanswered frame, in the order of the frames.
        self._unanswered: Deque[_Batch] = collections.deque()
        #: Whether a thread has its turn to send.
        self._is_taken = False
        self._is_open = self._was_open = self._is_replaced = False
        self._problem: Optional[errors.Error] = None
        deadline = Deadline(timeout)
        link.wait_until_up(deadline)
        key = link.address.url, name
        if replace and (older := _open.get(key)) is not None and not older._is_closed:
            older._is_replaced = True
            older.close()
            # The gateway may hold the name for a moment longer.
            self._was_open = True
        with link.changed:
            self._id = link.add(self)
            self.connected()
        try:
            self._wait_until_open(deadline)
        except BaseException:
            self.close()
            raise
        _open[key] = self

    # Called by the link, with its lock held.

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

    def received(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "closed" and frame.get("error") is not None:
            self._is_open, self._problem = False, errors.of_frame(frame["error"], self.endpoint)
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

    # Called by the program.

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
                instead = "another publisher of this program took over the name, with the option replace: use that one"
                raise errors.InvalidState(f"{self.endpoint}: {instead if self._is_replaced else 'the publisher is closed'}")
            if self._problem is not None:
                problem, self._problem = self._problem, None
                # The name may be free by now.
                self.connected()
                raise problem
            if not self._is_open:
                raise taken or link.problem or errors.Timeout(f"{self.endpoint}: the gateway did not open it in time; look whether it runs")

    def send(self, value: Any, *, timeout: Any = DEFAULT_TIMEOUT) -> int:
        """Publishes a value; returns its number after the gateway has published it.

        Raises `Disconnected` if the result is unknown.
        """
        deadline, batch = Deadline(timeout), _Batch()
        run = [self._link.encoded(value)]
        with self._link.changed:
            self._send_run(run, batch, deadline)
            self._wait_for_answers(batch, 1, deadline)
        return batch.number

    def send_many(self, values: Iterable[Any], *, timeout: Any = DEFAULT_TIMEOUT) -> int:
        """Publishes values without waiting for each; returns how many.

        Up to 64 values stay together without another thread's value in between. An error's `sent` is the number of
        messages published before it.
        """
        deadline, batch = Deadline(timeout), _Batch()
        try:
            items = iter(values)
        except TypeError:
            raise errors.WrongType(f"values={errors.shown(values)}: give a list, or another iterable, of the values to send", path="values") from None
        try:
            for run, problem in self._runs(items):
                with self._link.changed:
                    if batch.sent and deadline.has_passed():
                        raise self._not_acknowledged(deadline)
                    self._send_run(run, batch, deadline)
                if problem is not None:
                    raise problem
            with self._link.changed:
                self._wait_for_answers(batch, 1, deadline)
            return batch.sent
        except BaseException as error:
            if isinstance(error, errors.Error):
                if batch.sent > 1:  # the messages before may have been published: the same again would be twice
                    error.retryable = False
                with self._link.changed:
                    self._link.wait_for(lambda: not batch.under_way or self._link.is_over, deadline)
                error.sent = batch.published
            raise

    def _runs(self, values: Iterator[Any]) -> Iterator[Tuple[List[Encoded], Optional[BaseException]]]:
        """Encodes values in runs. The iterator and encoder run code of the program, so the lock is not held.

        Their exception comes with the run before it.
        """
        problem: Optional[BaseException] = None
        while problem is None:
            run: List[Encoded] = []
            size, until = 0, Deadline(_RUN_TIME)
            try:
                while len(run) < _RUN and size < _RUN_BYTES and not (run and until.has_passed()):
                    run.append(self._link.encoded(next(values)))
                    size += len(run[-1].data)
            except StopIteration:
                if run:
                    yield run, None
                return
            except BaseException as error:
                problem = error
            yield run, problem

    def _send_run(self, run: List[Encoded], batch: _Batch, deadline: Deadline) -> None:
        """Sends values without another thread's value in between. The caller holds the link's lock, which waits
        release.
        """
        link = self._link
        if not link.wait_for(lambda: not self._is_taken, deadline):
            raise errors.Timeout(f"{self.endpoint}: another thread sent for {deadline.seconds} s; give a longer timeout=")
        self._is_taken = True
        try:
            self._wait_for_answers(batch, _RUN, deadline)
            for value in run:
                frame = {"type": "data", "id": self._id, "value": value}
                self._wait_until_open(deadline)
                while not link.send(frame, deadline, lambda: self._is_open):
                    self._wait_until_open(deadline)
                self._unanswered.append(batch)
                batch.under_way += 1
                batch.sent += 1
        finally:
            self._is_taken = False
            link.changed.notify_all()

    def _wait_for_answers(self, batch: _Batch, ahead: int, deadline: Deadline) -> None:
        """Waits until fewer than `ahead` messages of a batch are unanswered; raises its first error."""
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
