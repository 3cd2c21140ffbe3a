//! Builders of lists, of maps with arbitrary keys, of optional values, and of values of any kind.
//!
//! A [`Meter`](crate::value::Meter) before them bounds depth and memory.

use std::collections::BTreeMap;

use super::{Build, Decode, Event};
use crate::error::{Error, ErrorKind, Result, memory};
use crate::value::{Sink, Value, ValueBuilder};

/// The most items that are reserved for an announced length; the list grows with further items.
const RESERVE: usize = 1024;

/// Builds a `Vec`.
#[derive(Debug)]
pub struct Items<T: Decode> {
    items: Option<Vec<T>>,
    open: Option<T::Builder>,
}

impl<T: Decode> Default for Items<T> {
    fn default() -> Items<T> {
        Items { items: None, open: None }
    }
}

impl<T: Decode> Build for Items<T> {
    type Output = Vec<T>;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        let Some(items) = &mut self.items else {
            let Event::BeginArray(len) = event else { return Err(event.unexpected("an array")) };
            let mut items = Vec::new();
            memory::reserve(&mut items, len.min(RESERVE))?;
            self.items = Some(items);
            return Ok(false);
        };
        if self.open.is_none() && matches!(event, Event::EndArray) {
            return Ok(true);
        }
        if self.open.get_or_insert_default().event(event)?
            && let Some(item) = self.open.take()
        {
            items.push(item.finish()?);
        }
        Ok(false)
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        self.open.as_mut().map_or(Ok(false), |item| item.known_key(key))
    }
    fn finish(self) -> Result<Vec<T>> {
        self.items.ok_or_else(super::missing)
    }
}

impl<T: Decode> Decode for Vec<T> {
    type Builder = Items<T>;
}

/// Builds a map with arbitrary keys.
#[derive(Debug)]
pub struct Names<T: Decode> {
    entries: Option<BTreeMap<String, T>>,
    open: Option<(String, T::Builder)>,
}

impl<T: Decode> Default for Names<T> {
    fn default() -> Names<T> {
        Names { entries: None, open: None }
    }
}

impl<T: Decode> Build for Names<T> {
    type Output = BTreeMap<String, T>;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        let Some(entries) = &mut self.entries else {
            let Event::BeginMap(_) = event else { return Err(event.unexpected("a map")) };
            self.entries = Some(BTreeMap::new());
            return Ok(false);
        };
        match (&mut self.open, event) {
            (None, Event::EndMap) => return Ok(true),
            (None, Event::Key(key)) => self.open = Some((memory::copy_text(key)?, T::Builder::default())),
            (None, other) => return Err(other.unexpected("a key")),
            (Some((_, value)), event) => {
                if value.event(event)?
                    && let Some((key, value)) = self.open.take()
                {
                    entries.insert(key, value.finish()?);
                }
            }
        }
        Ok(false)
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        self.open.as_mut().map_or(Ok(false), |(_, value)| value.known_key(key))
    }
    fn finish(self) -> Result<BTreeMap<String, T>> {
        self.entries.ok_or_else(super::missing)
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    type Builder = Names<T>;
}

/// The builder of an optional value; `NULL` tells whether null means absence.
#[derive(Debug, Default)]
pub struct Maybe<B, const NULL: bool> {
    /// The builder of the value; it has no events if the value is absent.
    value: B,
    /// Whether it received an event besides a null that means absence.
    has_begun: bool,
}

impl<B: Build, const NULL: bool> Build for Maybe<B, NULL> {
    type Output = Option<B::Output>;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        if NULL && !self.has_begun && matches!(event, Event::Null) {
            return Ok(true);
        }
        self.has_begun = true;
        self.value.event(event)
    }
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        self.value.known_key(key)
    }
    fn finish(self) -> Result<Option<B::Output>> {
        if self.has_begun { self.value.finish().map(Some) } else { Ok(None) }
    }
}

/// Builds a value of any kind.
#[derive(Debug, Default)]
pub struct Any {
    /// The builder of the tree, created by the first event, which may bring the memory to share.
    builder: Option<ValueBuilder>,
    depth: usize,
}

impl Build for Any {
    type Output = Value;
    fn event(&mut self, event: Event<'_>) -> Result<bool> {
        let builder = self.builder.get_or_insert_with(|| match event {
            Event::Bytes(_, Some(origin)) | Event::NdArray(_, Some(origin)) => {
                ValueBuilder::sharing(origin.clone())
            }
            _ => ValueBuilder::new(),
        });
        match event {
            Event::BeginArray(_) | Event::BeginMap(_) => self.depth += 1,
            Event::EndArray | Event::EndMap => {
                self.depth = self
                    .depth
                    .checked_sub(1)
                    .ok_or_else(|| Error::new(ErrorKind::Internal, "an end came without its beginning"))?;
            }
            _ => {}
        }
        match event {
            Event::Null => builder.null(),
            Event::Bool(value) => builder.bool(value),
            Event::Int(value) => builder.int(value),
            Event::Uint(value) => builder.uint(value),
            Event::BigInt(value) => builder.big_int(value),
            Event::Float(value) => builder.float(value),
            Event::Text(value) => builder.text(value),
            Event::Bytes(value, _) => builder.bytes(value),
            Event::Timestamp(value) => builder.timestamp(value),
            Event::Uuid(value) => builder.uuid(value),
            Event::Decimal(value) => builder.decimal(value),
            Event::NdArray(value, _) => builder.ndarray(value),
            Event::BeginArray(len) => builder.begin_array(len),
            Event::EndArray => builder.end_array(),
            Event::BeginMap(len) => builder.begin_map(len),
            Event::Key(key) => builder.key(key),
            Event::EndMap => builder.end_map(),
        }?;
        Ok(self.depth == 0)
    }
    fn finish(self) -> Result<Value> {
        self.builder.ok_or_else(super::missing)?.finish()
    }
}

impl Decode for Value {
    type Builder = Any;
}
