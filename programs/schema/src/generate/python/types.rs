//! Types in Python: annotations and readers.

use linkspan::Order;
use linkspan::schema::{Length, Range, Width};
use linkspan::value::DType;

use super::generator::{Python, private};
use super::text::literal;
use crate::generate::plan::{Definition, Shape, Slot};

impl Python<'_> {
    /// Returns the annotation, with metadata that Python's type does not express.
    pub(super) fn of(&self, slot: &Slot) -> String {
        self.annotated(slot, &[])
    }

    pub(super) fn annotated(&self, slot: &Slot, aliases: &[String]) -> String {
        let of = self.plain(slot);
        let facts = facts(slot, aliases);
        if facts.is_empty() { of } else { format!("Annotated[{of}, read.SchemaType({})]", facts.join(", ")) }
    }

    pub(super) fn plain(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::Any => "Any".into(),
            Shape::Bool => "bool".into(),
            Shape::Integer(_) => "int".into(),
            Shape::F32 | Shape::F64 => "float".into(),
            Shape::Text(_) => "str".into(),
            Shape::Bytes(_) => "bytes".into(),
            Shape::Timestamp => "Timestamp".into(),
            Shape::Uuid => "UUID".into(),
            Shape::Decimal => "Decimal".into(),
            Shape::List(of, _) => format!("list[{}]", self.of(of)),
            Shape::Map(of) => format!("dict[str, {}]", self.of(of)),
            Shape::NdArray { dtype, .. } => format!("npt.NDArray[np.{}]", numpy(*dtype, true)),
            Shape::Named(at) => self.plan.types[*at].name.clone(),
        }
    }

    pub(super) fn reader(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::Any => "read.anything".into(),
            Shape::Bool => "read.boolean".into(),
            Shape::Integer(width) => format!("read.{}", width.name()),
            Shape::F32 => "read.f32".into(),
            Shape::F64 => "read.f64".into(),
            Shape::Text(_) => "read.text".into(),
            Shape::Bytes(_) => "read.block".into(),
            Shape::Timestamp => "read.timestamp".into(),
            Shape::Uuid => "read.uuid".into(),
            Shape::Decimal => "read.decimal".into(),
            Shape::List(of, _) => format!("read.items({})", self.reader(of)),
            Shape::Map(of) => format!("read.entries({})", self.reader(of)),
            Shape::NdArray { dtype, shape, order } => {
                let mut out = format!("read.array(\"{}\"", numpy(*dtype, false));
                if let Some(shape) = shape {
                    let lengths = shape.iter().map(|length| match length {
                        Length::Fixed(length) => format!("{length},"),
                        _ => "None,".to_owned(),
                    });
                    out += &format!(", shape=({})", lengths.collect::<Vec<_>>().join(" "));
                }
                if let Some(order) = order {
                    out += if *order == Order::Column { ", order=\"column\"" } else { ", order=\"row\"" };
                }
                out + ")"
            }
            Shape::Named(at) => {
                let of = &self.plan.types[*at];
                match of.definition {
                    Definition::Enum(_) => format!("read.name({})", of.name),
                    Definition::Union(_) => private(of),
                    _ => format!("{}.from_value", of.name),
                }
            }
        }
    }
}

/// Returns the arguments of `SchemaType`: facts that the annotation does not express.
fn facts(slot: &Slot, aliases: &[String]) -> Vec<String> {
    let mut facts = Vec::new();
    let tuple = |parts: Vec<String>| match &parts[..] {
        [one] => format!("({one},)"),
        _ => format!("({})", parts.join(", ")),
    };
    match &slot.shape {
        Shape::Integer(width) if *width != Width::I64 => facts.push(format!("\"{}\"", width.name())),
        Shape::F32 => facts.push("\"f32\"".to_owned()),
        Shape::Text(Some(most)) | Shape::Bytes(Some(most)) | Shape::List(_, Some(most)) => {
            facts.push(format!("max_length={most}"));
        }
        Shape::NdArray { shape, order, .. } => {
            if let Some(shape) = shape {
                let lengths = shape.iter().map(|length| match length {
                    Length::Fixed(length) => length.to_string(),
                    Length::Named(name) => literal(name),
                    _ => "\"*\"".to_owned(),
                });
                facts.push(format!("shape={}", tuple(lengths.collect())));
            }
            if let Some(order) = order {
                facts.push(format!("order=\"{}\"", order.name()));
            }
        }
        _ => {}
    }
    if let Some(unit) = &slot.unit {
        facts.push(format!("unit={}", literal(unit)));
    }
    let float = |number: f64| {
        if number.is_finite() { format!("{number:?}") } else { format!("float(\"{number}\")") }
    };
    match &slot.range {
        Some(Range::Integer(low, high)) => facts.push(format!("range=({low}, {high})")),
        Some(Range::Float(low, high)) => facts.push(format!("range=({}, {})", float(*low), float(*high))),
        _ => {}
    }
    if !aliases.is_empty() {
        facts.push(format!("alias={}", tuple(aliases.iter().map(|name| literal(name)).collect())));
    }
    facts
}

pub(super) fn holds_array(slot: &Slot) -> bool {
    match &slot.shape {
        Shape::NdArray { .. } => true,
        Shape::List(of, _) | Shape::Map(of) => holds_array(of),
        _ => false,
    }
}

pub(super) fn numpy(dtype: DType, class: bool) -> &'static str {
    match dtype {
        DType::Bool if class => "bool_",
        DType::Bool => "bool",
        DType::I8 => "int8",
        DType::I16 => "int16",
        DType::I32 => "int32",
        DType::I64 => "int64",
        DType::U8 => "uint8",
        DType::U16 => "uint16",
        DType::U32 => "uint32",
        DType::U64 => "uint64",
        DType::F32 => "float32",
        DType::F64 => "float64",
        DType::C64 => "complex64",
        DType::C128 => "complex128",
    }
}
