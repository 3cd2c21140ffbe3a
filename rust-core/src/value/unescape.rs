//! The one escape rule for JSON, BSON and Smile, on the way in: see `escape`.

mod ndarray;
mod scalar;

use self::ndarray::Fields;
use super::escape::name;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::stack::Stack;
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Timestamp};

/// What the next event means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// A value, a key or an end as it is.
    Plain,
    /// The key of a map of one entry: an escape or not.
    Undecided,
    /// The content of an escape that is one scalar.
    Scalar(&'static str),
    /// The content of `$map`.
    Map,
    /// The content of `$ndarray`, or something inside it.
    NdArray,
    /// The end of an escape.
    EndOfEscape,
    /// In the list of `$map`: the next pair, or the end.
    Pair,
    /// In a pair: its key.
    PairKey,
    /// In a pair: its end.
    EndOfPair,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    /// An array or map that was passed on.
    Passed,
    /// The map inside a `$map`.
    Wrapped,
    /// The list inside a `$map`.
    List,
    /// A pair of that list.
    Pair,
    /// The map of one entry that is an escape.
    Escape,
}

/// The Sink that turns escapes into their values on the way to another.
pub(crate) struct Unescape<S> {
    inner: S,
    state: State,
    open: Stack<Open>,
    fields: Option<Box<Fields>>,
    /// Whether the top of the document may be a `$value`.
    wrapped_top: bool,
}

#[cold]
fn malformed(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, text)
}

impl<S: Sink> Unescape<S> {
    pub(crate) fn new(inner: S) -> Unescape<S> {
        Unescape {
            inner,
            state: State::Plain,
            open: Stack::new(Open::Passed),
            fields: None,
            wrapped_top: false,
        }
    }

    /// The sink behind, once the value is complete.
    pub(crate) fn into_inner(self) -> S {
        self.inner
    }

    /// For an encoding whose top is always a map: `{"$value": …}` there stands for the value.
    pub(crate) fn with_wrapped_top(self) -> Unescape<S> {
        Unescape { wrapped_top: true, ..self }
    }

    /// Whether the next value is to be passed on as it is; the state after it is set then.
    #[inline]
    fn passes(&mut self) -> bool {
        if self.state != State::Plain {
            return false;
        }
        if self.open.last() == Some(Open::Pair) {
            self.state = State::EndOfPair;
        }
        true
    }

    /// Says that a container or an escape is complete.
    #[inline]
    fn ended(&mut self) {
        self.state = match self.open.last() {
            Some(Open::Pair) => State::EndOfPair,
            Some(Open::List) => State::Pair,
            Some(Open::Escape) => State::EndOfEscape,
            _ => State::Plain,
        };
    }

    #[cold]
    fn misplaced(&self, found: &str) -> Error {
        malformed(match self.state {
            State::Scalar(name) => format!("{name} holds no {found}"),
            State::Map => format!("$map holds a map or a list of pairs, here is {found}"),
            State::Pair => format!("the list of $map holds pairs of key and value, here is {found}"),
            State::PairKey => format!("a pair of $map begins with its key, here is {found}"),
            State::EndOfPair => "a pair of $map has two items".to_owned(),
            state => format!("{found} stands where it cannot ({state:?})"),
        })
    }

    /// The key of a map of one entry.
    #[inline]
    fn decide(&mut self, key: &str) -> Result<()> {
        if !key.starts_with('$') {
            self.open.push(Open::Passed);
            self.state = State::Plain;
            self.inner.begin_map(1)?;
            return self.inner.key(key);
        }
        self.escape(key)
    }

    fn escape(&mut self, key: &str) -> Result<()> {
        let top = self.open.is_empty();
        self.open.push(Open::Escape);
        self.state = match key {
            name::MAP => State::Map,
            name::NDARRAY => {
                self.fields = Some(Box::default());
                State::NdArray
            }
            name::VALUE if top && self.wrapped_top => State::Plain,
            _ => match scalar::NAMES.into_iter().find(|name| *name == key) {
                Some(name) => State::Scalar(name),
                None => {
                    let text = format!(
                        "{key} is no escape; a map with this one key is written inside $map",
                        key = quoted(key)
                    );
                    return Err(malformed(text));
                }
            },
        };
        Ok(())
    }

