//! How C++ writes names, and the words beyond those of C that are reserved in generated C++.

use super::{Case, Naming};

/// How names are written in C++.
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

/// The names of the members of each generated struct, and a macro of the headers that it includes.
const MEMBERS: [&str; 9] =
    ["encode", "decode", "to_bytes", "from_bytes", "schema", "fingerprint", "kind", "alternative", "EOF"];
