//! A Sink that fills a struct of the program. Missing fields get their defaults.

use std::marker::PhantomData;

use linkspan::value::typed::{Any, Build, Event};
use linkspan::value::{BigInt, Decimal, NdArrayRef, Sink, Source, repeated_key};
use linkspan::{Error, ErrorKind, Result, Timestamp, quoted};

use super::access::Through;
use super::field_set::FieldSet;
use super::layout::{Entries, Field, Fields, Kind, Layout, Reach};
use super::memory;
use super::put::{put, put_bytes, put_number, put_pair, take};
use crate::message::linkspan_message;

pub(crate) struct Filler<'a> {
    top: Frame<'a>,
    outer: Vec<Frame<'a>>,
    /// The value of any type under construction.
    any: Option<Box<Building>>,
    lives: PhantomData<&'a mut u8>,
}

struct Building {
    builder: Any,
    to: *mut u8,
    through: Option<Through>,
}

/// The destination of the next value.
enum Frame<'a> {
    /// The whole value, at this address.
    Whole(&'a Layout, *mut u8),
    Done,
    /// A field of a struct, or a variant of a union.
    Fields(Open<'a>),
    /// The items of a list.
    Items(&'a Layout, Room),
    /// Booleans without addresses: the address of the list, the next position, their number.
    Bools(Through, *mut u8, usize, usize),
    /// The entries of a map, with their keys.
    Entries(&'a Entries, Room),
    /// Values of a map, inserted by functions after their keys.
    Inserted(&'a Entries, Through, *mut u8, Option<*mut u8>),
    /// A value of an unknown field, at this depth.
    Skipped(usize),
}

/// The next item of a list or entry of a map, and the number of remaining items.
struct Room {
    next: *mut u8,
    size: usize,
    left: usize,
}

impl Room {
    /// Allocates memory for `count` items and stores its address at `at`.
    ///
    /// # Safety
    /// A pointer and a length may be written at `at`, or a value of these functions is there.
    unsafe fn make(through: Option<Through>, at: *mut u8, count: usize, size: usize) -> Result<Room> {
        if let Some(through) = through {
            // SAFETY: by contract.
            let next = unsafe { through.resize(at, count) }?;
            return Ok(Room { next, size, left: count });
        }
        let next = memory::items(count, size)?;
        // SAFETY: by contract.
        unsafe { put_pair(at, next, count) };
        Ok(Room { next, size, left: count })
    }

    #[inline]
    fn take(&mut self) -> Result<*mut u8> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(too_many());
        };
        let here = self.next;
        // SAFETY: one is left, so the end is at most one past the memory.
        (self.left, self.next) = (left, unsafe { here.add(self.size) });
        Ok(here)
    }
}

#[cold]
fn too_many() -> Error {
    Error::new(ErrorKind::Internal, "more values came than were announced")
}

/// A struct or a union whose fields are being read.
struct Open<'a> {
    fields: &'a Fields,
    at: *mut u8,
    /// The position of the next field if the writer kept the order.
    next: usize,
    /// The field of the next value; `None` for an unknown field.
    current: Option<&'a Field>,
    seen: FieldSet,
    /// A bit for each of the first 64 fields that was read under its current name.
    named: u64,
    /// The size of the variant's number in bytes; 0 if functions find it, `None` for a struct.
    union: Option<usize>,
}

#[cold]
fn twice(key: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("the field {key} comes twice, under a name and an alias"))
}

