//! The messages of a name as a table, built a message at a time: a column a field, in the memory form of Apache Arrow.
//!
//! The form is that of <https://arrow.apache.org/docs/format/Columnar.html>; formats of columns are those of its C data interface.

mod field;
mod layout;

use std::collections::HashMap;

use linkspan::schema::{Kind, Schema, Type};
use linkspan::{Error, ErrorKind, Limits, Result, Value, codec};

use crate::reader::Message;
use field::Field;
pub use layout::{Buffer, Column};

/// Columns of a table at most.
const MAX_COLUMNS: usize = 4_096;
/// Columns that each table begins with.
pub const FIXED: [&str; 4] = ["received", "sent", "sequence", "source"];

/// The columns of a table that is built.
#[derive(Debug, Default)]
pub struct Columns {
    fixed: [Field; FIXED.len()],
    fields: Vec<Field>,
    /// The place of each field by its path.
    places: HashMap<String, usize>,
    rows: usize,
    units: HashMap<String, String>,
    /// The channel whose schema was looked at last.
    schema_of: Option<u16>,
}

impl Columns {
    /// Adds a message as a row. A field that comes for the first time is null in the rows before.
    ///
    /// # Errors
    /// Those of decoding, with the number of the message; `TooLarge` for more than 4,096 columns; `Unsupported` for an encoding that this library does not know.
    pub fn add(&mut self, message: &Message<'_>) -> Result<()> {
        let channel = message.channel;
        let of = |error: Error| {
            Error::new(error.kind(), format!("message {} of {}: {error}", message.number, channel.topic))
        };
        let encoding = channel.encoding().ok_or_else(|| {
            of(Error::new(ErrorKind::Unsupported, format!("the encoding {} is not known", channel.encoding)))
        })?;
        let value = codec::decode_shared(message.body, encoding, &Limits::default()).map_err(of)?;
        if self.schema_of != Some(channel.id) {
            self.schema_of = Some(channel.id);
            if let Some(schema) = channel.notation().and_then(|text| Schema::parse(text).ok()) {
                units(&schema.root, &mut String::new(), &mut self.units);
            }
        }
        let time = |time: u64| Value::Timestamp(linkspan::Timestamp(i64::try_from(time).unwrap_or(i64::MAX)));
        let [received, sent, sequence, source] = &mut self.fixed;
        received.push(self.rows, &time(message.received));
        sent.push(self.rows, &time(message.sent));
        sequence.push(self.rows, &Value::Uint(message.number));
        source.push_text(self.rows, &channel.source);
        // Messages of a name have mostly the same fields in the same order.
        let mut next = 0;
        flatten(&value, &mut String::new(), &mut |path, value| {
            let at = match self.fields.get(next) {
                Some(field) if field.path == path => next,
                _ => match self.places.get(path) {
                    Some(at) => *at,
                    None if self.fields.len() == MAX_COLUMNS => {
                        let text = format!("more than {MAX_COLUMNS} columns: choose fields, or export lines");
                        return Err(of(Error::new(ErrorKind::TooLarge, text)));
                    }
                    None => {
                        self.places.insert(path.to_owned(), self.fields.len());
                        self.fields.push(Field::new(path));
                        self.fields.len() - 1
                    }
                },
            };
            next = at + 1;
            if let Some(field) = self.fields.get_mut(at) {
                field.push(self.rows, value);
            }
            Ok(())
        })?;
        self.rows += 1;
        Ok(())
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the rows as columns: the fixed ones, then those of fields in the order in which they came, named by their paths. The value of a
    /// message that is no map is the column `value`; a field with a name of a fixed column is below `value/`. Rows that are added then have
    /// the same columns, of the same types or wider ones.
    pub fn take(&mut self) -> Vec<Column> {
        let rows = std::mem::take(&mut self.rows);
        let fixed =
            FIXED.iter().zip(&mut self.fixed).map(|(name, field)| field.take((*name).to_owned(), rows, None));
        let fields = self.fields.iter_mut().map(|field| {
            let unit = self.units.get(&field.path).cloned();
            field.take(name_of(&field.path), rows, unit)
        });
        fixed.chain(fields).collect()
    }
}

/// Returns the name of the column of a field.
pub fn name_of(path: &str) -> String {
    match path {
        "" => "value".to_owned(),
        path if FIXED.contains(&path) => format!("value/{path}"),
        path => path.to_owned(),
    }
}

/// Calls `what` with each field that is no map, and with its path: keys joined by `/`, as in [`linkspan::Message::get`].
///
/// # Errors
/// Those of `what`.
pub fn flatten(
    value: &Value,
    path: &mut String,
    what: &mut dyn FnMut(&str, &Value) -> Result<()>,
) -> Result<()> {
    let Value::Map(map) = value else { return what(path, value) };
    for (key, value) in map {
        let length = path.len();
        if length > 0 {
            path.push('/');
        }
        if key.contains(['/', '~']) {
            path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            path.push_str(key);
        }
        let done = flatten(value, path, what);
        path.truncate(length);
        done?;
    }
    Ok(())
}

/// Adds the unit of each field below this type.
pub fn units(of: &Type, path: &mut String, units: &mut HashMap<String, String>) {
    if let Some(unit) = &of.unit {
        units.insert(path.clone(), unit.clone());
    }
    let (Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields)) = &of.kind else { return };
    for field in fields {
        let length = path.len();
        if length > 0 {
            path.push('/');
        }
        path.push_str(&field.name);
        self::units(&field.of, path, units);
        path.truncate(length);
    }
}

#[cfg(test)]
mod tests;
