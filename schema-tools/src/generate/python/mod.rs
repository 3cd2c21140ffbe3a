//! Python: dataclasses with annotations, which `send` takes as they are and `decode` makes of messages.

mod packed;

use linkspan::schema::{Length, Range, Width};
use linkspan::value::DType;
use linkspan::{Order, Result, Value};

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, Slot, TypeDef};
use super::{File, Text, describe};

pub fn generate(plan: &Plan) -> Result<Vec<File>> {
    let python = Python { plan };
    let schema = plan.schema;
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
    out.line(format!("SCHEMA = {}\n", triple(&schema.to_toml())));
    out.line("#: The fingerprint of the schema.");
    out.line(format!("FINGERPRINT = \"{}\"", schema.fingerprint()));
    let name = format!("{}.py", plan.name(Case::Snake));
    Ok(vec![File { name, text: out.finish() + &body }])
}

struct Python<'a> {
    plan: &'a Plan<'a>,
}

impl Python<'_> {
    fn is_root(&self, name: &str) -> bool {
        self.plan.root_type().is_some_and(|root| root.name == name)
    }

    /// The annotation, with what the type of Python does not say.
    fn of(&self, slot: &Slot) -> String {
        self.annotated(slot, &[])
    }

    fn annotated(&self, slot: &Slot, aliases: &[String]) -> String {
        let of = self.plain(slot);
        let facts = facts(slot, aliases);
        if facts.is_empty() { of } else { format!("Annotated[{of}, read.SchemaType({})]", facts.join(", ")) }
    }

    fn plain(&self, slot: &Slot) -> String {
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

    /// The reader of a value.
    fn reader(&self, slot: &Slot) -> String {
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
                if let (Some(layout), true) = (self.plan.schema.layout(), self.is_root(&of.name)) {
                    self.layout(out, of, members, &layout);
                }
                let readers =
                    if self.plan.schema.packed { Vec::new() } else { self.readers(out, of, members) };
                self.class(out, &of.name, of, members, Some(readers));
            }
            Definition::Union(variants) => self.union(out, of, variants),
        }
    }

    /// Writes the readers that are made by a call, as constants; what reads each member.
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

    fn class(
        &self,
        out: &mut Text,
        name: &str,
        of: &TypeDef,
        members: &[Member],
        readers: Option<Vec<String>>,
    ) {
        let arrays = members.iter().any(|member| holds_array(&member.slot));
        // Comparing arrays gives an array, which is neither true nor false.
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
                out.line("#: The schema that these are the messages of, and its version.");
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
                let said = describe(member);
                if !said.is_empty() {
                    let mut words = Text::new("    ");
                    words.comment("", &safe(&said));
                    out.line(format!("\"\"\"{}\"\"\"", words.finish().trim_end()));
                }
            }
            if is_packed {
                if self.is_root(name) {
                    self.packing(out, of, members);
                }
                return;
            }
            let Some(readers) = readers else { return };
            out.line("\n@classmethod");
            out.block(format!("def from_value(cls, value: Any) -> {name}:"), "", |out| {
                out.line("\"\"\"From the value of a message; `Missing`, `WrongType` or `OutOfRange` where it is not one.\"\"\"");
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
                    out.line("\"\"\"From a message; `Missing`, `WrongType` or `OutOfRange` where it holds no such value.\"\"\"");
                    out.line("return cls.from_value(message.value)");
                });
            }
        });
    }

    /// A union is one class a variant, with the variant's value as its only attribute.
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
    }

    /// The way from a message to a value that is no record.
    fn decode(&self, out: &mut Text) {
        if let Some(TypeDef { definition: Definition::Record(_) | Definition::Table(_), .. }) =
            self.plan.root_type()
        {
            return;
        }
        let of = self.of(&self.plan.root);
        out.block(format!("\n\ndef decode(message: Message) -> {of}:"), "", |out| {
            out.line("\"\"\"From a message; `WrongType` or `OutOfRange` where it holds no such value.\"\"\"");
            out.line(format!("return {}(message.value)", self.reader(&self.plan.root)));
        });
    }

    fn value(&self, value: &Value, slot: &Slot) -> String {
        match (value, &slot.shape) {
            (Value::Text(name), Shape::Named(at)) => {
                let of = &self.plan.types[*at];
                let Definition::Enum(values) = &of.definition else { return literal(name) };
                let found = values.iter().find(|(_, value)| value == name);
                format!("{}.{}", of.name, found.map_or(name, |(identifier, _)| identifier))
            }
            (Value::Bool(true), _) => "True".into(),
            (Value::Bool(false), _) => "False".into(),
            (Value::Int(number), Shape::F32 | Shape::F64) => format!("{number}.0"),
            (Value::Int(number), _) => number.to_string(),
            (Value::Uint(number), _) => number.to_string(),
            (Value::Float(number), _) if number.is_finite() => format!("{number:?}"),
            (Value::Float(number), _) => format!("float(\"{number}\")"),
            (Value::Text(text), _) => literal(text),
            (Value::Bytes(bytes), _) => {
                let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                format!("b\"{hex}\"")
            }
            (Value::Timestamp(at), _) => format!("Timestamp({})", at.0),
            (Value::Decimal(number), _) => format!("Decimal(\"{number}\")"),
            (Value::Array(items), Shape::List(of, _)) => {
                format!("[{}]", items.iter().map(|item| self.value(item, of)).collect::<Vec<_>>().join(", "))
            }
            (Value::Map(entries), Shape::Map(of)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", literal(key), self.value(value, of)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            _ => "None".into(),
        }
    }
}

/// The arguments of `SchemaType`: what the annotation alone does not say.
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

fn holds_array(slot: &Slot) -> bool {
    match &slot.shape {
        Shape::NdArray { .. } => true,
        Shape::List(of, _) | Shape::Map(of) => holds_array(of),
        _ => false,
    }
}

/// The name of what belongs to a type and is no part of the module's interface.
fn private(of: &TypeDef) -> String {
    format!("_{}", Case::Upper.join(&of.path))
}

fn docstring(out: &mut Text, of: &TypeDef) {
    let doc = if of.doc.is_empty() { of.path.clone() } else { safe(&of.doc) };
    let stop = if doc.ends_with(['.', '!', '?']) { "" } else { "." };
    out.line(format!("\"\"\"{doc}{stop}\"\"\"\n"));
}

/// NumPy's name of an element type.
fn numpy(dtype: DType, class: bool) -> &'static str {
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

/// Text that can stand inside a docstring, whatever it ends with.
fn safe(text: &str) -> String {
    let text = text.trim_end().replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    if text.ends_with('"') { text + " " } else { text }
}

/// A string literal. Python knows the escapes of JSON.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A literal of several lines.
fn triple(text: &str) -> String {
    format!("\"\"\"\\\n{}\"\"\"", text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\""))
}
