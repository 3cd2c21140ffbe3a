"""Flat generated instances encode like dicts of their attributes and are refused equally."""

import dataclasses
import enum
import random
import uuid
from typing import Any

import linkspan
import pytest


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    """A class of text that is not the built-in one."""


FLAT = [
    None, True, False, 0, 23, 24, -1, -25, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 0.0, -0.0, 1e308, float("inf"), "", "boiler-7", "é" * 300, "\0", b"",
    b"\xff" * 70_000, linkspan.Timestamp(0), linkspan.Timestamp(-1), linkspan.Timestamp(2**63 - 1),
]  # fmt: skip
#: Other types, which need a walk.
WALKED = [2**64, -(2**63) - 1, [1], {"x": 1}, (2,), Level.HIGH, Text("own"), uuid.UUID(int=7), bytearray(b"x")]


def generated(count: int, optional: bool = False) -> Any:
    """Returns a class like generated code with `count` attributes."""
    names = [f"a{at}" for at in range(count)]
    made: Any = dataclasses.make_dataclass("Generated", [(name, Any) for name in names], slots=True)
    made.__linkspan_fields__ = tuple((name, f"key {name}", optional) for name in names)
    return made


def checked(cls: Any, values: list[Any], encoding: str = "cbor", optional: bool = False) -> None:
    """The first use finds the class, the second its address; later uses may skip the walk."""
    expected = linkspan.encode({f"key a{at}": value for at, value in enumerate(values) if not (optional and value is None)}, encoding)
    for _ in range(3):
        assert linkspan.encode(cls(*values), encoding) == expected


@pytest.mark.parametrize("encoding", ["cbor", "json"])
def test_each_value_is_encoded_as_in_a_dict(encoding: str) -> None:
    for value in FLAT + WALKED:
        checked(generated(1), [value], encoding)


def test_random_records_are_encoded_as_dicts() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    of = random.Random(seed)
    for _ in range(200):
        # A one-byte head counts 23 entries; larger records are walked.
        count, optional = of.choice([0, 1, 9, 22, 23, 24, 25, 40]), of.random() < 0.5
        cls = generated(count, optional)
        for _ in range(4):
            values = of.choices(FLAT if of.random() < 0.8 else FLAT + WALKED, k=count)
            checked(cls, values, optional=optional)


def test_classes_that_take_turns_keep_their_own_fields() -> None:
    classes = [generated(count) for count in range(1, 9)]
    for _ in range(5):
        for count, cls in enumerate(classes, 1):
            checked(cls, list(range(count)))


def test_instances_are_sent_flat_and_with_the_limit_of_their_channel() -> None:
    cls = generated(2)
    with linkspan.publisher("unix:flat", max_message_size=1000) as out, linkspan.subscribe("unix:flat") as subscriber:
        for text in ["short", "x" * 900]:
            for _ in range(2):
                out.send(cls(text, 7))
                assert subscriber.recv(timeout=60.0).value == {"key a0": text, "key a1": 7}
        for _ in range(2):
            with pytest.raises(linkspan.TooLarge):
                out.send(cls("x" * 2000, 7))
        out.send(cls("after", None))
        assert subscriber.recv(timeout=60.0).value == {"key a0": "after", "key a1": None}


def test_values_without_a_form_are_refused_with_their_path() -> None:
    for wrong, kind in [("\ud800", linkspan.Unsupported), (object(), linkspan.Unsupported)]:
        cls = generated(2)
        for _ in range(3):
            with pytest.raises(kind) as raised:
                linkspan.encode(cls(1, wrong))
            assert raised.value.path == "key a1"
        checked(cls, [1, 2])


def test_attribute_that_is_not_set_is_an_attribute_error() -> None:
    cls = generated(2)
    checked(cls, [1, 2])
    made = cls(1, 2)
    del made.a1
    for _ in range(2):
        with pytest.raises(AttributeError, match="a1"):
            linkspan.encode(made)
    made.a1 = "again"
    assert linkspan.decode(linkspan.encode(made)) == {"key a0": 1, "key a1": "again"}


def test_key_over_the_limit_is_refused() -> None:
    cls = generated(1)
    cls.__linkspan_fields__ = (("a0", "k" * (64 << 10), False),)
    assert linkspan.decode(linkspan.encode(cls(1))) == {"k" * (64 << 10): 1}
    cls = generated(1)
    cls.__linkspan_fields__ = (("a0", "k" * ((64 << 10) + 1), False),)
    for _ in range(2):
        with pytest.raises(linkspan.TooLarge):
            linkspan.encode(cls(1))


def test_encode_takes_its_arguments_in_every_way_that_its_signature_allows() -> None:
    held = generated(2)(1, "text")
    plain = {"key a0": 1, "key a1": "text"}
    for encoding in ("cbor", "json", "bson", "smile"):
        expected = linkspan.encode([plain], encoding)
        assert linkspan.decode(expected, encoding) == [plain]
        for value in (held, plain):
            ways = [linkspan.encode(value, encoding), linkspan.encode(value, encoding=encoding), linkspan.encode(encoding=encoding, value=value)]
            assert len(set(ways)) == 1 and linkspan.decode(ways[0], encoding) == plain
    assert linkspan.encode(held) == linkspan.encode(value=held) == linkspan.encode(held, "cbor")
    call: Any = linkspan.encode
    wrong: list[tuple[Any, Any]] = [((), {}), ((held, "cbor", 1), {}), ((held,), {"x": 1}), ((held,), {"value": held}), ((held, 1), {}), ((held, "cbor"), {"encoding": "json"})]
    for positional, named in wrong:
        with pytest.raises(TypeError):
            call(*positional, **named)
    with pytest.raises(linkspan.Unsupported):
        linkspan.encode(held, "yaml")


def test_records_of_every_length_around_what_is_ready_are_encoded() -> None:
    one = generated(2)
    for length in [0, 16, 17, 23, 24, 255, 256, *range(1930, 2060), 5000]:
        checked(one, ["x" * length, 1.5])
        checked(one, [b"x" * length, -1])
    many = generated(23)
    checked(many, ["y" * 16] * 23)
    checked(many, [linkspan.Timestamp(2**63 - 1)] * 23)
