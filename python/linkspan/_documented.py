"""What docstrings say of members: summaries, types and units, in the forms of Sphinx, Google and NumPy."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

from ._native import schema_problem

_NAMES = {
    "bool": "bool", "boolean": "bool", "int": "i64", "integer": "i64", "float": "f64", "floating": "f64", "floating point": "f64",
    "number": "f64", "str": "text", "string": "text", "bytes": "bytes",
}  # fmt: skip
_UNITS = {
    "volt": "V", "amp": "A", "ampere": "A", "ohm": "Ohm", "watt": "W", "hertz": "Hz", "hz": "Hz", "kelvin": "K", "second": "s", "meter": "m",
    "metre": "m", "tesla": "T", "farad": "F", "henry": "H", "pascal": "Pa", "newton": "N", "joule": "J", "coulomb": "C", "percent": "%",
    "celsius": "Cel", "degrees celsius": "Cel", "degree": "deg", "radian": "rad", "millivolt": "mV", "millisecond": "ms",
}  # fmt: skip
#: A unit in brackets as in `[mV]`, or by its English name as in `in volts`.
_BRACKETS = re.compile(r"\[([A-Za-z%][A-Za-z0-9/.%*-]{0,15})\]")
_WORDS = re.compile(rf"\bin ({'|'.join(sorted(_UNITS, key=len, reverse=True))})(?:s|es)?\b", re.IGNORECASE)
#: A type as PyMeasure and others write it: `Control (float) the range`, `A float property`.
_PROPERTY = re.compile(r"^\W*\w+ \((float(?:ing(?: point)?)?|int(?:eger)?|bool(?:ean)?|str(?:ing)?)\)|^\W*An? (float|int|bool|str)(?:ing|eger|ean)? property\b")
_SPHINX = re.compile(r"^:(param|type|returns?|rtype)(?: ([^:]*?))?:[ \t]*(.*(?:\n[ \t]+.*)*)", re.M)
#: A line of Google's `Args:` or `Returns:`, and of NumPy's parameters.
_GOOGLE = re.compile(r"^[ \t]+\*{0,2}(\w+)[ \t]*(?:\(([^)]*)\))?:[ \t]*(.*)", re.M)
_NUMPY = re.compile(r"^(\w+)[ \t]*(?::[ \t]*([^\n]*))?\n((?:[ \t]+.*\n?)*)", re.M)
_SECTION = re.compile(r"^(?:(Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):[ \t]*$|(Parameters|Returns|Raises|Examples|Notes)\n-{3,}$)", re.M)


@dataclass(frozen=True)
class Said:
    """A type of the notation and a unit, as far as a text gives them."""

    type: str | None = None
    unit: str | None = None
    doc: str = ""


@dataclass(frozen=True)
class Documented:
    """A docstring, taken apart."""

    text: str = ""
    value: Said = Said()
    parameters: dict[str, Said] = field(default_factory=dict)


def documented(doc: object) -> Documented:
    """Takes a docstring apart. An unknown form gives only its text."""
    if not isinstance(doc, str) or not doc.strip():
        return Documented()
    text = inspect.cleandoc(doc)
    found: dict[str, tuple[str, str]] = {}
    for kind, argument, rest in _SPHINX.findall(text):
        *of, name = argument.split() or [""]
        before = found.get(name, ("", ""))
        if kind == "param":
            found[name] = (" ".join(of) or before[0], rest)
        elif kind == "type":
            found[name] = (rest, before[1])
        else:
            before = found.get("", ("", ""))
            found[""] = (rest, before[1]) if kind == "rtype" else (before[0], rest)
    found = {**_sections(text), **found}
    summary = re.split(r"(?<=[.;])\s|\n\s*\n|\n:", text, maxsplit=1)[0]
    of_property = _PROPERTY.search(summary)
    kind, said = found.pop("", ("", ""))
    kind = kind or (of_property[1] or of_property[2] if of_property else "")
    return Documented(text, _said(kind, said or summary), {name: _said(*one) for name, one in found.items()})


def _sections(text: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    heads = list(_SECTION.finditer(text))
    for head, after in zip(heads, [*heads[1:], None]):
        body = text[head.end() : after.start() if after else len(text)].lstrip("\n")
        if (title := head[1] or head[2]) in ("Args", "Arguments", "Parameters"):
            lines = (_GOOGLE if head[1] else _NUMPY).findall(body)
            found.update({name: (kind, said) for name, kind, said in lines})
        elif title == "Returns":
            kind, _, said = body.strip().partition(":" if head[1] else "\n")
            found[""] = (kind, said) if said else ("", kind)
    return found


def _said(kind: str, text: str) -> Said:
    first = re.split(r",| or | strictly", kind.strip().lower(), maxsplit=1)
    return Said(_NAMES.get(first[0].strip("`* ")) if len(first) == 1 or "optional" in first[1] or "default" in first[1] else None, unit_of(text), " ".join(text.split()))


def unit_of(text: str) -> str | None:
    """Returns the only unit that a text gives, in UCUM; None if it gives none or several."""
    units = {unit for unit in _BRACKETS.findall(text) if _is_unit(unit)}
    units = units or {_UNITS[word.lower()] for word in _WORDS.findall(text)}
    return units.pop() if len(units) == 1 else None


def _is_unit(unit: str) -> bool:
    return schema_problem(f'name = "unit"\ntype = "f64"\nunit = "{unit}"\n') is None
