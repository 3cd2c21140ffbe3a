//! A Sink that fills a struct of the program.

use std::marker::PhantomData;

use linkspan::value::typed::{Any, Build, Decode, Event, Slot, Uuid};
use linkspan::value::{BigInt, Decimal, NdArrayRef, Sink, repeated_key};
use linkspan::{DType, Error, ErrorKind, Order, Result, Timestamp, quoted};

use super::layout::{Field, Fields, Kind, Layout, PAIR};
use super::memory;
use crate::array::{copy_elements, linkspan_array};
use crate::message::linkspan_message;

/// Fills a struct from the events of its value.
pub(crate) struct Filler<'a> {
    top: Frame<'a>,
    outer: Vec<Frame<'a>>,
    /// The value of any kind that is being built.
    any: Option<Box<Building>>,
    lives: PhantomData<&'a mut u8>,
}

/// A value of any kind, and where the message that has it goes.
struct Building {
    builder: Any,
    to: *mut *mut linkspan_message,
}

/// Where the next value goes.
enum Frame<'a> {
    /// Here: the whole value.
    Whole(&'a Layout, *mut u8),
    /// Nowhere: the whole value is there.
    Done,
    /// Into a field of a struct, or a variant of a union.
    Fields(Open<'a>),
    /// Into the items of a list.
    Items(&'a Layout, Room),
    /// Into the entries of a map, behind their keys.
    Entries(&'a Layout, Room),
    /// Nowhere: a value that nobody asked for, this deep.
    Skipped(usize),
}

/// Where the next item of a list or entry of a map lies, and how many there is room for.
struct Room {
    next: *mut u8,
    size: usize,
    left: usize,
}

impl Room {
    /// Memory for so many, to which `at` points from now on.
    ///
    /// # Safety
    /// A pointer and a length may be written at `at`.
    unsafe fn make(at: *mut u8, count: usize, size: usize) -> Result<Room> {
        let next = memory::items(count, size)?;
        // SAFETY: as the caller promises.
        unsafe { put_pair(at, next, count) };
        Ok(Room { next, size, left: count })
    }

    /// The place of the next one.
    #[inline]
    fn take(&mut self) -> Result<*mut u8> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(Error::new(ErrorKind::Internal, "more values came than were announced"));
        };
        let here = self.next;
        // SAFETY: one is left, so its end lies within the memory or right behind it.
        (self.left, self.next) = (left, unsafe { here.add(self.size) });
        Ok(here)
    }
}

/// A struct or a union whose fields come.
struct Open<'a> {
    fields: &'a Fields,
    at: *mut u8,
    /// The position of the field that comes next if the writer kept the order.
    next: usize,
    /// The field whose value comes next; none for one that is not known.
    current: Option<&'a Field>,
    seen: Seen,
    /// A bit for each of the first 64 fields that came under its own name.
    named: u64,
    /// The bytes of the number that says which variant there is; 0 for a struct.
    union: usize,
}

/// The positions of fields that came.
#[derive(Default)]
pub(crate) struct Seen {
    first: u64,
    /// The positions from 64 on.
    rest: Vec<u64>,
}

