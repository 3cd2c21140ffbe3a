//! The packed layout: a record of fixed size as one block of bytes, laid out as a C struct.
//!
//! Numbers are little-endian, each field is aligned to its size, and an enum is the smallest integer for its names.
//! Padding is zero, because equal records must have equal bytes.

use super::model::{Field, Kind, Length, Range, Schema, Type, Width};
use crate::error::{Error, ErrorKind, Result};
use crate::value::DType;

const MAX_SIZE: u64 = 1 << 20;

/// The positions of the fields of a packed record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout<'a> {
    /// The number of bytes of a message.
    pub size: usize,
    /// The alignment in bytes of a message that a program uses in place.
    pub alignment: usize,
    /// In order of offset, with nested records replaced by their fields.
    pub fields: Vec<PackedField<'a>>,
}

/// The position of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackedField<'a> {
    /// The names that lead to it, joined by `/`.
    pub path: String,
    /// The offset of its first byte.
    pub offset: usize,
    /// The number of its bytes.
    pub size: usize,
    /// Its type.
    pub of: &'a Type,
}

impl Schema {
    /// Returns the layout of a packed schema; `None` for others.
    pub fn layout(&self) -> Option<Layout<'_>> {
        if !self.packed {
            return None;
        }
        // Parsing has checked that a packed schema has a layout.
        lay_out(&self.root).ok()
    }

    /// Checks the bytes of a packed message.
    ///
    /// # Errors
    ///
    /// `WrongType` for another size, `OutOfRange` with the path for an invalid field, `Malformed` for padding that is
    /// not zero.
    pub(super) fn check_packed(&self, bytes: &[u8]) -> Result<()> {
        let layout = lay_out(&self.root).map_err(|why| Error::new(ErrorKind::Unsupported, why))?;
        if bytes.len() != layout.size {
            let text = format!("{} packed bytes are expected, {} were found", layout.size, bytes.len());
            return Err(Error::new(ErrorKind::WrongType, text));
        }
        let mut end = 0;
        for place in &layout.fields {
            let here = |error: Error| error.with_path(place.path.as_str());
            padding(&bytes[end..place.offset], end)?;
            end = place.offset + place.size;
            check_place(place.of, &bytes[place.offset..end]).map_err(here)?;
        }
        padding(&bytes[end..], end)
    }
}

fn padding(bytes: &[u8], at: usize) -> Result<()> {
    match bytes.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(found) => {
            let text = format!("byte {} of a packed record is padding and has to be zero", at + found);
            Err(Error::new(ErrorKind::Malformed, text))
        }
    }
}

pub(super) fn lay_out(root: &Type) -> std::result::Result<Layout<'_>, String> {
    let Kind::Record(fields) = &root.kind else {
        return Err(format!("only a record can be packed, and a message is {root}"));
    };
    let mut layout = Layout { size: 0, alignment: 1, fields: Vec::new() };
    let (size, alignment) = place(fields, "", 0, &mut layout.fields)?;
    (layout.size, layout.alignment) = (size as usize, alignment as usize);
    Ok(layout)
}

/// Places the fields from offset `base` on; returns their padded size and alignment.
fn place<'a>(
    fields: &'a [Field],
    path: &str,
    base: u64,
    places: &mut Vec<PackedField<'a>>,
) -> std::result::Result<(u64, u64), String> {
    let (mut end, mut greatest) = (0u64, 1u64);
    if fields.is_empty() {
        return Err("a packed record has at least one field".to_owned());
    }
    for field in fields {
        let name = if path.is_empty() { field.name.clone() } else { format!("{path}/{}", field.name) };
        if field.optional || field.default.is_some() || !field.aliases.is_empty() {
            return Err(format!(
                "{name}: a field of a packed record is always there: without optional, default and alias"
            ));
        }
        let (size, alignment) = match &field.of.kind {
            Kind::Record(inner) => {
                // Its alignment decides its offset; the second pass places its fields.
                let (size, alignment) = place(inner, &name, 0, &mut Vec::new())?;
                let offset = end.next_multiple_of(alignment);
                place(inner, &name, base + offset, places)?;
                (size, alignment)
            }
            _ => {
                let (size, alignment) = extent(&field.of).ok_or_else(|| {
                    format!("{name}: {} has no fixed size, which a packed record asks for", field.of)
                })?;
                let offset = base + end.next_multiple_of(alignment);
                let (offset, size) = (offset as usize, size);
                places.push(PackedField { path: name.clone(), offset, size: size as usize, of: &field.of });
                (size, alignment)
            }
        };
        end = end.next_multiple_of(alignment).saturating_add(size);
        greatest = greatest.max(alignment);
        if end > MAX_SIZE {
            return Err(format!("{name}: a packed record has at most {MAX_SIZE} bytes"));
        }
    }
    Ok((end.next_multiple_of(greatest), greatest))
}

