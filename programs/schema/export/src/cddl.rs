//! CDDL (RFC 8610) of the messages in CBOR, as docs/wire-format.md describes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use linkspan::schema::{Field, Kind, Length, Range, Schema, Type, Width};
use linkspan::{DType, Order, Result};

use super::notes::{Notes, unknown};

/// Floats hold every integer up to this one exactly.
const EXACT_F64: i128 = 1 << 53;
const EXACT_F32: i128 = 1 << 24;

/// The rules that types refer to; only used ones are written.
const PRELUDE: [(&str, &str); 12] = [
    ("decimal", "#6.4([int, int / bigint]) / #6.27([\"decimal\", tstr])"),
    ("f32", "float / -16777216..16777216"),
    ("f64", "float / -9007199254740992..9007199254740992"),
    ("i16", "-32768..32767"),
    ("i32", "-2147483648..2147483647"),
    ("i64", "-9223372036854775808..9223372036854775807"),
    ("i8", "-128..127"),
    ("timestamp", "#6.1001({1 => -9223372037..9223372036, -9 => 0..999999999})"),
    ("u16", "0..65535"),
    ("u32", "0..4294967295"),
    ("u8", "0..255"),
    ("uuid", "#6.37(bstr .size 16)"),
];

struct Writer<'a> {
    notes: &'a mut Notes,
    used: BTreeSet<&'static str>,
}

/// Returns the schema as a CDDL file. Its first rule is `message`.
pub(super) fn write(schema: &Schema, notes: &mut Notes) -> Result<String> {
    let mut writer = Writer { notes, used: BTreeSet::new() };
    let message = writer.ty(&schema.root, 0)?;
    let mut out = format!("; {}, version {}", schema.name, schema.version);
    if !schema.doc.is_empty() {
        let _ = write!(out, ": {}", comment(&schema.doc));
    }
    let _ = write!(out, "\n; Messages in CBOR, as Linkspan writes them.\n\nmessage = {message}\n");
    for (name, rule) in PRELUDE {
        if writer.used.contains(name) {
            let _ = writeln!(out, "{name} = {rule}");
        }
    }
    Ok(out)
}

