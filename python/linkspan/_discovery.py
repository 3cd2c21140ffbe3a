"""Finds the public members of an object, with their types from annotations and docstrings."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ._documented import Documented, Said, documented
from ._members import ARGUMENTS, BETWEEN, KEYWORDS, LONGEST, Keys, Members, Method, Property, has_none, word_of
from .errors import OutOfRange, TooLarge, Unsupported, WrongType
from .schemas import keys_of
from .words import shown

#: The types of attributes of an instance that are shared: data, in contrast to other objects.
_DATA = (bool, int, float, complex, str, bytes, list, tuple, dict, enum.Enum, type(None))
_NUMBERS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "decimal", "ndarray")
#: The types of a schema: the core reads no more.
_MOST = 4096
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class _Search:
    """What a search looks for, and the descriptions that it has made."""

    wanted: frozenset[str] | None
    #: Names of parts, whose members are shared instead.
    parts: frozenset[str]
    #: By class and attribute, since many parts have one class. A text is the reason why a member is left out.
    described: dict[tuple[type, str], Property | Method | str] = dataclasses.field(default_factory=dict)


def members_of(obj: Any, allow: Sequence[str] | None, parts: Sequence[str]) -> Members:
    """Finds the members of an object and its parts, without running any of its code but for the parts' properties."""
    if isinstance(obj, (type, types.ModuleType)) or inspect.isroutine(obj):
        raise WrongType(f"share shares an instance of a class, and not {shown(obj)}: give an object such as {getattr(obj, '__name__', 'Driver')}()")
    wanted = None if allow is None else frozenset(list_of_names("allow", allow))
    found = Members(doc=documented(type(obj).__doc__).text)
    inner = list(_parts(obj, parts))
    search = _Search(wanted, frozenset(path.replace(".", BETWEEN) for path in parts))
    for prefix, owner in [("", obj), *inner]:
        _add(found, prefix, owner, search)
        if len(found.properties) + len(found.methods) > _MOST:
            raise TooLarge(f"{type(obj).__qualname__} and its parts have more than {_MOST} members: narrow them by allow or parts")
    for name in wanted or ():
        if name not in found.properties and name not in found.methods:
            why = f": {found.left_out[name]}" if name in found.left_out else f" of {type(obj).__qualname__}"
            raise WrongType(f"allow has {shown(name)}, which is no public member{why}")
    return found


def list_of_names(option: str, given: object) -> list[str]:
    """Returns the names of an option. `WrongType` if they are not a list of texts."""
    if isinstance(given, str) or not isinstance(given, (Sequence, set, frozenset)) or not all(isinstance(name, str) for name in given):
        raise WrongType(f'{option}={shown(given)}: give a list of names, such as {option}=["voltage"]')
    return list(given)


