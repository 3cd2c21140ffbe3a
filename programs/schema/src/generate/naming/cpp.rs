//! Names in C++, and the reserved words that C does not have.

use super::{Case, Naming};

pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Snake,
    values: Case::Snake,
    variants: Case::Snake,
    begins_with_letter: false,
    ignores_case: false,
    longest: 255,
    reserved: &super::c::WORDS,
    reserved_types: "",
    reserved_members: &MEMBERS,
    reserved_if_packed: &["pack", "unpack", "size"],
};

/// The member names of each generated struct, and a macro of the included headers.
const MEMBERS: [&str; 9] =
    ["encode", "decode", "to_bytes", "from_bytes", "schema", "fingerprint", "kind", "alternative", "EOF"];
