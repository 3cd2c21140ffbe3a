//! Packed records in C and C++: the struct has the layout of the message, so that one copy moves it.

use linkspan::schema::{Kind, Layout, Place};
use linkspan::value::DType;

use super::{Plan, Text};

/// The bytes between the fields and behind the last one: where they begin, and how many.
fn padding(layout: &Layout<'_>) -> Vec<(usize, usize)> {
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

/// The number type of an enum with so many values.
pub(super) fn enum_type(values: usize) -> &'static str {
    match values {
        0..=0x100 => "uint8_t",
        0x101..=0x1_0000 => "uint16_t",
        _ => "uint32_t",
    }
}

/// The expression of a field in its struct.
fn member(plan: &Plan<'_>, place: &Place<'_>) -> String {
    let names: Vec<String> =
        place.path.split('/').map(|name| plan.naming.identifier(name, plan.naming.fields)).collect();
    names.join(".")
}

/// Assertions that the compiler lays the struct out as the schema does.
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

/// Statements behind the copy of a struct to `bytes`: what lies between the fields is zero there.
pub(super) fn clear_padding(text: &mut Text, layout: &Layout<'_>, memset: &str) {
    for (at, length) in padding(layout) {
        text.line(format!("{memset}(bytes + {at}, 0, {length});"));
    }
}

/// Statements that return false where `bytes` hold a truth value or an enum's number that there is not.
pub(super) fn check(text: &mut Text, layout: &Layout<'_>, integer: &str, memcpy: &str) {
    for place in &layout.fields {
        let at = place.offset;
        match &place.of.kind {
            Kind::Bool => text.line(format!("if (bytes[{at}] > 1) return false; // {}", place.path)),
            Kind::NdArray { dtype: DType::Bool, .. } => text.line(format!(
                "for ({integer}size_t i = {at}; i < {}; i++) {{ // {}\n    if (bytes[i] > 1) return false;\n}}",
                at + place.size,
                place.path
            )),
            Kind::Enum(values) if place.size == 1 && values.len() < 0x100 => {
                text.line(format!("if (bytes[{at}] >= {}) return false; // {}", values.len(), place.path));
            }
            Kind::Enum(values) if place.size > 1 => {
                let of = enum_type(values.len());
                text.line(format!(
                    "{{ // {}\n    {integer}{of} number;\n    {memcpy}(&number, bytes + {at}, sizeof number);\n    if (number >= {}) return false;\n}}",
                    place.path,
                    values.len()
                ));
            }
            _ => {}
        }
    }
}
