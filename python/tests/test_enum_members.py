"""Enum members in generated instances and dicts are always sent as their values."""

import enum
import gc
import random
from typing import Any, cast

import linkspan
import pytest
from test_flat import generated


class Colour(enum.Enum):
    RED = "red"
    NONE = None
    FAST = 1.5
    MANY = 2**64 - 1
    RAW = b"\xff"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    ONE = "one"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(enum.Enum):
    BOTH = (1, 2)


class Counted(enum.Enum):
    ONE = 1

    @property
    def value(self) -> int:
        Counted.asked += 1  # type: ignore[attr-defined]
        return int(Counted.asked)  # type: ignore[attr-defined]


class Named(enum.Enum):
    first = 1
    second = 2


MEMBERS: list[Any] = [*Colour, *Level, *Word, Access.READ | Access.WRITE, *Pair, *Named]


@pytest.mark.parametrize("encoding", ["cbor", "json", "bson", "smile"])
def test_members_are_sent_as_their_values_each_time(encoding: str) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    of = random.Random(seed)
    cls = generated(3)
    for _ in range(400):
        values = [of.choice([1, "text", *MEMBERS]) for _ in range(3)]
        if encoding == "bson":
            # BSON lacks unsigned integers of 64 bits.
            values = [value for value in values if value is not Colour.MANY] + [0] * values.count(Colour.MANY)
        plain = {f"key a{at}": value.value if isinstance(value, enum.Enum) else value for at, value in enumerate(values)}
        expected = linkspan.encode(plain, encoding)
        assert linkspan.encode(cls(*values), encoding) == expected
        assert linkspan.encode({f"key a{at}": value for at, value in enumerate(values)}, encoding) == expected


def test_value_that_a_class_computes_is_asked_for_each_time() -> None:
    Counted.asked = 0  # type: ignore[attr-defined]
    cls = generated(1)
    got = [linkspan.decode(linkspan.encode(cls(Counted.ONE)))["key a0"] for _ in range(80)]
    assert got == sorted(set(got)) and len(got) == 80


def test_members_of_classes_that_are_gone_are_not_taken_for_others() -> None:
    cls, make = generated(1), cast(Any, enum.Enum)
    for at in range(3000):
        made = make(f"Made{at}", {"ONLY": at})
        for _ in range(2):
            assert linkspan.decode(linkspan.encode(cls(made["ONLY"]))) == {"key a0": at}
        del made
        if at % 500 == 0:
            gc.collect()
