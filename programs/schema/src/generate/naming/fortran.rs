//! Names in Fortran, and the names that each generated type has.

use super::{Case, Naming};

/// Names in Fortran. Procedure names are longer than their types' names.
pub(super) const NAMING: Naming = Naming {
    types: Case::Snake,
    fields: Case::Snake,
    values: Case::Snake,
    variants: Case::Snake,
    begins_with_letter: true,
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
    reserved_types: INTRINSIC,
    reserved_members: &[],
    reserved_if_packed: &[],
};

/// Intrinsic types, functions and kinds that generated modules use.
const INTRINSIC: &str = "achar all allocated any associated c_loc c_ptr c_sizeof char character complex double_precision huge \
    iand int int16 int32 int64 int8 integer ior len logical max merge min not present real real32 real64 \
    reshape shape size spread storage_size transfer trim";
