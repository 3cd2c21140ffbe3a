//! PHP: final classes with typed, read-only properties, named constructor arguments, `toWire` and `fromWire`.

mod packed;
mod reader;

use linkspan::schema::{Length, Width};
use linkspan::{Result, Value};

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, Slot, TypeDef};
use super::{File, Text, describe};

pub fn generate(plan: &Plan) -> Result<Vec<File>> {
    let php = Php { plan, reader: format!("{}Reader", Case::Pascal.join(&plan.schema.name)) };
    let schema = plan.schema;
    let mut out = Text::new("    ");
    out.line("<?php\n");
    out.comment("// ", &format!("Messages of the schema {}, version {}.", schema.name, schema.version));
    if !schema.doc.is_empty() {
        out.comment("// ", &comment(&schema.doc));
    }
    out.comment(
        "// ",
        "Written by `linkspan schema generate --lang php`: change the schema and generate it again.",
    );
    out.line("\ndeclare(strict_types=1);\n");
    for definition in &plan.types {
        php.definition(&mut out, definition);
        out.line("");
    }
    php.reader(&mut out);
    let name = match plan.root_type() {
        Some(root) => format!("{}.php", root.name),
        None => format!("{}.php", Case::Pascal.join(&schema.name)),
    };
    Ok(vec![File { name, text: out.finish() }])
}

struct Php<'a> {
    plan: &'a Plan<'a>,
    /// The class with what reads values.
    reader: String,
}

