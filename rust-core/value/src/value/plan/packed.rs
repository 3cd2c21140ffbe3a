//! Fields of packed records: the position of a value in a message, and the valid values and bytes.
//!
//! `put` and `take` need no codec. They panic for a record shorter than the size that `FieldPosition::new` has checked.

use super::fit::{exact, mismatch};
use crate::error::Result;
use crate::value::Timestamp;

/// A field's representation; numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A byte that is 0 or 1.
    Bool,
    /// An integer with a sign, of this many bytes: 1, 2, 4 or 8.
    Signed(usize),
    /// An integer without sign, of this many bytes: 1, 2, 4 or 8.
    Unsigned(usize),
    /// A float of 32 bits.
    F32,
    /// A float of 64 bits.
    F64,
    /// The position of a member in its enum.
    Member {
        /// The bytes of the position: 1, 2 or 4.
        size: usize,
        /// The number of members; a greater position is refused.
        count: u32,
    },
    /// Nanoseconds since 1970, in 64 bits.
    Timestamp,
    /// The 16 bytes of a UUID.
    Uuid,
    /// The elements of an array, in this many bytes.
    Elements(usize),
    /// The elements of an array of truth values, each a byte that is 0 or 1.
    Truths(usize),
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits with a sign.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// The position of a member in its enum.
    Member(u32),
    /// An instant.
    Timestamp(Timestamp),
    /// A UUID, or the elements of an array in memory order.
    Bytes(&'a [u8]),
}

/// A field's offset and representation.
#[derive(Clone, Copy, Debug)]
pub struct FieldPosition {
    offset: usize,
    form: Form,
}

impl Form {
    /// Returns the number of bytes of the field.
    pub fn size(self) -> usize {
        match self {
            Form::Bool => 1,
            Form::Signed(size) | Form::Unsigned(size) | Form::Member { size, .. } => size,
            Form::F32 => 4,
            Form::F64 | Form::Timestamp => 8,
            Form::Uuid => 16,
            Form::Elements(size) | Form::Truths(size) => size,
        }
    }
}

impl FieldPosition {
    /// Returns the position of a field that begins at byte `offset` of a record of `size` bytes.
    ///
    /// # Errors
    ///
    /// `WrongType` if the record has no room for it, or integers of that size do not exist.
    pub fn new(form: Form, offset: usize, size: usize) -> Result<FieldPosition> {
        let is_number = match form {
            Form::Signed(size) | Form::Unsigned(size) => matches!(size, 1 | 2 | 4 | 8),
            Form::Member { size, .. } => matches!(size, 1 | 2 | 4),
            _ => true,
        };
        let end = offset.checked_add(form.size());
        if is_number && end.is_some_and(|end| end <= size) {
            Ok(FieldPosition { offset, form })
        } else {
            Err(mismatch())
        }
    }

