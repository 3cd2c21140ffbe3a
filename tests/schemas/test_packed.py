"""Packed records between the generated code of any two languages: equal bytes, and equal refusals."""

import json
import os
import random
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import linkspan
import pytest
from conftest import HERE, crate_of, generate, php_command, run
from support.tree import PROGRAM, ROOT
from native import SOON, build, library  # noqa: F401, a fixture

LANGUAGES = ["rust", "c", "cpp", "fortran", "python", "php"]
#: Floats with equal bits in every language, also after conversion from 32 to 64 bits and back.
FLOATS = [0.0, -0.0, 1.5, -2.25, 2.0**-149, 3.4028234663852886e38, float("inf"), float("-inf"), float("nan")]


@dataclass
class Place:
    """A field: its path, its first byte, its size, and its type in words."""

    path: str
    offset: int
    size: int
    of: str

    def random(self, numbers: random.Random) -> bytes:
        if "bool" in self.of:
            return bytes(numbers.choice([0, 1]) for _ in range(self.size))
        if self.of.startswith("enum of "):
            return numbers.randrange(self.count).to_bytes(self.size, "little")
        if self.of in ("f32", "f64"):
            return struct.pack("<f" if self.of == "f32" else "<d", numbers.choice(FLOATS))
        return numbers.randbytes(self.size)

    @property
    def count(self) -> int:
        return self.of.count(",") + 1

    def wrong(self) -> list[bytes]:
        """Bytes that are not a valid value."""
        if "bool" in self.of:
            return [bytes(self.size - 1) + b"\x02", b"\xff" + bytes(self.size - 1)]
        if self.of.startswith("enum of "):
            return [self.count.to_bytes(self.size, "little"), b"\xff" * self.size]
        return []


class Schema:
    """A packed schema, and the offsets of its fields."""

    def __init__(self, file: Path) -> None:
        self.file = file
        shown = run(PROGRAM, "schema", "show", file)
        self.name = re.search(r'^name = "(.*)"', shown, re.MULTILINE)[1].replace(".", "_")  # type: ignore[index]
        self.type_name = "".join(word.capitalize() for word in self.name.split("_"))
        self.size = int(re.search(r"^# (\d+) bytes", shown, re.MULTILINE)[1])  # type: ignore[index]
        found = re.findall(r"^# +(\d+) +(\d+)  ([^:]*): (.*?)(?: in \S+)?(?:, \[.*)?$", shown, re.MULTILINE)
        self.places = [Place(path, int(offset), int(size), of) for offset, size, path, of in found]

    def record(self, numbers: random.Random) -> bytes:
        out = bytearray(self.size)
        for place in self.places:
            out[place.offset : place.offset + place.size] = place.random(numbers)
        return bytes(out)

    def padding(self) -> list[int]:
        fields = {at for place in self.places for at in range(place.offset, place.offset + place.size)}
        return [at for at in range(self.size) if at not in fields]


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> list[Schema]:
    folder = tmp_path_factory.mktemp("schemas")
    files = sorted((HERE / "schemas").glob("packed*.toml"))
    texts = json.loads((ROOT / "tests/vectors/schema_texts.json").read_text())
    for at, vector in enumerate(texts):
        if "fingerprint" in vector and re.search(r'^layout = "packed"', vector["toml"], re.MULTILINE):
            # Avoids names of the schemas here.
            text = re.sub(r'^name = ".*"', f'name = "vector{at}"', vector["toml"], count=1, flags=re.MULTILINE)
            files.append(folder / f"vector{at}.schema.toml")
            files[-1].write_text(text)
    found = [Schema(file) for file in files]
    assert len(found) >= 3 and len({schema.name for schema in found}) == len(found)
    return found


Echo = Callable[[Schema, Path, Path], list[str | Path]]


def rust(schemas: list[Schema], folder: Path, library: Path) -> Echo:  # noqa: F811
    for schema in schemas:
        generate("rust", schema.file, folder)
    modules = "\n".join(f"pub mod {schema.name};" for schema in schemas)
    cases = "\n".join(f'"{schema.name}" => echo::<{schema.name}::{schema.type_name}>(&message),' for schema in schemas)
    program = (HERE / "peers/packed.rs").read_text().replace("MODULES", modules).replace("CASES", cases)
    made = crate_of("packed-echo", program, folder)
    return lambda schema, before, after: [made, schema.name, before, after]


def native(language: str) -> Callable[[list[Schema], Path, Path], Echo]:
    def make(schemas: list[Schema], folder: Path, library: Path) -> Echo:  # noqa: F811
        programs = {schema.name: build(schema.file, language, folder / schema.name, library) for schema in schemas}
        return lambda schema, before, after: [programs[schema.name], before, after]

    return make


def python(schemas: list[Schema], folder: Path, library: Path) -> Echo:  # noqa: F811
    for schema in schemas:
        generate("python", schema.file, folder)
    run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache", *folder.glob("*.py"), cwd=folder)
    return lambda schema, before, after: [
        sys.executable, HERE / "peers/packed.py", folder, schema.name, schema.type_name, before, after
    ]  # fmt: skip


def php(schemas: list[Schema], folder: Path, library: Path) -> Echo:  # noqa: F811
    command = php_command()
    for schema in schemas:
        generate("php", schema.file, folder)
        run(*command, HERE / "declared.php", folder / f"{schema.type_name}.php")
    return lambda schema, before, after: [*command, HERE / "peers/packed.php", folder, schema.type_name, before, after]


