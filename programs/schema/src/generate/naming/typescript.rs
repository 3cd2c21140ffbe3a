//! How TypeScript writes names, and the words that it reserves.

use super::{Case, Naming};

/// How TypeScript writes names. Keys are those of the message: a record is the object that was received.
pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Kept,
    values: Case::Kept,
    variants: Case::Kept,
    begins_with_letter: false,
    ignores_case: false,
    longest: 255,
    reserved: &TYPES,
    reserved_types: "",
    reserved_members: &[],
    reserved_if_packed: &[],
};

/// Types that generated code refers to, or that hide one of the language.
const TYPES: [&str; 31] = [
    "Array",
    "BigInt",
    "BigInt64Array",
    "BigUint64Array",
    "Boolean",
    "Date",
    "Decimal",
    "Error",
    "Float",
    "Float32Array",
    "Float64Array",
    "Function",
    "Int16Array",
    "Int32Array",
    "Int8Array",
    "Map",
    "Message",
    "NdArray",
    "Number",
    "Object",
    "Promise",
    "Record",
    "Set",
    "String",
    "Symbol",
    "Timestamp",
    "Uint16Array",
    "Uint32Array",
    "Uint8Array",
    "Uuid",
    "Value",
];
