//! Several messages in one call. An exception of the iterable ends the batch.

use std::collections::VecDeque;

use linkspan::{Error, ErrorKind, Payload, Result};
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::arguments::{is_iterable, refused};
use crate::errors::{Failure, Outcome};
use crate::interpreter::attached;
use crate::walk::Walk;

/// Encodes the items of an iterable in runs, because each fetch attaches the interpreter.
pub struct Encoding<'a, E> {
    items: Py<PyIterator>,
    encode: &'a E,
    ready: VecDeque<Result<Payload>>,
    ended: bool,
    raised: Option<PyErr>,
}

/// The most items, and about the most bytes, encoded in one run.
const SOME: usize = 64;
const BYTES: usize = 1 << 20;

impl<'a, E: Fn(&Walk<'_, '_>) -> Result<Payload>> Encoding<'a, E> {
    pub fn of(values: &Bound<'_, PyAny>, encode: &'a E) -> Outcome<Self> {
        if !is_iterable(values) {
            const GIVE: &str = "a list, or another iterable, of the values to send";
            return Err(refused(ErrorKind::WrongType, "values", values, GIVE));
        }
        let items = values.try_iter()?.unbind();
        Ok(Encoding { items, encode, ready: VecDeque::new(), ended: false, raised: None })
    }

    fn fetch(&mut self, py: Python<'_>) {
        let mut items = self.items.bind(py).clone();
        let mut bytes = 0;
        while !self.ended && self.ready.len() < SOME && bytes < BYTES {
            let next = match items.next() {
                Some(Ok(item)) => Walk::to_send(&item, self.encode),
                Some(Err(raised)) => Err(Failure::Python(raised)),
                None => {
                    self.ended = true;
                    return;
                }
            };
            self.ended = next.is_err();
            self.ready.push_back(match next {
                Ok(payload) => {
                    bytes = payload.len().saturating_add(bytes);
                    Ok(payload)
                }
                Err(Failure::Core(error)) => Err(error),
                Err(Failure::Python(raised)) => {
                    self.raised = Some(raised);
                    Err(Error::new(ErrorKind::Interrupted, "the iterable raised"))
                }
            });
        }
    }

    /// If Python code raised, returns its exception with a note of how many messages were sent.
    pub fn outcome(mut self, py: Python<'_>, done: Outcome<u64>) -> Outcome<u64> {
        match (done, self.raised.take()) {
            (Err(Failure::Core(error)), Some(raised)) if error.kind() == ErrorKind::Interrupted => {
                let note = format!("{} messages of the batch were sent before it", error.sent().unwrap_or(0));
                // If the exception accepts no note, it is raised without one.
                let _ = raised.value(py).call_method1("add_note", (note,));
                Err(Failure::Python(raised))
            }
            (done, _) => done,
        }
    }
}

impl<E: Fn(&Walk<'_, '_>) -> Result<Payload>> Iterator for &mut Encoding<'_, E> {
    type Item = Result<Payload>;

    fn next(&mut self) -> Option<Result<Payload>> {
        if self.ready.is_empty() && !self.ended {
            // At exit the interpreter is gone, and the batch ends.
            self.ended = attached(|py| self.fetch(py)).is_none() || self.ended;
        }
        self.ready.pop_front()
    }
}