    /// Returns the representation of the field.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Writes the value into a record of the checked size.
    ///
    /// # Errors
    ///
    /// `WrongType`, without a reason, for an unfitting value; the record is unchanged.
    pub fn put(&self, value: FieldValue<'_>, record: &mut [u8]) -> Result<()> {
        let to = &mut record[self.offset..self.offset + self.form.size()];
        match (self.form, value) {
            (Form::Bool, FieldValue::Bool(value)) => to[0] = u8::from(value),
            (Form::F64, FieldValue::Float(value)) => to.copy_from_slice(&value.to_le_bytes()),
            (Form::F64, FieldValue::Int(value)) => to.copy_from_slice(&exact(value, 53)?.to_le_bytes()),
            (Form::F32, FieldValue::Float(value)) => to.copy_from_slice(&single(value)?.to_le_bytes()),
            (Form::F32, FieldValue::Int(value)) => {
                to.copy_from_slice(&single(exact(value, 24)?)?.to_le_bytes())
            }
            (Form::Timestamp, FieldValue::Timestamp(value)) => to.copy_from_slice(&value.0.to_le_bytes()),
            (Form::Signed(size), FieldValue::Int(value)) => {
                // An integer fits if shifting the bits above the width out and in again keeps it.
                let unused = 64 - 8 * size as u32;
                if value << unused >> unused != value {
                    return Err(mismatch());
                }
                put_bits(value as u64, to);
            }
            (Form::Unsigned(size), FieldValue::Int(value)) => {
                let value = u64::try_from(value).map_err(|_| mismatch())?;
                if size < 8 && value >> (8 * size) != 0 {
                    return Err(mismatch());
                }
                put_bits(value, to);
            }
            (Form::Unsigned(8), FieldValue::Uint(value)) => to.copy_from_slice(&value.to_le_bytes()),
            (Form::Member { count, .. }, FieldValue::Member(at)) if at < count => put_bits(at.into(), to),
            (Form::Uuid | Form::Elements(_) | Form::Truths(_), FieldValue::Bytes(bytes))
                if bytes.len() == to.len() =>
            {
                to.copy_from_slice(bytes);
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    /// Returns the value in a record of the checked size.
    ///
    /// # Errors
    ///
    /// `WrongType`, without a reason, for bytes that are no such value.
    pub fn take<'a>(&self, record: &'a [u8]) -> Result<FieldValue<'a>> {
        let from = &record[self.offset..self.offset + self.form.size()];
        Ok(match self.form {
            Form::Bool if from[0] < 2 => FieldValue::Bool(from[0] == 1),
            Form::F64 => FieldValue::Float(f64::from_bits(bits(from))),
            Form::F32 => FieldValue::Float(f32::from_bits(bits(from) as u32).into()),
            Form::Timestamp => FieldValue::Timestamp(Timestamp(bits(from) as i64)),
            Form::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                FieldValue::Int((bits(from) << unused) as i64 >> unused)
            }
            Form::Unsigned(_) => {
                let value = bits(from);
                i64::try_from(value).map_or(FieldValue::Uint(value), FieldValue::Int)
            }
            Form::Member { count, .. } if bits(from) < u64::from(count) => {
                FieldValue::Member(bits(from) as u32)
            }
            Form::Uuid | Form::Elements(_) => FieldValue::Bytes(from),
            Form::Truths(_) if from.iter().all(|byte| *byte < 2) => FieldValue::Bytes(from),
            Form::Bool | Form::Member { .. } | Form::Truths(_) => return Err(mismatch()),
        })
    }
}

/// Returns the nearest float of 32 bits; an error if only infinity is near enough.
fn single(value: f64) -> Result<f32> {
    let single = value as f32;
    if single.is_infinite() && value.is_finite() { Err(mismatch()) } else { Ok(single) }
}

