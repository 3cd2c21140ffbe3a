"""The options of channels, servers, publishers and subscribers: the same names in every language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, TypedDict

from .timestamp import Timestamp


class Options(TypedDict, total=False):
    """What may be said when an object is made. What is left out is what the core takes as its default.

    What a transport cannot do is `Unsupported`, with the reason, before anything is made or sent.
    """

    #: How values are written: CBOR, or JSON with `framing="lines"`.
    encoding: Literal["cbor", "json", "bson", "smile", "raw"]
    #: Seconds that a call waits which is not told otherwise, 30 by default; None for ever.
    timeout: float | None
    #: A name that stays the same when the program starts again: what was not acknowledged goes to the one of this name.
    client_id: str
    #: Bytes of a shared-memory ring: 256 KiB a direction, 1 MiB for a publisher.
    buffer: int
    #: The longest message in bytes that is sent or taken: 64 MiB.
    limit: int
    #: What is promised about each message: `at_least_once` on a channel, where nothing is said.
    delivery: Literal["latest", "best_effort", "at_least_once", "durable"]
    #: When a message counts as consumed: at the next `recv` or at `reply`, or at `ack()`.
    ack: Literal["auto", "manual"]
    #: Whether requests may be carried out twice: then one whose server died is sent to its next incarnation.
    idempotent: bool
    #: How many messages that are not acknowledged are kept to be sent again: 65,536. Then `send` waits.
    replay_count: int
    #: Bytes of them: 64 MiB.
    replay_bytes: int
    #: Clients that are away for whom a listener keeps messages: 256. More are forgotten, which `events()` tells.
    absent_clients: int
    #: Plain framing for peers that know nothing of Linkspan: JSON text and JSON-RPC 2.0 in lines, or raw bytes.
    framing: Literal["linkspan", "lines", "raw"]
    #: Whether what was accepted survives the death of both ends and of the machine.
    durable: bool
    #: The mode of what is made in the file system, such as 0o660.
    mode: int
    #: The group of what is made in the file system, by name or number.
    group: str | int
    #: The users that may connect.
    allow_uids: Sequence[int]
    #: The groups that may connect.
    allow_gids: Sequence[int]
    #: Where a subscriber to a journal begins: a sequence number, a time, or `"first"` or `"newest"`. One with a `client_id` goes
    #: on where it stopped. The option is called `from`, which is a word of the language.
    from_: int | datetime | Timestamp | str
    #: Bytes of a journal's segment: 32 MiB. Only whole segments are ever deleted.
    segment_bytes: int
    #: Bytes of a journal: the oldest segments go while all have more.
    retain_bytes: int
    #: Seconds for which a journal keeps its messages.
    retain_seconds: float
    #: Whether a journal's segments go that every subscriber with a `client_id` has consumed.
    retain_consumed: bool
    #: Whether a `file:` is written in place under a lock of the file itself, for programs that know only fcntl.
    locked: bool
    #: Microseconds that a receiver looks into shared memory before it sleeps, at most.
    spin: int
    #: Runs about every 100 ms while a call waits; False ends the wait with `Cancelled`.
    on_wait: Callable[[], bool | None] | None


class ServiceOptions(Options, total=False):
    """What may be said when a service is made, beside the options of its link to the controller."""

    #: Where its controller listens, on any stream transport: `unix:controller`, or `$LINKSPAN_CONTROLLER`.
    controller: str
    #: Seconds between the beginnings of two steps, 0 for one after the other; without it there are none.
    every: float | None
    #: Whether it waits in READY for RUN.
    paused: bool
    #: A line about it for people.
    description: str
    #: What it takes beyond the usual: `CONFIG`, `BACKUP`, commands of its own.
    commands: Sequence[str]
