//! The fields of an Arrow schema, and the Arrow types that they need.

use linkspan::schema::Width;

pub(super) struct Column {
    pub(super) name: String,
    pub(super) nullable: bool,
    pub(super) of: Arrow,
    pub(super) children: Vec<Column>,
    /// Whether its values are in a dictionary with `i32` indices.
    pub(super) in_dictionary: bool,
    pub(super) metadata: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy)]
pub(super) enum Arrow {
    Bool,
    Integer(Width),
    F32,
    F64,
    Utf8,
    Binary,
    /// Nanoseconds in UTC.
    Timestamp,
    FixedSizeBinary(i32),
    List,
    FixedSizeList(i32),
    Struct,
    Map,
}
