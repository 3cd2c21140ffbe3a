"""The frames of a gateway. The type of each field is checked before any use."""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

from . import cbor
from .errors import Malformed
from .timestamp import Timestamp

_Check = Callable[[Any], bool]

_MOST = 2**53


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _map(value: Any) -> bool:
    return isinstance(value, dict)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _number(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MOST


def _error(value: Any) -> bool:
    return _map(value) and _fits(value, _ERROR) is None


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _fingerprint(value: Any) -> bool:
    return _text(value) and len(value) <= 64


def _any(_value: Any) -> bool:
    return True


#: The fields of an error. `None` stands for a missing field.
_ERROR: Dict[str, Tuple[bool, _Check]] = {
    "kind": (True, _text),
    "text": (False, _text),
    "retry": (False, lambda value: isinstance(value, bool)),
    "path": (False, _text),
    "failure": (False, lambda value: _map(value) and _fits(value, _FAILURE) is None),
}
_FAILURE: Dict[str, Tuple[bool, _Check]] = {
    "code": (False, lambda value: type(value) is int),
    "kind": (False, _text),
    "text": (False, _text),
}
_OF_A_NAME: Dict[str, Tuple[bool, _Check]] = {"name": (True, _text)}
#: Each frame: its fields, whether each is required, and its check.
_FRAMES: Dict[str, Dict[str, Tuple[bool, _Check]]] = {
    "welcome": {"version": (True, _any), "machine": (False, _text), "rights": (False, _map), "limits": (False, _map)},
    "message": {**_OF_A_NAME, "number": (True, _number), "time": (False, lambda value: isinstance(value, Timestamp)), "passed": (False, _count),
                "schema": (False, _fingerprint), "error": (False, _error)},
    "lagged": {**_OF_A_NAME, "missed": (True, _count)},
    "joined": {**_OF_A_NAME, "incarnation": (True, _fingerprint)},
    "ended": _OF_A_NAME,
    "closed": {"error": (False, _error)},
    "reply": {"number": (False, _count), "time": (False, lambda value: isinstance(value, Timestamp))},
    "names": {"names": (True, _named), "gone": (False, _texts)},
    "error": _ERROR,
    "ack": {"number": (True, _count)},
    "request": {"call": (True, _count), "wants_reply": (False, lambda value: isinstance(value, bool))},
    "pong": {},
}


def _fits(frame: Dict[str, Any], fields: Dict[str, Tuple[bool, _Check]]) -> Any:
    """Returns the name of the first missing or invalid field; None if all are valid."""
    for name, (is_needed, check) in fields.items():
        value = frame.get(name)
        if (is_needed if value is None else not check(value)):
            return name
    return None


class Frame(Dict[str, Any]):
    """A frame with valid fields."""

    #: Memory cost in bytes.
    cost = 0


def received(data: Any, longest: int) -> Frame:
    """Decodes and checks a frame; raises `Malformed` or `TooLarge`."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise Malformed("a frame of text; frames of this protocol are bytes")
    value, cost = cbor.decode_frame(data, longest)
    if not isinstance(value, dict):
        raise Malformed("a frame is a map with its type")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise Malformed("a frame has its type as text")
    wrong = _fits(value, _FRAMES.get(kind, {}))
    if wrong is not None:
        raise Malformed(f"a frame {kind[:64]} of the gateway has no right {wrong}")
    # Dictionaries treat True and 1.0 as the key 1.
    if value.get("id") is not None and not _count(value["id"]):
        raise Malformed(f"a frame {kind[:64]} of the gateway has no right id")
    frame = Frame(value)
    frame.cost = cost
    return frame
