//! Statements that check arrays against their types in the schema.

use linkspan::schema::Length;

use super::generator::Rust;
use crate::generate::plan::{Shape, Slot};

impl Rust<'_> {
    /// Returns the statements that check a value's arrays against their types; empty without arrays.
    ///
    /// `value` is an expression for a reference to it.
    pub(super) fn checks(&self, slot: &Slot, value: &str, key: &str) -> String {
        match &slot.shape {
            Shape::NdArray { dtype, shape, order } => {
                let shape = shape.as_ref().map_or("None".to_owned(), |lengths| {
                    let lengths: Vec<_> = lengths
                        .iter()
                        .map(|length| match length {
                            Length::Fixed(length) => format!("Some({length})"),
                            _ => "None".to_owned(),
                        })
                        .collect();
                    format!("Some(&[{}])", lengths.join(", "))
                });
                let order = order.map_or("None".into(), |order| format!("Some(linkspan::Order::{order:?})"));
                let call = format!("typed::check_array({value}, \"{key}\", linkspan::DType::{dtype:?}");
                format!("{call}, {shape}, {order})?;")
            }
            Shape::List(of, _) => self.each(of, value.trim_start_matches('&'), "iter", key),
            Shape::Map(of) => self.each(of, value.trim_start_matches('&'), "values", key),
            _ => String::new(),
        }
    }

    pub(super) fn each(&self, of: &Slot, value: &str, method: &str, key: &str) -> String {
        let inner = self.checks(of, "value", key);
        if inner.is_empty() {
            return inner;
        }
        // `for` calls the method `iter` on a reference.
        let over = if method == "iter" { format!("{value}.iter()") } else { format!("{value}.values()") };
        format!("{over}.try_for_each(|value| {{\n    {inner}\n    linkspan::Result::Ok(())\n}})?;")
    }
}
