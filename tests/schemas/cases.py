"""Values of `everything.schema.toml`: the bounds of each type, optional fields, and values that must be refused."""

import copy
import math
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from linkspan import Timestamp

Value = dict[str, Any]

PLAIN: Value = {
    "flag": True,
    "tiny": 1,
    "small": 2,
    "middle": 3,
    "large": 4,
    "utiny": 5,
    "usmall": 6,
    "umiddle": 7,
    "ularge": 8,
    "single": 1.5,
    "double": -2.25,
    "word": "word",
    "block": b"\0\1\xff",
    "at": Timestamp(1_767_225_600_123_456_789),
    "id": UUID("00112233-4455-6677-8899-aabbccddeeff"),
    "price": Decimal("1.10"),
    "mode": "ON",
    "fallback": "class",
    "start": {"x": 1.0, "y": 2.0},
    "path": [{"x": 1.0, "y": 2.0, "note": "first"}, {"x": 3.0, "y": 4.0}],
    "numbers": [1, 2, 3],
    "rows": [[1.0], [2.0, 3.0]],
    "labels": {"a": "b"},
    "points": {"p": {"x": 0.5, "y": 0.25}},
    "source": {"battery": 12.0},
    "matrix": np.arange(6, dtype=np.float64).reshape(2, 3),
    "vector": np.array([1, 2, 255], dtype=np.uint8),
    "cube": np.arange(24, dtype=np.int32).reshape(2, 3, 4),
    "columns": {"t": [Timestamp(0), Timestamp(1)], "v": np.array([1.5, 2.5], dtype=np.float32)},
    "count": 9,
    "ratio": 0.25,
    "name": "given",
    "since": Timestamp(5),
    "tags": ["x"],
}

#: The values that a reader uses for fields that were left out.
DEFAULTS: Value = {
    "fallback": "half_open",
    "count": 7,
    "ratio": 0.5,
    "name": 'é "quoted"',
    "since": Timestamp.parse("2026-01-01T00:00:00Z"),
    "tags": ["a", "b"],
}


def plain(**changed: Any) -> Value:
    return {**copy.deepcopy(PLAIN), **changed}


def without(*names: str, **changed: Any) -> Value:
    return {key: value for key, value in plain(**changed).items() if key not in names}


