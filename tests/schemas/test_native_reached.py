"""Generated C, C++ and Fortran: values that Fortran accesses by functions."""

import uuid
from pathlib import Path
from typing import Any

import linkspan
import numpy as np
import pytest
from native import FULL, WITH_OPTIMIZED, build, echo, library, refused  # noqa: F401, a fixture

#: Types that Fortran accesses by functions, or has in memory in another way than in messages.
REACHED = """
name = "reached.values"

[types.point]
type = "record"
[types.point.fields]
x = "f64"
tags = { type = "map of text", optional = true }

[types.figure]
type = "union"
[types.figure.variants]
radius = "f64"
path = "list of point"
id = "uuid"
grid = { type = "ndarray", dtype = "i16", shape = [2, 3] }
cloud = { type = "ndarray", dtype = "f32" }
labels = "map of i32"
name = "text"
point = "point"

[fields]
start = "point"
id = { type = "uuid", optional = true }
any = { type = "any", optional = true }
cloud = { type = "ndarray", dtype = "f32", optional = true }
figure = { type = "figure", optional = true }
sets = { type = "map of list of i32", optional = true }
fixed = { type = "ndarray", dtype = "i32", shape = [2, 3], order = "row", optional = true }
row = { type = "ndarray", dtype = "f64", shape = ["n", 2], order = "row" }
fixed_row = { type = "ndarray", dtype = "i32", shape = [2, 3], order = "row" }
column = { type = "ndarray", dtype = "i64", shape = ["n", "m"], order = "column" }
deep = { type = "ndarray", dtype = "u8", shape = ["*", "*", "*", "*", "*", "*", "*"] }
flags = { type = "ndarray", dtype = "bool", shape = [3] }
waves = { type = "ndarray", dtype = "c128", shape = ["*"] }
single = { type = "ndarray", dtype = "f32", shape = [] }
figures = "list of figure"
by_name = "map of figure"
lists = "list of map of list of uuid"
texts = "list of list of list of text"
rows = { type = "list", of = { type = "ndarray", dtype = "f64", shape = ["*", 2], order = "row" } }
clouds = { type = "map", of = { type = "ndarray", dtype = "u16" } }
anys = "map of any"
"""


def reached() -> dict[str, Any]:
    point, key = {"x": -0.0, "tags": {"": "e", "é": ""}}, uuid.UUID(int=1 << 120)
    grid = np.arange(6, dtype="i2").reshape(2, 3)
    figures = [
        {"radius": 1.5}, {"path": [point, {"x": 1.0}]}, {"path": []}, {"id": key}, {"grid": grid}, {"cloud": np.zeros((0, 2), dtype="f4")},
        {"labels": {"a": -1}}, {"name": ""}, {"name": "n" * 300}, {"point": point},
    ]  # fmt: skip
    return {
        "start": point, "id": key, "any": {"deep": [1, None]}, "cloud": np.arange(24, dtype="f4").reshape(2, 3, 4), "figure": {"id": key}, "sets": {"a": [], "b": [1]},
        "fixed": np.arange(6, dtype="i4").reshape(2, 3), "row": np.arange(6, dtype="f8").reshape(3, 2), "fixed_row": np.arange(6, dtype="i4").reshape(2, 3),
        "column": np.asfortranarray(np.arange(12).reshape(3, 4)), "deep": np.arange(144, dtype="u1").reshape(1, 2, 3, 1, 4, 2, 3),
        "flags": np.array([True, False, True]), "waves": np.array([1 + 2j, -3j]), "single": np.array(0.5, dtype="f4"),
        "figures": figures, "by_name": {str(at): figure for at, figure in enumerate(figures)},
        "lists": [{"a": [key, uuid.UUID(int=0)], "b": []}, {}], "texts": [[["a", ""], []], []],
        "rows": [np.arange(4, dtype="f8").reshape(2, 2), np.zeros((0, 2))], "clouds": {"a": np.zeros((2, 2), dtype="u2"), "b": np.array(7, dtype="u2")},
        "anys": {"a": np.arange(3), "m": {}, "n": None},
    }  # fmt: skip


@pytest.fixture(scope="session", params=WITH_OPTIMIZED)
def reach(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("reached")
    (folder / "it.schema.toml").write_text(REACHED)
    return build(folder / "it.schema.toml", request.param, folder / request.param, library, others=FULL)


def same(one: Any, other: Any) -> bool:
    """Returns whether two values are equal, with arrays in either order."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.costly
def test_values_that_functions_reach_are_kept(reach: Path) -> None:
    value = reached()
    missing = ("id", "any", "cloud", "figure", "sets", "fixed")
    none: dict[str, Any] = {"figures": [], "by_name": {}, "lists": [], "texts": [], "rows": [], "clouds": {}, "anys": {}, "row": np.zeros((0, 2))}
    for sent in (value, {k: v for k, v in value.items() if k not in missing}, value | none):
        bytes_before = linkspan.encode(sent, "cbor")
        found, expected = linkspan.decode(echo(reach, sent), "cbor"), linkspan.decode(bytes_before, "cbor")
        assert same(found, expected), f"{found}\n{expected}"
        # The order that the schema requires is kept.
        assert found["fixed_row"].flags.c_contiguous and found["row"].flags.c_contiguous and found["column"].flags.f_contiguous


@pytest.mark.costly
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": b"x" * 16}, ["id", "is expected"]),
        ({"figure": {"grid": np.zeros((3, 2), dtype="i2")}}, ["figure/grid", "is expected"]),
        ({"figure": {"none": 1}}, ["figure", "radius"]),
        ({"figures": [{"radius": 1.0}, {"path": [{"x": "y"}]}]}, ["figures/1/path/0/x", "is expected"]),
        ({"by_name": {"a": {"id": 1}}}, ["by_name/a/id", "is expected"]),
        ({"row": np.asfortranarray(np.zeros((3, 2)))}, ["row", "is expected"]),
        ({"column": np.zeros((3, 2), dtype="i8")}, ["column", "is expected"]),
        ({"deep": np.zeros((1, 1), dtype="u1")}, ["deep", "is expected"]),
        ({"flags": np.zeros(4, dtype="?")}, ["flags", "is expected"]),
        ({"single": np.zeros(1, dtype="f4")}, ["single", "is expected"]),
        ({"lists": [{"a": [None]}]}, ["lists/0/a/0", "is expected"]),
        ({"texts": [[["a"], [1]]]}, ["texts/0/1/0", "is expected"]),
        ({"rows": [np.zeros((1, 3))]}, ["rows/0", "is expected"]),
        ({"clouds": {"a": np.zeros(1, dtype="u1")}}, ["clouds/a", "is expected"]),
        ({"sets": {"a": [1 << 31]}}, ["sets/a/0", "is expected"]),
    ],
)
def test_values_that_functions_do_not_take_are_refused_with_their_path(reach: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(reach, reached() | change)
    assert all(word in error for word in says), error
