//! JSON Schema 2020-12 of the messages in JSON, as docs/wire-format.md writes them.
//!
//! It stays within what Lichtblick and Foxglove plot: objects with `properties`, one `type` each, no `$ref`, base64 by
//! `contentEncoding`. Therefore it has no choice of types: it refuses null where a field is optional, and NaN and infinities.

use linkspan::schema::{Field, Kind, Length, Range, Schema, Type};
use linkspan::{DType, Order, Result};
use serde_json::{Map, Value, json};

use super::notes::{Notes, unknown};

/// Floats from here on are infinite in 32 bits: half a step above the greatest.
const BEYOND_F32: f64 = 3.402_823_567_797_336_6e38;

const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
const DECIMAL: &str = "^(?:[-+]?(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[Ii][Nn][Ff](?:[Ii][Nn][Ii][Tt][Yy])?|[-+]?[Nn][Aa][Nn])$";
const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,9})?(?:[Zz]|[-+][0-9]{2}:[0-9]{2})$";
const UUID: &str = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";

/// Returns the schema as a JSON text of several lines.
pub(super) fn write(schema: &Schema, notes: &mut Notes) -> Result<String> {
    let mut out = Map::new();
    out.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    out.insert("title".into(), schema.name.as_str().into());
    if !schema.doc.is_empty() {
        out.insert("description".into(), schema.doc.as_str().into());
    }
    out.append(&mut ty(&schema.root, notes)?);
    // Values of serde_json's own map can always be serialized.
    Ok(format!("{:#}\n", Value::Object(out)))
}

fn ty(of: &Type, notes: &mut Notes) -> Result<Map<String, Value>> {
    let mut out = match &of.kind {
        Kind::Any => Map::new(),
        Kind::Bool => object(json!({"type": "boolean"})),
        Kind::Integer(width) => {
            notes.looser("a float without fraction, such as 7.0, is accepted");
            let (low, high) = match of.range {
                Some(Range::Integer(low, high)) => (low, high),
                _ => width.bounds(),
            };
            object(json!({"type": "integer", "minimum": integer(low), "maximum": integer(high)}))
        }
        Kind::F32 | Kind::F64 => float(of, notes),
        Kind::Text(most) => {
            let mut out = object(json!({"type": "string"}));
            if let Some(most) = most {
                notes.looser(format!(
                    "the length is counted in characters: {most} of them may have more bytes"
                ));
                out.insert("maxLength".into(), (*most).into());
            }
            out
        }
        Kind::Bytes(most) => {
            let mut text = object(json!({"type": "string", "contentEncoding": "base64", "pattern": BASE64}));
            if let Some(most) = most {
                if most % 3 != 0 {
                    notes.looser(
                        "the length is counted in characters of base64: up to 2 bytes more are accepted",
                    );
                }
                text.insert("maxLength".into(), most.div_ceil(3).saturating_mul(4).into());
            }
            escape("$bytes", Value::Object(text))
        }
        Kind::Timestamp => escape("$time", json!({"type": "string", "format": "date-time", "pattern": TIME})),
        Kind::Uuid => escape("$uuid", json!({"type": "string", "format": "uuid", "pattern": UUID})),
        Kind::Decimal => escape("$decimal", json!({"type": "string", "pattern": DECIMAL})),
        Kind::Enum(values) => object(json!({"type": "string", "enum": values})),
        Kind::List(of, most) => {
            let mut out = object(json!({"type": "array", "items": within("*", of, notes)?}));
            if let Some(most) = most {
                out.insert("maxItems".into(), (*most).into());
            }
            out
        }
        Kind::Map(of) => map(within("*", of, notes)?, notes),
        Kind::Record(fields) => record(fields, notes)?,
        Kind::Table(columns) => {
            notes.looser("columns of different lengths are accepted");
            record(columns, notes)?
        }
        Kind::Union(variants) => {
            let mut properties = Map::new();
            for variant in variants {
                properties.insert(variant.name.clone(), field(variant, notes)?);
            }
            object(json!({
                "type": "object", "properties": properties, "additionalProperties": false,
                "minProperties": 1, "maxProperties": 1,
            }))
        }
        Kind::NdArray { dtype, shape, order } => array(*dtype, shape.as_deref(), *order, notes),
        _ => return Err(unknown(of, notes)),
    };
    if let Some(unit) = &of.unit {
        out.insert("x-unit".into(), unit.as_str().into());
    }
    Ok(out)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(entries) => entries,
        _ => Map::new(),
    }
}

fn within(name: &str, of: &Type, notes: &mut Notes) -> Result<Value> {
    notes.enter(name);
    let value = ty(of, notes)?;
    notes.leave();
    Ok(Value::Object(value))
}

