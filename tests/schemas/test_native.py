"""Generated C, C++ and Fortran: compiled strictly, it keeps every value, and refuses values that do not fit with a path."""

import datetime
import decimal
import math
import uuid
from pathlib import Path
from typing import Any

import linkspan
import numpy as np
import pytest
from native import FULL, HERE, LANGUAGES, WITH_OPTIMIZED, build, echo, library, refused  # noqa: F401, a fixture


@pytest.fixture(scope="session", params=WITH_OPTIMIZED)
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("everything") / request.param
    return build(HERE / "schemas/everything.schema.toml", request.param, folder, library)


def full() -> dict[str, Any]:
    """Every field, in the order of the schema; keys of maps in order."""
    point = {"x": 1.5, "y": -2.25, "note": "here"}
    return {
        "flag": True,
        "tiny": -128,
        "small": 32767,
        "middle": -(1 << 31),
        "large": -(1 << 63),
        "utiny": 255,
        "usmall": 65535,
        "umiddle": (1 << 32) - 1,
        "ularge": (1 << 64) - 1,
        "single": 0.10000000149011612,
        "double": math.pi,
        "word": 'Łódź "東京" 🛰\n\tend',
        "block": bytes(range(256)),
        "at": linkspan.Timestamp(1_700_000_000_123_456_789),
        "id": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "price": decimal.Decimal("1.10"),
        "mode": "class",
        "fallback": "ON",
        "start": point,
        "stop": {"x": math.inf, "y": -0.0},
        "path": [point, {"x": 0.0, "y": 0.0}],
        "numbers": [1, -(1 << 63), (1 << 63) - 1],
        "rows": [[1.0, 2.0], [], [-0.0]],
        "labels": {"": "empty", "a": "", "ü": "umlaut"},
        "points": {"first": point},
        "source": {"grid": point},
        "matrix": np.arange(6, dtype="f8").reshape(2, 3),
        "vector": np.array([1, 2, 255], dtype="u1"),
        "cube": np.arange(24, dtype="i4").reshape(2, 3, 4),
        "columns": {"t": [linkspan.Timestamp(0), linkspan.Timestamp(-1)], "v": np.array([1.5, -1.5], dtype="f4")},
        "more": {"any": [None, 1, {"deep": b"x"}, 1 << 80]},
        "count": 8,
        "ratio": -0.0,
        "name": "other",
        "type": "t",
        "class": -1,
        "since": linkspan.Timestamp(5),
        "tags": ["c"],
    }


def cases() -> dict[str, dict[str, Any]]:
    value = full()
    required = {k: v for k, v in value.items() if k not in ("double", "stop", "vector", "more", "type", "class")}
    empty = value | {
        "word": "",
        "block": b"",
        "path": [],
        "numbers": [],
        "rows": [],
        "labels": {},
        "points": {},
        "matrix": np.zeros((0, 3)),
        "vector": np.zeros(0, dtype="u1"),
        "cube": np.zeros((2, 0, 4), dtype="i4"),
        "columns": {"t": [], "v": np.zeros(0, dtype="f4")},
        "tags": [],
        "more": {},
    }
    return {
        "all": value,
        "required": required,
        "empty": empty,
        "zero": value | {"double": -0.0, "price": decimal.Decimal("-0E+3"), "source": {"none": False}},
        "infinite": value | {"double": -math.inf, "single": math.inf, "source": {"battery": 1e-310}},
        "column order": value | {"matrix": np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3))},
        "scalar array": value | {"cube": np.array(7, dtype="i4")},
    }


@pytest.mark.costly
@pytest.mark.parametrize("case", cases())
def test_values_are_kept(everything: Path, case: str) -> None:
    value = cases()[case]
    expected = linkspan.encode(value, "cbor")
    found = echo(everything, value)
    if "fortran" in everything.parent.name:
        # Fortran writes arrays of more than one dimension in its own order.
        expected = linkspan.encode(value | {"matrix": np.asfortranarray(value["matrix"])}, "cbor")
    assert found.hex() == expected.hex(), f"{linkspan.decode(found, 'cbor')}\n{value}"


def test_not_a_number_is_kept(everything: Path) -> None:
    found = linkspan.decode(echo(everything, full() | {"double": math.nan}), "cbor")
    assert math.isnan(found["double"])


