"""Receives published messages, and counts of lost messages, on a remote machine."""

from __future__ import annotations

import collections
from typing import Any, Deque, Dict, Iterable, List, Optional, Set, Tuple, Union

from . import errors
from .end import End
from .frames import Frame
from .limits import HELD_MESSAGES, NAMES
from .link import DEFAULT_TIMEOUT, Deadline, Link
from .message import Message
from .timestamp import Timestamp

#: The least and most messages that the gateway may send ahead, and the bytes that determine the number.
_LEAST_CREDIT, _MOST_CREDIT, _CREDIT_BYTES = 2, 1024, 8 << 20
#: Deliveries of the module `linkspan` that a gateway does not have, and why.
_REFUSED = {
    "at_least_once": "a publisher waits for no subscriber. A journal: keeps every message",
    "durable": "a gateway keeps nothing on a disk. A journal: keeps every message",
}


class _Loss:
    """Messages of a name that were lost before its next one."""

    __slots__ = ("is_counted", "missed", "name")

    def __init__(self, name: str) -> None:
        self.name, self.missed = name, 0
        #: False if a publisher ended unseen, which makes the number of its last messages unknown.
        self.is_counted = True

    def error(self) -> errors.Error:
        number = f"{self.missed} messages" if self.is_counted else "an unknown number of messages"
        why = "receive faster, or subscribe with delivery=\"latest\"" if self.is_counted else "its publisher ended while the connection was lost"
        error = errors.Lagged(f"{self.name}: {number} were lost; {why}")
        error.endpoint, error.missed = self.name, self.missed if self.is_counted else None
        return error


