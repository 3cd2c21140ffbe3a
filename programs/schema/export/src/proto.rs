//! `.proto` (proto3): a message for each record, with fields numbered in the order of the schema.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use linkspan::schema::{Field, Kind, Range, Schema, Type, Width};
use linkspan::{Error, ErrorKind, Order, Result};

use super::notes::{Notes, unknown};

const RESERVED: std::ops::Range<usize> = 19_000..20_000;

struct Writer<'a> {
    notes: &'a mut Notes,
    imports: BTreeSet<&'static str>,
}

/// Returns the schema as a file. The last part of its name becomes the message, the others the package.
pub(super) fn write(schema: &Schema, notes: &mut Notes) -> Result<String> {
    let (package, name) = schema.name.rsplit_once('.').unwrap_or(("", &schema.name));
    let mut writer = Writer { notes, imports: BTreeSet::new() };
    let mut body = String::new();
    writer.message(&mut body, 0, &camel(name), &schema.root)?;
    let mut out = format!("// {}, version {}\n", schema.name, schema.version);
    if !schema.doc.is_empty() {
        let _ = writeln!(out, "// {}", line(&schema.doc));
    }
    out += "syntax = \"proto3\";\n\n";
    if !package.is_empty() {
        let _ = write!(out, "package {package};\n\n");
    }
    for import in &writer.imports {
        let _ = writeln!(out, "import \"{import}\";");
    }
    if !writer.imports.is_empty() {
        out.push('\n');
    }
    Ok(out + &body)
}

struct Written {
    /// `repeated `, or nothing.
    label: &'static str,
    name: String,
    /// Whether the generated code distinguishes an absent field from zero.
    has_presence: bool,
}

