//! The state of a writer: the tape, what is open on it, and the first error.

use std::collections::HashSet;

use linkspan::value::repeated_key;
use linkspan::{Error, ErrorKind, Limits, Result};

use crate::tape::{Event, Slice, Tape};

/// The state of a writer.
#[derive(Default)]
pub(crate) struct Writer {
    pub(super) tape: Tape,
    open: Vec<Open>,
    pub(super) error: Option<Error>,
}

/// An open array or map.
struct Open {
    at: usize,
    count: usize,
    is_map: bool,
    /// One bit per key, from its length and its ends: two keys with different bits differ.
    keys: u64,
    /// Whether two keys shared a bit, so that all are compared at the end.
    doubtful: bool,
}

impl Writer {
    /// Notes that a value follows, and records its key.
    #[inline]
    pub(super) fn place(&mut self, key: Option<&str>) -> Result<Slice> {
        let Some(open) = self.open.last_mut() else {
            return match (self.tape.entries().is_empty(), key) {
                (true, None) => Ok(Slice::default()),
                (true, Some(key)) => Err(state(format!(
                    "the key {key:?} was given outside of a map: begin one with linkspan_writer_begin_map"
                ))),
                (false, _) => Err(state(
                    "the value is whole already: end it with linkspan_writer_finish or linkspan_writer_encode"
                        .into(),
                )),
            };
        };
        open.count += 1;
        match (open.is_map, key) {
            (true, Some(key)) => {
                let (first, last) = (key.as_bytes().first(), key.as_bytes().last());
                let ends = usize::from(*first.unwrap_or(&0)) * 7 + usize::from(*last.unwrap_or(&0)) * 3;
                let bit = 1 << ((ends + key.len() * 11) % 64);
                open.doubtful |= open.keys & bit != 0;
                open.keys |= bit;
                Ok(self.tape.keep(key.as_bytes()))
            }
            (false, None) => Ok(Slice::default()),
            (true, None) => Err(state("a value in a map needs a key, NULL was given".into())),
            (false, Some(key)) => {
                Err(state(format!("the values of an array have a NULL key, {key:?} was given")))
            }
        }
    }

    pub(super) fn begin(&mut self, key: Option<&str>, is_map: bool) -> Result<()> {
        let limit = Limits::default().depth as usize;
        if self.open.len() >= limit {
            let text = format!("over the depth limit: {limit} levels of nested arrays and maps are allowed");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let key = self.place(key)?;
        self.open.push(Open { at: self.tape.entries().len(), count: 0, is_map, keys: 0, doubtful: false });
        let (count, after) = (0, 0);
        self.tape.push(key, if is_map { Event::Map { count, after } } else { Event::Array { count, after } });
        Ok(())
    }

    pub(super) fn end(&mut self) -> Result<()> {
        let open = self.open.pop().ok_or_else(|| state("no array or map is open".into()))?;
        self.tape.close(open.at, open.count);
        if !open.doubtful {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let mut next = open.at + 1;
        while let Some(entry) = self.tape.entries().get(next) {
            if !seen.insert(self.tape.bytes(entry.key)) {
                return Err(repeated_key(self.tape.text(entry.key)?));
            }
            next = match entry.event {
                Event::Array { after, .. } | Event::Map { after, .. } => after,
                _ => next + 1,
            };
        }
        Ok(())
    }

    /// How many arrays and maps are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Ends the value: returns the first error, or the tape if the value is complete.
    pub(super) fn whole(&mut self) -> Result<&mut Tape> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if !self.open.is_empty() {
            let text = format!(
                "{} arrays or maps are still open; call linkspan_writer_end for each",
                self.open.len()
            );
            return Err(state(text));
        }
        if self.tape.entries().is_empty() {
            return Err(state("nothing was written: put a value first".into()));
        }
        Ok(&mut self.tape)
    }

    /// Adds the path to an error: this key, in the innermost `depth` open arrays and maps.
    #[cold]
    pub(super) fn locate(&self, error: Error, key: Option<&str>, depth: usize) -> Error {
        let open = &self.open[..depth.min(self.open.len())];
        let mut error = match (key, open.last()) {
            (Some(key), _) => error.under_key(key),
            (None, Some(array)) if !array.is_map => error.under_index(array.count.saturating_sub(1)),
            _ => error,
        };
        for (at, inner) in open.iter().enumerate().skip(1).rev() {
            error = match &open[at - 1] {
                around if around.is_map => match self.tape.text(self.tape.entries()[inner.at].key) {
                    Ok(key) => error.under_key(key),
                    Err(_) => error,
                },
                around => error.under_index(around.count.saturating_sub(1)),
            };
        }
        error
    }

    /// Removes the value and the error.
    pub(super) fn begin_anew(&mut self) {
        self.tape.clear();
        self.open.clear();
        self.error = None;
    }
}

#[cold]
fn state(text: String) -> Error {
    Error::new(ErrorKind::InvalidState, text)
}
