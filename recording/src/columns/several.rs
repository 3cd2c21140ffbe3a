//! Tables of many names, a batch at a time: one pass over a recording finds the columns of all of them, and one fills
//! batches of some.

use std::collections::HashMap;

use linkspan::{Error, ErrorKind, Result};

use super::{Column, Columns, blank};
use crate::reader::{Entry, Message, Reader, Room};

/// Bytes that a batch takes, about, unless one message has more: what writes files holds some times as much of it.
pub const BATCH: u64 = 16 << 20;
/// Rows that are looked at together for the columns of all batches: a message may bring thousands of columns, which all
/// of them have then.
pub const LOOKED_AT: usize = 1_024;
/// Rows of a batch.
const ROWS: usize = 65_536;
/// Bytes that the batches of all names take together, about.
const TOGETHER: u64 = 4 * BATCH;

/// What the columns of many tables take, and cells without a value in them: bounded for all tables of a recording
/// together.
#[derive(Debug)]
pub struct Budget {
    room: Room,
    columns: u64,
    blank: u64,
}

impl Budget {
    /// That of a recording of this size.
    pub fn of(room: Room) -> Budget {
        Budget { room, columns: 0, blank: 0 }
    }

    /// Takes what the columns of a table have come to take.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn take_columns(&mut self, before: u64, now: u64) -> Result<()> {
        let more = self.columns.saturating_add(now.saturating_sub(before));
        if more > self.room.held {
            let text = format!(
                "with this one the columns of all tables would take more than the {} bytes that there are for a recording of this size: choose some names, or give a larger max_message_size",
                self.room.held
            );
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        self.columns = more;
        Ok(())
    }

    /// Gives back what the columns of a table took that is not written.
    pub fn give_back(&mut self, columns: u64) {
        self.columns = self.columns.saturating_sub(columns);
    }

    /// Takes the cells without a value that a table has.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn take_blank(&mut self, rows: u64, fields: usize, values: u64) -> Result<()> {
        let room = Room { blank: self.room.blank.saturating_sub(self.blank), ..self.room };
        super::blank_cells(rows, fields, values, room)?;
        self.blank = self.blank.saturating_add(blank(rows, fields, values));
        Ok(())
    }
}

/// A batch of the table of a name: the name, the columns, the number of rows.
pub type Batch = (String, Vec<Column>, usize);

/// The tables of some names.
#[derive(Debug)]
pub struct Tables {
    /// The columns of each name, or why it has no table.
    names: HashMap<String, Result<Columns>>,
    /// Bytes of rows that are held, about.
    held: u64,
}

impl Tables {
    /// Those of these names, whose columns a first pass over a recording finds: each has `message` where `is_chosen`
    /// says so.
    ///
    /// # Errors
    /// Those of the file system. What one name has ends no table of another one: see [`Tables::refused`].
    pub fn find(
        reader: &mut Reader,
        names: impl IntoIterator<Item = String>,
        is_chosen: impl Fn(&Message<'_>) -> bool,
    ) -> Result<Tables> {
        let limits = reader.message_limits();
        let columns = || Columns::default().of_messages(limits);
        let names = names.into_iter().map(|name| (name, Ok(columns()))).collect();
        let mut tables = Tables { names, held: 0 };
        let mut budget = Budget::of(reader.room());
        while let Some(entry) = reader.read()? {
            let Entry::Message(message) = entry else { continue };
            let Some(found) = tables.names.get_mut(&message.channel.topic) else { continue };
            let Ok(columns) = found else { continue };
            if !is_chosen(&message) {
                continue;
            }
            let (taken, held) = (columns.described(), columns.held_now());
            let added = columns.add(&message).and_then(|()| budget.take_columns(taken, columns.described()));
            match added {
                Ok(()) if columns.rows() >= LOOKED_AT || columns.held_now() >= BATCH => {
                    drop(columns.take());
                }
                Ok(()) => {}
                Err(error) => {
                    budget.give_back(taken);
                    tables.held = tables.held.saturating_sub(held);
                    *found = Err(error);
                    continue;
                }
            }
            tables.held = tables.held.saturating_sub(held).saturating_add(columns.held_now());
            if tables.held > TOGETHER {
                drop(tables.largest());
            }
        }
        while tables.largest().is_some() {}
        for found in tables.names.values_mut() {
            if let Ok(columns) = found
                && let Err(error) = columns.check_blank_of_all(&mut budget)
            {
                *found = Err(error);
            }
        }
        Ok(tables)
    }

    /// Why a name has no table.
    pub fn refused(&self, name: &str) -> Option<&Error> {
        self.names.get(name)?.as_ref().err()
    }

    /// Returns the next batch of one of the names that are chosen; `None` at the end.
    ///
    /// # Errors
    /// Those of the file system, and of [`Columns::add`].
    pub fn next(
        &mut self,
        reader: &mut Reader,
        is_chosen: impl Fn(&Message<'_>) -> bool,
    ) -> Result<Option<Batch>> {
        while let Some(entry) = reader.read()? {
            let Entry::Message(message) = entry else { continue };
            let Some(Ok(columns)) = self.names.get_mut(&message.channel.topic) else { continue };
            if !is_chosen(&message) {
                continue;
            }
            let held = columns.held_now();
            columns.add(&message)?;
            self.held = self.held.saturating_sub(held).saturating_add(columns.held_now());
            if columns.rows() >= ROWS || columns.held_now() >= BATCH {
                let (rows, held) = (columns.rows(), columns.held_now());
                self.held = self.held.saturating_sub(held);
                return Ok(Some((message.channel.topic.clone(), columns.take(), rows)));
            }
            if self.held > TOGETHER {
                break;
            }
        }
        Ok(self.largest())
    }

    /// Takes the batch that holds most, where one holds anything.
    fn largest(&mut self) -> Option<Batch> {
        let with_rows = self.names.iter_mut().filter_map(|(name, found)| {
            let columns = found.as_mut().ok()?;
            (columns.rows() > 0).then_some((name, columns))
        });
        let (name, columns) = with_rows.max_by_key(|(_, columns)| columns.held_now())?;
        self.held = self.held.saturating_sub(columns.held_now());
        let rows = columns.rows();
        Some((name.clone(), columns.take(), rows))
    }
}
