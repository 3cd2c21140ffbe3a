//! JSON Schema 2020-12 of the messages in JSON, as docs/wire-format.md describes them.
//!
//! The schema for validators accepts every message. The form for viewers contains only constructs that Lichtblick and
//! Foxglove plot: objects with `properties`, one `type` each, no `$ref`, base64 by `contentEncoding`. Without a
//! choice of types, it refuses null in optional fields, NaN and infinities.

use linkspan::schema::{Field, Kind, Length, Range, Schema, Type};
use linkspan::{DType, Order, Result};
use serde_json::{Map, Value, json};

use super::notes::{Notes, unknown};

/// Floats at or above this are infinite in 32 bits: half a step above the greatest.
const BEYOND_F32: f64 = 3.402_823_567_797_336_6e38;

const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
const DECIMAL: &str = "^(?:[-+]?(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[Ii][Nn][Ff](?:[Ii][Nn][Ii][Tt][Yy])?|[-+]?[Nn][Aa][Nn])$";
const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,9})?(?:[Zz]|[-+][0-9]{2}:[0-9]{2})$";
const UUID: &str = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    Validators,
    Viewers,
}

struct To<'n> {
    notes: &'n mut Notes,
    readers: Readers,
}

pub(super) fn write(schema: &Schema, readers: Readers, notes: &mut Notes) -> Result<String> {
    let to = &mut To { notes, readers };
    let mut out = Map::new();
    out.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    out.insert("title".into(), schema.name.as_str().into());
    if !schema.doc.is_empty() {
        out.insert("description".into(), schema.doc.as_str().into());
    }
    out.append(&mut ty(&schema.root, to)?);
    // Values of serde_json's map can always be serialized.
    Ok(format!("{:#}\n", Value::Object(out)))
}

fn ty(of: &Type, to: &mut To<'_>) -> Result<Map<String, Value>> {
    let mut out = match &of.kind {
        Kind::Any => Map::new(),
        Kind::Bool => object(json!({"type": "boolean"})),
        Kind::Integer(width) => {
            to.notes.looser("a float without fraction, such as 7.0, is accepted");
            let (low, high) = match of.range {
                Some(Range::Integer(low, high)) => (low, high),
                _ => width.bounds(),
            };
            object(json!({"type": "integer", "minimum": integer(low), "maximum": integer(high)}))
        }
        Kind::F32 | Kind::F64 => float(of, to),
        Kind::Text(most) => {
            let mut out = object(json!({"type": "string"}));
            if let Some(most) = most {
                to.notes.looser(format!(
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
                    to.notes.looser(
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
            let mut out = object(json!({"type": "array", "items": within("*", of, to)?}));
            if let Some(most) = most {
                out.insert("maxItems".into(), (*most).into());
            }
            out
        }
        Kind::Map(of) => map(within("*", of, to)?, to),
        Kind::Record(fields) => record(fields, to)?,
        Kind::Table(columns) => {
            to.notes.looser("columns of different lengths are accepted");
            record(columns, to)?
        }
        Kind::Union(variants) => {
            let mut properties = Map::new();
            for variant in variants {
                properties.insert(variant.name.clone(), field(variant, to)?);
            }
            object(json!({
                "type": "object", "properties": properties, "additionalProperties": false,
                "minProperties": 1, "maxProperties": 1,
            }))
        }
        Kind::NdArray { dtype, shape, order } => array(*dtype, shape.as_deref(), *order, to),
        _ => return Err(unknown(of, to.notes)),
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

fn within(name: &str, of: &Type, to: &mut To<'_>) -> Result<Value> {
    to.notes.enter(name);
    let value = ty(of, to)?;
    to.notes.leave();
    Ok(Value::Object(value))
}

fn escape(key: &str, of: Value) -> Map<String, Value> {
    object(
        json!({"type": "object", "properties": {key: of}, "required": [key], "additionalProperties": false}),
    )
}

fn integer(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| u64::try_from(number).unwrap_or(u64::MAX).into(), Value::from)
}

fn float(of: &Type, to: &mut To<'_>) -> Map<String, Value> {
    let mut out = object(json!({"type": "number"}));
    let is_f32 = of.kind == Kind::F32;
    to.notes.looser(format!(
        "integers beyond 2^{} are accepted, which such a float does not hold exactly",
        if is_f32 { 24 } else { 53 }
    ));
    let finite = |end: f64| end.is_finite();
    let is_exact = to.readers == Readers::Validators;
    match of.range {
        Some(Range::Float(low, high)) => {
            if finite(low) {
                out.insert("minimum".into(), low.into());
            }
            if finite(high) {
                out.insert("maximum".into(), high.into());
            }
            let ends = [(low, "-inf"), (high, "inf")];
            let open: Vec<&str> =
                ends.iter().filter(|(end, _)| !finite(*end)).map(|(_, name)| *name).collect();
            if !open.is_empty() && is_exact {
                or(&mut out, escape("$float", json!({"type": "string", "enum": open})));
            } else if !open.is_empty() {
                to.notes.narrower("infinities are refused: JSON has no number for them");
            }
        }
        _ => {
            if is_f32 {
                out.insert("exclusiveMinimum".into(), (-BEYOND_F32).into());
                out.insert("exclusiveMaximum".into(), BEYOND_F32.into());
            }
            if is_exact {
                // A NaN with a payload in 32 bits, or any float in 64 bits.
                let bits = if is_f32 { "[7Ff][Ff]{2}[0-9A-Fa-f]{13}" } else { "[0-9A-Fa-f]{16}" };
                let pattern = format!("^(?:nan|-?inf|0x{bits})$");
                or(&mut out, escape("$float", json!({"type": "string", "pattern": pattern})));
            } else {
                to.notes.narrower("NaN and infinities are refused: JSON has no number for them");
            }
        }
    }
    out
}

fn or(out: &mut Map<String, Value>, alternative: Map<String, Value>) {
    match out.get_mut("anyOf").and_then(Value::as_array_mut) {
        Some(all) => all.push(Value::Object(alternative)),
        None => {
            let first = Value::Object(std::mem::take(out));
            out.insert("anyOf".into(), json!([first, alternative]));
        }
    }
}

/// Returns a map with any keys, except keys that would make it an escape.
fn map(of: Value, to: &mut To<'_>) -> Map<String, Value> {
    to.notes.looser("below the escape $map any values are accepted");
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

fn record(fields: &[Field], to: &mut To<'_>) -> Result<Map<String, Value>> {
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    for each in fields {
        properties.insert(each.name.clone(), field(each, to)?);
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

fn field(field: &Field, to: &mut To<'_>) -> Result<Value> {
    to.notes.enter(&field.name);
    let mut out = ty(&field.of, to)?;
    if field.optional && field.of.kind != Kind::Any {
        match to.readers {
            Readers::Validators => or(&mut out, object(json!({"type": "null"}))),
            Readers::Viewers => to.notes.narrower("null is refused: leave the field out"),
        }
    }
    to.notes.leave();
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
    to: &mut To<'_>,
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
            to.notes.looser("lengths that have one name in the schema may differ");
        }
    }
    let orders = match order {
        Some(Order::Row) => json!(["row"]),
        _ => json!(["row", "column"]),
    };
    if order == Some(Order::Column) {
        to.notes.looser("arrays in row order are accepted");
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
