"""Programs in different languages on one machine talk: channels, publish and subscribe, services.

A program names an endpoint, picks a pattern, and sends values::

    with linkspan.publisher("lab/temperature") as out:
        out.send({"celsius": 21.4, "at": linkspan.Timestamp.now()})

    for reading in linkspan.subscribe("lab/temperature"):
        print(reading["celsius"])

    with linkspan.connect("lab/spectrum") as ch:
        print(ch.call({"op": "fft", "window": 4096}, timeout=1.0)["power"])
"""

from __future__ import annotations

from . import errors
from ._native import (
    Channel,
    Listener,
    Message,
    NdArray,
    Publisher,
    Region,
    Request,
    Subscriber,
    __version__,
    decode,
    encode,
    transcode,
)
from .errors import *  # noqa: F403 - one class for each kind of error
from .event import Event
from .options import Options
from .server import Server
from .timestamp import Timestamp
from .verbs import connect, latest, listen, open, publisher, serve, subscribe

__all__ = [
    "Channel",
    "Event",
    "Listener",
    "Message",
    "NdArray",
    "Options",
    "Publisher",
    "Region",
    "Request",
    "Server",
    "Subscriber",
    "Timestamp",
    "__version__",
    "connect",
    "decode",
    "encode",
    "errors",
    "latest",
    "listen",
    "open",
    "publisher",
    "serve",
    "subscribe",
    "transcode",
    *errors.__all__,
]
