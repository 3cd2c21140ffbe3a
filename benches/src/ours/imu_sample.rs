//! Messages of the schema imu.sample, version 1.
//!
//! Written by `linkspan schema generate --lang rust`: change the schema and generate it again.

#![allow(clippy::doc_markdown, clippy::unreadable_literal, clippy::excessive_precision, clippy::approx_constant)]
#![allow(clippy::struct_excessive_bools, clippy::struct_field_names, clippy::enum_variant_names)]
#![allow(clippy::large_enum_variant, clippy::too_many_lines, clippy::similar_names, non_camel_case_types, dead_code)]
#![allow(clippy::large_stack_arrays, clippy::large_types_passed_by_value)]

use linkspan::value::typed;
use linkspan::value::{Sink, Source};

/// The schema in its notation: `linkspan::schema::Schema::parse(SCHEMA)?` is for `Options::with_schema`.
pub const SCHEMA: &str = r#"name = "imu.sample"
version = 1
layout = "packed"
# 72 bytes, aligned to 8; offset and size of each field:
#      0      8  at: timestamp
#      8      8  x: f64
#     16      8  y: f64
#     24      8  z: f64
#     32      8  roll: f64
#     40      8  pitch: f64
#     48      8  yaw: f64
#     56      4  temperature: f32
#     60      4  sequence: u32
#     64      8  status: u64

[fields.at]
type = "timestamp"

[fields.x]
type = "f64"

[fields.y]
type = "f64"

[fields.z]
type = "f64"

[fields.roll]
type = "f64"

[fields.pitch]
type = "f64"

[fields.yaw]
type = "f64"

[fields.temperature]
type = "f32"

[fields.sequence]
type = "u32"

[fields.status]
type = "u64"
"#;

/// The fingerprint of the schema.
pub const FINGERPRINT: &str = "10a08ec34983dd88f1b5b0a44a13d640024641126e698d9c8095aed2e9f40552";

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

/// `imu.sample`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct ImuSample {
    /// `at`
    pub at: linkspan::Timestamp,
    /// `x`
    pub x: f64,
    /// `y`
    pub y: f64,
    /// `z`
    pub z: f64,
    /// `roll`
    pub roll: f64,
    /// `pitch`
    pub pitch: f64,
    /// `yaw`
    pub yaw: f64,
    /// `temperature`
    pub temperature: f32,
    /// `sequence`
    pub sequence: u32,
    /// `status`
    pub status: u64,
}

impl ImuSample {
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
    assert!(size_of::<ImuSample>() == SIZE);
    assert!(std::mem::offset_of!(ImuSample, at) == 0);
    assert!(std::mem::offset_of!(ImuSample, x) == 8);
    assert!(std::mem::offset_of!(ImuSample, y) == 16);
    assert!(std::mem::offset_of!(ImuSample, z) == 24);
    assert!(std::mem::offset_of!(ImuSample, roll) == 32);
    assert!(std::mem::offset_of!(ImuSample, pitch) == 40);
    assert!(std::mem::offset_of!(ImuSample, yaw) == 48);
    assert!(std::mem::offset_of!(ImuSample, temperature) == 56);
    assert!(std::mem::offset_of!(ImuSample, sequence) == 60);
    assert!(std::mem::offset_of!(ImuSample, status) == 64);
};

impl ImuSample {
    /// The bytes of a message. Bytes between the fields are zero.
    #[inline]
    #[must_use]
    pub fn pack(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0..8].copy_from_slice(&self.at.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.x.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.y.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.z.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.roll.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.pitch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.yaw.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.temperature.to_le_bytes());
        bytes[60..64].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.status.to_le_bytes());
        bytes
    }

    /// Returns the record in the bytes of a message.
    ///
    /// # Errors
    ///
    /// `WrongType` if there are not [`SIZE`] bytes; `OutOfRange`, with the path of the field, for an invalid truth
    /// value or enum number.
    #[inline]
    pub fn unpack(bytes: &[u8]) -> linkspan::Result<Self> {
        let Ok(bytes) = <&[u8; SIZE]>::try_from(bytes) else {
            return Err(other_size(bytes.len()));
        };
        Ok(Self {
            at: linkspan::Timestamp(i64::from_le_bytes(part(bytes, 0))),
            x: f64::from_le_bytes(part(bytes, 8)),
            y: f64::from_le_bytes(part(bytes, 16)),
            z: f64::from_le_bytes(part(bytes, 24)),
            roll: f64::from_le_bytes(part(bytes, 32)),
            pitch: f64::from_le_bytes(part(bytes, 40)),
            yaw: f64::from_le_bytes(part(bytes, 48)),
            temperature: f32::from_le_bytes(part(bytes, 56)),
            sequence: u32::from_le_bytes(part(bytes, 60)),
            status: u64::from_le_bytes(part(bytes, 64)),
        })
    }
}

impl Source for ImuSample {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> linkspan::Result<()> {
        sink.bytes(&self.pack())
    }
}

/// Builds a [`ImuSample`] from the bytes of a message.
#[derive(Debug, Default)]
pub struct ImuSampleBuilder(Option<ImuSample>);

impl typed::Build for ImuSampleBuilder {
    type Output = ImuSample;

    fn event(&mut self, event: typed::Event<'_>) -> linkspan::Result<bool> {
        let typed::Event::Bytes(bytes, _) = event else { return Err(event.unexpected("bytes")) };
        self.0 = Some(ImuSample::unpack(bytes)?);
        Ok(true)
    }

    fn finish(self) -> linkspan::Result<ImuSample> {
        self.0.ok_or_else(|| linkspan::Error::new(linkspan::ErrorKind::Missing, "no value came"))
    }
}

impl typed::Decode for ImuSample {
    type Builder = ImuSampleBuilder;
}
