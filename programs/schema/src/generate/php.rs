//! PHP: final classes with typed, read-only properties, named arguments, `toWire` and `fromWire`.

mod generator;
mod packed;
mod plan;
mod reader;
mod types;

use linkspan::Result;

use super::naming::Case;
use super::plan::{Definition, Member, Plan, Shape, TypeDef};
use super::{File, Text, describe};
use generator::Php;
use types::literal;

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

/// The expression that decodes an instance directly from a message's bytes, if they fit.
const STRAIGHT: &str = "\\Linkspan\\decode_instance(self::class, $message) ?? ";

impl Php<'_> {
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
            self.fields(out, members);
            // Arguments with defaults come last; callers pass all arguments by name.
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
            out.line("/** Returns the value in the form that `send` takes. */");
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
                decode(out, STRAIGHT);
            }
            self.defaults(out, members);
        });
    }

    fn reading(&self, out: &mut Text, members: &[Member]) {
        out.line("\n/**\n * Returns the record in the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException SchemaMismatch for a message of another schema; Missing,\n *     WrongType or OutOfRange for a wrong value\n */");
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

    /// Writes a union: an abstract class, and a subclass per variant with its value as only property.
    fn union(&self, out: &mut Text, of: &TypeDef, variants: &[Member], root: bool) {
        let class = |variant: &Member| self.variant_class(of, variant);
        out.line(format!("abstract class {}\n{{", of.name));
        out.indented("}", |out| {
            if root {
                self.constants(out);
            }
            self.variants(out, of, variants);
            out.line("/** Returns the value in the form that `send` takes. */");
            out.line("abstract public function toWire(): \\stdClass;\n");
            out.line("/**\n * Returns the record in the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException WrongType if it does not have exactly one variant\n */");
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
                decode(out, STRAIGHT);
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
        out.line(format!("public const SCHEMA = {};\n", literal(&self.plan.notation())));
        out.line("/** The fingerprint of the schema. */");
        out.line(format!("public const FINGERPRINT = '{}';\n", self.plan.fingerprint));
    }
}

/// Writes the method that reads a message: by `straight`, or from its value for exact errors.
fn decode(out: &mut Text, straight: &str) {
    out.line("\n/**\n * Returns the value of a message.\n *\n * @throws \\Linkspan\\LinkspanException Missing, WrongType or OutOfRange for a wrong value\n */");
    out.line("public static function decode(\\Linkspan\\Message|\\Linkspan\\Request $message): self\n{");
    out.indented("}", |out| out.line(format!("$message->checkFingerprint(self::FINGERPRINT);\nreturn {straight}self::fromWire($message->value);")));
}

fn comment(text: &str) -> String {
    text.trim_end().replace("*/", "* /").replace("?>", "? >").replace('\n', " ")
}
