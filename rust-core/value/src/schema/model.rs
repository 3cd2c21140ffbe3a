//! The model of a schema: a tree of types in which every name is resolved.

use std::fmt;

use crate::value::{DType, Order, Value};

/// The type of the messages at a name, with units, ranges and defaults.
///
/// A finite tree: it contains each record in full at each use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// The name, with dots between its parts: `power.reading`.
    pub name: String,
    /// The author's version number, which does not decide compatibility.
    pub version: u32,
    /// The description. Not part of the fingerprint.
    pub doc: String,
    /// The type of a message, usually a record.
    pub root: Type,
    /// Whether a message is the packed bytes of the record, see [`Schema::layout`].
    pub packed: bool,
}

/// The type of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Type {
    /// The kind of value.
    pub kind: Kind,
    /// The unit of a number or of an array's elements, in UCUM notation: `W`, `m/s`, `Cel`.
    pub unit: Option<String>,
    /// The least and the greatest number allowed, both included.
    pub range: Option<Range>,
}

/// The kinds of values that a schema can require.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any value.
    Any,
    /// A truth value.
    Bool,
    /// An integer of this width.
    Integer(Width),
    /// A float within the range of binary32.
    F32,
    /// A float.
    F64,
    /// Text of at most this many bytes in UTF-8.
    Text(Option<u64>),
    /// At most this many bytes, if there is a limit.
    Bytes(Option<u64>),
    /// An instant, to the nanosecond.
    Timestamp,
    /// A UUID.
    Uuid,
    /// An exact decimal number.
    Decimal,
    /// One of these names, sent as text.
    Enum(Vec<String>),
    /// Values of one type, at most this many, if there is a limit.
    List(Box<Type>, Option<u64>),
    /// Values of one type under arbitrary keys.
    Map(Box<Type>),
    /// Fields, in the order in which they are sent.
    Record(Vec<Field>),
    /// Exactly one of these variants, sent as a map with the variant's name as key.
    Union(Vec<Field>),
    /// An N-d array of numbers.
    NdArray {
        /// The element type.
        dtype: DType,
        /// The lengths of the dimensions; `None` for any number of dimensions.
        shape: Option<Vec<Length>>,
        /// The order in memory, if only one is allowed.
        order: Option<Order>,
    },
    /// Columns of equal length: lists or vectors, sent as a map.
    Table(Vec<Field>),
}

/// A field of a record, a variant of a union, or a column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The key on the wire.
    pub name: String,
    /// Keys under which older writers sent it.
    pub aliases: Vec<String>,
    /// The description. Not part of the fingerprint.
    pub doc: String,
    /// Whether a writer may leave it out.
    pub optional: bool,
    /// The reader's value for an absent field or an unknown name of an enum.
    pub default: Option<Value>,
    /// The type of its value.
    pub of: Type,
}

/// The length of one dimension of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Length {
    /// Exactly this number of elements.
    Fixed(u64),
    /// Any length, equal for every use of this name in one message.
    Named(String),
    /// Any length.
    Any,
}

/// The widths of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Width {
    /// 8 bits with sign.
    I8,
    /// 16 bits with sign.
    I16,
    /// 32 bits with sign.
    I32,
    /// 64 bits with sign.
    I64,
    /// 8 bits without sign.
    U8,
    /// 16 bits without sign.
    U16,
    /// 32 bits without sign.
    U32,
    /// 64 bits without sign.
    U64,
}

impl Width {
    /// Every width.
    pub const ALL: [Width; 8] =
        [Width::I8, Width::I16, Width::I32, Width::I64, Width::U8, Width::U16, Width::U32, Width::U64];

    /// Returns the name in the notation: `i32`.
    pub const fn name(self) -> &'static str {
        match self {
            Width::I8 => "i8",
            Width::I16 => "i16",
            Width::I32 => "i32",
            Width::I64 => "i64",
            Width::U8 => "u8",
            Width::U16 => "u16",
            Width::U32 => "u32",
            Width::U64 => "u64",
        }
    }

    /// Returns the least and the greatest integer.
    pub const fn bounds(self) -> (i128, i128) {
        match self {
            Width::I8 => (i8::MIN as i128, i8::MAX as i128),
            Width::I16 => (i16::MIN as i128, i16::MAX as i128),
            Width::I32 => (i32::MIN as i128, i32::MAX as i128),
            Width::I64 => (i64::MIN as i128, i64::MAX as i128),
            Width::U8 => (0, u8::MAX as i128),
            Width::U16 => (0, u16::MAX as i128),
            Width::U32 => (0, u32::MAX as i128),
            Width::U64 => (0, u64::MAX as i128),
        }
    }
}

/// The least and the greatest number allowed, both included.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Range {
    /// Of integers.
    Integer(i128, i128),
    /// Of floats; neither is NaN.
    Float(f64, f64),
}

/// By bits: equal ranges have equal canonical forms.
impl PartialEq for Range {
    fn eq(&self, other: &Range) -> bool {
        match (self, other) {
            (Range::Integer(a, b), Range::Integer(c, d)) => (a, b) == (c, d),
            (Range::Float(a, b), Range::Float(c, d)) => {
                (a.to_bits(), b.to_bits()) == (c.to_bits(), d.to_bits())
            }
            _ => false,
        }
    }
}

