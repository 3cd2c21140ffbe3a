"""Events of an object: a peer connected, disconnected, reconnected, or was overtaken."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .timestamp import Timestamp


class Event(NamedTuple):
    """One event, as `events()` returns it."""

    #: What.
    kind: Literal["connected", "disconnected", "lagged", "reconnected", "forgotten", "schema_mismatch"]
    #: When.
    at: Timestamp
    #: How many messages were missed, for `lagged`, or are lost that were kept for an absent client, for `forgotten`.
    missed: int
    #: More for a person: the source of the peer, or why it disconnected.
    text: str
