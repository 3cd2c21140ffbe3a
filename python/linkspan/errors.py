"""The exceptions of Linkspan: one class for each kind of error, named and numbered by the core's one table.

All are `linkspan.Error`. Those that Python has a built-in exception for are that too, so that
`except TimeoutError:` and `except linkspan.Timeout:` both work.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from ._native import error_table
from .words import shown

_TABLE = {name: (code, retryable, f"{code}: {meaning}. {remedy}") for code, name, retryable, meaning, remedy in error_table()}


class Error(Exception):
    """The exception of every failing call of Linkspan: its text states what was tried, on what, and what to do."""

    #: The kind's number in the table: 100 to 127.
    code: ClassVar[int] = 0
    #: The kind's name, the same in every language.
    kind: ClassVar[str] = ""
    #: Whether trying the same call again can succeed without a change to the program, and without doing twice what may have
    #: been done: a request that was sent and not answered is not retryable, unless it is idempotent.
    retryable: bool = False
    #: The endpoint that the call was about.
    endpoint: str | None = None
    #: Where in the value: keys and zero-based positions joined by `/`.
    path: str | None = None
    #: Where in the bytes, counted from zero.
    offset: int | None = None
    #: How many messages a subscriber missed.
    missed: int | None = None
    #: How many messages of a batch were sent before the error, for `send_many`.
    sent: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A subclass in a program keeps the values of its base.
        if cls.__module__ == __name__:
            cls.kind = cls.__name__
            cls.code, cls.retryable, cls.__doc__ = _TABLE[cls.__name__]


class TransportUnavailable(Error): ...


class Disconnected(Error, ConnectionError): ...


class NotFound(Error, ConnectionError, FileNotFoundError): ...


class Missing(Error, KeyError):
    # KeyError's own text is the repr of the key.
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
    #: The handler's own code, or one of JSON-RPC's: by default that of an internal error.
    remote_code: int = -32603
    #: A dotted type, or the name of the exception that the handler raised.
    remote_type: str | None = None
    #: The handler's text as it was sent: the text of the error shows it with control characters escaped.
    remote_text: str = ""
    #: Data for the program, as the handler gave it.
    data: Any = None


class OutOfRange(Error, ValueError): ...


class NoSpace(Error, OSError): ...


class Lagged(Error): ...


class Corrupt(Error): ...


class Internal(Error): ...


_Kind = TypeVar("_Kind", bound=Error)


def refused(kind: type[_Kind], name: str, given: object, give: str) -> _Kind:
    """The error for an argument: what came, and what to give instead."""
    error = kind(f"{name}={shown(given)}: give {give}")
    error.path = name
    return error


# Written out for type checkers; a test compares them with the table.
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
