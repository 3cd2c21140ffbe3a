"""Schemas of classes: the notation for a dataclass, a TypedDict, an attrs class or a pydantic model.

The table in docs/schema.md applies, as for `linkspan schema import --from python`. A field that no schema can express
is refused by name.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import math
import re
import sys
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ._native import schema_problem
from .errors import Error, Malformed, Unsupported, WrongType
from .timestamp import Timestamp
from .words import shown

_PLAIN: dict[Any, str] = {
    bool: "bool", int: "i64", float: "f64", str: "text", bytes: "bytes", datetime.datetime: "timestamp", Timestamp: "timestamp",
    uuid.UUID: "uuid", decimal.Decimal: "decimal", Any: "any",
}
_WIDTHS = {"int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "float32": "f32", "float64": "f64", "bool": "bool", "bool_": "bool"}
_DTYPES = {**_WIDTHS, "complex64": "c64", "complex128": "c128"}
_INTEGERS = {"i64": (-(2**63), 2**63 - 1)}
_LISTS = (list, tuple, collections.abc.Sequence)
_MAPS = (dict, collections.abc.Mapping)
#: The most nested levels of records.
_DEEPEST = 24

_Keys = dict[str, Any]


def text_of(option: str, given: Any) -> str:
    """Returns the schema of a class, for an option. `WrongType` if it is not a class with fields."""
    if not isinstance(given, type):
        raise _refused(option, f'{option}={shown(given)} is of type {type(given).__name__}: give the path of a file, its text, or a dataclass')
    if _fields(given) is None:
        raise _refused(
            option,
            f"{option}={given.__qualname__} is a class without fields: give a dataclass, a TypedDict, a class of attrs or a model of pydantic, "
            f'or the path of a file: {option}="NAME.schema.toml"',
        )
    return _text(given)


def keys_of(annotation: Any, where: str) -> _Keys:
    """Returns the type of an annotation as keys of the notation. `Unsupported` if no schema can express it.

    `Malformed` for a wrong unit or range."""
    inner, _ = _without_none(annotation, where)
    keys = _whole(_type(inner, where, ()), where)
    return _checked(keys, where, Malformed)


def _refused(path: str, text: str) -> WrongType:
    error = WrongType(text)
    error.path = path
    return error


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str
    annotation: Any
    #: Readers can use a default only if it is a text, a number or an enum member.
    default: Any = None
    optional: bool = False
    doc: str | None = None
    constraints: tuple[Any, ...] = ()


def _fields(cls: type[Any]) -> list[_Field] | None:
    """None if the class declares no fields."""
    if dataclasses.is_dataclass(cls):
        hints = _hints(cls)
        return [_Field(field.name, hints[field.name], field.default) for field in dataclasses.fields(cls)]
    if typing.is_typeddict(cls):
        needed: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
        return [_Field(name, hint, optional=name not in needed) for name, hint in _hints(cls).items()]
    if isinstance(model := getattr(cls, "model_fields", None), Mapping):  # pydantic
        return [_of_pydantic(name, field) for name, field in model.items()]
    if isinstance(attributes := getattr(cls, "__attrs_attrs__", None), tuple):  # attrs
        hints = _hints(cls)
        return [_Field(one.name, hints.get(one.name, Any), one.default) for one in attributes]
    return None


def _hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception as error:
        raise Unsupported(f"the annotations of {cls.__qualname__} cannot be read: {error}; name types that this module has") from error


def _of_pydantic(name: str, field: Any) -> _Field:
    # A model is sent with the names of its fields.
    return _Field(name, field.annotation, field.default, doc=field.description, constraints=tuple(field.metadata))


def _text(cls: type[Any]) -> str:
    name = getattr(cls, "__linkspan_schema__", None) or _name(cls)
    lines = [f"name = {toml(name)}"]
    if doc := _doc(cls):
        lines.append(f"doc = {toml(doc)}")
    lines += ["", "[fields]"]
    lines += [f"{_key(key)} = {toml(keys)}" for key, keys in _record(cls, (cls,)).items()]
    return "\n".join(lines) + "\n"


def _name(cls: type[Any]) -> str:
    """Returns the name in snake case: `PowerReading` becomes `power_reading`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__)
    return re.sub(r"\W", "_", words.lower(), flags=re.ASCII).lstrip("_0123456789") or "record"