fn bits(from: &[u8]) -> u64 {
    match *from {
        [a] => a.into(),
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

fn put_bits(value: u64, to: &mut [u8]) {
    match to.len() {
        1 => to.copy_from_slice(&(value as u8).to_le_bytes()),
        2 => to.copy_from_slice(&(value as u16).to_le_bytes()),
        4 => to.copy_from_slice(&(value as u32).to_le_bytes()),
        _ => to.copy_from_slice(&value.to_le_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(form: Form, value: FieldValue<'_>) -> Option<Vec<u8>> {
        let place = FieldPosition::new(form, 1, 17).unwrap();
        let mut record = [0xAA; 17];
        let done = place.put(value, &mut record);
        let end = 1 + form.size();
        assert!(record[0] == 0xAA && record[end..].iter().all(|byte| *byte == 0xAA), "{form:?} {value:?}");
        done.ok()?;
        assert_eq!(place.take(&record).unwrap(), value, "{form:?}");
        Some(record[1..end].to_vec())
    }

    #[test]
    fn put_writes_little_endian() {
        assert_eq!(put(Form::Bool, FieldValue::Bool(true)), Some(vec![1]));
        assert_eq!(put(Form::Signed(4), FieldValue::Int(-2)), Some(vec![0xFE, 0xFF, 0xFF, 0xFF]));
        assert_eq!(put(Form::Unsigned(2), FieldValue::Int(0x1234)), Some(vec![0x34, 0x12]));
        assert_eq!(put(Form::Unsigned(8), FieldValue::Uint(1 << 63)), Some(vec![0, 0, 0, 0, 0, 0, 0, 0x80]));
        assert_eq!(put(Form::F32, FieldValue::Float(1.5)), Some(1.5f32.to_le_bytes().to_vec()));
        assert_eq!(put(Form::F64, FieldValue::Float(-0.5)), Some((-0.5f64).to_le_bytes().to_vec()));
        assert_eq!(put(Form::Timestamp, FieldValue::Timestamp(Timestamp(-1))), Some(vec![0xFF; 8]));
        assert_eq!(put(Form::Member { size: 2, count: 300 }, FieldValue::Member(299)), Some(vec![43, 1]));
        assert_eq!(put(Form::Uuid, FieldValue::Bytes(&[7; 16])), Some(vec![7; 16]));
        assert_eq!(put(Form::Truths(2), FieldValue::Bytes(&[1, 0])), Some(vec![1, 0]));
    }

    #[test]
    fn put_refuses_integers_beyond_their_width() {
        for size in [1, 2, 4, 8] {
            let bits = 8 * size as u32;
            let (low, high) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
            assert!(put(Form::Signed(size), FieldValue::Int(low)).is_some(), "{size}");
            assert!(put(Form::Signed(size), FieldValue::Int(high)).is_some(), "{size}");
            assert_eq!(put(Form::Signed(size), FieldValue::Uint(u64::MAX)), None, "{size}");
            assert_eq!(put(Form::Unsigned(size), FieldValue::Int(-1)), None, "{size}");
            if size < 8 {
                assert_eq!(put(Form::Signed(size), FieldValue::Int(low - 1)), None, "{size}");
                assert_eq!(put(Form::Signed(size), FieldValue::Int(high + 1)), None, "{size}");
                assert!(put(Form::Unsigned(size), FieldValue::Int((1 << bits) - 1)).is_some(), "{size}");
                assert_eq!(put(Form::Unsigned(size), FieldValue::Int(1 << bits)), None, "{size}");
                assert_eq!(put(Form::Unsigned(size), FieldValue::Uint(u64::MAX)), None, "{size}");
            }
        }
    }

    #[test]
    fn put_refuses_values_of_other_kinds() {
        for (form, value) in [
            (Form::Bool, FieldValue::Int(1)),
            (Form::Signed(1), FieldValue::Bool(true)),
            (Form::Signed(8), FieldValue::Float(1.0)),
            (Form::F32, FieldValue::Float(3.5e38)),
            (Form::F32, FieldValue::Int((1 << 24) + 1)),
            (Form::F64, FieldValue::Int(i64::MIN)),
            (Form::Timestamp, FieldValue::Int(0)),
            (Form::Member { size: 1, count: 3 }, FieldValue::Member(3)),
            (Form::Uuid, FieldValue::Bytes(&[0; 15])),
            (Form::Elements(2), FieldValue::Bytes(&[0; 3])),
        ] {
            assert_eq!(put(form, value), None, "{form:?} {value:?}");
        }
    }

    #[test]
    fn put_accepts_exact_integers_for_floats() {
        let mut record = [0; 8];
        FieldPosition::new(Form::F64, 0, 8).unwrap().put(FieldValue::Int(-3), &mut record).unwrap();
        assert_eq!(f64::from_le_bytes(record), -3.0);
        FieldPosition::new(Form::F32, 4, 8).unwrap().put(FieldValue::Int(1 << 24), &mut record).unwrap();
        assert_eq!(record[4..], 16_777_216f32.to_le_bytes());
        FieldPosition::new(Form::F32, 4, 8)
            .unwrap()
            .put(FieldValue::Float(f64::NEG_INFINITY), &mut record)
            .unwrap();
        assert_eq!(record[4..], f32::NEG_INFINITY.to_le_bytes());
    }

    #[test]
    fn take_refuses_invalid_bytes() {
        for (form, bytes) in [
            (Form::Bool, &[2, 0, 0, 0][..]),
            (Form::Member { size: 1, count: 3 }, &[3, 0, 0, 0]),
            (Form::Member { size: 4, count: 70_000 }, &[0xFF; 4]),
            (Form::Truths(4), &[0, 1, 1, 0xFF]),
        ] {
            assert!(FieldPosition::new(form, 0, 4).unwrap().take(bytes).is_err(), "{form:?}");
        }
    }

    #[test]
    fn place_refuses_fields_outside_the_record() {
        assert!(FieldPosition::new(Form::F64, 8, 16).is_ok());
        assert!(FieldPosition::new(Form::F64, 9, 16).is_err());
        assert!(FieldPosition::new(Form::Elements(usize::MAX), 1, 16).is_err());
        assert!(FieldPosition::new(Form::Unsigned(3), 0, 16).is_err());
    }
}
