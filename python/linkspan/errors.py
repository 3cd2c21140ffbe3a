"""The exceptions of Linkspan: one class for each kind in the core's error table.

All derive from `linkspan.Error`, and some from a built-in exception: `except TimeoutError:` works.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from ._native import error_table
from .words import shown

_TABLE = {name: (code, retryable, f"{code}: {meaning}. {remedy}") for code, name, retryable, meaning, remedy in error_table()}


class Error(Exception):
    """The base of all exceptions. The text says what failed, on what, and what to do."""

    #: The kind's number in the table: 100 to 127.
    code: ClassVar[int] = 0
    #: The kind's name, equal in every language.
    kind: ClassVar[str] = ""
    #: Whether a repeated call can succeed without a change to the program, and without acting twice. An unanswered
    #: request is retryable only if it is idempotent.
    retryable: bool = False
    #: The endpoint that the call was about.
    endpoint: str | None = None
    #: The path in the value: keys and zero-based positions joined by `/`.
    path: str | None = None
    #: The zero-based byte offset.
    offset: int | None = None
    #: The number of messages that a subscriber missed.
    missed: int | None = None
    #: The number of messages that `send_many` sent before the error.
    sent: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A program's subclass keeps the values of its base.
        if cls.__module__ == __name__:
            cls.kind = cls.__name__
            cls.code, cls.retryable, cls.__doc__ = _TABLE[cls.__name__]


class TransportUnavailable(Error): ...


class Disconnected(Error, ConnectionError): ...


class NotFound(Error, ConnectionError, FileNotFoundError): ...


class Missing(Error, KeyError):
    # KeyError's text would be the repr of the key.
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
    #: The handler's code, or a code of JSON-RPC; by default its internal error.
    remote_code: int = -32603
    #: A dotted type, or the name of the exception that the handler raised.
    remote_type: str | None = None
    #: The handler's unchanged text. The text of the error escapes its control characters.
    remote_text: str = ""
    #: The handler's data for the program.
    data: Any = None


class OutOfRange(Error, ValueError): ...


class NoSpace(Error, OSError): ...


class Lagged(Error): ...


class Corrupt(Error): ...


class Internal(Error): ...


_Kind = TypeVar("_Kind", bound=Error)


def refused(kind: type[_Kind], name: str, given: object, give: str) -> _Kind:
    error = kind(f"{name}={shown(given)}: give {give}")
    error.path = name
    return error


# Written out for type checkers; a test compares it with the table.
__all__ = [
    "Error",
    "TransportUnavailable",
    "Disconnected",
    "NotFound",
    "Missing",
    "AddressInUse",
    "InvalidState",
    "InvalidEndpoint",
    "OutOfMemory",
    "WrongType",
    "Timeout",
    "Full",
    "Empty",
    "PermissionDenied",
    "TooLarge",
    "Malformed",
    "Unsupported",
    "SchemaMismatch",
    "VersionMismatch",
    "Cancelled",
    "Interrupted",
    "Stalled",
    "Remote",
    "OutOfRange",
    "NoSpace",
    "Lagged",
    "Corrupt",
    "Internal",
]
