//! Python: annotated dataclasses that `send` accepts and `decode` creates from messages.
//!
//! A generated class has attributes with defaults, a table of their keys for `send`, and two decoders. With a *plan*,
//! the extension decodes directly into instances. `from_value` reads decoded values with exact errors, if the plan
//! does not fit the message. A type follows the types that it refers to, because Python evaluates a module in order.

mod generator;
mod packed;
mod plan;
mod text;
mod types;

use linkspan::{Result, Value};

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, TypeDef};
use super::{File, Text, describe};
use generator::{Python, private};
use text::{safe, triple};
use types::holds_array;

/// Returns the module for a schema.
///
/// # Errors
/// `Unsupported` for names and values that the language does not allow.
pub fn generate(plan: &Plan) -> Result<Vec<File>> {
    let python = Python { plan };
    let schema = plan.schema;
    // The body comes first, because it determines the needed imports.
    let mut body = Text::new("    ");
    for definition in &plan.types {
        python.definition(&mut body, definition);
    }
    python.decode(&mut body);
    let body = body.finish();

    let mut out = Text::new("    ");
    out.line(format!("\"\"\"Messages of the schema {}, version {}.", schema.name, schema.version));
    if !schema.doc.is_empty() {
        out.line("");
        out.comment("", &safe(&schema.doc));
    }
    out.line(
        "\nWritten by `linkspan schema generate --lang python`: change the schema and generate it again.",
    );
    out.line("\"\"\"\n\nfrom __future__ import annotations\n");
    let standard = [
        ("@dataclass", "from dataclasses import dataclass"),
        ("Decimal", "from decimal import Decimal"),
        ("(Enum)", "from enum import Enum"),
    ];
    let has = |word: &str| body.contains(word);
    let typing: Vec<_> =
        ["Annotated", "Any", "ClassVar", "TypeAlias"].into_iter().filter(|word| has(word)).collect();
    if has("Callable[") {
        out.line("from collections.abc import Callable");
    }
    for (word, import) in standard {
        if word == "@dataclass" && has("= field(") {
            out.line("from dataclasses import dataclass, field");
        } else if has(word) {
            out.line(import);
        }
    }
    if !typing.is_empty() {
        out.line(format!("from typing import {}", typing.join(", ")));
    }
    if has("UUID") {
        out.line("from uuid import UUID");
    }
    out.line("");
    if has("npt.") {
        out.line("import numpy as np\nimport numpy.typing as npt");
    } else if has("np.") {
        out.line("import numpy as np");
    }
    let names: Vec<_> = ["Message", "Timestamp"].into_iter().filter(|word| has(word)).collect();
    out.line(format!("from linkspan import {}", names.join(", ")));
    if has("read.") {
        out.line("from linkspan import generated as read");
    }
    if has("packed.") {
        out.line("from linkspan import packed");
    }
    out.line("");
    out.line("#: The schema, for the option `schema` of an endpoint.");
    out.line(format!("SCHEMA = {}\n", triple(&plan.notation())));
    out.line("#: The fingerprint of the schema.");
    out.line(format!("FINGERPRINT = \"{}\"", plan.fingerprint));
    let name = format!("{}.py", plan.name(Case::Snake));
    Ok(vec![File { name, text: out.finish() + &body }])
}

