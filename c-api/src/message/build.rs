//! Changes of a message's value: puts, and whole values from a struct.

use std::sync::OnceLock;

use linkspan::codec::{EncodeOptions, FlatValue};
use linkspan::value::{Keys, Source};
use linkspan::{Error, ErrorKind, Result, codec};

use super::linkspan_message;
use super::state::{Encoded, HELD, State};
use crate::tree::Tree;

impl linkspan_message {
    pub(crate) fn build(&self, what: impl FnOnce(&mut Tree) -> Result<()>) -> Result<()> {
        let mut state = self.change()?;
        self.forget_aligned();
        if let Some(tree) = state.tree()? {
            return what(tree);
        }
        let text = match &*state {
            State::Encoded(_) => "a message that a struct is the value of cannot be changed; clear it first",
            _ => "a received message cannot be changed; clear it first",
        };
        Err(Error::new(ErrorKind::InvalidState, text))
    }

    /// Returns false if the message is not flat, or would not stay flat.
    #[inline]
    pub(crate) fn put_flat(&self, key: &str, flat: FlatValue<'_>) -> Result<bool> {
        let mut state = self.change()?;
        if let State::Tree(tree) = &*state
            && tree.is_unused()
        {
            *state = State::empty();
        }
        let State::Flat(map, value) = &mut *state else { return Ok(false) };
        let is_put = map.put(key, flat);
        if is_put && value.get().is_some() {
            value.take();
        }
        Ok(is_put)
    }

    pub(crate) fn take_value(&self, value: linkspan::Value) -> Result<()> {
        let mut state = self.change()?;
        self.forget_aligned();
        *state = State::Tree(Tree::of(value));
        Ok(())
    }

    /// Makes an encoded struct the value, in the memory of the previous one.
    pub(crate) fn take_record(&self, from: &impl Source, keys: Keys, has_arrays: bool) -> Result<()> {
        let mut state = self.change()?;
        self.forget_aligned();
        let mut bytes = match &mut *state {
            State::Encoded(encoded) => std::mem::take(&mut encoded.bytes),
            _ => Vec::with_capacity(256),
        };
        bytes.clear();
        let done = codec::encode_into(from, HELD, &EncodeOptions::default().with_keys(keys), &mut bytes);
        *state = match done {
            Ok(()) => State::Encoded(Encoded { bytes, has_arrays, value: OnceLock::new() }),
            Err(_) => State::empty(),
        };
        done
    }
}
