"""A laboratory that a gateway shows: what a program reads, calls, publishes and serves there."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Union

from . import errors
from .address import Address
from .asking import Question
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
        self, names: Union[str, Iterable[str]], *, delivery: str = "all", rate: Optional[float] = None, timeout: Any = DEFAULT_TIMEOUT,
    ) -> Subscriber:
        """Receives what is published under a name, a pattern such as `lab/*`, or several of them.

        `delivery="latest"` gives the newest message of each name, at most `rate` a second of each. `timeout` is that of `recv`.
        """
        Deadline(timeout)
        return Subscriber(self._link, names, delivery, rate, timeout)

    def publisher(self, name: str, *, schema: Optional[str] = None, timeout: Any = DEFAULT_TIMEOUT) -> Publisher:
        """Publishes under a name, which the token has to allow to be written. `schema` is a text in the notation of schemas."""
        return Publisher(self._link, _name(name), schema, timeout)

    def serve(
        self, name: str, *, schema: Optional[str] = None, reply_schema: Optional[str] = None, timeout: Any = DEFAULT_TIMEOUT,
    ) -> Server:
        """Answers the calls of a name, which the token has to allow to be written: `lab.serve(name).run(handler)`."""
        return Server(self._link, _name(name), schema, reply_schema, timeout)

    def call(self, name: str, value: Any = None, *, timeout: Any = DEFAULT_TIMEOUT) -> Message:
        """Calls the server of a name, and returns its answer. `Remote` where its handler failed; a call whose time is over is withdrawn."""
        deadline = Deadline(timeout)
        frame = {"type": "call", "name": _name(name), "value": value, "timeout": deadline.remaining() if deadline.at is not None else 600.0}
        return Message(Question(self._link, name, withdraws=True).ask(frame, deadline).get("value"), name)

    def latest(self, name: str, *, timeout: Any = DEFAULT_TIMEOUT) -> Message:
        """The newest message of a name. `Empty` where none was published yet, `NotFound` where no program publishes."""
        frame = self._ask({"type": "latest", "name": _name(name)}, name, timeout)
        return Message(frame.get("value"), name, frame["number"], frame.get("time"))

    def names(self, pattern: str = "*", *, timeout: Any = DEFAULT_TIMEOUT) -> List[Dict[str, Any]]:
        """The names that the token allows to use in some way: a map of each, with `name`, `pattern`, `rate` and others."""
        found: List[Dict[str, Any]] = self._ask({"type": "names", "pattern": _name(pattern)}, pattern, timeout)["names"]
        return found

    def schema(self, name: str, *, timeout: Any = DEFAULT_TIMEOUT) -> str:
        """The schema of a name, as a text in the notation of schemas. `Missing` where none was given."""
        return str(self._schemas(name, timeout)["schema"])

    def reply_schema(self, name: str, *, timeout: Any = DEFAULT_TIMEOUT) -> str:
        """The schema of what is replied there. `Missing` where none was given."""
        found = self._schemas(name, timeout).get("reply_schema")
        if found is None:
            raise errors.Missing(f"{name}: its server gave no schema of its replies")
        return str(found)

    def _schemas(self, name: str, timeout: Any) -> Dict[str, Any]:
        found: Dict[str, Any] = self._ask({"type": "schema", "name": _name(name)}, name, timeout)["value"]
        return found

    def _ask(self, frame: Dict[str, Any], name: str, timeout: Any) -> Dict[str, Any]:
        return Question(self._link, name).ask(frame, Deadline(timeout))

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


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise errors.WrongType(f"name={name!r}: give a text such as lab/temperature")
    return name


def connect(address: str, *, token: Optional[str] = None, certificate: Any = None, timeout: Any = DEFAULT_TIMEOUT) -> Lab:
    """Connects to `linkspan gateway`: `connect("wss://lab.example:17180", token="…")`, or the address that it prints, with its token.

    `certificate` is the file of a certificate that is trusted, in PEM. Raises `NotFound` where nothing listens, `PermissionDenied` for a
    token that does not count, `Timeout` where no answer comes in time.
    """
    where = Address(address)
    token = token or where.token
    if not token:
        raise errors.PermissionDenied(f"{where.url}: give token=, which `linkspan gateway token add NAME --read 'lab/*'` prints")
    if not isinstance(token, str):
        raise errors.WrongType("token= is the text that `linkspan gateway token add` prints")
    deadline = Deadline(timeout)
    link = Link(where, token, parse_certificate(certificate))
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
