//! The content of a message: a value that is built, encoded or received.

use std::sync::OnceLock;

use linkspan::codec::{FlatItem, FlatMapBuilder, FlatValue};
use linkspan::{Encoding, Message, Request, Result, Value, codec};

use crate::tree::Tree;

pub(super) const HELD: Encoding = Encoding::Cbor;

#[derive(Default)]
pub(crate) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// Whether another placement of arrays would change the bytes.
    pub(super) has_arrays: bool,
    pub(super) value: OnceLock<Value>,
}

pub(crate) enum State {
    /// A short map of scalars in CBOR, with its tree once needed. Null before the first entry.
    Flat(FlatMapBuilder, OnceLock<Value>),
    /// Any other value that is being built or was decoded.
    Tree(Tree),
    Encoded(Encoded),
    Received(Message),
    /// A request without a reply.
    Request(Request),
}

static NULL: Value = Value::Null;

impl State {
    pub(super) const fn empty() -> State {
        State::Flat(FlatMapBuilder::new(), OnceLock::new())
    }

    /// Makes it an empty value, and keeps the memory.
    pub(super) fn clear(&mut self) {
        match self {
            State::Flat(map, value) => {
                map.clear();
                value.take();
            }
            State::Tree(tree) => tree.clear(),
            other => *other = State::empty(),
        }
    }

    /// Converts a flat map; `None` for a received or encoded message.
    pub(super) fn tree(&mut self) -> Result<Option<&mut Tree>> {
        if let State::Flat(map, value) = self {
            let tree = match value.take() {
                _ if map.is_empty() => Tree::default(),
                Some(value) => Tree::begun(value),
                None => Tree::begun(codec::decode(map.bytes(), HELD)?),
            };
            *self = State::Tree(tree);
        }
        match self {
            State::Tree(tree) => Ok(Some(tree)),
            _ => Ok(None),
        }
    }

    /// Returns `None` for values outside a short map, or if `what` refuses the scalar.
    #[inline]
    pub(super) fn scalar<T>(&self, path: &str, what: impl FnOnce(FlatValue<'_>) -> Option<T>) -> Option<T> {
        if let State::Flat(map, _) = self {
            return what(map.get(path)?);
        }
        let message = self.arrived()?;
        if let Some(map) = message.flat() {
            return what(map.get(path)?);
        }
        message.flat_item(path, |item| if let FlatItem::Scalar(value) = item { what(value) } else { None })?
    }

    pub(super) fn value(&self) -> Result<&Value> {
        match self {
            State::Flat(map, value) => match value.get() {
                _ if map.is_empty() => Ok(&NULL),
                Some(value) => Ok(value),
                None => {
                    let made = codec::decode(map.bytes(), HELD)?;
                    Ok(value.get_or_init(|| made))
                }
            },
            State::Tree(tree) => Ok(tree.so_far()),
            State::Encoded(encoded) => match encoded.value.get() {
                Some(value) => Ok(value),
                None => {
                    let made = codec::decode(&encoded.bytes, HELD)?;
                    Ok(encoded.value.get_or_init(|| made))
                }
            },
            State::Received(message) => message.value(),
            State::Request(request) => request.value(),
        }
    }

    pub(super) fn whole(&self) -> Result<&Value> {
        match self {
            State::Tree(tree) => tree.whole(),
            arrived => arrived.value(),
        }
    }

    pub(super) fn arrived(&self) -> Option<&Message> {
        match self {
            State::Flat(..) | State::Tree(_) | State::Encoded(_) => None,
            State::Received(message) => Some(message),
            State::Request(request) => Some(request.message()),
        }
    }
}
