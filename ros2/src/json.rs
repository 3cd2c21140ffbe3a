//! Messages in plain JSON, as viewers show and plot it, and what JSON Schema says of them: numbers are numbers, a time
//! has `sec` and `nsec`, an array has `shape` and `data`. It is for looking: what was an integer or a float is not told
//! from it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use linkspan::schema::{Field, Kind, Type};
use linkspan::{DType, NdArray, Result, Value};
use serde_json::{Map, Number, Value as Json, json};

use crate::packed::uuid;

/// Writes a message. Viewers show maps alone: another value is that of the key `value`.
///
/// # Errors
/// None today.
pub fn encode(value: &Value) -> Result<Vec<u8>> {
    let json = match value {
        Value::Map(_) => plain(value),
        other => json!({ "value": plain(other) }),
    };
    Ok(json.to_string().into_bytes())
}

fn float(number: f64) -> Json {
    // What JSON has no number for is none.
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(is) => Json::Bool(*is),
        Value::Int(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::Float(number) => float(*number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bytes(bytes) => Json::from(BASE64_STANDARD.encode(bytes)),
        Value::Timestamp(time) => {
            json!({ "sec": time.0.div_euclid(1_000_000_000), "nsec": time.0.rem_euclid(1_000_000_000) })
        }
        Value::Uuid(bytes) => Json::from(uuid(*bytes)),
        Value::Decimal(number) => Json::from(number.to_string()),
        Value::BigInt(number) => Json::from(number.to_string()),
        Value::NdArray(array) => json!({ "shape": array.shape, "data": elements(array) }),
        Value::Array(items) => Json::Array(items.iter().map(plain).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
        // A value of a kind that comes later.
        other => Json::from(format!("{other:?}")),
    }
}

/// The elements in row order.
fn elements(array: &NdArray) -> Vec<Json> {
    macro_rules! numbers {
        ($rust:ty, $json:expr) => {
            crate::cdr::in_rows(array)
                .chunks_exact(size_of::<$rust>())
                .filter_map(|chunk| Some(<$rust>::from_le_bytes(chunk.try_into().ok()?)))
                .map($json)
                .collect()
        };
    }
    match array.dtype {
        DType::Bool => crate::cdr::in_rows(array).iter().map(|byte| Json::Bool(*byte != 0)).collect(),
        DType::I8 => numbers!(i8, Json::from),
        DType::I16 => numbers!(i16, Json::from),
        DType::I32 => numbers!(i32, Json::from),
        DType::I64 => numbers!(i64, Json::from),
        DType::U8 => numbers!(u8, Json::from),
        DType::U16 => numbers!(u16, Json::from),
        DType::U32 => numbers!(u32, Json::from),
        DType::U64 => numbers!(u64, Json::from),
        DType::F32 | DType::C64 => numbers!(f32, |number| float(f64::from(number))),
        DType::F64 | DType::C128 => numbers!(f64, float),
    }
}

/// Returns JSON Schema for messages of a type. It has what viewers read of it, and no more: of fields whose type is not
/// known, none.
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
            json!({ "type": "object", "properties": {
                "shape": { "type": "array", "items": { "type": "integer" } },
                "data": { "type": "array", "items": { "type": element } }
            } })
        }
        Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
            let one = |field: &Field| Some((field.name.clone(), described(&field.of)?));
            let properties: Map<String, Json> = fields.iter().filter_map(one).collect();
            json!({ "type": "object", "properties": properties })
        }
        Kind::Map(_) => json!({ "type": "object" }),
        _ => return None,
    };
    if let (Some(unit), Json::Object(map)) = (&of.unit, &mut json) {
        map.insert("description".into(), format!("[{unit}]").into());
    }
    Some(json)
}
