//! Packed records in Python: the layout, `pack`, `unpack`, and NumPy's dtype.

use linkspan::schema::{Kind, Layout, Length, Type};

use super::super::Text;
use super::super::plan::{Definition, Member, Shape, TypeDef};
use super::generator::{Python, private};
use super::types::numpy;

impl Python<'_> {
    /// Writes the root's layout, as a constant after its class.
    pub(super) fn layout(&self, out: &mut Text, of: &TypeDef, members: &[Member], layout: &Layout<'_>) {
        let mut enums = Vec::new();
        self.enums(members, &mut enums);
        let mut enums = enums.into_iter();
        let mut records = Vec::new();
        self.records(members, "", &mut records);
        out.line("\n");
        out.block(format!("{}_LAYOUT = packed.Layout(", private(of)), ")", |out| {
            out.line(format!("{},", of.name));
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
            if !records.is_empty() {
                out.line(format!("records={{{}}},", records.join(", ")));
            }
        });
    }

    fn records(&self, members: &[Member], under: &str, found: &mut Vec<String>) {
        for member in members {
            let Shape::Named(at) = member.slot.shape else { continue };
            let of = &self.plan.types[at];
            if let Definition::Record(members) = &of.definition {
                let path = format!("{under}{}", member.key);
                found.push(format!("\"{path}\": {}", of.name));
                self.records(members, &format!("{path}/"), found);
            }
        }
    }

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
    pub(super) fn packing(&self, out: &mut Text, of: &TypeDef) {
        let (name, layout) = (&of.name, format!("{}_LAYOUT", private(of)));
        out.block("\ndef pack(self) -> bytes:", "", |out| {
            out.line("\"\"\"Returns the message for `send`. Raises `WrongType` or `OutOfRange` for a wrong field.\"\"\"");
            out.line(format!("return {layout}.pack(self)"));
        });
        out.line("\n@classmethod");
        out.block(format!("def unpack(cls, message: Any) -> {name}:"), "", |out| {
            out.line(
                "\"\"\"Returns the record in the bytes. Raises `WrongType` or `OutOfRange` for invalid bytes.\"\"\"",
            );
            out.line(format!("return {layout}.unpack(cls, message)"));
        });
        out.line("\n@classmethod");
        out.block(format!("def decode(cls, message: Message) -> {name}:"), "", |out| {
            out.line(
                "\"\"\"Returns the record in a message. Raises `SchemaMismatch` for a message of another schema, and `WrongType` or `OutOfRange` for a wrong value.\"\"\"",
            );
            out.line("message.check_fingerprint(FINGERPRINT)");
            out.line("return cls.unpack(message.value)");
        });
        out.line("\n@staticmethod");
        out.block("def numpy_dtype() -> np.dtype[Any]:", "", |out| {
            out.line("\"\"\"The dtype to view contiguous messages as an array: `np.frombuffer(block, dtype)`.\"\"\"");
            out.line(format!("return {layout}.numpy_dtype()"));
        });
    }
}

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
