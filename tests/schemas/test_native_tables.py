"""Generated C, C++ and Fortran: values that are encoded and decoded by tables."""

import decimal
import uuid
from pathlib import Path
from typing import Any

import linkspan
import pytest
from native import FULL, LANGUAGES, build, echo, library, refused  # noqa: F401, a fixture

#: Kinds with different treatment in Fortran's tables.
TABLED = """
name = "tabled.values"

[types.level]
type = "enum"
values = ["low", "medium", "top"]

[types.part]
type = "record"
[types.part.fields]
x = "f32"
title = { type = "text", default = "a \\"title\\", é" }
level = { type = "level", default = "top" }
marks = "list of bool"

[fields]
flag = "bool"
i8 = "i8"
i16 = "i16"
i32 = "i32"
i64 = "i64"
u8 = "u8"
u16 = "u16"
u32 = "u32"
u64 = "u64"
single = "f32"
double = "f64"
word = { type = "text", alias = ["words", "w"] }
block = "bytes"
price = "decimal"
at = "timestamp"
id = "uuid"
level = "level"
part = "part"
parts = "list of part"
levels = "list of level"
numbers = "list of u16"
times = "list of timestamp"
flags = "list of bool"
no_flag = { type = "bool", optional = true }
no_number = { type = "u32", optional = true, alias = ["number"] }
no_word = { type = "text", optional = true }
no_block = { type = "bytes", optional = true }
no_price = { type = "decimal", optional = true }
no_at = { type = "timestamp", optional = true }
no_level = { type = "level", optional = true }
no_part = { type = "part", optional = true }
no_parts = { type = "list of part", optional = true }
count = { type = "u8", default = 200 }
sum = { type = "list of i32", default = [1, -1] }
"""


def tabled() -> dict[str, Any]:
    part = {"x": 0.5, "title": "", "level": "medium", "marks": [True, False]}
    return {
        "flag": True, "i8": -128, "i16": -(1 << 15), "i32": -(1 << 31), "i64": -(1 << 63),
        "u8": 255, "u16": 65535, "u32": (1 << 32) - 1, "u64": (1 << 64) - 1, "single": 0.5, "double": -0.0,
        "word": "Łódź", "block": bytes(range(256)), "price": decimal.Decimal("1.10"), "at": linkspan.Timestamp(-1),
        "id": uuid.UUID(int=1 << 127), "level": "top", "part": part, "parts": [part, part | {"marks": [], "title": "t" * 1000}],
        "levels": ["low", "top"], "numbers": [0, 65535], "times": [linkspan.Timestamp(5)], "flags": [False, True, True],
        "no_flag": False, "no_number": 7, "no_word": "", "no_block": b"", "no_price": decimal.Decimal(0), "no_at": linkspan.Timestamp(0),
        "no_level": "low", "no_part": part, "no_parts": [], "count": 0, "sum": [],
    }  # fmt: skip


@pytest.fixture(scope="session", params=LANGUAGES)
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("tabled")
    (folder / "it.schema.toml").write_text(TABLED)
    return build(folder / "it.schema.toml", request.param, folder / request.param, library, others=FULL)


@pytest.mark.costly
def test_values_of_tables_are_kept(table: Path) -> None:
    value = tabled()
    empty = value | {"word": "", "block": b"", "parts": [], "levels": [], "numbers": [], "times": [], "flags": [], "flag": False}
    for sent in (value, empty, {k: v for k, v in value.items() if not k.startswith("no_")}):
        assert echo(table, sent).hex() == linkspan.encode(sent, "cbor").hex()


@pytest.mark.costly
def test_defaults_and_aliases_in_tables(table: Path) -> None:
    part = {"x": 1.0, "marks": [True]}
    whole = part | {"title": 'a "title", é', "level": "top"}
    sent = tabled() | {"part": part, "parts": [part], "no_part": part, "no_word": None, "newer": [{"deep": {}}], "w": "old", "number": 9}
    for name in ("word", "no_number", "count", "sum"):
        del sent[name]
    found = linkspan.decode(echo(table, sent), "cbor")
    assert (found["word"], found["no_number"], found["count"], found["sum"]) == ("old", 9, 200, [1, -1])
    for name, expected in (("part", whole), ("parts", [whole]), ("no_part", whole)):
        assert linkspan.encode(found[name], "cbor") == linkspan.encode(order(expected), "cbor"), name
    assert "no_word" not in found and "newer" not in found


def order(value: Any) -> Any:
    """Parts with their fields in the order of the schema."""
    if isinstance(value, list):
        return [order(item) for item in value]
    return {name: value[name] for name in ("x", "title", "level", "marks")}


@pytest.mark.costly
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"flag": 1}, ["flag", "is expected"]),
        ({"i8": 128}, ["i8", "is expected"]),
        ({"u8": 256}, ["u8", "is expected"]),
        ({"u8": -1}, ["u8", "is expected"]),
        ({"u16": 65536}, ["u16", "is expected"]),
        ({"u32": 1 << 32}, ["u32", "is expected"]),
        ({"u32": -1}, ["u32", "is expected"]),
        ({"u64": -1}, ["u64", "is expected"]),
        ({"numbers": [1, 65536]}, ["numbers/1", "is expected"]),
        ({"levels": ["low", "none"]}, ["levels/1", "medium"]),
        ({"parts": [{"x": 1.0}]}, ["parts/0", "marks is missing"]),
        ({"no_part": {"x": 1.0, "marks": [1]}}, ["no_part/marks/0", "is expected"]),
        ({"no_number": "x"}, ["no_number", "is expected"]),
        ({"price": 1}, ["price", "is expected"]),
        ({"id": b"x"}, ["id", "is expected"]),
        ({"words": "twice"}, ["word", "twice"]),
    ],
)
def test_values_that_do_not_fit_tables_are_refused_with_their_path(table: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(table, tabled() | change)
    assert all(word in error for word in says), error