MAKERS = {"rust": rust, "python": python, "php": php, **{language: native(language) for language in ("c", "cpp", "fortran")}}


class Echoes:
    """The programs that read a packed record and write it, one for each language, built when they are first needed."""

    def __init__(self, schemas: list[Schema], factory: pytest.TempPathFactory, library: Path) -> None:  # noqa: F811
        self.schemas, self.factory, self.library = schemas, factory, library
        self.made: dict[str, Echo] = {}
        self.folder = factory.mktemp("messages")
        #: The results of earlier blocks: every language passes the same ones to the others.
        self.known: dict[tuple[str, str, bytes], bytes] = {}
        self.seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))

    def start(self, language: str, schema: Schema, value: object) -> "subprocess.CompletedProcess[str]":
        if language not in self.made:
            self.made[language] = MAKERS[language](self.schemas, self.factory.mktemp(f"packed-{language}"), self.library)
        before, after = self.folder / "in.cbor", self.folder / "out.cbor"
        before.write_bytes(linkspan.encode(value))
        after.unlink(missing_ok=True)
        command = self.made[language](schema, before, after)
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SOON)

    def echo(self, language: str, schema: Schema, block: bytes) -> bytes:
        key = (language, schema.name, block)
        if key not in self.known:
            self.known[key] = self.read_and_write(language, schema, block)
        return self.known[key]

    def read_and_write(self, language: str, schema: Schema, block: bytes) -> bytes:
        done = self.start(language, schema, block)
        assert done.returncode == 0, done.stdout + done.stderr
        back = linkspan.decode((self.folder / "out.cbor").read_bytes())
        assert isinstance(back, bytes)
        return back

    def refused(self, language: str, schema: Schema, value: object) -> str:
        done = self.start(language, schema, value)
        assert done.returncode == 1 and not (self.folder / "out.cbor").exists(), done
        return done.stderr


@pytest.fixture(scope="session")
def echoes(schemas: list[Schema], tmp_path_factory: pytest.TempPathFactory, library: Path) -> Echoes:  # noqa: F811
    return Echoes(schemas, tmp_path_factory, library)


@pytest.mark.costly
@pytest.mark.parametrize("language", LANGUAGES)
def test_records_are_read_and_written_unchanged(language: str, schemas: list[Schema], echoes: Echoes) -> None:
    """All languages write equal bytes, so every language reads every other one."""
    print(f"LINKSPAN_SEED={echoes.seed}")
    numbers = random.Random(echoes.seed)
    for schema in schemas:
        for record in [schema.record(numbers) for _ in range(2)]:
            assert echoes.echo(language, schema, record) == record, schema.name


@pytest.mark.costly
@pytest.mark.parametrize("language", LANGUAGES)
def test_padding_is_cleared(language: str, schemas: list[Schema], echoes: Echoes) -> None:
    for schema in schemas:
        record = bytearray(schema.record(random.Random(1)))
        expected = bytes(record)
        for at in schema.padding():
            record[at] = 0xFF
        assert echoes.echo(language, schema, bytes(record)) == expected, schema.name


@pytest.mark.costly
@pytest.mark.parametrize("language", LANGUAGES)
def test_invalid_truth_values_and_enums_are_refused(language: str, schemas: list[Schema], echoes: Echoes) -> None:
    tried = 0
    for schema in schemas:
        for at, place in enumerate(schema.places):
            # One of two, because each is a process.
            for wrong in place.wrong()[at % 2 : at % 2 + 1]:
                record = bytearray(schema.record(random.Random(2)))
                record[place.offset : place.offset + place.size] = wrong
                text = echoes.refused(language, schema, bytes(record))
                assert place.path in text, f"{schema.name} {place.path}: {text}"
                tried += 1
    assert tried >= 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_bytes_that_are_no_record_are_refused(language: str, schemas: list[Schema], echoes: Echoes) -> None:
    schema = schemas[0]
    record = schema.record(random.Random(3))
    for wrong in (record[:-1], record + b"\0", b""):
        assert f"{schema.size} packed bytes are expected" in echoes.refused(language, schema, wrong)
    assert "bytes" in echoes.refused(language, schema, {"on": True})


def test_php_packs_fields_that_fit_and_no_others(tmp_path: Path) -> None:
    for name in ("packed", "packed_types"):
        generate("php", HERE / f"schemas/{name}.schema.toml", tmp_path)
    lines = run(*php_command(), HERE / "peers/packed_fields.php", tmp_path).splitlines()
    refused = [
        ("OutOfRange", "last: u8 is expected, 256"),
        ("OutOfRange", "speed: i16 is expected, -32769"),
        ("WrongType", "waves: an N-d array of c64 [2]"),
        ("WrongType", "switches: an N-d array of bool [3]"),
        ("OutOfRange", "place/x: f32 is expected"),
        ("OutOfRange", "ularge: u64 is expected"),
        ("WrongType", "columns: an N-d array of f32 [2, 3]"),
    ]
    for line, (kind, says) in zip(lines, refused, strict=False):
        assert line.startswith(f"Linkspan\\{kind}Exception {says}"), line
    either = struct.pack("<4i", 11, 12, 21, 22).hex()
    assert lines[len(refused) :] == ["ularge " + "ff" * 8, "ularge " + "00" * 7 + "80", f"either {either}", f"either {either}"]
