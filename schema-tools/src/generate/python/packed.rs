//! Packed records in Python: where each field lies, `pack`, `unpack`, and the dtype of NumPy.

use linkspan::schema::{Kind, Layout, Length, Type};

use super::super::Text;
use super::super::plan::{Definition, Member, Shape, Slot, TypeDef};
use super::{Python, numpy, private};

impl Python<'_> {
    /// Writes the layout of the root, as a constant in front of its class.
    pub(super) fn layout(&self, out: &mut Text, of: &TypeDef, members: &[Member], layout: &Layout<'_>) {
        let mut enums = Vec::new();
        self.enums(members, &mut enums);
        let mut enums = enums.into_iter();
        out.line("\n");
        out.block(format!("{}_LAYOUT = packed.Layout(", private(of)), ")", |out| {
            out.line(format!("{},", layout.size));
            for place in &layout.fields {
                let form = match &place.of.kind {
                    Kind::Enum(_) => {
                        let name = enums.next().unwrap_or_default();
                        format!("packed.position({name}, {})", place.size)
                    }
                    _ => form(place.of),
                };
                out.line(format!("(\"{}\", {}, {form}),", place.path, place.offset));
            }
        });
    }

    /// The names of the enums in the order of the layout.
    fn enums(&self, members: &[Member], found: &mut Vec<String>) {
        for member in members {
            let Shape::Named(at) = member.slot.shape else { continue };
            let of = &self.plan.types[at];
            match &of.definition {
                Definition::Record(members) => self.enums(members, found),
                _ => found.push(of.name.clone()),
            }
        }
    }

    /// Writes `pack`, `unpack`, `numpy_dtype` and `decode` of the root.
    pub(super) fn packing(&self, out: &mut Text, of: &TypeDef, members: &[Member]) {
        let (name, layout) = (&of.name, format!("{}_LAYOUT", private(of)));
        out.block("\ndef pack(self) -> bytes:", "", |out| {
            out.line("\"\"\"The message, for `send`; `WrongType` or `OutOfRange` where a field does not fit.\"\"\"");
            let mut values = Vec::new();
            self.values(members, "self", &mut values);
            out.block(format!("return {layout}.pack(("), "))", |out| {
                values.iter().for_each(|value| out.line(format!("{value},")));
            });
        });
        out.line("\n@classmethod");
        out.block(format!("def unpack(cls, message: Any) -> {name}:"), "", |out| {
            out.line(
                "\"\"\"From the bytes of a message; `WrongType` or `Malformed` where they are none.\"\"\"",
            );
            out.line(format!("values = iter({layout}.unpack(message))"));
            out.block("return cls(", ")", |out| {
                members.iter().for_each(|member| {
                    let value = self.next(&member.slot);
                    out.line(format!("{}={value},", member.name));
                });
            });
        });
        out.line("\n@classmethod");
        out.block(format!("def decode(cls, message: Message) -> {name}:"), "", |out| {
            out.line("\"\"\"From a message; `WrongType` or `Malformed` where it is no such record.\"\"\"");
            out.line("return cls.unpack(message.value)");
        });
        out.line("\n@staticmethod");
        out.block("def numpy_dtype() -> np.dtype[Any]:", "", |out| {
            out.line("\"\"\"The dtype that views messages behind each other as an array: `np.frombuffer(block, dtype)`.\"\"\"");
            out.line(format!("return {layout}.numpy_dtype()"));
        });
    }

    fn values(&self, members: &[Member], of: &str, found: &mut Vec<String>) {
        for member in members {
            let value = format!("{of}.{}", member.name);
            match &member.slot.shape {
                Shape::Named(at) => match &self.plan.types[*at].definition {
                    Definition::Record(members) => self.values(members, &value, found),
                    _ => found.push(value),
                },
                _ => found.push(value),
            }
        }
    }

    /// The expression that takes the values of a field, in the order of the layout.
    fn next(&self, slot: &Slot) -> String {
        if let Shape::Named(at) = &slot.shape
            && let Definition::Record(members) = &self.plan.types[*at].definition
        {
            let inner = members.iter().map(|member| format!("{}={}", member.name, self.next(&member.slot)));
            let inner: Vec<String> = inner.collect();
            return format!("{}({})", self.plan.types[*at].name, inner.join(", "));
        }
        "next(values)".to_owned()
    }
}

/// The form of a field other than an enum.
fn form(of: &Type) -> String {
    match &of.kind {
        Kind::Bool => "packed.boolean".to_owned(),
        Kind::Integer(width) => format!("packed.{}", width.name()),
        Kind::NdArray { dtype, shape, order } => {
            let lengths = shape.iter().flatten().map(|length| match length {
                Length::Fixed(length) => format!("{length},"),
                _ => String::new(),
            });
            let lengths = lengths.collect::<Vec<_>>().join(" ");
            let order = order.map_or(String::new(), |order| format!(", order=\"{}\"", order.name()));
            format!("packed.array(\"{}\", ({lengths}){order})", numpy(*dtype, false))
        }
        other => format!("packed.{}", other.name()),
    }
}
