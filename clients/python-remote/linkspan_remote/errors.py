"""The exceptions of `linkspan`, with the same names, numbers and built-in base classes."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Optional, Type

from .limits import TEXT

#: The number of each kind, and whether a retry can succeed.
_TABLE = {
    "TransportUnavailable": (100, False),
    "Disconnected": (102, True),
    "NotFound": (103, True),
    "Missing": (104, False),
    "AddressInUse": (105, False),
    "InvalidState": (106, False),
    "InvalidEndpoint": (107, False),
    "OutOfMemory": (108, True),
    "WrongType": (109, False),
    "Timeout": (110, True),
    "Full": (111, True),
    "Empty": (112, True),
    "PermissionDenied": (113, False),
    "TooLarge": (114, False),
    "Malformed": (115, False),
    "Unsupported": (116, False),
    "SchemaMismatch": (117, False),
    "VersionMismatch": (118, False),
    "Cancelled": (119, False),
    "Interrupted": (120, False),
    "Stalled": (121, True),
    "Remote": (122, False),
    "OutOfRange": (123, False),
    "NoSpace": (124, True),
    "Lagged": (125, True),
    "Corrupt": (126, False),
    "Internal": (127, False),
}


class Error(Exception):
    """The exception of every failing call. Its text names the failed call, its object, and the remedy."""

    #: The kind's number in the table: 100 to 127.
    code: ClassVar[int] = 0
    #: The kind's name, equal in every language.
    kind: ClassVar[str] = ""
    #: Whether a retry can succeed, without the risk of doing it twice.
    retryable: bool = False
    #: The name that the call was about.
    endpoint: Optional[str] = None
    #: The path of the faulty value: keys and zero-based positions joined by `/`; for an argument, its name.
    path: Optional[str] = None
    #: The position in the bytes, from zero.
    offset: Optional[int] = None
    #: The number of messages that a subscriber missed; None with `Lagged` if it is unknown.
    missed: Optional[int] = None
    #: The number of messages that `send_many` sent before the error.
    sent: Optional[int] = None
    #: Whether the text begins with the path.
    _placed = False

    def __init__(self, *words: Any, path: Optional[str] = None, offset: Optional[int] = None) -> None:
        super().__init__(*words)
        if path is not None:
            self.path = path
        if offset is not None:
            self.offset = offset

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A program's subclass keeps the values of its base.
        if cls.__module__ == __name__:
            cls.kind = cls.__name__
            cls.code, cls.retryable = _TABLE[cls.__name__]


class TransportUnavailable(Error): ...


class Disconnected(Error, ConnectionError): ...


class NotFound(Error, ConnectionError, FileNotFoundError): ...


class Missing(Error, KeyError):
    # KeyError's text is the repr of the key.
    __str__ = Exception.__str__


class AddressInUse(Error): ...


class InvalidState(Error): ...


class InvalidEndpoint(Error, ValueError): ...


class OutOfMemory(Error): ...


class WrongType(Error, TypeError): ...


class Timeout(Error, TimeoutError): ...


class Full(Error): ...


class Empty(Error): ...


class PermissionDenied(Error, PermissionError): ...


class TooLarge(Error): ...


class Malformed(Error, ValueError): ...


class Unsupported(Error): ...


class SchemaMismatch(Error): ...


class VersionMismatch(Error): ...


class Cancelled(Error): ...


class Interrupted(Error): ...


class Stalled(Error, ConnectionError): ...


class Remote(Error):
    #: The handler's code, or a JSON-RPC code: by default the code of an internal error.
    remote_code: int = -32603
    #: A dotted type, or the name of the handler's exception.
    remote_type: Optional[str] = None
    #: The handler's text.
    remote_text: str = ""
    #: The handler's data.
    data: Any = None


class OutOfRange(Error, ValueError): ...


class NoSpace(Error, OSError): ...


class Lagged(Error): ...


class Corrupt(Error): ...


class Internal(Error): ...


KINDS: Dict[str, Type[Error]] = {kind.__name__: kind for kind in Error.__subclasses__()}


def of_frame(frame: Dict[str, Any], endpoint: Optional[str] = None) -> Error:
    """Returns the exception for a frame `error`, or for the map `error` of another frame."""
    text = (frame.get("text") or "the gateway gave no reason")[:TEXT]
    path = frame.get("path")
    if path and not text.endswith(f"at path {path}"):
        text += f", at path {path[:TEXT]}"
    error = KINDS.get(frame.get("kind", ""), Internal)(text, path=path)
    error.retryable = frame.get("retry", error.retryable)
    error.endpoint = endpoint
    failure = frame.get("failure")
    if isinstance(error, Remote) and failure is not None:
        error.remote_code = failure.get("code", error.remote_code)
        error.remote_type = failure.get("kind") or None
        error.remote_text = failure.get("text") or ""
        error.data = failure.get("data")
    return error


def shown(given: object) -> str:
    """Returns a short text of an argument, whose repr may fail."""
    try:
        text = " ".join(repr(given).split())
    except Exception:
        text = object.__repr__(given)
    return text if len(text) <= 80 else f"{text[:79]}…"


__all__ = ["Error", *KINDS]
