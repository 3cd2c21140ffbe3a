"""The programs in the section "Generated code" of docs/schema.md, run as they stand there."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, crate, generate, php_command, run

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


#: How the program of each block is run.
PROGRAMS: dict[str, Callable[[Path, str, Path], str]] = {"rust": rust, "python": python, "php": php}


def test_each_language_has_a_block() -> None:
    assert BLOCKS.keys() == PROGRAMS.keys()


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_program_prints_what_it_published(language: str, tmp_path: Path) -> None:
    schema, out = tmp_path / "power.schema.toml", tmp_path / "out"
    schema.write_text(SCHEMA)
    out.mkdir()
    assert PROGRAMS[language](schema, BLOCKS[language], out) == "230.5\n"
