"""The options of channels, servers, publishers and subscribers: the same names in every language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from os import PathLike
from typing import Any, Literal, SupportsFloat, SupportsIndex, TypeAlias, TypedDict

from .timestamp import Timestamp


#: A length of time: seconds, in any number (also `Decimal`, one of NumPy), or a `timedelta`; None is for ever.
Seconds: TypeAlias = SupportsFloat | SupportsIndex | timedelta | None


class Options(TypedDict, total=False):
    """The options of an object. An option that is left out has the default of the core.

    What a transport cannot do is `Unsupported`, with the reason, before anything is made or sent.

    - `encoding`: How values are written: CBOR, or JSON with `framing="lines"`.
    - `timeout`: The default time-out of calls in seconds, 30 by default; None waits for ever. Loops (`next`,
      iteration, `run`) go on for ever in any case.
    - `client_id`: A name that stays the same when the program starts again: what was not acknowledged goes to the one
      of this name.
    - `buffer`: Bytes of a shared-memory ring: 256 KiB a direction, 1 MiB for a publisher.
    - `max_message_size`: The longest message in bytes that is sent or taken: 64 MiB.
    - `delivery`: What is promised about each message: `at_least_once` on a channel, where nothing is said.
    - `ack`: When a message counts as consumed: at the next `recv` or at `reply`, or at `ack()`.
    - `idempotent`: Whether requests may be carried out twice: then one whose server died is sent to its next
      incarnation.
    - `replay_count`: How many messages that are not acknowledged are kept to be sent again: 65,536. Then `send`
      waits.
    - `replay_bytes`: Bytes of them: 64 MiB.
    - `absent_clients`: Clients that are away for whom a listener keeps messages: 256. More are forgotten, which
      `events()` tells.
    - `framing`: Plain framing for peers that know nothing of Linkspan: JSON text and JSON-RPC 2.0 in lines, or raw
      bytes.
    - `durable`: Whether what was accepted survives the death of both ends and of the machine.
    - `mode`: The mode of what is made in the file system, such as 0o660.
    - `group`: The group of what is made in the file system, by name or number.
    - `allow_uids`: The users that may connect.
    - `allow_gids`: The groups that may connect.
    - `from_`: Where a subscriber to a journal begins: a sequence number, a time, or `"first"` or `"newest"`. One with
      a `client_id` goes on where it stopped. The option is called `from`, which is a word of the language.
    - `segment_bytes`: Bytes of a journal's segment: 32 MiB. Only whole segments are ever deleted.
    - `retain_bytes`: Bytes of a journal: the oldest segments go while all have more.
    - `retain_seconds`: Seconds for which a journal keeps its messages.
    - `retain_consumed`: Whether a journal's segments go that every subscriber with a `client_id` has consumed.
    - `locked`: Whether a `file:` is written in place under a lock of the file itself, for programs that know only
      fcntl.
    - `shared`: Whether several processes may serve a name, each with this option: they share its requests.
    - `replace`: Whether a publisher takes over a name that another publisher of this process has, as one does that a
      cell of a notebook made before. Subscribers stay connected.
    - `view_bytes`: Whether long byte strings of received messages stay in the memory of the sender until the message and its views
      are gone, over `shm:`: `message.view(path)` is of that memory, and `value` copies them. A sender that means harm can
      change them while they are read.
    - `schema`: What the messages at the name mean: the path of a file, or a text of the notation; or a dataclass or a model of
      pydantic, of which it is made. Both sides' schemas are compared when they connect, and `SchemaMismatch` says what differs.
    - `reply_schema`: Of a server and of those who call it: what is replied, like `schema`.
    - `validate`: Which values are checked against the schema, while they are encoded or decoded.
    - `spin`: Microseconds that a receiver looks into shared memory before it sleeps, at most; up to 100.
    - `linger`: Seconds that a channel which ends without `close` waits until the other side has consumed what was sent: 0.
      What it has not is reported on one line of stderr.
    - `on_unconsumed`: Gets that number, beside the line on stderr: with the last reference to the channel, from the garbage
      collector, or at the exit of the program, like a function of `atexit`. Once the interpreter is being taken down, and in
      a forked child, it does not run; what it raises goes to `sys.unraisablehook`.
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
    """The options of a service, beside those of its link to the controller.

    - `controller`: Where its controller listens, on any stream transport: `unix:controller`, or
      `$LINKSPAN_CONTROLLER`.
    - `every`: Seconds between the beginnings of two steps, 0 for one after the other; without it there are none.
    - `paused`: Whether it waits in READY for RUN.
    - `description`: A line about it for people.
    - `commands`: What it takes beyond the usual: `CONFIG`, `BACKUP`, commands of its own.
    """

    controller: str
    every: Seconds
    paused: bool
    description: str
    commands: Sequence[str]
