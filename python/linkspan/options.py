"""The options of channels, servers, publishers and subscribers: the same names in every language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypedDict


class Options(TypedDict, total=False):
    """What may be said when an object is made. What is left out is what the core takes as its default."""

    #: How values are written.
    encoding: Literal["cbor", "json", "bson", "smile", "raw"]
    #: Seconds that a call waits which is not told otherwise; None for ever.
    timeout: float | None
    #: A name that stays the same when the program starts again.
    client_id: str
    #: Bytes of a shared-memory ring.
    buffer: int
    #: The longest message in bytes that is sent or taken.
    limit: int
    #: What is promised about each message.
    delivery: Literal["latest", "best_effort", "at_least_once", "durable"]
    #: When a message counts as consumed.
    ack: Literal["auto", "manual"]
    #: Plain framing for peers that know nothing of Linkspan: JSON text and JSON-RPC 2.0 in lines, or raw bytes.
    framing: Literal["linkspan", "lines", "raw"]
    #: The mode of the socket's file, such as 0o660.
    mode: int
    #: The group of the socket's file.
    group: str
    #: The users that may connect.
    allow_uids: Sequence[int]
    #: The groups that may connect.
    allow_gids: Sequence[int]
    #: Microseconds that a receiver looks into shared memory before it sleeps, at most.
    spin: int
    #: Whether a message once sent is never changed.
    immutable: bool
    #: Whether messages survive the end of both sides.
    durable: bool
    #: The schema that values are held to.
    schema: str
    #: Runs about every 100 ms while a call waits; False ends the wait with `Cancelled`.
    on_wait: Callable[[], bool | None] | None
