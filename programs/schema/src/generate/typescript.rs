//! TypeScript: a type for each type of the schema, and a function that checks received values.
//!
//! A record is the received object, with the message's keys. Its type is an alias, because the compiler rejects an
//! `interface` for a map of values. `linkspan-client/schema` interprets the table of checks.

use std::collections::BTreeSet;
use std::fmt::Write;

use linkspan::schema::{Length, Width};
use linkspan::value::{DType, Order, Value};
use linkspan::{Encoding, Error, ErrorKind, Result, codec};

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, Slot, TypeDef};
use super::text::escaped;
use super::{File, Text, describe};

pub fn generate(plan: &Plan) -> Result<Vec<File>> {
    let schema = plan.schema;
    if schema.packed {
        let text = format!(
            "{}: there is no generated code for packed records in TypeScript: leave `layout` out, or read the bytes with a DataView",
            schema.name
        );
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let mut body = Text::new("  ");
    for definition in &plan.types {
        type_of(plan, &mut body, definition);
    }
    let name = plan.name(Case::Pascal);
    let root = match plan.root_type() {
        Some(root) => root.name.clone(),
        None => {
            body.line(format!("export type {name} = {};\n", of(plan, &plan.root)));
            name.clone()
        }
    };
    let body = body.finish();

    let mut out = Text::new("  ");
    out.comment("// ", &format!("Messages of the schema {}, version {}.", schema.name, schema.version));
    out.comment("// ", &comment(&schema.doc));
    out.comment(
        "// ",
        "Written by `linkspan schema generate --lang typescript`: change the schema and generate it again.",
    );
    let mut imports = BTreeSet::new();
    for definition in &plan.types {
        match &definition.definition {
            Definition::Enum(_) => {}
            Definition::Record(members) | Definition::Table(members) | Definition::Union(members) => {
                members.iter().for_each(|member| import(&member.slot, &mut imports));
            }
        }
    }
    import(&plan.root, &mut imports);
    if !imports.is_empty() {
        let imports: Vec<_> = imports.into_iter().collect();
        out.line(format!("import type {{ {} }} from \"linkspan-client\";", imports.join(", ")));
    }
    out.line("import { reader } from \"linkspan-client/schema\";\n");
    out.line(body.trim_end());
    out.line("\n/** The schema, for the option `schema` of a publisher. */");
    out.line(format!("export const SCHEMA = {};", quoted(&plan.notation())?));
    out.line("/** The fingerprint of the schema. */");
    out.line(format!("export const FINGERPRINT = \"{}\";", plan.fingerprint));
    out.line("/** Returns the checked value of a message: with defaults, and without fields that the schema does not have. */");
    let mut written = Ok(());
    out.block(
        format!("export const read{root}: (value: unknown) => {root} = reader<{root}>(FINGERPRINT, ["),
        format!("], {});", check(&plan.root)?),
        |out| written = plan.types.iter().try_for_each(|of| definition(out, of)),
    );
    written?;
    Ok(vec![File { name: format!("{root}.ts"), text: out.finish() }])
}

fn type_of(plan: &Plan, out: &mut Text, of_type: &TypeDef) {
    let doc = if of_type.doc.is_empty() { of_type.path.clone() } else { comment(&of_type.doc) };
    out.line(format!("/** {doc} */"));
    let name = &of_type.name;
    match &of_type.definition {
        Definition::Enum(values) => {
            let values: Vec<_> = values.iter().map(|(_, value)| format!("\"{value}\"")).collect();
            out.line(format!("export type {name} = {};\n", values.join(" | ")));
        }
        Definition::Union(variants) => {
            let forms: Vec<_> = variants
                .iter()
                .map(|variant| format!("{{ {}: {} }}", key(&variant.key), of(plan, &variant.slot)))
                .collect();
            out.line(format!("export type {name} = {};\n", forms.join(" | ")));
        }
        Definition::Record(members) | Definition::Table(members) => {
            out.block(format!("export type {name} = {{"), "};\n", |out| {
                for member in members {
                    let about = comment(&describe(member));
                    if !about.is_empty() {
                        out.line(format!("/** {about} */"));
                    }
                    let mark = if member.optional { "?" } else { "" };
                    out.line(format!("{}{mark}: {};", key(&member.key), of(plan, &member.slot)));
                }
            });
        }
    }
}

fn of(plan: &Plan, slot: &Slot) -> String {
    match &slot.shape {
        Shape::Any => "Value".into(),
        Shape::Bool => "boolean".into(),
        Shape::Integer(Width::I64 | Width::U64) => "number | bigint".into(),
        Shape::Integer(_) | Shape::F32 | Shape::F64 => "number".into(),
        Shape::Text(_) => "string".into(),
        Shape::Bytes(_) => "Uint8Array".into(),
        Shape::Timestamp => "Timestamp".into(),
        Shape::Uuid => "Uuid".into(),
        Shape::Decimal => "Decimal".into(),
        Shape::List(each, _) => format!("Array<{}>", of(plan, each)),
        Shape::Map(each) => format!("Record<string, {}>", of(plan, each)),
        Shape::NdArray { dtype, shape, order } => {
            let vector = elements(*dtype).filter(|_| *order != Some(Order::Column));
            match (vector, shape.as_ref().map(Vec::len)) {
                (Some(vector), Some(1)) => vector.into(),
                (Some(vector), None) => format!("{vector} | NdArray"),
                _ => "NdArray".into(),
            }
        }
        Shape::Named(at) => plan.types[*at].name.clone(),
    }
}

/// Adds the package's types that a value's type refers to.
fn import(slot: &Slot, imports: &mut BTreeSet<&'static str>) {
    let class = match &slot.shape {
        Shape::Any => "Value",
        Shape::Timestamp => "Timestamp",
        Shape::Uuid => "Uuid",
        Shape::Decimal => "Decimal",
        Shape::NdArray { dtype, shape, order } => {
            let is_vector = elements(*dtype).is_some_and(|_| *order != Some(Order::Column));
            if is_vector && shape.as_ref().is_some_and(|shape| shape.len() == 1) {
                return;
            }
            "NdArray"
        }
        Shape::List(each, _) | Shape::Map(each) => return import(each, imports),
        _ => return,
    };
    imports.insert(class);
}

/// Returns the typed array of a one-dimensional array; `None` if that would lose information.
fn elements(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::U16 => "Uint16Array",
        DType::U32 => "Uint32Array",
        DType::U64 => "BigUint64Array",
        DType::I8 => "Int8Array",
        DType::I16 => "Int16Array",
        DType::I32 => "Int32Array",
        DType::I64 => "BigInt64Array",
        DType::F32 => "Float32Array",
        DType::F64 => "Float64Array",
        _ => return None,
    })
}

