"""Instants, exact to the nanosecond."""

from __future__ import annotations

import dataclasses
import operator
import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any, Union

from .errors import Malformed, OutOfRange, Unsupported, WrongType, shown

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LEAST, _MOST = -(2**63), 2**63 - 1
#: Stricter than Python's parser, which accepts digits of every script and offset minutes above 59.
_FORM = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)


@dataclasses.dataclass(frozen=True, order=True, repr=False)
class Timestamp:
    """An instant: nanoseconds since 1970-01-01T00:00:00Z, from 1677-09-21 to 2262-04-11.

    The difference of two instants is seconds as a float. Seconds or a `timedelta` can be added and subtracted.
    """

    nanoseconds: int

    def __post_init__(self) -> None:
        try:
            if isinstance(self.nanoseconds, bool):
                raise TypeError
            number = operator.index(self.nanoseconds)
        except TypeError:
            given = shown(self.nanoseconds)
            raise WrongType(f"nanoseconds={given}: give nanoseconds since 1970 as an int; Timestamp.now() is the time now", path="nanoseconds") from None
        if not _LEAST <= number <= _MOST:
            raise OutOfRange(f"{number} ns since 1970 do not fit a timestamp, which reaches from 1677-09-21 to 2262-04-11")
        object.__setattr__(self, "nanoseconds", number)

    @staticmethod
    def now() -> Timestamp:
        """Returns the system clock's time."""
        return Timestamp(time.time_ns())

    @staticmethod
    def parse(text: str) -> Timestamp:
        """Parses RFC 3339, such as `2026-03-01T12:00:00.5Z`; raises `Malformed` for other text."""
        if not isinstance(text, str):
            raise WrongType(f"text={shown(text)}: give a time as RFC 3339 writes it, such as \"2026-03-01T12:00:00.5Z\"", path="text")
        found = _FORM.fullmatch(text)
        try:
            if found is None:
                raise ValueError
            date, clock, fraction, zone = found.groups()
            whole = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
        except ValueError:
            raise Malformed(f"{text[:64]!r} is no time of RFC 3339, such as 2026-03-01T12:00:00.5Z") from None
        return Timestamp(_span(whole - _EPOCH) + int((fraction or "0").ljust(9, "0")))

    @staticmethod
    def from_datetime(when: datetime) -> Timestamp:
        """Converts a `datetime` with a time zone; raises `Unsupported` without a zone."""
        if not isinstance(when, datetime):
            raise WrongType(f"when={shown(when)}: give a datetime with a time zone", path="when")
        if when.utcoffset() is None:
            raise Unsupported("a datetime without a time zone names no instant: give it one, as when.astimezone() does")
        return Timestamp(_span(when - _EPOCH) + getattr(when, "nanosecond", 0))

    def to_datetime(self) -> datetime:
        """Returns the `datetime` in UTC, rounded down to microseconds."""
        return _EPOCH + timedelta(microseconds=self.nanoseconds // 1000)

    @staticmethod
    def from_datetime64(when: Any) -> Timestamp:
        """Converts a `numpy.datetime64` in UTC; raises `Unsupported` for NaT or units finer than nanoseconds."""
        from .forms import stand_in

        found = stand_in(when)
        if not isinstance(found, Timestamp):
            raise Unsupported(f"{shown(when)} names no instant: give a numpy.datetime64 that is a time")
        return found

    def to_datetime64(self) -> Any:
        """Returns the `numpy.datetime64` in nanoseconds, in UTC. Needs NumPy."""
        import numpy

        return numpy.datetime64(self.nanoseconds, "ns")

    @property
    def seconds(self) -> float:
        """Seconds since 1970 as a float, exact to about 200 ns, like `time.time()`."""
        return self.nanoseconds / _SECOND

    def __add__(self, span: Union[float, timedelta]) -> Timestamp:
        return Timestamp(self.nanoseconds + _length(span)) if isinstance(span, (int, float, timedelta)) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Timestamp):
            return (self.nanoseconds - other.nanoseconds) / _SECOND
        return Timestamp(self.nanoseconds - _length(other)) if isinstance(other, (int, float, timedelta)) else NotImplemented

    def __str__(self) -> str:
        whole, part = divmod(self.nanoseconds, _SECOND)
        text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
        # Only as many groups of three digits as needed.
        digits = f"{part:09d}"
        while digits.endswith("000"):
            digits = digits[:-3]
        return f"{text}.{digits}Z" if digits else f"{text}Z"

    def __format__(self, form: str) -> str:
        """Formats the text; a form such as `%H:%M` applies `strftime` to its UTC `datetime`."""
        return self.to_datetime().strftime(form) if "%" in form else format(str(self), form)

    def __repr__(self) -> str:
        return f"<linkspan_remote.Timestamp {self}>"


def _span(delta: timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * _SECOND + delta.microseconds * 1000


def _length(span: Union[float, timedelta]) -> int:
    if isinstance(span, timedelta):
        return _span(span)
    if span - span != 0.0:
        raise OutOfRange(f"{span} s is not a length of time")
    return span * _SECOND if isinstance(span, int) else round(span * _SECOND)
