"""A laboratory that a gateway shows: what a program reads, calls, publishes and serves there."""

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
    """A connection to `linkspan gateway`, which comes back by itself. `connect` makes it."""

    def __init__(self, link: Link) -> None:
        self._link, self._tie = link, link.tie()

    def subscribe(
        self, endpoint: Union[str, Iterable[str]], *, delivery: Any = ..., rate: Optional[float] = None, timeout: Any = DEFAULT_TIMEOUT, **more: Any,
    ) -> Subscriber:
        """Receives what is published under a name, a pattern such as `lab/*`, or several of them.

        `delivery="latest"` gives the newest message of each name, at most `rate` a second of each. `timeout` is that of `recv`.
        """
        _refuse(more, "delivery, rate and timeout")
        Deadline(timeout)
        return Subscriber(self._link, endpoint, delivery, rate, timeout)

    def publisher(self, endpoint: str, *, schema: Any = None, replace: bool = False, timeout: Any = DEFAULT_TIMEOUT, **more: Any) -> Publisher:
        """Publishes under a name, which the token has to allow to be written.

        `schema` is the path of a file, or a text in the notation of schemas. With `replace` it takes over the name of another publisher of this
        process, as a cell of a notebook does that runs again.
        """
        _refuse(more, "schema, replace and timeout")
        if not isinstance(replace, bool):
            raise errors.WrongType(f"replace={errors.shown(replace)}: give True or False", path="replace")
        return Publisher(self._link, _name(endpoint), _schema("schema", schema), replace, timeout)

    def serve(self, endpoint: str, *, schema: Any = None, reply_schema: Any = None, timeout: Any = DEFAULT_TIMEOUT, **more: Any) -> Server:
        """Answers the calls of a name, which the token has to allow to be written: `lab.serve(name).run(handler)`."""
        _refuse(more, "schema, reply_schema and timeout")
        return Server(self._link, _name(endpoint), _schema("schema", schema), _schema("reply_schema", reply_schema), timeout)

    def call(self, name: str, value: Any = None, *, timeout: Any = DEFAULT_TIMEOUT) -> Message:
        """Calls the server of a name, and returns its answer. `Remote` where its handler failed; a call whose time is over is withdrawn."""
        deadline = Deadline(timeout)
        frame = {"type": "call", "name": _name(name), "value": value, "timeout": min(deadline.remaining() or 0.0, _LONGEST_CALL) if deadline.at is not None else _LONGEST_CALL}
        return Message(Question(self._link, name, withdraws=True).ask(frame, deadline).get("value"), name)

    def latest(self, endpoint: str, *, timeout: Any = ..., **more: Any) -> Message:
        """The newest message of a name. `Empty` where none was published yet, `NotFound` where no program publishes.

        It does not wait for them, unless `timeout` says for how many seconds it waits for a publisher and its first message.
        """
        _refuse(more, "timeout")
        name = _name(endpoint)
        if timeout is ...:
            return self._newest(name, Deadline(DEFAULT_TIMEOUT))
        deadline = Deadline(timeout)
        # A subscription is told of the first message at once. The question afterwards says why there is none.
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
        """The names that the token allows to use in some way: a map of each, with `name`, `pattern`, `rate` and others."""
        found: List[Dict[str, Any]] = self._ask({"type": "names", "pattern": _name(pattern)}, pattern, Deadline(timeout), "names")["names"]
        return found

    def schema(self, endpoint: str, *, timeout: Any = DEFAULT_TIMEOUT) -> str:
        """The schema of a name, as a text in the notation of schemas. `Missing` where none was given."""
        return self._schema_of(_name(endpoint), "schema", timeout)

    def reply_schema(self, endpoint: str, *, timeout: Any = DEFAULT_TIMEOUT) -> str:
        """The schema of what is replied there. `Missing` where none was given."""
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
        """The name of the machine where the gateway runs; none while there is no connection."""
        return (self._link.welcome or {}).get("machine")

    @property
    def rights(self) -> Dict[str, Any]:
        """What the token allows: patterns to `read`, `call` and `write`; empty while there is no connection."""
        return dict((self._link.welcome or {}).get("rights", {}))

    def close(self) -> None:
        """Ends the connection, and everything that was opened with it."""
        self._link.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        link = self._link
        state = "closed" if link.is_over else f"on {self.machine}" if link.welcome else f"without a connection: {link.problem}"
        return f"<linkspan_remote.Lab {link.address.url}, {state}>"


#: The gateway ends calls after so many seconds.
_LONGEST_CALL = 600.0


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise errors.WrongType(f"endpoint={errors.shown(name)}: give the name as text, such as \"lab/temperature\"", path="endpoint")
    return name


def _refuse(more: Dict[str, Any], known: str) -> None:
    """Refuses the first option that this client does not have, by its name."""
    for name in more:
        raise errors.Unsupported(f"no option is called {name!r} here; over a gateway there are {known}", path=name)


def _schema(option: str, given: Any) -> Optional[str]:
    """The text of a schema: what has a `=` or several lines is the text itself, anything else the path of a file."""
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


#: Characters of a file that is read as a schema, more than one may have.
_LONGEST_SCHEMA = 1 << 20


def connect(
    address: str, *, token: Optional[str] = None, certificate: Any = None, timeout: Any = DEFAULT_TIMEOUT, max_message_size: int = MESSAGE, **more: Any,
) -> Lab:
    """Connects to `linkspan gateway`: `connect("wss://lab.example:17180", token="…")`, or the address that it prints, with its token.

    `certificate` is the file of a certificate that is trusted, in PEM. `max_message_size` is the longest value in bytes that is taken. Raises
    `NotFound` where nothing listens, `PermissionDenied` for a token that does not count, `Timeout` where no answer comes in time.
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
            # A first attempt that fails says why; later ones are made until the connection is closed.
            link.wait_for(lambda: link.welcome is not None or link.problem is not None or link.is_over, deadline)
        if link.welcome is None and isinstance(link.problem, errors.Error):
            raise link.problem
        link.wait_until_up(deadline)
    except BaseException:
        link.close()
        raise
    return Lab(link)
