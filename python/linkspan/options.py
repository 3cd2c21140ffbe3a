"""The options of channels, servers, publishers and subscribers, with equal names in every language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias, TypedDict

from .timestamp import Timestamp


#: A time span: seconds in any numeric type (also `Decimal` and NumPy's), or a `timedelta`; None is for ever.
Seconds: TypeAlias = SupportsFloat | SupportsIndex | timedelta | None


class Options(TypedDict, total=False):
    """The options of an object. A missing option has the default of the core.

    An unsupported option or call raises `Unsupported` before anything is made or sent. docs/options.md has the details.

    - `encoding`: The encoding of values: CBOR, or JSON with `framing="lines"`.
    - `timeout`: The time-out of calls in seconds, 30 by default; None waits for ever, as loops do.
    - `client_id`: A name that survives restarts. The next program with it gets the unacknowledged messages.
    - `buffer`: Bytes of a shared-memory ring: 256 KiB per direction, 1 MiB for a publisher.
    - `max_message_size`: The longest message in bytes: 64 MiB.
    - `delivery`: The promise for each message; the default of a channel is `at_least_once`.
    - `ack`: When a message counts as consumed: `auto` at the next `recv` or at `reply`, `manual` at `ack()`.
    - `idempotent`: Whether requests may be carried out twice, also by the next incarnation of a dead server.
    - `replay_count`: The most unacknowledged messages kept for replay: 65,536. Then `send` waits.
    - `replay_bytes`: The most bytes of these messages: 64 MiB.
    - `absent_clients`: The most absent clients for which a listener keeps messages: 256.
    - `framing`: Plain framing for peers without Linkspan: JSON-RPC 2.0 in lines, or raw bytes.
    - `durable`: Whether accepted messages survive the death of both ends and of the machine.
    - `mode`: The mode of files that are made, such as 0o660.
    - `group`: Their group, by name or number.
    - `allow_uids`: The users that may connect.
    - `allow_gids`: The groups that may connect.
    - `from_`: The start of a journal subscriber: a sequence number, a time, `"first"` or `"newest"`. With a `client_id`
      it continues after its last message. Other languages call it `from`.
    - `segment_bytes`: Bytes of a journal's segment: 32 MiB. A journal deletes only whole segments.
    - `retain_bytes`: The most bytes of a journal.
    - `retain_seconds`: Seconds for which a journal keeps its messages.
    - `retain_consumed`: Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    - `locked`: Whether a `file:` is written in place under an fcntl lock.
    - `shared`: Whether several processes, each with this option, may share the requests of a name.
    - `replace`: Whether a publisher takes over a name from another publisher of this process.
    - `view_bytes`: Whether long byte strings over `shm:` stay in the sender's memory while the message or its views
      exist. A hostile sender can change the bytes meanwhile; `value` copies.
    - `schema`: The meaning of the messages: a file, text of the notation, a dataclass, or a pydantic model.
    - `reply_schema`: The schema of replies, given like `schema`.
    - `validate`: Which values are checked against the schema.
    - `spin`: The most microseconds that a receiver polls shared memory before it sleeps; at most 100.
    - `linger`: Seconds that an unclosed channel waits at its end until the peer has consumed all messages: 0.
      Unconsumed messages are reported on stderr.
    - `on_unconsumed`: Called with their number when the channel's last reference goes, or at exit; not in a forked
      child. Its exceptions go to `sys.unraisablehook`.
    - `on_wait`: Runs about every 100 ms while a call waits; False ends the wait with `Cancelled`.
    """

    encoding: Literal["cbor", "json", "bson", "smile", "raw"]
    timeout: Seconds
    client_id: str
    buffer: int
    max_message_size: int
    delivery: Literal["latest", "best_effort", "at_least_once", "durable"]
    ack: Literal["auto", "manual"]
    idempotent: bool
    replay_count: int
    replay_bytes: int
    absent_clients: int
    framing: Literal["linkspan", "lines", "raw"]
    durable: bool
    mode: int
    group: str | int
    allow_uids: Sequence[int]
    allow_gids: Sequence[int]
    from_: int | datetime | Timestamp | str
    segment_bytes: int
    retain_bytes: int
    retain_seconds: float | timedelta
    retain_consumed: bool
    locked: bool
    shared: bool
    replace: bool
    view_bytes: bool
    schema: str | PathLike[str] | type[Any]
    reply_schema: str | PathLike[str] | type[Any]
    validate: Literal["send", "receive", "both"]
    spin: int
    linger: float | timedelta
    on_unconsumed: Callable[[int], object] | None
    on_wait: Callable[[], bool | None] | None


class ServiceOptions(Options, total=False):
    """The options of a service, in addition to those of its link to the controller.

    - `controller`: The endpoint of the controller. Default: `$LINKSPAN_CONTROLLER`, else `unix:controller`.
    - `every`: Seconds between the starts of two steps, 0 for no pause; without it there are no steps.
    - `paused`: Whether the service waits in READY for RUN.
    - `description`: One line for people.
    - `commands`: The additional commands: `CONFIG`, `BACKUP`, and commands of the service.
    """

    controller: str
    every: Seconds
    paused: bool
    description: str
    commands: Sequence[str]
