//! Identifiers: how each language writes the names of a schema, and which words it keeps for itself.

/// A language that code is generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// PHP 8.1 or later.
    Php,
    /// Python 3.11 or later.
    Python,
    /// Rust, edition 2021 or later.
    Rust,
    /// C11.
    C,
    /// C++17.
    Cpp,
    /// Fortran 2018.
    Fortran,
}

/// How the words of a name are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `power_reading`.
    Snake,
    /// `powerReading`.
    Camel,
    /// `PowerReading`.
    Pascal,
    /// `POWER_READING`.
    Upper,
    /// As the schema writes it.
    Kept,
}

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
    /// Words that cannot be names as they are, in lower case where `ignores_case`; each gets `_` behind it.
    pub reserved: &'static [&'static str],
    /// More such words, where the schema is packed; a plan of another one has none.
    pub reserved_if_packed: &'static [&'static str],
}

impl Language {
    /// Every language that code is generated for.
    pub const ALL: [Language; 6] =
        [Language::Rust, Language::C, Language::Cpp, Language::Fortran, Language::Python, Language::Php];

    /// Its name at the command line: `rust`.
    pub const fn name(self) -> &'static str {
        match self {
            Language::Php => "php",
            Language::Python => "python",
            Language::Rust => "rust",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Fortran => "fortran",
        }
    }

    /// How it writes names.
    pub fn naming(self) -> Naming {
        match self {
            Language::Php => Naming {
                types: Case::Pascal,
                fields: Case::Camel,
                values: Case::Pascal,
                variants: Case::Camel,
                ignores_case: true,
                longest: 255,
                reserved: &PHP,
                reserved_if_packed: &[],
            },
            Language::Python => Naming {
                types: Case::Pascal,
                fields: Case::Snake,
                values: Case::Upper,
                variants: Case::Snake,
                ignores_case: false,
                longest: 255,
                reserved: &PYTHON,
                reserved_if_packed: &["pack", "unpack", "numpy_dtype", "packed"],
            },
            Language::Rust => Naming {
                types: Case::Pascal,
                fields: Case::Snake,
                values: Case::Pascal,
                variants: Case::Pascal,
                ignores_case: false,
                longest: 255,
                reserved: &RUST,
                reserved_if_packed: &[],
            },
            Language::C => super::c::NAMING,
            Language::Cpp => super::cpp::NAMING,
            Language::Fortran => super::fortran::NAMING,
        }
    }
}

/// Keywords and names of types, which cannot name classes, and `this`, which cannot name a property.
const PHP: [&str; 80] = [
    "abstract",
    "and",
    "array",
    "as",
    "bool",
    "break",
    "callable",
    "case",
    "catch",
    "class",
    "clone",
    "const",
    "continue",
    "declare",
    "default",
    "do",
    "echo",
    "else",
    "elseif",
    "empty",
    "enum",
    "eval",
    "exit",
    "extends",
    "false",
    "final",
    "finally",
    "float",
    "fn",
    "for",
    "foreach",
    "function",
    "global",
    "goto",
    "if",
    "implements",
    "include",
    "instanceof",
    "insteadof",
    "int",
    "interface",
    "isset",
    "iterable",
    "list",
    "match",
    "mixed",
    "namespace",
    "never",
    "new",
    "null",
    "object",
    "or",
    "parent",
    "print",
    "private",
    "protected",
    "public",
    "readonly",
    "require",
    "return",
    "self",
    "static",
    "string",
    "switch",
    "this",
    "throw",
    "trait",
    "true",
    "try",
    "unset",
    "use",
    "var",
    "void",
    "while",
    "xor",
    "yield",
    "closure",
    "stdclass",
    "backedenum",
    "die",
];

/// Keywords, and names that generated code uses where a field could hide them.
const PYTHON: [&str; 60] = [
    "False",
    "None",
    "True",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "Any",
    "Callable",
    "ClassVar",
    "Decimal",
    "Enum",
    "Message",
    "Timestamp",
    "TypeAlias",
    "UUID",
    "bool",
    "bytes",
    "dataclass",
    "decode",
    "dict",
    "field",
    "float",
    "from_value",
    "int",
    "list",
    "np",
    "npt",
    "read",
    "str",
    "tuple",
    "cls",
];

/// Keywords, and names of the prelude that generated code uses.
const RUST: [&str; 66] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield", "Clone", "Debug", "Default", "Err", "None", "Ok", "Option",
    "Result", "Some", "Sink", "Source", "String", "Vec",
];

impl Naming {
    /// The identifier that this name, of words with dots or underscores between them, has in this case.
    pub fn identifier(&self, name: &str, case: Case) -> String {
        let written = case.join(name);
        let word = if self.ignores_case { written.to_ascii_lowercase() } else { written.clone() };
        let is_reserved =
            [self.reserved, self.reserved_if_packed].iter().any(|words| words.contains(&word.as_str()));
        if is_reserved { written + "_" } else { written }
    }
}

impl Case {
    /// The words of `name` joined in this case. Words end at dots, underscores, and where a capital letter follows a small one.
    pub fn join(self, name: &str) -> String {
        if self == Case::Kept {
            return name.replace('.', "_");
        }
        let words = words(name);
        let written = words.iter().enumerate().map(|(i, word)| match self {
            Case::Upper => word.to_ascii_uppercase(),
            Case::Pascal => capital(word),
            Case::Camel if i > 0 => capital(word),
            _ => word.to_ascii_lowercase(),
        });
        let between = if matches!(self, Case::Snake | Case::Upper) { "_" } else { "" };
        let joined = written.collect::<Vec<_>>().join(between);
        // A name may begin with an underscore and go on with a digit.
        if joined.starts_with(|first: char| first.is_ascii_digit()) || joined.is_empty() {
            return format!("_{joined}");
        }
        joined
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_ascii_uppercase().to_string() + &letters.as_str().to_ascii_lowercase()
    })
}

fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_ascii_uppercase() && before.is_ascii_lowercase();
        if matches!(c, '.' | '_') || begins {
            words.push(String::new());
        }
        if !matches!(c, '.' | '_')
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_each_case() {
        for (name, snake, pascal, camel, upper) in [
            ("power.reading", "power_reading", "PowerReading", "powerReading", "POWER_READING"),
            ("maxWatts", "max_watts", "MaxWatts", "maxWatts", "MAX_WATTS"),
            ("OFF", "off", "Off", "off", "OFF"),
            ("_3d", "_3d", "_3d", "_3d", "_3D"),
            ("_", "_", "_", "_", "_"),
        ] {
            let joined = [Case::Snake, Case::Pascal, Case::Camel, Case::Upper].map(|case| case.join(name));
            assert_eq!(joined, [snake, pascal, camel, upper]);
        }
        assert_eq!(Case::Kept.join("power.Reading"), "power_Reading");
    }
}
