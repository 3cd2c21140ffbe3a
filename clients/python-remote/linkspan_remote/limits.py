"""The table of every limit of this client: what it sends, and what a gateway can make it hold or do."""

from __future__ import annotations

from typing import Any, NamedTuple

#: Bytes of the magnitude of an integer.
INTEGER_BYTES = 1024
#: Digits of a decimal number.
DIGITS = 1024
#: The greatest power of ten of a decimal number, of its first and of its last digit; the least is one less than its negative.
EXPONENT = 2**31 - 1
#: Dimensions of an array.
DIMENSIONS = 15
#: The most bytes of an array, and the most that the product of its non-zero lengths may be: both fit in 64 bits.
ARRAY_BYTES = 2**64 - 1

#: Bytes of a received value, unless `connect` gets another number as `max_message_size`.
MESSAGE = 64 << 20
#: Bytes, values and levels that a frame may have around its value.
AROUND_BYTES, AROUND_VALUES, AROUND_LEVELS = 64 << 10, 64, 2
#: Pieces of a message on the WebSocket.
FRAGMENTS = 65_536
#: Received bytes that the program has not taken, of one subscriber or server: so many times the longest message.
HELD_MESSAGES = 4
#: Memory of a decoded value, in addition to its bytes.
VALUE_COST = 128
#: Names that a subscriber knows.
NAMES = 65_536
#: Requests of a server that wait for the program. An honest gateway sends 64.
REQUESTS = 1_024
#: Characters of the text of an error of the gateway.
TEXT = 4_096
#: Bytes that wait to be sent. Above `OUTBOX` a call that sends waits; the longest message comes on top.
OUTBOX = 8 << 20
#: Seconds for an attempt to connect.
CONNECT = 10.0
#: Seconds between attempts to connect, at first and at most. Each attempt doubles the pause.
FIRST_PAUSE, LAST_PAUSE = 0.1, 10.0
#: Seconds of a connection after which the pause begins anew.
STEADY = 10.0


class Limits(NamedTuple):
    """What one value may have; as in Linkspan where the gateway says nothing else."""

    #: Values, an array of numbers counted once.
    values: int = 1_000_000
    #: Lists and maps inside of each other.
    levels: int = 64
    #: Bytes of a key.
    key: int = 64 << 10

    @classmethod
    def of(cls, said: Any) -> Limits:
        """Those that the gateway has said in its first frame."""
        known = {name: said[name] for name in cls._fields if type(said.get(name)) is int}
        return cls(**known)
