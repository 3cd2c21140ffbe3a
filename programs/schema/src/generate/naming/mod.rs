//! Identifiers: how each language writes a schema's names, and which words it reserves.

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
    /// The case of type names.
    pub types: Case,
    /// The case of field names.
    pub fields: Case,
    /// The case of an enum's values.
    pub values: Case,
    /// The case of a union's variants.
    pub variants: Case,
    /// Whether two names that only differ in case are equal.
    pub ignores_case: bool,
    /// Whether an identifier must begin with a letter. In every language, `n` is put before the underscore of a name
    /// without letters.
    pub begins_with_letter: bool,
    /// The longest identifier, in bytes.
    pub longest: usize,
    /// Words that cannot be names, in lower case if `ignores_case` is true; `_` is appended to them.
    pub reserved: &'static [&'static str],
    /// Further words that only types cannot have: the language's types and functions, separated by blanks.
    pub reserved_types: &'static str,
    /// Further words: the member names of each generated type.
    pub reserved_members: &'static [&'static str],
    /// Further words if the schema is packed; otherwise a plan clears them.
    pub reserved_if_packed: &'static [&'static str],
}

impl Naming {
    /// Returns the identifier for a name in this case. Dots or underscores separate the name's words.
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

    /// Returns the identifier for a type, which must not hide a type or function of the language.
    pub fn type_identifier(&self, name: &str) -> String {
        let written = self.identifier(name, self.types);
        let word = self.compared(&written);
        if self.reserved_types.split_whitespace().any(|reserved| reserved == word) {
            written + "_"
        } else {
            written
        }
    }

    /// Returns an identifier in the form of the reserved words.
    fn compared(&self, written: &str) -> String {
        if self.ignores_case { written.to_ascii_lowercase() } else { written.to_owned() }
    }
}
