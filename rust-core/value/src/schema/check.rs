//! Checks values against a schema event by event, on their way into another sink, without a tree.
//!
//! A [`Checker`] tracks fields' current names, so a [`Meter`](crate::value::Meter) need not. Other keys go first to the
//! inner sink. Values under unknown keys and of type `any` pass unchecked.

mod arrays;
mod keys;
mod numbers;
mod state;

use super::model::{Field, Kind, Schema, Type};
use crate::codec::Unread;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Source, Timestamp, Value};
use state::{FieldSet, OpenType};

/// The side that checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Side {
    /// The program that writes: unknown fields and old names are errors.
    Writer,
    /// The reader: it accepts unknown fields, aliases, and with a default unknown names of enums.
    Reader,
}

/// A sink that checks each event against a schema and passes it on to another sink.
///
/// The errors `WrongType`, `OutOfRange`, `TooLarge` and `Missing` contain the expected and the found type. The caller
/// adds the path. After an error the inner sink has a part of a value.
#[derive(Debug)]
pub struct Checker<'a, S> {
    /// The name of the schema, for errors; empty when a default is checked.
    schema: &'a str,
    root: &'a Type,
    side: Side,
    /// The innermost list or map, in place: most messages have one.
    open: Option<OpenType<'a>>,
    outer: Vec<OpenType<'a>>,
    expected: Option<&'a Type>,
    field: Option<&'a Field>,
    /// The value of each named length of this message, in order of appearance.
    lengths: Vec<(&'a str, u64)>,
    packed: Option<&'a Schema>,
    inner: S,
}

impl Schema {
    /// Checks a value that this program will write.
    ///
    /// ```
    /// # extern crate linkspan_value as linkspan;
    /// # #[cfg(feature = "schema")] {
    /// use linkspan::{ErrorKind, Value, schema::Schema};
    ///
    /// let schema = Schema::parse("name = \"power\"\n[fields.watts]\ntype = \"f64\"\nrange = [0, 20000]")?;
    /// schema.check(&Value::map([("watts", 230.0)]))?;
    /// let error = schema.check(&Value::map([("watts", -1.0)])).unwrap_err();
    /// assert_eq!((error.kind(), error.path()), (ErrorKind::OutOfRange, Some("watts")));
    /// # }
    /// # Ok::<(), linkspan::Error>(())
    /// ```
    pub fn check<T: Source + ?Sized>(&self, value: &T) -> Result<()> {
        value.walk(&mut self.checker(Side::Writer, Unread))
    }

    /// Returns a sink that checks values and passes them on.
    pub fn checker<S: Sink>(&self, side: Side, sink: S) -> Checker<'_, S> {
        Checker {
            schema: &self.name,
            root: &self.root,
            side,
            open: None,
            outer: Vec::new(),
            expected: Some(&self.root),
            field: None,
            lengths: Vec::new(),
            packed: self.packed.then_some(self),
            inner: sink,
        }
    }
}

pub(super) fn value(of: &Type, value: &Value) -> Result<()> {
    let mut checker = Checker {
        schema: "",
        root: of,
        side: Side::Writer,
        open: None,
        outer: Vec::new(),
        expected: Some(of),
        field: None,
        lengths: Vec::new(),
        packed: None,
        inner: Unread,
    };
    value.walk(&mut checker)
}

