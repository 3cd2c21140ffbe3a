//! Rust: structs and enums that are a `Source` and have a builder, so that they go to and from the wire without a tree.

mod defaults;

use linkspan::schema::Length;
use linkspan::{Result, Value};

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, Slot, TypeDef};
use super::{File, Text, describe};

/// What clippy's stricter groups say about text that the schema's author wrote, and about the shape that a schema has.
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
    out.line("");
    out.line("use linkspan::value::typed;");
    out.line("use linkspan::value::{Sink, Source};\n");
    out.line(
        "/// The schema in its notation: `linkspan::schema::Schema::parse(SCHEMA)?` is for `Options::with_schema`.",
    );
    out.line(format!("pub const SCHEMA: &str = {};\n", raw(&schema.to_toml())));
    out.line("/// The fingerprint of the schema.");
    out.line(format!("pub const FINGERPRINT: &str = \"{}\";", schema.fingerprint()));
    for (at, definition) in plan.types.iter().enumerate() {
        out.line("");
        rust.definition(&mut out, definition, plan.root.shape == Shape::Named(at));
    }
    if plan.root_type().is_none() {
        out.line("");
        out.line("/// A message. Send one as it is; `message.typed::<…>()` gives one back.");
        let name = plan.naming.identifier(&schema.name, plan.naming.types);
        out.line(format!("pub type {name} = {};", rust.of(&plan.root)));
    }
    Ok(vec![File { name: format!("{}.rs", plan.name(Case::Snake)), text: out.finish() }])
}

struct Rust<'a> {
    plan: &'a Plan<'a>,
}