/// Returns an escape: an object with this one key.
fn escape(key: &str, of: Value) -> Map<String, Value> {
    object(
        json!({"type": "object", "properties": {key: of}, "required": [key], "additionalProperties": false}),
    )
}

fn integer(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| u64::try_from(number).unwrap_or(u64::MAX).into(), Value::from)
}

fn float(of: &Type, notes: &mut Notes) -> Map<String, Value> {
    let mut out = object(json!({"type": "number"}));
    let is_f32 = of.kind == Kind::F32;
    notes.looser(format!(
        "integers beyond 2^{} are accepted, which such a float does not hold exactly",
        if is_f32 { 24 } else { 53 }
    ));
    let finite = |end: f64| end.is_finite();
    match of.range {
        Some(Range::Float(low, high)) => {
            if finite(low) {
                out.insert("minimum".into(), low.into());
            }
            if finite(high) {
                out.insert("maximum".into(), high.into());
            }
            if !(finite(low) && finite(high)) {
                notes.narrower("infinities are refused: JSON has no number for them");
            }
        }
        _ => {
            if is_f32 {
                out.insert("exclusiveMinimum".into(), (-BEYOND_F32).into());
                out.insert("exclusiveMaximum".into(), BEYOND_F32.into());
            }
            notes.narrower("NaN and infinities are refused: JSON has no number for them");
        }
    }
    out
}

/// Returns a map: any key is allowed except those that would make it an escape.
fn map(of: Value, notes: &mut Notes) -> Map<String, Value> {
    notes.looser("below the escape $map any values are accepted");
    object(json!({
        "type": "object", "properties": {},
        "if": {"required": ["$map"], "maxProperties": 1},
        "then": {"properties": {"$map": {"type": "object"}}},
        "else": {
            "additionalProperties": of,
            "not": {"minProperties": 1, "maxProperties": 1, "propertyNames": {"pattern": "^\\$"}},
        },
    }))
}

fn record(fields: &[Field], notes: &mut Notes) -> Result<Map<String, Value>> {
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    for each in fields {
        properties.insert(each.name.clone(), field(each, notes)?);
        if !each.optional && each.default.is_none() {
            required.push(each.name.as_str().into());
        }
    }
    let mut out = object(json!({"type": "object", "properties": properties}));
    if !required.is_empty() {
        out.insert("required".into(), required.into());
    }
    out.insert("additionalProperties".into(), false.into());
    Ok(out)
}

fn field(field: &Field, notes: &mut Notes) -> Result<Value> {
    notes.enter(&field.name);
    let mut out = ty(&field.of, notes)?;
    if field.optional && field.of.kind != Kind::Any {
        notes.narrower("null is refused: leave the field out");
    }
    notes.leave();
    if !field.doc.is_empty() {
        out.insert("description".into(), field.doc.as_str().into());
    }
    if let Some(default) = &field.default {
        let json = linkspan::codec::encode(default, linkspan::Encoding::Json)?;
        let parsed: Option<Value> = serde_json::from_slice(&json).ok();
        out.extend(parsed.map(|value| ("default".to_owned(), value)));
    }
    Ok(Value::Object(out))
}

fn array(
    dtype: DType,
    shape: Option<&[Length]>,
    order: Option<Order>,
    notes: &mut Notes,
) -> Map<String, Value> {
    let mut lengths = object(json!({"type": "array", "items": {"type": "integer", "minimum": 0}}));
    if let Some(shape) = shape {
        let each = shape.iter().map(|length| match length {
            Length::Fixed(length) => json!({"type": "integer", "const": length}),
            _ => json!({"type": "integer", "minimum": 0}),
        });
        lengths = object(json!({
            "type": "array", "items": {"type": "integer", "minimum": 0},
            "minItems": shape.len(), "maxItems": shape.len(),
        }));
        if shape.iter().any(|length| matches!(length, Length::Fixed(_))) {
            lengths.insert("prefixItems".into(), each.collect());
        }
        if shape.iter().any(|length| matches!(length, Length::Named(_))) {
            notes.looser("lengths that have one name in the schema may differ");
        }
    }
    let orders = match order {
        Some(Order::Row) => json!(["row"]),
        _ => json!(["row", "column"]),
    };
    if order == Some(Order::Column) {
        notes.looser("arrays in row order are accepted");
    }
    escape(
        "$ndarray",
        json!({
            "type": "object",
            "properties": {
                "dtype": {"type": "string", "const": dtype.name()},
                "shape": lengths,
                "order": {"type": "string", "enum": orders},
                "data": {"type": "string", "contentEncoding": "base64", "pattern": BASE64},
            },
            "required": ["dtype", "shape", "order", "data"],
            "additionalProperties": false,
        }),
    )
}
