//! Builds tables of many names in batches. A first pass finds the columns, the second fills them.

use std::collections::HashMap;

use linkspan::{Error, ErrorKind, Result};

use super::{Column, Columns, blank};
use crate::reader::{Entry, Reader, Room};

/// Approximate bytes of a batch. Writers of files need several times as much.
pub const BATCH: u64 = 16 << 20;
/// The most rows per look for columns: one message can add thousands, which all rows have.
pub const LOOKED_AT: usize = 1_024;
/// The most rows of a batch.
const ROWS: usize = 65_536;
/// Approximate bytes of all batches.
const TOGETHER: u64 = 4 * BATCH;

/// Limits the columns and the empty cells of all tables together.
#[derive(Debug)]
pub struct Budget {
    room: Room,
    columns: u64,
    blank: u64,
}

impl Budget {
    /// Returns the budget of a recording with this room.
    pub fn of(room: Room) -> Budget {
        Budget { room, columns: 0, blank: 0 }
    }

    /// Takes the growth of a table's columns.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit.
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

    /// Returns an unwritten table's columns.
    pub fn give_back(&mut self, columns: u64) {
        self.columns = self.columns.saturating_sub(columns);
    }

    /// Takes the empty cells of a table.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit.
    pub fn take_blank(&mut self, rows: u64, fields: usize, values: u64) -> Result<()> {
        let room = Room { blank: self.room.blank.saturating_sub(self.blank), ..self.room };
        super::blank_cells(rows, fields, values, room)?;
        self.blank = self.blank.saturating_add(blank(rows, fields, values));
        Ok(())
    }
}

/// Name, columns, number of rows.
pub type Batch = (String, Vec<Column>, usize);

/// Messages without a row: undecodable, or beyond the limits.
#[derive(Debug)]
struct LeftOut {
    count: u64,
    /// Why the first one is left out.
    first: Error,
    /// Ranges of places among the name's messages, with exclusive ends.
    places: Vec<(u64, u64)>,
}

const PLACES: u64 = 16;

impl LeftOut {
    fn has(&self, place: u64) -> bool {
        let behind = self.places.partition_point(|(first, _)| *first <= place);
        behind.checked_sub(1).and_then(|at| self.places.get(at)).is_some_and(|(_, end)| place < *end)
    }

    /// Adds a later place; returns the added bytes.
    fn add(&mut self, place: u64) -> u64 {
        self.count = self.count.saturating_add(1);
        let end = place.saturating_add(1);
        match self.places.last_mut() {
            Some((_, last)) if *last == place => *last = end,
            _ => {
                self.places.push((place, end));
                return PLACES;
            }
        }
        0
    }
}

#[derive(Debug)]
struct OfName {
    /// Its columns, or the reason for a missing table.
    columns: Result<Columns>,
    left_out: Option<LeftOut>,
    /// The name's messages in this pass.
    seen: u64,
    has_rows: bool,
}

impl OfName {
    /// Leaves a message out; returns the added bytes.
    fn leave_out(&mut self, place: u64, error: Error) -> u64 {
        let none = || LeftOut { count: 0, first: error, places: Vec::new() };
        self.left_out.get_or_insert_with(none).add(place)
    }
}

/// The tables of some names.
#[derive(Debug)]
pub struct Tables {
    names: HashMap<String, OfName>,
    held: u64,
}

