//! Encodes messages in CDR: the classic encoding (XCDR version 1) in little-endian order, as ROS 2 does.

use std::borrow::Cow;

use linkspan::schema::Width;
use linkspan::{DType, Error, ErrorKind, Map, NdArray, Order, Result, Timestamp, Value, quoted};

use crate::definition::{Member, Shape, image_encoding};
use crate::length::too_long;
use crate::packed;

/// Little-endian, version 1, without options.
const ENCAPSULATION: [u8; 4] = [0, 1, 0, 0];

/// Encodes a value in its shape.
///
/// # Errors
/// `Unsupported` for a value that does not fit, with the path of the misfit; `TooLarge` beyond `most` bytes.
pub fn encode(shape: &Shape, value: &Value, sent: i64, most: u64) -> Result<Vec<u8>> {
    let mut out = Writer { bytes: Vec::with_capacity(64), sent, most };
    out.bytes.extend_from_slice(&ENCAPSULATION);
    out.value(shape, value)?;
    out.room(0)?;
    Ok(out.bytes)
}

/// Returns the elements of an array in row-major order.
pub fn in_rows(array: &NdArray) -> Cow<'_, [u8]> {
    if array.as_ref().order == Order::Row {
        return Cow::Borrowed(&array.data);
    }
    let mut out = Writer { bytes: Vec::new(), sent: 0, most: u64::MAX };
    out.rows(array);
    Cow::Owned(out.bytes)
}

struct Writer {
    bytes: Vec<u8>,
    sent: i64,
    /// The most bytes.
    most: u64,
}

fn unfit(what: &str, value: &Value) -> Error {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::NdArray(array) => format!("an array of {} with shape {:?}", array.dtype.name(), array.shape),
        Value::Bytes(_) => "bytes".to_owned(),
        Value::Text(text) => quoted(text).to_string(),
        other => format!("{other:?}"),
    };
    Error::new(
        ErrorKind::Unsupported,
        format!("the type of the messages has {what} here, and the value is {found}"),
    )
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    }
}

/// Returns a float, or an integer that a float represents exactly.
fn float(value: &Value) -> Option<f64> {
    const EXACT: i128 = 1 << 53;
    match value {
        Value::Float(number) => Some(*number),
        other => {
            integer(other).filter(|number| (-EXACT..=EXACT).contains(number)).map(|number| number as f64)
        }
    }
}

impl Writer {
    /// Adds zeros up to a multiple of `to`, counted after the encapsulation.
    fn align(&mut self, to: usize) {
        let length = self.bytes.len().saturating_sub(ENCAPSULATION.len()).next_multiple_of(to);
        let length = length.saturating_add(ENCAPSULATION.len());
        self.bytes.resize(length, 0);
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.align(N);
        self.bytes.extend_from_slice(&bytes);
    }

