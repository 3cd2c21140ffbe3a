//! Keys of records, unions and tables: which field, variant or column is next.

use super::{Checker, OpenType, Side};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::model::Field;
use crate::schema::source::proposal;
use crate::value::typed::is_same;
use crate::value::{Sink, repeated_key};

impl<S: Sink> Checker<'_, S> {
    /// Takes the key of a field under its current name and passes it on. Returns whether it did.
    pub(super) fn own_key(&mut self, key: &[u8]) -> Result<bool> {
        // Keys are nearly always in order, so the next field is compared first.
        if let Some(OpenType::Fields { fields, next, seen }) = &mut self.open
            && let Some(field) = fields.get(*next)
            && is_same(&field.name, key)
            && seen.insert(*next)
        {
            *next += 1;
            (self.field, self.expected) = (Some(field), Some(&field.of));
            return self.inner.new_key(&field.name).map(|()| true);
        }
        self.own_key_out_of_order(key)
    }

    fn own_key_out_of_order(&mut self, key: &[u8]) -> Result<bool> {
        let Some(OpenType::Fields { fields, next, seen }) = &mut self.open else { return Ok(false) };
        let all = *fields;
        let Some(position) = all.iter().position(|field| field.name.as_bytes() == key) else {
            return Ok(false);
        };
        let field = &all[position];
        if !seen.insert(position) {
            // The two cases have different remedies, so the set also records which keys were
            // aliases.
            let by_alias = seen.contains(all.len() + position);
            return Err(if by_alias { self.repeated_field(field) } else { repeated_key(&field.name) });
        }
        *next = position + 1;
        (self.field, self.expected) = (Some(field), Some(&field.of));
        self.inner.new_key(&field.name).map(|()| true)
    }

    /// Takes a key that is not a field's current name. The caller has checked that its map has it
    /// once.
    pub(super) fn other_key(&mut self, key: &[u8]) -> Result<()> {
        let key = || String::from_utf8_lossy(key);
        match self.open {
            Some(OpenType::Fields { .. }) => self.other_field(&key()),
            Some(OpenType::Union { .. }) => self.named_key(&key(), "variant"),
            Some(OpenType::Columns { .. }) => self.named_key(&key(), "column"),
            _ => Ok(()),
        }
    }

    /// Takes a key of a record that is an alias of a field, or unknown.
    ///
    /// # Errors
    ///
    /// `WrongType` for a field that is already present, and at the writer for every such key.
    fn other_field(&mut self, key: &str) -> Result<()> {
        let side = self.side;
        let Some(OpenType::Fields { fields, next, seen }) = &mut self.open else { return Ok(()) };
        let all = *fields;
        // A reader accepts aliases, which are older names.
        let found = all.iter().position(|field| field.aliases.iter().any(|alias| alias == key));
        let Some(position) = found else {
            (self.field, self.expected) = (None, None);
            return match side {
                Side::Reader => Ok(()),
                Side::Writer => {
                    let known = all.iter().map(|field| field.name.as_str());
                    let text = format!("no field is called {}: {}", quoted(key), proposal(key, known));
                    Err(self.error(ErrorKind::WrongType, text))
                }
            };
        };
        let field = &all[position];
        *next = position + 1;
        (self.field, self.expected) = (Some(field), Some(&field.of));
        if !seen.insert(position) {
            return Err(self.repeated_field(field));
        }
        seen.insert(all.len() + position);
        // A writer must use the current name, because readers without the alias would miss the
        // field.
        if side == Side::Writer {
            let text = format!("{} is the old name of {}: write the new one", quoted(key), field.name);
            return Err(self.error(ErrorKind::WrongType, text));
        }
        Ok(())
    }

    #[cold]
    fn repeated_field(&self, field: &Field) -> Error {
        let text = format!("the field {} comes twice, under a name and an alias", field.name);
        self.error(ErrorKind::WrongType, text)
    }

    /// Takes the key of a variant or a column.
    ///
    /// # Errors
    ///
    /// `WrongType` for an unknown variant on either side, and for an unknown column at the writer.
    fn named_key(&mut self, key: &str, what: &str) -> Result<()> {
        let all = match &mut self.open {
            Some(OpenType::Union { variants }) => {
                let variant = variants.iter().find(|field| field.name == key);
                // An unknown variant is an error on both sides: no value would be left.
                self.expected = variant.map(|field| &field.of);
                if variant.is_some() {
                    return Ok(());
                }
                *variants
            }
            Some(OpenType::Columns { columns, seen, .. }) => {
                let position = columns.iter().position(|field| field.name == key);
                self.expected = position.map(|position| &columns[position].of);
                if position.is_some_and(|position| seen.insert(position)) || self.side == Side::Reader {
                    return Ok(());
                }
                *columns
            }
            _ => return Ok(()),
        };
        let known = all.iter().map(|field| field.name.as_str());
        let text = format!("no {what} is called {}: {}", quoted(key), proposal(key, known));
        Err(self.error(ErrorKind::WrongType, text))
    }
}
