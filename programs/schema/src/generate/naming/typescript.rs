//! Names in TypeScript, and the words that it reserves.

use super::{Case, Naming};

/// Names in TypeScript. Keys are the message's keys, because a record is the received object.
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

/// Types that generated code refers to, and built-in types that it could hide.
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
