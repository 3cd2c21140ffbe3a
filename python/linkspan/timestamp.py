"""Instants, exact to the nanosecond."""

from __future__ import annotations

import dataclasses
import operator
from datetime import datetime, timedelta, timezone
from typing import Any, overload

from ._native import clock, format_time, parse_time
from .errors import OutOfRange, Unsupported, WrongType, refused
from .forms import stand_in
from .words import shown

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LEAST, _MOST = -(2**63), 2**63 - 1


# The slot lets the native module make instances. `dataclasses.asdict` would take a dataclass apart.
class Timestamp:
    """An instant: nanoseconds since 1970-01-01T00:00:00Z, from 1677-09-21 to 2262-04-11.

    The difference of two is seconds as a float. Seconds or a `timedelta` may be added and subtracted.
    """

    __slots__ = ("nanoseconds",)
    __match_args__ = ("nanoseconds",)

    nanoseconds: int

    def __init__(self, nanoseconds: int) -> None:
        try:
            if isinstance(nanoseconds, bool):
                raise TypeError
            number = operator.index(nanoseconds)
        except TypeError:
            raise refused(WrongType, "nanoseconds", nanoseconds, _instead(nanoseconds)) from None
        if not _LEAST <= number <= _MOST:
            raise OutOfRange(f"{number} ns since 1970 do not fit a timestamp, which reaches from 1677-09-21 to 2262-04-11")
        object.__setattr__(self, "nanoseconds", number)

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return self.nanoseconds == other.nanoseconds if isinstance(other, Timestamp) else NotImplemented

    def __lt__(self, other: Timestamp) -> bool:
        return self.nanoseconds < other.nanoseconds if isinstance(other, Timestamp) else NotImplemented

    def __le__(self, other: Timestamp) -> bool:
        return self.nanoseconds <= other.nanoseconds if isinstance(other, Timestamp) else NotImplemented

    def __gt__(self, other: Timestamp) -> bool:
        return self.nanoseconds > other.nanoseconds if isinstance(other, Timestamp) else NotImplemented

    def __ge__(self, other: Timestamp) -> bool:
        return self.nanoseconds >= other.nanoseconds if isinstance(other, Timestamp) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.nanoseconds,))

    def __reduce__(self) -> tuple[type[Timestamp], tuple[int]]:
        return type(self), (self.nanoseconds,)

    @staticmethod
    def now() -> Timestamp:
        """Returns the time of the system clock."""
        return Timestamp(clock())

    @staticmethod
    def parse(text: str) -> Timestamp:
        """Parses RFC 3339, such as `2026-03-01T12:00:00.5Z`. `Malformed` for other text."""
        return Timestamp(parse_time(text))

    @staticmethod
    def from_datetime(when: datetime) -> Timestamp:
        """Converts a `datetime` with a time zone; a pandas `Timestamp` keeps its nanoseconds.

        `Unsupported` without a zone.
        """
        if not isinstance(when, datetime):
            raise refused(WrongType, "when", when, "a datetime with a time zone; Timestamp.from_datetime64 accepts one of NumPy")
        if when.utcoffset() is None:
            raise Unsupported("a datetime without a time zone names no instant: give it one, as when.astimezone() does")
        return Timestamp(_span(when - _EPOCH) + getattr(when, "nanosecond", 0))

    def to_datetime(self) -> datetime:
        """Returns the `datetime` in UTC, rounded down to microseconds."""
        return _EPOCH + timedelta(microseconds=self.nanoseconds // 1000)

    @staticmethod
    def from_datetime64(when: Any) -> Timestamp:
        """Converts a `numpy.datetime64`, which is UTC. `Unsupported` for NaT and units below nanoseconds."""
        found = stand_in(when)
        if not isinstance(found, Timestamp):
            raise Unsupported(f"{shown(when)} names no instant: give a numpy.datetime64 that is a time")
        return found

    def to_datetime64(self) -> Any:
        """Returns a `numpy.datetime64` in nanoseconds, in UTC; needs NumPy."""
        import numpy

        return numpy.datetime64(self.nanoseconds, "ns")

    @property
    def seconds(self) -> float:
        """Seconds since 1970, like `time.time()`: a float, exact to about 200 ns."""
        return self.nanoseconds / _SECOND

    def __add__(self, span: float | timedelta) -> Timestamp:
        length = _length(span)
        return NotImplemented if length is None else Timestamp(self.nanoseconds + length)

    __radd__ = __add__

    @overload
    def __sub__(self, other: Timestamp) -> float: ...
    @overload
    def __sub__(self, other: float | timedelta) -> Timestamp: ...
    def __sub__(self, other: Timestamp | float | timedelta) -> float | Timestamp:
        if isinstance(other, Timestamp):
            return (self.nanoseconds - other.nanoseconds) / _SECOND
        length = _length(other)
        return NotImplemented if length is None else Timestamp(self.nanoseconds - length)

    def __str__(self) -> str:
        return format_time(self.nanoseconds)

    def __format__(self, form: str) -> str:
        """Formats the instant; a form such as `%H:%M` formats its `datetime` in UTC like `strftime`."""
        return self.to_datetime().strftime(form) if "%" in form else format(str(self), form)

    def __repr__(self) -> str:
        return f"<linkspan.Timestamp {self}>"


def _instead(given: object) -> str:
    """Returns the advice for an invalid value."""
    if isinstance(given, str):
        return "Timestamp.parse(text) for a text, or nanoseconds since 1970 as an int"
    if isinstance(given, datetime):
        return "Timestamp.from_datetime(when) for a datetime, or nanoseconds since 1970 as an int"
    if isinstance(given, float):
        return "nanoseconds since 1970 as an int, or Timestamp(0) + seconds for seconds"
    return "nanoseconds since 1970 as an int; Timestamp.now() is the time now"


def _span(delta: timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * _SECOND + delta.microseconds * 1000


def _length(span: object) -> int | None:
    """None for other types than time spans."""
    if isinstance(span, timedelta):
        return _span(span)
    if isinstance(span, int):
        return span * _SECOND
    if isinstance(span, float):
        if span - span != 0.0:
            raise OutOfRange(f"{span} s is not a length of time")
        return round(span * _SECOND)
    return None
