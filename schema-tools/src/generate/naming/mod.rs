//! Identifiers: how each language writes the names of a schema, and which words it reserves.

mod c;
mod case;
mod cpp;
mod fortran;
mod language;
mod php;
mod python;
mod rust;
mod typescript;

pub use case::Case;
pub use language::Language;

/// How a language writes names.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// Names of types.
    pub types: Case,
    /// Names of fields.
    pub fields: Case,
    /// Names of an enum's values.
    pub values: Case,
    /// Names of a union's variants.
    pub variants: Case,
    /// Whether two names that differ in case alone are the same.
    pub ignores_case: bool,
    /// The longest identifier, in bytes.
    pub longest: usize,
    /// Words that cannot be names as they are, in lower case if `ignores_case` is true; `_` is appended to each.
    pub reserved: &'static [&'static str],
    /// More such words: the names of members of each generated type.
    pub reserved_members: &'static [&'static str],
    /// More such words if the schema is packed; a plan for another schema has none.
    pub reserved_if_packed: &'static [&'static str],
}

impl Naming {
    /// Returns the identifier for this name, whose words have dots or underscores between them, in this case.
    pub fn identifier(&self, name: &str, case: Case) -> String {
        let written = case.join(name);
        let word = if self.ignores_case { written.to_ascii_lowercase() } else { written.clone() };
        let is_reserved = [self.reserved, self.reserved_members, self.reserved_if_packed]
            .iter()
            .any(|words| words.contains(&word.as_str()));
        if is_reserved { written + "_" } else { written }
    }
}
