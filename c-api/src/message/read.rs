//! Reads a message's value, with or without a tree.

use std::any::Any;

use linkspan::codec::{FlatItem, FlatValue};
use linkspan::value::{NdArrayRef, Sink, Source};
use linkspan::{Error, ErrorKind, Limits, Message, Request, Result, Value, codec};

use super::linkspan_message;
use super::state::{HELD, State};

/// Adds the path of a nested value to an error.
fn at_path(error: Error, path: &str) -> Error {
    if path.is_empty() { error } else { error.with_path(path) }
}

impl linkspan_message {
    /// Checks a received message as its channel requires.
    pub(crate) fn send_into<S: Sink>(&self, mut sink: S) -> Result<S> {
        let state = self.read_state();
        match (&*state, state.arrived()) {
            (_, Some(message)) => message.walk_into(sink),
            (State::Encoded(encoded), _) => {
                codec::decode_into(&encoded.bytes, HELD, &Limits::default(), sink)
            }
            (other, _) => other.whole()?.walk(&mut sink).map(|()| sink),
        }
    }

    pub(crate) fn look<T>(&self, what: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
        what(self.read_state().value()?)
    }

    /// Reads the value at a path; errors name the path.
    pub(crate) fn look_at<T>(&self, path: &str, what: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
        self.look(|root| what(root.at(path)?).map_err(|e| at_path(e, path)))
    }

    /// Returns `None` outside a short map of scalars and long arrays, or if `what` rejects the value.
    #[inline]
    pub(crate) fn look_flat<T>(
        &self,
        path: &str,
        what: impl FnOnce(FlatValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let state = self.0.state.read();
        state.scalar(path, what)
    }

    /// Returns `None` if the message is not a short map whose long arrays lie in slots.
    pub(crate) fn look_array<T>(
        &self,
        path: &str,
        what: impl FnOnce(NdArrayRef<'_>) -> Result<T>,
    ) -> Option<Result<T>> {
        let state = self.0.state.read();
        let read = |item: FlatItem<'_>| match item {
            FlatItem::Array(array) => Some(what(array).map_err(|e| at_path(e, path))),
            FlatItem::Scalar(_) => None,
        };
        state.arrived()?.flat_item(path, read)?
    }

    pub(crate) fn copy(&self) -> Result<Value> {
        self.read_state().whole().cloned()
    }

    /// Reads the received message; `InvalidState` for a message that was built here.
    pub(crate) fn with_arrived<T>(&self, what: impl FnOnce(&Message) -> Result<T>) -> Result<T> {
        match self.read_state().arrived() {
            Some(message) => what(message),
            None => Err(Error::new(
                ErrorKind::InvalidState,
                "this message was built by the program and not received",
            )),
        }
    }

    /// Always accepts a message that was built here.
    pub(crate) fn check_fingerprint(&self, fingerprint: &str) -> Result<()> {
        self.read_state().arrived().map_or(Ok(()), |message| message.check_fingerprint(fingerprint))
    }

    /// Reads the server's request; `InvalidState` for other messages.
    pub(crate) fn with_request<T>(&self, what: impl FnOnce(&Request) -> Result<T>) -> Result<T> {
        match &*self.read_state() {
            State::Request(request) => what(request),
            _ => Err(Error::new(
                ErrorKind::InvalidState,
                "this message is not a request that a server received",
            )),
        }
    }
}

/// Each method locks the message only for itself, so no lock is held while a call waits after encoding.
impl Source for linkspan_message {
    fn walk<S: Sink + ?Sized>(&self, mut sink: &mut S) -> Result<()> {
        // One decoder for all encoders. For CBOR, the held encoding, the value is appended without a walk.
        let decode = |bytes: &[u8], sink: &mut dyn Sink| {
            codec::decode_into(bytes, HELD, &Limits::default(), sink).map(drop)
        };
        match &*self.read_state() {
            State::Flat(map, value) if value.get().is_none() && !map.is_empty() => {
                decode(map.bytes(), &mut sink)
            }
            State::Encoded(encoded) if encoded.value.get().is_none() => decode(&encoded.bytes, &mut sink),
            state => state.whole()?.walk(sink),
        }
    }
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        match &*self.read_state() {
            State::Flat(map, _) if !map.is_empty() => {
                out.extend_from_slice(map.bytes());
                true
            }
            State::Encoded(encoded) if !encoded.has_arrays => {
                out.extend_from_slice(&encoded.bytes);
                true
            }
            _ => false,
        }
    }
    fn with_any(&self, visit: &mut dyn FnMut(&dyn Any)) {
        if let state @ State::Tree(_) = &*self.read_state()
            && let Ok(value) = state.whole()
        {
            visit(value);
        }
    }
    fn size_hint(&self) -> usize {
        match &*self.read_state() {
            State::Flat(map, _) => map.bytes().len(),
            State::Encoded(encoded) => encoded.bytes.len(),
            _ => 0,
        }
    }
}
