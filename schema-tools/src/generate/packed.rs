//! Packed records: what the languages share, and C and C++, whose struct has the layout of the message, so that one copy moves it.

use linkspan::schema::{Kind, Layout, Length, Place};
use linkspan::value::{DType, Order};

use super::{Definition, Member, Plan, Shape, Text};

/// The bytes between the fields and behind the last one: where they begin, and how many.
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

/// The bits of the number of an enum with so many values.
pub(super) fn enum_bits(values: usize) -> u32 {
    match values {
        0..=0x100 => 8,
        0x101..=0x1_0000 => 16,
        _ => 32,
    }
}

/// The number type of an enum with so many values, in C.
pub(super) fn enum_type(values: usize) -> &'static str {
    match enum_bits(values) {
        8 => "uint8_t",
        16 => "uint16_t",
        _ => "uint32_t",
    }
}

/// The fields in the order of the layout, those of records inside one by one: an expression for each, which begins with `from` and has
/// `joint` between its names, and what it is.
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

/// The lengths of an array in a packed record as a language nests it whose last length is that of the elements which lie side by side:
/// those of an array in column order from the last to the first.
pub(super) fn nested_lengths(shape: Option<&[Length]>, order: Option<Order>) -> Vec<u64> {
    let mut lengths = lengths(shape);
    if order == Some(Order::Column) {
        lengths.reverse();
    }
    lengths
}

/// The lengths of an array in a packed record, all of which are numbers.
pub(super) fn lengths(shape: Option<&[Length]>) -> Vec<u64> {
    let lengths = shape.unwrap_or_default().iter().map(|length| match length {
        Length::Fixed(length) => *length,
        _ => 0,
    });
    lengths.collect()
}

/// The comment of a field about an array whose lengths [`nested_lengths`] turns round.
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

/// The expression of a field in its struct.
pub(super) fn member(plan: &Plan<'_>, place: &Place<'_>) -> String {
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

/// How C or C++ writes what they both have.
pub(super) struct Dialect {
    /// What stands in front of a function of the standard library.
    pub standard: &'static str,
    /// What stands in front of an integer type.
    pub integer: &'static str,
    /// What stands behind a variable, so that it does not hide a field.
    pub mark: &'static str,
}

pub(super) const C: Dialect = Dialect { standard: "", integer: "", mark: "" };
pub(super) const CPP: Dialect = Dialect { standard: "std::", integer: "std::", mark: "_" };

/// Statements behind the copy of a struct to `bytes`: what lies between the fields is zero there.
pub(super) fn clear_padding(text: &mut Text, layout: &Layout<'_>, dialect: &Dialect) {
    let Dialect { standard, mark, .. } = dialect;
    for (at, length) in padding(layout) {
        text.line(format!("{standard}memset(bytes{mark} + {at}, 0, {length});"));
    }
}

/// Statements that return what is wrong with `bytes`, with the path of the field, where they hold a truth value or an enum's number that
/// there is not; null where they do not.
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
