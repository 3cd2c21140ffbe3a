"""A generated decoder refuses a message of another schema than it was generated from, in every language, for records and packed records."""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import linkspan
import pytest
from conftest import HERE, crate, generate, php_command
from native import FORTRAN, INCLUDE, STRICT, library  # noqa: F401, a fixture
from support.compilers import compiled, shared_library
from support.tree import PROGRAM

SOON = 60.0

#: The schema of the decoders, and schemas of other publishers with equal keys and sizes.
SCHEMAS = {
    "record": 'name = "meter"\n[fields]\npressure = { type = "f64", unit = "Pa" }\n',
    "another unit": 'name = "meter"\n[fields]\npressure = { type = "f64", unit = "bar" }\n',
    "newer": 'name = "meter"\nversion = 2\n[fields]\npressure = { type = "f64", unit = "Pa" }\nnote = { type = "text", optional = true }\n',
    "packed": 'name = "meter"\nlayout = "packed"\n[fields]\npressure = { type = "f64", unit = "Pa" }\nheight = { type = "f64", unit = "m" }\n',
    "another order": 'name = "meter"\nlayout = "packed"\n[fields]\nheight = { type = "f64", unit = "m" }\npressure = { type = "f64", unit = "Pa" }\n',
}
#: One message for each schema: 101,325 Pa, or a number that a wrong decoder would read as pascals.
VALUES = {
    "record": {"pressure": 101325.0},
    "another unit": {"pressure": 101325.0},
    "newer": {"pressure": 101325.0, "note": "new"},
}
#: The field of an outer message that contains a message of each schema.
PART = {
    "record": 'part = { type = "record", fields = { pressure = { type = "f64", unit = "Pa" } } }',
    "packed": 'part = "bytes"',
}


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("meters")
    files = {name: folder / f"{name.replace(' ', '-')}.toml" for name in SCHEMAS}
    for name, file in files.items():
        file.write_text(SCHEMAS[name])
    return files


def c(schema: Path, out: Path, _: Path, peer: str = "decode") -> list[str]:
    generate("c", schema, out)
    compiled("gcc", "-std=c11", *STRICT, INCLUDE, f"-I{out}", HERE / f"peers/{peer}.c", out / "meter.c", *shared_library(), out=out / peer)
    return [str(out / peer)]


def cpp(schema: Path, out: Path, _: Path, peer: str = "decode") -> list[str]:
    generate("cpp", schema, out)
    compiled("g++", "-std=c++17", *STRICT, INCLUDE, f"-I{out}", HERE / f"peers/{peer}.cpp", *shared_library(), out=out / peer)
    return [str(out / peer)]


def fortran(schema: Path, out: Path, module: Path, peer: str = "decode") -> list[str]:
    generate("fortran", schema, out)
    # The type of a packed record cannot have type-bound procedures.
    is_packed = "type, bind(c), public :: meter\n" in (out / "meter.f90").read_text()
    source = (HERE / f"peers/{peer}.f90").read_text()
    call = f"meter_{peer}(value, " if is_packed else f"value%{peer}("
    (out / f"{peer}.f90").write_text(source.replace(f"METER_{peer.upper()}(", call))
    files = [out / "meter.f90", out / f"{peer}.f90", module / "linkspan.o"]
    compiled("gfortran", *FORTRAN, f"-I{module}", *files, *shared_library(), out=out / peer)
    return [str(out / peer)]


def python(schema: Path, out: Path, _: Path) -> list[str]:
    generate("python", schema, out)
    shutil.copy(HERE / "peers/decode.py", out)
    return [sys.executable, str(out / "decode.py")]


def php(schema: Path, out: Path, _: Path) -> list[str]:
    generate("php", schema, out)
    return ["env", f"GENERATED={out}", *php_command(), str(HERE / "peers/decode.php")]


def rust(schema: Path, out: Path, _: Path) -> list[str]:
    return [str(crate("decode", schema, (HERE / "peers/decode.rs").read_text(), out))]


LANGUAGES = [rust, python, php, c, cpp, fortran]
Decode = Callable[..., list[str]]


@pytest.fixture(scope="session", params=LANGUAGES, ids=lambda make: make.__name__)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, schemas: dict[str, Path], library: Path) -> dict[str, Decode]:  # noqa: F811
    """Programs with the decoder of the record, and of the packed record."""

    def program(name: str) -> Decode:
        command = request.param(schemas[name], tmp_path_factory.mktemp(request.param.__name__), library)

        def decode(*arguments: object) -> list[str]:
            done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=SOON)
            assert (done.returncode, done.stderr) == (0, ""), done
            return done.stdout.splitlines()

        return decode

    return {name: program(name) for name in ("record", "packed")}


