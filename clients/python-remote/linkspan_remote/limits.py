"""The limits of this client. They bound its messages, and the memory and work that a gateway can cause."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Bytes of an integer's magnitude.
INTEGER_BYTES = 1024
#: Digits of a decimal number.
DIGITS = 1024
#: The greatest power of ten of a decimal's first and last digit; the least is one less than its negative.
EXPONENT = 2**31 - 1
#: Dimensions of an array.
DIMENSIONS = 15
#: The most bytes of an array, and the most of the product of its non-zero lengths: both fit in 64 bits.
ARRAY_BYTES = 2**64 - 1

#: Bytes of a received value; `max_message_size` of `connect` overrides it.
MESSAGE = 64 << 20
#: Bytes, values and levels that a frame may add around its value.
AROUND_BYTES, AROUND_VALUES, AROUND_LEVELS = 64 << 10, 64, 2
#: Pieces of a WebSocket message.
FRAGMENTS = 65_536
#: Untaken bytes of a subscriber or server, as a multiple of the longest message.
HELD_MESSAGES = 4
#: Memory of a decoded value, in addition to its bytes.
VALUE_COST = 128
#: Names that a subscriber knows.
NAMES = 65_536
#: Waiting requests of a server. An honest gateway sends 64.
REQUESTS = 1_024
#: Characters of a gateway's error text.
TEXT = 4_096
#: Unsent bytes above which a sending call waits; the longest message comes on top.
OUTBOX = 8 << 20
#: Seconds for an attempt to connect.
CONNECT = 10.0
#: Seconds between attempts to connect, first and last. Each attempt doubles the pause.
FIRST_PAUSE, LAST_PAUSE = 0.1, 10.0
#: Seconds of a connection after which the pause restarts.
STEADY = 10.0


class Limits(NamedTuple):
    """Limits of one value, with Linkspan's defaults."""

    #: Values; an array of numbers counts once.
    values: int = 1_000_000
    #: Levels of nested lists and maps.
    levels: int = 64
    #: Bytes of a key.
    key: int = 64 << 10

    @classmethod
    def of(cls, said: Any) -> Limits:
        """Reads the limits of a gateway's first frame."""
        known = {name: said[name] for name in cls._fields if type(said.get(name)) is int}
        return cls(**known)