def _parts(obj: Any, parts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for path in list_of_names("parts", parts):
        owner: Any = obj
        for name in path.split("."):
            if not _NAME.fullmatch(name):
                raise WrongType(f"parts has {shown(path)}: {shown(name)} is no public name")
            owner = getattr(owner, name)
        prefix = path.replace(".", BETWEEN) + BETWEEN
        if isinstance(owner, Mapping):
            words = {key: word_of(key) for key in owner}
            for key, word in words.items():
                if not isinstance(key, (str, int)) or list(words.values()).count(word) > 1:
                    raise WrongType(f"parts has {shown(path)}, whose key {shown(key)} has no name of its own: share that part by itself")
                yield f"{prefix}{word}{BETWEEN}", owner[key]
        elif isinstance(owner, (list, tuple)):
            yield from ((f"{prefix}{at}{BETWEEN}", one) for at, one in enumerate(owner))
        else:
            yield prefix, owner


def _add(found: Members, prefix: str, owner: Any, search: _Search) -> None:
    cls = type(owner)
    hints = _hints(cls)
    static: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is not object:
            static.update(vars(base))
    data = dict(getattr(owner, "__dict__", None) or {})
    for attribute in [*static, *(name for name in data if name not in static)]:
        if attribute.startswith("_") or not isinstance(attribute, str):
            continue
        name = prefix + attribute
        if name in search.parts or search.wanted is not None and name not in search.wanted:
            continue
        if not _NAME.fullmatch(attribute) or BETWEEN in attribute:
            found.left_out[name] = "names consist of letters, digits and single underscores"
            continue
        if len(name) > LONGEST:
            found.left_out[name] = f"names have at most {LONGEST} characters"
            continue
        what = static.get(attribute)
        if attribute in data and not hasattr(type(what), "__set__"):
            if isinstance(data[attribute], _DATA) or _is_array(data[attribute]):
                found.properties[name] = _property(owner, attribute, hints.get(attribute), Documented(), readable=True, writable=True)
            else:
                found.left_out[name] = f"a {type(data[attribute]).__qualname__} is neither data nor a method; give it in parts"
            continue
        if (cls, attribute) not in search.described:
            search.described[cls, attribute] = _of_class(owner, attribute, what, hints)
        member = search.described[cls, attribute]
        if isinstance(member, Property):
            found.properties[name] = dataclasses.replace(member, owner=owner)
        elif isinstance(member, Method):
            found.methods[name] = dataclasses.replace(member, owner=owner)
        else:
            found.left_out[name] = member


def _of_class(owner: Any, attribute: str, what: Any, hints: dict[str, Any]) -> Property | Method | str:
    """Describes an attribute of a class, or returns the reason why it is left out."""
    if isinstance(what, property):
        annotation = _hints(what.fget).get("return") if what.fget is not None else None
        return _property(owner, attribute, annotation, documented(what.__doc__), readable=what.fget is not None, writable=what.fset is not None, setter=what.fset)
    if isinstance(what, functools.cached_property):
        return _property(owner, attribute, _hints(what.func).get("return"), documented(what.__doc__), readable=True, writable=False)
    if isinstance(what, (staticmethod, classmethod)) or inspect.isroutine(what):
        return _method(owner, attribute, what)
    if hasattr(type(what), "__set__"):  # a slot, or a descriptor of the class
        return _property(owner, attribute, hints.get(attribute), documented(getattr(what, "__doc__", None)), readable=True, writable=True)
    if isinstance(what, _DATA):
        return _property(owner, attribute, hints.get(attribute), Documented(), readable=True, writable=attribute in hints)
    return f"a {type(what).__qualname__} of the class is neither data nor a method"


def _property(owner: Any, attribute: str, annotation: Any, doc: Documented, *, readable: bool, writable: bool, setter: Any = None) -> Property:
    where = f"{type(owner).__qualname__}.{attribute}"
    keys = _described(annotation, where, doc.value)
    given, of_setter = keys, annotation
    if setter is not None:
        named = [one for one in _hints(setter).items() if one[0] != "return"]
        if named:
            of_setter = named[0][1]
            given = _described(of_setter, where, doc.value)
    # Neither a union nor a required field can be null: a value that may be None has any type.
    return Property(owner, attribute, doc.text, readable, writable, keys, _unless_none(given, of_setter), _converter(of_setter))


def _method(owner: Any, attribute: str, what: Any) -> Method | str:
    function = inspect.unwrap(getattr(what, "__func__", what))
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return "a coroutine or generator has no answer: share a method that returns a value"
    doc, hints = documented(getattr(function, "__doc__", None)), _hints(function)
    parameters: dict[str, inspect.Parameter] = {}
    fields: dict[str, Keys] = {}
    converts: dict[str, Callable[[Any], Any]] = {}
    try:
        signature = inspect.signature(what.__get__(owner, type(owner)))
    except (TypeError, ValueError):  # of an extension that tells none
        signature = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL), inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            fields[ARGUMENTS] = {"type": "list", "of": "any", "optional": True}
        elif parameter.kind is parameter.VAR_KEYWORD:
            fields[KEYWORDS] = {"type": "map", "of": "any", "optional": True}
        elif parameter.name in (ARGUMENTS, KEYWORDS) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", parameter.name) or len(parameter.name) > LONGEST:
            return f"its argument {parameter.name!r} has no name in a schema"
        else:
            annotation = hints.get(parameter.name)
            said = doc.parameters.get(parameter.name, Said())
            keys = _described(annotation, f"{type(owner).__qualname__}.{attribute}({parameter.name})", said)
            is_needed = parameter.default is parameter.empty
            parameters[parameter.name] = parameter.replace(annotation=parameter.empty if annotation is None else annotation)
            fields[parameter.name] = _unless_none(keys, annotation) if is_needed else {**keys, "optional": True}
            converts[parameter.name] = _converter(annotation)
    returns = hints.get("return", inspect.Signature.empty)
    keys = _described(None if returns is inspect.Signature.empty else returns, f"{type(owner).__qualname__}.{attribute}", doc.value)
    # Annotations that are text show their quotes.
    shape = f"{attribute}{signature}".replace("'", "")
    return Method(owner, attribute, doc.text, shape, parameters, fields, {name: said.doc for name, said in doc.parameters.items()}, converts, None if returns is type(None) else keys)


def _described(annotation: Any, where: str, said: Said) -> Keys:
    """Returns the type of a value, from its annotation or else its docstring; `any` if no schema can express it."""
    keys: Keys = {"type": said.type or "any"}
    if annotation is not None:
        try:
            keys = keys_of(annotation, where)
        except Unsupported:
            keys = {"type": "any"}
    if said.unit is not None and keys["type"] in _NUMBERS:
        keys.setdefault("unit", said.unit)
    return keys


def _unless_none(keys: Keys, annotation: Any) -> Keys:
    return {"type": "any"} if has_none(annotation) else keys


def _converter(annotation: Any) -> Callable[[Any], Any]:
    """Returns a function that converts a received value to the annotated type: enum members, tuples, dataclasses."""
    for one in [annotation, *typing.get_args(annotation)]:
        if one is tuple or typing.get_origin(one) is tuple:
            return lambda value: tuple(value) if isinstance(value, list) else value
        if isinstance(one, type) and issubclass(one, enum.Enum):
            return functools.partial(_member, one)
        if isinstance(one, type) and dataclasses.is_dataclass(one):
            return functools.partial(_record, one)
    return lambda value: value


def _member(cls: type[enum.Enum], value: Any) -> Any:
    try:
        return cls(value)
    except ValueError:
        raise OutOfRange(f"one of {', '.join(str(one.value) for one in cls)} is expected, {shown(value)} was found") from None


def _record(cls: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    hints = _hints(cls)
    return cls(**{name: _converter(hints.get(name))(one) for name, one in value.items()})


def _hints(what: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(what, include_extras=True)
    except Exception:  # an annotation that only a type checker resolves
        return {}


def _is_array(value: Any) -> bool:
    return hasattr(type(value), "__array__")
