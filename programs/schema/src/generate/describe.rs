//! The comment of a field: description, unit, range, shape, limits, default.

use linkspan::value::Value;

use super::plan::{Member, Shape, Slot};

/// Returns a field's sentences: its description, `Unit: W.`, `Range: [0.0, 20000.0].` and others.
pub fn describe(member: &Member) -> String {
    let mut sentences = Vec::new();
    if !member.doc.is_empty() {
        let doc = member.doc.trim_end();
        let stop = if doc.ends_with(['.', '!', '?', ':']) { "" } else { "." };
        sentences.push(format!("{doc}{stop}"));
    }
    slot(&member.slot, &mut sentences);
    if member.optional {
        sentences.push("Optional.".to_owned());
    }
    if let Some(default) = &member.default {
        sentences.push(format!("Default: {}.", shown(default)));
    }
    sentences.join(" ")
}

fn slot(of: &Slot, sentences: &mut Vec<String>) {
    if let Some(unit) = &of.unit {
        sentences.push(format!("Unit: {unit}."));
    }
    if let Some(range) = &of.range {
        sentences.push(format!("Range: {range}."));
    }
    match &of.shape {
        Shape::Text(Some(most)) => sentences.push(format!("At most {most} bytes of UTF-8.")),
        Shape::Bytes(Some(most)) => sentences.push(format!("At most {most} bytes.")),
        Shape::NdArray { dtype, shape, order } => {
            let lengths = shape.as_ref().map_or_else(
                || "with any number of dimensions".to_owned(),
                |shape| {
                    let lengths: Vec<_> = shape.iter().map(ToString::to_string).collect();
                    format!("with shape [{}]", lengths.join(", "))
                },
            );
            let order = order.map_or(String::new(), |order| format!(", in {} order", order.name()));
            sentences.push(format!("An array of {} {lengths}{order}.", dtype.name()));
        }
        Shape::List(of, most) => {
            if let Some(most) = most {
                sentences.push(format!("At most {most} values."));
            }
            slot(of, sentences);
        }
        Shape::Map(of) => slot(of, sentences),
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(value) => value.clone(),
        Value::Timestamp(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, value)| format!("{key}: {}", shown(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        other => other.type_name().to_owned(),
    }
}
