//! The messages of a name as a table, built a message at a time: a column a field, in the memory form of Apache Arrow.
//!
//! The form is that of <https://arrow.apache.org/docs/format/Columnar.html>; formats of columns are those of its C data
//! interface.

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

/// Fields that a table has a column for at most.
pub const MAX_COLUMNS: usize = 4_096;
/// Bytes of the path of a field at most, and of the paths of all fields of a table: a message of some bytes may stand
/// for GiB of them.
const MAX_PATH: usize = 64 << 10;
const MAX_PATHS: usize = 1 << 20;
/// Columns that each table begins with.
pub const FIXED: [&str; 5] = ["received", "sent", "sequence", "source", "incarnation"];
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

    /// Returns how many paths there are, and their bytes.
    pub fn mark(&self) -> (usize, usize) {
        (self.places.len(), self.bytes)
    }

    /// Gives up the paths that came behind a mark.
    pub fn give_up(&mut self, (places, bytes): (usize, usize)) {
        if self.places.len() > places {
            self.places.retain(|_, at| *at < places);
        }
        self.bytes = bytes;
    }

    /// The error of a message with a field that has no place among these: with more fields than there may be.
    pub fn without(path: &str) -> Error {
        too_large(&format!("have more fields together, such as {}", crate::format::brief(path)))
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

    /// Returns about how many bytes the paths take, and what is known of the field of each.
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
    /// Schemas that were looked at, and bytes of paths that were taken of them.
    schemas: ByNotation<()>,
    described: usize,
    /// Bytes that values of any length take in the columns: texts, elements of arrays, and JSON, which is some times as
    /// long as the message was.
    bytes: u64,
    /// Bytes that are held so that the row that is being added can be given up.
    kept: u64,
    /// Bytes that may be held.
    most: Option<u64>,
    /// Those of one message.
    limits: Limits,
    /// Rows that were taken, and values of fields in all rows.
    taken: u64,
    values: u64,
}

/// Bytes of a cell, about: most are 64 bits, a text has its end.
const CELL: u64 = 8;
/// Bytes of a field beside its path, about.
const FIELD: u64 = 512;

impl Columns {
    /// Makes a table of messages of several names, with the column `name` in front.
    pub fn of_several_names() -> Columns {
        Columns { topics: Some(Field::default()), ..Columns::default() }
    }

    /// The same for a table that holds no more than there is room for.
    #[must_use]
    pub fn within(self, room: Room) -> Columns {
        Columns { most: Some(room.held), ..self }
    }

    /// The same for messages within these limits.
    #[must_use]
    pub fn of_messages(self, limits: Limits) -> Columns {
        Columns { limits, ..self }
    }

    /// Adds a message as a row. A field that comes for the first time is null in the rows before.
    ///
    /// # Errors
    /// Those of decoding, with the number of the message; `TooLarge` for more than 4,096 columns, too long paths of
    /// fields, or more than there is room for; `Unsupported` for an encoding that this library does not know. The
    /// columns and the rows are then as they were before.
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
        // Messages of a name have mostly the same fields in the same order.
        let mut next = 0;
        flatten(&value, &mut String::new(), &mut |path, value| {
            let at = match self.fields.get(next) {
                Some(field) if field.path == path => next,
                _ => self.paths.add(path).map_err(of)?,
            };
            if at == self.fields.len() {
                // Before the rows that do not have it are filled.
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

    /// Returns about how many bytes the rows take with so many fields, also where a message does not have them.
    fn held_with(&self, fields: usize) -> u64 {
        let columns = FIXED.len().saturating_add(1).saturating_add(fields) as u64;
        (self.rows as u64)
            .saturating_add(1)
            .saturating_mul(columns)
            .saturating_mul(CELL)
            .saturating_add(self.bytes)
            .saturating_add(self.kept)
    }

    /// Returns about how many bytes the rows take.
    pub fn held(&self) -> u64 {
        self.held_with(self.fields.len())
    }

    /// The same; nothing where there is no row.
    fn held_now(&self) -> u64 {
        if self.rows == 0 { 0 } else { self.held() }
    }

    /// Returns about how many bytes the columns take beside their rows.
    fn described(&self) -> u64 {
        self.paths.held()
    }

    /// Fails where one more row with so many fields has no room.
    fn fits(&self, fields: usize) -> Result<()> {
        let Some(most) = self.most.filter(|most| self.held_with(fields) > *most) else { return Ok(()) };
        let text = format!(
            "up to here a table of {fields} fields and {} rows would take more than the {most} bytes that there are for a recording of this size: take the rows in batches, choose names or times, or give a larger max_message_size",
            self.rows
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    /// Fails where the rows so far have more cells without a value than may be written.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn check_blank(&self, room: Room) -> Result<()> {
        let rows = self.taken.saturating_add(self.rows as u64);
        blank_cells(rows, self.fields.len(), self.values, room)
    }

    /// The same for this table and all others of a recording.
    fn check_blank_of_all(&self, budget: &mut Budget) -> Result<()> {
        let rows = self.taken.saturating_add(self.rows as u64);
        budget.take_blank(rows, self.fields.len(), self.values)
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the rows as columns: the fixed ones, then those of fields in the order in which they came, with the names
    /// that [`names`] gives them. Behind a column of arrays of several shapes stands the column of these shapes. Rows
    /// that are added then have the same columns, of the same types or wider ones.
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

/// The error of a table that would take more than the limits.
fn too_large(what: &str) -> Error {
    let text = format!(
        "the messages {what}, and a table has a column for {MAX_COLUMNS} with paths of up to {MAX_PATH} bytes: lines of JSON have all of them"
    );
    Error::new(ErrorKind::TooLarge, text)
}

/// Fails where so many rows with so many fields have more cells without a value than may be written.
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

/// Returns how many cells of so many rows have no value.
fn blank(rows: u64, fields: usize, values: u64) -> u64 {
    rows.saturating_mul(fields as u64).saturating_sub(values)
}

/// Returns the name of the column of each field, all of them different, beside the names of the fixed columns.
///
/// It is the path of the field, in which a zero byte is `~2`. The value of a message that is no map is `value`, and a
/// field with the name of a fixed column is below `value/`; where a field has that name already, `~` stands in front
/// instead, which no path of a field begins with.
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

/// Calls `what` with each field that is no map, or an empty one, and with its path: keys joined by `/`, as in
/// [`linkspan::Message::get`]. A path that begins with an empty key begins with `~`, so that it is the path of no other
/// field.
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
        // Also a message that is a map without keys, which is another one than null.
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

/// Returns the unit of each field below this type. `taken` are the bytes of paths that were taken before, of which
/// there are 1 MiB.
pub fn units(of: &Type, taken: &mut usize) -> HashMap<String, String> {
    let mut units = HashMap::new();
    fields_of(of, &mut String::new(), taken, &mut |path, of| {
        if let Some(unit) = &of.unit {
            units.insert(path.to_owned(), unit.clone());
        }
    });
    units
}

/// Calls `what` with this type and each one below it, and with its path. A schema that stands for more than 1 MiB of
/// paths ends there.
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
            // No column has it.
            continue;
        }
        push_key(path, &field.name);
        fields_of(&field.of, path, taken, what);
        path.truncate(length);
    }
}

/// What a schema says of the type of a column that values do not say: a small integer is the same in every width, and
/// in JSON a whole number is an integer.
fn hint(of: &Type) -> Option<Hint> {
    match of.kind {
        Kind::Integer(Width::U64) => Some(Hint::Unsigned),
        Kind::F32 | Kind::F64 => Some(Hint::Float),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
