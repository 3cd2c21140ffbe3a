"""Messages of the schema logger.reading, version 1.

A reading of the sensors of this machine

Written by `linkspan schema generate --lang python`: change the schema and generate it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from linkspan import Message, Timestamp
from linkspan import generated as read

#: The schema, for the option `schema` of an endpoint.
SCHEMA = """\
name = "logger.reading"
version = 1
doc = "A reading of the sensors of this machine"

[fields.number]
type = "u64"
range = [1, 9223372036854775807]
doc = "The number of the reading in the database, from 1"

[fields.at]
type = "timestamp"
doc = "The time of the reading"

[fields.measurements]
type = "list"
doc = "One measurement of each sensor; the set of sensors depends on the machine"

[fields.measurements.of]
type = "record"

[fields.measurements.of.fields.name]
type = "text"

[fields.measurements.of.fields.unit]
type = "text"

[fields.measurements.of.fields.value]
type = "f64"
"""

#: The fingerprint of the schema.
FINGERPRINT = "f4bbf7c24570960223f35dd84a7b3e6e1737bdc58f2417bea4ae35d860852d61"


@dataclass(slots=True, kw_only=True)
class LoggerReadingMeasurements:
    """One measurement of each sensor; the set of sensors depends on the machine."""

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("name", "name", False),
        ("unit", "unit", False),
        ("value", "value", False),
    )

    name: str
    unit: str
    value: float

    @classmethod
    def from_value(cls, value: Any) -> LoggerReadingMeasurements:
        """Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        fields = read.fields(value)
        return cls(
            name=read.field(fields, read.text, "name"),
            unit=read.field(fields, read.text, "unit"),
            value=read.field(fields, read.f64, "value"),
        )


_PLAN__LOGGER_READING_MEASUREMENTS = read.Plan.record(LoggerReadingMeasurements, [
    ("name", ["name"], "text", False),
    ("unit", ["unit"], "text", False),
    ("value", ["value"], "f64", False),
])


_LOGGER_READING_MEASUREMENTS = read.items(LoggerReadingMeasurements.from_value)


@dataclass(slots=True, kw_only=True)
class LoggerReading:
    """A reading of the sensors of this machine."""

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("number", "number", False),
        ("at", "at", False),
        ("measurements", "measurements", False),
    )

    #: The name and version of the messages' schema.
    __linkspan_schema__: ClassVar[tuple[str, int]] = ("logger.reading", 1)

    number: Annotated[int, read.SchemaType("u64", range=(1, 9223372036854775807))]
    """The number of the reading in the database, from 1. Range: [1, 9223372036854775807]."""
    at: Timestamp
    """The time of the reading."""
    measurements: list[LoggerReadingMeasurements]
    """One measurement of each sensor; the set of sensors depends on the machine."""

    @classmethod
    def from_value(cls, value: Any) -> LoggerReading:
        """Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        fields = read.fields(value)
        return cls(
            number=read.field(fields, read.u64, "number"),
            at=read.field(fields, read.timestamp, "at"),
            measurements=read.field(fields, _LOGGER_READING_MEASUREMENTS, "measurements"),
        )

    @classmethod
    def decode(cls, message: Message) -> LoggerReading:
        """Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        message.check_fingerprint(FINGERPRINT)
        made = _PLAN__LOGGER_READING.decode(cls, message)
        return cls.from_value(message.value) if made is None else made


_PLAN__LOGGER_READING = read.Plan.record(LoggerReading, [
    ("number", ["number"], "u64", False),
    ("at", ["at"], "timestamp", False),
    ("measurements", ["measurements"], read.Plan.list(_PLAN__LOGGER_READING_MEASUREMENTS), False),
])
