//! The types of the header: structs, enums, unions.

use linkspan::schema::Width;
use linkspan::value::DType;

use super::super::native::{self, comment, inside};
use super::super::{Case, Definition, Member, Shape, Text, TypeDef, describe, packed};
use super::generator::C;

impl C<'_> {
    pub(super) fn define(&self, text: &mut Text, def: &TypeDef) {
        let name = &def.name;
        if def.doc.is_empty() {
            text.line(format!("// `{}`.", def.path));
        } else {
            comment(text, "// ", &def.doc);
        }
        match &def.definition {
            Definition::Enum(values) => {
                text.block("typedef enum {", format!("}} {name};"), |text| {
                    for (_, value) in values {
                        text.line(format!("{},", constant(&def.path, value)));
                    }
                });
                text.line(format!(
                    "\n// Returns the name in messages; NULL for a number without a name.\nconst char *{name}_name({name} value);"
                ));
            }
            Definition::Union(variants) => {
                text.block("typedef enum {", format!("}} {name}_kind;"), |text| {
                    for variant in variants {
                        text.line(format!("{},", constant(&def.path, &variant.key)));
                    }
                });
                text.line("");
                text.block("typedef struct {", format!("}} {name};"), |text| {
                    text.line(format!("// The member of `as` that is set.\n{name}_kind kind;"));
                    text.block("union {", "} as;", |text| {
                        variants.iter().for_each(|variant| self.field(text, variant));
                    });
                });
            }
            Definition::Record(members) | Definition::Table(members) => {
                text.block("typedef struct {", format!("}} {name};"), |text| {
                    members.iter().for_each(|member| self.field(text, member));
                    if members.is_empty() {
                        text.line("// C has no empty structs.\nchar unused;");
                    }
                });
            }
        }
        text.line("");
    }

    fn field(&self, text: &mut Text, member: &Member) {
        let note = match member.slot.shape {
            Shape::Timestamp => "Nanoseconds since 1970-01-01T00:00:00Z.",
            Shape::Decimal => "An exact decimal number, such as \"1.10\".",
            Shape::Any => "Any value; NULL is null.",
            _ => packed::reversed(self.plan, &member.slot.shape),
        };
        let parts = [describe(member), note.to_owned()];
        comment(
            text,
            "// ",
            parts.iter().filter(|s| !s.is_empty()).cloned().collect::<Vec<_>>().join(" ").as_str(),
        );
        if member.optional {
            text.line(format!("bool {};", native::presence(member)));
        }
        text.line(self.declare(&member.slot.shape, &member.name, true) + ";");
    }

    pub(super) fn declare(&self, shape: &Shape, name: &str, is_field: bool) -> String {
        let plain = |word: &str| format!("{word} {name}");
        match shape {
            Shape::Any => format!("linkspan_message *{name}"),
            Shape::Bool => plain("bool"),
            Shape::Integer(width) => plain(&integer(*width)),
            Shape::F32 => plain("float"),
            Shape::F64 => plain("double"),
            Shape::Text(_) | Shape::Decimal => plain("linkspan_text"),
            Shape::Bytes(_) => plain("linkspan_bytes"),
            Shape::Timestamp => plain("int64_t"),
            Shape::Uuid => plain("linkspan_uuid"),
            Shape::List(of, _) => {
                let items = indent(&self.declare(&of.shape, "*items", false));
                format!("struct {{\n{items};\n    size_t count;\n}} {name}")
            }
            Shape::Map(of) => {
                let value = indent(&indent(&self.declare(&of.shape, "value", false)));
                format!(
                    "struct {{\n    struct {{\n        linkspan_text key;\n{value};\n    }} *items;\n    size_t count;\n}} {name}"
                )
            }
            Shape::NdArray { dtype, .. } => match inside(self.plan, shape, is_field) {
                Some(lengths) => {
                    let (element, parts) = element(*dtype);
                    let lengths: String = lengths.iter().map(|length| format!("[{length}]")).collect();
                    format!("{element} {name}{lengths}{parts}")
                }
                None => plain("linkspan_array"),
            },
            Shape::Named(at) => match &self.plan.types[*at].definition {
                // In a packed record, an enum has as few bytes as its values need.
                Definition::Enum(values) if self.plan.schema.packed => plain(packed::enum_type(values.len())),
                _ => plain(&self.plan.types[*at].name),
            },
        }
    }
}

pub(super) fn constant(path: &str, value: &str) -> String {
    Case::Upper.join(&format!("{path}.{value}"))
}

pub(super) fn integer(width: Width) -> String {
    match width.name().split_at(1) {
        ("u", bits) => format!("uint{bits}_t"),
        (_, bits) => format!("int{bits}_t"),
    }
}

/// Returns the element type, and the extra dimension if an element has two parts.
pub(super) fn element(dtype: DType) -> (&'static str, &'static str) {
    match dtype {
        DType::Bool => ("bool", ""),
        DType::I8 => ("int8_t", ""),
        DType::I16 => ("int16_t", ""),
        DType::I32 => ("int32_t", ""),
        DType::I64 => ("int64_t", ""),
        DType::U8 => ("uint8_t", ""),
        DType::U16 => ("uint16_t", ""),
        DType::U32 => ("uint32_t", ""),
        DType::U64 => ("uint64_t", ""),
        DType::F32 => ("float", ""),
        DType::C64 => ("float", "[2]"),
        DType::C128 => ("double", "[2]"),
        _ => ("double", ""),
    }
}

pub(super) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
