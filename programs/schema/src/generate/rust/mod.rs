//! Rust: structs and enums with a `Source` and a builder, which encode and decode without a tree.
//!
//! | part | lives in |
//! |---|---|
//! | the file, enums, types of values | here |
//! | records and unions | `record` |
//! | their builders | `builder` |
//! | defaults as expressions | `defaults` |
//! | checks of arrays | `checks` |
//! | packed records | `packed`, `words` |

mod builder;
mod checks;
mod defaults;
mod generator;
mod packed;
mod record;
mod words;

use linkspan::Result;

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, Slot, TypeDef};
use super::{File, Text, describe};
use generator::Rust;

/// Clippy's stricter lints that a schema's names, texts or shape may trigger.
const ALLOWED: &str = "#![allow(clippy::doc_markdown, clippy::unreadable_literal, clippy::excessive_precision, clippy::approx_constant)]
#![allow(clippy::struct_excessive_bools, clippy::struct_field_names, clippy::enum_variant_names)]
#![allow(clippy::large_enum_variant, clippy::too_many_lines, clippy::similar_names, non_camel_case_types, dead_code)]";

pub fn generate(plan: &Plan) -> Result<Vec<File>> {
    let rust = Rust { plan };
    let mut out = Text::new("    ");
    let schema = plan.schema;
    out.comment("//! ", &format!("Messages of the schema {}, version {}.", schema.name, schema.version));
    if !schema.doc.is_empty() {
        out.line("//!");
        out.comment("//! ", &schema.doc);
    }
    out.line("//!");
    out.line(
        "//! Written by `linkspan schema generate --lang rust`: change the schema and generate it again.\n",
    );
    out.line(ALLOWED);
    if schema.packed {
        out.line("#![allow(clippy::large_stack_arrays, clippy::large_types_passed_by_value)]");
    }
    out.line("");
    out.line("use linkspan::value::typed;");
    out.line("use linkspan::value::{Sink, Source};\n");
    out.line(
        "/// The schema in its notation: `linkspan::schema::Schema::parse(SCHEMA)?` is for `Options::with_schema`.",
    );
    out.line(format!("pub const SCHEMA: &str = {};\n", raw(&plan.notation())));
    out.line("/// The fingerprint of the schema.");
    out.line(format!("pub const FINGERPRINT: &str = \"{}\";", plan.fingerprint));
    if let Some(layout) = schema.layout() {
        rust.packed_heading(&mut out, &layout);
    }
    for (at, definition) in plan.types.iter().enumerate() {
        out.line("");
        rust.definition(&mut out, definition, plan.root.shape == Shape::Named(at));
    }
    if plan.root_type().is_none() {
        out.line("");
        out.line("/// A message. Send a value directly; `message.typed::<…>()` returns it.");
        let name = plan.name(plan.naming.types);
        out.line(format!("pub type {name} = {};", rust.of(&plan.root)));
    }
    Ok(vec![File { name: format!("{}.rs", plan.name(Case::Snake)), text: out.finish() }])
}

