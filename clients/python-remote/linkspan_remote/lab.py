"""A laboratory behind a gateway: reads, calls, publishes and serves its names."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from . import errors
from .address import Address
from .asking import GRACE, Question
from .frames import Frame
from .limits import MESSAGE
from .link import DEFAULT_TIMEOUT, Deadline, Link, parse_certificate
from .message import Message
from .publisher import Publisher
from .server import Server
from .subscriber import Subscriber


class Lab:
    """A connection to `linkspan gateway` that reconnects automatically. Created by `connect`."""

    def __init__(self, link: Link) -> None:
        self._link, self._tie = link, link.tie()

    def subscribe(
        self, endpoint: Union[str, Iterable[str]], *, delivery: Any = ..., rate: Optional[float] = None, timeout: Any = DEFAULT_TIMEOUT, **more: Any,
    ) -> Subscriber:
        """Receives the messages of a name, a pattern such as `lab/*`, or several of them.

        `delivery="latest"` delivers the newest message of each name, at most `rate` per second and name. `timeout`
        applies to `recv`.
        """
        _refuse(more, "delivery, rate and timeout")
        Deadline(timeout)
        return Subscriber(self._link, endpoint, delivery, rate, timeout)

    def publisher(self, endpoint: str, *, schema: Any = None, replace: bool = False, timeout: Any = DEFAULT_TIMEOUT, **more: Any) -> Publisher:
        """Publishes under a name. The token must allow to write it.

        `schema` is the path of a schema file, or its text. `replace` takes over the name from another publisher of
        this process, for example when a notebook cell runs again.
        """
        _refuse(more, "schema, replace and timeout")
        if not isinstance(replace, bool):
            raise errors.WrongType(f"replace={errors.shown(replace)}: give True or False", path="replace")
        return Publisher(self._link, _name(endpoint), _schema("schema", schema), replace, timeout)

    def serve(self, endpoint: str, *, schema: Any = None, reply_schema: Any = None, timeout: Any = DEFAULT_TIMEOUT, **more: Any) -> Server:
        """Answers the calls of a name: `lab.serve(name).run(handler)`. The token must allow to write it."""
        _refuse(more, "schema, reply_schema and timeout")
        return Server(self._link, _name(endpoint), _schema("schema", schema), _schema("reply_schema", reply_schema), timeout)

    def call(self, name: str, value: Any = None, *, timeout: Any = DEFAULT_TIMEOUT) -> Message:
        """Calls the server of a name and returns its answer.

        Raises `Remote` if the handler failed. A call that times out is withdrawn.
        """
        deadline = Deadline(timeout)
        frame = {"type": "call", "name": _name(name), "value": value, "timeout": min(deadline.remaining() or 0.0, _LONGEST_CALL) if deadline.at is not None else _LONGEST_CALL}
        return Message(Question(self._link, name, withdraws=True).ask(frame, deadline).get("value"), name)

    def latest(self, endpoint: str, *, timeout: Any = ..., **more: Any) -> Message:
        """Returns the newest message of a name.

        Raises `Empty` if nothing was published yet, `NotFound` if no program publishes. Does not wait for either,
        unless `timeout` gives the seconds to wait for a publisher and its first message.
        """
        _refuse(more, "timeout")
        name = _name(endpoint)
        if timeout is ...:
            return self._newest(name, Deadline(DEFAULT_TIMEOUT))
        deadline = Deadline(timeout)
        # A subscription receives the first message at once. Without one, the query afterwards finds the reason.
        with self.subscribe(name, delivery="latest") as subscriber:
            try:
                return self._newest(name, deadline.later(GRACE))
            except (errors.Empty, errors.NotFound):
                pass
            try:
                found: Message = subscriber.recv(timeout=deadline.remaining())
                found.missed = 0
                return found
            except (errors.Timeout, errors.Disconnected, errors.NotFound):
                return self._newest(name, Deadline(GRACE))

    def _newest(self, name: str, deadline: Deadline) -> Message:
        frame = self._ask({"type": "latest", "name": name}, name, deadline, fields=("number",))
        return Message(frame.get("value"), name, frame["number"], frame.get("time"))

    def names(self, pattern: str = "*", *, timeout: Any = DEFAULT_TIMEOUT) -> List[Dict[str, Any]]:
        """Returns the names that the token may use, each as a map with `name`, `pattern`, `rate` and others."""
        found: List[Dict[str, Any]] = self._ask({"type": "names", "pattern": _name(pattern)}, pattern, Deadline(timeout), "names")["names"]
        return found

    def schema(self, endpoint: str, *, timeout: Any = DEFAULT_TIMEOUT) -> str:
        """Returns the schema text of a name; raises `Missing` if it has none."""
        return self._schema_of(_name(endpoint), "schema", timeout)

    def reply_schema(self, endpoint: str, *, timeout: Any = DEFAULT_TIMEOUT) -> str:
        """Returns the schema text of a name's replies; raises `Missing` if it has none."""
        return self._schema_of(_name(endpoint), "reply_schema", timeout)

    def _schema_of(self, name: str, which: str, timeout: Any) -> str:
        found = self._ask({"type": "schema", "name": name}, name, Deadline(timeout), fields=("value",))["value"]
        text = found.get(which) if isinstance(found, dict) else found
        if text is None and isinstance(found, dict):
            raise errors.Missing(f"{name}: its program gave no {which}")
        if not isinstance(text, str):
            raise errors.Malformed(f"{name}: the gateway answered without a {which}")
        return text

    def _ask(self, frame: Dict[str, Any], name: str, deadline: Deadline, answer: str = "reply", fields: Tuple[str, ...] = ()) -> Frame:
        return Question(self._link, name, answer, fields).ask(frame, deadline)

    @property
    def machine(self) -> Optional[str]:
        """The name of the gateway's machine; None without a connection."""
        return (self._link.welcome or {}).get("machine")

    @property
    def rights(self) -> Dict[str, Any]:
        """The token's rights: patterns to `read`, `call` and `write`; empty without a connection."""
        return dict((self._link.welcome or {}).get("rights", {}))

    def close(self) -> None:
        """Ends the connection and everything opened with it."""
        self._link.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        link = self._link
        state = "closed" if link.is_over else f"on {self.machine}" if link.welcome else f"without a connection: {link.problem}"
        return f"<linkspan_remote.Lab {link.address.url}, {state}>"


