//! Builds a table from the messages of a name: a column per field, in Apache Arrow's memory format.
//!
//! See <https://arrow.apache.org/docs/format/Columnar.html>; columns have the formats of the C data interface.

mod field;
mod layout;
mod several;

use std::collections::{HashMap, HashSet};

use linkspan::schema::{Kind, Schema, Type, Width};
use linkspan::{Error, ErrorKind, Limits, Result, Value, codec};

use crate::reader::{ByNotation, Message, Room};
use field::{Field, Hint};
pub use layout::{Buffer, Column};
pub use several::{BATCH, Batch, Budget, LOOKED_AT, Tables};

/// The most fields of a table.
pub const MAX_COLUMNS: usize = 4_096;
/// In bytes: a small message can expand to GiB of paths.
const MAX_PATH: usize = 64 << 10;
const MAX_PATHS: usize = 1 << 20;
/// The first columns of each table.
pub const FIXED: [&str; 5] = ["received", "sent", "sequence", "source", "incarnation"];
const NAME: &str = "name";

/// The paths of a table's fields with their places.
#[derive(Debug, Default)]
pub struct Paths {
    places: HashMap<String, usize>,
    bytes: usize,
}

impl Paths {
    /// Returns the place of a path, perhaps new.
    ///
    /// # Errors
    /// `TooLarge` beyond [`MAX_COLUMNS`] fields or 1 MiB of paths.
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

    /// Returns the current state for [`Paths::give_up`].
    pub fn mark(&self) -> (usize, usize) {
        (self.places.len(), self.bytes)
    }

    /// Removes the paths that were added after a mark.
    pub fn give_up(&mut self, (places, bytes): (usize, usize)) {
        if self.places.len() > places {
            self.places.retain(|_, at| *at < places);
        }
        self.bytes = bytes;
    }

    /// Returns the error for a field beyond the limit.
    pub fn without(path: &str) -> Error {
        too_large(&format!("have more fields together, such as {}", crate::format::brief(path)))
    }

    /// Returns the place of a path.
    pub fn get(&self, path: &str) -> Option<usize> {
        self.places.get(path).copied()
    }

    /// Returns the number of paths.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the approximate bytes of paths and fields.
    pub fn held(&self) -> u64 {
        (self.bytes as u64).saturating_mul(2).saturating_add((self.len() as u64).saturating_mul(FIELD))
    }

    /// Returns the paths in the order of their places.
    pub fn in_order(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.places.iter().collect();
        all.sort_unstable_by_key(|(_, at)| **at);
        all.into_iter().map(|(path, _)| &**path).collect()
    }
}

/// A table under construction.
#[derive(Debug, Default)]
pub struct Columns {
    /// The name of each message, in a table of several names.
    topics: Option<Field>,
    fixed: [Field; FIXED.len()],
    fields: Vec<Field>,
    paths: Paths,
    rows: usize,
    units: HashMap<String, String>,
    hints: HashMap<String, Hint>,
    /// The examined schemas, and the bytes of their paths.
    schemas: ByNotation<()>,
    described: usize,
    /// Bytes of texts, elements of arrays, and JSON, which can be longer than its message.
    bytes: u64,
    /// Bytes held to undo the current row.
    kept: u64,
    most: Option<u64>,
    limits: Limits,
    /// Rows that were taken, and values in all rows.
    taken: u64,
    values: u64,
}

/// Bytes: most cells have 64 bits, and a text has its end.
const CELL: u64 = 8;
/// Approximate bytes of a field in addition to its path.
const FIELD: u64 = 512;

impl Columns {
    /// Makes a table of several names, with a first column `name`.
    pub fn of_several_names() -> Columns {
        Columns { topics: Some(Field::default()), ..Columns::default() }
    }

    /// Limits the table to this room.
    #[must_use]
    pub fn within(self, room: Room) -> Columns {
        Columns { most: Some(room.held), ..self }
    }

    /// Sets the limits of a message.
    #[must_use]
    pub fn of_messages(self, limits: Limits) -> Columns {
        Columns { limits, ..self }
    }

