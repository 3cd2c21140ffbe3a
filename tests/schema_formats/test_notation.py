"""The JSON Schema of the notation, for editors: it accepts every schema of the vectors, and refuses invalid values of keys."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTATION = json.loads((ROOT / "docs/schema.schema.json").read_text())
TEXTS = json.loads((ROOT / "tests/vectors/schema_texts.json").read_text())
# Errors that need the whole text: names that are not defined, cycles, numbers of another type, defaults, units.
BEYOND = (
    "no type is called", "UCUM does not know", "is no u8", "comes first", "does not fit", "already", "make it optional",
    "contains itself", "has no fixed size", "not a time", "cannot include", "this is no number",
)


def validator():
    jsonschema.Draft7Validator.check_schema(NOTATION)
    return jsonschema.Draft7Validator(NOTATION)


@pytest.mark.parametrize("case", [case for case in TEXTS if "kind" not in case], ids=lambda case: case["name"])
def test_schema_of_the_vectors_is_accepted(case):
    assert list(validator().iter_errors(tomllib.loads(case["toml"]))) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/**/*.schema.toml")), ids=lambda path: path.name)
def test_schema_of_an_example_is_accepted(path):
    assert list(validator().iter_errors(tomllib.loads(path.read_text()))) == []


@pytest.mark.parametrize("case", [case for case in TEXTS if "kind" in case], ids=lambda case: case["text"][:60])
def test_refused_text_is_refused_by_the_json_schema_or_beyond_its_reach(case):
    try:
        document = tomllib.loads(case["toml"])
    except tomllib.TOMLDecodeError:
        return  # an editor reports that by itself
    refused = list(validator().iter_errors(document)) != []
    assert refused != any(words in case["text"] for words in BEYOND), case["text"]
