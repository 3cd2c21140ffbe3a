"""The first functions of a program: open, connect, listen, serve, publish, subscribe.

An endpoint is a name such as `lab/temperature`, over shared memory, or `transport:name`: `shm:`, `unix:`, `fifo:`,
`spool:`, `dgram:`, `file:`, `journal:`, `tcp://host:port`. Options are keywords, equal for every function:
`help(linkspan.Options)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, Unpack

from . import _native
from ._native import Channel, Listener, Message, Publisher, Subscriber
from .errors import WrongType
from .options import Options, Seconds
from .server import Server


class HasFileno(Protocol):
    """An object with a descriptor that an event loop can watch."""

    def fileno(self) -> int: ...


T = TypeVar("T", bound=HasFileno)

_LEFT_OUT: Any = ...
"""The `timeout=` of a call without one."""


def open(endpoint: str, **options: Unpack[Options]) -> Channel:  # noqa: A001 - the verb in every language
    """Connects if a program listens at the endpoint; otherwise listens. `channel.role` has the result.

    If two programs start at the same time, exactly one listens.
    """
    return Channel.open(endpoint, **options)


def connect(endpoint: str, **options: Unpack[Options]) -> Channel:
    """Returns a channel to the program that listens or serves at the endpoint; reconnects if it restarts.

    `NotFound` if none listens in time. The time is the option `timeout`: 30 seconds by default; `None` waits for ever.
    """
    return Channel.connect(endpoint, **options)


def listen(endpoint: str, **options: Unpack[Options]) -> Listener:
    """Listens at the endpoint; each `accept` returns the channel to one peer. Raises `AddressInUse`."""
    return Listener(endpoint, **options)


def serve(endpoint: str, **options: Unpack[Options]) -> Server:
    """Serves requests at the endpoint: `for request in serve(name): request.reply(…)`.

    Or use `serve(name).run(handler)`. `AddressInUse` if a living process has the name.
    """
    return Server(endpoint, **options)


def publisher(endpoint: str, **options: Unpack[Options]) -> Publisher:
    """Publishes at the endpoint, without ever waiting for a slow subscriber. Raises `AddressInUse`."""
    return Publisher(endpoint, **options)


def subscribe(endpoint: str | Iterable[str], **options: Unpack[Options]) -> Subscriber:
    """Receives from the endpoint, the latest value first: `for message in subscribe(name)`.

    The endpoint may be a pattern such as `lab/*` (`*` means any characters, `?` one), or a list of endpoints and
    patterns. Names that appear later join, and `message.name` is the endpoint of each message. `stats()["names"]` has
    received and missed messages by name, `stats()["refused"]` the reason for each matching name that is left out. Only
    patterns with a transport, such as `journal:lab/*`, match files and journals.
    """
    return Subscriber(endpoint, **options)


def wait(
    objects: Iterable[T],
    *,
    timeout: Seconds = _LEFT_OUT,
    on_wait: Callable[[], bool | None] | None = None,
) -> list[T]:
    """Waits until at least one of several objects is ready, and returns the ready ones.

    The objects are channels, listeners, servers, subscribers, or anything with `fileno()`. A ready object may still
    have nothing: query it without waiting. `timeout` is in seconds: 30 by default, `None` for ever. `Timeout` if no
    object is ready in time::

        for ready in linkspan.wait([readings, orders], timeout=None):
            handle(ready.try_recv())
    """
    objects, descriptors = descriptors_of(objects)
    if timeout is _LEFT_OUT:
        ready = _native.wait_any(descriptors, on_wait=on_wait)
    else:
        ready = _native.wait_any(descriptors, timeout=timeout, on_wait=on_wait)
    return [objects[i] for i in ready]


def descriptors_of(objects: Iterable[T]) -> tuple[list[T], list[int]]:
    """Raises `WrongType` if an object has no descriptor."""
    if hasattr(objects, "fileno") or not isinstance(objects, Iterable):
        raise WrongType(f"wait accepts a list of objects, and not {type(objects).__name__}: wait([subscriber, channel])")
    objects = list(objects)
    for at, each in enumerate(objects):
        if not hasattr(each, "fileno"):
            raise WrongType(
                f"wait accepts channels, listeners, servers, subscribers, and objects with fileno(); at position {at} is {type(each).__name__}"
            )
    return objects, [each.fileno() for each in objects]


def latest(endpoint: str, **options: Unpack[Options]) -> Message:
    """Returns the newest message at the endpoint.

    `Empty` if nothing was published yet, `NotFound` if no program publishes. It waits only if the option `timeout` is
    given, in seconds.
    """
    return _native.latest(endpoint, **options)


def names() -> list[dict[str, Any]]:
    """Lists the open names on this machine, like `linkspan ls`: a dict for each, sorted by `endpoint`.

    Keys are `endpoint`, `pattern`, `pid`, `program`, `user`, `messages`, `peers` and others. Unknown values are None,
    and `problem` has the reason::

        [name["endpoint"] for name in linkspan.names() if name["pattern"] == "publish"]
    """
    return _native.names()


def schema(endpoint: str, message: Message | None = None) -> dict[str, Any]:
    """Returns the schema of the program that listens at the endpoint, or of its spool or journal.

    `schema("lab/power")["type"]["fields"]` are the fields, in the canonical form of docs/schema.md. Waits at most 3 s.
    `NotFound` if no program listens, `Missing` without a schema.

    With a message of that endpoint, returns the schema of that message. `Corrupt` if the journal has lost it.
    """
    return _native.schema(endpoint, message)


def reply_schema(endpoint: str) -> dict[str, Any]:
    """Returns the schema of replies, which the server set as `reply_schema`; otherwise like `schema`."""
    return _native.reply_schema(endpoint)