impl Writer<'_> {
    fn rule(&mut self, name: &'static str) -> String {
        self.used.insert(name);
        name.to_owned()
    }

    fn ty(&mut self, of: &Type, depth: usize) -> Result<String> {
        Ok(match &of.kind {
            Kind::Any => "any".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Integer(width) => match of.range {
                Some(Range::Integer(low, high)) => format!("{low}..{high}"),
                _ if *width == Width::U64 => "uint".to_owned(),
                _ => self.rule(width.name()),
            },
            Kind::F32 => {
                self.notes
                    .looser("floats beyond the 32-bit format are accepted: CDDL has no word for that limit");
                self.float(of.range, "f32", EXACT_F32)
            }
            Kind::F64 => self.float(of.range, "f64", EXACT_F64),
            Kind::Text(most) => sized("tstr", *most),
            Kind::Bytes(most) => sized("bstr", *most),
            Kind::Timestamp => self.rule("timestamp"),
            Kind::Uuid => self.rule("uuid"),
            Kind::Decimal => self.rule("decimal"),
            Kind::Enum(values) => {
                let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
                values.join(" / ")
            }
            Kind::List(of, most) => {
                let count = most.map_or("*".to_owned(), |most| format!("0*{most}"));
                format!("[{count} {}]", self.within("*", of, depth)?)
            }
            Kind::Map(of) => format!("{{* tstr => {}}}", self.within("*", of, depth)?),
            Kind::Record(fields) => self.group(fields, depth)?,
            Kind::Table(columns) => {
                self.notes.looser("columns of different lengths are accepted");
                self.group(columns, depth)?
            }
            Kind::Union(variants) => {
                let mut choices = Vec::with_capacity(variants.len());
                for variant in variants {
                    let of = self.within(&variant.name, &variant.of, depth)?;
                    choices.push(format!("{{\"{}\" => {of}}}", variant.name));
                }
                choices.join(" / ")
            }
            Kind::NdArray { dtype, shape, order } => self.array(*dtype, shape.as_deref(), *order),
            _ => return Err(unknown(of, self.notes)),
        })
    }

    /// Returns the type of a part, in parentheses if it is a choice.
    fn within(&mut self, name: &str, of: &Type, depth: usize) -> Result<String> {
        self.notes.enter(name);
        let text = self.ty(of, depth)?;
        self.notes.leave();
        let is_choice = matches!(&of.kind, Kind::Enum(all) if all.len() > 1)
            || matches!(&of.kind, Kind::Union(all) if all.len() > 1)
            || matches!(&of.kind, Kind::NdArray { order: None | Some(Order::Column), .. })
            || (matches!(of.kind, Kind::F32 | Kind::F64) && of.range.is_some());
        Ok(if is_choice { format!("({text})") } else { text })
    }

    fn group(&mut self, fields: &[Field], depth: usize) -> Result<String> {
        let indent = "  ".repeat(depth + 1);
        let mut out = "{\n".to_owned();
        for field in fields {
            if !field.doc.is_empty() {
                let _ = writeln!(out, "{indent}; {}", comment(&field.doc));
            }
            let may_be_absent = if field.optional || field.default.is_some() { "? " } else { "" };
            let of = self.within(&field.name, &field.of, depth + 1)?;
            let nil = if field.optional && field.of.kind != Kind::Any { " / nil" } else { "" };
            let _ = write!(out, "{indent}{may_be_absent}\"{}\" => {of}{nil},", field.name);
            if let Some(unit) = &field.of.unit {
                let _ = write!(out, "  ; in {unit}");
            }
            out.push('\n');
        }
        let _ = write!(out, "{}}}", "  ".repeat(depth));
        Ok(out)
    }

    /// Returns a float in this range, or an integer that the float holds exactly.
    fn float(&mut self, range: Option<Range>, rule: &'static str, exact: i128) -> String {
        let Some(Range::Float(low, high)) = range else { return self.rule(rule) };
        let floats = match (low.is_finite(), high.is_finite()) {
            (true, true) => format!("{low:?}..{high:?}"),
            (true, false) => format!("float .ge {low:?}"),
            (false, true) => format!("float .le {high:?}"),
            (false, false) => {
                self.notes.looser("NaN is accepted");
                "float".to_owned()
            }
        };
        let least = if low <= -(exact as f64) { -exact } else { low.ceil() as i128 };
        let greatest = if high >= exact as f64 { exact } else { high.floor() as i128 };
        if least > greatest { floats } else { format!("{floats} / {least}..{greatest}") }
    }

    fn array(&mut self, dtype: DType, shape: Option<&[Length]>, order: Option<Order>) -> String {
        let dimensions = match shape {
            None => "[* uint]".to_owned(),
            Some(lengths) => {
                let lengths: Vec<String> = lengths.iter().map(any_length).collect();
                format!("[{}]", lengths.join(", "))
            }
        };
        let names = |length: &Length| matches!(length, Length::Named(_));
        if shape.is_some_and(|shape| shape.iter().any(names)) {
            self.notes.looser("lengths that have one name in the schema may differ");
        }
        let elements = match dtype {
            DType::Bool => "#6.41([* bool])".to_owned(),
            DType::C64 => "#6.43001(#6.85(bstr))".to_owned(),
            DType::C128 => "#6.43001(#6.86(bstr))".to_owned(),
            plain => format!("#6.{}(bstr)", typed_array(plain)),
        };
        let one = |tag: u32, dimensions: &str| format!("#6.{tag}([{dimensions}, {elements}])");
        let row = one(40, &dimensions);
        let column = one(1040, &dimensions);
        match (order, shape) {
            // An array with equal bytes in both orders is written in row order.
            (Some(Order::Row), _) => row,
            (None, Some(shape)) if shape.len() < 2 => row,
            (Some(Order::Column), Some(shape)) => {
                let mut choices: Vec<String> = in_a_line(shape).iter().map(|line| one(40, line)).collect();
                if shape.len() > 1 {
                    choices.insert(0, column);
                }
                choices.join(" / ")
            }
            (Some(Order::Column), None) => {
                self.notes.looser("arrays in row order are accepted");
                format!("{row} / {column}")
            }
            _ => format!("{row} / {column}"),
        }
    }
}

/// Returns the allowed shapes for which both orders give equal bytes.
///
/// These have an empty dimension, or at most one dimension with more than one element.
fn in_a_line(shape: &[Length]) -> Vec<String> {
    if shape.len() < 2 {
        let lengths: Vec<String> = shape.iter().map(any_length).collect();
        return vec![format!("[{}]", lengths.join(", "))];
    }
    let mut shapes = Vec::new();
    for long in 0..shape.len() {
        let others = shape.iter().enumerate().filter(|(at, _)| *at != long);
        if others.clone().all(|(_, length)| !matches!(length, Length::Fixed(2..))) {
            let lengths: Vec<String> = shape
                .iter()
                .enumerate()
                .map(|(at, length)| match length {
                    Length::Fixed(_) => any_length(length),
                    _ if at == long => "uint".to_owned(),
                    _ => "0..1".to_owned(),
                })
                .collect();
            shapes.push(format!("[{}]", lengths.join(", ")));
        }
        if !matches!(shape[long], Length::Fixed(1..)) {
            let lengths: Vec<String> = shape
                .iter()
                .enumerate()
                .map(|(at, length)| if at == long { "0".to_owned() } else { any_length(length) })
                .collect();
            shapes.push(format!("[{}]", lengths.join(", ")));
        }
    }
    shapes
}

fn any_length(length: &Length) -> String {
    match length {
        Length::Fixed(length) => length.to_string(),
        _ => "uint".to_owned(),
    }
}

/// Returns the tag of RFC 8746 for little-endian elements of this type.
fn typed_array(dtype: DType) -> u32 {
    match dtype {
        DType::U8 => 64,
        DType::U16 => 69,
        DType::U32 => 70,
        DType::U64 => 71,
        DType::I8 => 72,
        DType::I16 => 77,
        DType::I32 => 78,
        DType::I64 => 79,
        DType::F32 => 85,
        _ => 86,
    }
}

fn sized(of: &str, most: Option<u64>) -> String {
    most.map_or(of.to_owned(), |most| format!("{of} .size (0..{most})"))
}

fn comment(doc: &str) -> String {
    doc.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
