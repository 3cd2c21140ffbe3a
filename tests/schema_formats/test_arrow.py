"""The exported Arrow schema: read by pyarrow, its columns filled with the values of its schema."""

import base64
import json
import re
import struct
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from conftest import SCHEMAS, export, run, verdicts

#: Our errors that a line on standard error explains: texts of the line and of the error.
LOOSER = {
    "null is accepted: it stands for a field that is left out": "null was found",
    "numbers outside of the range are accepted": " was found",
    "any length is accepted": "were found",
    "data of any length is accepted": "ndarray of",
    "any lengths of dimensions are accepted": "ndarray of",
    "lengths of dimensions": "already in this message",
    "columns of different lengths are accepted": "the columns of a table have one length",
    "any text is accepted for a decimal number": "decimal is expected",
    "any text is accepted for an enum": "enum",
    "no variant at all, and several, are accepted": "union of",
    "no variant at all": "null was found",
}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The elements of `data`, by the name of the type.
LETTERS = {
    "bool": "?", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "u8": "B", "u16": "H", "u32": "I", "u64": "Q",
    "f32": "f", "f64": "d", "c64": "ff", "c128": "dd",
}


class Narrower(ValueError):
    """A value that Arrow cannot hold, with the line on standard error about it."""


@pytest.mark.costly
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_generated_values_fill_a_row(schema, cases):
    accepted, refused, narrower = hold(export("arrow", schema), cases[schema])
    assert accepted > 200 and refused > 300, (accepted, refused, narrower)


def test_values_of_the_vectors_fill_a_row_or_are_refused(vectors):
    schema, cases = vectors
    accepted, refused, narrower = hold(export("arrow", schema), cases)
    assert (accepted + narrower, refused) == verdicts(cases) and accepted > narrower


def hold(exported, cases) -> tuple[int, int, int]:
    """Counts the values that fill a row, are refused by their schema, or are refused only by Arrow; a line on standard error explains each difference."""
    columns = pa.ipc.read_schema(pa.py_buffer(exported.out))
    stored = pa.schema([storage(field) for field in columns])
    accepted = refused = narrower = 0
    for case in cases:
        error = None
        try:
            row = record(columns, case.json)
            pa.RecordBatch.from_pylist([row], schema=stored).validate(full=True)
        except (ValueError, TypeError, KeyError, OverflowError, pa.ArrowException, struct.error) as why:
            error = why
        if case.valid and error is not None:
            assert isinstance(error, Narrower) and exported.explains(str(error)), (case, repr(error))
            narrower += 1
        elif not case.valid and error is None:
            ours = f"{case.error}, at path {case.path}"
            assert any(exported.explains(text) and found in ours for text, found in LOOSER.items()), case
        accepted += case.valid and error is None
        refused += not case.valid
    return accepted, refused, narrower


def test_types_that_arrow_lacks_are_metadata_and_an_extension(tmp_path):
    schema = tmp_path / "a.schema.toml"
    schema.write_text(
        """name = "lab.a"
version = 3
doc = "a test"
[fields]
x = { type = "f64", unit = "V", range = [0, 5], default = 1.5, doc = "the voltage" }
left = { type = "ndarray", dtype = "i16", shape = [2, 3] }
right = { type = "ndarray", dtype = "c64", shape = [2, 3], order = "column" }
open = { type = "ndarray", dtype = "u8", shape = ["n", 3], order = "column" }
id = "uuid"
state = { type = "enum", values = ["ON", "OFF"], optional = true }
"""
    )
    columns = pa.ipc.read_schema(pa.py_buffer(export("arrow", schema).out))
    assert columns.metadata == {b"name": b"lab.a", b"version": b"3", b"doc": b"a test"}
    assert columns.field("x").metadata == {
        b"unit": b"V", b"range": b"[0.0, 5.0]", b"default": b"1.5", b"doc": b"the voltage"
    }
    assert columns.field("x").nullable and not columns.field("left").nullable
    assert columns.field("left").type == pa.fixed_shape_tensor(pa.int16(), [2, 3])
    # Two rows of three complex numbers in column order: three by two by two floats in memory.
    right = columns.field("right").type
    assert (right.value_type, right.shape, right.permutation) == (pa.float32(), [3, 2, 2], [1, 0, 2])
    left = columns.field("left").type
    numbers = pa.array([list(range(6))], left.storage_type)
    assert pa.ExtensionArray.from_storage(left, numbers)[0].to_numpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert "uniform_shape=[3,null]" in str(columns.field("open").type)
    assert columns.field("id").type == pa.uuid()
    assert columns.field("state").type == pa.dictionary(pa.int32(), pa.utf8())
    assert columns.field("state").metadata[b"values"] == b'["ON","OFF"]'


def test_array_that_is_too_large_is_refused_by_its_path(tmp_path):
    schema = tmp_path / "a.schema.toml"
    fields = 'a = "list of grid"\n[types]\ngrid = { type = "ndarray", dtype = "u8", shape = [65536, 65536] }'
    schema.write_text(f'name = "a"\n[fields]\n{fields}\n')
    done = run("schema", "export", "--to", "arrow", schema)
    assert done.returncode == 1 and done.stdout == b""
    assert b"a/*: an array of more than 2147483647 elements cannot be exported to Arrow" in done.stderr


