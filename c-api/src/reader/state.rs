//! The state of a reader: its place on the tape, what is open there, and the first error.

use linkspan::{Error, ErrorKind, Result};

use super::names::{LINKSPAN_REQUIRED, Names};
use crate::field_set::FieldSet;
use crate::tape::{Entry, Event, Tape};

/// The state of a reader.
#[derive(Default)]
pub(crate) struct Reader {
    pub(super) tape: Tape,
    pub(super) next: usize,
    open: Vec<Open>,
    pub(super) error: Option<Error>,
}

/// An open array or map.
#[derive(Default)]
struct Open {
    is_map: bool,
    count: usize,
    taken: usize,
    /// The position of the next value once all before it have been read.
    next: usize,
    after: usize,
    /// The position of the next field in the table of names if the writer kept the order.
    expected: usize,
    /// The fields that were read.
    seen: FieldSet,
}

impl Reader {
    pub(super) fn begin_with(&mut self, record: impl FnOnce(&mut Tape) -> Result<()>) -> Result<()> {
        (self.next, self.error) = (0, None);
        self.open.clear();
        record(&mut self.tape).inspect_err(|_| self.tape.clear())
    }

    /// The next event, which is not consumed.
    #[inline]
    pub(super) fn peek(&self) -> Result<Entry> {
        let full = self.open.last().is_some_and(|open| open.taken >= open.count);
        match self.tape.entries().get(self.next) {
            Some(entry) if !full => Ok(*entry),
            _ if self.tape.entries().is_empty() => Err(state(
                "the reader has no value: begin with linkspan_reader_message or linkspan_reader_decode",
            )),
            _ => Err(state("all values here were read already")),
        }
    }

    /// Whether the innermost open value is a map.
    pub(super) fn is_in_map(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_map)
    }

    /// Consumes the event.
    #[inline]
    pub(super) fn take(&mut self, entry: &Entry) {
        self.next = match entry.event {
            Event::Array { after, .. } | Event::Map { after, .. } => after,
            _ => self.next + 1,
        };
        if let Some(open) = self.open.last_mut() {
            open.taken += 1;
        }
    }

    pub(super) fn begin(&mut self, is_map: bool) -> Result<usize> {
        let entry = self.peek()?;
        let (count, after) = match entry.event {
            Event::Map { count, after } if is_map => (count, after),
            Event::Array { count, after } if !is_map => (count, after),
            other => return Err(wrong(if is_map { "a map" } else { "a list" }, other)),
        };
        self.next += 1;
        self.open.push(Open { is_map, count, after, next: self.next, ..Open::default() });
        Ok(count)
    }

    pub(super) fn end(&mut self) -> Result<()> {
        let open = self.open.pop().ok_or_else(|| state("no list or map is open"))?;
        self.next = open.after;
        if let Some(around) = self.open.last_mut() {
            around.taken += 1;
        }
        Ok(())
    }

    /// The position of the next field in the table of names; `None` at the end, which fails if a required
    /// field is missing.
    #[inline]
    pub(super) fn field(&mut self, names: &Names<'_>, rules: &[i32]) -> Result<Option<usize>> {
        let Reader { tape, open, next, .. } = self;
        let Some(open) = open.last_mut().filter(|open| open.is_map) else {
            return Err(state("no map is open: begin it with linkspan_reader_begin_map"));
        };
        while open.taken < open.count {
            let Some(entry) = tape.entries().get(*next) else { break };
            let key = tape.bytes(entry.key);
            let found = if names.is(open.expected, key) { Some(open.expected) } else { names.position(key) };
            let Some(at) = found else {
                // A newer writer may send fields that this program does not have.
                *next = match entry.event {
                    Event::Array { after, .. } | Event::Map { after, .. } => after,
                    _ => *next + 1,
                };
                open.taken += 1;
                continue;
            };
            open.expected = at + 1;
            let field = rules.get(at).and_then(|rule| usize::try_from(*rule).ok()).unwrap_or(at);
            if !open.seen.insert(field) {
                let text = format!("the field {} comes twice, under a name and an alias", names.text(field));
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            return Ok(Some(field));
        }
        let missing = rules
            .iter()
            .enumerate()
            .find(|(at, rule)| **rule == LINKSPAN_REQUIRED && !open.seen.contains(*at));
        match missing {
            None => Ok(None),
            Some((at, _)) => {
                let text = format!("the field {} is missing", names.text(at));
                Err(Error::new(ErrorKind::Missing, text))
            }
        }
    }

    /// Adds the path to an error.
    #[cold]
    pub(super) fn locate(&self, mut error: Error) -> Error {
        for (depth, open) in self.open.iter().enumerate().rev() {
            let at = match self.open.get(depth + 1) {
                None => self.next,
                Some(inner) => inner.next - 1,
            };
            if open.taken >= open.count {
                continue;
            }
            error = match self.tape.entries().get(at) {
                Some(entry) if open.is_map => match self.tape.text(entry.key) {
                    Ok(key) => error.under_key(key),
                    Err(_) => error,
                },
                _ => error.under_index(open.taken),
            };
        }
        error
    }
}

#[cold]
pub(super) fn state(text: &str) -> Error {
    Error::new(ErrorKind::InvalidState, text.to_owned())
}

#[cold]
pub(super) fn wrong(expected: &str, found: Event) -> Error {
    let found = match found {
        Event::Null => "null",
        Event::Bool(_) => "a bool",
        Event::Int(_) | Event::Uint(_) => "an integer",
        Event::BigInt(..) => "an integer beyond 64 bits",
        Event::Float(_) => "a float",
        Event::Text(_) => "text",
        Event::Bytes(_) => "bytes",
        Event::Timestamp(_) => "a timestamp",
        Event::Uuid(_) => "a UUID",
        Event::Decimal(_) => "a decimal number",
        Event::NdArray { .. } => "an N-d array",
        Event::Array { .. } => "a list",
        Event::Map { .. } => "a map",
    };
    Error::new(ErrorKind::WrongType, format!("{expected} is expected, {found} was found"))
}

#[cold]
pub(super) fn out_of_range(expected: &str, found: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::OutOfRange, format!("{expected} is expected, {found} was found"))
}
