"""The exported .proto: compiled by protoc, and its messages filled with the values of its schema by Google's library."""

import base64
import subprocess
from typing import Any

import pytest
from conftest import SCHEMAS, SOON, export, verdicts
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor

#: Our errors that a line on standard error explains: texts of the line and of the error.
LOOSER = {
    "a message without the field is accepted": "is missing: ",
    "a message without the field is accepted (": "null was found",
    "numbers outside of the range are accepted": " was found",
    "integers of 32 bits are accepted": " was found",
    "any length is accepted": " bytes were found",
    "lists of any length are accepted": " values were found",
    "any shape, and data of any length": "ndarray of",
    "columns of different lengths are accepted": "the columns of a table have one length",
    "bytes of any length are accepted for a UUID": "uuid is expected",
    "any text is accepted for a decimal number": "decimal is expected",
    "no variant at all is accepted": "union of",
}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_generated_values_fill_a_message_and_come_back(schema, cases, tmp_path):
    accepted, refused = hold(export("proto", schema), cases[schema], tmp_path)
    assert accepted > 1_000 and refused > 300


def test_values_of_the_vectors_fill_a_message_or_are_refused(vectors, tmp_path):
    schema, cases = vectors
    assert hold(export("proto", schema), cases, tmp_path) == verdicts(cases)


def hold(exported, cases, folder) -> tuple[int, int]:
    """Counts the values that the schema accepts and refuses; the messages agree, or a line on standard error explains the difference."""
    made = compiled(exported.out, folder)
    accepted = refused = 0
    for case in cases:
        message = made()
        try:
            fill(message, case.json)
            error = None
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, json_format.ParseError) as why:
            error = why
        if case.valid:
            assert error is None, (case, repr(error))
            again = made()
            again.ParseFromString(message.SerializeToString())
            assert again.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
            accepted += 1
        else:
            ours = f"{case.error}, at path {case.path}"
            known = [text for text, found in LOOSER.items() if exported.explains(text) and found in ours]
            # To protobuf an integer is a valid float, however large.
            known += [ours for name in ("f32", "f64") if f"{name}" in ours and " is expected, " in ours]
            assert error is not None or known, case
            refused += 1
    return accepted, refused


def compiled(text: bytes, folder) -> type:
    (folder / "schema.proto").write_bytes(text)
    command = ["protoc", f"--proto_path={folder}", "--include_imports", f"--descriptor_set_out={folder}/set", "schema.proto"]
    done = subprocess.run(command, capture_output=True, timeout=SOON, cwd=folder)
    assert done.returncode == 0, done.stderr.decode() + text.decode()
    files = descriptor_pb2.FileDescriptorSet.FromString((folder / "set").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    file = files.file[-1]
    name = f"{file.package}.{file.message_type[0].name}".lstrip(".")
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def fill(message: Any, value: Any) -> None:
    """Fills a message with a Linkspan value in JSON, escapes included, by the table of the documents."""
    name = message.DESCRIPTOR.full_name
    fields = message.DESCRIPTOR.fields_by_name
    if name == "google.protobuf.Timestamp":
        message.FromJsonString(only(value, "$time"))
    elif name == "google.protobuf.Value":
        json_format.ParseDict(value, message)
    elif {"shape", "data"} <= set(fields):
        array = only(value, "$ndarray")
        message.shape.extend(array["shape"])
        message.data = base64.b64decode(array["data"])
        if array["order"] == "column":
            message.column_major = True
    elif list(fields) == ["value"]:
        put(message, fields["value"], value)
    else:
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is not a map")
        if message.DESCRIPTOR.oneofs and not message.DESCRIPTOR.oneofs[0].name.startswith("_") and len(value) != 1:
            raise ValueError(f"{value!r} has not one variant")
        for key, each in value.get("$map", value).items():
            if each is None and not fields[key].is_repeated and fields[key].has_presence:
                continue
            put(message, fields[key], each)


def put(message: Any, field: FieldDescriptor, value: Any) -> None:
    held = getattr(message, field.name)
    if field.message_type and field.message_type.GetOptions().map_entry:
        if value is None:
            return
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is not a map")
        escape = list(value)[0][:1] == "$" and len(value) == 1 if value else False
        if escape and list(value) != ["$map"]:
            raise TypeError(f"{value!r} is not a map")
        for key, each in (value["$map"] if escape else value).items():
            if field.message_type.fields_by_name["value"].message_type:
                fill(held[key], each)
            else:
                held[key] = scalar(field.message_type.fields_by_name["value"], each)
    elif field.is_repeated:
        if value is None:
            return
        if not isinstance(value, list) and not (isinstance(value, dict) and list(value) == ["$ndarray"]):
            raise TypeError(f"{value!r} is no list")
        for each in value:
            if field.message_type:
                fill(held.add(), each)
            else:
                held.append(scalar(field, each))
    elif field.message_type:
        held.SetInParent()
        fill(held, value)
    else:
        setattr(message, field.name, scalar(field, value))


def scalar(field: FieldDescriptor, value: Any) -> Any:
    """A scalar in the form of the library, which checks its type and its width; unlike us, it accepts a bool as a number."""
    if isinstance(value, dict) and len(value) == 1:
        [(key, text)] = value.items()
        if key == "$float" and field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return float(text)
        if key in ("$bytes", "$uuid") and field.type == FieldDescriptor.TYPE_BYTES:
            return base64.b64decode(text) if key == "$bytes" else bytes.fromhex(text.replace("-", ""))
        if key == "$decimal" and field.type == FieldDescriptor.TYPE_STRING:
            return text
    is_bool = field.type == FieldDescriptor.TYPE_BOOL
    is_float = isinstance(value, float) and field.cpp_type not in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
    if isinstance(value, bool) != is_bool or is_float:
        raise TypeError(f"{value!r} is no {field.name}")
    if field.enum_type:
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return field.enum_type.values_by_name[prefix + value].number
    return value


def only(value: Any, key: str) -> Any:
    if not isinstance(value, dict) or list(value) != [key]:
        raise TypeError(f"{value!r} is no {key}")
    return value[key]

