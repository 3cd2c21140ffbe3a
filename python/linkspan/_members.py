"""Shared members of an object: reading, setting and calling them, and their schema."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from .errors import Missing, WrongType
from .schemas import toml
from .words import shown

Keys = dict[str, Any]

ARGUMENTS, KEYWORDS, HELP = "_args", "_kwargs", "_help"
"""Fields for further arguments, further keywords, and documentation. Public members never begin with `_`."""

BETWEEN = "__"
"""Joins the name of a part and the name of its member."""

LONGEST = 63
"""Characters of a name in a schema."""

#: Bytes of a schema.
_LONGEST_TEXT = 256 * 1024
_NAMED: Keys = {"type": "text", "max_length": LONGEST}


@dataclasses.dataclass(frozen=True)
class Property:
    """A property of an object or one of its parts."""

    owner: Any
    attribute: str
    doc: str
    readable: bool
    writable: bool
    keys: Keys
    given: Keys
    convert: Callable[[Any], Any]

    def get(self) -> Any:
        return getattr(self.owner, self.attribute)

    def set(self, value: Any) -> None:
        setattr(self.owner, self.attribute, self.convert(value))


@dataclasses.dataclass(frozen=True)
class Method:
    """A method of an object or one of its parts."""

    owner: Any
    attribute: str
    doc: str
    signature: str
    parameters: dict[str, inspect.Parameter]
    fields: dict[str, Keys]
    docs: dict[str, str]
    converts: dict[str, Callable[[Any], Any]]
    returns: Keys | None

    def arguments(self, doc: Callable[[str], Keys]) -> Keys:
        """Returns the type of a request's arguments. The notation has no record without fields."""
        if not self.fields:
            return {"type": "map", "of": "any"}
        return {"type": "record", "fields": {name: {**keys, **doc(self.docs.get(name, ""))} for name, keys in self.fields.items()}}

    def call(self, given: dict[str, Any]) -> Any:
        """Calls it with arguments by name. A null stands for an absent argument if the type excludes None."""
        given = dict(given)
        further, keywords = given.pop(ARGUMENTS, None) or [], given.pop(KEYWORDS, None) or {}
        # The core admits unknown fields, for newer clients. A call would drop the argument silently.
        for name in given.keys() - self.parameters.keys():
            raise WrongType(f"{self.signature} has no argument {shown(name)}")
        positional: list[Any] = []
        named: dict[str, Any] = {}
        by_position = True
        for name, parameter in self.parameters.items():
            if name not in given or given[name] is None and not takes_none(parameter):
                if parameter.default is parameter.empty:
                    raise Missing(f"the argument {name!r} is missing")
                by_position = False
                continue
            value = self.converts[name](given[name])
            if parameter.kind is parameter.KEYWORD_ONLY or not by_position:
                if parameter.kind is parameter.POSITIONAL_ONLY:
                    raise Missing(f"an argument before {name!r} is missing, and {name!r} has only a position")
                named[name] = value
            else:
                positional.append(value)
        if further and not by_position:
            raise Missing(f"{ARGUMENTS} are given, and an argument before them is missing")
        for name in keywords:
            if name in self.parameters:
                raise WrongType(f"{KEYWORDS} has {name!r}, which is an argument of its own")
        return getattr(self.owner, self.attribute)(*positional, *further, **named, **keywords)


@dataclasses.dataclass
class Members:
    """All shared members by name, and the reasons for members that are left out."""

    properties: dict[str, Property] = dataclasses.field(default_factory=dict)
    methods: dict[str, Method] = dataclasses.field(default_factory=dict)
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)
    doc: str = ""

    def schemas(self, name: str) -> tuple[str, str]:
        """Returns the schemas of requests and of replies, as text of the notation.

        They have no descriptions if they would be too long with them."""
        texts = self._requests(name, doc_of), self._replies(name, doc_of)
        if any(len(text.encode()) > _LONGEST_TEXT for text in texts):
            texts = self._requests(name, lambda _: {}), self._replies(name, lambda _: {})
        return texts

    def _requests(self, name: str, doc: Callable[[str], Keys]) -> str:
        variants: dict[str, Keys] = {}
        if any(one.readable for one in self.properties.values()):
            # An enum would give a type that generated C also calls `NAME_get`.
            variants["get"] = {**_NAMED, "doc": "Reads a property, which is a field of the reply"}
        if writable := {name: {**one.given, **doc(one.doc)} for name, one in self.properties.items() if one.writable}:
            variants["set"] = {"type": "union", "variants": writable, "doc": "Sets a property"}
        if self.methods:
            methods = {name: {**one.arguments(doc), **doc(one.doc)} for name, one in self.methods.items()}
            variants["call"] = {"type": "union", "variants": methods, "doc": "Calls a method with its arguments"}
        variants["help"] = {**_NAMED, "doc": "Asks for the documentation of a member, or of the object by an empty name"}
        head = f"name = {toml(name)}\n" + _lines(doc_of(self.doc))
        return f'{head}type = "union"\n\n[variants]\n{_lines(variants)}'

    def _replies(self, name: str, doc: Callable[[str], Keys]) -> str:
        fields = {name: {**one.keys, "optional": True, **doc(one.doc)} for name, one in self.properties.items() if one.readable}
        fields |= {name: {**one.returns, "optional": True} for name, one in self.methods.items() if one.returns is not None}
        fields[HELP] = {"type": "text", "optional": True}
        return f"name = {toml(name + '.reply')}\n\n[fields]\n{_lines(fields)}"

    def readable(self, name: str) -> Property:
        """Returns a property of this name. `Missing` without a readable one."""
        if name not in self.properties or not self.properties[name].readable:
            raise Missing(f"no property is called {shown(name)} that can be read: {{'help': ''}} lists all members")
        return self.properties[name]

    def help(self, name: str) -> str:
        """Returns the documentation of a member; for an empty name a list of all members."""
        docs = {one: member.doc for one, member in self.properties.items()} | {one: f"{member.signature}\n\n{member.doc}".strip() for one, member in self.methods.items()}
        if name == "":
            return "\n".join([self.doc.strip(), *(f"{one}: {_summary(doc)}".rstrip(": ") for one, doc in sorted(docs.items()))]).strip()
        if name not in docs:
            raise Missing(f"no member is called {shown(name)}")
        return docs[name]


def word_of(key: object) -> str:
    """Returns the key of a part in names: `HTR["MB0.H1"]` has members such as `HTR__MB0_H1__power`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", str(key))


def has_none(annotation: Any) -> bool:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return type(None) in typing.get_args(annotation) and typing.get_origin(annotation) in (typing.Union, types.UnionType)


def takes_none(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (parameter.empty, Any, object) or parameter.default is None or has_none(parameter.annotation)


def doc_of(text: str) -> Keys:
    summary = _summary(text)
    return {"doc": summary} if summary else {}


def _summary(text: str) -> str:
    return " ".join(text.strip().split("\n\n", 1)[0].split())[:500]


def _lines(fields: dict[str, Any]) -> str:
    return "".join(f"{name} = {toml(keys)}\n" for name, keys in fields.items())
