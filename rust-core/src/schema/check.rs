//! Checking values against a schema, event by event, on their way into another sink: no tree and no second pass.

mod numbers;
mod state;

use super::model::{Field, Kind, Length, Schema, Type};
use crate::codec::Unread;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::typed::is_same;
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Source, Timestamp, Value};
use state::{Open, Seen};

/// Which side checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Side {
    /// The program that writes: fields that the schema does not have are errors, and so are old names.
    Writer,
    /// The program that reads: fields that it does not know are passed on unchecked, since a newer writer may send them; aliases are
    /// accepted, and so are an enum's unknown names where the field has a default.
    Reader,
}

/// A sink that checks each event against a schema and passes it on to another sink.
///
/// `WrongType`, `OutOfRange`, `TooLarge` or `Missing` says what is expected and what was found; the path is added by what drives the
/// sink, as for every sink. What was passed on before an error is a part of a value.
#[derive(Debug)]
pub struct Checker<'a, S> {
    schema: &'a str,
    root: &'a Type,
    side: Side,
    /// The innermost list or map, in place: most messages have one.
    open: Option<Open<'a>>,
    outer: Vec<Open<'a>>,
    /// The type of the value that comes next; nothing where any value may come.
    expected: Option<&'a Type>,
    /// The field of a record whose value comes next.
    field: Option<&'a Field>,
    /// The lengths that the names in shapes stand for in this message.
    lengths: Vec<(&'a str, u64)>,
    /// The schema, where a message is packed bytes.
    packed: Option<&'a Schema>,
    inner: S,
}

impl Schema {
    /// Checks a value that this program is about to write.
    ///
    /// ```
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

    /// A sink that checks what it passes on to `sink`, for a decoder to drive.
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

/// Checks a value against one type, as its writer.
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
    /// The sink behind it.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Begins a list or a map.
    fn enter(&mut self, open: Open<'a>) {
        self.outer.extend(self.open.replace(open));
        self.expect_items();
    }

