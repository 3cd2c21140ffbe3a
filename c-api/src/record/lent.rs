//! A struct of the program as a Source.

use std::marker::PhantomData;

use linkspan::value::{Decimal, NdArrayRef, Sink, Source};
use linkspan::{Error, ErrorKind, Order, Result, Timestamp};

use super::layout::{Field, Fields, Kind, Layout, PAIR};
use crate::argument::{block, handle, utf8};
use crate::array::linkspan_array;
use crate::message::linkspan_message;

/// A struct that is only read.
pub(crate) struct Lent<'a> {
    layout: &'a Layout,
    at: *const u8,
    lives: PhantomData<&'a u8>,
}

impl<'a> Lent<'a> {
    /// # Safety
    /// A struct of this layout lies at `at`, with all that it points to, and nobody changes it as long as this is there.
    pub unsafe fn new(layout: &'a Layout, at: *const u8) -> Lent<'a> {
        Lent { layout, at, lives: PhantomData }
    }
}

impl Source for Lent<'_> {
    #[inline]
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        // SAFETY: as `new` was promised.
        unsafe { send(self.layout, self.at, sink) }
    }
}

/// The number of an enum that has so many bytes; none of its values where it is negative.
///
/// # Safety
/// So many bytes, 1, 2, 4 or 8, can be read at `at`.
#[inline]
pub(super) unsafe fn number(at: *const u8, size: usize) -> usize {
    // SAFETY: as the caller promises.
    unsafe {
        match size {
            1 => usize::from(at.read()),
            2 => usize::from(at.cast::<u16>().read_unaligned()),
            4 => at.cast::<u32>().read_unaligned() as usize,
            _ => at.cast::<u64>().read_unaligned() as usize,
        }
    }
}

#[cold]
fn no_value() -> Error {
    Error::new(ErrorKind::OutOfRange, "the number is none of this enum's values")
}

/// The bytes that a pointer and a length say.
///
/// # Safety
/// As for [`send`].
#[inline]
unsafe fn pair<'a>(at: *const u8, what: &str) -> Result<&'a [u8]> {
    // SAFETY: as the caller promises.
    unsafe {
        let data = at.cast::<*const u8>().read_unaligned();
        let length = at.add(size_of::<*const u8>()).cast::<usize>().read_unaligned();
        block(data, length, what)
    }
}

