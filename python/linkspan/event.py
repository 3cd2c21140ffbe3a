"""What happened to an object: somebody came, went, came back, or was overtaken."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .timestamp import Timestamp


class Event(NamedTuple):
    """One thing that happened, as `events()` tells it."""

    #: What.
    kind: Literal["connected", "disconnected", "lagged", "back"]
    #: When.
    at: Timestamp
    #: How many messages were missed, for `lagged`.
    missed: int
    #: More for a person: who came, why it went.
    text: str
