"""Generated C, C++ and Fortran: compiled with strict settings, it keeps every value, and refuses what does not fit with a path."""

import datetime
import decimal
import math
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import linkspan
import numpy as np
import pytest
from support.compilers import INCLUDE, checked, compiled, fortran_module, run, shared_library
from support.tree import PROGRAM

HERE = Path(__file__).resolve().parent
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror", "-g"]
SANE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
#: gfortran takes deferred-length texts for possibly uninitialized where they are not.
FORTRAN = ["-std=f2018", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-maybe-uninitialized", "-g"]
#: Only guards against a hang.
SOON = 120
LANGUAGES = ["c", "cpp", "fortran"]
#: What only an optimizing compiler finds, and does, with code that has every kind of value.
WITH_OPTIMIZED = [*LANGUAGES, "optimized fortran"]
FULL = os.environ.get("LINKSPAN_GRID") == "full"


def generate(schema: Path, language: str, folder: Path) -> str:
    """Writes the code of a schema, and gives the name that its files begin with."""
    run(PROGRAM, "schema", "generate", "--lang", language, schema, "--output", folder)
    suffix = {"c": ".h", "cpp": ".hpp", "fortran": ".f90"}[language]
    (made,) = [path for path in folder.iterdir() if path.suffix == suffix]
    return made.stem


def compilers(name: str) -> list[str]:
    return [compiler for compiler in {"c": ["gcc", "clang"], "cpp": ["g++", "clang++"]}[name] if shutil.which(compiler)]


def build(schema: Path, language: str, folder: Path, library: Path, others: bool = True) -> Path:
    """The program `echo` on the generated code of a schema; `others` says whether all compilers have to take it."""
    folder.mkdir()
    name = generate(schema, language.removeprefix("optimized "), folder)
    include, libraries = [INCLUDE, f"-I{folder}"], shared_library()
    out = folder / "echo"
    if language == "c":
        define = [f'-DECHO_HEADER="{name}.h"', f"-DECHO_TYPE={name}", f"-DECHO(what)={name}_##what"]
        for compiler in compilers("c") if others else []:
            compiled(compiler, "-std=c11", *STRICT, "-Wmissing-prototypes", *include, "-c", folder / f"{name}.c", out=folder / "it.o")
        compiled("gcc", "-std=c11", *STRICT, *SANE, *include, *define, HERE / "peers/echo.c", folder / f"{name}.c", *libraries, out=out)
        # Programs of C++ use the header, too.
        if others:
            checked("g++", "-std=c++17", *STRICT, *include, "-fsyntax-only", "-x", "c++", folder / f"{name}.h", "-Wno-pragma-once-outside-header")
    elif language == "cpp":
        type_name = "".join(word.capitalize() for word in name.split("_"))
        if f"struct {type_name} " not in (folder / f"{name}.hpp").read_text():
            type_name += "Message"
        define = [f'-DECHO_HEADER="{name}.hpp"', f"-DECHO_TYPE={type_name}"]
        for compiler in compilers("cpp") if others else []:
            compiled(compiler, "-std=c++17", *STRICT, *include, *define, "-c", HERE / "peers/echo.cpp", out=folder / "it.o")
        compiled("g++", "-std=c++17", *STRICT, *SANE, *include, *define, HERE / "peers/echo.cpp", *libraries, out=out)
    else:
        text = (folder / f"{name}.f90").read_text()
        root = f"{name}_message" if f"type, public :: {name}_message\n" in text else name
        # The type of a packed record has no procedures of its own.
        peer = "packed.f90" if f"type, bind(c), public :: {name}\n" in text else "echo.f90"
        source = (HERE / "peers" / peer).read_text().replace("ECHO_TYPE", name).replace("ECHO_ROOT", root)
        (folder / "echo.f90").write_text(source)
        settings = ["-O2"] if language == "optimized fortran" else ["-fcheck=all,no-array-temps"]
        compiled("gfortran", *FORTRAN, *settings, f"-I{library}", folder / f"{name}.f90", folder / "echo.f90",
                 library / "linkspan.o", *libraries, out=out)  # fmt: skip
    return out


@pytest.fixture(scope="session")
def library() -> Path:
    """The folder of the Fortran module."""
    return fortran_module("-std=f2018")


@pytest.fixture(scope="session", params=WITH_OPTIMIZED)
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("everything") / request.param
    return build(HERE / "schemas/everything.schema.toml", request.param, folder, library)


def echo(program: Path, value: object) -> Any:
    """What a program makes of a value: the bytes of the message that it writes."""
    before, after = program.parent / "in.cbor", program.parent / "out.cbor"
    before.write_bytes(linkspan.encode(value, "cbor"))
    run(program, before, after)
    return after.read_bytes()


def refused(program: Path, value: object) -> str:
    """The error of a program for a value."""
    before = program.parent / "in.cbor"
    before.write_bytes(linkspan.encode(value, "cbor"))
    done = subprocess.run([program, before, program.parent / "none"], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 1, done
    return done.stderr


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


@pytest.mark.parametrize("case", cases())
def test_values_are_kept(everything: Path, case: str) -> None:
    value = cases()[case]
    expected = linkspan.encode(value, "cbor")
    found = echo(everything, value)
    if "fortran" in everything.parent.name:
        # Arrays of more than one dimension are written in the order in which Fortran holds them.
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
def test_what_does_not_fit_is_refused_with_its_path(everything: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(everything, full() | change)
    assert all(word in error for word in says), error


def test_missing_field_is_refused(everything: Path) -> None:
    value = full()
    del value["word"]
    error = refused(everything, value)
    assert "word is missing" in error, error


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
def test_messages_that_are_no_records(tmp_path: Path, library: Path, language: str, schema: str, value: object) -> None:
    source = tmp_path / "it.schema.toml"
    source.write_text(schema + "\n")
    # What else compilers could say, they say of the schema with every field.
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


#: What lies inside of something else, and is reached in another way there.
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


def test_values_inside_of_others_are_kept(nest: Path) -> None:
    optional = ("level", "part", "choice", "corner", "words", "more")
    value = nested()
    for sent in (value, {k: v for k, v in value.items() if k not in optional}):
        found, expected = linkspan.decode(echo(nest, sent), "cbor"), dict(sent)
        assert list(found) == list(expected)
        for key in ("grid", "corner"):
            # In Fortran in its own order.
            assert np.array_equal(found.pop(key, None), expected.pop(key, None)), key
        assert linkspan.encode(found, "cbor") == linkspan.encode(expected, "cbor")
    # Defaults of what lies inside of lists and unions.
    short = value | {"parts": [{"words": []}], "choice": {"part": {"words": ["w"]}}}
    full = {"words": [], "level": "high", "title": "untitled"}
    found = linkspan.decode(echo(nest, short), "cbor")
    assert (found["parts"], found["choice"]) == ([full], {"part": full | {"words": ["w"]}})


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
def test_what_does_not_fit_inside_is_refused_with_its_path(nest: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(nest, nested() | change)
    assert all(word in error for word in says), error


#: What Fortran reaches by functions, or has in memory in another way than messages have it.
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
    """Whether two values are the same, whatever the order is in which elements of arrays lie."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_values_that_functions_reach_are_kept(reach: Path) -> None:
    value = reached()
    missing = ("id", "any", "cloud", "figure", "sets", "fixed")
    none: dict[str, Any] = {"figures": [], "by_name": {}, "lists": [], "texts": [], "rows": [], "clouds": {}, "anys": {}, "row": np.zeros((0, 2))}
    for sent in (value, {k: v for k, v in value.items() if k not in missing}, value | none):
        bytes_before = linkspan.encode(sent, "cbor")
        found, expected = linkspan.decode(echo(reach, sent), "cbor"), linkspan.decode(bytes_before, "cbor")
        assert same(found, expected), f"{found}\n{expected}"
        # An order that the schema asks for is kept.
        assert found["fixed_row"].flags.c_contiguous and found["row"].flags.c_contiguous and found["column"].flags.f_contiguous


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
def test_what_functions_do_not_take_is_refused_with_its_path(reach: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(reach, reached() | change)
    assert all(word in error for word in says), error


#: Kinds that Fortran has in tables, each where it is treated differently there.
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


def test_values_in_tables_are_kept(table: Path) -> None:
    value = tabled()
    empty = value | {"word": "", "block": b"", "parts": [], "levels": [], "numbers": [], "times": [], "flags": [], "flag": False}
    for sent in (value, empty, {k: v for k, v in value.items() if not k.startswith("no_")}):
        assert echo(table, sent).hex() == linkspan.encode(sent, "cbor").hex()


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
def test_what_does_not_fit_tables_is_refused_with_its_path(table: Path, change: dict[str, Any], says: list[str]) -> None:
    error = refused(table, tabled() | change)
    assert all(word in error for word in says), error


#: As the layout that `linkspan schema show` prints.
PACKED = np.dtype(
    {
        "names": ["on", "at", "mode", "speed", "x", "y", "id", "waves", "switches", "last"],
        "formats": ["?", "<i8", "u1", "<i2", "<f4", "<f8", "V16", ("<c8", 2), ("?", 3), "u1"],
        "offsets": [0, 8, 16, 18, 24, 32, 40, 56, 72, 75],
        "itemsize": 80,
    }
)


@pytest.fixture(scope="session", params=LANGUAGES)
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, library: Path) -> Path:
    folder = tmp_path_factory.mktemp("packed") / request.param
    return build(HERE / "schemas/packed.schema.toml", request.param, folder, library)


def packed_record() -> bytearray:
    record = np.zeros(1, PACKED)
    values = (True, -1, 2, -3000, -0.5, math.pi, bytes(range(16)), [1 + 2j, -3j], [True, False, True], 255)
    record[0] = values
    return bytearray(record.tobytes())


def test_packed_bytes_are_kept_and_padding_is_zero(packed: Path) -> None:
    value = bytes(packed_record())
    assert echo(packed, value) == linkspan.encode(value, "cbor")
    spoiled = bytearray(value)
    for at in [*range(1, 8), 17, *range(20, 24), *range(28, 32), *range(76, 80)]:
        spoiled[at] = 0xFF
    assert echo(packed, bytes(spoiled)) == linkspan.encode(value, "cbor")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda value: value[:79], "80 packed bytes are expected"),
        (lambda value: b"\x02" + value[1:], "truth value"),
        (lambda value: value[:16] + b"\x03" + value[17:], "enum's number"),
        (lambda value: value[:73] + b"\x02" + value[74:], "truth value"),
        (lambda value: {"on": True}, "bytes is expected"),
    ],
    ids=["short", "bool", "enum", "array of bool", "map"],
)
def test_packed_bytes_that_do_not_fit_are_refused(packed: Path, change: Any, says: str) -> None:
    assert says in refused(packed, change(bytes(packed_record())))
