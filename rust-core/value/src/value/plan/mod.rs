//! Plans of classes that bindings create from schemas at run time: the values and keys of an instance.
//!
//! | what | defined in |
//! |---|---|
//! | the plan of a class, with a binding's own data ([`Handles`]) | here |
//! | [`Fit`], the Sink that compares a value with a plan during decoding, and [`Instances`], its target | `fit` |
//! | fields of packed records: [`FieldPosition`], [`Form`] and their values, [`FieldValue`] | `packed` |
//!
//! A value that does not fit ends the decoding without a reason. The binding then decodes it as a value of any type,
//! and the readers of its generated code report the error.

mod fit;
mod packed;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

pub use fit::{Fit, Instances};
pub use packed::{FieldPosition, FieldValue, Form};

use super::{DType, Order};

/// The types of a binding's data in its plans.
pub trait Handles: Debug {
    /// The data of a class: the constructor of its instances.
    type Class: Debug;
    /// A field's setter, and its default.
    type Field: Debug;
    /// A member of an enum.
    type Member: Debug;
}

/// The type of a value.
#[derive(Debug)]
pub enum Shape<H: Handles> {
    /// Any value.
    Any,
    /// A truth value.
    Bool,
    /// An integer from the first to the second number, both included.
    Integer(i128, i128),
    /// A float within the range of 32 bits, or an integer that 24 bits hold.
    F32,
    /// A float, or an integer that 53 bits hold.
    F64,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// An instant.
    Timestamp,
    /// A UUID.
    Uuid,
    /// A decimal number.
    Decimal,
    /// Values of one type.
    List(Arc<Shape<H>>),
    /// Values of one type below keys that the plan does not name.
    Map(Arc<Shape<H>>),
    /// An N-d array.
    NdArray {
        /// The element type.
        dtype: DType,
        /// The dimensions' lengths; `None` for any number or length.
        shape: Option<Vec<Option<u64>>>,
        /// The order in memory, if only one fits.
        order: Option<Order>,
    },
    /// A member's name, as text.
    Enum {
        /// The members by their names.
        members: HashMap<String, H::Member>,
        /// The member for a name that is not among `members`, if there is one.
        default: Option<H::Member>,
    },
    /// A map that becomes an instance.
    Record(Record<H>),
    /// A map with one key: that of one of these classes' only field.
    Union(Vec<Record<H>>),
}

/// A class and its fields.
#[derive(Debug)]
pub struct Record<H: Handles> {
    /// The constructor of instances.
    pub class: H::Class,
    /// In the order of most messages; the search for a key begins after the last found field.
    pub fields: Vec<Field<H>>,
}

/// A field of a class.
#[derive(Debug)]
pub struct Field<H: Handles> {
    /// The current key, then the older keys.
    pub keys: Vec<String>,
    /// The type of its value.
    pub of: Arc<Shape<H>>,
    /// The meaning of a message without this key.
    pub absent: Absent,
    /// The handle of the binding.
    pub handle: H::Field,
}

/// The meaning of an absent key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The value does not fit.
    Refused,
    /// The field is null; a message may also contain null itself.
    Null,
    /// The field has its default.
    Default,
}