@pytest.fixture(params=["unix", "shm", "journal"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield f"{request.param}:meters/{tmp_path.name}"


def fingerprint(schema: Path) -> str:
    done = subprocess.run([PROGRAM, "schema", "fingerprint", schema], capture_output=True, text=True, check=True, timeout=SOON)
    return done.stdout.strip()


def published(endpoint: str, value: object, schema: Path | None) -> linkspan.Publisher:
    out = linkspan.publisher(endpoint, schema=schema) if schema else linkspan.publisher(endpoint)
    out.send(value)
    return out


def refuses(lines: list[str], sent: Path, decoded: Path) -> None:
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("SchemaMismatch "), lines
        assert fingerprint(sent)[:16] in line and fingerprint(decoded)[:16] in line, lines
        assert str(os.getpid()) in line and "option schema" in line, lines


@pytest.mark.costly
def test_record_of_its_schema_or_of_none_is_decoded(made: dict[str, Decode], schemas: dict[str, Path], endpoint: str) -> None:
    with published(endpoint, VALUES["record"], schemas["record"]):
        assert made["record"](endpoint) == ["101325.0"] * 2
        assert made["record"](endpoint, schemas["record"]) == ["101325.0"] * 2
    with published(f"{endpoint}-none", VALUES["record"], None):
        assert made["record"](f"{endpoint}-none") == ["101325.0"] * 2


@pytest.mark.costly
@pytest.mark.parametrize("sent", ["another unit", "newer"])
def test_record_of_another_schema_is_refused_where_nothing_was_compared(
    made: dict[str, Decode], schemas: dict[str, Path], endpoint: str, sent: str
) -> None:
    with published(endpoint, VALUES[sent], schemas[sent]):
        refuses(made["record"](endpoint), schemas[sent], schemas["record"])
        if sent == "newer":
            # The schema fits, which the two sides found when they connected.
            assert made["record"](endpoint, schemas["record"]) == ["101325.0"] * 2


@pytest.mark.costly
def test_packed_record_of_another_order_is_refused(made: dict[str, Decode], schemas: dict[str, Path], endpoint: str) -> None:
    for sent, value in (("packed", struct.pack("<dd", 101325.0, 3.0)), ("another order", struct.pack("<dd", 3.0, 101325.0))):
        with published(f"{endpoint}-{sent.replace(' ', '-')}", value, schemas[sent]) as out:
            lines = made["packed"](out.endpoint)
            if sent == "packed":
                assert lines == ["101325.0"] * 2
            else:
                refuses(lines, schemas[sent], schemas["packed"])


@pytest.mark.costly
@pytest.mark.parametrize("name", ["record", "packed"])
@pytest.mark.parametrize("language", [c, cpp, fortran], ids=lambda language: language.__name__)
def test_get_of_a_whole_message_checks_it_as_decode_does_and_at_a_path_does_not(
    language: Callable[..., list[str]], name: str, schemas: dict[str, Path], endpoint: str, tmp_path: Path, library: Path,  # noqa: F811
) -> None:
    command = language(schemas[name], tmp_path, library, "get")
    forms = 3 if language is cpp else 1

    def get(endpoint: str, path: str = "") -> list[str]:
        done = subprocess.run([*command, endpoint, path], capture_output=True, text=True, timeout=SOON)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.splitlines()

    other = "another unit" if name == "record" else "another order"
    value = VALUES["record"] if name == "record" else struct.pack("<dd", 101325.0, 3.0)
    for kind, schema in (("own", schemas[name]), ("none", None)):
        with published(f"{endpoint}-{kind}", value, schema) as out:
            assert get(out.endpoint) == ["101325.0"] * forms
    with published(endpoint, value, schemas[other]):
        lines = get(endpoint)
        assert len(lines) == forms
        for line in lines:
            assert line.startswith("SchemaMismatch "), lines
            assert fingerprint(schemas[other])[:16] in line and fingerprint(schemas[name])[:16] in line, lines
    # A part of a message is not compared with a schema.
    around = tmp_path / "around.toml"
    around.write_text(f'name = "around"\n[fields]\n{PART[name]}\n')
    with published(f"{endpoint}-around", {"part": value}, around) as out:
        assert get(out.endpoint, "part") == ["101325.0"]