class Subscriber(End):
    """Receives published messages: `for message in lab.subscribe("lab/*")`.

    A slow subscriber loses the oldest messages. `recv` then fails once with `Lagged`, whose `missed` is their
    number. A loop does not fail: the next message has the number in `missed`. `delivery="latest"` gives the newest
    message of each name. The subscriber resumes after a reconnect.
    """

    _farewell = "unsubscribe"

    def __init__(self, link: Link, names: Union[str, Iterable[str]], delivery: Any, rate: Optional[float], timeout: Any) -> None:
        super().__init__(link)
        self._names = _names(names)
        self._is_latest, self._rate, self._timeout = _is_latest(delivery), rate, timeout
        if rate is not None and not self._is_latest:
            raise errors.InvalidState('rate= is for delivery="latest": the newest message of each name, so often in a second', path="rate")
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float))):
            raise errors.WrongType(f"rate={errors.shown(rate)}: give messages of each name in a second", path="rate")
        self.endpoint = ", ".join(self._names)
        #: Messages with their memory cost, and losses, in order.
        self._arrived: Deque[Union[Tuple[Message, int], _Loss]] = collections.deque()
        #: The loss of each name in `_arrived`, before its next message; and losses before everything in `_arrived`.
        self._lost: Dict[str, _Loss] = {}
        self._dropped: Dict[str, _Loss] = {}
        self._held = self._waiting = 0
        #: By name: the last number, losses after it, the incarnation, and whether it has a publisher.
        self._numbers: Dict[str, int] = {}
        self._tails: Dict[str, int] = {}
        self._incarnations: Dict[str, str] = {}
        self._living: Dict[str, bool] = {}
        #: Names that had a publisher when the connection was lost, without news since.
        self._away: Set[str] = set()
        self._granted = 0
        self._bytes = 1
        self._problem: Optional[errors.Error] = None
        with link.changed:
            self._id = link.add(self)
            self.connected()

    # Called by the link, with its lock held.

    def connected(self) -> None:
        frame: Dict[str, Any] = {"type": "subscribe", "id": self._id, "names": self._names}
        if self._is_latest:
            frame.update(latest=True, rate=self._rate)
        else:
            self._granted = max(0, self._window() - self._waiting)
            frame["credit"] = self._granted
        if self._numbers:
            frame["from"] = {
                name: {"number": number + self._tails.get(name, 0), "incarnation": self._incarnations.get(name)}
                for name, number in self._numbers.items()
            }
        self._link.send(frame)

    def disconnected(self, problem: Optional[errors.Error]) -> None:
        self._away.update(name for name, lives in self._living.items() if lives)
        self._living.clear()
        if self._link.is_over:
            self._problem = problem or errors.InvalidState("the connection to the gateway is closed")

    def received(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind in ("error", "closed"):
            said = frame if kind == "error" else frame.get("error") or {"kind": "Disconnected", "text": "the gateway ended the subscription"}
            self._problem = errors.of_frame(said, self.endpoint)
        if kind not in ("message", "lagged", "joined", "ended"):
            return
        name = frame["name"]
        if name not in self._living:
            self._make_room()
            self._living[name] = kind != "ended"
        if kind == "joined":
            if self._incarnations.get(name) != frame["incarnation"]:
                self._numbers.pop(name, None)
                self._tails.pop(name, None)
                if name in self._away and name in self._incarnations and not self._is_latest:
                    self._loss(name).is_counted = False
            self._incarnations[name] = frame["incarnation"]
            self._living[name] = True
        elif kind == "ended":
            self._living[name] = False
        elif kind == "lagged":
            self._numbers.setdefault(name, 0)
            self._tails[name] = self._tails.get(name, 0) + frame["missed"]
            self._loss(name).missed += frame["missed"]
        else:
            self._keep(name, frame)
        self._away.discard(name)

    def _make_room(self) -> None:
        """Forgets names without a publisher if there are too many names."""
        if len(self._living) < NAMES:
            return
        for name in [name for name, lives in self._living.items() if not lives]:
            for known in (self._living, self._numbers, self._tails, self._incarnations):
                known.pop(name, None)
        if len(self._living) >= NAMES:
            raise errors.TooLarge(f"{self.endpoint}: more than {NAMES} names; subscribe to a narrower pattern")

    def _loss(self, name: str) -> _Loss:
        """Returns the loss before the next message of a name."""
        if self._is_latest:
            return self._dropped.setdefault(name, _Loss(name))
        if name not in self._lost:
            self._lost[name] = _Loss(name)
            self._arrived.append(self._lost[name])
        return self._lost[name]

    def _keep(self, name: str, frame: Frame) -> None:
        """Keeps a message. With `latest`, it replaces the previous one."""
        last = self._numbers.get(name, 0)
        if frame["number"] <= last:
            raise errors.Malformed(f"{name}: the gateway sent the message {frame['number']} after {last}")
        self._granted -= 1
        if self._granted < 0 and not self._is_latest:
            raise errors.Malformed(f"{self.endpoint}: the gateway sent more messages than this client asked for")
        self._bytes = max(frame.cost, self._bytes * 15 // 16)
        self._numbers[name] = frame["number"]
        self._tails.pop(name, None)
        message = Message(frame.get("value"), name, frame["number"], frame.get("time"), frame.get("passed") or 0)
        self._held += frame.cost
        self._lost.pop(name, None)
        if self._is_latest:
            for at, item in enumerate(self._arrived):
                if not isinstance(item, _Loss) and item[0].name == name:
                    message.missed += item[0].missed + 1
                    self._held -= item[1]
                    self._arrived[at] = (message, frame.cost)
                    return
        self._arrived.append((message, frame.cost))
        self._waiting += 1
        while self._held > HELD_MESSAGES * self._link.longest and self._waiting > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Counts the oldest message as lost, because the program does not take messages."""
        item = self._arrived.popleft()
        if isinstance(item, _Loss):
            return self._hold_back(item)
        message, cost = item
        self._held -= cost
        self._waiting -= 1
        name = str(message.name)
        self._dropped.setdefault(name, _Loss(name)).missed += 1 + message.missed

    def _window(self) -> int:
        return min(max(_CREDIT_BYTES // self._bytes, _LEAST_CREDIT), _MOST_CREDIT)

    # Called by the program.

    def next(self, *, timeout: Any = None) -> Optional[Message]:
        """Returns the next message, whose `missed` counts lost ones; None after close. Without a time-out, waits
        forever.
        """
        deadline = Deadline(timeout)
        with self._link.changed:
            while True:
                self._link.wait_for(lambda: self._arrived or self._is_closed or self._problem, deadline)
                if self._is_closed:
                    return None
                if not self._arrived:
                    if self._link.is_closed:
                        return None
                    raise self._problem or self._nothing_came(deadline)
                item = self._arrived.popleft()
                if isinstance(item, _Loss):
                    self._hold_back(item)
                    continue
                return self._take(item)

    def _hold_back(self, loss: _Loss) -> None:
        """Keeps a loss for the next message of its name."""
        if self._lost.get(loss.name) is loss:
            del self._lost[loss.name]
        before = self._dropped.setdefault(loss.name, _Loss(loss.name))
        before.missed += loss.missed
        before.is_counted = before.is_counted and loss.is_counted

    def _take(self, item: Tuple[Message, int]) -> Message:
        message, cost = item
        self._held -= cost
        self._waiting -= 1
        loss = self._dropped.pop(str(message.name), None)
        if loss is not None:
            message.missed += loss.missed
            message.unseen = not loss.is_counted
        if not self._is_latest:
            window = self._window()
            missing = window - self._granted - self._waiting
            # Batches the credit, but early enough to keep messages flowing.
            if missing > window // 2:
                self._granted += missing
                self._link.send({"type": "credit", "id": self._id, "n": missing})
        return message

    def _loss_first(self) -> None:
        """Raises `Lagged` for a loss before the next message."""
        if self._is_latest or self._is_closed:
            return
        if self._dropped:
            raise self._dropped.pop(next(iter(self._dropped))).error()
        if self._arrived and isinstance(self._arrived[0], _Loss):
            loss = self._arrived.popleft()
            assert isinstance(loss, _Loss)
            if self._lost.get(loss.name) is loss:
                del self._lost[loss.name]
            raise loss.error()

    def _nothing_came(self, deadline: Deadline) -> errors.Error:
        """Returns the error for a time-out, with the reason."""
        link, where = self._link, self.endpoint
        if link.welcome is None and link.problem is not None:
            return link.problem
        error: errors.Error
        is_one_name = len(self._names) == 1 and not set(where) & set("*?")
        if is_one_name and self._living and not any(self._living.values()):
            error = errors.Disconnected(f"{where}: its publisher ended, and none came back within {deadline.seconds} s; start it again")
        elif is_one_name and not self._living:
            error = errors.NotFound(f"{where}: no program published it within {deadline.seconds} s; start one, or look at names()")
        else:
            error = errors.Timeout(f"{where}: no message came within {deadline.seconds} s; wait longer, or look at names() whether it has a publisher")
        error.endpoint = where
        return error

    def recv(self, *, timeout: Any = ...) -> Message:
        """Returns the next message; raises `Lagged` once if some were lost.

        Waits 30 s without a `timeout`. Raises `Timeout` if none came, and `Disconnected` if its publisher ended.
        """
        deadline = Deadline(self._timeout if timeout is ... else timeout)
        with self._link.changed:
            self._link.wait_for(lambda: self._arrived or (self._dropped and not self._is_latest) or self._is_closed or self._problem, deadline)
            message = self._next_come()
            if message is None:
                raise self._problem or self._nothing_came(deadline)
            return message

    def try_recv(self) -> Message:
        """Returns the next arrived message; raises `Empty` if there is none, `Lagged` once if some were lost."""
        with self._link.changed:
            message = self._next_come()
            if message is None:
                raise self._problem or errors.Empty(f"{self.endpoint}: no message has come")
            return message

    def _next_come(self) -> Optional[Message]:
        """Returns the next arrived message. Raises `Lagged` for a loss before it, `InvalidState` after close."""
        self._loss_first()
        message = self.next(timeout=0) if self._arrived and not self._is_closed else None
        if message is None:
            self._check()
        return message

    def _check(self) -> None:
        if self._is_closed or self._link.is_closed:
            raise errors.InvalidState(f"{self.endpoint}: the subscriber is closed")

    def poll(self) -> bool:
        """Whether a message or a loss has arrived."""
        with self._link.changed:
            self._check()
            return bool(self._arrived or (self._dropped and not self._is_latest))

    def names(self) -> List[str]:
        """Returns the names that have a publisher now."""
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


def _names(names: Any) -> List[str]:
    if isinstance(names, str):
        return [names]
    try:
        found = list(names)
    except TypeError:
        raise errors.WrongType(f"endpoint={errors.shown(names)}: give a name or a pattern as text, such as \"lab/*\", or a list of them", path="endpoint") from None
    for at, name in enumerate(found):
        if not isinstance(name, str):
            raise errors.WrongType(f"endpoint[{at}]={errors.shown(name)}: give a name or a pattern as text, such as \"lab/*\"", path=f"endpoint[{at}]")
    if not found:
        raise errors.InvalidState("there is nothing to subscribe to: give at least one name or pattern")
    return found


def _is_latest(delivery: Any) -> bool:
    if delivery in (..., "best_effort"):
        return False
    if not isinstance(delivery, str):
        raise errors.WrongType(f"delivery={errors.shown(delivery)}: give text", path="delivery")
    if delivery in _REFUSED:
        raise errors.Unsupported(f"delivery={delivery!r} is not for the gateway: {_REFUSED[delivery]}", path="delivery")
    if delivery != "latest":
        raise errors.Unsupported(f"no delivery is called {delivery[:64]!r}; there are latest and best_effort", path="delivery")
    return True