def _doc(cls: type[Any]) -> str | None:
    """Returns the first line of the class's docstring, except of a dataclass's generated docstring."""
    doc = (vars(cls).get("__doc__") or "").strip()
    return None if not doc or doc.startswith(f"{cls.__name__}(") else doc.splitlines()[0]


def _record(cls: type[Any], within: tuple[type[Any], ...]) -> dict[str, _Keys]:
    if len(within) > _DEEPEST:
        raise Unsupported(f"records of {cls.__qualname__} are nested more than {_DEEPEST} levels deep")
    return {_sent_as(cls, field.name): _described(cls, field, within) for field in _fields(cls) or []}


def _sent_as(cls: type[Any], name: str) -> str:
    """The key of a field, which generated classes define."""
    for attribute, key, _ in getattr(cls, "__linkspan_fields__", ()):
        if attribute == name:
            return str(key)
    return name


def _described(cls: type[Any], field: _Field, within: tuple[type[Any], ...]) -> _Keys:
    where = f"{cls.__qualname__}.{field.name}"
    annotation, is_optional = _without_none(field.annotation, where)
    keys = _type(annotation, where, within)
    for constraint in field.constraints:
        _constrain(keys, constraint)
    _whole(keys, where)
    if field.optional or is_optional:
        keys["optional"] = True
    default = field.default.value if isinstance(field.default, enum.Enum) else field.default
    if isinstance(default, bool | int | float | str) and not (isinstance(default, float) and not math.isfinite(default)):
        if keys["type"] == "any":
            # The notation lacks a default for `any`, and has only `optional`.
            keys["optional"] = True
        else:
            keys["default"] = default
    if field.doc:
        keys["doc"] = field.doc
    return _checked(keys, where, Unsupported)


def _checked(keys: _Keys, where: str, refusal: type[Error]) -> _Keys:
    if (problem := schema_problem(f'name = "field"\n\n[fields]\nfield = {toml(keys)}\n')) is not None:
        raise refusal(f"{where}: {_POSITION.sub('', problem)}")
    return keys


#: The position in the generated text, which means nothing to the user.
_POSITION = re.compile(r"schema:\d+:\d+: (fields\.)?(field: )?")


def _without_none(annotation: Any, where: str) -> tuple[Any, bool]:
    """Returns an annotation without `None` and TypedDict marks, and whether it had one."""
    origin, of = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Required, typing.NotRequired):
        inner, is_optional = _without_none(of[0], where)
        return inner, is_optional or origin is typing.NotRequired
    if origin is typing.Annotated:
        inner, is_optional = _without_none(of[0], where)
        return typing.Annotated[(inner, *of[1:])], is_optional
    if origin in (typing.Union, types.UnionType):
        others = [one for one in of if one is not type(None)]
        if len(others) == 1:
            return others[0], len(others) < len(of)
        if set(others) == {int, float}:
            return float, len(others) < len(of)
        raise Unsupported(f"{where}: a union of {len(others)} types has no form in a schema: give one type, or Any")
    return annotation, False


