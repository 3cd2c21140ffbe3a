//! Packed records: shared code, and the code for C and C++, whose structs have the message's layout.

use linkspan::schema::{Kind, Layout, Length, PackedField};
use linkspan::value::{DType, Order};

use super::{Definition, Member, Plan, Shape, Text};

/// Returns the offset and length of each gap between fields and after the last one.
pub(super) fn padding(layout: &Layout<'_>) -> Vec<(usize, usize)> {
    let mut gaps = Vec::new();
    let mut end = 0;
    for place in &layout.fields {
        if place.offset > end {
            gaps.push((end, place.offset - end));
        }
        end = place.offset + place.size;
    }
    if layout.size > end {
        gaps.push((end, layout.size - end));
    }
    gaps
}

pub(super) fn enum_bits(values: usize) -> u32 {
    match values {
        0..=0x100 => 8,
        0x101..=0x1_0000 => 16,
        _ => 32,
    }
}

pub(super) fn enum_type(values: usize) -> &'static str {
    match enum_bits(values) {
        8 => "uint8_t",
        16 => "uint16_t",
        _ => "uint32_t",
    }
}

/// Returns each field's expression and shape in the layout's order, including nested records.
///
/// An expression begins with `from` and joins names with `joint`.
pub(super) fn leaves<'p>(
    plan: &'p Plan<'_>,
    members: &'p [Member],
    from: &str,
    joint: &str,
) -> Vec<(String, &'p Shape)> {
    let mut found = Vec::new();
    for member in members {
        let value = format!("{from}{}", member.name);
        if let Shape::Named(at) = &member.slot.shape
            && let Definition::Record(inner) = &plan.types[*at].definition
        {
            found.extend(leaves(plan, inner, &format!("{value}{joint}"), joint));
        } else {
            found.push((value, &member.slot.shape));
        }
    }
    found
}

/// Returns the nested lengths of an array, for languages whose last dimension is contiguous.
///
/// For column order, they are reversed.
pub(super) fn nested_lengths(shape: Option<&[Length]>, order: Option<Order>) -> Vec<u64> {
    let mut lengths = lengths(shape);
    if order == Some(Order::Column) {
        lengths.reverse();
    }
    lengths
}

/// Returns the lengths of an array in a packed record, which are all numbers.
pub(super) fn lengths(shape: Option<&[Length]>) -> Vec<u64> {
    let lengths = shape.unwrap_or_default().iter().map(|length| match length {
        Length::Fixed(length) => *length,
        _ => 0,
    });
    lengths.collect()
}

/// Returns a field's comment about an array whose lengths [`nested_lengths`] reverses.
pub(super) fn reversed(plan: &Plan<'_>, of: &Shape) -> &'static str {
    match of {
        Shape::NdArray { shape: Some(shape), order: Some(Order::Column), .. }
            if plan.schema.packed && shape.len() > 1 =>
        {
            "Its lengths are reversed here."
        }
        _ => "",
    }
}

pub(super) fn member(plan: &Plan<'_>, place: &PackedField<'_>) -> String {
    let names: Vec<String> =
        place.path.split('/').map(|name| plan.naming.identifier(name, plan.naming.fields)).collect();
    names.join(".")
}

/// Writes assertions that the compiler's layout of the struct is the schema's layout.
pub(super) fn assertions(text: &mut Text, plan: &Plan<'_>, layout: &Layout<'_>, name: &str, assert: &str) {
    text.line(
        "#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n#error \"packed records are little-endian\"\n#endif",
    );
    text.line(format!("{assert}(sizeof({name}) == {}, \"the size of a packed record\");", layout.size));
    for place in &layout.fields {
        let member = member(plan, place);
        text.line(format!("{assert}(offsetof({name}, {member}) == {}, \"{}\");", place.offset, place.path));
    }
}

pub(super) struct Dialect {
    pub standard: &'static str,
    pub integer: &'static str,
    /// The suffix of a variable, which keeps it from hiding a field.
    pub mark: &'static str,
}

pub(super) const C: Dialect = Dialect { standard: "", integer: "", mark: "" };
pub(super) const CPP: Dialect = Dialect { standard: "std::", integer: "std::", mark: "_" };

/// Writes statements that clear the padding after the copy of a struct to `bytes`.
pub(super) fn clear_padding(text: &mut Text, layout: &Layout<'_>, dialect: &Dialect) {
    let Dialect { standard, mark, .. } = dialect;
    for (at, length) in padding(layout) {
        text.line(format!("{standard}memset(bytes{mark} + {at}, 0, {length});"));
    }
}

/// Writes statements that return an error text with the field's path for invalid `bytes`, else null.
pub(super) fn check(text: &mut Text, layout: &Layout<'_>, dialect: &Dialect) {
    let Dialect { standard, integer, mark } = dialect;
    for place in &layout.fields {
        let (at, path) = (place.offset, &place.path);
        let truth = format!("return \"{path}: a truth value is 0 or 1 in packed bytes\";");
        let below = |count: usize| format!("return \"{path}: an enum's number is below {count} here\";");
        match &place.of.kind {
            Kind::Bool => text.line(format!("if (bytes{mark}[{at}] > 1) {truth}")),
            Kind::NdArray { dtype: DType::Bool, .. } => text.line(format!(
                "for ({integer}size_t i{mark} = {at}; i{mark} < {}; i{mark}++) {{\n    if (bytes{mark}[i{mark}] > 1) {truth}\n}}",
                at + place.size
            )),
            Kind::Enum(values) if place.size == 1 && values.len() < 0x100 => {
                let count = values.len();
                text.line(format!("if (bytes{mark}[{at}] >= {count}) {}", below(count)));
            }
            Kind::Enum(values) if place.size > 1 => {
                let of = enum_type(values.len());
                text.line(format!(
                    "{{\n    {integer}{of} number{mark};\n    {standard}memcpy(&number{mark}, bytes{mark} + {at}, sizeof number{mark});\n    if (number{mark} >= {}) {}\n}}",
                    values.len(),
                    below(values.len())
                ));
            }
            _ => {}
        }
    }
    text.line(format!("return {};", if mark.is_empty() { "NULL" } else { "nullptr" }));
}