    /// Adds a message as a row. A new field is null in all earlier rows.
    ///
    /// # Errors
    /// Errors of decoding, with the message's number; `TooLarge` beyond 4,096 columns, the limits of paths, or the
    /// room; `Unsupported` for an unknown encoding. The table is then unchanged.
    pub fn add(&mut self, message: &Message<'_>) -> Result<()> {
        let (fields, paths, bytes, values) = (self.fields.len(), self.paths.mark(), self.bytes, self.values);
        let added = self.add_row(message);
        match added {
            Ok(()) => self.rows = self.rows.saturating_add(1),
            Err(_) => {
                self.fields.truncate(fields);
                self.paths.give_up(paths);
                (self.bytes, self.values) = (bytes, values);
                let all = self.topics.iter_mut().chain(&mut self.fixed).chain(&mut self.fields);
                all.for_each(|field| field.give_up(self.rows));
            }
        }
        if std::mem::take(&mut self.kept) > 0 {
            self.fields.iter_mut().for_each(Field::keep);
        }
        added
    }

    fn add_row(&mut self, message: &Message<'_>) -> Result<()> {
        let channel = message.channel;
        let of = |error: Error| {
            Error::new(error.kind(), format!("message {} of {}: {error}", message.number, channel.topic))
        };
        let encoding = channel.encoding().ok_or_else(|| {
            of(Error::new(ErrorKind::Unsupported, format!("the encoding {} is not known", channel.encoding)))
        })?;
        let value = codec::decode_shared(message.body, encoding, &self.limits).map_err(of)?;
        self.schemas.of(channel, |text| {
            let Ok(schema) = Schema::parse(text) else { return };
            fields_of(&schema.root, &mut String::new(), &mut self.described, &mut |path, of| {
                if let Some(unit) = &of.unit {
                    self.units.insert(path.to_owned(), unit.clone());
                }
                if let Some(hint) = hint(of) {
                    self.hints.insert(path.to_owned(), hint);
                }
            });
        });
        let beside = channel.source.len().saturating_add(channel.topic.len()).saturating_add(16);
        self.bytes = self.bytes.saturating_add(beside as u64);
        self.fits(self.fields.len()).map_err(of)?;
        let time = |time: u64| Value::Timestamp(linkspan::Timestamp(i64::try_from(time).unwrap_or(i64::MAX)));
        let [received, sent, sequence, source, incarnation] = &mut self.fixed;
        received.push(self.rows, &time(message.received), &self.limits)?;
        sent.push(self.rows, &time(message.sent), &self.limits)?;
        sequence.push(self.rows, &Value::Uint(message.number), &self.limits)?;
        source.push_text(self.rows, &channel.source, &self.limits)?;
        incarnation.push_text(self.rows, &channel.incarnation_text(), &self.limits)?;
        if let Some(topics) = &mut self.topics {
            topics.push_text(self.rows, &channel.topic, &self.limits)?;
        }
        // Messages of a name mostly have equal fields in equal order.
        let mut next = 0;
        flatten(&value, &mut String::new(), &mut |path, value| {
            let at = match self.fields.get(next) {
                Some(field) if field.path == path => next,
                _ => self.paths.add(path).map_err(of)?,
            };
            if at == self.fields.len() {
                // The check must come before the earlier rows are filled.
                self.fits(at.saturating_add(1)).map_err(of)?;
                self.fields.push(Field::new(path, self.hints.get(path).copied()));
            }
            next = at.saturating_add(1);
            if let Some(field) = self.fields.get_mut(at) {
                let before = field.long();
                field.push(self.rows, value, &self.limits).map_err(of)?;
                self.kept = self.kept.saturating_add(field.kept(CELL));
                self.bytes = self.bytes.saturating_sub(before).saturating_add(field.long());
                self.values = self.values.saturating_add(1);
            }
            Ok(())
        })?;
        self.fits(self.fields.len()).map_err(of)
    }

    fn held_with(&self, fields: usize) -> u64 {
        let columns = FIXED.len().saturating_add(1).saturating_add(fields) as u64;
        (self.rows as u64)
            .saturating_add(1)
            .saturating_mul(columns)
            .saturating_mul(CELL)
            .saturating_add(self.bytes)
            .saturating_add(self.kept)
    }

    /// Returns the approximate bytes of the rows.
    pub fn held(&self) -> u64 {
        self.held_with(self.fields.len())
    }

    fn held_now(&self) -> u64 {
        if self.rows == 0 { 0 } else { self.held() }
    }

    /// Returns the approximate bytes of the columns without their rows.
    fn described(&self) -> u64 {
        self.paths.held()
    }

