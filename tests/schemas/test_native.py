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

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
HERE = Path(__file__).resolve().parent
PROGRAM = TARGET / "linkspan"
LIBRARIES = [str(TARGET / "liblinkspan_c.a"), "-lpthread", "-ldl", "-lm"]
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Werror", "-g"]
SANE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
#: gfortran takes deferred-length texts for possibly uninitialized where they are not.
FORTRAN = ["-std=f2018", "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized", "-g"]
#: Only guards against a hang.
SOON = 120
LANGUAGES = ["c", "cpp", "fortran"]
FULL = os.environ.get("LINKSPAN_GRID") == "full"


def run(*command: object) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    name = generate(schema, language, folder)
    include = [f"-I{ROOT / 'c-api/include'}", f"-I{folder}"]
    out = folder / "echo"
    if language == "c":
        define = [f'-DECHO_HEADER="{name}.h"', f"-DECHO_TYPE={name}", f"-DECHO(what)={name}_##what"]
        for compiler in compilers("c") if others else []:
            run(compiler, "-std=c11", *STRICT, "-Wmissing-prototypes", *include, "-c", folder / f"{name}.c", "-o", folder / "it.o")
        run("gcc", "-std=c11", *STRICT, *SANE, *include, *define, HERE / "peers/echo.c", folder / f"{name}.c", "-o", out, *LIBRARIES)
        # Programs of C++ use the header, too.
        if others:
            run("g++", "-std=c++17", *STRICT, *include, "-fsyntax-only", "-x", "c++", folder / f"{name}.h", "-Wno-pragma-once-outside-header")
    elif language == "cpp":
        type_name = "".join(word.capitalize() for word in name.split("_"))
        if f"struct {type_name} " not in (folder / f"{name}.hpp").read_text():
            type_name += "Message"
        define = [f'-DECHO_HEADER="{name}.hpp"', f"-DECHO_TYPE={type_name}"]
        for compiler in compilers("cpp") if others else []:
            run(compiler, "-std=c++17", *STRICT, *include, *define, "-c", HERE / "peers/echo.cpp", "-o", folder / "it.o")
        run("g++", "-std=c++17", *STRICT, *SANE, *include, *define, HERE / "peers/echo.cpp", "-o", out, *LIBRARIES)
    else:
        text = (folder / f"{name}.f90").read_text()
        root = f"{name}_message" if f"type, public :: {name}_message\n" in text else name
        # The type of a packed record has no procedures of its own.
        peer = "packed.f90" if f"type, bind(c), public :: {name}\n" in text else "echo.f90"
        source = (HERE / "peers" / peer).read_text().replace("ECHO_TYPE", name).replace("ECHO_ROOT", root)
        (folder / "echo.f90").write_text(source)
        run("gfortran", *FORTRAN, "-fcheck=all,no-array-temps", f"-I{library}", f"-J{folder}", folder / f"{name}.f90", folder / "echo.f90",
            library / "linkspan.o", "-o", out, *LIBRARIES)  # fmt: skip
    return out


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Fortran module."""
    out = tmp_path_factory.mktemp("library")
    run("gfortran", "-std=f2018", f"-J{out}", "-c", ROOT / "c-api/fortran/linkspan.f90", "-o", out / "linkspan.o")
    return out


@pytest.fixture(scope="session", params=LANGUAGES)
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
    if "fortran" in everything.parts:
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
