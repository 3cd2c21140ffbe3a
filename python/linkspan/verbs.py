"""The functions that a program calls first: open, connect, listen, serve, publish, subscribe.

An endpoint is a name such as `lab/temperature`, over shared memory, or `transport:name`: `shm:`, `unix:`, `fifo:`, `spool:`,
`dgram:`, `file:`, `journal:`, `tcp://host:port`. Options are keywords, the same for every verb: `help(linkspan.Options)`. What a
transport cannot do is `Unsupported`, with the reason, before anything is made or sent.
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
    """Connects if a program listens at the endpoint and listens otherwise; `channel.role` has the result.

    Of two programs that start at the same instant exactly one listens.
    """
    return Channel.open(endpoint, **options)


def connect(endpoint: str, **options: Unpack[Options]) -> Channel:
    """A channel to the program that listens or serves at the endpoint. Waits for it, and connects again if it restarts.

    `NotFound` where no program did within the option `timeout`: 30 seconds by default, `None` waits for ever.
    """
    return Channel.connect(endpoint, **options)


def listen(endpoint: str, **options: Unpack[Options]) -> Listener:
    """Listens at the endpoint; each `accept` gives the channel to one peer. `AddressInUse` where a living process listens."""
    return Listener(endpoint, **options)


def serve(endpoint: str, **options: Unpack[Options]) -> Server:
    """Serves requests at the endpoint: `for request in serve(name): request.reply(…)`, or `serve(name).run(handler)`.

    `AddressInUse` where a living process has the name.
    """
    return Server(endpoint, **options)


def publisher(endpoint: str, **options: Unpack[Options]) -> Publisher:
    """Publishes at the endpoint. A publisher never waits for a slow subscriber. `AddressInUse` where a living process does."""
    return Publisher(endpoint, **options)


def subscribe(endpoint: str | Iterable[str], **options: Unpack[Options]) -> Subscriber:
    """Receives what is published at the endpoint, the latest value first: `for message in subscribe(name)`.

    The endpoint may be a pattern such as `lab/*` (`*` stands for any characters, `?` for one), or a list of endpoints and patterns:
    names that appear later join, and `message.name` is the endpoint of each message. `stats()["names"]` has the received and the
    missed messages of each name, `stats()["refused"]` why a name that fits is left out. Files and journals are meant by patterns such
    as `journal:lab/*` alone.
    """
    return Subscriber(endpoint, **options)


def wait(
    objects: Iterable[T],
    *,
    timeout: Seconds = _LEFT_OUT,
    on_wait: Callable[[], bool | None] | None = None,
) -> list[T]:
    """Waits until at least one of several objects is ready, and returns the ready ones.

    The objects are channels, listeners, servers, subscribers, or anything with `fileno()`. What it gives is to be looked at with a
    call that does not wait (`try_recv()`, `next(timeout=0)`), which may still find nothing: then wait again. `timeout` is in
    seconds: left out 30, `None` for ever, 0 not at all. Raises `Timeout` where none had something to do in time::

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
    """The objects of `wait` and their descriptors; `WrongType` where one has none."""
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
    """The newest message at the endpoint. `Empty` where none was published yet, `NotFound` where no program publishes.

    It does not wait, unless the option `timeout` says for how many seconds it waits for a publisher and its first message.
    """
    return _native.latest(endpoint, **options)


def names() -> list[dict[str, Any]]:
    """What is open on this machine, as `linkspan ls` lists it: a map for each name, sorted by `endpoint`.

    `endpoint`, `pattern`, `pid`, `program`, `user`, `messages`, `peers` and others; None where it is unknown, and `problem` has the reason::

        [name["endpoint"] for name in linkspan.names() if name["pattern"] == "publish"]
    """
    return _native.names()


def schema(endpoint: str, message: Message | None = None) -> dict[str, Any]:
    """The schema that was given for the endpoint by the program that listens there, or that is stored in its spool or journal.

    `schema("lab/power")["type"]["fields"]` are the fields, maps with `name` and `type`, where `type` has `kind` and, as they apply,
    `unit`, `range` (two numbers), `values`, `shape`: the canonical form of docs/schema.md, without descriptions. Waits at most 3 s.
    `NotFound` where no program listens, `Missing` where no schema was given.

    With a message of that endpoint it is the schema that this was written with: each record of a journal names its own. `Corrupt` where
    the journal has lost it.
    """
    return _native.schema(endpoint, message)


def reply_schema(endpoint: str) -> dict[str, Any]:
    """The schema of what is replied there, which the server gave as `reply_schema`; otherwise like `schema`."""
    return _native.reply_schema(endpoint)
