//! The tables in generated PHP classes that the extension uses to decode and encode instances.

use linkspan::Value;
use linkspan::schema::Length;

use super::generator::Php;
use super::types::literal;
use crate::generate::Text;
use crate::generate::naming::Case;
use crate::generate::plan::{Definition, Member, Shape, Slot, TypeDef};

impl Php<'_> {
    pub(super) fn variant_class(&self, of: &TypeDef, variant: &Member) -> String {
        format!("{}{}Variant", of.name, Case::Pascal.join(&variant.key))
    }

    /// Writes a class's properties with keys, types and defaults.
    pub(super) fn fields(&self, out: &mut Text, members: &[Member]) {
        out.line("/** @internal The keys and the type of each property, and whether null is left out. */");
        out.block("public const LINKSPAN_FIELDS = [", "];\n", |out| {
            for member in members {
                let keys: Vec<_> =
                    std::iter::once(&member.key).chain(&member.aliases).map(|key| literal(key)).collect();
                let item = self.item(&member.slot, member.default.as_ref());
                let optional = if member.optional { ", true" } else { "" };
                out.line(format!("'{}' => [[{}], {item}{optional}],", member.name, keys.join(", ")));
            }
        });
    }

    pub(super) fn defaults(&self, out: &mut Text, members: &[Member]) {
        let defaults = members.iter().filter_map(|member| Some((member, member.default.as_ref()?)));
        let defaults: Vec<_> = defaults.collect();
        if defaults.is_empty() {
            return;
        }
        out.line("\n/**\n * @internal\n * @return array<string, mixed>\n */");
        out.line("public static function linkspanDefaults(): array\n{");
        out.indented("}", |out| {
            let value = |(member, default): (&Member, &Value)| {
                format!("'{}' => {}", member.name, self.value(default, &member.slot))
            };
            out.line(format!("return [{}];", defaults.into_iter().map(value).collect::<Vec<_>>().join(", ")));
        });
    }

    pub(super) fn variants(&self, out: &mut Text, of: &TypeDef, variants: &[Member]) {
        let classes = variants.iter().map(|variant| format!("{}::class", self.variant_class(of, variant)));
        out.line("/** @internal The classes of the variants. */");
        let classes = classes.collect::<Vec<_>>().join(", ");
        out.line(format!("public const LINKSPAN_VARIANTS = [{classes}];\n"));
    }

    /// Returns the extension's description of a type: its name, or a list of its kind and parts.
    pub(super) fn item(&self, slot: &Slot, default: Option<&Value>) -> String {
        let name = match &slot.shape {
            Shape::Any => "any",
            Shape::Bool => "bool",
            Shape::Integer(width) => width.name(),
            Shape::F32 => "f32",
            Shape::F64 => "f64",
            Shape::Text(_) => "text",
            Shape::Bytes(_) => "bytes",
            Shape::Timestamp => "timestamp",
            Shape::Uuid => "uuid",
            Shape::Decimal => "decimal",
            Shape::List(of, _) => return format!("['list', {}]", self.item(of, None)),
            Shape::Map(of) => return format!("['map', {}]", self.item(of, None)),
            Shape::NdArray { dtype, shape, order } => {
                let shape = shape.as_ref().map_or("null".to_owned(), |shape| {
                    let lengths = shape.iter().map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "null".to_owned(),
                    });
                    format!("[{}]", lengths.collect::<Vec<_>>().join(", "))
                });
                let order = order.map_or("null".to_owned(), |order| format!("'{}'", order.name()));
                return format!("['ndarray', '{}', {shape}, {order}]", dtype.name());
            }
            Shape::Named(at) => {
                let of = &self.plan.types[*at];
                return match (&of.definition, default) {
                    (Definition::Enum(_), Some(Value::Text(default))) => {
                        format!("['enum', {}::class, {}]", of.name, literal(default))
                    }
                    (Definition::Enum(_), _) => format!("['enum', {}::class]", of.name),
                    _ => format!("['class', {}::class]", of.name),
                };
            }
        };
        format!("'{name}'")
    }
}
