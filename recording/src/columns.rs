//! The messages of a name as a table, built a message at a time: a column a field, in the memory form of Apache Arrow.
//!
//! The form is that of <https://arrow.apache.org/docs/format/Columnar.html>; formats of columns are those of its C data interface.

mod field;
mod layout;

use std::collections::{HashMap, HashSet};

use linkspan::schema::{Kind, Schema, Type, Width};
use linkspan::{Error, ErrorKind, Limits, Result, Value, codec};

use crate::reader::Message;
use field::{Field, Hint};
pub use layout::{Buffer, Column};

/// Fields that a table has a column for at most.
pub const MAX_COLUMNS: usize = 4_096;
/// Bytes of the path of a field at most, and of the paths of all fields of a table: a message of some bytes may stand for GiB of them.
const MAX_PATH: usize = 64 << 10;
const MAX_PATHS: usize = 1 << 20;
/// Columns that each table begins with.
pub const FIXED: [&str; 4] = ["received", "sent", "sequence", "source"];
/// The first column of a table of several names.
const NAME: &str = "name";

/// The paths of the fields of a table, each with its place, within the limits.
#[derive(Debug, Default)]
pub struct Paths {
    places: HashMap<String, usize>,
    bytes: usize,
}

impl Paths {
    /// Returns the place of a path: the next one for a new path.
    ///
    /// # Errors
    /// `TooLarge` for more fields than [`MAX_COLUMNS`], or paths of more bytes than 1 MiB.
    pub fn add(&mut self, path: &str) -> Result<usize> {
        if let Some(at) = self.get(path) {
            return Ok(at);
        }
        let place = self.places.len();
        if place == MAX_COLUMNS {
            return Err(too_large(&format!("have more than {MAX_COLUMNS} fields")));
        }
        self.bytes = self.bytes.saturating_add(path.len());
        if self.bytes > MAX_PATHS {
            return Err(too_large(&format!(
                "have fields whose paths are longer than {MAX_PATHS} bytes together"
            )));
        }
        self.places.insert(path.to_owned(), place);
        Ok(place)
    }

    /// Returns the place of a path that has one.
    pub fn get(&self, path: &str) -> Option<usize> {
        self.places.get(path).copied()
    }

    /// Returns the number of paths.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the paths in the order of their places.
    pub fn in_order(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.places.iter().collect();
        all.sort_unstable_by_key(|(_, at)| **at);
        all.into_iter().map(|(path, _)| &**path).collect()
    }
}

/// The columns of a table that is built.
#[derive(Debug, Default)]
pub struct Columns {
    /// Which name each message is of, in a table of several names.
    topics: Option<Field>,
    fixed: [Field; FIXED.len()],
    fields: Vec<Field>,
    paths: Paths,
    rows: usize,
    units: HashMap<String, String>,
    hints: HashMap<String, Hint>,
    /// The channel whose schema was looked at last.
    schema_of: Option<u16>,
}

impl Columns {
    /// Makes a table of messages of several names, with the column `name` in front.
    pub fn of_several_names() -> Columns {
        Columns { topics: Some(Field::default()), ..Columns::default() }
    }

    /// Adds a message as a row. A field that comes for the first time is null in the rows before.
    ///
    /// # Errors
    /// Those of decoding, with the number of the message; `TooLarge` for more than 4,096 columns, or too long paths of fields; `Unsupported` for an encoding that this library does not know.
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
                fields_of(&schema.root, &mut String::new(), &mut |path, of| {
                    if let Some(hint) = hint(of) {
                        self.hints.insert(path.to_owned(), hint);
                    }
                });
            }
        }
        let time = |time: u64| Value::Timestamp(linkspan::Timestamp(i64::try_from(time).unwrap_or(i64::MAX)));
        let [received, sent, sequence, source] = &mut self.fixed;
        received.push(self.rows, &time(message.received));
        sent.push(self.rows, &time(message.sent));
        sequence.push(self.rows, &Value::Uint(message.number));
        source.push_text(self.rows, &channel.source);
        if let Some(topics) = &mut self.topics {
            topics.push_text(self.rows, &channel.topic);
        }
        // Messages of a name have mostly the same fields in the same order.
        let mut next = 0;
        flatten(&value, &mut String::new(), &mut |path, value| {
            let at = match self.fields.get(next) {
                Some(field) if field.path == path => next,
                _ => self.paths.add(path).map_err(of)?,
            };
            if at == self.fields.len() {
                self.fields.push(Field::new(path, self.hints.get(path).copied()));
            }
            next = at.saturating_add(1);
            if let Some(field) = self.fields.get_mut(at) {
                field.push(self.rows, value);
            }
            Ok(())
        })?;
        self.rows = self.rows.saturating_add(1);
        Ok(())
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the rows as columns: the fixed ones, then those of fields in the order in which they came, with the names that [`names`] gives
    /// them. Behind a column of arrays of several shapes stands the column of these shapes. Rows that are added then have the same columns, of
    /// the same types or wider ones.
    pub fn take(&mut self) -> Vec<Column> {
        let rows = std::mem::take(&mut self.rows);
        let mut all = Vec::with_capacity(FIXED.len().saturating_add(self.fields.len()));
        let fixed: Vec<_> = self.topics.iter().map(|_| NAME).chain(FIXED).collect();
        for (name, field) in fixed.iter().zip(self.topics.iter_mut().chain(&mut self.fixed)) {
            field.take((*name).to_owned(), rows, None, &mut all);
        }
        let names = names(self.fields.iter().map(|field| &*field.path), &fixed);
        for (name, field) in names.into_iter().zip(&mut self.fields) {
            let unit = self.units.get(&field.path).cloned();
            field.take(name, rows, unit, &mut all);
        }
        all
    }
}

