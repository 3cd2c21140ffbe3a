"""TypeScript from schemas: compiles strictly; its readers accept and refuse like other languages."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import linkspan
import pytest
from cases import CASES, PLAIN, REFUSED
from conftest import HERE, SCHEMA, generate
from support.npm import compiled
from support.tree import PROGRAM, ROOT
from test_generated import canonical

OTHERS = sorted(path for folder in (HERE / "schemas", ROOT / "tests/vectors/schemas") for path in folder.glob("*.toml") if "layout = " not in path.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("typescript")
    generate("typescript", SCHEMA, made)
    shutil.copy(HERE / "typescript_echo.ts", made)
    compiled(made, made / "typescript_echo.ts")
    return made


def echo(folder: Path, values: list[Any]) -> list[Any]:
    """Returns the program's results: values, or kind, code and text of errors."""
    (folder / "in").write_text("\n".join(linkspan.encode(value).hex() for value in values))
    subprocess.run(["node", folder / "typescript_echo.js", folder / "in", folder / "out"], check=True, timeout=60)
    lines = (folder / "out").read_text().split("\n")
    return [json.loads(line) if line.startswith("[") else linkspan.decode(bytes.fromhex(line)) for line in lines]


def plain(value: Any) -> Any:
    """TypeScript sends a whole float as an integer; a schema reads it as a float."""
    match value:
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
        case float() if value.is_integer() and abs(value) < 2**53 and str(value) != "-0.0":
            return int(value)
        case _:
            return value


@pytest.mark.costly
def test_values_are_read_and_written(folder: Path) -> None:
    got = echo(folder, [sent for sent, _ in CASES.values()])
    for name, found, (_, back) in zip(CASES, got, CASES.values(), strict=True):
        expected = canonical(plain(back), True)
        found = canonical(found, True)
        different = [key for key in {**expected, **found} if expected.get(key) != found.get(key)]
        assert not different, f"{name}: {[(key, found.get(key), expected.get(key)) for key in different]}"[:2000]


@pytest.mark.costly
def test_values_that_do_not_fit_are_refused(folder: Path) -> None:
    # In JavaScript 1.0 is an integer.
    refused = {name: case for name, case in REFUSED.items() if name not in ("float for an integer", "integer that f64 cannot hold", "float that f32 cannot hold")}
    got = echo(folder, [value for value, _, _ in refused.values()])
    for (name, (_, kind, word)), found in zip(refused.items(), got, strict=True):
        assert found[0] == kind and word in found[2], f"{name}: {found}"
    beyond = echo(folder, [{**PLAIN, "double": 2**53 + 1}, {**PLAIN, "single": 1e300}])
    assert [one[0] for one in beyond] == ["OutOfRange", "OutOfRange"], beyond


@pytest.mark.costly
def test_every_schema_compiles_and_its_types_can_be_sent(tmp_path: Path) -> None:
    files, sends = [], ['import type { Value } from "linkspan-client";']
    for number, schema in enumerate(OTHERS):
        out = tmp_path / str(number)
        out.mkdir()
        (made,) = generate("typescript", schema, out)
        files.append(made)
        sends.append(f'import type {{ {made.stem} as T{number} }} from "./{number}/{made.stem}.js";\nexport const send{number} = (value: T{number}): Value => value;')
    assert len(files) == len(OTHERS) > 2
    (tmp_path / "sends.ts").write_text("\n".join(sends))
    compiled(tmp_path, *files, tmp_path / "sends.ts", emits=False)


@pytest.mark.costly
def test_programs_of_the_page_compile(tmp_path: Path) -> None:
    page = (ROOT / "docs/schema.md").read_text()
    schema = tmp_path / "power.schema.toml"
    schema.write_text(re.findall(r"```toml\n(name = \"power\.reading\".*?)```", page, re.DOTALL)[0])
    generate("typescript", schema, tmp_path / "out")
    programs = re.findall(r"```ts\n(.*?)```", page, re.DOTALL)
    assert programs
    for number, text in enumerate(programs):
        (tmp_path / f"out/program{number}.ts").write_text(text)
    compiled(tmp_path / "out", *(tmp_path / "out").glob("*.ts"), emits=False)


def test_packed_records_are_refused_with_what_to_do() -> None:
    done = subprocess.run([PROGRAM, "schema", "generate", "--lang", "typescript", HERE / "schemas/packed.schema.toml", "--output", "-"], capture_output=True, text=True)
    assert done.returncode != 0 and "DataView" in done.stderr, done.stderr
