"""Messages of the schema boiler.reading, version 1.

Written by `linkspan schema generate --lang python`: change the schema and generate it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from linkspan import Message
from linkspan import generated as read

#: The schema, for the option `schema` of an endpoint.
SCHEMA = """\
name = "boiler.reading"
version = 1

[fields.id]
type = "u32"

[fields.name]
type = "text"

[fields.temperature]
type = "f64"
unit = "Cel"
range = [-50.0, 150.0]

[fields.pressure]
type = "f64"
unit = "bar"
range = [0.0, 16.0]

[fields.unit]
type = "text"
max_length = 16

[fields.ok]
type = "bool"

[fields.station]
type = "text"

[fields.count]
type = "u64"

[fields.time]
type = "f64"

[fields.note]
type = "text"
optional = true
"""

#: The fingerprint of the schema.
FINGERPRINT = "7a3045175406021a200a282781e094042fbf6a78f437f3a8cf28ec46f5329141"


@dataclass(slots=True, kw_only=True)
class BoilerReading:
    """boiler.reading."""

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("id", "id", False),
        ("name", "name", False),
        ("temperature", "temperature", False),
        ("pressure", "pressure", False),
        ("unit", "unit", False),
        ("ok", "ok", False),
        ("station", "station", False),
        ("count", "count", False),
        ("time", "time", False),
        ("note", "note", True),
    )

    #: The name and version of the messages' schema.
    __linkspan_schema__: ClassVar[tuple[str, int]] = ("boiler.reading", 1)

    id: Annotated[int, read.SchemaType("u32")]
    name: str
    temperature: Annotated[float, read.SchemaType(unit="Cel", range=(-50.0, 150.0))]
    """Unit: Cel. Range: [-50.0, 150.0]."""
    pressure: Annotated[float, read.SchemaType(unit="bar", range=(0.0, 16.0))]
    """Unit: bar. Range: [0.0, 16.0]."""
    unit: Annotated[str, read.SchemaType(max_length=16)]
    """At most 16 bytes of UTF-8."""
    ok: bool
    station: str
    count: Annotated[int, read.SchemaType("u64")]
    time: float
    note: str | None = None
    """Optional."""

    @classmethod
    def from_value(cls, value: Any) -> BoilerReading:
        """Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        fields = read.fields(value)
        return cls(
            id=read.field(fields, read.u32, "id"),
            name=read.field(fields, read.text, "name"),
            temperature=read.field(fields, read.f64, "temperature"),
            pressure=read.field(fields, read.f64, "pressure"),
            unit=read.field(fields, read.text, "unit"),
            ok=read.field(fields, read.boolean, "ok"),
            station=read.field(fields, read.text, "station"),
            count=read.field(fields, read.u64, "count"),
            time=read.field(fields, read.f64, "time"),
            note=read.optional(fields, read.text, "note"),
        )

    @classmethod
    def decode(cls, message: Message) -> BoilerReading:
        """Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        message.check_fingerprint(FINGERPRINT)
        made = _PLAN__BOILER_READING.decode(cls, message)
        return cls.from_value(message.value) if made is None else made


_PLAN__BOILER_READING = read.Plan.record(BoilerReading, [
    ("id", ["id"], "u32", False),
    ("name", ["name"], "text", False),
    ("temperature", ["temperature"], "f64", False),
    ("pressure", ["pressure"], "f64", False),
    ("unit", ["unit"], "text", False),
    ("ok", ["ok"], "bool", False),
    ("station", ["station"], "text", False),
    ("count", ["count"], "u64", False),
    ("time", ["time"], "f64", False),
    ("note", ["note"], "text", True),
])