#: A name, the value that is sent, and the value that is received, if it differs.
CASES: dict[str, tuple[Value, Value]] = {
    name: (sent, back or sent)
    for name, sent, back in [
        ("plain", plain(), None),
        ("least", plain(flag=False, tiny=-128, small=-(2**15), middle=-(2**31), large=-(2**63), utiny=0, usmall=0, umiddle=0, ularge=0), None),
        ("greatest", plain(tiny=127, small=2**15 - 1, middle=2**31 - 1, large=2**63 - 1, utiny=255, usmall=2**16 - 1, umiddle=2**32 - 1, ularge=2**64 - 1), None),
        ("u64 above i64", plain(ularge=2**63), None),
        ("infinities", plain(single=math.inf, double=-math.inf), None),
        ("NaN", plain(single=math.nan, double=math.nan), None),
        ("minus zero", plain(single=-0.0, double=-0.0, rows=[[-0.0]]), None),
        ("small floats", plain(single=2.0**-149, double=5e-324), None),
        ("largest floats", plain(single=3.4028234663852886e38, double=1e300), None),
        ("empty", plain(word="", block=b"", path=[], numbers=[], rows=[[]], labels={}, points={}, name="", tags=[]), None),
        ("Unicode", plain(word="Zoë 你好 😀\0\n\"\\", labels={"ключ/~": "значение", "": "empty key"}, name="\u202e"), None),
        ("keys that are numbers", plain(labels={"0": "a", "1": "b"}, points={"0": {"x": 0.0, "y": 0.0}}), None),
        ("optional ones left out", without("double", "stop", "vector", "more", "type", "class"), None),
        ("optional ones given", plain(stop={"x": 9.0, "y": 8.0, "note": ""}, type="t", **{"class": 7}), None),
        ("optional ones null", plain(double=None, stop=None, type=None), without("double")),
        ("defaults", without(*DEFAULTS), plain(**DEFAULTS)),
        ("an unknown name in an enum with default", plain(fallback="NEWER"), plain(fallback="half_open")),
        ("aliases", without("middle", mid=-5), plain(middle=-5)),
        ("unknown fields", plain(newer={"flag": [1, {"tiny": None}]}, newest=1), plain()),
        ("fields in another order", dict(reversed(plain().items())), plain()),
        ("integers for floats", plain(single=2, double=-3, ratio=1), plain(single=2.0, double=-3.0, ratio=1.0)),
        ("union of a record", plain(source={"grid": {"x": 1.0, "y": 2.0, "note": "n"}}), None),
        ("union of a bool", plain(source={"none": False}), None),
        ("any value", plain(more={"list": [None, 1, 2**64 - 1, {"x": Timestamp(1)}], "a": np.zeros((2, 2), np.int16)}), None),
        ("arrays without elements", plain(matrix=np.zeros((0, 3)), vector=np.zeros(0, np.uint8), cube=np.zeros((2, 0, 5), np.int32), columns={"t": [], "v": np.zeros(0, np.float32)}), None),
        ("arrays in column order", plain(matrix=np.asfortranarray(np.arange(6.0).reshape(2, 3)), cube=np.asfortranarray(np.arange(24, dtype=np.int32).reshape(2, 3, 4))), None),
        ("array of one dimension instead of any", plain(cube=np.array([-(2**31), 2**31 - 1], np.int32)), None),
        ("long array", plain(matrix=np.arange(30000.0).reshape(10000, 3)), None),
        ("times", plain(at=Timestamp(-(2**63)), since=Timestamp(2**63 - 1)), None),
        ("decimals", plain(price=Decimal("-0.000000000000000000000000000001")), None),
    ]
}

#: Refused values: the value, the kind of the error, and a word of its text or path.
REFUSED: dict[str, tuple[Any, str, str]] = {
    "too large for i8": (plain(tiny=128), "OutOfRange", "tiny"),
    "negative u64": (plain(ularge=-1), "OutOfRange", "ularge"),
    "i64 overflow": (plain(large=2**63), "OutOfRange", "large"),
    "integer that f64 cannot hold": (plain(double=2**53 + 1), "OutOfRange", "double"),
    "float that f32 cannot hold": (plain(single=1e300), "OutOfRange", "single"),
    "text for a number": (plain(tiny="1"), "WrongType", "tiny"),
    "float for an integer": (plain(tiny=1.0), "WrongType", "tiny"),
    "bool for an integer": (plain(tiny=True), "WrongType", "tiny"),
    "bytes for text": (plain(word=b"x"), "WrongType", "word"),
    "list for a record": (plain(start=[1.0, 2.0]), "WrongType", "start"),
    "a field left out": (without("word"), "Missing", "word"),
    "a field of an inner record left out": (plain(start={"x": 1.0}), "Missing", "y"),
    "null for a field": (plain(word=None), "WrongType", "word"),
    "unknown name in an enum": (plain(mode="NEWER"), "WrongType", "mode"),
    "unknown variant": (plain(source={"sun": 1.0}), "WrongType", "source"),
    "two variants": (plain(source={"battery": 1.0, "none": True}), "WrongType", "source"),
    "another dtype": (plain(matrix=np.zeros((2, 3), np.float32)), "WrongType", "matrix"),
    "another shape": (plain(matrix=np.zeros((2, 4))), "WrongType", "matrix"),
    "another rank": (plain(vector=np.zeros((2, 4), np.uint8)), "WrongType", "vector"),
    "a list for an array": (plain(vector=[1, 2]), "WrongType", "vector"),
    "text for a timestamp": (plain(at="2026-01-01T00:00:00Z"), "WrongType", "at"),
    "no map": ([1], "WrongType", ""),
}
