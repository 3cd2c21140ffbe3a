"""Generated C, C++ and Fortran: values inside lists, maps, tables and unions."""

import decimal
import uuid
from pathlib import Path
from typing import Any

import linkspan
import numpy as np
import pytest
from native import FULL, LANGUAGES, build, echo, library, refused  # noqa: F401, a fixture

#: Types that are accessed in another way inside others.
NESTED = """
name = "nested.values"

[types.level]
type = "enum"
values = ["low", "high"]

[types.part]
type = "record"
[types.part.fields]
words = "list of text"
level = { type = "level", default = "high" }
title = { type = "text", default = "untitled" }

[types.either]
type = "union"
[types.either.variants]
text = "text"
part = "part"
many = "list of bool"
any = "any"

[fields]
switches = "list of bool"
sets = "map of list of bool"
maps = "map of map of text"
levels = "list of level"
level = { type = "level", optional = true }
parts = "list of part"
part = { type = "part", optional = true }
choices = "list of either"
choice = { type = "either", optional = true }
grid = { type = "ndarray", dtype = "i16", shape = [2, 3] }
corner = { type = "ndarray", dtype = "f32", shape = [2, 2], optional = true }
grids = { type = "list", of = { type = "ndarray", dtype = "u8", shape = ["*"] } }
ids = "list of uuid"
blocks = "map of bytes"
prices = "list of decimal"
values = "list of any"
words = { type = "list of text", optional = true }
more = { type = "map of i32", optional = true }
"""


def nested() -> dict[str, Any]:
    part = {"words": ["a", ""], "level": "low", "title": "x" * 100}
    return {
        "switches": [True, False, True],
        "sets": {"": [], "a": [False], "b": [True] * 70},
        "maps": {"m": {"k": "v", "w": ""}, "n": {}},
        "levels": ["high", "low"],
        "level": "high",
        "parts": [part, {"words": [], "level": "high", "title": ""}],
        "part": part,
        "choices": [{"text": "x"}, {"part": part}, {"many": [True]}, {"any": {"deep": [1]}}, {"any": None}],
        "choice": {"many": []},
        "grid": np.arange(6, dtype="i2").reshape(2, 3),
        "corner": np.arange(4, dtype="f4").reshape(2, 2),
        "grids": [np.array([1, 2], dtype="u1"), np.zeros(0, dtype="u1")],
        "ids": [uuid.UUID(int=1), uuid.UUID(int=(1 << 128) - 1)],
        "blocks": {"a": b"", "b": bytes(300)},
        "prices": [decimal.Decimal("0.10")],
        "values": [1, None, "x", [b"y"]],
        "words": [],
        "more": {"a": -1},
    }


@pytest.fixture(scope="session", params=LANGUAGES)
def nest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("nested")
    (folder / "it.schema.toml").write_text(NESTED)
    return build(folder / "it.schema.toml", request.param, folder / request.param, library, others=FULL)


@pytest.mark.costly
def test_nested_values_are_kept(nest: Path) -> None:
    optional = ("level", "part", "choice", "corner", "words", "more")
    value = nested()
    for sent in (value, {k: v for k, v in value.items() if k not in optional}):
        found, expected = linkspan.decode(echo(nest, sent), "cbor"), dict(sent)
        assert list(found) == list(expected)
        for key in ("grid", "corner"):
            # Fortran has its own order.
            assert np.array_equal(found.pop(key, None), expected.pop(key, None)), key
        assert linkspan.encode(found, "cbor") == linkspan.encode(expected, "cbor")
    # Defaults inside lists and unions.
    short = value | {"parts": [{"words": []}], "choice": {"part": {"words": ["w"]}}}
    full = {"words": [], "level": "high", "title": "untitled"}
    found = linkspan.decode(echo(nest, short), "cbor")
    assert (found["parts"], found["choice"]) == ([full], {"part": full | {"words": ["w"]}})


@pytest.mark.costly
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"switches": [True, 1]}, ["switches/1", "is expected"]),
        ({"sets": {"a": [None]}}, ["sets/a/0", "is expected"]),
        ({"levels": ["low", "none"]}, ["levels/1", "low, high"]),
        ({"parts": [{"level": "low"}]}, ["parts/0", "words is missing"]),
        ({"choice": {}}, ["choice", "0 keys were found"]),
        ({"choice": {"text": 1}}, ["choice/text", "is expected"]),
        ({"grid": np.zeros((3, 2), dtype="i2")}, ["grid", "is expected"]),
        ({"ids": [b"x" * 16]}, ["ids/0", "is expected"]),
        ({"more": {"a": 1 << 31}}, ["more/a", "is expected"]),
        ({"words": "x"}, ["words", "is expected"]),
        ({"maps": {"a": {"b": None}}}, ["maps/a/b", "is expected"]),
    ],
)
def test_nested_values_that_do_not_fit_are_refused_with_their_path(nest: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(nest, nested() | change)
    assert all(word in error for word in says), error
