"""What a value may have, here and at the gateway: the table of every limit, which the encoder and the decoder keep to."""

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