impl Seen {
    /// Notes a position; false where it was noted before.
    #[inline]
    pub fn insert(&mut self, position: usize) -> bool {
        let bit = 1 << (position % 64);
        let word = match position / 64 {
            0 => &mut self.first,
            word => {
                if self.rest.len() < word {
                    self.rest.resize(word, 0);
                }
                &mut self.rest[word - 1]
            }
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether a position was noted.
    #[inline]
    pub fn contains(&self, position: usize) -> bool {
        let word = match position / 64 {
            0 => self.first,
            word => self.rest.get(word - 1).copied().unwrap_or(0),
        };
        word & 1 << (position % 64) != 0
    }
}

#[cold]
fn twice(key: &str) -> Error {
    Error::new(ErrorKind::WrongType, format!("the field {key} comes twice, under a name and an alias"))
}

impl Open<'_> {
    /// Finds the field of a key that is its name.
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

    /// Takes a key that the map does not have twice.
    fn key(&mut self, key: &str) -> Result<()> {
        if self.union > 0 {
            let position = self.fields.position(key.as_bytes()).ok_or_else(|| {
                let text = format!("{} is expected, {} was found", self.variants(), quoted(key));
                Error::new(ErrorKind::WrongType, text)
            })?;
            // SAFETY: the number lies at the beginning of the union's struct, which was promised to the filler.
            unsafe { put_number(self.at, self.union, position) };
            self.enter(position);
            return Ok(());
        }
        let alias = || self.fields.aliases.iter().find(|(alias, _)| *alias == key).map(|(_, at)| *at);
        let Some(position) = self.named(key.as_bytes()).or_else(alias) else {
            // A newer writer may send fields that this program does not know.
            self.current = None;
            return Ok(());
        };
        if !self.seen.insert(position) {
            return Err(twice(self.fields.all[position].key));
        }
        self.enter(position);
        Ok(())
    }

    /// Takes the name of one of the first 64 fields; false for another key.
    #[inline]
    fn known_key(&mut self, key: &[u8]) -> Result<bool> {
        let Some(position) = self.named(key).filter(|position| *position < 64 && self.union == 0) else {
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

    /// What the end of the map asks for: defaults, or `Missing`.
    fn end(&self) -> Result<()> {
        if self.union > 0 {
            return Ok(());
        }
        for (position, field) in self.fields.all.iter().enumerate() {
            if self.seen.contains(position) {
                continue;
            }
            if field.presence.is_none() && field.default.is_none() {
                let text = format!("the field {} is missing", field.key);
                return Err(Error::new(ErrorKind::Missing, text));
            }
            // SAFETY: the struct was promised to the filler; the field did not come, so it is all zero.
            unsafe { memory::default(field, self.at) }?;
        }
        Ok(())
    }
}

/// A scalar from its event, as generated Rust takes it.
#[inline]
fn take<T: Decode<Builder = Slot<T>>>(event: Event<'_>) -> Result<T>
where
    Slot<T>: Build<Output = T>,
{
    let mut slot = Slot::<T>::default();
    slot.event(event)?;
    slot.finish()
}

/// Writes the number of an enum that has so many bytes.
///
/// # Safety
/// So many bytes, 1, 2, 4 or 8, may be written at `at`.
unsafe fn put_number(at: *mut u8, size: usize, number: usize) {
    // SAFETY: as the caller promises; the numbers are little-endian or the bytes are counted from the other end.
    unsafe {
        match size {
            1 => at.write(number as u8),
            2 => at.cast::<u16>().write_unaligned(number as u16),
            4 => at.cast::<u32>().write_unaligned(number as u32),
            _ => at.cast::<u64>().write_unaligned(number as u64),
        }
    }
}

/// Writes a pointer and a length.
///
/// # Safety
/// A struct of both may be written at `at`.
#[inline]
unsafe fn put_pair(at: *mut u8, data: *mut u8, length: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        at.cast::<*mut u8>().write_unaligned(data);
        at.add(size_of::<*mut u8>()).cast::<usize>().write_unaligned(length);
    }
}

/// Writes a value that is one event.
///
/// # Safety
/// A value of this layout lies at `at`, all zero.
#[inline]
unsafe fn put(of: &Layout, unknown: Option<usize>, at: *mut u8, event: Event<'_>) -> Result<()> {
    macro_rules! write {
        ($kind:ty) => {
            // SAFETY: as the caller promises; the layout was checked to lie within the struct.
            unsafe { at.cast::<$kind>().write_unaligned(take::<$kind>(event)?) }
        };
    }
    match &of.kind {
        Kind::Bool => write!(bool),
        Kind::I8 => write!(i8),
        Kind::I16 => write!(i16),
        Kind::I32 => write!(i32),
        Kind::I64 => write!(i64),
        Kind::U8 => write!(u8),
        Kind::U16 => write!(u16),
        Kind::U32 => write!(u32),
        Kind::U64 => write!(u64),
        Kind::F32 => write!(f32),
        Kind::F64 => write!(f64),
        // SAFETY: as above.
        Kind::Timestamp => unsafe {
            at.cast::<i64>().write_unaligned(take::<Timestamp>(event)?.nanoseconds());
        },
        // SAFETY: as above.
        Kind::Uuid => unsafe { at.cast::<[u8; 16]>().write_unaligned(take::<Uuid>(event)?.0) },
        Kind::Text => match event {
            // SAFETY: as above.
            Event::Text(text) => unsafe { put_pair(at, memory::copy(text.as_bytes())?, text.len()) },
            other => return Err(other.unexpected("text")),
        },
        Kind::Bytes => match event {
            // SAFETY: as above.
            Event::Bytes(bytes, _) => unsafe { put_pair(at, memory::copy(bytes)?, bytes.len()) },
            other => return Err(other.unexpected("bytes")),
        },
        Kind::Decimal => match event {
            // SAFETY: as above.
            Event::Decimal(number) => unsafe {
                let text = number.as_str();
                put_pair(at, memory::copy(text.as_bytes())?, text.len());
            },
            other => return Err(other.unexpected("a decimal number")),
        },
        Kind::Enum(names) => {
            let expected = || format!("one of {}", names.join(", "));
            let Event::Text(name) = event else { return Err(event.unexpected(&expected())) };
            let Some(number) = names.iter().position(|known| *known == name).or(unknown) else {
                let text = format!("{} is expected, {} was found", expected(), quoted(name));
                return Err(Error::new(ErrorKind::WrongType, text));
            };
            // SAFETY: as above.
            unsafe { put_number(at, of.size, number) };
        }
        Kind::Array { dtype, order, lengths } => {
            let Event::NdArray(array, _) = event else { return Err(event.unexpected("an N-d array")) };
            array_fits(&array, *dtype, *order, lengths.as_deref())?;
            let data = memory::copy(array.data)?;
            let owned = linkspan_array { data: data.cast(), ..linkspan_array::unaligned(array) };
            // SAFETY: as above.
            unsafe { at.cast::<linkspan_array>().write_unaligned(owned) };
        }
        Kind::Elements { dtype, lengths } => {
            let Event::NdArray(array, _) = event else { return Err(event.unexpected("an N-d array")) };
            array_fits(&array, *dtype, None, Some(lengths))?;
            // SAFETY: as above; all zero is a value of bytes.
            let room = unsafe { std::slice::from_raw_parts_mut(at, of.size) };
            copy_elements(array, *dtype, Order::Row, room)?;
        }
        Kind::List(_) => return Err(event.unexpected("an array")),
        Kind::Map(..) | Kind::Struct(_) | Kind::Union(..) => return Err(event.unexpected("a map")),
        Kind::Any => return Err(Error::new(ErrorKind::Internal, "a value of any kind was not begun")),
    }
    Ok(())
}

/// Checks an array against what is asked of it; `u64::MAX` in `lengths` stands for any length.
pub(crate) fn array_fits(
    array: &NdArrayRef<'_>,
    dtype: DType,
    order: Option<Order>,
    lengths: Option<&[u64]>,
) -> Result<()> {
    // In an array of one dimension, both orders are the same memory.
    let one_order = order.is_none_or(|order| order == array.order)
        || array.shape.iter().filter(|length| **length > 1).count() < 2;
    let fits = array.dtype == dtype
        && one_order
        && lengths.is_none_or(|lengths| {
            lengths.len() == array.shape.len()
                && lengths.iter().zip(array.shape).all(|(asked, is)| *asked == u64::MAX || asked == is)
        });
    if fits {
        return Ok(());
    }
    let shown = lengths.map_or(String::new(), |lengths| {
        let lengths: Vec<_> = lengths
            .iter()
            .map(|length| if *length == u64::MAX { "*".into() } else { length.to_string() })
            .collect();
        format!(" [{}]", lengths.join(", "))
    });
    let text = format!(
        "an N-d array of {}{shown} is expected, one of {} {:?} in {} order was found",
        dtype.name(),
        array.dtype.name(),
        array.shape,
        array.order.name()
    );
    Err(Error::new(ErrorKind::WrongType, text))
}

impl<'a> Filler<'a> {
    /// # Safety
    /// A struct of this layout lies at `to`, all zero, which nobody else uses as long as this is there.
    pub unsafe fn new(layout: &'a Layout, to: *mut u8) -> Filler<'a> {
        Filler { top: Frame::Whole(layout, to), outer: Vec::new(), any: None, lives: PhantomData }
    }

    /// Says that the whole value came.
    pub fn finish(self) -> Result<()> {
        match self.top {
            Frame::Done => Ok(()),
            _ => Err(Error::new(ErrorKind::Missing, "no value came")),
        }
    }

    /// Where the next value goes; nothing where it is not kept. An optional field is then there, unless the value is null.
    #[inline]
    fn place(&mut self, event: &Event<'_>) -> Result<Option<(&'a Layout, Option<usize>, *mut u8)>> {
        Ok(match &mut self.top {
            Frame::Fields(open) => {
                let Some(field) = open.current else { return Ok(None) };
                // SAFETY: the struct was promised to `new`; the field and what says that it is there lie within it.
                unsafe {
                    if let Some(presence) = field.presence {
                        if matches!(event, Event::Null) {
                            return memory::default(field, open.at).map(|()| None);
                        }
                        open.at.add(presence).cast::<bool>().write(true);
                    }
                    Some((&field.of, field.unknown, open.at.add(field.offset)))
                }
            }
            Frame::Items(of, room) => Some((of, None, room.take()?)),
            // SAFETY: behind the key, the value lies within the entry.
            Frame::Entries(of, room) => Some((of, None, unsafe { room.take()?.add(PAIR) })),
            Frame::Whole(of, at) => {
                let place = (*of, None, *at);
                self.top = Frame::Done;
                Some(place)
            }
            Frame::Skipped(_) | Frame::Done => None,
        })
    }

    /// Takes a value that is one event.
    #[inline]
    fn scalar(&mut self, event: Event<'_>) -> Result<()> {
        if self.any.is_some() {
            return self.build(event);
        }
        let Some((of, unknown, at)) = self.place(&event)? else { return Ok(()) };
        if let Kind::Any = of.kind {
            return self.begin_any(at, event);
        }
        // SAFETY: the struct was promised to `new`, and each place in it is written once.
        unsafe { put(of, unknown, at, event) }
    }

    #[cold]
    fn begin_any(&mut self, at: *mut u8, event: Event<'_>) -> Result<()> {
        self.any = Some(Box::new(Building { builder: Any::default(), to: at.cast() }));
        self.build(event)
    }

    /// Takes an event of the value of any kind.
    #[cold]
    fn build(&mut self, event: Event<'_>) -> Result<()> {
        let Some(any) = &mut self.any else { return Ok(()) };
        if any.builder.event(event)?
            && let Some(any) = self.any.take()
        {
            let message = linkspan_message::of(any.builder.finish()?);
            // SAFETY: the struct was promised to `new`; no message was there.
            unsafe { any.to.write_unaligned(message) };
        }
        Ok(())
    }

    /// Takes the beginning of an array or a map.
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
                (Kind::Any, _) => return self.begin_any(at, event),
                (Kind::List(items), Event::BeginArray(_)) => {
                    // SAFETY: as above.
                    Frame::Items(items, unsafe { Room::make(at, count, items.size) }?)
                }
                (Kind::Map(size, values), Event::BeginMap(_)) => {
                    // SAFETY: as above.
                    Frame::Entries(values, unsafe { Room::make(at, count, *size) }?)
                }
                (Kind::Struct(fields), Event::BeginMap(_)) => Frame::Fields(open(fields, at, 0)),
                (Kind::Union(size, fields), Event::BeginMap(_)) => {
                    let open = open(fields, at, *size);
                    if count != 1 {
                        let text = format!("{} is expected, {count} keys were found", open.variants());
                        return Err(Error::new(ErrorKind::WrongType, text));
                    }
                    Frame::Fields(open)
                }
                // SAFETY: as above: it says what is expected.
                _ => return unsafe { put(of, None, at, event) },
            },
        };
        self.outer.push(std::mem::replace(&mut self.top, frame));
        Ok(())
    }

    /// Takes the end of an array or a map.
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

    /// Takes a key.
    fn next_key(&mut self, key: &str) -> Result<()> {
        if self.any.is_some() {
            return self.build(Event::Key(key));
        }
        match &mut self.top {
            Frame::Fields(open) => open.key(key),
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

fn open(fields: &Fields, at: *mut u8, union: usize) -> Open<'_> {
    Open { fields, at, next: 0, current: None, seen: Seen::default(), named: 0, union }
}

/// Each method hands its event on.
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
        bool(value: bool) => scalar(Event::Bool(value)),
        int(value: i64) => scalar(Event::Int(value)),
        uint(value: u64) => scalar(Event::Uint(value)),
        big_int(value: &BigInt) => scalar(Event::BigInt(value)),
        float(value: f64) => scalar(Event::Float(value)),
        text(value: &str) => scalar(Event::Text(value)),
        bytes(value: &[u8]) => scalar(Event::Bytes(value, None)),
        timestamp(value: Timestamp) => scalar(Event::Timestamp(value)),
        uuid(value: [u8; 16]) => scalar(Event::Uuid(value)),
        decimal(value: &Decimal) => scalar(Event::Decimal(value)),
        ndarray(value: NdArrayRef<'_>) => scalar(Event::NdArray(value, None)),
        key(key: &str) => next_key(key),
        end_array() => end(Event::EndArray),
        end_map() => end(Event::EndMap),
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
