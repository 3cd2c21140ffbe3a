//! Plans in Python that the extension uses to create instances directly from a message's bytes.

use linkspan::schema::Length;

use super::generator::{Python, private};
use super::text::literal;
use crate::generate::Text;
use crate::generate::naming::Case;
use crate::generate::plan::{Definition, Member, Shape, Slot, TypeDef};

impl Python<'_> {
    /// Returns whether plans decode the messages: only one unpacked record or table.
    pub(super) fn has_plans(&self) -> bool {
        let root = self.plan.root_type().map(|root| &root.definition);
        !self.plan.schema.packed && matches!(root, Some(Definition::Record(_) | Definition::Table(_)))
    }

    /// Returns the name of a type's plan, which differs from readers' names.
    pub(super) fn plan_name(&self, of: &TypeDef) -> String {
        format!("_PLAN_{}", private(of))
    }

    pub(super) fn record_plan(&self, out: &mut Text, of: &TypeDef, members: &[Member]) {
        out.block(format!("\n\n{} = read.Plan.record({}, [", self.plan_name(of), of.name), "])", |out| {
            for member in members {
                let keys: Vec<_> =
                    std::iter::once(&member.key).chain(&member.aliases).map(|key| literal(key)).collect();
                let item = self.item(&member.slot, member.default.as_ref());
                let optional = if member.optional { "True" } else { "False" };
                out.line(format!("(\"{}\", [{}], {item}, {optional}),", member.name, keys.join(", ")));
            }
        });
    }

    pub(super) fn union_plan(&self, out: &mut Text, of: &TypeDef, variants: &[Member]) {
        out.block(format!("\n\n{} = read.Plan.union([", self.plan_name(of)), "])", |out| {
            for variant in variants {
                let class = format!("{}{}Variant", of.name, Case::Pascal.join(&variant.key));
                let item = self.item(&variant.slot, None);
                out.line(format!("({}, {class}, \"{}\", {item}),", literal(&variant.key), variant.name));
            }
        });
    }

    /// Returns a value's entry in a plan: the name of its type, or a plan.
    fn item(&self, slot: &Slot, default: Option<&linkspan::Value>) -> String {
        let word = |name: &str| format!("\"{name}\"");
        match &slot.shape {
            Shape::Any => word("any"),
            Shape::Bool => word("bool"),
            Shape::Integer(width) => word(width.name()),
            Shape::F32 => word("f32"),
            Shape::F64 => word("f64"),
            Shape::Text(_) => word("text"),
            Shape::Bytes(_) => word("bytes"),
            Shape::Timestamp => word("timestamp"),
            Shape::Uuid => word("uuid"),
            Shape::Decimal => word("decimal"),
            Shape::List(of, _) => format!("read.Plan.list({})", self.item(of, None)),
            Shape::Map(of) => format!("read.Plan.map({})", self.item(of, None)),
            Shape::NdArray { dtype, shape, order } => {
                let shape = shape.as_ref().map_or("None".to_owned(), |shape| {
                    let lengths = shape.iter().map(|length| match length {
                        Length::Fixed(length) => length.to_string(),
                        _ => "None".to_owned(),
                    });
                    format!("[{}]", lengths.collect::<Vec<_>>().join(", "))
                });
                let order = order.map_or("None".to_owned(), |order| word(order.name()));
                format!("read.Plan.ndarray(\"{}\", {shape}, {order})", dtype.name())
            }
            Shape::Named(at) => {
                let of = &self.plan.types[*at];
                let Definition::Enum(_) = of.definition else { return self.plan_name(of) };
                let default = default.map_or("None".to_owned(), |default| self.value(default, slot));
                format!("read.Plan.enum({}, {default})", of.name)
            }
        }
    }
}