    /// Ends the innermost list or map, and gives it.
    fn leave(&mut self) -> Option<Open<'a>> {
        let left = std::mem::replace(&mut self.open, self.outer.pop());
        self.expect_items();
        left
    }

    /// What comes next where no key says it.
    #[inline]
    fn expect_items(&mut self) {
        self.field = None;
        self.expected = match self.open {
            None => Some(self.root),
            Some(Open::List(of) | Open::Map(of)) => Some(of),
            Some(_) => None,
        };
    }

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

    /// Checks that the next value is of a kind that needs no look at it.
    #[inline]
    fn is(&self, found: &str, fits: impl Fn(&Kind) -> bool) -> Result<()> {
        match self.expected {
            None => Ok(()),
            Some(of) if matches!(of.kind, Kind::Any) || fits(&of.kind) => Ok(()),
            Some(of) => Err(self.wrong(of, found)),
        }
    }

    #[inline]
    fn at_most(&self, most: Option<u64>, found: usize, of: &Type, what: &str) -> Result<()> {
        match most {
            Some(most) if found as u64 > most => {
                Err(self.error(ErrorKind::TooLarge, format!("{of} is expected, {found} {what} were found")))
            }
            _ => Ok(()),
        }
    }

    /// Notes the length of a column; all have the same.
    fn column(&mut self, length: u64) -> Result<()> {
        let Some(Open::Columns { length: known, .. }) = &mut self.open else { return Ok(()) };
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

    fn array(&mut self, value: &NdArrayRef<'_>) -> Result<()> {
        let Some(of) = self.expected else { return Ok(()) };
        let Kind::NdArray { dtype, shape, order } = &of.kind else {
            return if of.kind == Kind::Any { Ok(()) } else { Err(self.wrong(of, "an N-d array")) };
        };
        let one_order =
            order.is_none_or(|order| order.for_shape(value.shape) == value.order.for_shape(value.shape));
        let lengths = shape.as_deref();
        let fits =
            value.dtype == *dtype && one_order && lengths.is_none_or(|all| all.len() == value.shape.len());
        if !fits {
            return Err(self.array_is_wrong(of, value));
        }
        for (length, found) in lengths.unwrap_or_default().iter().zip(value.shape) {
            let fits = match length {
                Length::Any => true,
                Length::Fixed(length) => length == found,
                Length::Named(name) => match self.lengths.iter().find(|(known, _)| known == name) {
                    Some((_, known)) if known == found => true,
                    Some((_, known)) => {
                        let text = format!(
                            "{of} is expected, and {name} is {known} already in this message; the shape {:?} was found",
                            value.shape
                        );
                        return Err(self.error(ErrorKind::WrongType, text));
                    }
                    None => {
                        self.lengths.push((name, *found));
                        true
                    }
                },
            };
            if !fits {
                return Err(self.array_is_wrong(of, value));
            }
        }
        self.column(value.shape.first().copied().unwrap_or(0))
    }

    #[cold]
    fn array_is_wrong(&self, of: &Type, value: &NdArrayRef<'_>) -> Error {
        let found = format!(
            "an N-d array of {} {:?} in {} order",
            value.dtype.name(),
            value.shape,
            value.order.name()
        );
        self.wrong(of, &found)
    }

    /// A key, which its map does not have twice.
    #[inline]
    fn any_key(&mut self, key: &[u8]) -> Result<()> {
        match self.open {
            Some(Open::Fields { .. }) => self.field_key(key),
            Some(Open::Union { .. }) => self.named_key(&String::from_utf8_lossy(key), "variant"),
            Some(Open::Columns { .. }) => self.named_key(&String::from_utf8_lossy(key), "column"),
            _ => Ok(()),
        }
    }

    /// The key of a field: in order nearly always, so the next one is looked at first.
    #[inline]
    fn field_key(&mut self, key: &[u8]) -> Result<()> {
        if let Some(Open::Fields { fields, next, seen }) = &mut self.open
            && let Some(field) = fields.get(*next)
            && is_same(&field.name, key)
            && seen.insert(*next)
        {
            *next += 1;
            (self.field, self.expected) = (Some(field), Some(&field.of));
            return Ok(());
        }
        self.other_field(&String::from_utf8_lossy(key))
    }

    /// The key of a field that is not the next one, or is wrong.
    fn other_field(&mut self, key: &str) -> Result<()> {
        let side = self.side;
        let Some(Open::Fields { fields, next, seen }) = &mut self.open else { return Ok(()) };
        let all = *fields;
        let found = all
            .iter()
            .position(|field| field.name == key)
            .or_else(|| all.iter().position(|field| field.aliases.iter().any(|alias| alias == key)));
        let Some(position) = found else {
            (self.field, self.expected) = (None, None);
            return match side {
                Side::Reader => Ok(()),
                Side::Writer => {
                    let known = all.iter().map(|field| field.name.as_str());
                    let text = format!(
                        "no field is called {}: {}",
                        quoted(key),
                        super::source::proposal(key, known)
                    );
                    Err(self.error(ErrorKind::WrongType, text))
                }
            };
        };
        let field = &all[position];
        *next = position + 1;
        (self.field, self.expected) = (Some(field), Some(&field.of));
        if !seen.insert(position) {
            let text = format!("the field {} comes twice, under a name and an alias", field.name);
            return Err(self.error(ErrorKind::WrongType, text));
        }
        if side == Side::Writer && field.name != key {
            let text = format!("{} is the old name of {}: write the new one", quoted(key), field.name);
            return Err(self.error(ErrorKind::WrongType, text));
        }
        Ok(())
    }

    /// The key of a variant or a column.
    fn named_key(&mut self, key: &str, what: &str) -> Result<()> {
        let all = match &mut self.open {
            Some(Open::Union { variants }) => {
                let variant = variants.iter().find(|field| field.name == key);
                self.expected = variant.map(|field| &field.of);
                if variant.is_some() {
                    return Ok(());
                }
                *variants
            }
            Some(Open::Columns { columns, seen, .. }) => {
                let position = columns.iter().position(|field| field.name == key);
                self.expected = position.map(|position| &columns[position].of);
                if position.is_some_and(|position| seen.insert(position)) || self.side == Side::Reader {
                    return Ok(());
                }
                *columns
            }
            _ => return Ok(()),
        };
        let known = all.iter().map(|field| field.name.as_str());
        let text = format!("no {what} is called {}: {}", quoted(key), super::source::proposal(key, known));
        Err(self.error(ErrorKind::WrongType, text))
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
            None => Open::Any,
            Some(of) => match &of.kind {
                Kind::Any => Open::Any,
                Kind::List(each, most) => {
                    self.at_most(*most, len, of, "values")?;
                    self.column(len as u64)?;
                    Open::List(each)
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
            None => Open::Any,
            Some(of) if self.packed.is_some() && self.open.is_none() => return Err(self.wrong(of, "a map")),
            Some(of) => match &of.kind {
                Kind::Any => Open::Any,
                Kind::Map(each) => Open::Map(each),
                Kind::Record(fields) => Open::Fields { fields, next: 0, seen: Seen::default() },
                Kind::Table(columns) => Open::Columns { columns, seen: Seen::default(), length: None },
                Kind::Union(variants) if len == 1 => Open::Union { variants },
                Kind::Union(_) => return Err(self.wrong(of, &format!("a map of {len} entries"))),
                _ => return Err(self.wrong(of, "a map")),
            },
        };
        self.enter(open);
        self.inner.begin_map(len)
    }
    // A key goes to the sink behind first: that one knows best whether it is repeated.
    #[inline]
    fn key(&mut self, key: &str) -> Result<()> {
        self.inner.key(key)?;
        self.any_key(key.as_bytes())
    }
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let known = self.inner.known_key(key)?;
        if known {
            self.any_key(key)?;
        }
        Ok(known)
    }
    fn refuses_repeated_keys(&self) -> bool {
        self.inner.refuses_repeated_keys()
    }
    fn end_map(&mut self) -> Result<()> {
        match self.leave() {
            Some(Open::Fields { fields, seen, .. }) if seen.count() < fields.len() => {
                let needed = |field: &Field| !field.optional && field.default.is_none();
                let missing =
                    fields.iter().enumerate().find(|(i, field)| needed(field) && !seen.contains(*i));
                if let Some((_, field)) = missing {
                    return Err(self.missing(field));
                }
            }
            Some(Open::Columns { columns, seen, .. }) if seen.count() < columns.len() => {
                if let Some((_, column)) = columns.iter().enumerate().find(|(i, _)| !seen.contains(*i)) {
                    return Err(self.missing(column));
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