    fn length(&mut self, length: usize) -> Result<()> {
        let length = u32::try_from(length).map_err(|_| {
            Error::new(ErrorKind::Unsupported, format!("CDR has no list of {length} elements"))
        })?;
        self.put(length.to_le_bytes());
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        if text.contains('\0') {
            // Readers end a text at a zero.
            return Err(Error::new(ErrorKind::Unsupported, "CDR has no text with a zero in it"));
        }
        self.length(text.len().saturating_add(1))?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    fn time(&mut self, time: i64) -> Result<()> {
        let (seconds, nanoseconds) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
        let seconds = i32::try_from(seconds).map_err(|_| {
            let text = format!("{} is outside of the times of ROS, from 1901 to 2038", Timestamp(time));
            Error::new(ErrorKind::Unsupported, text)
        })?;
        self.put(seconds.to_le_bytes());
        // Less than 10^9.
        self.put((nanoseconds as u32).to_le_bytes());
        Ok(())
    }

    fn integer(&mut self, width: Width, value: &Value) -> Result<()> {
        let number = integer(value).filter(|number| {
            let (least, greatest) = width.bounds();
            (least..=greatest).contains(number)
        });
        let Some(number) = number else { return Err(unfit(width.name(), value)) };
        // The number is within the width.
        match width {
            Width::I8 | Width::U8 => self.put((number as u8).to_le_bytes()),
            Width::I16 | Width::U16 => self.put((number as u16).to_le_bytes()),
            Width::I32 | Width::U32 => self.put((number as u32).to_le_bytes()),
            _ => self.put((number as u64).to_le_bytes()),
        }
        Ok(())
    }

    /// Fails if `more` bytes exceed the limit.
    fn room(&self, more: usize) -> Result<()> {
        let whole = (self.bytes.len() as u64).saturating_add(more as u64);
        if whole > self.most { Err(too_long(self.most)) } else { Ok(()) }
    }

    fn value(&mut self, shape: &Shape, value: &Value) -> Result<()> {
        self.room(0)?;
        match (shape, value) {
            (Shape::Bool, Value::Bool(is)) => self.put([u8::from(*is)]),
            (Shape::Integer(width), number) => return self.integer(*width, number),
            (Shape::F32, number) => {
                let number = float(number).ok_or_else(|| unfit("a float", value))?;
                let narrow = number as f32;
                if narrow.is_infinite() && number.is_finite() {
                    return Err(unfit("a float of 32 bits", value));
                }
                self.put(narrow.to_le_bytes());
            }
            (Shape::F64, number) => {
                let number = float(number).ok_or_else(|| unfit("a float", value))?;
                self.put(number.to_le_bytes());
            }
            (Shape::Text, Value::Text(text)) => return self.text(text),
            (Shape::Bytes, Value::Bytes(bytes)) => {
                self.room(bytes.len())?;
                self.length(bytes.len())?;
                self.bytes.extend_from_slice(bytes);
            }
            (Shape::Time, Value::Timestamp(time)) => return self.time(time.0),
            (Shape::Uuid, Value::Uuid(bytes)) => return self.text(&packed::uuid(*bytes)),
            (Shape::Decimal, Value::Decimal(number)) => return self.text(&number.to_string()),
            (Shape::Decimal, Value::Int(number)) => return self.text(&number.to_string()),
            (Shape::Empty, Value::Array(items)) if items.is_empty() => return self.length(0),
            (Shape::List(of), Value::Array(items)) => {
                self.length(items.len())?;
                for (at, item) in items.iter().enumerate() {
                    self.value(of, item).map_err(|error| error.with_path(at.to_string()))?;
                }
            }
            // A table's column may be an array although its type is a list.
            (Shape::Record(members), Value::Map(map)) => return self.record(members, map),
            (Shape::Packed(schema, members), Value::Bytes(bytes)) => {
                return self.record(members, &packed::unpack(schema, bytes)?);
            }
            (Shape::Packed(_, members), Value::Map(map)) => return self.record(members, map),
            (Shape::Array(dtype), Value::NdArray(array)) if array.dtype == *dtype => {
                return self.array(array);
            }
            (Shape::Image(dtype, channels), Value::NdArray(array)) if array.dtype == *dtype => {
                return self.image(array, *channels);
            }
            (shape, value) => return Err(unfit(shape.name(), value)),
        }
        Ok(())
    }

    fn record(&mut self, members: &[Member], map: &Map) -> Result<()> {
        let mut found = 0;
        for member in members {
            let given = member.keys.iter().find_map(|key| map.get(key));
            found = usize::from(given.is_some()).saturating_add(found);
            let given = given.filter(|value| !(member.is_optional && matches!(value, Value::Null)));
            let here = |error: Error| error.with_path(member.keys.first().map_or("", String::as_str));
            if member.is_optional {
                self.put([u8::from(given.is_some())]);
            }
            match given.or(member.default.as_ref().filter(|_| !member.is_optional)) {
                Some(value) => self.value(&member.of, value).map_err(here)?,
                None if member.is_optional => self.absent(&member.of)?,
                None => {
                    let text = "the type of the messages has a field here, and the value has none";
                    return Err(here(Error::new(ErrorKind::Unsupported, text)));
                }
            }
        }
        if members.is_empty() {
            self.put([0]);
        }
        if found < map.len() {
            let is_known =
                |key: &str| members.iter().any(|member| member.keys.iter().any(|known| known == key));
            let other = map.keys().find(|key| !is_known(key)).map_or("", |key| key.as_str());
            let text = "the type of the messages has no such field";
            return Err(Error::new(ErrorKind::Unsupported, text).with_path(other));
        }
        Ok(())
    }

    /// Writes the placeholder of an absent value: NaN for floats, zero or empty for others.
    fn absent(&mut self, shape: &Shape) -> Result<()> {
        match shape {
            Shape::Bool => self.put([0]),
            Shape::Integer(width) => return self.integer(*width, &Value::Int(0)),
            Shape::F32 => self.put(f32::NAN.to_le_bytes()),
            Shape::F64 => self.put(f64::NAN.to_le_bytes()),
            Shape::Text | Shape::Uuid | Shape::Decimal => return self.text(""),
            Shape::Bytes | Shape::List(_) | Shape::Empty => return self.length(0),
            Shape::Time => return self.time(0),
            Shape::Array(_) => {
                self.length(0)?;
                return self.length(0);
            }
            Shape::Image(dtype, channels) => return self.image_of(*dtype, *channels, 0, 0, &[]),
            Shape::Record(members) | Shape::Packed(_, members) => {
                for member in members {
                    if member.is_optional {
                        self.put([0]);
                    }
                    self.absent(&member.of)?;
                }
                if members.is_empty() {
                    self.put([0]);
                }
            }
        }
        Ok(())
    }

    fn array(&mut self, array: &NdArray) -> Result<()> {
        self.room(array.data.len())?;
        self.length(array.shape.len())?;
        for length in &array.shape {
            let length =
                u32::try_from(*length).map_err(|_| unfit("lengths of 32 bits", &array.clone().into()))?;
            self.put(length.to_le_bytes());
        }
        let (element, parts) = match array.dtype {
            DType::C64 => (4, 2),
            DType::C128 => (8, 2),
            other => (other.size(), 1),
        };
        self.length(array.data.chunks_exact(array.dtype.size()).len().saturating_mul(parts))?;
        if !array.data.is_empty() {
            self.align(element);
            self.rows(array);
        }
        Ok(())
    }

    /// Writes the elements in row-major order.
    fn rows(&mut self, array: &NdArray) {
        if array.as_ref().order == Order::Row {
            self.bytes.extend_from_slice(&array.data);
            return;
        }
        // Each element's offset follows from its index, which counts up in row-major order.
        let size = array.dtype.size();
        let lengths: Vec<usize> =
            array.shape.iter().map(|length| usize::try_from(*length).unwrap_or(0)).collect();
        let mut steps = Vec::with_capacity(lengths.len());
        let mut step = size;
        for length in &lengths {
            steps.push(step);
            step = step.saturating_mul(*length);
        }
        let mut index = vec![0usize; lengths.len()];
        let mut place = 0;
        self.bytes.reserve(array.data.len());
        for _ in array.data.chunks_exact(size) {
            if let Some(element) = array.data.get(place..).and_then(|rest| rest.get(..size)) {
                self.bytes.extend_from_slice(element);
            }
            for at in (0..index.len()).rev() {
                index[at] = index[at].saturating_add(1);
                place = place.saturating_add(steps[at]);
                if index[at] < lengths[at] {
                    break;
                }
                place = place.saturating_sub(steps[at].saturating_mul(lengths[at]));
                index[at] = 0;
            }
        }
    }

    fn image(&mut self, array: &NdArray, channels: u32) -> Result<()> {
        let sides = match (&array.shape[..], channels) {
            ([height, width], 1) => Some((*height, *width)),
            ([height, width, depth], _) if *depth == u64::from(channels) => Some((*height, *width)),
            _ => None,
        };
        let sides =
            sides.and_then(|(height, width)| Some((u32::try_from(height).ok()?, u32::try_from(width).ok()?)));
        let Some((height, width)) = sides else { return Err(unfit("a picture", &array.clone().into())) };
        self.room(array.data.len())?;
        self.image_of(array.dtype, channels, height, width, &in_rows(array))
    }

    fn image_of(&mut self, dtype: DType, channels: u32, height: u32, width: u32, data: &[u8]) -> Result<()> {
        // A far clock's time may be outside of ROS's range. The picture is worth more than its time.
        let before = self.bytes.len();
        if self.time(self.sent).is_err() {
            self.bytes.truncate(before);
            self.time(0)?;
        }
        self.text("")?;
        self.put(height.to_le_bytes());
        self.put(width.to_le_bytes());
        self.text(image_encoding(dtype, channels))?;
        self.put([0]);
        // CDR limits the length of a line to 32 bits.
        let step = u64::from(width).saturating_mul(u64::from(channels)).saturating_mul(dtype.size() as u64);
        let step = u32::try_from(step)
            .map_err(|_| Error::new(ErrorKind::Unsupported, "a line of the picture is too long"))?;
        self.put(step.to_le_bytes());
        self.length(data.len())?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Shape::Bool => "a truth value",
            Shape::Integer(width) => width.name(),
            Shape::F32 | Shape::F64 => "a float",
            Shape::Text => "a text",
            Shape::Bytes => "bytes",
            Shape::Time => "a time",
            Shape::Uuid => "a UUID",
            Shape::Decimal => "a decimal number",
            Shape::List(_) => "a list",
            Shape::Empty => "an empty list",
            Shape::Record(_) => "a record",
            Shape::Array(_) => "an array of another type",
            Shape::Image(..) => "a picture",
            Shape::Packed(..) => "a packed record",
        }
    }
}