impl<'a, S: Sink> Checker<'a, S> {
    /// Returns the inner sink.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn enter(&mut self, open: OpenType<'a>) {
        self.outer.extend(self.open.replace(open));
        self.expect_items();
    }

    fn leave(&mut self) -> Option<OpenType<'a>> {
        let left = std::mem::replace(&mut self.open, self.outer.pop());
        self.expect_items();
        left
    }

    fn expect_items(&mut self) {
        self.field = None;
        self.expected = match self.open {
            None => Some(self.root),
            Some(OpenType::List(of) | OpenType::Map(of)) => Some(of),
            Some(_) => None,
        };
    }

    /// The `WrongType` error, with a hint for a frequent mistake; packed schemas state bytes.
    #[cold]
    fn wrong(&self, of: &Type, found: &str) -> Error {
        if let (Some(schema), true) = (self.packed, self.open.is_none()) {
            let size = schema.layout().map_or(0, |layout| layout.size);
            return self
                .error(ErrorKind::WrongType, format!("{size} packed bytes are expected, {found} was found"));
        }
        let hint = match (&of.kind, found) {
            (Kind::List(..), "an N-d array") => "; send a list, or change the schema to an ndarray",
            (Kind::NdArray { .. }, "an array") => "; send an array of numbers, not a list of values",
            (Kind::Timestamp, "text") => "; send a timestamp",
            (Kind::Decimal, "a float" | "an integer") => "; a decimal keeps the digits as they were written",
            _ => "",
        };
        self.error(ErrorKind::WrongType, format!("{of} is expected, {found} was found{hint}"))
    }

    #[cold]
    fn error(&self, kind: ErrorKind, text: String) -> Error {
        let schema = if self.schema.is_empty() { String::new() } else { format!("schema {}: ", self.schema) };
        Error::new(kind, schema + &text)
    }

    fn is(&self, found: &str, fits: impl Fn(&Kind) -> bool) -> Result<()> {
        match self.expected {
            None => Ok(()),
            Some(of) if matches!(of.kind, Kind::Any) || fits(&of.kind) => Ok(()),
            Some(of) => Err(self.wrong(of, found)),
        }
    }

    /// `TooLarge` above the type's limit: bytes for text and bytes, values for lists.
    fn at_most(&self, most: Option<u64>, found: usize, of: &Type, what: &str) -> Result<()> {
        match most {
            Some(most) if found as u64 > most => {
                Err(self.error(ErrorKind::TooLarge, format!("{of} is expected, {found} {what} were found")))
            }
            _ => Ok(()),
        }
    }

    fn column(&mut self, length: u64) -> Result<()> {
        let Some(OpenType::Columns { length: known, .. }) = &mut self.open else { return Ok(()) };
        match known.replace(length) {
            Some(other) if other != length => {
                let text = format!(
                    "the columns of a table have one length: {other} values are in one, {length} in this one"
                );
                Err(self.error(ErrorKind::WrongType, text))
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn missing(&self, field: &Field) -> Error {
        let text = format!("{} is missing: {} is expected", quoted(&field.name), field.of);
        self.error(ErrorKind::Missing, text)
    }
}

impl<S: Sink> Sink for Checker<'_, S> {
    fn null(&mut self) -> Result<()> {
        match (self.expected, self.field) {
            (None, _) => {}
            (Some(of), _) if of.kind == Kind::Any => {}
            // An optional field may be null instead of absent.
            (_, Some(field)) if field.optional => {}
            (Some(of), _) => return Err(self.wrong(of, "null")),
        }
        self.inner.null()
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.is("a bool", |kind| matches!(kind, Kind::Bool))?;
        self.inner.bool(value)
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.integer(value.into())?;
        self.inner.int(value)
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.integer(value.into())?;
        self.inner.uint(value)
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.is("an integer beyond 64 bits", |_| false)?;
        self.inner.big_int(value)
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.real(value)?;
        self.inner.float(value)
    }
    fn text(&mut self, value: &str) -> Result<()> {
        if let Some(of) = self.expected {
            match &of.kind {
                Kind::Any => {}
                Kind::Text(most) => self.at_most(*most, value.len(), of, "bytes")?,
                Kind::Enum(values) => {
                    // A reader with a default accepts the names of a newer writer.
                    let has_default = self.field.is_some_and(|field| field.default.is_some());
                    let known =
                        values.iter().any(|name| name == value) || (self.side == Side::Reader && has_default);
                    if !known {
                        return Err(self.wrong(of, &quoted(value).to_string()));
                    }
                }
                _ => return Err(self.wrong(of, "text")),
            }
        }
        self.inner.text(value)
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        // A packed message is one block.
        if let (Some(schema), true) = (self.packed, self.open.is_none()) {
            schema.check_packed(value)?;
            return self.inner.bytes(value);
        }
        if let Some(of) = self.expected {
            match of.kind {
                Kind::Any => {}
                Kind::Bytes(most) => self.at_most(most, value.len(), of, "bytes")?,
                _ => return Err(self.wrong(of, "bytes")),
            }
        }
        self.inner.bytes(value)
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.is("a timestamp", |kind| matches!(kind, Kind::Timestamp))?;
        self.inner.timestamp(value)
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.is("a UUID", |kind| matches!(kind, Kind::Uuid))?;
        self.inner.uuid(value)
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.is("a decimal number", |kind| matches!(kind, Kind::Decimal))?;
        self.inner.decimal(value)
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        self.array(&value)?;
        self.inner.ndarray(value)
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        let open = match self.expected {
            None => OpenType::Any,
            Some(of) => match &of.kind {
                Kind::Any => OpenType::Any,
                Kind::List(each, most) => {
                    self.at_most(*most, len, of, "values")?;
                    self.column(len as u64)?;
                    OpenType::List(each)
                }
                _ => return Err(self.wrong(of, "an array")),
            },
        };
        self.enter(open);
        self.inner.begin_array(len)
    }
    fn end_array(&mut self) -> Result<()> {
        self.leave();
        self.inner.end_array()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        let open = match self.expected {
            None => OpenType::Any,
            Some(of) if self.packed.is_some() && self.open.is_none() => return Err(self.wrong(of, "a map")),
            Some(of) => match &of.kind {
                Kind::Any => OpenType::Any,
                Kind::Map(each) => OpenType::Map(each),
                Kind::Record(fields) => OpenType::Fields { fields, next: 0, seen: FieldSet::default() },
                Kind::Table(columns) => {
                    OpenType::Columns { columns, seen: FieldSet::default(), length: None }
                }
                // A union is a map with exactly one key.
                Kind::Union(variants) if len == 1 => OpenType::Union { variants },
                Kind::Union(_) => return Err(self.wrong(of, &format!("a map of {len} entries"))),
                _ => return Err(self.wrong(of, "a map")),
            },
        };
        self.enter(open);
        self.inner.begin_map(len)
    }
    fn key(&mut self, key: &str) -> Result<()> {
        if self.own_key(key.as_bytes())? {
            return Ok(());
        }
        self.inner.key(key)?;
        self.other_key(key.as_bytes())
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        if self.own_key(key)? {
            return Ok(true);
        }
        let known = self.inner.known_key(key)?;
        if known {
            self.other_key(key)?;
        }
        Ok(known)
    }
    fn refuses_repeated_keys(&self) -> bool {
        self.inner.refuses_repeated_keys()
    }
    fn end_map(&mut self) -> Result<()> {
        match self.leave() {
            Some(OpenType::Fields { fields, seen, .. }) => {
                let needed = |at: usize| !fields[at].optional && fields[at].default.is_none();
                if let Some(at) = seen.missing(fields.len(), needed) {
                    return Err(self.missing(&fields[at]));
                }
            }
            Some(OpenType::Columns { columns, seen, .. }) => {
                if let Some(at) = seen.missing(columns.len(), |_| true) {
                    return Err(self.missing(&columns[at]));
                }
            }
            _ => {}
        }
        self.inner.end_map()
    }
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.inner.hold(bytes)
    }
    fn release(&mut self, bytes: usize) {
        self.inner.release(bytes);
    }
}
