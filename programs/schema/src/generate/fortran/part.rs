//! Derived types and their components, as tables describe them.

use linkspan::value::Order;

use super::super::native::fixed;
use super::super::{Member, Shape};
use super::generator::Holder;
use super::types::is_fixed;

/// A derived type with its table's entries.
///
/// Names of its table begin with its name and two underscores, which no schema name contains in its middle.
pub(super) struct Host<'m> {
    pub name: &'m str,
    pub parts: Vec<Part<'m>>,
}

pub(super) struct Part<'m> {
    pub name: &'m str,
    pub shape: &'m Shape,
    /// Whether it is declared as allocatable although its kind does not need that.
    pub allocated: bool,
    pub presence: Presence,
    /// The field; `None` for the parts of lists and maps.
    pub member: Option<&'m Member>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Presence {
    Always,
    Optional,
    /// If the `kind` of its union is this constant.
    Variant(String),
}

impl<'m> Host<'m> {
    pub fn of_fields(name: &'m str, members: &'m [Member]) -> Host<'m> {
        let part = |member: &'m Member| Part {
            name: &member.name,
            shape: &member.slot.shape,
            allocated: member.optional,
            presence: if member.optional { Presence::Optional } else { Presence::Always },
            member: Some(member),
        };
        Host { name, parts: members.iter().map(part).collect() }
    }

    /// Returns the host of a union, whose variants are its components.
    pub fn of_variants(name: &'m str, members: &'m [Member]) -> Host<'m> {
        let part = |member: &'m Member| Part {
            name: &member.name,
            shape: &member.slot.shape,
            allocated: true,
            presence: Presence::Variant(format!("{name}_{}", member.name)),
            member: Some(member),
        };
        Host { name, parts: members.iter().map(part).collect() }
    }

    /// Returns the host of a type that holds a list's value, or a map's key and value.
    pub fn of_holder(holder: &'m Holder) -> Host<'m> {
        let part = |name, shape, allocated| Part {
            name,
            shape,
            allocated,
            presence: Presence::Always,
            member: None,
        };
        let key = holder.has_key.then(|| part("key", &Shape::Text(None), false));
        let value = part("value", &holder.shape, is_fixed(&holder.shape));
        Host { name: &holder.name, parts: key.into_iter().chain([value]).collect() }
    }
}

impl Part<'_> {
    /// Returns whether the library accesses the value through functions.
    ///
    /// Such a value is allocated separately or has another layout than in messages.
    pub fn is_reached(&self) -> bool {
        match self.shape {
            Shape::Text(_) | Shape::Decimal | Shape::Bytes(_) | Shape::List(..) | Shape::Map(_) => true,
            Shape::Uuid => self.allocated,
            Shape::NdArray { .. } => !self.has_elements(),
            _ => false,
        }
    }

    /// Returns whether it is an array whose elements are in the type, with the layout of messages.
    pub fn has_elements(&self) -> bool {
        let Shape::NdArray { order, .. } = self.shape else { return false };
        let one_order = |lengths: Vec<u64>| lengths.iter().filter(|length| **length > 1).count() < 2;
        !self.allocated
            && fixed(self.shape).is_some_and(|lengths| *order != Some(Order::Row) || one_order(lengths))
    }

    /// Returns whether it is an array that stores its number of dimensions.
    pub fn is_any_rank(&self) -> bool {
        let Shape::NdArray { shape, .. } = self.shape else { return false };
        shape.as_ref().is_none_or(Vec::is_empty)
    }

    /// Returns the kind of its values in a table.
    pub fn kind(&self) -> String {
        let kind = match self.shape {
            Shape::NdArray { .. } if self.has_elements() => "elements",
            other => kind_of(other),
        };
        format!("linkspan_record_{kind}")
    }
}

pub(super) fn kind_of(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "any",
        Shape::Bool => "logical",
        Shape::Integer(width) => width.name(),
        Shape::F32 => "f32",
        Shape::F64 => "f64",
        Shape::Text(_) => "text",
        Shape::Decimal => "decimal",
        Shape::Bytes(_) => "bytes",
        Shape::Timestamp => "timestamp",
        Shape::Uuid => "uuid",
        Shape::Map(_) => "map",
        Shape::NdArray { .. } => "array",
        _ => "list",
    }
}