impl Tables {
    /// Finds these names' columns in a first pass. `is_chosen` selects the messages.
    ///
    /// # Errors
    /// Errors of the file system. An error of one name does not affect others: see [`Tables::refused`].
    pub fn find(
        reader: &mut Reader,
        names: impl IntoIterator<Item = String>,
        mut is_chosen: impl FnMut(&Entry<'_>) -> bool,
    ) -> Result<Tables> {
        let limits = reader.message_limits();
        let of_name = || OfName {
            columns: Ok(Columns::default().of_messages(limits)),
            left_out: None,
            seen: 0,
            has_rows: false,
        };
        let names = names.into_iter().map(|name| (name, of_name())).collect();
        let mut tables = Tables { names, held: 0 };
        let mut budget = Budget::of(reader.room());
        while let Some(entry) = reader.read()? {
            let is_chosen = is_chosen(&entry);
            let Entry::Message(message) = entry else { continue };
            let Some(of_name) = tables.names.get_mut(&message.channel.topic) else { continue };
            let Ok(columns) = &mut of_name.columns else { continue };
            if !is_chosen {
                continue;
            }
            let place = of_name.seen;
            of_name.seen = place.saturating_add(1);
            let (taken, held) = (columns.described(), columns.held_now());
            let added = columns.add(&message);
            let now = columns.described();
            if added.is_ok() && (columns.rows() >= LOOKED_AT || columns.held_now() >= BATCH) {
                drop(columns.take());
            }
            let now_held = columns.held_now();
            let more = match added {
                Ok(()) => {
                    of_name.has_rows = true;
                    0
                }
                // An invalid message does not affect other rows.
                Err(error) => of_name.leave_out(place, error),
            };
            tables.held = tables.held.saturating_sub(held);
            if let Err(error) = budget.take_columns(taken, now.saturating_add(more)) {
                budget.give_back(taken);
                of_name.columns = Err(error);
                continue;
            }
            tables.held = tables.held.saturating_add(now_held);
            if tables.held > TOGETHER {
                drop(tables.largest());
            }
        }
        while tables.largest().is_some() {}
        for of_name in tables.names.values_mut() {
            let Ok(columns) = &of_name.columns else { continue };
            let blank = columns.check_blank_of_all(&mut budget);
            match (&of_name.left_out, blank) {
                (Some(left_out), _) if !of_name.has_rows => of_name.columns = Err(left_out.first.clone()),
                (_, Err(error)) => of_name.columns = Err(error),
                _ => {}
            }
        }
        Ok(tables)
    }

    /// Returns why a table is missing.
    pub fn refused(&self, name: &str) -> Option<&Error> {
        self.names.get(name)?.columns.as_ref().err()
    }

    /// Returns the count of a name's messages without a row, and the first reason.
    pub fn left_out(&self, name: &str) -> Option<(u64, &Error)> {
        self.names.get(name)?.left_out.as_ref().map(|left_out| (left_out.count, &left_out.first))
    }

    /// Begins another pass.
    pub fn restart(&mut self) {
        self.names.values_mut().for_each(|of_name| of_name.seen = 0);
    }

    /// Returns the next batch of any name; `None` at the end. `is_chosen` selects the messages.
    ///
    /// # Errors
    /// Errors of the file system, and of [`Columns::add`].
    pub fn next(
        &mut self,
        reader: &mut Reader,
        mut is_chosen: impl FnMut(&Entry<'_>) -> bool,
    ) -> Result<Option<Batch>> {
        while let Some(entry) = reader.read()? {
            let is_chosen = is_chosen(&entry);
            let Entry::Message(message) = entry else { continue };
            let Some(of_name) = self.names.get_mut(&message.channel.topic) else { continue };
            let Ok(columns) = &mut of_name.columns else { continue };
            if !is_chosen {
                continue;
            }
            let place = of_name.seen;
            of_name.seen = place.saturating_add(1);
            if of_name.left_out.as_ref().is_some_and(|left_out| left_out.has(place)) {
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

    fn largest(&mut self) -> Option<Batch> {
        let with_rows = self.names.iter_mut().filter_map(|(name, of_name)| {
            let columns = of_name.columns.as_mut().ok()?;
            (columns.rows() > 0).then_some((name, columns))
        });
        let (name, columns) = with_rows.max_by_key(|(_, columns)| columns.held_now())?;
        self.held = self.held.saturating_sub(columns.held_now());
        let rows = columns.rows();
        Some((name.clone(), columns.take(), rows))
    }
}
