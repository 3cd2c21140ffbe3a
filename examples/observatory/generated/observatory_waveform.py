"""Messages of the schema observatory.waveform, version 1.

A block of samples of three components of ground motion

Written by `linkspan schema generate --lang python`: change the schema and generate it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from linkspan import Message, Timestamp
from linkspan import generated as read

#: The schema, for the option `schema` of an endpoint.
SCHEMA = """\
name = "observatory.waveform"
version = 1
doc = "A block of samples of three components of ground motion"

[fields.at]
type = "timestamp"
doc = "The time of the first sample"

[fields.rate]
type = "f64"
unit = "Hz"
range = [1.0, 10000.0]
doc = "The sampling rate"

[fields.first]
type = "i32"
doc = "The index of the first sample in the recording"

[fields.restart]
type = "bool"
doc = "Whether the recording starts again with this block"

[fields.components]
type = "list"
of = "text"
doc = "The names of the components, in the order of the rows of samples"

[fields.samples]
type = "ndarray"
dtype = "f64"
shape = [3, "n"]
unit = "{count}"
doc = "The samples of the components: up, north, east"
"""

#: The fingerprint of the schema.
FINGERPRINT = "5b98e95f5f1382ea51c130769b67a121d0e290e7a5f3a69bf15839966eb45cce"


_OBSERVATORY_WAVEFORM_COMPONENTS = read.items(read.text)
_OBSERVATORY_WAVEFORM_SAMPLES = read.array("float64", shape=(3, None,))


@dataclass(slots=True, kw_only=True, eq=False)
class ObservatoryWaveform:
    """A block of samples of three components of ground motion."""

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("at", "at", False),
        ("rate", "rate", False),
        ("first", "first", False),
        ("restart", "restart", False),
        ("components", "components", False),
        ("samples", "samples", False),
    )

    #: The name and version of the messages' schema.
    __linkspan_schema__: ClassVar[tuple[str, int]] = ("observatory.waveform", 1)

    at: Timestamp
    """The time of the first sample."""
    rate: Annotated[float, read.SchemaType(unit="Hz", range=(1.0, 10000.0))]
    """The sampling rate. Unit: Hz. Range: [1.0, 10000.0]."""
    first: Annotated[int, read.SchemaType("i32")]
    """The index of the first sample in the recording."""
    restart: bool
    """Whether the recording starts again with this block."""
    components: list[str]
    """The names of the components, in the order of the rows of samples."""
    samples: Annotated[npt.NDArray[np.float64], read.SchemaType(shape=(3, "n"), unit="{count}")]
    """The samples of the components: up, north, east. Unit: {count}. An array of f64 with shape [3, n]."""

    @classmethod
    def from_value(cls, value: Any) -> ObservatoryWaveform:
        """Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        fields = read.fields(value)
        return cls(
            at=read.field(fields, read.timestamp, "at"),
            rate=read.field(fields, read.f64, "rate"),
            first=read.field(fields, read.i32, "first"),
            restart=read.field(fields, read.boolean, "restart"),
            components=read.field(fields, _OBSERVATORY_WAVEFORM_COMPONENTS, "components"),
            samples=read.field(fields, _OBSERVATORY_WAVEFORM_SAMPLES, "samples"),
        )

    @classmethod
    def decode(cls, message: Message) -> ObservatoryWaveform:
        """Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `Missing`, `WrongType` or `OutOfRange` for a wrong value."""
        message.check_fingerprint(FINGERPRINT)
        made = _PLAN__OBSERVATORY_WAVEFORM.decode(cls, message)
        return cls.from_value(message.value) if made is None else made


_PLAN__OBSERVATORY_WAVEFORM = read.Plan.record(ObservatoryWaveform, [
    ("at", ["at"], "timestamp", False),
    ("rate", ["rate"], "f64", False),
    ("first", ["first"], "i32", False),
    ("restart", ["restart"], "bool", False),
    ("components", ["components"], read.Plan.list("text"), False),
    ("samples", ["samples"], read.Plan.ndarray("f64", [3, None], None), False),
])
