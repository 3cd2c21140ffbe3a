//! The table of a struct: offset, key and default of each field, for encoding and decoding.

use linkspan::schema::Length;
use linkspan::value::Order;
use linkspan::{Encoding, Result, codec};

use super::super::native::{self, dtype_constant, fixed, literal};
use super::super::{Definition, Member, Shape, Text, TypeDef};
use super::generator::C;

pub(super) fn record(root: &str) -> String {
    format!("linkspan_record_of_{root}")
}

/// Returns an expression that names a struct's field without evaluating anything.
fn member(of: &str, name: &str) -> String {
    format!("(({of} *)0)->{name}")
}

impl C<'_> {
    pub(super) fn table(&self, text: &mut Text) -> Result<()> {
        for def in &self.plan.types {
            self.define_type(text, def)?;
        }
        let root = self.root();
        let of = self.type_of(&self.plan.root.shape, &member(root, "value"), false);
        text.line(format!(
            "static linkspan_record {} = {{.size = sizeof(linkspan_record), .of = {of}}};\n",
            record(root)
        ));
        Ok(())
    }

    fn define_type(&self, text: &mut Text, def: &TypeDef) -> Result<()> {
        let name = &def.name;
        let head = |kind: &str| format!(".kind = LINKSPAN_RECORD_{kind}, .size = sizeof({name})");
        let (head, members) = match &def.definition {
            Definition::Enum(values) => {
                let names: Vec<_> = values.iter().map(|(_, value)| literal(value.as_bytes())).collect();
                let names = format!("(const char *const[]){{{}}}", names.join(", "));
                let count = values.len();
                text.line(format!(
                    "static const linkspan_record_type linkspan_type_of_{name} = {{{}, .names = {names}, .count = {count}}};\n",
                    head("ENUM")
                ));
                return Ok(());
            }
            Definition::Union(variants) => {
                (format!("{}, .kind_size = sizeof({name}_kind)", head("UNION")), variants)
            }
            Definition::Record(members) | Definition::Table(members) => (head("STRUCT"), members),
        };
        let mut of = format!("static const linkspan_record_type linkspan_type_of_{name} = {{{head}");
        if !members.is_empty() {
            let within = if matches!(def.definition, Definition::Union(_)) { "as." } else { "" };
            let fields: Result<Vec<String>> =
                members.iter().map(|member| self.field_of(name, within, member)).collect();
            let fields = fields?;
            text.block(
                format!("static const linkspan_record_field linkspan_fields_of_{name}[] = {{"),
                "};\n",
                |text| fields.iter().for_each(|field| text.line(format!("{field},"))),
            );
            of += &format!(", .fields = linkspan_fields_of_{name}, .count = {}", members.len());
        }
        text.line(of + "};\n");
        Ok(())
    }

    fn field_of(&self, name: &str, within: &str, of: &Member) -> Result<String> {
        let place = format!("{within}{}", of.name);
        let mut field = format!(".key = {}, .offset = offsetof({name}, {place})", literal(of.key.as_bytes()));
        field += &format!(", .of = {}", self.type_of(&of.slot.shape, &member(name, &place), true));
        if of.optional {
            field += &format!(", .optional = true, .presence = offsetof({name}, {})", native::presence(of));
        }
        if !of.aliases.is_empty() {
            let aliases: Vec<_> = of.aliases.iter().map(|alias| literal(alias.as_bytes())).collect();
            field += &format!(", .aliases = (const char *const[]){{{}, NULL}}", aliases.join(", "));
        }
        if let Some(default) = &of.default {
            let bytes = codec::encode(default, Encoding::Cbor)?;
            field += &format!(
                ", .default_value = (const uint8_t *){}, .default_length = {}",
                literal(&bytes),
                bytes.len()
            );
        }
        Ok(format!("{{{field}}}"))
    }

    /// Returns an expression for a type's address; `value` is an expression of a value of that type.
    fn type_of(&self, shape: &Shape, value: &str, is_field: bool) -> String {
        let width;
        let (kind, more) = match shape {
            Shape::Any => ("ANY", String::new()),
            Shape::Bool => ("BOOL", String::new()),
            Shape::Integer(of) => {
                width = of.name().to_ascii_uppercase();
                (width.as_str(), String::new())
            }
            Shape::F32 => ("F32", String::new()),
            Shape::F64 => ("F64", String::new()),
            Shape::Text(_) => ("TEXT", String::new()),
            Shape::Bytes(_) => ("BYTES", String::new()),
            Shape::Timestamp => ("TIMESTAMP", String::new()),
            Shape::Uuid => ("UUID", String::new()),
            Shape::Decimal => ("DECIMAL", String::new()),
            Shape::List(of, _) => {
                let item = format!("{value}.items[0]");
                let of = self.type_of(&of.shape, &item, false);
                ("LIST", format!(", .item_size = sizeof({item}), .of = {of}"))
            }
            Shape::Map(of) => {
                let item = format!("{value}.items[0]");
                let of = self.type_of(&of.shape, &format!("{item}.value"), false);
                ("MAP", format!(", .item_size = sizeof({item}), .of = {of}"))
            }
            Shape::NdArray { dtype, shape: lengths, order } => {
                let inside = is_field && fixed(shape).is_some();
                let order = match order {
                    Some(Order::Row) => "LINKSPAN_ROW",
                    Some(Order::Column) => "LINKSPAN_COLUMN",
                    _ => "-1",
                };
                let dims = match lengths {
                    None => ", .rank = -1".to_owned(),
                    Some(lengths) if lengths.is_empty() => String::new(),
                    Some(lengths) => format!(", .rank = {}, .dims = {}", lengths.len(), dims(lengths)),
                };
                let kind = if inside { "ELEMENTS" } else { "ARRAY" };
                (kind, format!(", .dtype = {}, .order = {order}{dims}", dtype_constant(*dtype)))
            }
            Shape::Named(at) => return format!("&linkspan_type_of_{}", self.plan.types[*at].name),
        };
        format!(
            "&(const linkspan_record_type){{.kind = LINKSPAN_RECORD_{kind}, .size = sizeof({value}){more}}}"
        )
    }
}

fn dims(shape: &[Length]) -> String {
    let lengths: Vec<String> = shape
        .iter()
        .map(|length| match length {
            Length::Fixed(length) => length.to_string(),
            _ => "UINT64_MAX".to_owned(),
        })
        .collect();
    format!("(const uint64_t[]){{{}}}", lengths.join(", "))
}