impl Eq for Range {}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Integer(low, high) => write!(f, "[{low}, {high}]"),
            Range::Float(low, high) => write!(f, "[{low:?}, {high:?}]"),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Fixed(length) => write!(f, "{length}"),
            Length::Named(name) => f.write_str(name),
            Length::Any => f.write_str("*"),
        }
    }
}

impl Schema {
    /// The greatest number of types of a schema.
    ///
    /// A record counts at each use, so a few lines that name each other repeatedly are refused.
    pub const MAX_TYPES: usize = 4096;
    /// The greatest depth of nested types.
    pub const MAX_DEPTH: usize = 24;
    /// The greatest length of a file's text, in bytes.
    pub const MAX_TEXT: usize = super::source::MAX_TEXT;

    /// Returns a schema of version 1, unchecked: to check it, parse [`Schema::to_toml`].
    pub fn new(name: impl Into<String>, root: Type) -> Schema {
        Schema { name: name.into(), version: 1, doc: String::new(), root, packed: false }
    }

    /// Returns whether this is a valid schema name: names of fields with dots, up to 128 characters.
    pub fn is_name(name: &str) -> bool {
        super::source::is_schema_name(name)
    }
}

impl Field {
    /// Returns a required field without description.
    pub fn new(name: impl Into<String>, of: Type) -> Field {
        Field {
            name: name.into(),
            aliases: Vec::new(),
            doc: String::new(),
            optional: false,
            default: None,
            of,
        }
    }

    /// Returns whether this is a valid name of a field in every language.
    ///
    /// A letter or underscore, then letters, digits, underscores; at most 63 characters.
    pub fn is_name(name: &str) -> bool {
        super::source::is_field_name(name)
    }
}

impl Type {
    /// Checks a unit. The error gives the reason, with examples.
    pub fn check_unit(unit: &str) -> Result<(), String> {
        super::unit::check(unit)
    }

    /// Returns a type without unit and range.
    pub fn plain(kind: Kind) -> Type {
        Type { kind, unit: None, range: None }
    }

    pub(super) fn is_column(&self) -> bool {
        match &self.kind {
            Kind::List(..) => true,
            Kind::NdArray { shape, .. } => shape.as_ref().is_some_and(|shape| shape.len() == 1),
            _ => false,
        }
    }
}

/// Writes the type in one line: `f64 in W, [0.0, 20000.0]`, `ndarray of f32 [n, 3]`, `list of
/// text`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Enum(values) => write!(f, "enum of {}", values.join(", "))?,
            Kind::List(of, None) => write!(f, "list of {of}")?,
            Kind::List(of, Some(most)) => write!(f, "list of at most {most} {of}")?,
            Kind::Map(of) => write!(f, "map of {of}")?,
            Kind::Text(Some(most)) | Kind::Bytes(Some(most)) => {
                write!(f, "{} of at most {most} bytes", self.kind.name())?;
            }
            Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields) => {
                let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
                write!(f, "{} of {}", self.kind.name(), names.join(", "))?;
            }
            Kind::NdArray { dtype, shape, order } => {
                write!(f, "ndarray of {}", dtype.name())?;
                if let Some(shape) = shape {
                    let lengths: Vec<_> = shape.iter().map(Length::to_string).collect();
                    write!(f, " [{}]", lengths.join(", "))?;
                }
                if let Some(order) = order {
                    write!(f, " in {} order", order.name())?;
                }
            }
            plain => f.write_str(plain.name())?,
        }
        if let Some(unit) = &self.unit {
            write!(f, " in {unit}")?;
        }
        if let Some(range) = &self.range {
            write!(f, ", {range}")?;
        }
        Ok(())
    }
}

impl Kind {
    /// Returns the name in the notation: `f64`, `record`.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Any => "any",
            Kind::Bool => "bool",
            Kind::Integer(width) => width.name(),
            Kind::F32 => "f32",
            Kind::F64 => "f64",
            Kind::Text(_) => "text",
            Kind::Bytes(_) => "bytes",
            Kind::Timestamp => "timestamp",
            Kind::Uuid => "uuid",
            Kind::Decimal => "decimal",
            Kind::Enum(_) => "enum",
            Kind::List(..) => "list",
            Kind::Map(_) => "map",
            Kind::Record(_) => "record",
            Kind::Union(_) => "union",
            Kind::NdArray { .. } => "ndarray",
            Kind::Table(_) => "table",
        }
    }

    /// The names of all kinds in the notation.
    pub const NAMES: [&'static str; 24] = [
        "any",
        "bool",
        "i8",
        "i16",
        "i32",
        "i64",
        "u8",
        "u16",
        "u32",
        "u64",
        "f32",
        "f64",
        "text",
        "bytes",
        "timestamp",
        "uuid",
        "decimal",
        "enum",
        "list",
        "map",
        "record",
        "union",
        "ndarray",
        "table",
    ];

    pub(super) fn accepts_unit(&self) -> bool {
        matches!(self, Kind::Integer(_) | Kind::F32 | Kind::F64 | Kind::Decimal | Kind::NdArray { .. })
    }

    pub(super) fn accepts_range(&self) -> bool {
        matches!(self, Kind::Integer(_) | Kind::F32 | Kind::F64)
    }
}
