//! Encodes messages in plain JSON for display, with a JSON Schema.
//!
//! Numbers are numbers, a time has `sec` and `nsec`, an array has `shape` and `data`. Integers and whole floats look
//! equal.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use linkspan::schema::{Field, Kind, Type};
use linkspan::{DType, Error, ErrorKind, NdArray, Result, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::keys::key;
use crate::length::too_long;
use crate::packed::uuid;

/// Encodes a message. Viewers show only maps, so another value becomes the value of the key `value`.
///
/// # Errors
/// `TooLarge` beyond `most` bytes; `OutOfMemory`.
pub fn encode(value: &Value, most: u64) -> Result<Vec<u8>> {
    let mut out = Out { bytes: Vec::new(), most, failed: None };
    let written = match value {
        Value::Map(_) => out.value(value),
        other => out.raw("{\"value\":").and_then(|()| out.value(other)).and_then(|()| out.raw("}")),
    };
    match (written, out.failed) {
        (Ok(()), _) => Ok(out.bytes),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(Error::new(ErrorKind::Internal, error.to_string())),
    }
}

/// Bytes per conversion to base64: a multiple of three.
const PIECE: usize = 3 << 10;
/// The least growth of the memory in bytes.
const GROWTH: usize = 4 << 10;

/// The bytes of a message, which are written directly. A tree would take dozens of bytes per number.
struct Out {
    bytes: Vec<u8>,
    most: u64,
    /// The reason of a failed write.
    failed: Option<Error>,
}

impl Write for Out {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let length = self.bytes.len().saturating_add(piece.len());
        if length as u64 > self.most {
            self.failed = Some(too_long(self.most));
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if length > self.bytes.capacity() {
            // Growth by half keeps the memory below twice the limit.
            let more = (self.bytes.len() / 2).max(piece.len()).max(GROWTH);
            if self.bytes.try_reserve_exact(more).is_err() {
                let text = format!("no memory for {more} bytes of a message for viewers");
                self.failed = Some(Error::new(ErrorKind::OutOfMemory, text));
                return Err(io::ErrorKind::OutOfMemory.into());
            }
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out {
    fn raw(&mut self, text: &str) -> io::Result<()> {
        self.write_all(text.as_bytes())
    }

    /// Writes a number or a text. A float without a JSON number becomes null.
    fn plain(&mut self, what: &(impl Serialize + ?Sized)) -> io::Result<()> {
        serde_json::to_writer(self, what).map_err(io::Error::from)
    }

    /// Writes a list with commas.
    fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Out, T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.raw("[")?;
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.raw(",")?;
            }
            write(self, item)?;
        }
        self.raw("]")
    }

    fn value(&mut self, value: &Value) -> io::Result<()> {
        match value {
            Value::Null => self.raw("null"),
            Value::Bool(is) => self.plain(is),
            Value::Int(number) => self.plain(number),
            Value::Uint(number) => self.plain(number),
            Value::Float(number) => self.plain(number),
            Value::Text(text) => self.plain(text.as_str()),
            Value::Bytes(bytes) => {
                self.raw("\"")?;
                bytes.chunks(PIECE).try_for_each(|piece| self.raw(&BASE64_STANDARD.encode(piece)))?;
                self.raw("\"")
            }
            Value::Timestamp(time) => {
                let (seconds, rest) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
                write!(self, "{{\"sec\":{seconds},\"nsec\":{rest}}}")
            }
            Value::Uuid(bytes) => self.plain(&uuid(*bytes)),
            Value::Decimal(number) => self.plain(&number.to_string()),
            Value::BigInt(number) => self.plain(&number.to_string()),
            Value::NdArray(array) => {
                self.raw("{\"shape\":")?;
                self.plain(&array.shape)?;
                self.raw(",\"data\":")?;
                self.elements(array)?;
                self.raw("}")
            }
            Value::Array(items) => self.list(items, Out::value),
            Value::Map(map) => {
                self.raw("{")?;
                for (at, (key, value)) in map.iter().enumerate() {
                    if at > 0 {
                        self.raw(",")?;
                    }
                    self.plain(key.as_str())?;
                    self.raw(":")?;
                    self.value(value)?;
                }
                self.raw("}")
            }
            // A kind of value from a later version.
            other => self.plain(&format!("{other:?}")),
        }
    }

    /// Writes the elements in row-major order.
    fn elements(&mut self, array: &NdArray) -> io::Result<()> {
        let rows = crate::cdr::in_rows(array);
        macro_rules! numbers {
            ($rust:ty) => {
                self.list(rows.as_chunks().0, |out, chunk| out.plain(&<$rust>::from_le_bytes(*chunk)))
            };
        }
        match array.dtype {
            DType::Bool => self.list(&*rows, |out, byte| out.plain(&(*byte != 0))),
            DType::I8 => numbers!(i8),
            DType::I16 => numbers!(i16),
            DType::I32 => numbers!(i32),
            DType::I64 => numbers!(i64),
            DType::U8 => numbers!(u8),
            DType::U16 => numbers!(u16),
            DType::U32 => numbers!(u32),
            DType::U64 => numbers!(u64),
            // Converted to 64 bits without a change.
            DType::F32 | DType::C64 => {
                self.list(rows.as_chunks().0, |out, chunk| out.plain(&f64::from(f32::from_le_bytes(*chunk))))
            }
            DType::F64 | DType::C128 => numbers!(f64),
        }
    }
}

/// Returns a JSON Schema for messages of a type, with the properties that viewers use. Unknown types are omitted.
pub fn schema(root: Option<&Type>) -> String {
    let described = match root {
        Some(of) if matches!(of.kind, Kind::Record(_) | Kind::Union(_) | Kind::Table(_) | Kind::Map(_)) => {
            described(of)
        }
        Some(of) => described(of).map(|of| json!({ "type": "object", "properties": { "value": of } })),
        None => None,
    };
    described.unwrap_or_else(|| json!({ "type": "object" })).to_string()
}

fn described(of: &Type) -> Option<Json> {
    let mut json = match &of.kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(_) => json!({ "type": "integer" }),
        Kind::F32 | Kind::F64 => json!({ "type": "number" }),
        Kind::Text(_) | Kind::Enum(_) | Kind::Uuid | Kind::Decimal => json!({ "type": "string" }),
        Kind::Bytes(_) => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Timestamp => json!({
            "type": "object", "title": "time",
            "properties": { "sec": { "type": "integer" }, "nsec": { "type": "integer" } }
        }),
        Kind::List(of, _) => json!({ "type": "array", "items": described(of)? }),
        Kind::NdArray { dtype, .. } => {
            let element = if *dtype == DType::Bool { "boolean" } else { "number" };
            let mut element = json!({ "type": element });
            describe(&mut element, of);
            json!({ "type": "object", "properties": {
                "shape": { "type": "array", "items": { "type": "integer" } },
                "data": { "type": "array", "items": element }
            } })
        }
        Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
            let one = |field: &Field| Some((key(field).to_owned(), described(&field.of)?));
            let properties: Map<String, Json> = fields.iter().filter_map(one).collect();
            json!({ "type": "object", "properties": properties })
        }
        Kind::Map(_) => json!({ "type": "object" }),
        _ => return None,
    };
    describe(&mut json, of);
    Some(json)
}

/// Adds the unit of a type to its description.
fn describe(json: &mut Json, of: &Type) {
    if let (Some(unit), Json::Object(map)) = (&of.unit, json) {
        map.insert("description".into(), format!("[{unit}]").into());
    }
}
