"""Generated code compiles with any names, texts and numbers of a schema, and hides nothing."""

import json
import subprocess
import sys
import tomllib
import unicodedata
from base64 import b64decode
from pathlib import Path
from typing import Any

import linkspan
import pytest
from conftest import HERE, crate, generate, php_command
from native import LANGUAGES, build, echo, library  # noqa: F401, a fixture
from support.compilers import run

SCHEMA = HERE / "schemas/exception.schema.toml"
FIELDS: dict[str, Any] = tomllib.loads(SCHEMA.read_text())["fields"]
GIVEN = {"_": 7, "_1": 8, "warning": {}}
#: A reader's result for a message with only these fields.
WHOLE = {
    **GIVEN,
    **{name: field["default"] for name, field in FIELDS.items() if "default" in field},
    "block": b64decode(FIELDS["block"]["default"]),
    "warning": {"_": FIELDS["warning"]["fields"]["_"]["default"]},
}


@pytest.mark.parametrize("language", ["rust", "c", "cpp", "fortran", "python", "php", "typescript"])
def test_generated_text_has_no_hidden_character(language: str, tmp_path: Path) -> None:
    for file in generate(language, SCHEMA, tmp_path):
        # Control characters, and characters that reorder, join or end lines.
        hidden = {c for c in file.read_text() if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")} - {"\n", "\t"}
        assert not hidden, f"{file.name}: {sorted(map(ascii, hidden))}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_defaults_in_compiled_languages(language: str, tmp_path: Path, library: Path) -> None:  # noqa: F811
    program = build(SCHEMA, language, tmp_path / language, library)
    assert linkspan.decode(echo(program, GIVEN)) == WHOLE


def test_defaults_in_python(tmp_path: Path) -> None:
    generate("python", SCHEMA, tmp_path)
    run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", tmp_path / "exception.py", cwd=tmp_path)
    program = "import exception, json, sys; it = exception.Exception_.from_value(json.load(sys.stdin)); print(repr(it))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, input=json.dumps(GIVEN), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and repr(WHOLE["word"]) in done.stdout and "-9223372036854775808" in done.stdout, done


def test_defaults_in_php(tmp_path: Path) -> None:
    (file,) = generate("php", SCHEMA, tmp_path)
    program = f"require {str(file)!r}; $it = Exception_::fromWire(json_decode(file_get_contents('php://stdin'))); echo json_encode([$it->word, $it->least64, $it->n_1, $it->warning->n_]);"
    done = subprocess.run([*php_command(), "-r", program], input=json.dumps(GIVEN), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert json.loads(done.stdout) == [WHOLE["word"], WHOLE["least64"], 8, WHOLE["warning"]["_"]]


def test_rust_compiles(tmp_path: Path) -> None:
    crate("exception-peer", SCHEMA, "#![allow(dead_code)]\nmod exception;\nfn main() {}\n", tmp_path)
