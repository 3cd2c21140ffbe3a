//! Converts packed records to maps, with the fields of the schema's layout.

use linkspan::schema::{Kind, Schema, Type, Width};
use linkspan::{Error, ErrorKind, Map, NdArray, Order, Result, Timestamp, Value};

/// Returns the text of a UUID.
pub fn uuid(bytes: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Returns the record of a packed message.
///
/// # Errors
/// `Unsupported` for invalid bytes.
pub fn unpack(schema: &Schema, bytes: &[u8]) -> Result<Map> {
    let unfit = || Error::new(ErrorKind::Unsupported, format!("the bytes are no packed {}", schema.name));
    schema.check(&Value::Bytes(bytes.to_vec().into())).map_err(|_| unfit())?;
    let layout = schema.layout().ok_or_else(unfit)?;
    let mut root = Map::new();
    for field in &layout.fields {
        let found = bytes.get(field.offset..).and_then(|rest| rest.get(..field.size)).ok_or_else(unfit)?;
        let value = value(field.of, found).ok_or_else(unfit)?;
        put(&mut root, &field.path, value);
    }
    Ok(root)
}

/// Inserts a value at a path.
fn put(map: &mut Map, path: &str, value: Value) {
    match path.split_once('/') {
        None => drop(map.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let mut inner = match map.shift_remove(first) {
                Some(Value::Map(inner)) => inner,
                _ => Map::new(),
            };
            put(&mut inner, rest, value);
            map.insert(first.to_owned(), Value::Map(inner));
        }
    }
}

/// Returns the little-endian number of these bytes, without a sign.
fn number(bytes: &[u8]) -> Option<u64> {
    let mut whole = [0; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(whole))
}

fn value(of: &Type, bytes: &[u8]) -> Option<Value> {
    Some(match &of.kind {
        Kind::Bool => Value::Bool(bytes != [0]),
        Kind::Integer(width) => {
            let number = number(bytes)?;
            match width {
                Width::I8 => Value::Int(i64::from(number as u8 as i8)),
                Width::I16 => Value::Int(i64::from(number as u16 as i16)),
                Width::I32 => Value::Int(i64::from(number as u32 as i32)),
                Width::I64 => Value::Int(number as i64),
                _ => Value::from(number),
            }
        }
        Kind::F32 => Value::Float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        Kind::F64 => Value::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Timestamp => Value::Timestamp(Timestamp(i64::from_le_bytes(bytes.try_into().ok()?))),
        Kind::Uuid => Value::Uuid(bytes.try_into().ok()?),
        Kind::Enum(values) => Value::from(values.get(usize::try_from(number(bytes)?).ok()?)?.as_str()),
        Kind::NdArray { dtype, shape, order } => {
            let shape = shape.as_ref()?.iter().map(|length| length.to_string().parse().ok());
            Value::NdArray(NdArray {
                dtype: *dtype,
                order: order.unwrap_or(Order::Row),
                shape: shape.collect::<Option<_>>()?,
                data: bytes.to_vec().into(),
            })
        }
        _ => return None,
    })
}
