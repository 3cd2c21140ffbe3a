"""The programs in the section "Generated code" of docs/schema.md, and the tutorial, run unchanged."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import crate, generate, php_command, run
from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.tree import PROGRAM, ROOT
from native import FORTRAN, STRICT

PAGE = (ROOT / "docs/schema.md").read_text(encoding="utf-8")
SCHEMA = next(iter(re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)))
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.partition("## Generated code")[2].partition("\n## ")[0], re.M | re.S))


def rust(schema: Path, program: str, out: Path) -> str:
    return run(crate("schemas-document", schema, program, out))


def python(schema: Path, program: str, out: Path) -> str:
    generate("python", schema, out)
    (out / "program.py").write_text(program)
    return run(sys.executable, out / "program.py")


def php(schema: Path, program: str, out: Path) -> str:
    generate("php", schema, out)
    (out / "program.php").write_text(program)
    return run(*php_command(), "program.php", cwd=out)


def native(language: str, schema: Path, program: str, out: Path) -> str:
    generate(language, schema, out)
    source = out / {"c": "meter.c", "cpp": "meter.cpp", "fortran": "meter.f90"}[language]
    source.write_text(program)
    include, module = [INCLUDE, f"-I{out}"], fortran_module("-std=f2018")
    command = {
        "c": ["gcc", "-std=c11", *STRICT, *include, out / "power_reading.c", source],
        "cpp": ["g++", "-std=c++17", *STRICT, *include, source],
        "fortran": ["gfortran", *FORTRAN, f"-I{module}", module / "linkspan.o", out / "power_reading.f90", source],
    }[language]
    return run(compiled(*command, *shared_library(), out=out / "meter"))


#: The command that runs the program of each block.
PROGRAMS: dict[str, Callable[[Path, str, Path], str]] = {
    "rust": rust,
    "python": python,
    "php": php,
    **{language: partial(native, language) for language in ("c", "cpp", "fortran")},
}


def test_each_language_has_a_block() -> None:
    # The block of TypeScript is compiled in test_typescript.py.
    assert BLOCKS.keys() - {"ts"} == PROGRAMS.keys()


@pytest.mark.costly
@pytest.mark.parametrize("language", PROGRAMS)
def test_program_prints_what_it_published(language: str, tmp_path: Path) -> None:
    schema, out = tmp_path / "power.schema.toml", tmp_path / "out"
    schema.write_text(SCHEMA)
    out.mkdir()
    assert PROGRAMS[language](schema, BLOCKS[language], out) == "230.5\n"


def test_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs/schema-tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:`([\w.]+)`[^\n]*:\n\n)?^```(\w+)\n(.*?)^```$", page, re.M | re.S)
    path = f"{PROGRAM.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    (tmp_path / "run").mkdir(mode=0o700)
    environment = {**os.environ, "PATH": path, "LINKSPAN_DIR": str(tmp_path / "run")}
    printed = None
    for name, kind, text in blocks:
        if name:
            (tmp_path / name).write_text(text)
        elif kind == "sh":
            assert printed is None, f"no expected output is given for these: {text}"
            command = ["bash", "-c", text]
            done = subprocess.run(
                command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
            )
            printed = done.stdout
        else:
            assert kind == "text" and printed == text
            printed = None
    assert printed is None


def lines_of_commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def page_environment(tmp_path_factory: pytest.TempPathFactory):
    """The files and the open name that the commands of the page use."""
    folder = tmp_path_factory.mktemp("page")
    imports = ROOT / "tests/vectors/schemas/imports"
    for file in ("proto/addressbook.proto", "json_schema/openweather.current.json", "python/safetensors.py"):
        shutil.copy(imports / file, folder)
    shutil.copytree(imports / "ros", folder, dirs_exist_ok=True)
    for name in ("power", "power.given", "old", "new"):
        (folder / f"{name}{'.schema' if 'power' in name else ''}.toml").write_text(SCHEMA)
    (folder / "readings.jsonl").write_text('{"watts": 1}\n{"watts": 1.5}\n')
    (folder / "run").mkdir(mode=0o700)
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state")}
    reading = '{"at": {"$time": "2026-01-01T00:00:00Z"}, "watts": 230.5}'
    subprocess.run([PROGRAM, "pub", "journal:orders", reading], env=environment, check=True, timeout=60)
    # The last value stays available. Further lines are published for commands that wait for the next value.
    publisher = subprocess.Popen([PROGRAM, "pub", "lab/power", "--for", "600", reading], env=environment)
    yield folder, environment
    publisher.kill()
    publisher.wait()


@pytest.mark.parametrize("line", lines_of_commands())
def test_command_of_the_reference_prints_what_it_shows(line: str, page_environment) -> None:
    folder, environment = page_environment
    # Each command starts with the page's schema, because some commands change it. `infer` and `sub` of an open name
    # need a limit to end.
    shutil.copy(folder / "power.given.schema.toml", folder / "power.schema.toml")
    line = line.replace("/opt/ros/jazzy/share", ".").replace("schema infer lab/power", "schema infer lab/power --timeout 1")
    line = line.replace("sub lab/power --json", "sub lab/power --json --count 1")
    if "> power.schema.toml" in line:
        line = line.replace("> power.schema.toml", "> inferred.schema.toml")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
