"""The committed generated code equals the generator's output."""

import subprocess

import pytest
from support.tree import PROGRAM, ROOT

LANGUAGES = {".hpp": "cpp", ".h": "c", ".c": "c", ".f90": "fortran", ".py": "python", ".php": "php", ".rs": "rust"}
GENERATED = sorted(
    file for file in ROOT.glob("examples/*/generated/*") if file.suffix in LANGUAGES and file.name != "__init__.py"
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Returns each schema's fresh code by folder and file."""
    found = {}
    for schema in ROOT.glob("examples/**/*.schema.toml"):
        example = ROOT / "examples" / schema.relative_to(ROOT / "examples").parts[0]
        for language in {LANGUAGES[file.suffix] for file in GENERATED if file.is_relative_to(example)}:
            folder = tmp_path_factory.mktemp(language)
            command = [PROGRAM, "schema", "generate", "--lang", language, schema, "--output", folder]
            subprocess.run(command, check=True, timeout=60)
            found.update({example / "generated" / file.name: file.read_text() for file in folder.iterdir()})
    return found


def test_generated_code_exists():
    assert GENERATED


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: str(file.relative_to(ROOT / "examples")))
def test_generated_file_matches_its_schema(file, fresh):
    assert file.read_text() == fresh[file]
