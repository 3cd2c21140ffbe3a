//! Names in Rust, and the words that it reserves.

use super::{Case, Naming};

pub(super) const NAMING: Naming = Naming {
    types: Case::Pascal,
    fields: Case::Snake,
    values: Case::Pascal,
    variants: Case::Pascal,
    begins_with_letter: false,
    ignores_case: false,
    longest: 255,
    reserved: &RUST,
    reserved_types: PRELUDE,
    reserved_members: &[],
    reserved_if_packed: &[],
};

/// Keywords, and names of the prelude that generated code uses.
const RUST: [&str; 66] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield", "Clone", "Debug", "Default", "Err", "None", "Ok", "Option",
    "Result", "Some", "Sink", "Source", "String", "Vec",
];

/// Types and traits of the prelude that only types must not hide.
const PRELUDE: &str = "AsMut AsRef Box Copy DoubleEndedIterator Drop Eq ExactSizeIterator Extend Fn FnMut FnOnce From \
    FromIterator Into IntoIterator Iterator Ord PartialEq PartialOrd Send Sized Sync ToOwned ToString \
    TryFrom TryInto Unpin";
