"""Messages of the schema motor.state, version 1.

Written by `linkspan schema generate --lang python`: change the schema and generate it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar

import numpy as np
from linkspan import Message, Timestamp
from linkspan import generated as read
from linkspan import packed

#: The schema, for the option `schema` of an endpoint.
SCHEMA = """\
name = "motor.state"
version = 1
layout = "packed"
# 72 bytes, aligned to 8; offset and size of each field:
#      0      1  on: bool
#      8      8  at: timestamp
#     16      1  mode: enum of OFF, SLOW, FAST
#     20      4  speed: f32 in /s
#     24      8  current: f64 in A
#     32      8  voltage: f64 in V
#     40      8  torque: f64 in N.m
#     48      8  angle: f64 in rad
#     56      8  turns: u64
#     64      4  errors: u32

[fields.on]
type = "bool"

[fields.at]
type = "timestamp"

[fields.mode]
type = "enum"
values = ["OFF", "SLOW", "FAST"]

[fields.speed]
type = "f32"
unit = "/s"

[fields.current]
type = "f64"
unit = "A"

[fields.voltage]
type = "f64"
unit = "V"

[fields.torque]
type = "f64"
unit = "N.m"

[fields.angle]
type = "f64"
unit = "rad"

[fields.turns]
type = "u64"

[fields.errors]
type = "u32"
"""

#: The fingerprint of the schema.
FINGERPRINT = "62d633adb3251dccc64a0da7cf0d8361cb038d987498bbf74aeaae880ac5912d"


class MotorStateMode(Enum):
    """motor.state.mode."""

    OFF = "OFF"
    SLOW = "SLOW"
    FAST = "FAST"


@dataclass(slots=True, kw_only=True)
class MotorState:
    """motor.state."""

    #: A message is the bytes that `pack` returns.
    __linkspan_packed__: ClassVar[bool] = True

    #: For `send`: each attribute, its key in messages, and whether None is left out.
    __linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]] = (
        ("on", "on", False),
        ("at", "at", False),
        ("mode", "mode", False),
        ("speed", "speed", False),
        ("current", "current", False),
        ("voltage", "voltage", False),
        ("torque", "torque", False),
        ("angle", "angle", False),
        ("turns", "turns", False),
        ("errors", "errors", False),
    )

    #: The name and version of the messages' schema.
    __linkspan_schema__: ClassVar[tuple[str, int]] = ("motor.state", 1)

    on: bool
    at: Timestamp
    mode: MotorStateMode
    speed: Annotated[float, read.SchemaType("f32", unit="/s")]
    """Unit: /s."""
    current: Annotated[float, read.SchemaType(unit="A")]
    """Unit: A."""
    voltage: Annotated[float, read.SchemaType(unit="V")]
    """Unit: V."""
    torque: Annotated[float, read.SchemaType(unit="N.m")]
    """Unit: N.m."""
    angle: Annotated[float, read.SchemaType(unit="rad")]
    """Unit: rad."""
    turns: Annotated[int, read.SchemaType("u64")]
    errors: Annotated[int, read.SchemaType("u32")]

    def pack(self) -> bytes:
        """Returns the message for `send`. Raises `WrongType` or `OutOfRange` for a wrong field."""
        return _MOTOR_STATE_LAYOUT.pack(self)

    @classmethod
    def unpack(cls, message: Any) -> MotorState:
        """Returns the record in the bytes. Raises `WrongType` or `OutOfRange` for invalid bytes."""
        return _MOTOR_STATE_LAYOUT.unpack(cls, message)

    @classmethod
    def decode(cls, message: Message) -> MotorState:
        """Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `WrongType` or `OutOfRange` for a wrong value."""
        message.check_fingerprint(FINGERPRINT)
        return cls.unpack(message.value)

    @staticmethod
    def numpy_dtype() -> np.dtype[Any]:
        """The dtype to view contiguous messages as an array: `np.frombuffer(block, dtype)`."""
        return _MOTOR_STATE_LAYOUT.numpy_dtype()


_MOTOR_STATE_LAYOUT = packed.Layout(
    MotorState,
    72,
    ("on", 0, packed.boolean),
    ("at", 8, packed.timestamp),
    ("mode", 16, packed.position(MotorStateMode, 1)),
    ("speed", 20, packed.f32),
    ("current", 24, packed.f64),
    ("voltage", 32, packed.f64),
    ("torque", 40, packed.f64),
    ("angle", 48, packed.f64),
    ("turns", 56, packed.u64),
    ("errors", 64, packed.u32),
)
