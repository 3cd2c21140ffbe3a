"""The program, the schemas of the vectors, and random values for them with the verdict of each schema."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.tree import DEBUG, PROGRAM, ROOT

SCHEMAS = sorted((ROOT / "tests/vectors/schemas").glob("*.schema.toml"))
VALUES = 10_000
#: Seconds; only guards against a hang.
SOON = 120


@dataclass
class Case:
    """A value in JSON and CBOR with its schema's verdict: None or an error."""

    valid: bool
    error: str | None
    path: str | None
    json: Any
    cbor: bytes


@dataclass
class Exported:
    out: bytes
    notes: list[str]

    def explains(self, text: str) -> bool:
        return any(text in note for note in self.notes)


def verdicts(cases: list[Case]) -> tuple[int, int]:
    accepted = sum(case.valid for case in cases)
    return accepted, len(cases) - accepted


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, timeout=SOON)


def export(to: str, schema: Path) -> Exported:
    done = run("schema", "export", "--to", to, schema)
    assert done.returncode == 0, done.stderr.decode()
    return Exported(done.stdout, done.stderr.decode().splitlines())


@pytest.fixture(scope="session")
def cases(request) -> dict[Path, list[Case]]:
    """Values for each schema: accepted ones, and others with one thing changed."""
    program = DEBUG / "examples/generated_values"
    assert program.exists(), f"{program} is not built: tests/run build"
    found = {}
    for schema in SCHEMAS:
        count = str(-(-VALUES // len(SCHEMAS)))
        command = [program, schema, count]
        done = subprocess.run(command, check=True, capture_output=True, timeout=SOON)
        seed, *lines = done.stdout.decode().splitlines()
        print(schema.name, seed)
        texts = [json.loads(line) for line in lines]
        found[schema] = [
            Case(each["valid"], each["error"], each["path"], json.loads(each["json"]), bytes.fromhex(each["cbor"]))
            for each in texts
        ]
    return found


@pytest.fixture(scope="session")
def vectors(tmp_path_factory) -> tuple[Path, list[Case]]:
    """Returns the schema of `schema_values.json` and its values. All languages agree on their verdicts."""
    rows = json.loads((ROOT / "tests/vectors/schema_values.json").read_text(encoding="utf-8"))
    [text] = {row["schema"] for row in rows}
    schema = tmp_path_factory.mktemp("vectors") / "vectors.schema.toml"
    schema.write_text(text, encoding="utf-8")
    cases = [Case("kind" not in row, row.get("text"), row.get("path"), json.loads(row["json"]), b"") for row in rows]
    accepted, refused = verdicts(cases)
    assert accepted >= 10 and refused >= 15
    return schema, cases
