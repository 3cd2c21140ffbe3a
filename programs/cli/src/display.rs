//! Formats values for people: short values on one line, long arrays shortened in the middle.
//!
//! Other programs' control characters are escaped.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use linkspan::value::{DType, NdArray};
use linkspan::{Order, Value, one_line, several_lines};

/// Longer values take several lines.
const WIDTH: usize = 100;
/// Elements of an N-d array, bytes and items of a list that are shown at each end.
const ENDS: usize = 4;

pub fn lines(value: &Value) -> String {
    match value {
        Value::Text(text) => several_lines(text),
        value => block(value, 0),
    }
}

fn block(value: &Value, indent: usize) -> String {
    let line = inline(value);
    if line.chars().count().saturating_add(indent) <= WIDTH {
        return line;
    }
    let inner = indent.saturating_add(2);
    let pad = " ".repeat(inner);
    let mut out = String::new();
    match value {
        Value::Map(entries) => {
            out.push('{');
            for (key, value) in entries {
                out += &format!("\n{pad}{}: {}", name(key), block(value, inner));
            }
            out += &format!("\n{}}}", " ".repeat(indent));
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                out += &format!("\n{pad}{}", block(item, inner));
            }
            out += &format!("\n{}]", " ".repeat(indent));
        }
        _ => return line,
    }
    out
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Uint(v) => v.to_string(),
        Value::BigInt(v) => v.to_string(),
        Value::Float(v) => format!("{v:?}"),
        Value::Text(v) => in_quotes(v),
        Value::Bytes(v) => hex(v),
        Value::Timestamp(v) => v.to_string(),
        Value::Uuid(v) => uuid(v),
        Value::Decimal(v) => v.as_str().into(),
        Value::NdArray(v) => ndarray(v),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(k, v)| format!("{}: {}", name(k), inline(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        // A kind of value from a later version of the library.
        other => other.type_name().into(),
    }
}

/// Quotes a key that is not plain.
fn name(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    if plain { key.into() } else { in_quotes(key) }
}

fn in_quotes(text: &str) -> String {
    format!("\"{}\"", one_line(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn ends(count: usize, mut show: impl FnMut(usize) -> String, gap: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    if count <= 2 * ENDS + 1 {
        shown.extend((0..count).map(show));
    } else {
        shown.extend((0..ENDS).map(&mut show));
        shown.push("…".into());
        shown.extend((count.saturating_sub(ENDS)..count).map(&mut show));
    }
    shown.join(gap)
}

fn hex(bytes: &[u8]) -> String {
    format!("bytes[{}] {}", bytes.len(), ends(bytes.len(), |i| format!("{:02x}", bytes[i]), " "))
        .trim_end()
        .into()
}

fn uuid(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn ndarray(array: &NdArray) -> String {
    let shape: Vec<_> = array.shape.iter().map(u64::to_string).collect();
    let order = if array.order == Order::Column && array.shape.len() > 1 { " column order" } else { "" };
    let size = array.dtype.size();
    let all: Vec<&[u8]> = array.data.chunks_exact(size).collect();
    let elements = ends(all.len(), |i| number(array.dtype, all[i]), " ");
    format!("{}[{}]{order} {elements}", array.dtype.name(), shape.join("×")).trim_end().into()
}

fn number(dtype: DType, bytes: &[u8]) -> String {
    macro_rules! as_number {
        ($rust:ty) => {
            bytes.try_into().map_or_else(|_| String::new(), |b| format!("{:?}", <$rust>::from_le_bytes(b)))
        };
    }
    let complex = |part: DType| {
        let (real, imaginary) = bytes.split_at(bytes.len() / 2);
        let imaginary = number(part, imaginary);
        let sign = if imaginary.starts_with('-') { "" } else { "+" };
        format!("{}{sign}{imaginary}i", number(part, real))
    };
    match dtype {
        DType::Bool => (bytes != [0]).to_string(),
        DType::I8 => as_number!(i8),
        DType::I16 => as_number!(i16),
        DType::I32 => as_number!(i32),
        DType::I64 => as_number!(i64),
        DType::U8 => as_number!(u8),
        DType::U16 => as_number!(u16),
        DType::U32 => as_number!(u32),
        DType::U64 => as_number!(u64),
        DType::F32 => as_number!(f32),
        DType::F64 => as_number!(f64),
        DType::C64 => complex(DType::F32),
        DType::C128 => complex(DType::F64),
    }
}

#[cfg(test)]
mod tests {
    use linkspan::{Encoding, codec};

    use super::*;

    fn shown(json: &str) -> String {
        lines(&codec::decode(json.as_bytes(), Encoding::Json).unwrap())
    }

    #[test]
    fn short_values_take_one_line() {
        assert_eq!(
            shown(r#"{"celsius": 21.0, "ok": true, "a b": [1, null]}"#),
            r#"{celsius: 21.0, ok: true, "a b": [1, null]}"#
        );
        assert_eq!(shown(r#"{"$time": "2026-01-02T03:04:05Z"}"#), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn long_values_take_a_line_for_each_entry() {
        let long = format!(r#"{{"first": "{}", "second": {{"x": 1}}}}"#, "a".repeat(120));
        assert_eq!(shown(&long), format!("{{\n  first: \"{}\"\n  second: {{x: 1}}\n}}", "a".repeat(120)));
    }

    #[test]
    fn text_cannot_write_over_the_screen() {
        assert_eq!(shown(r#""a\u001b[2Jb\nc""#), "a\\u001b[2Jb\nc");
        assert_eq!(shown(r#"["\u001b[2J\u009b\n"]"#), r#"["\u001b[2J\u009b\n"]"#);
    }

    #[test]
    fn arrays_are_cut_in_the_middle() {
        let array = NdArray::from_slice(&[0.5f32; 12], &[3, 4], Order::Column).unwrap();
        assert_eq!(ndarray(&array), "f32[3×4] column order 0.5 0.5 0.5 0.5 … 0.5 0.5 0.5 0.5");
        assert_eq!(ndarray(&NdArray::vector(&[[1.0f64, -2.0]])), "c128[1] 1.0-2.0i");
        assert_eq!(ndarray(&NdArray::from_slice(&[7u8], &[], Order::Row).unwrap()), "u8[] 7");
        assert_eq!(hex(&[]), "bytes[0]");
    }
}
