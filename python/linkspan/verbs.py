"""What a program does first: open, connect, listen, serve, publish, subscribe."""

from __future__ import annotations

from typing import Unpack

from . import _native
from ._native import Channel, Listener, Message, Publisher, Subscriber
from .options import Options
from .server import Server


def open(endpoint: str, **options: Unpack[Options]) -> Channel:  # noqa: A001 - the verb in every language
    """Connects if somebody listens at the endpoint and listens otherwise; `channel.role` says which.

    Of two programs that start at the same instant exactly one listens.
    """
    return Channel.open(endpoint, **options)


def connect(endpoint: str, **options: Unpack[Options]) -> Channel:
    """A channel to whoever listens or serves at the endpoint. Waits for them, and connects again if they restart."""
    return Channel.connect(endpoint, **options)


def listen(endpoint: str, **options: Unpack[Options]) -> Listener:
    """Listens at the endpoint; each `accept` gives the channel to one peer."""
    return Listener(endpoint, **options)


def serve(endpoint: str, **options: Unpack[Options]) -> Server:
    """Serves requests at the endpoint: `for request in serve(name): request.reply(…)`, or `serve(name).run(handler)`."""
    return Server(endpoint, **options)


def publisher(endpoint: str, **options: Unpack[Options]) -> Publisher:
    """Publishes at the endpoint. A publisher never waits for a slow subscriber."""
    return Publisher(endpoint, **options)


def subscribe(endpoint: str, **options: Unpack[Options]) -> Subscriber:
    """Reads what is published at the endpoint, the latest value first: `for message in subscribe(name)`."""
    return Subscriber(endpoint, **options)


def latest(endpoint: str, **options: Unpack[Options]) -> Message:
    """The newest message at the endpoint. `Empty` where none was published yet, `NotFound` where nobody publishes."""
    return _native.latest(endpoint, **options)
