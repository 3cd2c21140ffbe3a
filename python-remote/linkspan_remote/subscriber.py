"""What is published, for a program that is not on the machine: each message, or how many were lost."""

from __future__ import annotations

import collections
from typing import Any, Deque, Dict, Iterable, List, Optional, Tuple, Union

from . import errors
from .end import End
from .link import Deadline, Link
from .message import Message
from .timestamp import Timestamp

#: Messages that the gateway may send before the program has taken one, at least and at most, and the bytes that they
#: are chosen for.
_LEAST_CREDIT, _MOST_CREDIT, _CREDIT_BYTES = 2, 1024, 8 << 20


class Subscriber(End):
    """Receives what is published: `for message in lab.subscribe("lab/*")`.

    A subscriber that was overtaken gets `Lagged` once, with how many messages of the name were `missed`, and goes on at the next call. With
    `delivery="latest"` it gets the newest message of each name, and `message.missed` says how many were passed over. It goes on where it was
    when the connection to the gateway is lost and comes back.
    """

    _farewell = "unsubscribe"

    def __init__(self, link: Link, names: Union[str, Iterable[str]], delivery: str, rate: Optional[float], timeout: Any) -> None:
        super().__init__(link)
        self._names = [names] if isinstance(names, str) else list(names)
        for name in self._names:
            if not isinstance(name, str):
                raise errors.WrongType(f"names: {name!r} is no name; give texts such as lab/temperature or lab/*")
        if delivery not in ("all", "latest"):
            raise errors.InvalidState(f"delivery={delivery!r}: give \"all\" or \"latest\"")
        if rate is not None and delivery != "latest":
            raise errors.InvalidState('rate= is for delivery="latest": the newest message of each name, so often in a second')
        self._is_latest, self._rate, self._timeout = delivery == "latest", rate, timeout
        self.endpoint = ", ".join(self._names)
        #: Messages, and counts of what was lost, in their order.
        self._arrived: Deque[Union[Message, Tuple[str, int]]] = collections.deque()
        #: The last number of each name, its incarnation, and whether it has a publisher.
        self._numbers: Dict[str, int] = {}
        self._incarnations: Dict[str, str] = {}
        self._living: Dict[str, bool] = {}
        self._granted = 0
        self._bytes = 1
        self._problem: Optional[errors.Error] = None
        with link.changed:
            self._id = link.add(self)
            self.connected()

    # What the link calls, with its lock.

    def connected(self) -> None:
        frame: Dict[str, Any] = {"type": "subscribe", "id": self._id, "names": self._names}
        if self._is_latest:
            frame.update(latest=True, rate=self._rate)
        else:
            self._granted = max(0, self._window() - len(self._arrived))
            frame["credit"] = self._granted
        if self._numbers:
            frame["from"] = {
                name: {"number": number, "incarnation": self._incarnations.get(name)} for name, number in self._numbers.items()
            }
        self._link.send(frame)

    def disconnected(self, problem: Optional[errors.Error]) -> None:
        self._living.clear()
        if self._link.is_over:
            self._problem = problem or errors.InvalidState("the connection to the gateway is closed")

    def received(self, frame: Dict[str, Any], size: int) -> None:
        kind, name = frame["type"], frame.get("name", "")
        if kind == "message":
            self._granted -= 1
            self._bytes = max(size, self._bytes * 15 // 16)
            self._numbers[name] = frame["number"]
            sent = frame.get("time")
            made = Message(frame.get("value"), name, frame["number"], sent if isinstance(sent, Timestamp) else None, frame.get("passed") or 0)
            self._keep(made)
        elif kind == "lagged":
            self._numbers[name] = self._numbers.get(name, 0) + frame["missed"]
            self._arrived.append((name, frame["missed"]))
        elif kind == "joined":
            if self._incarnations.get(name) != frame.get("incarnation"):
                self._numbers.pop(name, None)
            self._incarnations[name] = frame["incarnation"]
            self._living[name] = True
        elif kind == "ended":
            self._living[name] = False
        elif kind == "error" or kind == "closed":
            said = frame if kind == "error" else frame.get("error") or {"kind": "Disconnected", "text": "the gateway ended the subscription"}
            self._problem = errors.of_frame(said, self.endpoint)

    def _keep(self, message: Message) -> None:
        """Keeps a message; of `latest` it takes the place of the one before."""
        if self._is_latest:
            for at, before in enumerate(self._arrived):
                if isinstance(before, Message) and before.name == message.name:
                    message.missed += before.missed + 1
                    self._arrived[at] = message
                    return
        self._arrived.append(message)

    def _window(self) -> int:
        return min(max(_CREDIT_BYTES // self._bytes, _LEAST_CREDIT), _MOST_CREDIT)

    # What the program calls.

    def next(self, *, timeout: Any = None) -> Optional[Message]:
        """The next message; none once the subscriber is closed. Without a time-out it waits for ever."""
        deadline = Deadline(timeout)
        with self._link.changed:
            self._link.wait_for(lambda: self._arrived or self._is_closed or self._problem, deadline)
            if self._arrived:
                return self._take()
            if self._is_closed:
                return None
            raise self._problem or self._nothing_came(deadline)

    def _take(self) -> Message:
        found = self._arrived.popleft()
        if not self._is_latest:
            window = self._window()
            missing = window - self._granted - len(self._arrived)
            # Not for each message, and early enough that the next ones are on their way.
            if missing > window // 2:
                self._granted += missing
                self._link.send({"type": "credit", "id": self._id, "n": missing})
        if isinstance(found, Message):
            return found
        name, missed = found
        error = errors.Lagged(f"{name}: {missed} messages were lost; receive faster, or subscribe with delivery=\"latest\"")
        error.endpoint, error.missed = name, missed
        raise error

    def _nothing_came(self, deadline: Deadline) -> errors.Error:
        """Why nothing came in time."""
        link, where = self._link, self.endpoint
        if link.welcome is None and link.problem is not None:
            return link.problem
        error: errors.Error
        if self._living and not any(self._living.values()):
            error = errors.Disconnected(f"{where}: its publisher ended, and none came back within {deadline.seconds} s; start it again")
        else:
            error = errors.Timeout(f"{where}: no message came within {deadline.seconds} s; wait longer, or look at names() whether it has a publisher")
        error.endpoint = where
        return error

    def recv(self, *, timeout: Any = ...) -> Message:
        """The next message, within 30 s unless a time-out is given. `Timeout` where none came, and `Disconnected` where its publisher ended."""
        message = self.next(timeout=self._timeout if timeout is ... else timeout)
        if message is None:
            raise errors.InvalidState(f"{self.endpoint}: the subscriber is closed")
        return message

    def try_recv(self) -> Message:
        """The next message that has come; `Empty` where none has."""
        with self._link.changed:
            if self._arrived:
                return self._take()
            if self._is_closed:
                raise errors.InvalidState(f"{self.endpoint}: the subscriber is closed")
            raise self._problem or errors.Empty(f"{self.endpoint}: no message has come")

    def poll(self) -> bool:
        """Whether a message, or the count of lost ones, has come."""
        with self._link.changed:
            return bool(self._arrived)

    def names(self) -> List[str]:
        """The names that have a publisher now."""
        with self._link.changed:
            return sorted(name for name, lives in self._living.items() if lives)

    def __iter__(self) -> Subscriber:
        return self

    def __next__(self) -> Message:
        message = self.next()
        if message is None:
            raise StopIteration
        return message

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"{len(self._arrived)} waiting"
        return f"<linkspan_remote.Subscriber {self.endpoint}, {state}>"