    /// A scalar event while something else than a plain value is due.
    fn other(&mut self, found: scalar::Found<'_>) -> Result<()> {
        match self.state {
            State::Scalar(name) => {
                scalar::send(name, found, &mut self.inner)?;
                self.state = State::EndOfEscape;
                Ok(())
            }
            State::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.scalar(found, &mut self.inner),
                None => Err(self.misplaced(found.name())),
            },
            State::PairKey => match found {
                scalar::Found::Text(key) => {
                    self.state = State::Plain;
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
        if self.passes() { self.inner.null() } else { self.other(scalar::Found::Other("null")) }
    }
    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        if self.passes() { self.inner.bool(value) } else { self.other(scalar::Found::Other("bool")) }
    }
    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        if self.passes() { self.inner.int(value) } else { self.other(scalar::Found::Int(value)) }
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        if self.passes() { self.inner.uint(value) } else { self.other(scalar::Found::Uint(value)) }
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        if self.passes() {
            self.inner.big_int(value)
        } else {
            self.other(scalar::Found::Other("big integer"))
        }
    }
    #[inline]
    fn float(&mut self, value: f64) -> Result<()> {
        if self.passes() { self.inner.float(value) } else { self.other(scalar::Found::Other("float")) }
    }
    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        if self.passes() { self.inner.text(value) } else { self.other(scalar::Found::Text(value)) }
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        if self.passes() { self.inner.bytes(value) } else { self.other(scalar::Found::Bytes(value)) }
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        if self.passes() {
            self.inner.timestamp(value)
        } else {
            self.other(scalar::Found::Other("timestamp"))
        }
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        if self.passes() { self.inner.uuid(value) } else { self.other(scalar::Found::Other("UUID")) }
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        if self.passes() {
            self.inner.decimal(value)
        } else {
            self.other(scalar::Found::Other("decimal number"))
        }
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        if self.passes() { self.inner.ndarray(value) } else { self.other(scalar::Found::Other("N-d array")) }
    }

    fn begin_array(&mut self, len: usize) -> Result<()> {
        match self.state {
            State::Plain => {
                self.open.push(Open::Passed);
                self.inner.begin_array(len)
            }
            State::Map => {
                self.open.push(Open::List);
                self.state = State::Pair;
                self.inner.begin_map(len)
            }
            State::Pair if len == 2 => {
                self.open.push(Open::Pair);
                self.state = State::PairKey;
                Ok(())
            }
            State::Pair => Err(malformed("a pair of $map has two items")),
            State::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.begin_array(),
                None => Err(self.misplaced("array")),
            },
            _ => Err(self.misplaced("array")),
        }
    }

    fn end_array(&mut self) -> Result<()> {
        if self.state == State::NdArray {
            return Ok(());
        }
        let closed = self.open.pop();
        self.ended();
        match closed {
            Some(Open::List) => self.inner.end_map(),
            Some(Open::Pair) => Ok(()),
            _ => self.inner.end_array(),
        }
    }

    #[inline]
    fn begin_map(&mut self, len: usize) -> Result<()> {
        match self.state {
            State::Plain if len == 1 => {
                self.state = State::Undecided;
                Ok(())
            }
            State::Plain => {
                self.open.push(Open::Passed);
                self.inner.begin_map(len)
            }
            State::Map => {
                self.open.push(Open::Wrapped);
                self.state = State::Plain;
                self.inner.begin_map(len)
            }
            State::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.begin_map(len),
                None => Err(self.misplaced("map")),
            },
            _ => Err(self.misplaced("map")),
        }
    }

    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        match self.state {
            State::Plain => self.inner.key(key),
            State::Undecided => self.decide(key),
            State::NdArray => match self.fields.as_mut() {
                Some(fields) => fields.key(key),
                None => Err(self.misplaced("key")),
            },
            _ => Err(self.misplaced("key")),
        }
    }

    #[inline]
    fn end_map(&mut self) -> Result<()> {
        if self.state == State::NdArray
            && let Some(fields) = self.fields.take()
        {
            fields.finish(&mut self.inner)?;
            self.state = State::EndOfEscape;
            return Ok(());
        }
        let closed = self.open.pop();
        self.ended();
        match closed {
            Some(Open::Escape) => Ok(()),
            _ => self.inner.end_map(),
        }
    }
}