impl Writer<'_> {
    /// Writes a message: a record with its fields, any other type in a field `value`.
    fn message(&mut self, out: &mut String, depth: usize, name: &str, of: &Type) -> Result<()> {
        let indent = "  ".repeat(depth);
        let _ = writeln!(out, "{indent}message {name} {{");
        match &of.kind {
            Kind::Record(fields) => self.fields(out, depth + 1, fields)?,
            Kind::Table(columns) => {
                self.notes.looser("columns of different lengths are accepted");
                self.fields(out, depth + 1, columns)?;
            }
            Kind::Union(variants) => self.union(out, depth + 1, variants)?,
            Kind::NdArray { dtype, order, .. } => {
                self.notes.looser("any shape, and data of any length, are accepted");
                let inner = "  ".repeat(depth + 1);
                let _ = writeln!(
                    out,
                    "{inner}// {of}: the elements of `data` are {}, little-endian",
                    dtype.name()
                );
                let _ = writeln!(out, "{inner}repeated uint64 shape = 1;");
                let _ = writeln!(out, "{inner}bytes data = 2;");
                if *order != Some(Order::Row) {
                    let _ = writeln!(out, "{inner}bool column_major = 3;");
                }
            }
            _ => {
                let value = Field::new("value", of.clone());
                self.field(out, depth + 1, &value, 1, "Value", false)?;
            }
        }
        let _ = writeln!(out, "{indent}}}");
        Ok(())
    }

    fn fields(&mut self, out: &mut String, depth: usize, fields: &[Field]) -> Result<()> {
        let names = self.names(fields)?;
        for (at, field) in fields.iter().enumerate() {
            self.field(out, depth, field, number(at), &names[at], true)?;
        }
        Ok(())
    }

    /// Returns the names of nested types, which share a scope with the fields.
    fn names(&mut self, fields: &[Field]) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for field in fields {
            let mut name = camel(&field.name);
            if fields.iter().any(|other| other.name == name) {
                name += "Type";
            }
            // Protobuf's JSON does not distinguish a_b and aB, so one message cannot contain both.
            if names.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
                let text = format!(
                    "{}: the field {} has the name of another one in protobuf, where a_b and aB are one: rename it",
                    self.notes.at(),
                    field.name
                );
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            names.push(name);
        }
        Ok(names)
    }

    fn union(&mut self, out: &mut String, depth: usize, variants: &[Field]) -> Result<()> {
        let indent = "  ".repeat(depth);
        let names = self.names(variants)?;
        let mut choices = String::new();
        for (at, variant) in variants.iter().enumerate() {
            self.notes.enter(&variant.name);
            let written = self.single(out, depth, &variant.of, &names[at])?;
            self.notes.leave();
            let _ = writeln!(choices, "{indent}  {} {} = {};", written, variant.name, number(at));
        }
        // The name of a oneof shares a scope with its fields.
        let mut name = "variant".to_owned();
        while variants.iter().any(|variant| variant.name == name) {
            name.push('_');
        }
        let _ = write!(out, "{indent}oneof {name} {{\n{choices}{indent}}}\n");
        self.notes.looser("no variant at all is accepted");
        Ok(())
    }

    fn field(
        &mut self,
        out: &mut String,
        depth: usize,
        field: &Field,
        number: usize,
        name: &str,
        own: bool,
    ) -> Result<()> {
        if own {
            self.notes.enter(&field.name);
        }
        let indent = "  ".repeat(depth);
        let written = self.ty(out, depth, &field.of, name)?;
        for text in comments(field) {
            let _ = writeln!(out, "{indent}// {text}");
        }
        let may_be_absent = field.optional || field.default.is_some();
        let label = match (written.label, may_be_absent) {
            ("", true) if !written.has_presence => "optional ",
            (label, _) => label.trim_start(),
        };
        if !may_be_absent {
            self.notes.looser("a message without the field is accepted");
        }
        if field.optional && !written.label.is_empty() {
            self.notes.looser("a field that is not there and an empty one are the same");
        }
        let _ = writeln!(out, "{indent}{label}{} {} = {number};", written.name, field.name);
        if own {
            self.notes.leave();
        }
        Ok(())
    }

    /// Returns a field's type. Writes needed definitions to `out`, under the name `name`.
    fn ty(&mut self, out: &mut String, depth: usize, of: &Type, name: &str) -> Result<Written> {
        let repeated = |name| Written { label: "repeated ", name, has_presence: false };
        match &of.kind {
            Kind::List(each, most) => {
                if most.is_some() {
                    self.notes.looser("lists of any length are accepted");
                }
                self.notes.enter("*");
                let each = self.single(out, depth, each, name)?;
                self.notes.leave();
                Ok(repeated(each))
            }
            Kind::Map(each) => {
                self.notes.enter("*");
                let each = self.single(out, depth, each, name)?;
                self.notes.leave();
                // A map has neither label nor presence.
                Ok(Written { label: " ", name: format!("map<string, {each}>"), has_presence: false })
            }
            kind => {
                let has_presence = matches!(
                    kind,
                    Kind::Record(_)
                        | Kind::Table(_)
                        | Kind::Union(_)
                        | Kind::NdArray { .. }
                        | Kind::Timestamp
                        | Kind::Any
                );
                Ok(Written { label: "", name: self.single(out, depth, of, name)?, has_presence })
            }
        }
    }

    /// Returns a type for `repeated`, a map or a oneof: a list or map is wrapped in a message.
    fn single(&mut self, out: &mut String, depth: usize, of: &Type, name: &str) -> Result<String> {
        Ok(match &of.kind {
            Kind::Any => {
                self.imports.insert("google/protobuf/struct.proto");
                self.notes.narrower(
                    "only what JSON can represent is accepted: no bytes, times, arrays; integers are floats",
                );
                "google.protobuf.Value".to_owned()
            }
            Kind::Bool => "bool".to_owned(),
            Kind::Integer(width) => self.integer(*width, of.range),
            Kind::F32 | Kind::F64 => {
                if of.range.is_some() {
                    self.notes.looser("numbers outside of the range are accepted");
                }
                if of.kind == Kind::F32 { "float" } else { "double" }.to_owned()
            }
            Kind::Text(most) | Kind::Bytes(most) => {
                if most.is_some() {
                    self.notes.looser("any length is accepted");
                }
                if matches!(of.kind, Kind::Text(_)) { "string" } else { "bytes" }.to_owned()
            }
            Kind::Timestamp => {
                self.imports.insert("google/protobuf/timestamp.proto");
                "google.protobuf.Timestamp".to_owned()
            }
            Kind::Uuid => {
                self.notes.looser("bytes of any length are accepted for a UUID");
                "bytes".to_owned()
            }
            Kind::Decimal => {
                self.notes.looser("any text is accepted for a decimal number");
                "string".to_owned()
            }
            Kind::Enum(values) => {
                let (indent, prefix) = ("  ".repeat(depth), upper(name));
                let _ = writeln!(out, "{indent}enum {name} {{\n{indent}  {prefix}_UNSPECIFIED = 0;");
                for (at, value) in values.iter().enumerate() {
                    let _ = writeln!(out, "{indent}  {prefix}_{value} = {};", at + 1);
                }
                let _ = writeln!(out, "{indent}}}");
                self.notes.looser("any number is accepted for an enum");
                name.to_owned()
            }
            Kind::List(..)
            | Kind::Map(_)
            | Kind::Record(_)
            | Kind::Table(_)
            | Kind::Union(_)
            | Kind::NdArray { .. } => {
                self.message(out, depth, name, of)?;
                name.to_owned()
            }
            _ => return Err(unknown(of, self.notes)),
        })
    }

    fn integer(&mut self, width: Width, range: Option<Range>) -> String {
        if range.is_some() {
            self.notes.looser("numbers outside of the range are accepted");
        } else if !matches!(width, Width::I32 | Width::I64 | Width::U32 | Width::U64) {
            self.notes.looser("integers of 32 bits are accepted");
        }
        match width {
            Width::I64 => "int64",
            Width::U64 => "uint64",
            Width::U8 | Width::U16 | Width::U32 => "uint32",
            _ => "int32",
        }
        .to_owned()
    }
}

fn number(position: usize) -> usize {
    if position + 1 < RESERVED.start { position + 1 } else { position + 1 + RESERVED.len() }
}

/// Returns the description, and what protobuf cannot express.
fn comments(field: &Field) -> Vec<String> {
    let mut out = Vec::new();
    if !field.doc.is_empty() {
        out.push(line(&field.doc));
    }
    let mut facts = Vec::new();
    facts.extend(field.of.unit.as_ref().map(|unit| format!("in {unit}")));
    facts.extend(field.of.range.map(|range| format!("range {range}")));
    if let Kind::Text(Some(most)) | Kind::Bytes(Some(most)) | Kind::List(_, Some(most)) = &field.of.kind {
        facts.push(format!("at most {most}"));
    }
    if let Kind::Integer(width @ (Width::I8 | Width::I16 | Width::U8 | Width::U16)) = field.of.kind {
        facts.push(width.name().to_owned());
    }
    if let Some(default) = &field.default
        && let Ok(text) = linkspan::codec::encode(default, linkspan::Encoding::Json)
    {
        facts.push(format!("default {}", line(&String::from_utf8_lossy(&text))));
    }
    if !facts.is_empty() {
        out.push(facts.join(", "));
    }
    out
}

fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Converts `power_reading` to `PowerReading`.
fn camel(name: &str) -> String {
    let mut out = String::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(letters);
    }
    // A name of underscores, or with a digit after them.
    if out.starts_with(|c: char| c.is_ascii_alphabetic()) { out } else { format!("X{out}") }
}

/// Converts `PhoneType` to `PHONE_TYPE`.
fn upper(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}
