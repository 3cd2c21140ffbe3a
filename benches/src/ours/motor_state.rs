//! Messages of the schema motor.state, version 1.
//!
//! Written by `linkspan schema generate --lang rust`: change the schema and generate it again.

#![allow(clippy::doc_markdown, clippy::unreadable_literal, clippy::excessive_precision, clippy::approx_constant)]
#![allow(clippy::struct_excessive_bools, clippy::struct_field_names, clippy::enum_variant_names)]
#![allow(clippy::large_enum_variant, clippy::too_many_lines, clippy::similar_names, non_camel_case_types, dead_code)]
#![allow(clippy::large_stack_arrays, clippy::large_types_passed_by_value)]

use linkspan::value::typed;
use linkspan::value::{Sink, Source};

/// The schema in its notation: `linkspan::schema::Schema::parse(SCHEMA)?` is for `Options::with_schema`.
pub const SCHEMA: &str = r#"name = "motor.state"
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
"#;

/// The fingerprint of the schema.
pub const FINGERPRINT: &str = "62d633adb3251dccc64a0da7cf0d8361cb038d987498bbf74aeaae880ac5912d";

/// The bytes of a message.
pub const SIZE: usize = 72;

/// The bytes of a field.
#[inline]
fn part<const N: usize>(bytes: &[u8; SIZE], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// Checks truth values.
#[inline]
fn truth(bytes: &[u8], path: &str) -> linkspan::Result<()> {
    bytes.iter().find(|byte| **byte > 1).map_or(Ok(()), |byte| Err(refused(path, "bool", format_args!("byte {byte}"))))
}

/// Checks the number of an enum value.
#[inline]
fn number<E: typed::Enumeration>(number: u32, path: &str) -> linkspan::Result<()> {
    if (number as usize) < E::NAMES.len() {
        return Ok(());
    }
    Err(refused(path, &format!("one of {}", E::NAMES.join(", ")), format_args!("number {number}")))
}

#[cold]
fn refused(path: &str, expected: &str, found: std::fmt::Arguments<'_>) -> linkspan::Error {
    let text = format!("{expected} is expected, the {found} was found");
    linkspan::Error::new(linkspan::ErrorKind::OutOfRange, text).with_path(path)
}

/// The error for a wrong number of bytes.
#[cold]
fn other_size(found: usize) -> linkspan::Error {
    let text = format!("{SIZE} packed bytes are expected, {found} were found");
    linkspan::Error::new(linkspan::ErrorKind::WrongType, text)
}

/// `motor.state.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MotorStateMode {
    /// `OFF`
    Off,
    /// `SLOW`
    Slow,
    /// `FAST`
    Fast,
}

impl typed::Enumeration for MotorStateMode {
    const NAMES: &'static [&'static str] = &["OFF", "SLOW", "FAST"];

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "OFF" => MotorStateMode::Off,
            "SLOW" => MotorStateMode::Slow,
            "FAST" => MotorStateMode::Fast,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            MotorStateMode::Off => "OFF",
            MotorStateMode::Slow => "SLOW",
            MotorStateMode::Fast => "FAST",
        }
    }
}

impl MotorStateMode {
    /// Returns the enum value of this number in a packed record.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Off,
            1 => Self::Slow,
            2 => Self::Fast,
            _ => return None,
        })
    }
}

/// `motor.state`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct MotorState {
    /// `on`
    pub on: bool,
    /// `at`
    pub at: linkspan::Timestamp,
    /// `mode`
    pub mode: MotorStateMode,
    /// Unit: /s.
    pub speed: f32,
    /// Unit: A.
    pub current: f64,
    /// Unit: V.
    pub voltage: f64,
    /// Unit: N.m.
    pub torque: f64,
    /// Unit: rad.
    pub angle: f64,
    /// `turns`
    pub turns: u64,
    /// `errors`
    pub errors: u32,
}

impl MotorState {
    /// Returns the value of a message, decoded without a tree.
    ///
    /// # Errors
    ///
    /// `SchemaMismatch` for a message of another schema; `Missing`, `WrongType` or `OutOfRange`, with the path in
    /// the message, for a wrong value.
    pub fn decode(message: &linkspan::Message) -> linkspan::Result<Self> {
        message.check_fingerprint(FINGERPRINT)?;
        message.typed()
    }
}

