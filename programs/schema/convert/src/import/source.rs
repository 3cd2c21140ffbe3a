//! Reads files to import with a limit, and makes errors with a place.

use std::path::Path;

use linkspan::schema::{Field, Schema, Type, read_text};
use linkspan::{Error, ErrorKind, Result, quoted};

/// The longest file, in bytes.
pub(super) const MAX_SOURCE: usize = 256 << 10;
/// The most levels of nested blocks, because parsers recurse.
const MAX_BLOCKS: usize = 64;

/// Returns the text of a file of at most [`MAX_SOURCE`] bytes.
pub(super) fn text(path: &Path) -> Result<String> {
    text_up_to(path, MAX_SOURCE)
}

/// Returns the text of a file of at most this many bytes, without its byte order mark.
pub(super) fn text_up_to(path: &Path, most: usize) -> Result<String> {
    let Some(shown) = path.to_str() else {
        return Err(Error::new(ErrorKind::Unsupported, format!("the path {} is not UTF-8", path.display())));
    };
    let text = read_text(shown, most, "import the part that is needed")?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Returns an error if blocks are nested too deeply for parsers.
pub(super) fn check_depth(shown: &str, text: &str) -> Result<()> {
    let mut depth = 0_usize;
    for (number, line) in text.lines().enumerate() {
        for (column, byte) in line.bytes().enumerate() {
            match byte {
                b'{' | b'[' | b'(' => depth += 1,
                b'}' | b']' | b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_BLOCKS {
                let at = Place { file: shown, line: number + 1, column: column + 1 };
                return Err(at.error(
                    ErrorKind::TooLarge,
                    format!("blocks lie deeper in each other than {MAX_BLOCKS}: give an inner one a name of its own"),
                ));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Place<'_> {
    #[cold]
    pub(super) fn error(&self, kind: ErrorKind, text: impl std::fmt::Display) -> Error {
        Error::new(kind, format!("{self}: {text}"))
    }

    #[cold]
    pub(super) fn unsupported(&self, text: impl std::fmt::Display) -> Error {
        self.error(ErrorKind::Unsupported, text)
    }

    /// Checks that this can be a field's name in every language.
    pub(super) fn field(&self, name: &str, of: Type) -> Result<Field> {
        if !Field::is_name(name) {
            let text = format!(
                "{} cannot name a field: a letter, then letters, digits and underscores, at most 63",
                quoted(name)
            );
            return Err(self.unsupported(text));
        }
        Ok(Field::new(name, of))
    }
}

/// The remaining number of types and levels that the schema may have.
pub(super) struct Budget {
    left: usize,
    depth: usize,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget { left: Schema::MAX_TYPES, depth: 0 }
    }

    pub(super) fn take(&mut self, at: Place<'_>) -> Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            let text = format!(
                "the message has more than {} types, with what fields name counted each time",
                Schema::MAX_TYPES
            );
            return Err(at.error(ErrorKind::TooLarge, text));
        };
        self.left = left;
        Ok(())
    }

    /// Enters a level; [`Budget::leave`] leaves it.
    pub(super) fn enter(&mut self, at: Place<'_>) -> Result<()> {
        // A list of records takes two levels.
        if self.depth + 2 >= Schema::MAX_DEPTH {
            let text = format!("types lie deeper in each other than {}", Schema::MAX_DEPTH);
            return Err(at.error(ErrorKind::TooLarge, text));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }
}