impl Open<'_> {
    #[inline]
    fn named(&self, key: &[u8]) -> Option<usize> {
        match self.fields.all.get(self.next) {
            Some(field) if field.key.as_bytes() == key => Some(self.next),
            _ => self.fields.position(key),
        }
    }

    #[inline]
    fn enter(&mut self, position: usize) {
        (self.current, self.next) = (self.fields.all.get(position), position + 1);
    }

    /// A repeated key is an error.
    fn key(&mut self, key: &str) -> Result<()> {
        if let Some(size) = self.union {
            let position = self.fields.position(key.as_bytes()).ok_or_else(|| {
                let text = format!("{} is expected, {} was found", self.variants(), quoted(key));
                Error::new(ErrorKind::WrongType, text)
            })?;
            if size > 0 {
                // SAFETY: the number is at the start of the union's struct, by the contract of `new`.
                unsafe { put_number(self.at, size, position) };
            }
            self.enter(position);
            return Ok(());
        }
        let alias = || self.fields.aliases.iter().find(|(alias, _)| *alias == key).map(|(_, at)| *at);
        let Some(position) = self.named(key.as_bytes()).or_else(alias) else {
            // A newer writer may send unknown fields.
            self.current = None;
            return Ok(());
        };
        if !self.seen.insert(position) {
            return Err(twice(self.fields.all[position].key));
        }
        self.enter(position);
        Ok(())
    }

    /// Handles the key of one of the first 64 fields; false for other keys.
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let Some(position) = self.named(key).filter(|position| *position < 64 && self.union.is_none()) else {
            return Ok(false);
        };
        if !self.seen.insert(position) {
            let key = self.fields.all[position].key;
            return Err(if self.named & 1 << position == 0 { twice(key) } else { repeated_key(key) });
        }
        self.named |= 1 << position;
        self.enter(position);
        Ok(true)
    }

    fn variants(&self) -> String {
        format!("a map with one key of {}", self.fields.list())
    }

    /// Sets defaults, or returns `Missing`.
    fn end(&self) -> Result<()> {
        if self.union.is_some() {
            return Ok(());
        }
        for (position, field) in self.fields.all.iter().enumerate() {
            if self.seen.contains(position) {
                continue;
            }
            if !field.optional && field.default.is_none() {
                let text = format!("the field {} is missing", field.key);
                return Err(Error::new(ErrorKind::Missing, text));
            }
            // SAFETY: by the contract of `new`. The field was not read, so it is zero, or as the program created it.
            unsafe { default(field, self.at) }?;
        }
        Ok(())
    }
}