#: The gateway ends calls after this many seconds.
_LONGEST_CALL = 600.0


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise errors.WrongType(f"endpoint={errors.shown(name)}: give the name as text, such as \"lab/temperature\"", path="endpoint")
    return name


def _refuse(more: Dict[str, Any], known: str) -> None:
    """Refuses the first unknown option by name."""
    for name in more:
        raise errors.Unsupported(f"no option is called {name!r} here; over a gateway there are {known}", path=name)


def _schema(option: str, given: Any) -> Optional[str]:
    """Returns a schema text. A string with `=` or several lines is the text itself, any other is a file's path."""
    if given is None or isinstance(given, str) and ("=" in given or "\n" in given):
        return given
    if not isinstance(given, (str, os.PathLike)):
        raise errors.WrongType(f"{option}={errors.shown(given)}: give the path of a file, or its text", path=option)
    try:
        with open(given, encoding="utf-8") as file:
            return file.read(_LONGEST_SCHEMA)
    except FileNotFoundError as error:
        raise errors.NotFound(f"reading {os.fspath(given)!r}: {error.strerror}; check the path, or give the text of a schema", path=option) from None
    except PermissionError as error:
        raise errors.PermissionDenied(f"reading {os.fspath(given)!r}: {error.strerror}", path=option) from None
    except (OSError, ValueError) as error:
        raise errors.InvalidState(f"reading {os.fspath(given)!r}: {error}", path=option) from None


#: Characters read from a schema file, more than a schema may have.
_LONGEST_SCHEMA = 1 << 20


def connect(
    address: str, *, token: Optional[str] = None, certificate: Any = None, timeout: Any = DEFAULT_TIMEOUT, max_message_size: int = MESSAGE, **more: Any,
) -> Lab:
    """Connects to `linkspan gateway`: `connect("wss://lab.example:17180", token="…")`, or the address that it prints.

    `certificate` is the PEM file of a trusted certificate. `max_message_size` is the longest accepted value, in
    bytes. Raises `NotFound` if nothing listens, `PermissionDenied` for an invalid token, `Timeout` if no answer
    comes in time.
    """
    _refuse(more, "token, certificate, timeout and max_message_size")
    where = Address(address)
    token = token or where.token
    if not token:
        raise errors.PermissionDenied(f"{where.url}: give token=, which `linkspan gateway token add NAME --read 'lab/*'` prints")
    if not isinstance(token, str):
        raise errors.WrongType("token= is the text that `linkspan gateway token add` prints", path="token")
    if isinstance(max_message_size, bool) or not isinstance(max_message_size, int):
        raise errors.WrongType(f"max_message_size={errors.shown(max_message_size)}: give bytes as an int", path="max_message_size")
    if not 1024 <= max_message_size <= 1 << 32:
        raise errors.OutOfRange(f"max_message_size={max_message_size}: give bytes from 1,024 to 4 GiB", path="max_message_size")
    deadline = Deadline(timeout)
    link = Link(where, token, parse_certificate(certificate), max_message_size)
    try:
        with link.changed:
            # The first attempt must succeed; later attempts repeat until the connection is closed.
            link.wait_for(lambda: link.welcome is not None or link.problem is not None or link.is_over, deadline)
        if link.welcome is None and isinstance(link.problem, errors.Error):
            raise link.problem
        link.wait_until_up(deadline)
    except BaseException:
        link.close()
        raise
    return Lab(link)
