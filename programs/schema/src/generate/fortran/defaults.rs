//! Defaults as expressions and as statements, and number literals.

use linkspan::value::Value;

use super::super::{Definition, Member, Shape, Slot, Text};
use super::Fortran;
use super::integers::{integer_of, of_kind, whole};
use super::lines::{literal, wrap};
use super::procedures::{body, indent};

impl Fortran<'_> {
    pub(super) fn set_defaults(&self, procedures: &mut Text, name: &str, members: &[Member]) {
        let set = body(|text| {
            for member in members {
                if let Some(value) = &member.default {
                    self.set(text, &member.slot, &format!("self%{}", member.name), value);
                }
            }
        });
        procedures.line(
            "! Sets every field to its default. A field without a default becomes zero or not allocated.",
        );
        // The attribute suffices if no default needs memory.
        let unused = if set.is_empty() { "   if (.false.) call self%set_defaults()\n" } else { "" };
        procedures.line(format!("subroutine {name}_set_defaults(self)\n   class({name}), intent(out) :: self\n{unused}{}end subroutine\n", indent(&set)));
    }

    /// Writes statements for a default that a component's declaration cannot express.
    pub(super) fn set(&self, text: &mut Text, slot: &Slot, to: &str, value: &Value) {
        match (&slot.shape, value) {
            (Shape::Text(_), Value::Text(value)) => text.line(wrap(&format!("{to} = {}", literal(value)))),
            (Shape::Decimal, Value::Decimal(value)) => {
                text.line(wrap(&format!("{to} = \"{}\"", value.as_str())))
            }
            (Shape::Bytes(_), Value::Bytes(bytes)) => {
                let bytes: Vec<String> =
                    bytes.iter().map(|byte| of_kind("int8", i128::from(*byte as i8))).collect();
                text.line(wrap(&format!("{to} = [integer(int8) :: {}]", bytes.join(", "))));
            }
            (Shape::List(of, _), Value::Array(items)) => {
                text.line(format!("allocate ({to}({}))", items.len()));
                let held = if self.is_element(&of.shape) { "" } else { "%value" };
                for (at, item) in items.iter().enumerate() {
                    self.set(text, of, &format!("{to}({}){held}", at + 1), item);
                }
            }
            (Shape::Map(of), Value::Map(entries)) => {
                text.line(format!("allocate ({to}({}))", entries.len()));
                for (at, (key, item)) in entries.iter().enumerate() {
                    text.line(wrap(&format!("{to}({})%key = {}", at + 1, literal(key))));
                    self.set(text, of, &format!("{to}({})%value", at + 1), item);
                }
            }
            (shape, value) => {
                if let Some(number) = self.initial(shape, value) {
                    text.line(format!("{to} = {number}"));
                }
            }
        }
    }

    pub(super) fn initial(&self, shape: &Shape, value: &Value) -> Option<String> {
        match (shape, value) {
            (Shape::Named(at), Value::Text(name)) => {
                let def = &self.plan.types[*at];
                let Definition::Enum(values) = &def.definition else { return None };
                let (value, _) = values.iter().find(|(_, wire)| wire == name)?;
                Some(format!("{}_{value}", def.name))
            }
            (Shape::Timestamp, Value::Timestamp(at)) => {
                Some(format!("linkspan_timestamp({})", whole(i128::from(at.nanoseconds()))))
            }
            (Shape::Bool, Value::Bool(value)) => Some(format!(".{value}.")),
            (Shape::F32 | Shape::F64, Value::Int(value)) => Some(real(*value as f64, shape)),
            (Shape::F32 | Shape::F64, Value::Float(value)) => Some(real(*value, shape)),
            (Shape::Integer(width), Value::Int(value)) => Some(integer_of(*width, i128::from(*value))),
            (Shape::Integer(width), Value::Uint(value)) => {
                Some(integer_of(*width, i128::from(*value as i64)))
            }
            _ => None,
        }
    }
}

pub(super) fn real(value: f64, shape: &Shape) -> String {
    let kind = if *shape == Shape::F32 { "real32" } else { "real64" };
    if value.is_finite() {
        return format!("{value:?}_{kind}").replace("e", "e");
    }
    let bits = if value.is_nan() {
        0x7ff8
    } else if value > 0.0 {
        0x7ff0
    } else {
        -0x10
    };
    // The bit pattern, because no literal expresses these.
    format!("real(transfer({}_int64, 1.0_real64), {kind})", i64::from(bits) << 48)
}
