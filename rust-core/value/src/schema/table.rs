//! A table of the notation, read key by key; errors of types and unknown keys have a position.
//!
//! The parser keeps the position of each key and value, which a deserializer would drop.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Source, proposal};
use crate::error::{Result, quoted};

#[derive(Clone)]
pub(super) struct Table<'a> {
    pub(super) source: &'a Source,
    pub(super) entries: &'a DeTable<'a>,
    /// The key or header of the table, for errors about the whole table.
    pub(super) span: Range<usize>,
}

#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) source: &'a Source,
    pub(super) value: &'a DeValue<'a>,
    pub(super) span: Range<usize>,
}

impl<'a> Table<'a> {
    pub(super) fn get(&self, key: &str) -> Option<Item<'a>> {
        let (_, value) = self.entries.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(item(self.source, value))
    }

    /// Returns the keys and values in the order of the text. The position of an entry is its key's.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Range<usize>, Item<'a>)> + use<'a> {
        let source = self.source;
        self.entries.iter().map(move |(key, value)| (key.get_ref().as_ref(), key.span(), item(source, value)))
    }

    /// Checks that all keys are in `known`; the error proposes the nearest one.
    pub(super) fn only(&self, what: &str, known: &[&str]) -> Result<()> {
        match self.entries().find(|(key, ..)| !known.contains(key)) {
            None => Ok(()),
            Some((key, span, _)) => {
                let text = format!(
                    "{what} has no {key}: {}",
                    proposal(key, known.iter().copied()),
                    key = quoted(key)
                );
                Err(self.source.error(&span, text))
            }
        }
    }

    pub(super) fn text_or_empty(&self, key: &str) -> Result<String> {
        self.get(key).map_or(Ok(String::new()), |item| item.text().map(str::to_owned))
    }
}

fn item<'a>(source: &'a Source, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
    Item { source, value: value.get_ref(), span: value.span() }
}

impl<'a> Item<'a> {
    #[cold]
    pub(super) fn error(&self, text: impl AsRef<str>) -> crate::Error {
        self.source.error(&self.span, text)
    }

    #[cold]
    fn wrong_type(&self, expected: &str) -> crate::Error {
        self.error(format!("{expected} is expected here, not a TOML {}", self.value.type_str()))
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong_type("text in quotes"))
    }

    pub(super) fn bool(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn integer(&self) -> Result<i128> {
        // The parser keeps the digits, so no number is cut to 64 bits.
        let digits = self.value.as_integer().ok_or_else(|| self.wrong_type("an integer"))?;
        i128::from_str_radix(digits.as_str(), digits.radix())
            .map_err(|_| self.error("this integer has more than 128 bits: write a smaller one"))
    }

    /// Returns a length or a count, 0 to `i64::MAX`.
    pub(super) fn count(&self) -> Result<u64> {
        let number = self.integer()?;
        let fits = u64::try_from(number).ok().filter(|count| i64::try_from(*count).is_ok());
        fits.ok_or_else(|| self.error(format!("a number from 0 to {} is expected here", i64::MAX)))
    }

    pub(super) fn float(&self) -> Result<f64> {
        let number = match self.value {
            DeValue::Float(digits) => {
                let number = digits.as_str().parse::<f64>().ok();
                // A number that overflows must not become an infinity silently.
                if number.is_some_and(f64::is_infinite) && !digits.as_str().contains("inf") {
                    return Err(
                        self.error("this number is beyond the range of f64: write a smaller one, or inf")
                    );
                }
                number
            }
            DeValue::Integer(_) => Some(self.integer()? as f64),
            _ => return Err(self.wrong_type("a number")),
        };
        number.filter(|number| !number.is_nan()).ok_or_else(|| self.error("this is no number"))
    }

    pub(super) fn list(&self) -> Result<Vec<Item<'a>>> {
        let items = self.value.as_array().ok_or_else(|| self.wrong_type("a list in brackets"))?;
        Ok(items.iter().map(|value| item(self.source, value)).collect())
    }

    pub(super) fn table(&self) -> Result<Table<'a>> {
        let entries = self.value.as_table().ok_or_else(|| self.wrong_type("a table"))?;
        Ok(Table { source: self.source, entries, span: self.span.clone() })
    }
}