impl Rust<'_> {
    /// The type of a value.
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

    /// The builder of a field's value.
    fn builder(&self, member: &Member) -> String {
        let of = self.of(&member.slot);
        if member.default.is_some() && self.is_enum(&member.slot) {
            return format!("typed::KnownName<{of}>");
        }
        let plain = format!("<{of} as typed::Decode>::Builder");
        match (member.optional, &member.default) {
            (false, None) => plain,
            (null, _) => format!("typed::Maybe<{plain}, {null}>"),
        }
    }

    /// Whether the keys of records may stand in the value.
    fn has_records(&self, slot: &Slot) -> bool {
        match &slot.shape {
            Shape::List(of, _) | Shape::Map(of) => self.has_records(of),
            Shape::Named(_) => !self.is_enum(slot),
            _ => false,
        }
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
            Definition::Union(variants) => self.union(out, of, variants),
            Definition::Record(members) | Definition::Table(members) => self.record(out, of, members),
        }
        if root {
            self.decode(out, &of.name);
        }
    }

    fn decode(&self, out: &mut Text, name: &str) {
        out.line("");
        out.block(format!("impl {name} {{"), "}", |out| {
            out.line("/// The value of a message, decoded without a tree in between.");
            out.line("///");
            out.line("/// # Errors");
            out.line("///");
            out.line("/// `Missing`, `WrongType` or `OutOfRange`, with the path in the message, where it holds no such value.");
            let head = "pub fn decode(message: &linkspan::Message) -> linkspan::Result<Self> {";
            out.block(head, "}", |out| out.line("message.typed()"));
        });
    }

    fn enumeration(&self, out: &mut Text, of: &TypeDef, values: &[(String, String)]) {
        let name = &of.name;
        out.line("#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]");
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
        walk(out, name, |out| out.line("sink.text(typed::Enumeration::name(*self))"));
        out.line("");
        out.block(format!("impl typed::Decode for {name} {{"), "}", |out| {
            out.line("type Builder = typed::Name<Self>;");
        });
    }

    fn union(&self, out: &mut Text, of: &TypeDef, variants: &[Member]) {
        let name = &of.name;
        out.line("#[derive(Clone, Debug, PartialEq)]");
        out.block(format!("pub enum {name} {{"), "}\n", |out| {
            for variant in variants {
                document(out, variant);
                out.line(format!("{}({}),", variant.name, self.of(&variant.slot)));
            }
        });
        walk(out, name, |out| {
            out.line("sink.begin_map(1)?;");
            out.block("match self {", "}?;", |out| {
                for variant in variants {
                    let send = format!("typed::field(sink, \"{}\", value)", variant.key);
                    let checks = self.checks(&variant.slot, "value", &variant.key);
                    let pattern = format!("{name}::{}(value) =>", variant.name);
                    if checks.is_empty() {
                        out.line(format!("{pattern} {send},"));
                    } else {
                        out.block(format!("{pattern} {{"), "}", |out| {
                            out.line(&checks);
                            out.line(send);
                        });
                    }
                }
            });
            out.line("sink.end_map()");
        });
        self.build(out, of, variants, |out| {
            out.block("let came = [", "];", |out| {
                for variant in variants {
                    let (field, key) = (self.part(variant), &variant.key);
                    let checks = self.checks(&variant.slot, "&value", key);
                    let finished = format!("typed::finish_field(self.{field}, \"{key}\")?");
                    if checks.is_empty() {
                        out.line(format!("{finished}.map({name}::{}),", variant.name));
                        continue;
                    }
                    out.block(format!("match {finished} {{"), "},", |out| {
                        out.block("Some(value) => {", "}", |out| {
                            out.line(&checks);
                            out.line(format!("Some({name}::{}(value))", variant.name));
                        });
                        out.line("None => None,");
                    });
                }
            });
            out.line("typed::finish_variant(came, KEYS)");
        });
    }

    fn record(&self, out: &mut Text, of: &TypeDef, members: &[Member]) {
        out.line("#[derive(Clone, Debug, PartialEq)]");
        out.block(format!("pub struct {} {{", of.name), "}\n", |out| {
            for member in members {
                document(out, member);
                out.line(format!("pub {}: {},", member.name, self.field_type(member)));
            }
        });
        walk(out, &of.name, |out| {
            let always = members.iter().filter(|member| !member.optional).count();
            let optional = members.iter().filter(|member| member.optional);
            let counts: Vec<_> =
                optional.map(|member| format!(" + usize::from(self.{}.is_some())", member.name)).collect();
            out.line(format!("sink.begin_map({always}{})?;", counts.concat()));
            for member in members {
                let (name, key) = (&member.name, &member.key);
                if member.optional {
                    out.block(format!("if let Some(value) = &self.{name} {{"), "}", |out| {
                        let checks = self.checks(&member.slot, "value", key);
                        if !checks.is_empty() {
                            out.line(checks);
                        }
                        out.line(format!("typed::field(sink, \"{key}\", value)?;"));
                    });
                } else {
                    let checks = self.checks(&member.slot, &format!("&self.{name}"), key);
                    if !checks.is_empty() {
                        out.line(checks);
                    }
                    out.line(format!("typed::field(sink, \"{key}\", &self.{name})?;"));
                }
            }
            out.line("sink.end_map()");
        });
        self.build(out, of, members, |out| {
            out.line("self.fields.finish()?;");
            for member in members {
                let (name, key) = (&member.name, &member.key);
                let finished = format!("typed::finish_field(self.{}, \"{key}\")?", self.part(member));
                match &member.default {
                    None => out.line(format!("let {name} = {finished};")),
                    Some(default) => {
                        let value = self.default(default, &member.slot);
                        if value.contains(")?") {
                            // What may fail cannot stand in a closure.
                            out.block(format!("let {name} = match {finished} {{"), "};", |out| {
                                out.line("Some(value) => value,");
                                out.line(format!("None => {value},"));
                            });
                        } else if matches!(default, Value::Text(_) | Value::Array(_) | Value::Map(_))
                            && !self.is_enum(&member.slot)
                        {
                            out.line(format!("let {name} = {finished}.unwrap_or_else(|| {value});"));
                        } else {
                            out.line(format!("let {name} = {finished}.unwrap_or({value});"));
                        }
                    }
                }
                let checks = if member.optional {
                    let checks = self.checks(&member.slot, "value", key);
                    if checks.is_empty() {
                        checks
                    } else {
                        format!("if let Some(value) = &{name} {{\n    {checks}\n}}")
                    }
                } else {
                    self.checks(&member.slot, &format!("&{name}"), key)
                };
                if !checks.is_empty() {
                    out.line(checks);
                }
            }
            let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            out.line(format!("Ok({} {{ {} }})", of.name, names.join(", ")));
        });
    }

    /// The builder of a record or a union.
    fn build(&self, out: &mut Text, of: &TypeDef, members: &[Member], finish: impl FnOnce(&mut Text)) {
        let builder = format!("{}Builder", of.name);
        let is_union = matches!(of.definition, Definition::Union(_));
        out.line("");
        out.line(format!("/// Builds a [`{}`] out of the events of a decoder.", of.name));
        out.line("#[derive(Debug, Default)]");
        out.block(format!("pub struct {builder} {{"), "}\n", |out| {
            out.line("fields: typed::Fields,");
            for member in members {
                let of = self.builder(member);
                let of = if is_union { format!("typed::Maybe<{of}, false>") } else { of };
                out.line(format!("{}: {of},", self.part(member)));
            }
        });
        out.block("const _: () = {", "};", |out| {
            let list = |items: Vec<String>| items.join(", ");
            let keys = list(members.iter().map(|member| format!("\"{}\"", member.key)).collect());
            out.line(format!("const KEYS: &[&str] = &[{keys}];"));
            let aliases = members.iter().enumerate().flat_map(|(at, member)| {
                member.aliases.iter().map(move |alias| format!("(\"{alias}\", {at})"))
            });
            out.line(format!("const ALIASES: &[(&str, usize)] = &[{}];\n", list(aliases.collect())));
            out.block(format!("impl typed::Build for {builder} {{"), "}", |out| {
                out.line(format!("type Output = {};\n", of.name));
                out.block(
                    "fn event(&mut self, event: typed::Event<'_>) -> linkspan::Result<bool> {",
                    "}\n",
                    |out| {
                        out.block(
                            "let complete = match self.fields.step(&event, KEYS, ALIASES)? {",
                            "};",
                            |out| {
                                for (at, member) in members.iter().enumerate() {
                                    let pattern =
                                        if at + 1 == members.len() { "_".into() } else { at.to_string() };
                                    let field = self.part(member);
                                    out.line(format!(
                                        "typed::Step::Into({pattern}) => self.{field}.event(event)?,"
                                    ));
                                }
                                out.line("typed::Step::Taken => return Ok(false),");
                                out.line("typed::Step::Complete => return Ok(true),");
                            },
                        );
                        out.line("self.fields.after(complete);");
                        out.line("Ok(false)");
                    },
                );
                out.line("#[inline]");
                out.block("fn known_key(&mut self, key: &str) -> linkspan::Result<bool> {", "}\n", |out| {
                    let inner =
                        || members.iter().enumerate().filter(|(_, member)| self.has_records(&member.slot));
                    if inner().next().is_none() {
                        out.line("Ok(self.fields.known_key(key, KEYS)? == typed::Step::Complete)");
                        return;
                    }
                    out.block("match self.fields.known_key(key, KEYS)? {", "}", |out| {
                        for (at, member) in inner() {
                            let field = self.part(member);
                            out.line(format!("typed::Step::Into({at}) => self.{field}.known_key(key),"));
                        }
                        out.line("step => Ok(step == typed::Step::Complete),");
                    });
                });
                out.block("fn finish(self) -> linkspan::Result<Self::Output> {", "}", finish);
            });
        });
        out.line("");
        out.block(format!("impl typed::Decode for {} {{", of.name), "}", |out| {
            out.line(format!("type Builder = {builder};"));
        });
    }

    /// The statements that check the arrays in a value against what the schema says of them; empty where there are none. `value` is
    /// an expression for a reference to it.
    fn checks(&self, slot: &Slot, value: &str, key: &str) -> String {
        match &slot.shape {
            Shape::NdArray { dtype, shape, order } => {
                let shape = shape.as_ref().map_or("None".to_owned(), |lengths| {
                    let lengths: Vec<_> = lengths
                        .iter()
                        .map(|length| match length {
                            Length::Fixed(length) => format!("Some({length})"),
                            _ => "None".to_owned(),
                        })
                        .collect();
                    format!("Some(&[{}])", lengths.join(", "))
                });
                let order = order.map_or("None".into(), |order| format!("Some(linkspan::Order::{order:?})"));
                let call = format!("typed::check_array({value}, \"{key}\", linkspan::DType::{dtype:?}");
                format!("{call}, {shape}, {order})?;")
            }
            Shape::List(of, _) => self.each(of, value.trim_start_matches('&'), "iter", key),
            Shape::Map(of) => self.each(of, value.trim_start_matches('&'), "values", key),
            _ => String::new(),
        }
    }

    fn each(&self, of: &Slot, value: &str, method: &str, key: &str) -> String {
        let inner = self.checks(of, "value", key);
        if inner.is_empty() {
            return inner;
        }
        // `iter` is what a `for` over a reference calls.
        let over = if method == "iter" { format!("{value}.iter()") } else { format!("{value}.values()") };
        format!("{over}.try_for_each(|value| {{\n    {inner}\n    linkspan::Result::Ok(())\n}})?;")
    }
}

impl Rust<'_> {
    /// The field of a builder for this member.
    fn part(&self, member: &Member) -> String {
        let name = self.plan.naming.identifier(&member.key, Case::Snake);
        // The builder has a field of its own beside those of the record.
        if name == "fields" { "fields_".to_owned() } else { name }
    }
}

fn walk(out: &mut Text, name: &str, body: impl FnOnce(&mut Text)) {
    out.block(format!("impl Source for {name} {{"), "}", |out| {
        out.block("fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> linkspan::Result<()> {", "}", body);
    });
}

fn document(out: &mut Text, member: &Member) {
    let said = describe(member);
    out.comment("/// ", &if said.is_empty() { format!("`{}`", member.key) } else { said });
}

/// A raw string literal.
fn raw(text: &str) -> String {
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}