    fn fits(&self, fields: usize) -> Result<()> {
        let Some(most) = self.most.filter(|most| self.held_with(fields) > *most) else { return Ok(()) };
        let text = format!(
            "up to here a table of {fields} fields and {} rows would take more than the {most} bytes that there are for a recording of this size: take the rows in batches, choose names or times, or give a larger max_message_size",
            self.rows
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    /// Fails if the rows so far have more empty cells than may be written.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn check_blank(&self, room: Room) -> Result<()> {
        let rows = self.taken.saturating_add(self.rows as u64);
        blank_cells(rows, self.fields.len(), self.values, room)
    }

    /// [`Columns::check_blank`] for all tables together.
    fn check_blank_of_all(&self, budget: &mut Budget) -> Result<()> {
        let rows = self.taken.saturating_add(self.rows as u64);
        budget.take_blank(rows, self.fields.len(), self.values)
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the rows as columns: the fixed ones, then the fields in order of appearance ([`names`]).
    ///
    /// A column of shapes follows arrays of different shapes. Later rows have the same columns, perhaps with wider
    /// types.
    pub fn take(&mut self) -> Vec<Column> {
        let rows = std::mem::take(&mut self.rows);
        self.taken = self.taken.saturating_add(rows as u64);
        self.bytes = 0;
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

fn too_large(what: &str) -> Error {
    let text = format!(
        "the messages {what}, and a table has a column for {MAX_COLUMNS} with paths of up to {MAX_PATH} bytes: lines of JSON have all of them"
    );
    Error::new(ErrorKind::TooLarge, text)
}

/// Fails if there are more empty cells than may be written.
///
/// # Errors
/// `TooLarge`.
fn blank_cells(rows: u64, fields: usize, values: u64, room: Room) -> Result<()> {
    let blank = blank(rows, fields, values);
    if blank <= room.blank {
        return Ok(());
    }
    let text = format!(
        "{rows} rows of {fields} fields have {blank} cells without a value, and {} are written of a recording of this size: lines of JSON have none; or choose times",
        room.blank
    );
    Err(Error::new(ErrorKind::TooLarge, text))
}

fn blank(rows: u64, fields: usize, values: u64) -> u64 {
    rows.saturating_mul(fields as u64).saturating_sub(values)
}

/// Returns different names for all fields' columns, which also differ from the fixed columns.
///
/// A name is the field's path, with `~2` for a zero byte. A message that is not a map is `value`. A field with a fixed
/// column's name is below `value/`. If that is taken, `~` is prefixed instead, which no path begins with.
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

/// Calls `what` with each field and its path. Fields are all values except non-empty maps.
///
/// A path joins keys by `/`, as in [`linkspan::Message::get`]; before an empty first key it begins with `~`.
///
/// # Errors
/// Errors of `what`; `TooLarge` for a path of more than 64 KiB.
pub fn flatten(
    value: &Value,
    path: &mut String,
    what: &mut dyn FnMut(&str, &Value) -> Result<()>,
) -> Result<()> {
    match value {
        Value::Map(map) if !map.is_empty() => {
            for (key, value) in map {
                let length = path.len();
                // The check precedes the construction, and ignores escapes.
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
        // Also an empty map, which differs from null.
        value => what(path, value),
    }
}

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

/// Returns each field's unit. `taken` counts bytes of paths, up to 1 MiB.
pub fn units(of: &Type, taken: &mut usize) -> HashMap<String, String> {
    let mut units = HashMap::new();
    fields_of(of, &mut String::new(), taken, &mut |path, of| {
        if let Some(unit) = &of.unit {
            units.insert(path.to_owned(), unit.clone());
        }
    });
    units
}

/// Calls `what` with this and each nested type and its path, up to 1 MiB of paths.
fn fields_of(of: &Type, path: &mut String, taken: &mut usize, what: &mut dyn FnMut(&str, &Type)) {
    *taken = taken.saturating_add(path.len());
    if *taken > MAX_PATHS {
        return;
    }
    what(path, of);
    let (Kind::Record(fields) | Kind::Union(fields) | Kind::Table(fields)) = &of.kind else { return };
    for field in fields {
        let length = path.len();
        if length.saturating_add(field.name.len()) > MAX_PATH {
            // Such a field never has a column.
            continue;
        }
        push_key(path, &field.name);
        fields_of(&field.of, path, taken, what);
        path.truncate(length);
    }
}

/// What values lack: the width of a small integer, and whole floats in JSON.
fn hint(of: &Type) -> Option<Hint> {
    match of.kind {
        Kind::Integer(Width::U64) => Some(Hint::Unsigned),
        Kind::F32 | Kind::F64 => Some(Hint::Float),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