/// Sends the value at `at`.
///
/// # Safety
/// A value of this layout lies there, with all that it points to.
unsafe fn send<S: Sink + ?Sized>(of: &Layout, at: *const u8, sink: &mut S) -> Result<()> {
    // SAFETY (of all blocks below): as the caller promises; the layout was checked to lie within the struct.
    macro_rules! read {
        ($kind:ty) => {
            // SAFETY: as above.
            unsafe { at.cast::<$kind>().read_unaligned() }
        };
    }
    match &of.kind {
        Kind::Bool => sink.bool(read!(u8) != 0),
        Kind::I8 => sink.int(read!(i8).into()),
        Kind::I16 => sink.int(read!(i16).into()),
        Kind::I32 => sink.int(read!(i32).into()),
        Kind::I64 => sink.int(read!(i64)),
        Kind::U8 => sink.int(read!(u8).into()),
        Kind::U16 => sink.int(read!(u16).into()),
        Kind::U32 => sink.int(read!(u32).into()),
        Kind::U64 => read!(u64).walk(sink),
        Kind::F32 => sink.float(read!(f32).into()),
        Kind::F64 => sink.float(read!(f64)),
        Kind::Timestamp => sink.timestamp(Timestamp(read!(i64))),
        Kind::Uuid => sink.uuid(read!([u8; 16])),
        // SAFETY: as above.
        Kind::Text => sink.text(utf8(unsafe { pair(at, "text") }?, "text")?),
        // SAFETY: as above.
        Kind::Bytes => sink.bytes(unsafe { pair(at, "bytes") }?),
        Kind::Decimal => {
            // SAFETY: as above.
            let text = utf8(unsafe { pair(at, "text") }?, "a decimal number")?;
            sink.decimal(&text.parse::<Decimal>()?)
        }
        Kind::Any => {
            let message = read!(*const linkspan_message);
            // SAFETY: the caller promises NULL or a live message.
            if message.is_null() { sink.null() } else { unsafe { handle(message) }?.walk(sink) }
        }
        Kind::Enum(names) => {
            // SAFETY: as above.
            let number = unsafe { number(at, of.size) };
            sink.text(names.get(number).ok_or_else(no_value)?)
        }
        Kind::List(items) => {
            // SAFETY: as above.
            let (first, count) = unsafe { items_at(at, items.size) }?;
            sink.begin_array(count)?;
            for position in 0..count {
                // SAFETY: the caller promises so many items.
                unsafe { send(items, first.add(position * items.size), sink) }
                    .map_err(|error| error.under_index(position))?;
            }
            sink.end_array()
        }
        Kind::Map(size, values) => {
            // SAFETY: as above.
            let (first, count) = unsafe { items_at(at, *size) }?;
            sink.begin_map(count)?;
            for position in 0..count {
                // SAFETY: the caller promises so many entries, each a text and a value.
                unsafe {
                    let entry = first.add(position * size);
                    let key = utf8(pair(entry, "a key")?, "a key")?;
                    let sent = sink.key(key).and_then(|()| send(values, entry.add(PAIR), sink));
                    sent.map_err(|error| error.under_key(key))?;
                }
            }
            sink.end_map()
        }
        // SAFETY: as above.
        Kind::Struct(fields) => unsafe { send_fields(fields, at, sink) },
        Kind::Union(size, fields) => {
            // SAFETY: as above.
            let variant = fields.all.get(unsafe { number(at, *size) }).ok_or_else(no_value)?;
            sink.begin_map(1)?;
            // SAFETY: as above.
            unsafe { send_field(variant, at, sink) }?;
            sink.end_map()
        }
        Kind::Array { .. } => {
            // SAFETY: the caller promises an array, whose elements are there. It may lie unaligned as little as any value of C.
            sink.ndarray(unsafe { (*at.cast::<linkspan_array>()).lend() }?)
        }
        Kind::Elements { dtype, lengths } => {
            // SAFETY: the elements lie within the struct.
            let data = unsafe { block(at, of.size, "elements") }?;
            sink.ndarray(NdArrayRef::new(*dtype, Order::Row, lengths, data)?)
        }
    }
}

/// The items of a list or the entries of a map, and how many there are.
///
/// # Safety
/// As for [`send`].
unsafe fn items_at(at: *const u8, size: usize) -> Result<(*const u8, usize)> {
    // SAFETY: as the caller promises.
    unsafe {
        let first = at.cast::<*const u8>().read_unaligned();
        let count = at.add(size_of::<*const u8>()).cast::<usize>().read_unaligned();
        block(first, count.saturating_mul(size), "the items")?;
        Ok((first, count))
    }
}

/// # Safety
/// As for [`send`].
#[inline]
unsafe fn send_fields<S: Sink + ?Sized>(fields: &Fields, at: *const u8, sink: &mut S) -> Result<()> {
    // SAFETY: as the caller promises. A truth value is looked at as the byte that it is.
    let there = |field: &Field| field.presence.is_none_or(|presence| unsafe { at.add(presence).read() } != 0);
    sink.begin_map(fields.all.iter().filter(|field| there(field)).count())?;
    for field in fields.all.iter().filter(|field| there(field)) {
        // SAFETY: as the caller promises.
        unsafe { send_field(field, at, sink) }?;
    }
    sink.end_map()
}

/// # Safety
/// As for [`send`]; `at` is where the struct lies.
#[inline]
unsafe fn send_field<S: Sink + ?Sized>(field: &Field, at: *const u8, sink: &mut S) -> Result<()> {
    // SAFETY: as the caller promises; the field lies within the struct.
    let sent = sink.key(field.key).and_then(|()| unsafe { send(&field.of, at.add(field.offset), sink) });
    sent.map_err(|error| error.under_key(field.key))
}