impl Rust<'_> {
    fn of(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::Any => "linkspan::Value".into(),
            Shape::Bool => "bool".into(),
            Shape::Integer(width) => width.name().into(),
            Shape::F32 => "f32".into(),
            Shape::F64 => "f64".into(),
            Shape::Text(_) => "String".into(),
            Shape::Bytes(_) => "linkspan::value::Bytes".into(),
            Shape::Timestamp => "linkspan::Timestamp".into(),
            Shape::Uuid => "typed::Uuid".into(),
            Shape::Decimal => "linkspan::Decimal".into(),
            Shape::List(of, _) => format!("Vec<{}>", self.of(of)),
            Shape::Map(of) => format!("std::collections::BTreeMap<String, {}>", self.of(of)),
            Shape::NdArray { .. } => "linkspan::NdArray".into(),
            Shape::Named(at) => self.plan.types[*at].name.clone(),
        }
    }

    fn field_type(&self, member: &Member) -> String {
        let of = self.of(&member.slot);
        if member.optional { format!("Option<{of}>") } else { of }
    }

    fn is_enum(&self, slot: &Slot) -> bool {
        matches!(slot.shape, Shape::Named(at) if matches!(self.plan.types[at].definition, Definition::Enum(_)))
    }

    fn definition(&self, out: &mut Text, of: &TypeDef, root: bool) {
        let doc = if of.doc.is_empty() { format!("`{}`", of.path) } else { of.doc.clone() };
        let stop = if doc.ends_with(['.', '!', '?']) { "" } else { "." };
        out.comment("/// ", &format!("{doc}{stop}"));
        match &of.definition {
            Definition::Enum(values) => self.enumeration(out, of, values),
            Definition::Record(members) if self.plan.schema.packed => self.packed_record(out, of, members),
            Definition::Union(variants) => self.union(out, of, variants),
            Definition::Record(members) | Definition::Table(members) => self.record(out, of, members),
        }
        if root {
            self.decode(out, &of.name);
            if let (Definition::Record(members), Some(layout)) = (&of.definition, self.plan.schema.layout()) {
                self.packing(out, of, members, &layout);
            }
        }
    }

    fn decode(&self, out: &mut Text, name: &str) {
        out.line("");
        out.block(format!("impl {name} {{"), "}", |out| {
            out.line("/// Returns the value of a message, decoded without a tree.");
            out.line("///");
            out.line("/// # Errors");
            out.line("///");
            out.line("/// `SchemaMismatch` for a message of another schema; `Missing`, `WrongType` or `OutOfRange`, with the path in");
            out.line("/// the message, for a wrong value.");
            let head = "pub fn decode(message: &linkspan::Message) -> linkspan::Result<Self> {";
            out.block(head, "}", |out| out.line("message.check_fingerprint(FINGERPRINT)?;\nmessage.typed()"));
        });
    }

    fn enumeration(&self, out: &mut Text, of: &TypeDef, values: &[(String, String)]) {
        let name = &of.name;
        out.line("#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]");
        if self.plan.schema.packed {
            out.line(format!("#[repr(u{})]", super::packed::enum_bits(values.len())));
        }
        out.block(format!("pub enum {name} {{"), "}\n", |out| {
            for (identifier, value) in values {
                out.line(format!("/// `{value}`"));
                out.line(format!("{identifier},"));
            }
        });
        out.block(format!("impl typed::Enumeration for {name} {{"), "}\n", |out| {
            let names: Vec<_> = values.iter().map(|(_, value)| format!("\"{value}\"")).collect();
            out.line(format!("const NAMES: &'static [&'static str] = &[{}];\n", names.join(", ")));
            out.block("fn from_name(name: &str) -> Option<Self> {", "}\n", |out| {
                out.block("Some(match name {", "})", |out| {
                    for (identifier, value) in values {
                        out.line(format!("\"{value}\" => {name}::{identifier},"));
                    }
                    out.line("_ => return None,");
                });
            });
            out.block("fn name(self) -> &'static str {", "}", |out| {
                out.block("match self {", "}", |out| {
                    for (identifier, value) in values {
                        out.line(format!("{name}::{identifier} => \"{value}\","));
                    }
                });
            });
        });
        if self.plan.schema.packed {
            return self.packed_enumeration(out, of, values);
        }
        walk(out, name, |out| out.line("sink.text(typed::Enumeration::name(*self))"));
        out.line("");
        out.block(format!("impl typed::Decode for {name} {{"), "}", |out| {
            out.line("type Builder = typed::Name<Self>;");
        });
    }
}

fn walk(out: &mut Text, name: &str, body: impl FnOnce(&mut Text)) {
    out.block(format!("impl Source for {name} {{"), "}", |out| {
        out.block("fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> linkspan::Result<()> {", "}", body);
    });
}

fn document(out: &mut Text, member: &Member) {
    let text = describe(member);
    out.comment("/// ", &if text.is_empty() { format!("`{}`", member.key) } else { text });
}

fn raw(text: &str) -> String {
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}