impl Php<'_> {
    /// The type as PHP declares it.
    fn of(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::Any => "mixed".into(),
            Shape::Bool => "bool".into(),
            Shape::Integer(Width::U64) => "int|\\Linkspan\\BigInt".into(),
            Shape::Integer(_) => "int".into(),
            Shape::F32 | Shape::F64 => "float".into(),
            Shape::Text(_) => "string".into(),
            Shape::Bytes(_) => "\\Linkspan\\Bytes".into(),
            Shape::Timestamp => "\\Linkspan\\Timestamp".into(),
            Shape::Uuid => "\\Linkspan\\Uuid".into(),
            Shape::Decimal => "\\Linkspan\\Decimal".into(),
            Shape::List(..) | Shape::Map(_) => "array".into(),
            Shape::NdArray { .. } => "\\Linkspan\\NdArray".into(),
            Shape::Named(at) => self.plan.types[*at].name.clone(),
        }
    }

    /// The type as a comment has it.
    fn documented(&self, slot: &Slot) -> String {
        match &slot.shape {
            Shape::List(of, _) => format!("list<{}>", self.documented(of)),
            Shape::Map(of) => format!("array<string, {}>", self.documented(of)),
            _ => self.of(slot),
        }
    }

    fn optional(&self, member: &Member) -> String {
        let of = self.of(&member.slot);
        match (&member.slot.shape, member.optional) {
            (Shape::Any, _) | (_, false) => of,
            _ if of.contains('|') => of + "|null",
            _ => format!("?{of}"),
        }
    }

    /// What reads a value: a closure.
    fn read(&self, slot: &Slot) -> String {
        let reader = &self.reader;
        match &slot.shape {
            Shape::Integer(width) => {
                let (low, high) = match width {
                    Width::U64 => return format!("{reader}::u64(...)"),
                    Width::I64 => ("PHP_INT_MIN".to_owned(), "PHP_INT_MAX".to_owned()),
                    _ => (width.bounds().0.to_string(), width.bounds().1.to_string()),
                };
                format!("{reader}::integer('{}', {low}, {high})", width.name())
            }
            Shape::List(of, _) => format!("{reader}::items({})", self.read(of)),
            Shape::Map(of) => format!("{reader}::entries({})", self.read(of)),
            Shape::NdArray { dtype, shape, order } => {
                let shape = shape.as_ref().map_or("null".to_owned(), |shape| {
                    let lengths = shape.iter().map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "null".to_owned(),
                    });
                    format!("[{}]", lengths.collect::<Vec<_>>().join(", "))
                });
                let order = order.map_or("null".to_owned(), |order| format!("'{}'", order.name()));
                format!("{reader}::array('{}', {shape}, {order})", dtype.name())
            }
            Shape::Named(at) => {
                let of = &self.plan.types[*at];
                match of.definition {
                    Definition::Enum(_) => format!("{reader}::name({}::class)", of.name),
                    _ => format!("{}::fromWire(...)", of.name),
                }
            }
            Shape::Any => format!("{reader}::anything(...)"),
            Shape::Bool => format!("{reader}::boolean(...)"),
            Shape::F32 | Shape::F64 => {
                format!("{reader}::{}(...)", if slot.shape == Shape::F32 { "f32" } else { "f64" })
            }
            Shape::Text(_) => format!("{reader}::text(...)"),
            _ => format!("{reader}::object({}::class)", self.of(slot)),
        }
    }

    /// The expression that gives `value` in the form that `send` takes.
    fn wire(&self, slot: &Slot, value: &str) -> String {
        match &slot.shape {
            Shape::List(of, _) => match self.wire(of, "$item") {
                plain if plain == "$item" => value.to_owned(),
                each => format!("array_map(static fn ({} $item): mixed => {each}, {value})", self.of(of)),
            },
            Shape::Map(of) => match self.wire(of, "$item") {
                plain if plain == "$item" => format!("(object) {value}"),
                each => {
                    format!("(object) array_map(static fn ({} $item): mixed => {each}, {value})", self.of(of))
                }
            },
            Shape::Named(at) if !matches!(self.plan.types[*at].definition, Definition::Enum(_)) => {
                format!("{value}->toWire()")
            }
            _ => value.to_owned(),
        }
    }

    fn definition(&self, out: &mut Text, of: &TypeDef) {
        let doc = if of.doc.is_empty() { of.path.clone() } else { comment(&of.doc) };
        out.line(format!("/** {doc}{} */", if doc.ends_with(['.', '!', '?']) { "" } else { "." }));
        let root = self.plan.root_type().is_some_and(|root| root.name == of.name);
        match &of.definition {
            Definition::Enum(values) => {
                out.line(format!("enum {}: string\n{{", of.name));
                out.indented("}", |out| {
                    for (identifier, value) in values {
                        out.line(format!("case {identifier} = '{value}';"));
                    }
                });
            }
            Definition::Record(members) if self.plan.schema.packed => {
                let layout = self.plan.schema.layout().filter(|_| root);
                self.packed_class(out, &of.name, members, layout.as_ref());
            }
            Definition::Record(members) | Definition::Table(members) => {
                self.class(out, &of.name, "", members, true, root);
            }
            Definition::Union(variants) => self.union(out, of, variants, root),
        }
    }

    fn class(&self, out: &mut Text, name: &str, extends: &str, members: &[Member], reads: bool, root: bool) {
        out.line(format!("final class {name}{extends}\n{{"));
        out.indented("}", |out| {
            if root {
                self.constants(out);
            }
            // Arguments with defaults stand behind those without; all are named by those who call.
            let mut ordered: Vec<_> = members.iter().collect();
            ordered.sort_by_key(|member| member.optional || member.default.is_some());
            out.line("/**");
            for member in &ordered {
                let null = if member.optional && member.slot.shape != Shape::Any { "|null" } else { "" };
                let of = self.documented(&member.slot);
                let text = format!("@param {of}{null} ${} {}", member.name, comment(&describe(member)));
                out.line(format!(" * {}", text.trim_end()));
            }
            out.line(" */");
            out.line("public function __construct(");
            out.indented(") {\n}\n", |out| {
                for member in &ordered {
                    let default = match (&member.default, member.optional) {
                        (_, true) => " = null".to_owned(),
                        (Some(default), _) => format!(" = {}", self.value(default, &member.slot)),
                        _ => String::new(),
                    };
                    out.line(format!("public readonly {} ${}{default},", self.optional(member), member.name));
                }
            });
            out.line("/** The value in the form that `send` takes. */");
            out.line("public function toWire(): \\stdClass\n{");
            out.indented("}", |out| {
                out.line("$out = [];");
                for member in members {
                    let value = format!("$this->{}", member.name);
                    let put = format!("$out['{}'] = {};", member.key, self.wire(&member.slot, &value));
                    if member.optional {
                        out.block(format!("if ({value} !== null) {{"), "}", |out| out.line(put));
                    } else {
                        out.line(put);
                    }
                }
                out.line("return (object) $out;");
            });
            if reads {
                self.reading(out, members);
            }
            if root {
                decode(out);
            }
        });
    }

    fn reading(&self, out: &mut Text, members: &[Member]) {
        out.line("\n/**\n * From the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException Missing, WrongType or OutOfRange, where it is not one\n */");
        out.line("public static function fromWire(mixed $value): self\n{");
        let reader = &self.reader;
        out.indented("}", |out| {
            out.line(format!("$fields = {reader}::fields($value);"));
            out.block("return new self(", ");", |out| {
                for member in members {
                    let keys: Vec<_> = [&member.key]
                        .into_iter()
                        .chain(&member.aliases)
                        .map(|key| format!("'{key}'"))
                        .collect();
                    let (read, keys) = (self.read(&member.slot), format!("[{}]", keys.join(", ")));
                    let value = match (&member.default, member.optional) {
                        (Some(default), _) => {
                            let default = self.value(default, &member.slot);
                            let read = match &member.slot.shape {
                                Shape::Named(_) => format!("{}, {default})", read.trim_end_matches(')')),
                                _ => read,
                            };
                            format!(
                                "{reader}::field($fields, {keys}, {read}, static fn (): mixed => {default})"
                            )
                        }
                        (None, true) => format!("{reader}::optional($fields, {keys}, {read})"),
                        (None, false) => format!("{reader}::field($fields, {keys}, {read})"),
                    };
                    out.line(format!("{}: {value},", member.name));
                }
            });
        });
    }

    /// A union is an abstract class with one subclass a variant, with the variant's value as its only property.
    fn union(&self, out: &mut Text, of: &TypeDef, variants: &[Member], root: bool) {
        let class = |variant: &Member| format!("{}{}Variant", of.name, Case::Pascal.join(&variant.key));
        out.line(format!("abstract class {}\n{{", of.name));
        out.indented("}", |out| {
            if root {
                self.constants(out);
            }
            out.line("/** The value in the form that `send` takes. */");
            out.line("abstract public function toWire(): \\stdClass;\n");
            out.line("/**\n * From the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException WrongType, where it has not exactly one variant\n */");
            out.line("public static function fromWire(mixed $value): self\n{");
            out.indented("}", |out| {
                let reader = &self.reader;
                out.line(format!("$fields = {reader}::fields($value);"));
                out.block("return match (count($fields) === 1 ? array_key_first($fields) : null) {", "};", |out| {
                    for variant in variants {
                        let (key, read) = (&variant.key, self.read(&variant.slot));
                        let value = format!("{reader}::field($fields, ['{key}'], {read})");
                        out.line(format!("'{key}' => new {}({value}),", class(variant)));
                    }
                    let keys: Vec<_> = variants.iter().map(|variant| variant.key.as_str()).collect();
                    let wanted = format!("a map with exactly one of {}", keys.join(", "));
                    out.line(format!("default => throw {reader}::wrong('{wanted}', $value),"));
                });
            });
            if root {
                decode(out);
            }
        });
        for variant in variants {
            out.line(format!("\n/** {}: the variant {}. */", of.path, variant.key));
            let extends = format!(" extends {}", of.name);
            self.class(out, &class(variant), &extends, std::slice::from_ref(variant), false, false);
        }
    }

    fn constants(&self, out: &mut Text) {
        out.line("/** The schema, for the option `schema` of an endpoint. */");
        out.line(format!("public const SCHEMA = {};\n", literal(&self.plan.schema.to_toml())));
        out.line("/** The fingerprint of the schema. */");
        out.line(format!("public const FINGERPRINT = '{}';\n", self.plan.schema.fingerprint()));
    }

    fn value(&self, value: &Value, slot: &Slot) -> String {
        match (value, &slot.shape) {
            (Value::Text(name), Shape::Named(at)) => {
                let of = &self.plan.types[*at];
                let Definition::Enum(values) = &of.definition else { return literal(name) };
                let found = values.iter().find(|(_, value)| value == name);
                format!("{}::{}", of.name, found.map_or(name, |(identifier, _)| identifier))
            }
            (Value::Bool(value), _) => value.to_string(),
            (Value::Int(number), Shape::F32 | Shape::F64) => format!("{number}.0"),
            (Value::Int(i64::MIN), _) => "PHP_INT_MIN".into(),
            (Value::Int(number), _) => number.to_string(),
            (Value::Uint(number), _) => format!("new \\Linkspan\\BigInt('{number}')"),
            (Value::Float(number), _) if number.is_nan() => "NAN".into(),
            (Value::Float(number), _) if number.is_infinite() => {
                if *number < 0.0 { "-INF" } else { "INF" }.into()
            }
            (Value::Float(number), _) => format!("{number:?}"),
            (Value::Text(text), _) => literal(text),
            (Value::Bytes(bytes), _) => {
                let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                format!("new \\Linkspan\\Bytes(\"{hex}\")")
            }
            (Value::Timestamp(at), _) => format!("new \\Linkspan\\Timestamp({})", at.0),
            (Value::Decimal(number), _) => format!("new \\Linkspan\\Decimal('{number}')"),
            (Value::Array(items), Shape::List(of, _)) => {
                format!("[{}]", items.iter().map(|item| self.value(item, of)).collect::<Vec<_>>().join(", "))
            }
            (Value::Map(entries), Shape::Map(of)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("{} => {}", literal(key), self.value(value, of)))
                    .collect();
                format!("[{}]", entries.join(", "))
            }
            _ => "null".into(),
        }
    }
}

fn decode(out: &mut Text) {
    out.line("\n/**\n * From a message.\n *\n * @throws \\Linkspan\\LinkspanException Missing, WrongType or OutOfRange, where it holds no such value\n */");
    out.line("public static function decode(\\Linkspan\\Message|\\Linkspan\\Request $message): self\n{");
    out.indented("}", |out| out.line("return self::fromWire($message->value);"));
}

/// Text that can stand in a comment.
fn comment(text: &str) -> String {
    text.trim_end().replace("*/", "* /").replace("?>", "? >").replace('\n', " ")
}

/// A string in single quotes, which has two escapes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
