//! The table of a struct: the library uses it to encode or decode the struct in one call.

use linkspan::schema::Length;
use linkspan::value::{DType, Order};
use linkspan::{Encoding, Result, codec};

use super::super::native::{dtype_constant, fixed, literal};
use super::super::{Definition, Member, Shape, Text};
use super::generator::Cpp;
use super::types::element;

impl Cpp<'_> {
    /// Returns the type of `linkspan::record` that accesses values of this shape.
    pub(super) fn reached(&self, shape: &Shape, is_field: bool) -> String {
        let plain = match shape {
            Shape::Any => "any",
            Shape::Bool => "boolean",
            Shape::Integer(width) => width.name(),
            Shape::F32 => "f32",
            Shape::F64 => "f64",
            Shape::Text(_) => "text",
            Shape::Decimal => "number",
            Shape::Bytes(_) => "bytes",
            Shape::Timestamp => "instant",
            Shape::Uuid => "id",
            Shape::List(of, _) => {
                return format!("linkspan::record::list<{}>", self.reached(&of.shape, false));
            }
            Shape::Map(of) => return format!("linkspan::record::map<{}>", self.reached(&of.shape, false)),
            Shape::NdArray { dtype, shape: lengths, order } => {
                return match fixed(shape).filter(|_| is_field) {
                    Some(_) => self.elements(shape, *dtype, lengths.as_deref().unwrap_or_default()),
                    None => array(*dtype, lengths.as_deref(), *order),
                };
            }
            Shape::Named(at) => {
                let def = &self.plan.types[*at];
                return match &def.definition {
                    Definition::Enum(values) => {
                        format!("linkspan::record::enumeration<{}, {}>", def.name, values.len())
                    }
                    _ => format!("linkspan::record::structure<{}>", def.name),
                };
            }
        };
        format!("linkspan::record::{plain}")
    }

    fn elements(&self, shape: &Shape, dtype: DType, lengths: &[Length]) -> String {
        let of = self.type_of(shape, true);
        format!("linkspan::record::elements<{of}, {}{}>", dtype_constant(dtype), dims(lengths))
    }

    /// Writes the function that returns the offsets of a struct's fields or a union's variants.
    pub(super) fn layout(
        &self,
        text: &mut Text,
        name: &str,
        members: &[Member],
        is_union: bool,
    ) -> Result<()> {
        let mut rows = Vec::new();
        let mut aliases = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let of = self.reached(&member.slot.shape, true);
            let (kind, place) = match (is_union, member.optional) {
                (true, _) => (format!("variant<{of}, {at}>"), "alternative"),
                (false, true) => (format!("optional<{of}>"), member.name.as_str()),
                (false, false) => (format!("required<{of}>"), member.name.as_str()),
            };
            let mut more = Vec::new();
            if !member.aliases.is_empty() {
                let names: Vec<_> = member.aliases.iter().map(|alias| literal(alias.as_bytes())).collect();
                aliases.push(format!(
                    "static const char *const aliases{at}_[] = {{{}, nullptr}};",
                    names.join(", ")
                ));
                more.push(format!("aliases{at}_"));
            }
            if let Some(default) = &member.default {
                let bytes = codec::encode(default, Encoding::Cbor)?;
                if more.is_empty() {
                    more.push("nullptr".to_owned());
                }
                more.extend([literal(&bytes), bytes.len().to_string()]);
            }
            let more = if more.is_empty() { String::new() } else { format!(", {{{}}}", more.join(", ")) };
            let key = literal(member.key.as_bytes());
            rows.push(format!("linkspan::record::{kind}({key}, &at_, at_.{place}{more}),"));
        }
        text.line("/// The positions of the fields, for the library.");
        text.block("static const linkspan_record_type *layout_() {", "}", |text| {
            let kind = if is_union { "LINKSPAN_RECORD_UNION" } else { "LINKSPAN_RECORD_STRUCT" };
            text.line(format!("static const {name} at_{{}};"));
            aliases.iter().for_each(|alias| text.line(alias));
            text.block("static const linkspan_record_field fields_[] = {", "};", |text| {
                rows.iter().for_each(|row| text.line(row));
            });
            text.line(format!(
                "static const linkspan_record_type type_ = linkspan::record::of_fields<{name}>({kind}, fields_);"
            ));
            text.line("return &type_;");
        });
        Ok(())
    }
}

/// Returns the type of an array whose elements are outside the struct.
fn array(dtype: DType, lengths: Option<&[Length]>, order: Option<Order>) -> String {
    let order = match order {
        Some(Order::Row) => "LINKSPAN_ROW",
        Some(Order::Column) => "LINKSPAN_COLUMN",
        _ => "-1",
    };
    let rank = lengths.map_or("-1".to_owned(), |lengths| lengths.len().to_string());
    let dims = dims(lengths.unwrap_or_default());
    format!("linkspan::record::array<{}, {}, {order}, {rank}{dims}>", element(dtype), dtype_constant(dtype))
}

/// Returns the required lengths of an array, each after a comma; UINT64_MAX allows any length.
fn dims(lengths: &[Length]) -> String {
    lengths
        .iter()
        .map(|length| match length {
            Length::Fixed(length) => format!(", {length}"),
            _ => ", UINT64_MAX".to_owned(),
        })
        .collect()
}