/// A value's size and alignment on x86-64 and aarch64; `None` if they differ.
fn extent(of: &Type) -> Option<(u64, u64)> {
    let one = |size: u64| Some((size, size));
    match &of.kind {
        Kind::Bool => one(1),
        Kind::Integer(width) => one(bytes_of(*width)),
        Kind::F32 => one(4),
        Kind::F64 | Kind::Timestamp => one(8),
        // A UUID is bytes, so its alignment is 1.
        Kind::Uuid => Some((16, 1)),
        Kind::Enum(values) => one(enum_bytes(values.len())),
        Kind::NdArray { dtype, shape: Some(shape), .. } => {
            let mut size = dtype.size() as u64;
            for length in shape {
                // Every dimension must be fixed and not empty.
                let Length::Fixed(length @ 1..) = length else { return None };
                size = size.checked_mul(*length).filter(|size| *size <= MAX_SIZE)?;
            }
            // A complex number has the alignment of its parts.
            let parts = if matches!(dtype, DType::C64 | DType::C128) { 2 } else { 1 };
            Some((size, dtype.size() as u64 / parts))
        }
        _ => None,
    }
}

pub(super) fn enum_bytes(values: usize) -> u64 {
    match values {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

fn bytes_of(width: Width) -> u64 {
    match width {
        Width::I8 | Width::U8 => 1,
        Width::I16 | Width::U16 => 2,
        Width::I32 | Width::U32 => 4,
        Width::I64 | Width::U64 => 8,
    }
}

/// Checks a field's bytes.
///
/// # Errors
///
/// `OutOfRange` for a truth value that is neither 0 nor 1, a nameless enum number, or a number outside its range.
fn check_place(of: &Type, bytes: &[u8]) -> Result<()> {
    let mut word = [0; 8];
    let width = bytes.len().min(8);
    word[..width].copy_from_slice(&bytes[..width]);
    let unsigned = u64::from_le_bytes(word);
    let wrong = |found: String| {
        Err(Error::new(ErrorKind::OutOfRange, format!("{of} is expected, {found} was found")))
    };
    match &of.kind {
        Kind::Bool if unsigned > 1 => wrong(format!("the byte {unsigned}")),
        Kind::Enum(values) if unsigned >= values.len() as u64 => wrong(format!("the number {unsigned}")),
        Kind::NdArray { dtype: DType::Bool, .. } => match bytes.iter().find(|byte| **byte > 1) {
            Some(byte) => wrong(format!("the byte {byte}")),
            None => Ok(()),
        },
        Kind::Integer(width) => {
            let signed = matches!(width, Width::I8 | Width::I16 | Width::I32 | Width::I64);
            // Shifting up and down extends the sign.
            let shift = 64 - 8 * bytes.len() as u32;
            let number =
                if signed { i128::from(((unsigned << shift) as i64) >> shift) } else { i128::from(unsigned) };
            match of.range {
                Some(Range::Integer(low, high)) if !(low..=high).contains(&number) => {
                    wrong(number.to_string())
                }
                _ => Ok(()),
            }
        }
        Kind::F32 | Kind::F64 => {
            let number = match of.kind {
                Kind::F32 => f64::from(f32::from_bits(unsigned as u32)),
                _ => f64::from_bits(unsigned),
            };
            match of.range {
                Some(Range::Float(low, high)) if !(low..=high).contains(&number) => {
                    wrong(format!("{number:?}"))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    const TEXT: &str = r#"
        name = "motor.state"
        layout = "packed"
        [types.vector]
        type = "record"
        fields = { x = "f32", y = "f64" }
        [fields]
        on = "bool"
        at = "timestamp"
        mode = { type = "enum", values = ["OFF", "SLOW", "FAST"] }
        speed = { type = "i16", range = [-10, 10] }
        place = "vector"
        id = "uuid"
        waves = { type = "ndarray", dtype = "c64", shape = [2] }
        last = "u8"
    "#;

    #[test]
    fn packed_fields_lie_as_in_a_struct_of_c() {
        let schema = Schema::parse(TEXT).unwrap();
        let layout = schema.layout().unwrap();
        let found: Vec<(&str, usize, usize)> =
            layout.fields.iter().map(|place| (place.path.as_str(), place.offset, place.size)).collect();
        let expected = [
            ("on", 0, 1),
            ("at", 8, 8),
            ("mode", 16, 1),
            ("speed", 18, 2),
            ("place/x", 24, 4),
            ("place/y", 32, 8),
            ("id", 40, 16),
            ("waves", 56, 16),
            ("last", 72, 1),
        ];
        assert_eq!(found, expected);
        assert_eq!((layout.size, layout.alignment), (80, 8));
    }

    #[test]
    fn packed_bytes_are_checked() {
        let schema = Schema::parse(TEXT).unwrap();
        let check = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = vec![0; 80];
            change(&mut bytes);
            schema.check(&Value::Bytes(bytes.into())).map_err(|error| error.to_string())
        };
        assert_eq!(check(&|_| {}), Ok(()));
        assert_eq!(check(&|bytes| bytes[18..20].copy_from_slice(&(-10i16).to_le_bytes())), Ok(()));
        for (change, expected) in [
            (
                &(|bytes: &mut Vec<u8>| bytes.truncate(79)) as &dyn Fn(&mut Vec<u8>),
                "80 packed bytes are expected, 79",
            ),
            (&|bytes| bytes[0] = 2, "at path on"),
            (&|bytes| bytes[16] = 3, "the number 3 was found"),
            (&|bytes| bytes[18] = 11, "11 was found"),
            (&|bytes| bytes[1] = 1, "byte 1 of a packed record is padding"),
            (&|bytes| bytes[28] = 1, "byte 28 of a packed record is padding"),
            (&|bytes| bytes[79] = 1, "byte 79 of a packed record is padding"),
        ] {
            let error = check(change).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = schema.check(&Value::map([("on", true)])).unwrap_err();
        assert!(error.to_string().contains("80 packed bytes"), "{error}");
    }

    #[test]
    fn packed_layout_is_in_the_fingerprint_and_survives_both_forms() {
        let schema = Schema::parse(TEXT).unwrap();
        let plain = Schema::parse(&TEXT.replace("layout = \"packed\"", "")).unwrap();
        assert_ne!(schema.fingerprint().unwrap(), plain.fingerprint().unwrap());
        assert_eq!(Schema::parse(&schema.to_toml()).unwrap(), schema);
        assert_eq!(Schema::from_bytes(&schema.to_bytes().unwrap()).unwrap().layout(), schema.layout());
        for (reader, writer) in [(&schema, &plain), (&plain, &schema)] {
            assert!(
                reader.cannot_read(writer)[0].text.contains("packed"),
                "{:?}",
                reader.cannot_read(writer)
            );
        }
        let wider = Schema::parse(&TEXT.replace("last = \"u8\"", "last = \"u16\"")).unwrap();
        assert!(wider.cannot_read(&schema)[0].text.contains("another layout"));
        assert!(schema.cannot_read(&schema).is_empty());
    }

    #[test]
    fn types_without_fixed_size_are_not_packed() {
        for (field, expected) in [
            ("a = \"text\"", "a: text has no fixed size"),
            ("a = { type = \"ndarray\", dtype = \"f32\", shape = [\"n\"] }", "has no fixed size"),
            ("a = { type = \"f32\", optional = true }", "always there"),
            ("a = { type = \"f32\", default = 1 }", "always there"),
            ("a = { type = \"ndarray\", dtype = \"f64\", shape = [1000, 1000] }", "no fixed size"),
        ] {
            let text = format!("name = \"t\"\nlayout = \"packed\"\n[fields]\n{field}\n");
            let error = Schema::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error =
            Schema::parse("name = \"t\"\nlayout = \"tight\"\ntype = \"f64\"").unwrap_err().to_string();
        assert!(error.contains("packed"), "{error}");
    }
}