// A record has the same layout in memory as in a message, so it is copied as a whole.
#[cfg(all(target_endian = "little", target_pointer_width = "64"))]
const _: () = {
    assert!(size_of::<MotorState>() == SIZE);
    assert!(std::mem::offset_of!(MotorState, on) == 0);
    assert!(std::mem::offset_of!(MotorState, at) == 8);
    assert!(std::mem::offset_of!(MotorState, mode) == 16);
    assert!(std::mem::offset_of!(MotorState, speed) == 20);
    assert!(std::mem::offset_of!(MotorState, current) == 24);
    assert!(std::mem::offset_of!(MotorState, voltage) == 32);
    assert!(std::mem::offset_of!(MotorState, torque) == 40);
    assert!(std::mem::offset_of!(MotorState, angle) == 48);
    assert!(std::mem::offset_of!(MotorState, turns) == 56);
    assert!(std::mem::offset_of!(MotorState, errors) == 64);
};

impl MotorState {
    /// The bytes of a message. Bytes between the fields are zero.
    #[inline]
    #[must_use]
    pub fn pack(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0..8].copy_from_slice(&u64::from(self.on).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&((self.mode as u64) | (u64::from(self.speed.to_bits()) << 32)).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.current.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.voltage.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.torque.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.angle.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.turns.to_le_bytes());
        bytes[64..72].copy_from_slice(&u64::from(self.errors).to_le_bytes());
        bytes
    }

    /// Returns the record in the bytes of a message.
    ///
    /// # Errors
    ///
    /// `WrongType` if there are not [`SIZE`] bytes; `OutOfRange`, with the path of the field, for an invalid truth
    /// value or enum number.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // Fields are parts of a word.
    #[allow(clippy::needless_bitwise_bool)] // One branch for all tests.
    pub fn unpack(bytes: &[u8]) -> linkspan::Result<Self> {
        let Ok(bytes) = <&[u8; SIZE]>::try_from(bytes) else {
            return Err(other_size(bytes.len()));
        };
        let word_0 = u64::from_le_bytes(part(bytes, 0));
        let word_16 = u64::from_le_bytes(part(bytes, 16));
        let is_wrong = (word_0 as u8 > 1)
            | (word_16 as u8 >= 3);
        if is_wrong {
            return Err(wrong_value(bytes));
        }
        Ok(Self {
            on: (word_0 as u8) & 1 == 1,
            at: linkspan::Timestamp(i64::from_le_bytes(part(bytes, 8))),
            mode: MotorStateMode::from_number(word_16 as u8).unwrap_or(MotorStateMode::Off),
            speed: f32::from_bits((word_16 >> 32) as u32),
            current: f64::from_le_bytes(part(bytes, 24)),
            voltage: f64::from_le_bytes(part(bytes, 32)),
            torque: f64::from_le_bytes(part(bytes, 40)),
            angle: f64::from_le_bytes(part(bytes, 48)),
            turns: u64::from_le_bytes(part(bytes, 56)),
            errors: u32::from_le_bytes(part(bytes, 64)),
        })
    }
}

/// Checks truth values and enum numbers.
#[cold]
fn check(bytes: &[u8; SIZE]) -> linkspan::Result<()> {
    truth(&bytes[0..1], "on")?;
    number::<MotorStateMode>(bytes[16].into(), "mode")?;
    Ok(())
}

/// The error of bytes with an invalid truth value or enum number.
#[cold]
fn wrong_value(bytes: &[u8; SIZE]) -> linkspan::Error {
    let internal = || linkspan::Error::new(linkspan::ErrorKind::Internal, "no wrong value was found");
    check(bytes).err().unwrap_or_else(internal)
}

impl Source for MotorState {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> linkspan::Result<()> {
        sink.bytes(&self.pack())
    }
}

/// Builds a [`MotorState`] from the bytes of a message.
#[derive(Debug, Default)]
pub struct MotorStateBuilder(Option<MotorState>);

impl typed::Build for MotorStateBuilder {
    type Output = MotorState;

    fn event(&mut self, event: typed::Event<'_>) -> linkspan::Result<bool> {
        let typed::Event::Bytes(bytes, _) = event else { return Err(event.unexpected("bytes")) };
        self.0 = Some(MotorState::unpack(bytes)?);
        Ok(true)
    }

    fn finish(self) -> linkspan::Result<MotorState> {
        self.0.ok_or_else(|| linkspan::Error::new(linkspan::ErrorKind::Missing, "no value came"))
    }
}

impl typed::Decode for MotorState {
    type Builder = MotorStateBuilder;
}
