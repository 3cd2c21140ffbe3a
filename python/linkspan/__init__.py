"""Programs in different languages on one machine talk: channels, publish and subscribe, services.

A program names an endpoint, picks a pattern, and sends values::

    with linkspan.publisher("lab/temperature") as out:
        out.send({"celsius": 21.4, "at": linkspan.Timestamp.now()})

    for reading in linkspan.subscribe("lab/temperature"):
        print(reading["celsius"])

    with linkspan.connect("lab/spectrum") as ch:
        print(ch.call({"op": "fft", "window": 4096}, timeout=1.0)["power"])

Or it shares an object, whose properties and methods other programs use::

    linkspan.share(Keithley2000("GPIB::16"), "lab/dmm").run()
    linkspan.remote("lab/dmm").voltage

Or it is a service, a subclass of `linkspan.Service`, which a controller commands::

    linkspan.run(Logger(), "power")
    linkspan.Controller().service("power").pause()
"""

from __future__ import annotations

from collections.abc import Mapping

from . import errors
from ._native import (
    Answer,
    BytesLoan,
    Channel,
    Listener,
    Message,
    NdArray,
    Publisher,
    RecordedMessage,
    Region,
    Request,
    ServiceLoop,
    Subscriber,
    Task,
    __version__,
    decode,
    encode,
    transcode,
)
from .controller import Controller, ServiceHandle
from .errors import (
    AddressInUse,
    Cancelled,
    Corrupt,
    Disconnected,
    Empty,
    Error,
    Full,
    Internal,
    Interrupted,
    InvalidEndpoint,
    InvalidState,
    Lagged,
    Malformed,
    Missing,
    NoSpace,
    NotFound,
    OutOfMemory,
    OutOfRange,
    PermissionDenied,
    Remote,
    SchemaMismatch,
    Stalled,
    Timeout,
    TooLarge,
    TransportUnavailable,
    Unsupported,
    VersionMismatch,
    WrongType,
)
from .event import Event
from .forms import jsonable
from .options import Options, ServiceOptions
from .recording import RecordedName, Recording
from .remote_object import remote
from .server import Server
from .service import Service, run
from .sharing import Shared, share
from .sqlite import sqlite_checkpoint
from .table import Table
from .timestamp import Timestamp
from .verbs import connect, latest, listen, names, open, publisher, reply_schema, schema, serve, subscribe, wait
from .words import Command, Outcome, State, View

__all__ = [
    "AddressInUse",
    "Answer",
    "BytesLoan",
    "Cancelled",
    "Channel",
    "Command",
    "Controller",
    "Corrupt",
    "Disconnected",
    "Empty",
    "Error",
    "Event",
    "Full",
    "Internal",
    "Interrupted",
    "InvalidEndpoint",
    "InvalidState",
    "Lagged",
    "Listener",
    "Malformed",
    "Message",
    "Missing",
    "NdArray",
    "NoSpace",
    "NotFound",
    "Options",
    "OutOfMemory",
    "OutOfRange",
    "Outcome",
    "PermissionDenied",
    "Publisher",
    "RecordedMessage",
    "RecordedName",
    "Recording",
    "Region",
    "Remote",
    "Request",
    "SchemaMismatch",
    "Server",
    "Service",
    "ServiceHandle",
    "ServiceLoop",
    "ServiceOptions",
    "Shared",
    "Stalled",
    "State",
    "Subscriber",
    "Table",
    "Task",
    "Timeout",
    "Timestamp",
    "TooLarge",
    "TransportUnavailable",
    "Unsupported",
    "VersionMismatch",
    "View",
    "WrongType",
    "__version__",
    "connect",
    "decode",
    "encode",
    "errors",
    "jsonable",
    "latest",
    "listen",
    "names",
    "open",
    "publisher",
    "remote",
    "run",
    "reply_schema",
    "schema",
    "serve",
    "share",
    "sqlite_checkpoint",
    "subscribe",
    "transcode",
    "wait",
]

# Lets `match` and functions for mappings accept messages.
Mapping.register(Message)