/// The error of a table that would take more than the limits.
fn too_large(what: &str) -> Error {
    let text = format!(
        "the messages {what}, and a table has a column for {MAX_COLUMNS} with paths of up to {MAX_PATH} bytes: lines of JSON have all of them"
    );
    Error::new(ErrorKind::TooLarge, text)
}

/// Returns the name of the column of each field, all of them different, beside the names of the fixed columns.
///
/// It is the path of the field, in which a zero byte is `~2`. The value of a message that is no map is `value`, and a field with the name of a
/// fixed column is below `value/`; where a field has that name already, `~` stands in front instead, which no path of a field begins with.
pub fn names<'a>(paths: impl Iterator<Item = &'a str> + Clone, fixed: &[&str]) -> Vec<String> {
    let is_own = |path: &str| !path.is_empty() && !fixed.contains(&path);
    let own: HashSet<_> = paths.clone().filter(|path| is_own(path)).collect();
    let name = |path: &str| {
        let (nested, other) = match path {
            path if is_own(path) => return path.replace('\0', "~2"),
            "" => ("value".to_owned(), "~value".to_owned()),
            path => (format!("value/{path}"), format!("~{path}")),
        };
        if own.contains(&*nested) { other } else { nested }
    };
    paths.map(name).collect()
}

/// Calls `what` with each field that is no map, or an empty one, and with its path: keys joined by `/`, as in [`linkspan::Message::get`]. A path
/// that begins with an empty key begins with `~`, so that it is the path of no other field.
///
/// # Errors
/// Those of `what`; `TooLarge` for a path of more than 64 KiB.
pub fn flatten(
    value: &Value,
    path: &mut String,
    what: &mut dyn FnMut(&str, &Value) -> Result<()>,
) -> Result<()> {
    match value {
        Value::Map(map) if !map.is_empty() => {
            for (key, value) in map {
                let length = path.len();
                // Before it is built; escapes are not counted.
                if length.saturating_add(key.len()) > MAX_PATH {
                    return Err(too_large(&format!(
                        "have a field whose path is longer than {MAX_PATH} bytes"
                    )));
                }
                push_key(path, key);
                let done = flatten(value, path, what);
                path.truncate(length);
                done?;
            }
            Ok(())
        }
        // A message without a field has nothing for any column.
        Value::Map(_) if path.is_empty() => Ok(()),
        value => what(path, value),
    }
}

/// Adds a key to a path.
fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('/');
    } else if key.is_empty() {
        path.push('~');
    }
    if key.contains(['/', '~']) {
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
    } else {
        path.push_str(key);
    }
}

/// Adds the unit of each field below this type.
pub fn units(of: &Type, path: &mut String, units: &mut HashMap<String, String>) {
    fields_of(of, path, &mut |path, of| {
        if let Some(unit) = &of.unit {
            units.insert(path.to_owned(), unit.clone());
        }
    });
}

/// Calls `what` with this type and each one below it, and with its path.
fn fields_of(of: &Type, path: &mut String, what: &mut dyn FnMut(&str, &Type)) {
    what(path, of);
    let (Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields)) = &of.kind else { return };
    for field in fields {
        let length = path.len();
        if length.saturating_add(field.name.len()) > MAX_PATH {
            // No column has it.
            continue;
        }
        push_key(path, &field.name);
        fields_of(&field.of, path, what);
        path.truncate(length);
    }
}

/// What a schema says of the type of a column that values do not say: a small integer is the same in every width, and in JSON a whole number is
/// an integer.
fn hint(of: &Type) -> Option<Hint> {
    match of.kind {
        Kind::Integer(Width::U64) => Some(Hint::Unsigned),
        Kind::F32 | Kind::F64 => Some(Hint::Float),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