def storage(field: pa.Field) -> pa.Field:
    """The field without extension types: pyarrow cannot make nested ones from values of Python."""
    of = field.type
    if isinstance(of, pa.BaseExtensionType):
        of = of.storage_type
    if pa.types.is_struct(of):
        of = pa.struct([storage(of.field(at)) for at in range(of.num_fields)])
    elif pa.types.is_map(of):
        of = pa.map_(of.key_field, storage(of.item_field))
    elif pa.types.is_list(of):
        of = pa.list_(storage(of.value_field))
    elif pa.types.is_fixed_size_list(of):
        of = pa.list_(storage(of.value_field), of.list_size)
    return pa.field(field.name, of, field.nullable)


def record(fields: Any, value: Any) -> dict[str, Any]:
    """A row or a struct of a Linkspan value in JSON, escapes included, by the table of the documents."""
    entries = {field.name: field for field in fields}
    given = plain(value)
    if unknown := set(given) - set(entries):
        raise KeyError(f"no field {unknown}")
    if missing := {name for name, field in entries.items() if not field.nullable} - set(given):
        raise KeyError(f"no {missing}")
    return {name: converted(field, given.get(name)) for name, field in entries.items()}


def plain(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not a map")
    if len(value) == 1 and next(iter(value)).startswith("$"):
        return only(value, "$map", dict)
    return value


def only(value: Any, key: str, of: type) -> Any:
    if not isinstance(value, dict) or list(value) != [key] or not isinstance(value[key], of):
        raise TypeError(f"{value!r} is no {key}")
    return value[key]


def converted(field: pa.Field, value: Any) -> Any:
    of = field.type
    extension = getattr(of, "extension_name", None)
    if extension == "arrow.json":
        return json.dumps(value)
    if value is None:
        if not field.nullable:
            raise TypeError(f"{field.name} is not nullable")
        return None
    if extension == "arrow.uuid":
        return bytes.fromhex(only(value, "$uuid", str).replace("-", ""))
    if (field.metadata or {}).get(b"type") == b"decimal":
        return only(value, "$decimal", str)
    if b"dtype" in (field.metadata or {}):
        return tensor(field, only(value, "$ndarray", dict))
    if pa.types.is_struct(of):
        return record([of.field(at) for at in range(of.num_fields)], value)
    if pa.types.is_map(of):
        return [(key, converted(of.item_field, each)) for key, each in plain(value).items()]
    if pa.types.is_list(of):
        if not isinstance(value, list):
            raise TypeError(f"{value!r} is no list")
        return [converted(of.value_field, each) for each in value]
    return scalar(of, value)


def scalar(of: pa.DataType, value: Any) -> Any:
    """A value that pyarrow can convert; types of numbers that it does not distinguish are distinguished here."""
    if pa.types.is_binary(of):
        return base64.b64decode(only(value, "$bytes", str))
    if pa.types.is_timestamp(of):
        return nanoseconds(only(value, "$time", str))
    if isinstance(value, dict):
        if list(value) == ["$float"] and pa.types.is_floating(of):
            return float(value["$float"])
        raise TypeError(f"{value!r} is no {of}")
    if pa.types.is_boolean(of) != isinstance(value, bool) or pa.types.is_integer(of) and isinstance(value, float):
        raise TypeError(f"{value!r} is no {of}")
    if of == pa.float32() and isinstance(value, float):
        struct.pack("<f", value)
    return value


def nanoseconds(text: str) -> int:
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    since = datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc) - EPOCH
    whole = (since.days * 86_400 + since.seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
    if not -(2**63) <= whole < 2**63:
        raise Narrower("times before 1677-09-21 and after 2262-04-11 are refused")
    return whole


def described(of: pa.BaseExtensionType) -> dict[str, Any]:
    """The metadata of a tensor type, which pyarrow only prints."""
    return {name: json.loads(text) for name, text in re.findall(r"(\w+)=(\[[^]]*\])", str(of))}


def tensor(field: pa.Field, array: dict[str, Any]) -> Any:
    """The storage of an array: its elements, and their lengths if the type does not have all of them."""
    metadata = field.metadata
    name = metadata[b"dtype"].decode()
    if array["dtype"] != name:
        raise TypeError(f"{name} is expected")
    of = field.type
    text = described(of) if isinstance(of, pa.BaseExtensionType) else None
    order = metadata.get(b"order", b"row").decode() if text is None else ("column" if "permutation" in text else "row")
    shape = array["shape"]
    # With one length beyond 1, both orders are the same bytes.
    if array["order"] != order and 0 not in shape and sum(length > 1 for length in shape) > 1:
        if order == "column":
            raise ValueError("the elements are in row order")
        raise Narrower("arrays in column order are refused")
    data = [each for item in struct.iter_unpack("<" + LETTERS[name], base64.b64decode(array["data"])) for each in item]
    if text is None:
        return {"data": data, "shape": shape}
    lengths = (shape[::-1] if order == "column" else list(shape)) + [2] * name.startswith("c")
    expected = text.get("uniform_shape") or text.get("shape") or [None] * len(lengths)
    if len(expected) != len(lengths) or any(a not in (None, b) for a, b in zip(expected, lengths)):
        raise ValueError(f"{lengths} is not {expected}")
    return {"data": data, "shape": lengths} if "shape" not in text else data
