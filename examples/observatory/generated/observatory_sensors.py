"""Messages of the schema observatory.sensors, version 1.

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
name = "observatory.sensors"
version = 1
doc = "A reading of the sensors of this machine"

[fields.at]
type = "timestamp"
doc = "The time of the reading"

[fields.readings]
type = "record"

[fields.readings.fields.cpu]
type = "f64"
unit = "%"
range = [0.0, 100.0]
doc = "The share of processor time used in the last second"

[fields.readings.fields.load]
type = "f64"
unit = "1"
range = [0.0, 1000000.0]
doc = "The load average over one minute: the number of processes that run or wait to run"

[fields.readings.fields.memory]
type = "f64"
unit = "%"
range = [0.0, 100.0]
doc = "The share of memory in use"

[fields.readings.fields.network]
type = "f64"
unit = "kBy/s"
range = [0.0, 1000000000000.0]
doc = "The rate of bytes received and sent on all network interfaces"

[fields.readings.fields.disk]
type = "f64"
unit = "kBy/s"
range = [0.0, 1000000000000.0]
doc = "The rate of bytes read from and written to all disks"

[fields.readings.fields.temperature]
type = "f64"
unit = "Cel"
range = [-273.15, 1000.0]
optional = true
doc = "The highest temperature of all sensors; absent on most virtual machines"
"""

#: The fingerprint of the schema.
FINGERPRINT = "0f54e42ce1920d0624c63746f746935bca275d2bcfccd9a29df29d644c717fd2"


@dataclass(slots=True, kw_only=True)
class ObservatorySensorsReadings:
    """observatory.sensors.readings."""

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("cpu", "cpu", False),
        ("load", "load", False),
        ("memory", "memory", False),
        ("network", "network", False),
        ("disk", "disk", False),
        ("temperature", "temperature", True),
    )

    cpu: Annotated[float, read.SchemaType(unit="%", range=(0.0, 100.0))]
    """The share of processor time used in the last second. Unit: %. Range: [0.0, 100.0]."""
    load: Annotated[float, read.SchemaType(unit="1", range=(0.0, 1000000.0))]
    """The load average over one minute: the number of processes that run or wait to run. Unit: 1. Range:
    [0.0, 1000000.0]."""
    memory: Annotated[float, read.SchemaType(unit="%", range=(0.0, 100.0))]
    """The share of memory in use. Unit: %. Range: [0.0, 100.0]."""
    network: Annotated[float, read.SchemaType(unit="kBy/s", range=(0.0, 1000000000000.0))]
    """The rate of bytes received and sent on all network interfaces. Unit: kBy/s. Range: [0.0,
    1000000000000.0]."""
    disk: Annotated[float, read.SchemaType(unit="kBy/s", range=(0.0, 1000000000000.0))]
    """The rate of bytes read from and written to all disks. Unit: kBy/s. Range: [0.0, 1000000000000.0]."""
    temperature: Annotated[float, read.SchemaType(unit="Cel", range=(-273.15, 1000.0))] | None = None
    """The highest temperature of all sensors; absent on most virtual machines. Unit: Cel. Range: [-273.15,
    1000.0]. Optional."""

    @classmethod
    def from_value(cls, value: Any) -> ObservatorySensorsReadings:
        """Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        fields = read.fields(value)
        return cls(
            cpu=read.field(fields, read.f64, "cpu"),
            load=read.field(fields, read.f64, "load"),
            memory=read.field(fields, read.f64, "memory"),
            network=read.field(fields, read.f64, "network"),
            disk=read.field(fields, read.f64, "disk"),
            temperature=read.optional(fields, read.f64, "temperature"),
        )


_PLAN__OBSERVATORY_SENSORS_READINGS = read.Plan.record(ObservatorySensorsReadings, [
    ("cpu", ["cpu"], "f64", False),
    ("load", ["load"], "f64", False),
    ("memory", ["memory"], "f64", False),
    ("network", ["network"], "f64", False),
    ("disk", ["disk"], "f64", False),
    ("temperature", ["temperature"], "f64", True),
])


@dataclass(slots=True, kw_only=True)
class ObservatorySensors:
    """A reading of the sensors of this machine."""

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("at", "at", False),
        ("readings", "readings", False),
    )

    #: The name and version of the messages' schema.
    __linkspan_schema__: ClassVar[tuple[str, int]] = ("observatory.sensors", 1)

    at: Timestamp
    """The time of the reading."""
    readings: ObservatorySensorsReadings

    @classmethod
    def from_value(cls, value: Any) -> ObservatorySensors:
        """Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        fields = read.fields(value)
        return cls(
            at=read.field(fields, read.timestamp, "at"),
            readings=read.field(fields, ObservatorySensorsReadings.from_value, "readings"),
        )

    @classmethod
    def decode(cls, message: Message) -> ObservatorySensors:
        """Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        message.check_fingerprint(FINGERPRINT)
        made = _PLAN__OBSERVATORY_SENSORS.decode(cls, message)
        return cls.from_value(message.value) if made is None else made


_PLAN__OBSERVATORY_SENSORS = read.Plan.record(ObservatorySensors, [
    ("at", ["at"], "timestamp", False),
    ("readings", ["readings"], _PLAN__OBSERVATORY_SENSORS_READINGS, False),
])