def test_defaults_aliases_and_unknown_fields(everything: Path) -> None:
    value = full()
    sent = {k: v for k, v in value.items() if k not in ("middle", "fallback", "count", "ratio", "name", "since", "tags")}
    sent |= {"newer": {"deep": [1, 2]}, "medium": 7, "stop": None, "fallback": "NEWER"}
    found = linkspan.decode(echo(everything, sent), "cbor")
    assert (found["middle"], found["count"], found["ratio"], found["fallback"]) == (7, 7, 0.5, "half_open")
    assert (found["name"], found["tags"]) == ('é "quoted"', ["a", "b"])
    since = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).timestamp()
    assert linkspan.encode(found["since"], "cbor") == linkspan.encode(linkspan.Timestamp(int(since) * 10**9), "cbor")
    assert "stop" not in found and "newer" not in found and "medium" not in found


@pytest.mark.costly
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tiny": 128}, ["tiny", "is expected"]),
        ({"ularge": -1}, ["ularge", "is expected"]),
        ({"umiddle": 1 << 32}, ["umiddle", "is expected"]),
        ({"single": 1e300}, ["single", "is expected"]),
        ({"flag": 1}, ["flag", "is expected"]),
        ({"word": b"x"}, ["word", "is expected"]),
        ({"mode": "newer"}, ["mode", "OFF, ON, class, half_open"]),
        ({"path": [{"x": 1.0, "y": 1.0}, {"x": 1.0}]}, ["path/1", "y is missing"]),
        ({"rows": [[1.0], [2.0, "x"]]}, ["rows/1/1", "is expected"]),
        ({"points": {"a": {"x": None, "y": 0.0}}}, ["points/a/x", "is expected"]),
        ({"source": {"grid": {"x": 1.0, "y": 1.0}, "none": True}}, ["source", "is expected"]),
        ({"source": {"solar": 1.0}}, ["source", "battery, grid, none"]),
        ({"matrix": np.zeros((2, 4))}, ["matrix", "is expected", "[*, 3]"]),
        ({"matrix": np.zeros((2, 3), dtype="f4")}, ["matrix", "is expected", "f64"]),
        ({"middle": 1, "mid": 2}, ["middle", "twice"]),
    ],
)
def test_values_that_do_not_fit_are_refused_with_their_path(everything: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(everything, full() | change)
    assert all(word in error for word in says), error


def test_missing_field_is_refused(everything: Path) -> None:
    value = full()
    del value["word"]
    error = refused(everything, value)
    assert "word is missing" in error, error


@pytest.mark.costly
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ('name = "one.number"\ntype = "f64"', 1.5),
        ('name = "some.texts"\ntype = "list of text"', ["a", ""]),
        ('name = "the.state"\ntype = "enum"\nvalues = ["ON", "OFF"]', "OFF"),
        ('name = "one.of"\ntype = "union"\n[variants]\na = "f64"\nb = "text"', {"b": "x"}),
        ('name = "by.name"\ntype = "map of list of i32"', {"a": [1], "b": []}),
        ('name = "samples"\ntype = "ndarray"\ndtype = "c64"\nshape = ["*"]', np.array([1 + 2j], dtype="c8")),
    ],
    ids=["number", "list", "enum", "union", "map", "ndarray"],
)
def test_messages_that_are_no_records_are_refused(tmp_path: Path, library: Path, language: str, schema: str, value: object) -> None:
    source = tmp_path / "it.schema.toml"
    source.write_text(schema + "\n")
    # Other warnings of compilers appear for the schema with every field.
    program = build(source, language, tmp_path / language, library, others=FULL)
    assert echo(program, value) == linkspan.encode(value, "cbor")


def test_fortran_of_the_longest_names_compiles(tmp_path: Path, library: Path) -> None:
    source, field = tmp_path / "it.schema.toml", "f" * 45
    types = ["text", "list of f64", "uuid", "timestamp"]
    fields = "".join(f'{field}{at} = {{ type = "{of}", optional = true, alias = ["{"a" * 60}{at}"] }}\n' for at, of in enumerate(types))
    deep = f'{"d" * 45} = {{ type = "ndarray", dtype = "u8", shape = [{", ".join(7 * ["1"])}], optional = true }}\n'
    source.write_text(f'name = "{"n" * 47}"\n[fields]\n{fields}{deep}')
    program = build(source, "fortran", tmp_path / "fortran", library)
    assert echo(program, {f"{field}0": "x"}) == linkspan.encode({f"{field}0": "x"}, "cbor")
