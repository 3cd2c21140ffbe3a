"""Events of an object, such as connected, disconnected, reconnected or missed messages."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .timestamp import Timestamp


class Event(NamedTuple):
    """An event, as `events()` returns it."""

    #: The kind of event. `disconnected`: there is no connection any more, or none could be made. `unseen`: messages of a
    #: publisher were neither received nor counted.
    kind: Literal["connected", "disconnected", "lagged", "reconnected", "forgotten", "schema_mismatch", "unseen"]
    #: The time of the event.
    at: Timestamp
    #: For `lagged`, the missed messages; for `forgotten`, the lost messages of an absent client.
    missed: int
    #: A detail for a person: the source of the peer, or why it disconnected.
    text: str
    #: The endpoint of a subscriber's event, also with several names; `None` for other objects.
    name: str | None = None
    #: The incarnation of the publisher that connected or disconnected, in 16 hexadecimal digits, or `None`.
    incarnation: str | None = None
