//! Decodes the escapes of JSON, BSON and Smile back to values: see `escape` for the rule.
//!
//! The state gives the next event its meaning, and the stack of open containers gives the state after an end. A map of
//! one entry is held back until its key shows whether it is an escape. Content without the escape's form is
//! `Malformed`, even in a map that only looks like an escape: a sender writes such a map inside `$map`.

mod ndarray;
mod scalar;

use self::ndarray::NdArrayFields;
use self::scalar::malformed;
use super::escape::name;
use crate::error::{Error, Result, quoted};
use crate::value::Stack;
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq)]
enum NextEvent {
    /// A value, a key or an end that is passed on unchanged.
    Plain,
    /// The key of a map of one entry, which may be an escape.
    Undecided,
    /// The content of the escape of this name: one scalar.
    Scalar(&'static str),
    /// The content of `$map`: a map or a list of pairs.
    Map,
    /// The content of `$ndarray`, or an event inside it.
    NdArray,
    /// The end of the map of an escape.
    EndOfEscape,
    Pair,
    PairKey,
    EndOfPair,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OpenEscape {
    /// An array or map that was passed on.
    Passed,
    /// The map inside a `$map`.
    Wrapped,
    /// The list of pairs inside a `$map`.
    List,
    Pair,
    Escape,
}

pub(crate) struct Unescape<S> {
    inner: S,
    state: NextEvent,
    open: Stack<OpenEscape>,
    /// The fields of the open `$ndarray`; boxed because few messages have one.
    fields: Option<Box<NdArrayFields>>,
    /// Whether the top of the document may be a `$value`: only in BSON.
    wrapped_top: bool,
}

impl<S: Sink> Unescape<S> {
    pub(crate) fn new(inner: S) -> Unescape<S> {
        Unescape { inner, state: NextEvent::Plain, open: Stack::new(), fields: None, wrapped_top: false }
    }

    pub(crate) fn into_inner(self) -> S {
        self.inner
    }

    /// Returns this sink for BSON, whose top is always a map: `{"$value": …}` is any other value.
    pub(crate) fn with_wrapped_top(self) -> Unescape<S> {
        Unescape { wrapped_top: true, ..self }
    }

    /// Returns whether the next value passes unchanged, and then sets the state after it.
    fn passes(&mut self) -> bool {
        if self.state != NextEvent::Plain {
            return false;
        }
        if self.open.last().copied() == Some(OpenEscape::Pair) {
            self.state = NextEvent::EndOfPair;
        }
        true
    }

    fn ended(&mut self) {
        self.state = match self.open.last().copied() {
            Some(OpenEscape::Pair) => NextEvent::EndOfPair,
            Some(OpenEscape::List) => NextEvent::Pair,
            Some(OpenEscape::Escape) => NextEvent::EndOfEscape,
            _ => NextEvent::Plain,
        };
    }

    #[cold]
    fn misplaced(&self, found: &str) -> Error {
        malformed(match self.state {
            NextEvent::Scalar(name) => format!("{name} holds no {found}"),
            NextEvent::Map => format!("$map holds a map or a list of pairs, {found} was found"),
            NextEvent::Pair => format!("the list of $map holds pairs of key and value, {found} was found"),
            NextEvent::PairKey => format!("a pair of $map begins with its key, {found} was found"),
            NextEvent::EndOfPair => "a pair of $map has two items".to_owned(),
            state => format!("{found} is not allowed here ({state:?})"),
        })
    }

    fn decide(&mut self, key: &str) -> Result<()> {
        if !key.starts_with('$') {
            self.open.push(OpenEscape::Passed);
            self.state = NextEvent::Plain;
            self.inner.begin_map(1)?;
            return self.inner.key(key);
        }
        self.escape(key)
    }

    fn escape(&mut self, key: &str) -> Result<()> {
        let top = self.open.is_empty();
        self.open.push(OpenEscape::Escape);
        self.state = match key {
            name::MAP => NextEvent::Map,
            name::NDARRAY => {
                self.fields = Some(Box::default());
                NextEvent::NdArray
            }
            name::VALUE if top && self.wrapped_top => NextEvent::Plain,
            _ => match scalar::NAMES.into_iter().find(|name| *name == key) {
                Some(name) => NextEvent::Scalar(name),
                None => {
                    let text = format!(
                        "{key} is not an escape; a map with this one key is written inside $map",
                        key = quoted(key)
                    );
                    return Err(malformed(text));
                }
            },
        };
        Ok(())
    }

    fn other(&mut self, found: scalar::EscapedScalar<'_>) -> Result<()> {
        match self.state {
            NextEvent::Scalar(name) => {
                scalar::send(name, found, &mut self.inner)?;
                self.state = NextEvent::EndOfEscape;
                Ok(())
            }
            NextEvent::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.scalar(found, &mut self.inner),
                None => Err(self.misplaced(found.name())),
            },
            NextEvent::PairKey => match found {
                scalar::EscapedScalar::Text(key) => {
                    self.state = NextEvent::Plain;
                    self.inner.key(key)
                }
                found => Err(self.misplaced(found.name())),
            },
            _ => Err(self.misplaced(found.name())),
        }
    }
}

impl<S: Sink> Sink for Unescape<S> {
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.inner.hold(bytes)
    }
    fn release(&mut self, bytes: usize) {
        self.inner.release(bytes);
    }
    #[inline]
    fn null(&mut self) -> Result<()> {
        if self.passes() { self.inner.null() } else { self.other(scalar::EscapedScalar::Other("null")) }
    }
    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        if self.passes() { self.inner.bool(value) } else { self.other(scalar::EscapedScalar::Other("bool")) }
    }
    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        if self.passes() { self.inner.int(value) } else { self.other(scalar::EscapedScalar::Int(value)) }
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        if self.passes() { self.inner.uint(value) } else { self.other(scalar::EscapedScalar::Uint(value)) }
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        if self.passes() {
            self.inner.big_int(value)
        } else {
            self.other(scalar::EscapedScalar::Other("big integer"))
        }
    }
    #[inline]
    fn float(&mut self, value: f64) -> Result<()> {
        if self.passes() {
            self.inner.float(value)
        } else {
            self.other(scalar::EscapedScalar::Other("float"))
        }
    }
    fn text(&mut self, value: &str) -> Result<()> {
        if self.passes() { self.inner.text(value) } else { self.other(scalar::EscapedScalar::Text(value)) }
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        if self.passes() { self.inner.bytes(value) } else { self.other(scalar::EscapedScalar::Bytes(value)) }
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        if self.passes() {
            self.inner.timestamp(value)
        } else {
            self.other(scalar::EscapedScalar::Other("timestamp"))
        }
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        if self.passes() { self.inner.uuid(value) } else { self.other(scalar::EscapedScalar::Other("UUID")) }
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        if self.passes() {
            self.inner.decimal(value)
        } else {
            self.other(scalar::EscapedScalar::Other("decimal number"))
        }
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        if self.passes() {
            self.inner.ndarray(value)
        } else {
            self.other(scalar::EscapedScalar::Other("N-d array"))
        }
    }

    fn begin_array(&mut self, len: usize) -> Result<()> {
        match self.state {
            NextEvent::Plain => {
                self.open.push(OpenEscape::Passed);
                self.inner.begin_array(len)
            }
            NextEvent::Map => {
                self.open.push(OpenEscape::List);
                self.state = NextEvent::Pair;
                self.inner.begin_map(len)
            }
            NextEvent::Pair if len == 2 => {
                self.open.push(OpenEscape::Pair);
                self.state = NextEvent::PairKey;
                Ok(())
            }
            NextEvent::Pair => Err(malformed("a pair of $map has two items")),
            NextEvent::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.begin_array(),
                None => Err(self.misplaced("array")),
            },
            _ => Err(self.misplaced("array")),
        }
    }

    fn end_array(&mut self) -> Result<()> {
        // Only the shape is an array in `$ndarray`; its end changes nothing.
        if self.state == NextEvent::NdArray {
            return Ok(());
        }
        let closed = self.open.pop();
        self.ended();
        match closed {
            Some(OpenEscape::List) => self.inner.end_map(),
            Some(OpenEscape::Pair) => Ok(()),
            _ => self.inner.end_array(),
        }
    }

    #[inline]
    fn begin_map(&mut self, len: usize) -> Result<()> {
        match self.state {
            NextEvent::Plain if len == 1 => {
                self.state = NextEvent::Undecided;
                Ok(())
            }
            NextEvent::Plain => {
                self.open.push(OpenEscape::Passed);
                self.inner.begin_map(len)
            }
            NextEvent::Map => {
                self.open.push(OpenEscape::Wrapped);
                self.state = NextEvent::Plain;
                self.inner.begin_map(len)
            }
            NextEvent::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.begin_map(len),
                None => Err(self.misplaced("map")),
            },
            _ => Err(self.misplaced("map")),
        }
    }

    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        match self.state {
            NextEvent::Plain => self.inner.key(key),
            NextEvent::Undecided => self.decide(key),
            NextEvent::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.key(key),
                None => Err(self.misplaced("key")),
            },
            _ => Err(self.misplaced("key")),
        }
    }

    #[inline]
    fn end_map(&mut self) -> Result<()> {
        if self.state == NextEvent::NdArray
            && let Some(fields) = self.fields.take()
        {
            fields.finish(&mut self.inner)?;
            self.state = NextEvent::EndOfEscape;
            return Ok(());
        }
        let closed = self.open.pop();
        self.ended();
        match closed {
            Some(OpenEscape::Escape) => Ok(()),
            _ => self.inner.end_map(),
        }
    }
}
