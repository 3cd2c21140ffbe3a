"""Events of an object: a peer connected, disconnected, reconnected, or missed messages."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .timestamp import Timestamp


class Event(NamedTuple):
    """One event, as `events()` returns it."""

    #: The kind of event.
    kind: Literal["connected", "disconnected", "lagged", "reconnected", "forgotten", "schema_mismatch"]
    #: The time of the event.
    at: Timestamp
    #: How many messages were missed, for `lagged`, or are lost that were kept for an absent client, for `forgotten`.
    missed: int
    #: A detail for a person: the source of the peer, or why it disconnected.
    text: str
    #: The endpoint that a subscriber's event is of, also of one of several names; `None` for other objects.
    name: str | None = None
    #: The publisher that connected or disconnected, in 16 hexadecimal digits; `None` if the event is of none.
    incarnation: str | None = None