fn definition(out: &mut Text, of: &TypeDef) -> Result<()> {
    match &of.definition {
        Definition::Enum(values) => {
            let values: Vec<_> = values.iter().map(|(_, value)| format!("\"{value}\"")).collect();
            out.line(format!("{{ is: \"enum\", values: [{}] }},", values.join(", ")));
            Ok(())
        }
        Definition::Record(members) => fields(out, "record", members),
        Definition::Table(members) => fields(out, "table", members),
        Definition::Union(members) => fields(out, "union", members),
    }
}

fn fields(out: &mut Text, what: &str, members: &[Member]) -> Result<()> {
    let mut written = Ok(());
    out.block(format!("{{ is: \"{what}\", fields: ["), "] },", |out| {
        written = members.iter().try_for_each(|member| -> Result<()> {
            let mut line = format!("{{ key: \"{}\", of: {}", member.key, check(&member.slot)?);
            if !member.aliases.is_empty() {
                let aliases: Vec<_> = member.aliases.iter().map(|alias| format!("\"{alias}\"")).collect();
                let _ = write!(line, ", aliases: [{}]", aliases.join(", "));
            }
            if member.optional {
                line.push_str(", optional: true");
            }
            if let Some(default) = &member.default {
                let text = codec::encode(default, Encoding::Json)?;
                let _ = write!(line, ", default: {}", quoted(&String::from_utf8_lossy(&text))?);
            }
            out.line(format!("{line} }},"));
            Ok(())
        });
    });
    written
}

fn check(slot: &Slot) -> Result<String> {
    Ok(match &slot.shape {
        Shape::Any => "{ is: \"any\" }".into(),
        Shape::Bool => "{ is: \"bool\" }".into(),
        Shape::Integer(width) => {
            let (low, high) = width.bounds();
            format!("{{ is: \"{}\", range: [{low}n, {high}n] }}", width.name())
        }
        Shape::F32 => "{ is: \"f32\" }".into(),
        Shape::F64 => "{ is: \"f64\" }".into(),
        Shape::Text(_) => "{ is: \"text\" }".into(),
        Shape::Bytes(_) => "{ is: \"bytes\" }".into(),
        Shape::Timestamp => "{ is: \"timestamp\" }".into(),
        Shape::Uuid => "{ is: \"uuid\" }".into(),
        Shape::Decimal => "{ is: \"decimal\" }".into(),
        Shape::List(each, _) => format!("{{ is: \"list\", of: {} }}", check(each)?),
        Shape::Map(each) => format!("{{ is: \"map\", of: {} }}", check(each)?),
        Shape::NdArray { dtype, shape, order } => {
            let mut text = format!("{{ is: \"ndarray\", dtype: \"{}\"", dtype.name());
            if let Some(shape) = shape {
                let lengths: Vec<_> = shape
                    .iter()
                    .map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "null".into(),
                    })
                    .collect();
                let _ = write!(text, ", shape: [{}]", lengths.join(", "));
            }
            if let Some(order) = order {
                let _ = write!(text, ", order: \"{}\"", order.name());
            }
            text + " }"
        }
        Shape::Named(at) => format!("{{ is: \"type\", at: {at} }}"),
    })
}

/// Returns a key of an object, in quotes if needed.
fn key(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_plain { name.into() } else { format!("\"{name}\"") }
}

/// Returns a text literal; JSON's literals are valid in TypeScript.
fn quoted(text: &str) -> Result<String> {
    let literal = codec::encode(&Value::from(text), Encoding::Json)?;
    Ok(escaped(&String::from_utf8_lossy(&literal), |c| format!("\\u{:04x}", u32::from(c))))
}

fn comment(text: &str) -> String {
    text.trim_end().replace("*/", "* /").replace('\n', " ")
}