impl<'a> Filler<'a> {
    /// # Safety
    /// At `to` is a zeroed struct of this layout. No other code uses it while this value exists.
    pub unsafe fn new(layout: &'a Layout, to: *mut u8) -> Filler<'a> {
        Filler { top: Frame::Whole(layout, to), outer: Vec::new(), any: None, lives: PhantomData }
    }

    pub fn finish(self) -> Result<()> {
        match self.top {
            Frame::Done => Ok(()),
            _ => Err(Error::new(ErrorKind::Missing, "no value came")),
        }
    }

    /// Returns the destination of the next value; `None` if it is not stored.
    ///
    /// This makes an optional field present, unless the value is null.
    #[inline]
    fn place(&mut self, event: &Event<'_>) -> Result<Option<(&'a Layout, Option<usize>, *mut u8)>> {
        Ok(match &mut self.top {
            Frame::Fields(open) => {
                let Some(field) = open.current else { return Ok(None) };
                // SAFETY: by the contract of `new`; the field and its presence flag are within the struct.
                unsafe {
                    if field.optional && matches!(event, Event::Null) {
                        return default(field, open.at).map(|()| None);
                    }
                    let here = open.at.add(field.offset);
                    let here = match field.reach {
                        Reach::There => here,
                        Reach::Flag(presence) => {
                            open.at.add(presence).cast::<bool>().write(true);
                            here
                        }
                        Reach::Through(through) => through.make(here)?,
                    };
                    Some((&field.of, field.unknown, here))
                }
            }
            Frame::Items(of, room) => Some((of, None, room.take()?)),
            // SAFETY: the value is within the entry.
            Frame::Entries(of, room) => Some((&of.value, None, unsafe { room.take()?.add(of.offset) })),
            Frame::Inserted(of, .., value) => value.take().map(|value| (&of.value, None, value)),
            Frame::Whole(of, at) => {
                let place = (*of, None, *at);
                self.top = Frame::Done;
                Some(place)
            }
            Frame::Bools(..) | Frame::Skipped(_) | Frame::Done => None,
        })
    }

    /// Returns type and address of the next value, if it is a field that is always present.
    #[inline]
    fn plain(&self) -> Option<(&'a Layout, *mut u8)> {
        match &self.top {
            Frame::Fields(Open { current: Some(field), at, .. })
                if self.any.is_none() && matches!(field.reach, Reach::There) =>
            {
                // SAFETY: by the contract of `new`; the field is within the struct.
                Some((&field.of, unsafe { at.add(field.offset) }))
            }
            _ => None,
        }
    }

    fn scalar(&mut self, event: Event<'_>) -> Result<()> {
        if self.any.is_some() {
            return self.build(event);
        }
        if let Frame::Bools(through, list, next, count) = &mut self.top {
            let position = *next;
            if position >= *count {
                return Err(too_many());
            }
            *next += 1;
            // SAFETY: by the contract of `new`; the list has this position.
            return unsafe { through.put_bool(*list, position, take::<bool>(event)?) };
        }
        let Some((of, unknown, at)) = self.place(&event)? else { return Ok(()) };
        if let Kind::Any = of.kind {
            return self.begin_any(of, at, event);
        }
        // SAFETY: by the contract of `new`; each address is written once.
        unsafe { put(of, unknown, at, event) }
    }

    #[cold]
    fn begin_any(&mut self, of: &Layout, at: *mut u8, event: Event<'_>) -> Result<()> {
        self.any = Some(Box::new(Building { builder: Any::default(), to: at, through: of.through }));
        self.build(event)
    }

    #[cold]
    fn build(&mut self, event: Event<'_>) -> Result<()> {
        let Some(any) = &mut self.any else { return Ok(()) };
        if any.builder.event(event)?
            && let Some(any) = self.any.take()
        {
            let message = linkspan_message::of(any.builder.finish()?);
            // SAFETY: by the contract of `new`; there was no message, or functions replace it.
            unsafe {
                match any.through {
                    Some(through) => through.take_message(any.to, message)?,
                    None => any.to.cast::<*mut linkspan_message>().write_unaligned(message),
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, event: Event<'_>, count: usize) -> Result<()> {
        if self.any.is_some() {
            return self.build(event);
        }
        if let Frame::Skipped(depth) = &mut self.top {
            *depth += 1;
            return Ok(());
        }
        let frame = match self.place(&event)? {
            None => Frame::Skipped(0),
            // SAFETY: as for `scalar`.
            Some((of, _, at)) => match (&of.kind, &event) {
                (Kind::Any, _) => return self.begin_any(of, at, event),
                (Kind::List(items), Event::BeginArray(_)) => {
                    // SAFETY: as above.
                    Frame::Items(items, unsafe { Room::make(of.through, at, count, items.size) }?)
                }
                (Kind::Bools, Event::BeginArray(_)) => {
                    let through = of.through.ok_or_else(too_many)?;
                    // SAFETY: as above.
                    unsafe { through.resize(at, count) }?;
                    Frame::Bools(through, at, 0, count)
                }
                (Kind::Map(entries), Event::BeginMap(_)) => match of.through {
                    Some(through) if through.inserts() => {
                        // SAFETY: as above.
                        unsafe { through.resize(at, 0) }?;
                        Frame::Inserted(entries, through, at, None)
                    }
                    through => {
                        // SAFETY: as above.
                        Frame::Entries(entries, unsafe { Room::make(through, at, count, entries.size) }?)
                    }
                },
                (Kind::Struct(fields), Event::BeginMap(_)) => Frame::Fields(open(fields, at, None)),
                (Kind::Union(size, fields), Event::BeginMap(_)) => {
                    let open = open(fields, at, Some(*size));
                    if count != 1 {
                        let text = format!("{} is expected, {count} keys were found", open.variants());
                        return Err(Error::new(ErrorKind::WrongType, text));
                    }
                    Frame::Fields(open)
                }
                // SAFETY: as above: it is the expected value.
                _ => return unsafe { put(of, None, at, event) },
            },
        };
        self.outer.push(std::mem::replace(&mut self.top, frame));
        Ok(())
    }

    fn end(&mut self, event: Event<'_>) -> Result<()> {
        if self.any.is_some() {
            return self.build(event);
        }
        match &mut self.top {
            Frame::Skipped(depth) if *depth > 0 => {
                *depth -= 1;
                return Ok(());
            }
            Frame::Fields(open) => open.end()?,
            _ => {}
        }
        self.top = self.outer.pop().unwrap_or(Frame::Done);
        Ok(())
    }

    fn next_key(&mut self, key: &str) -> Result<()> {
        if self.any.is_some() {
            return self.build(Event::Key(key));
        }
        match &mut self.top {
            Frame::Fields(open) => open.key(key),
            Frame::Inserted(_, through, map, value) => {
                // SAFETY: by the contract of `new`.
                *value = Some(unsafe { through.insert(*map, key) }?);
                Ok(())
            }
            Frame::Entries(Entries { key: Some((offset, of)), .. }, room) if room.left > 0 => {
                // SAFETY: there is room for one more entry, which contains the key.
                unsafe { put_bytes(of, room.next.add(*offset), key.as_bytes()) }
            }
            Frame::Entries(_, room) if room.left > 0 => {
                if key.contains('\0') {
                    let text = "a key has a NUL character inside, where C's texts end";
                    return Err(Error::new(ErrorKind::Unsupported, text));
                }
                // SAFETY: there is room for one more entry, which begins with its key.
                unsafe { put_pair(room.next, memory::copy(key.as_bytes())?, key.len()) };
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// # Safety
/// A zeroed value of this layout is at `at`.
pub(super) unsafe fn defaults(of: &Layout, at: *mut u8) -> Result<()> {
    if let (true, Kind::Struct(fields)) = (of.has_defaults, &of.kind) {
        for field in &fields.all {
            // SAFETY: by contract.
            unsafe { default(field, at) }?;
        }
    }
    Ok(())
}

/// Sets a field to its default, or its inner fields to theirs.
///
/// # Safety
/// The struct is at `at`, and the field in it is zero.
unsafe fn default(field: &Field, at: *mut u8) -> Result<()> {
    // SAFETY: by contract, and the field is within the struct.
    let mut at = unsafe { at.add(field.offset) };
    let Some(value) = &field.default else {
        return match field.reach {
            // A missing field has no parts.
            Reach::Through(_) => Ok(()),
            // SAFETY: by contract.
            _ => unsafe { defaults(&field.of, at) },
        };
    };
    if let Reach::Through(through) = field.reach {
        // SAFETY: by contract.
        at = unsafe { through.make(at) }?;
    }
    // SAFETY: by contract.
    let mut filler = unsafe { Filler::new(&field.of, at) };
    value.walk(&mut filler)?;
    filler.finish()
}

fn open(fields: &Fields, at: *mut u8, union: Option<usize>) -> Open<'_> {
    Open { fields, at, next: 0, current: None, seen: FieldSet::default(), named: 0, union }
}

macro_rules! events {
    ($($method:ident($($value:ident: $kind:ty)?) => $to:ident($event:expr)),* $(,)?) => {$(
        #[inline]
        fn $method(&mut self $(, $value: $kind)?) -> Result<()> {
            self.$to($event)
        }
    )*};
}

impl Sink for Filler<'_> {
    events! {
        null() => scalar(Event::Null),
        uint(value: u64) => scalar(Event::Uint(value)),
        big_int(value: &BigInt) => scalar(Event::BigInt(value)),
        bytes(value: &[u8]) => scalar(Event::Bytes(value, None)),
        timestamp(value: Timestamp) => scalar(Event::Timestamp(value)),
        uuid(value: [u8; 16]) => scalar(Event::Uuid(value)),
        decimal(value: &Decimal) => scalar(Event::Decimal(value)),
        ndarray(value: NdArrayRef<'_>) => scalar(Event::NdArray(value, None)),
        key(key: &str) => next_key(key),
        end_array() => end(Event::EndArray),
        end_map() => end(Event::EndMap),
    }
    // The most frequent types are stored directly.
    #[inline]
    fn bool(&mut self, value: bool) -> Result<()> {
        match self.plain() {
            // SAFETY: a field of this type is there.
            Some((Layout { kind: Kind::Bool, .. }, at)) => unsafe { at.cast::<bool>().write(value) },
            _ => return self.scalar(Event::Bool(value)),
        }
        Ok(())
    }
    #[inline]
    fn int(&mut self, value: i64) -> Result<()> {
        if let Some((of, at)) = self.plain() {
            // SAFETY: a field of this type is there.
            unsafe {
                match (&of.kind, u32::try_from(value), i32::try_from(value)) {
                    (Kind::I64, ..) => at.cast::<i64>().write_unaligned(value),
                    (Kind::U64, ..) if value >= 0 => at.cast::<i64>().write_unaligned(value),
                    (Kind::U32, Ok(value), _) => at.cast::<u32>().write_unaligned(value),
                    (Kind::I32, _, Ok(value)) => at.cast::<i32>().write_unaligned(value),
                    _ => return self.scalar(Event::Int(value)),
                }
            }
            return Ok(());
        }
        self.scalar(Event::Int(value))
    }
    #[inline]
    fn float(&mut self, value: f64) -> Result<()> {
        match self.plain() {
            // SAFETY: a field of this type is there.
            Some((Layout { kind: Kind::F64, .. }, at)) => unsafe {
                at.cast::<f64>().write_unaligned(value);
            },
            _ => return self.scalar(Event::Float(value)),
        }
        Ok(())
    }
    #[inline]
    fn text(&mut self, value: &str) -> Result<()> {
        match self.plain() {
            // SAFETY: a field of this type is there, or reached from there.
            Some((of @ Layout { kind: Kind::Text, .. }, at)) => unsafe {
                put_bytes(of, at, value.as_bytes())
            },
            _ => self.scalar(Event::Text(value)),
        }
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.begin(Event::BeginArray(len), len)
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.begin(Event::BeginMap(len), len)
    }
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        match &mut self.top {
            Frame::Fields(open) if self.any.is_none() => open.known_key(key),
            _ => Ok(false),
        }
    }
}
