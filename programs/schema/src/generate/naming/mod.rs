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
    /// Whether an identifier begins with a letter. In every language it has one: `n` comes before the underscore of a
    /// name without.
    pub begins_with_letter: bool,
    /// The longest identifier, in bytes.
    pub longest: usize,
    /// Words that cannot be names as they are, in lower case if `ignores_case` is true; `_` is appended to each.
    pub reserved: &'static [&'static str],
    /// More such words for names of types alone, with blanks between them: types and functions that the language has.
    pub reserved_types: &'static str,
    /// More such words: the names of members of each generated type.
    pub reserved_members: &'static [&'static str],
    /// More such words if the schema is packed; a plan for another schema has none.
    pub reserved_if_packed: &'static [&'static str],
}

impl Naming {
    /// Returns the identifier for this name, whose words have dots or underscores between them, in this case.
    pub fn identifier(&self, name: &str, case: Case) -> String {
        let mut written = case.join(name);
        let has_letter = written.contains(|c: char| c.is_ascii_alphabetic());
        if case != Case::Kept && written.starts_with('_') && (self.begins_with_letter || !has_letter) {
            written.insert(0, 'n');
        }
        let word = self.compared(&written);
        let is_reserved = [self.reserved, self.reserved_members, self.reserved_if_packed]
            .iter()
            .any(|words| words.contains(&word.as_str()));
        if is_reserved { written + "_" } else { written }
    }

    /// Returns the identifier for a type, which hides no type or function of the language.
    pub fn type_identifier(&self, name: &str) -> String {
        let written = self.identifier(name, self.types);
        let word = self.compared(&written);
        if self.reserved_types.split_whitespace().any(|reserved| reserved == word) {
            written + "_"
        } else {
            written
        }
    }

    /// An identifier as reserved words are compared with it.
    fn compared(&self, written: &str) -> String {
        if self.ignores_case { written.to_ascii_lowercase() } else { written.to_owned() }
    }
}