impl Python<'_> {
    fn is_root(&self, name: &str) -> bool {
        self.plan.root_type().is_some_and(|root| root.name == name)
    }

    fn definition(&self, out: &mut Text, of: &TypeDef) {
        match &of.definition {
            Definition::Enum(values) => {
                out.block(format!("\n\nclass {}(Enum):", of.name), "", |out| {
                    docstring(out, of);
                    for (identifier, value) in values {
                        out.line(format!("{identifier} = \"{value}\""));
                    }
                });
            }
            Definition::Record(members) | Definition::Table(members) => {
                let readers =
                    if self.plan.schema.packed { Vec::new() } else { self.readers(out, of, members) };
                self.class(out, &of.name, of, members, Some(readers));
                if let (Some(layout), true) = (self.plan.schema.layout(), self.is_root(&of.name)) {
                    self.layout(out, of, members, &layout);
                }
                if self.has_plans() {
                    self.record_plan(out, of, members);
                }
            }
            Definition::Union(variants) => self.union(out, of, variants),
        }
    }

    /// Writes called readers as constants; returns the reader of each member.
    fn readers(&self, out: &mut Text, of: &TypeDef, members: &[Member]) -> Vec<String> {
        let mut first = true;
        let readers = members.iter().map(|member| {
            let mut reader = self.reader(&member.slot);
            if let (Some(default), Shape::Named(_)) = (&member.default, &member.slot.shape) {
                let default = self.value(default, &member.slot);
                reader = format!("{}, {default})", reader.trim_end_matches(')'));
            }
            if !reader.contains('(') {
                return reader;
            }
            if std::mem::take(&mut first) {
                out.line("\n");
            }
            let name = format!("{}_{}", private(of), Case::Upper.join(&member.key));
            out.line(format!("{name} = {reader}"));
            name
        });
        readers.collect()
    }

    /// Writes a dataclass. `readers` contains each member's reader; the list is empty for a union's variant, because
    /// the union's reader creates it.
    fn class(
        &self,
        out: &mut Text,
        name: &str,
        of: &TypeDef,
        members: &[Member],
        readers: Option<Vec<String>>,
    ) {
        let arrays = members.iter().any(|member| holds_array(&member.slot));
        // Comparing arrays gives an array, which has no truth value.
        let eq = if arrays { ", eq=False" } else { "" };
        out.line(format!("\n\n@dataclass(slots=True, kw_only=True{eq})"));
        out.block(format!("class {name}:"), "", |out| {
            docstring(out, of);
            let is_packed = self.plan.schema.packed;
            let fields: Vec<_> = members
                .iter()
                .map(|member| {
                    let optional = if member.optional { "True" } else { "False" };
                    format!("(\"{}\", \"{}\", {optional}),", member.name, member.key)
                })
                .collect();
            if is_packed && self.is_root(name) {
                out.line("#: A message is the bytes that `pack` returns.");
                out.line("__linkspan_packed__: ClassVar[bool] = True\n");
            }
            out.line("#: For `send`: each attribute, its key in messages, and whether None is left out.");
            let annotation = "__linkspan_fields__: ClassVar[tuple[tuple[str, str, bool], ...]]";
            out.block(format!("{annotation} = ("), ")\n", |out| fields.iter().for_each(|field| out.line(field)));
            if self.is_root(name) {
                let (name, version) = (&self.plan.schema.name, self.plan.schema.version);
                out.line("#: The name and version of the messages' schema.");
                out.line(format!("__linkspan_schema__: ClassVar[tuple[str, int]] = (\"{name}\", {version})\n"));
            }
            if matches!(of.definition, Definition::Table(_)) {
                out.line("#: The attributes are columns of equal length.");
                out.line("__linkspan_table__: ClassVar[bool] = True\n");
            }
            for member in members {
                let of = self.annotated(&member.slot, &member.aliases);
                match (&member.default, member.optional) {
                    (_, true) => out.line(format!("{}: {of} | None = None", member.name)),
                    (Some(default @ (Value::Array(_) | Value::Map(_))), _) => {
                        let value = self.value(default, &member.slot);
                        out.line(format!("{}: {of} = field(default_factory=lambda: {value})", member.name));
                    }
                    (Some(default), _) => {
                        out.line(format!("{}: {of} = {}", member.name, self.value(default, &member.slot)));
                    }
                    (None, false) => out.line(format!("{}: {of}", member.name)),
                }
                let text = describe(member);
                if !text.is_empty() {
                    let mut words = Text::new("    ");
                    words.comment("", &safe(&text));
                    out.line(format!("\"\"\"{}\"\"\"", words.finish().trim_end()));
                }
            }
            if is_packed {
                if self.is_root(name) {
                    self.packing(out, of);
                }
                return;
            }
            let Some(readers) = readers else { return };
            out.line("\n@classmethod");
            out.block(format!("def from_value(cls, value: Any) -> {name}:"), "", |out| {
                out.line("\"\"\"Returns the record in a value. Raises `Missing`, `WrongType` or `OutOfRange` for a wrong value.\"\"\"");
                out.line("fields = read.fields(value)");
                out.block("return cls(", ")", |out| {
                    for (member, reader) in members.iter().zip(readers) {
                        let keys: Vec<_> = [&member.key]
                            .into_iter()
                            .chain(&member.aliases)
                            .map(|key| format!("\"{key}\""))
                            .collect();
                        let keys = keys.join(", ");
                        let read = match (&member.default, member.optional) {
                            (Some(default), _) => {
                                let default = self.value(default, &member.slot);
                                format!("read.given(fields, {reader}, lambda: {default}, {keys})")
                            }
                            (None, true) => format!("read.optional(fields, {reader}, {keys})"),
                            (None, false) => format!("read.field(fields, {reader}, {keys})"),
                        };
                        out.line(format!("{}={read},", member.name));
                    }
                });
            });
            if self.is_root(name) {
                out.line("\n@classmethod");
                out.block(format!("def decode(cls, message: Message) -> {name}:"), "", |out| {
                    out.line("\"\"\"Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `Missing`, `WrongType` or `OutOfRange` for a wrong value.\"\"\"");
                    out.line("message.check_fingerprint(FINGERPRINT)");
                    out.line(format!("made = {}.decode(cls, message)", self.plan_name(of)));
                    out.line("return cls.from_value(message.value) if made is None else made");
                });
            }
        });
    }

    /// Writes a union: a class per variant, whose only attribute is the variant's value.
    fn union(&self, out: &mut Text, of: &TypeDef, variants: &[Member]) {
        let class = |variant: &Member| format!("{}{}Variant", of.name, Case::Pascal.join(&variant.key));
        for variant in variants {
            let doc = format!("{}: the variant {}", of.path, variant.key);
            let of = TypeDef { doc, ..of.clone() };
            self.class(out, &class(variant), &of, std::slice::from_ref(variant), None);
        }
        let names: Vec<_> = variants.iter().map(class).collect();
        out.line(format!("\n\n{}: TypeAlias = {}", of.name, names.join(" | ")));
        if !of.doc.is_empty() {
            out.line(format!("\"\"\"{}\"\"\"", safe(&of.doc)));
        }
        out.line("");
        let readers = self.readers(out, of, variants);
        out.block(format!("\n\ndef {}(value: Any) -> {}:", private(of), of.name), "", |out| {
            out.block(format!("readers: dict[str, Callable[[Any], {}]] = {{", of.name), "}", |out| {
                for (variant, reader) in variants.iter().zip(readers) {
                    let made = format!("{}({}={reader}(value))", class(variant), variant.name);
                    out.line(format!("\"{}\": lambda value: {made},", variant.key));
                }
            });
            out.line("return read.variant(value, readers)");
        });
        if self.has_plans() {
            self.union_plan(out, of, variants);
        }
    }

    /// Writes the function that decodes a message other than a record.
    fn decode(&self, out: &mut Text) {
        if let Some(TypeDef { definition: Definition::Record(_) | Definition::Table(_), .. }) =
            self.plan.root_type()
        {
            return;
        }
        let of = self.of(&self.plan.root);
        out.block(format!("\n\ndef decode(message: Message) -> {of}:"), "", |out| {
            out.line(
                "\"\"\"Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `WrongType` or `OutOfRange` for a wrong value.\"\"\"",
            );
            out.line("message.check_fingerprint(FINGERPRINT)");
            out.line(format!("return {}(message.value)", self.reader(&self.plan.root)));
        });
    }
}

fn docstring(out: &mut Text, of: &TypeDef) {
    let doc = if of.doc.is_empty() { of.path.clone() } else { safe(&of.doc) };
    let stop = if doc.ends_with(['.', '!', '?']) { "" } else { "." };
    out.line(format!("\"\"\"{doc}{stop}\"\"\"\n"));
}
