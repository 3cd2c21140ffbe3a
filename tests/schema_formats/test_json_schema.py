"""The exported JSON Schema: read by jsonschema, and applied to the values of its schema."""

import json
from typing import Any

import jsonschema
import pytest
from conftest import SCHEMAS, export, verdicts

#: Our errors that a line on standard error explains: texts of the line and of the error.
LOOSER = {
    "a float without fraction, such as 7.0, is accepted": " a float was found",
    "integers beyond 2^24 are accepted": " is expected, ",
    "integers beyond 2^53 are accepted": " is expected, ",
    "the length is counted in characters:": " bytes were found",
    "the length is counted in characters of base64": " bytes were found",
    "lengths that have one name in the schema may differ": "already in this message",
    "columns of different lengths are accepted": "the columns of a table have one length",
    "arrays in row order are accepted": "in row order was found",
    "below the escape $map any values are accepted": "/$",
}


@pytest.mark.costly
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_generated_values_get_the_same_verdict(schema, cases):
    accepted, refused = hold(export("json-schema", schema), cases[schema])
    assert accepted > 1_000 and refused > 300


def test_values_of_the_vectors_get_the_same_verdict(vectors):
    schema, cases = vectors
    assert hold(export("json-schema", schema), cases) == verdicts(cases)


def hold(exported, cases) -> tuple[int, int]:
    """Counts the values that the schema accepts and refuses; the validator agrees, or a line on standard error explains the difference."""
    validator = made(exported.out)
    accepted = refused = 0
    for case in cases:
        theirs = list(validator.iter_errors(case.json))
        # It admits every value that a program may send.
        assert not (case.valid and theirs), (case, theirs)
        if not case.valid and not theirs:
            error = f"{case.error}, at path {case.path}"
            found = [text for text, ours in LOOSER.items() if exported.explains(text) and ours in error]
            assert found, case
        accepted += case.valid
        refused += not case.valid
    return accepted, refused


@pytest.mark.costly
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_schema_for_viewers_refuses_only_what_it_says(schema, cases):
    exported = export("viewer-schema", schema)
    validator, all_of_them = made(exported.out), made(export("json-schema", schema).out)
    refused = 0
    for case in cases[schema]:
        theirs = list(validator.iter_errors(case.json))
        if case.valid:
            assert all(is_narrower(error, exported) for error in theirs), (case, theirs)
        # The general schema accepts every value that the viewers' schema accepts.
        assert theirs or all_of_them.is_valid(case.json), case
        refused += bool(case.valid and theirs)
    assert refused or not exported.explains("refused"), schema


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_schema_for_viewers_uses_only_what_lichtblick_and_foxglove_read(schema):
    root = json.loads(export("viewer-schema", schema).out)
    assert root["type"] == "object"
    assert "$ref" not in json.dumps(root)
    if schema.name != "kinds.schema.toml":    # a field of any type has none there
        plottable(root)


def made(text: bytes) -> jsonschema.Draft202012Validator:
    parsed = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(parsed)
    return jsonschema.Draft202012Validator(parsed)


def is_narrower(error: jsonschema.ValidationError, exported) -> bool:
    """Returns whether a line on standard error explains the refusal of the value."""
    found: Any = error.instance
    if found is None:
        return exported.explains("null is refused: leave the field out")
    is_escape = isinstance(found, dict) and list(found) == ["$float"]
    return is_escape and exported.explains("NaN and infinities are refused") or (
        found == {"$float": "inf"} and exported.explains("infinities are refused")
    )


def plottable(schema: dict[str, Any]) -> None:
    """Each property has one type; objects have properties; base64 is named by contentEncoding."""
    for name, of in schema["properties"].items():
        assert isinstance(of["type"], str), name
        if of["type"] == "object":
            plottable(of)
        if of["type"] == "array":
            assert isinstance(of["items"]["type"], str), name
            if of["items"]["type"] == "object":
                plottable(of["items"])
        if name in ("$bytes", "data"):
            assert of["contentEncoding"] == "base64"