def _type(annotation: Any, where: str, within: tuple[type[Any], ...]) -> _Keys:
    origin, of = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        keys = _type(of[0], where, within)
        for constraint in of[1:]:
            _constrain(keys, constraint)
        return keys
    if annotation in _PLAIN if isinstance(annotation, collections.abc.Hashable) else False:
        return {"type": _PLAIN[annotation]}
    if origin is typing.Literal and all(isinstance(value, str) for value in of):
        return {"type": "enum", "values": list(of)}
    if origin in _LISTS or annotation in _LISTS:
        items = [one for one in of if one is not Ellipsis]
        if len(items) > 1:
            raise Unsupported(f"{where}: a tuple of several types has no form in a schema: give list[T] or tuple[T, ...]")
        return {"type": "list", "of": _inner(items[0] if items else Any, where, within)}
    if origin in _MAPS or annotation in _MAPS:
        if of and of[0] is not str:
            raise Unsupported(f"{where}: the keys of a map are text: give dict[str, T]")
        return {"type": "map", "of": _inner(of[1] if of else Any, where, within)}
    if (array := _array(origin or annotation, of)) is not None:
        return array
    if isinstance(annotation, type):
        if annotation.__module__ == "numpy" and annotation.__name__ in _WIDTHS:
            return {"type": _WIDTHS[annotation.__name__]}
        if issubclass(annotation, enum.Enum):
            return _enum(annotation, where)
        if annotation in within:
            raise Unsupported(f"{where}: {annotation.__qualname__} contains itself, which a schema cannot describe: give Any")
        if _fields(annotation) is not None:
            return {"type": "record", "fields": _record(annotation, (*within, annotation))}
    raise Unsupported(
        f"{where}: {shown(annotation)} has no form in a schema: give bool, int, float, str, bytes, datetime, UUID, Decimal, a list or dict of them, "
        "an array, an Enum, a class with fields, or Any"
    )


def _inner(annotation: Any, where: str, within: tuple[type[Any], ...]) -> _Keys:
    inner, is_optional = _without_none(annotation, where)
    if is_optional:
        raise Unsupported(f"{where}: items that may be None have no form in a schema: give Any for them")
    return _whole(_type(inner, where, within), where)


def _array(cls: Any, of: tuple[Any, ...]) -> _Keys | None:
    """`numpy.ndarray`, bare or with shape and dtype, as `numpy.typing.NDArray` writes it."""
    numpy = sys.modules.get("numpy")
    if numpy is None or cls is not getattr(numpy, "ndarray", None):
        return None
    dtype = typing.get_args(of[1])[0] if len(of) > 1 and typing.get_args(of[1]) else None
    name = getattr(dtype, "__name__", "")
    return {"type": "ndarray", "dtype": _DTYPES[name]} if name in _DTYPES else {"type": "ndarray"}


def _whole(keys: _Keys, where: str) -> _Keys:
    if None in keys.get("range", ()):
        least, most = _INTEGERS.get(keys["type"], (None, None))
        ends = [least if keys["range"][0] is None else keys["range"][0], most if keys["range"][1] is None else keys["range"][1]]
        # A float with only one bound gets no range, because the notation lacks infinity.
        del keys["range"]
        if None not in ends:
            keys["range"] = ends
    if keys["type"] == "ndarray" and "dtype" not in keys:
        raise Unsupported(f"{where}: an array needs its element type: give numpy.typing.NDArray[numpy.float64], or the like")
    return keys


def _enum(cls: type[enum.Enum], where: str) -> _Keys:
    values = [member.value for member in cls]
    if values and all(isinstance(value, str) for value in values):
        return {"type": "enum", "values": values}
    if values and all(isinstance(value, int) for value in values):
        return {"type": "i64", "range": [min(values), max(values)]}
    raise Unsupported(f"{where}: the members of {cls.__qualname__} are neither all texts nor all integers")


def _constrain(keys: _Keys, constraint: Any) -> None:
    """Adds constraints of annotated-types, pydantic and `linkspan.generated.SchemaType`."""
    if type(constraint).__name__ == "SchemaType":
        keys.update(_said(constraint))
        return
    if isinstance(unit := getattr(constraint, "unit", None), str):
        keys["unit"] = unit
    least, most = getattr(constraint, "ge", None), getattr(constraint, "le", None)
    if least is None and most is None or keys["type"] not in ("i64", "f64", *_WIDTHS.values()):
        return
    # The two bounds of a range may be separate constraints.
    before = keys.setdefault("range", [None, None])
    keys["range"] = [before[0] if least is None else least, before[1] if most is None else most]


def _said(constraint: Any) -> Iterator[tuple[str, Any]]:
    for name in ("type", "unit", "range", "max_length", "shape", "dtype", "order", "alias", "doc"):
        value = getattr(constraint, name, None)
        if value not in (None, (), ""):
            yield name, list(value) if isinstance(value, tuple) else value


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)


def toml(value: Any) -> str:
    """Returns a value as TOML, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    # TOML and JSON write texts, numbers and bools alike.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
