"""Python values through every encoding and back."""

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import random
import struct
import types
import uuid

import linkspan
import numpy as np
import pytest

ENCODINGS = ["json", "cbor", "bson", "smile"]


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Reading:
    celsius: float
    tags: list
    kind: dataclasses.InitVar[int] = 0
    unit: str = "C"


Point = collections.namedtuple("Point", "x y")

SAME = [
    None, True, False, 0, 1, -1, 7, 7.0, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64,
    -(2**63) - 1, 10**400, -(10**400), 0.0, -0.0, 0.1, 1e308, 5e-324, math.inf, -math.inf,
    "", "text", "zweiundvierzig €", "\U0001f600", "nul\0inside", b"", b"\0\xff", b"x" * 5000, [], {}, [[]], [{}], {"": None},
    {"a": {"b": [1, 2.5, "x", None, True]}}, {"$bytes": "not an escape"}, {"$map": {}}, {"z": 1, "a": 2},
    linkspan.Timestamp(0), linkspan.Timestamp(-1), linkspan.Timestamp(1_251_082_000_250_000_001),
    uuid.UUID("12345678-1234-5678-1234-567812345678"), decimal.Decimal("1.10"), decimal.Decimal("-1E+40"),
]


def same(a, b):
    """NaN equals itself, 0.0 differs from -0.0, at every level."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, decimal.Decimal):
        return str(a) == str(b)
    return a == b


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("value", SAME, ids=lambda v: repr(v)[:30])
def test_value_is_decoded_as_it_was_encoded(value, encoding):
    back = linkspan.decode(linkspan.encode(value, encoding), encoding)
    assert same(back, value)
    inside = linkspan.decode(linkspan.encode({"k": [value]}, encoding), encoding)
    assert same(inside, {"k": [value]})


@pytest.mark.parametrize("to", ENCODINGS)
@pytest.mark.parametrize("of", ENCODINGS)
def test_transcoding_keeps_every_value(of, to):
    value = [v for v in SAME if not (isinstance(v, int) and abs(v) > 10**300)]
    there = linkspan.transcode(linkspan.encode(value, of), of, to)
    assert same(linkspan.decode(there, to), value)


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        (bytearray(b"ab"), b"ab"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Reading(21.5, ["a"], unit="K"), {"celsius": 21.5, "tags": ["a"], "unit": "K"}),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(int, a=1), {"a": 1}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (type("Text", (str,), {})("x"), "x"),
        (type("Whole", (int,), {})(5), 5),
        (type("Real", (float,), {})(0.5), 0.5),
        (
            datetime.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
            linkspan.Timestamp.parse("2026-03-01T11:00:00.25Z"),
        ),
    ],
    ids=lambda v: type(v).__name__,
)
def test_subclasses_and_scalars_arrive_as_the_plain_type(given, arrives):
    assert same(linkspan.decode(linkspan.encode(given)), arrives)


class Loop(enum.Enum):
    A = 1
    value = property(lambda self: self)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (object(), "object"),
        (lambda: None, "function"),
        (Reading, "type"),
        (datetime.time(12), "datetime.time"),
        (datetime.datetime(2026, 1, 1), "time zone"),
        ("\ud800", "surrogate"),
        (decimal.Decimal("sNaN"), "sNaN"),
        (iter([]), "iterator"),
        (Loop.A, "enum"),
    ],
    ids=lambda v: repr(v)[:20],
)
def test_unsupported_value_is_refused_with_its_path(value, part):
    with pytest.raises(linkspan.Unsupported) as caught:
        linkspan.encode({"rows": [0, {"a/b": value}]})
    assert caught.value.path == "rows/1/a~1b"
    assert part in str(caught.value)


@pytest.mark.parametrize("key", [1, None, 1.5, b"k", (1,), "\ud800"], ids=repr)
def test_keys_are_text(key):
    with pytest.raises(linkspan.Unsupported) as caught:
        linkspan.encode({"outer": {key: 1}})
    assert caught.value.path.startswith("outer")


def test_keys_that_look_alike_are_kept_apart():
    """Decoding caches recent keys; similar keys have equal length, ends and middle."""
    for length in (1, 2, 5, 31, 32, 33, 100):
        keys = [f"a{i}".ljust(length, "m")[:length] for i in range(300)]
        keys += [key[:-1] + "z" for key in keys] + ["é" * (length // 2 or 1), ""]
        value = {key: number for number, key in enumerate(keys)}
        for encoding in ("cbor", "json", "bson", "smile"):
            for _ in range(2):
                assert linkspan.decode(linkspan.encode(value, encoding), encoding) == value, (length, encoding)


@pytest.mark.parametrize("count", [1, 16, 17, 300])
def test_repeated_key_is_malformed_with_its_path(count):
    entries = [f'"k{i}":{i}' for i in range(count)]
    text = "{" + ",".join([*entries, '"k0":1']) + "}"
    with pytest.raises(linkspan.Malformed, match="twice") as caught:
        linkspan.decode(text.encode(), "json")
    assert (caught.value.path, caught.value.offset) == ("k0", text.rindex('"k0"'))


def test_cycles_and_depth_are_over_the_limit():
    cycle = []
    cycle.append({"again": cycle})
    with pytest.raises(linkspan.TooLarge, match="depth"):
        linkspan.encode(cycle)


def test_integer_over_a_kibibyte_is_too_large():
    with pytest.raises(linkspan.TooLarge) as caught:
        linkspan.encode({"n": 1 << 8192})
    assert caught.value.path == "n"


def test_exception_of_python_code_is_raised_unchanged():
    class Broken(collections.abc.Mapping):
        def __getitem__(self, key):
            raise ZeroDivisionError("mine")

        def __iter__(self):
            return iter(["a"])

        def __len__(self):
            return 1

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        linkspan.encode([Broken()])
    assert caught.value.__notes__ == ["in the value at path 0"]


def test_dict_that_changes_while_it_is_encoded_is_refused():
    victim = {}

    @dataclasses.dataclass
    class Meddler:
        x: int = 0

        def __getattribute__(self, name):
            if name == "x":
                for i in range(100):
                    victim[f"new{i}"] = i
            return object.__getattribute__(self, name)

    victim.update(a=Meddler(), b=1)
    with pytest.raises(linkspan.InvalidState, match="changed"):
        linkspan.encode(victim)

    shrinking = [Meddler(), 1, 2]

    @dataclasses.dataclass
    class Shrinker:
        x: int = 0

        def __getattribute__(self, name):
            if name == "x":
                shrinking.clear()
            return object.__getattribute__(self, name)

    shrinking[0] = Shrinker()
    with pytest.raises(linkspan.InvalidState, match="changed"):
        linkspan.encode(shrinking)


def test_encoding_inside_encoding():
    @dataclasses.dataclass
    class Nested:
        x: int = 0

        def __getattribute__(self, name):
            if name == "x":
                return linkspan.encode("inner")
            return object.__getattribute__(self, name)

    assert linkspan.decode(linkspan.encode(["before", Nested(), "after"])) == [
        "before", {"x": linkspan.encode("inner")}, "after",
    ]


@pytest.mark.parametrize(
    ("data", "encoding", "offset"),
    [(b"\x62\xc3\x28", "cbor", 1), (b"\x01\x02", "cbor", 1), (b'{"a":1,"a":2}', "json", None), (b"", "json", 0)],
)
def test_bytes_that_hold_no_value_are_malformed_at_their_offset(data, encoding, offset):
    with pytest.raises(linkspan.Malformed) as caught:
        linkspan.decode(data, encoding)
    assert isinstance(caught.value, ValueError)
    if offset is not None:
        assert caught.value.offset == offset
    else:
        assert caught.value.offset is not None


def test_unknown_encoding_is_named():
    with pytest.raises(linkspan.Unsupported, match="yaml"):
        linkspan.encode(1, "yaml")


def test_decode_takes_any_buffer():
    data = linkspan.encode({"a": 1})
    for form in (bytearray(data), memoryview(data)):
        assert linkspan.decode(form) == {"a": 1}


def random_value(rng, depth=0):
    pick = rng.randrange(9 if depth < 4 else 7)
    if pick == 0:
        return rng.choice([None, True, False])
    if pick == 1:
        return rng.randrange(-(2 ** rng.randrange(1, 80)), 2 ** rng.randrange(1, 80))
    if pick == 2:
        return struct.unpack("<d", rng.randbytes(8))[0]
    if pick == 3:
        return "".join(chr(rng.choice([rng.randrange(1, 128), rng.randrange(0xA0, 0xD7FF)])) for _ in range(rng.randrange(9)))
    if pick == 4:
        return rng.randbytes(rng.randrange(20))
    if pick == 5:
        return linkspan.Timestamp(rng.randrange(-(2**63), 2**63))
    if pick == 6:
        return uuid.UUID(bytes=rng.randbytes(16))
    if pick == 7:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(6))]
    return {random_value_key(rng): random_value(rng, depth + 1) for _ in range(rng.randrange(6))}


def random_value_key(rng):
    return "".join(chr(rng.choice([36, 47, 126, rng.randrange(0, 128), 233])) for _ in range(rng.randrange(6)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_random_values_are_decoded_as_they_were_encoded(encoding):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(300):
        value = random_value(rng)
        assert same(linkspan.decode(linkspan.encode(value, encoding), encoding), value), repr(value)


@pytest.mark.parametrize("span", [np.timedelta64(5), np.array([5, 6], "timedelta64")])
def test_span_of_time_without_a_unit_is_refused(span):
    with pytest.raises(linkspan.Unsupported, match="has no unit"):
        linkspan.encode({"a": span})
    assert linkspan.decode(linkspan.encode([np.timedelta64(1500, "ms"), np.timedelta64("NaT")])) == [1.5, None]
