//! How Fortran writes names, and the names that each generated type has.

use super::{Case, Naming};

/// How names are written in Fortran. Names of procedures are longer than those of their types.
pub(super) const NAMING: Naming = Naming {
    types: Case::Snake,
    fields: Case::Snake,
    values: Case::Snake,
    variants: Case::Snake,
    ignores_case: true,
    longest: 48,
    reserved: &[
        "encode",
        "decode",
        "to_bytes",
        "from_bytes",
        "put",
        "get",
        "set_defaults",
        "self",
        "kind",
        "value",
        "key",
    ],
    reserved_members: &[],
    reserved_if_packed: &[],
};
