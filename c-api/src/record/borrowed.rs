//! A struct of the program as a Source.

use std::marker::PhantomData;

use linkspan::value::{Decimal, NdArrayRef, Sink, Source};
use linkspan::{DType, Error, ErrorKind, Order, Result, Timestamp};

use super::error::no_array;
use super::flat;
use super::layout::{Entries, Field, Fields, Kind, Layout};
use super::part::{bytes, number, pair, place};
use crate::argument::{block, handle, utf8};
use crate::array::{copy_elements, linkspan_array};
use crate::message::linkspan_message;

pub(crate) struct BorrowedRecord<'a> {
    layout: &'a Layout,
    at: *const u8,
    lives: PhantomData<&'a u8>,
}

impl<'a> BorrowedRecord<'a> {
    /// # Safety
    /// At `at` is a struct of this layout, with all its pointees. No code changes it while this value exists.
    pub unsafe fn new(layout: &'a Layout, at: *const u8) -> BorrowedRecord<'a> {
        BorrowedRecord { layout, at, lives: PhantomData }
    }
}

impl Source for BorrowedRecord<'_> {
    #[inline]
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        // SAFETY: as `new` was promised.
        unsafe { send(self.layout, self.at, sink) }
    }

    #[inline]
    fn append_cbor(&self, out: &mut Vec<u8>) -> bool {
        match &self.layout.kind {
            // SAFETY: as `new` was promised.
            Kind::Struct(fields) => unsafe { flat::append(fields, self.at, out) },
            _ => false,
        }
    }
}

#[cold]
fn no_value() -> Error {
    Error::new(ErrorKind::OutOfRange, "the number is none of this enum's values")
}

/// # Safety
/// A value of this layout is at `at`, with all its pointees.
unsafe fn send<S: Sink + ?Sized>(of: &Layout, at: *const u8, sink: &mut S) -> Result<()> {
    // SAFETY (of all blocks below): by contract; the layout was checked to be within the struct.
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
        Kind::WideU8 => sink.int(read!(i16).into()),
        Kind::WideU16 => sink.int(read!(i32).into()),
        Kind::WideU32 => sink.int(read!(i64)),
        // SAFETY: as above.
        Kind::Logical(_) => sink.bool(unsafe { number(at, of.size) } != 0),
        Kind::F32 => sink.float(read!(f32).into()),
        Kind::F64 => sink.float(read!(f64)),
        Kind::Timestamp => sink.timestamp(Timestamp(read!(i64))),
        // SAFETY: as above.
        Kind::Uuid if of.through.is_some() => match unsafe { bytes(of, at, "a UUID") }?.try_into() {
            Ok(id) => sink.uuid(id),
            Err(_) => Err(Error::new(ErrorKind::WrongType, "a UUID has 16 bytes")),
        },
        Kind::Uuid => sink.uuid(read!([u8; 16])),
        // SAFETY: as above.
        Kind::Text => sink.text(utf8(unsafe { bytes(of, at, "text") }?, "text")?),
        // SAFETY: as above.
        Kind::Bytes => sink.bytes(unsafe { bytes(of, at, "bytes") }?),
        Kind::Decimal => {
            // SAFETY: as above.
            let text = utf8(unsafe { bytes(of, at, "text") }?, "a decimal number")?;
            sink.decimal(&text.parse::<Decimal>()?)
        }
        Kind::Any => {
            let message = match of.through {
                // SAFETY: as above.
                Some(through) => unsafe { through.find(at) }?.cast(),
                None => read!(*const linkspan_message),
            };
            // SAFETY: NULL or a live message, by contract.
            if message.is_null() { sink.null() } else { unsafe { handle(message) }?.walk(sink) }
        }
        Kind::Enum(names) => {
            // SAFETY: as above.
            let number = unsafe { number(at, of.size) };
            sink.text(names.get(number).ok_or_else(no_value)?)
        }
        Kind::List(items) => {
            // SAFETY: as above.
            let (first, count) = unsafe { items_at(of, at, items.size) }?;
            sink.begin_array(count)?;
            for position in 0..count {
                // SAFETY: this many items, by contract.
                unsafe { send(items, first.add(position * items.size), sink) }
                    .map_err(|error| error.under_index(position))?;
            }
            sink.end_array()
        }
        Kind::Bools => {
            let through = of.through.ok_or_else(no_value)?;
            // SAFETY: as above.
            let (_, count) = unsafe { through.view(at) }?;
            sink.begin_array(count)?;
            for position in 0..count {
                // SAFETY: `position` is below their number.
                sink.bool(unsafe { through.get_bool(at, position) }?)?;
            }
            sink.end_array()
        }
        // SAFETY: as above.
        Kind::Map(entries) => unsafe { send_entries(of, entries, at, sink) },
        // SAFETY: as above.
        Kind::Struct(fields) => unsafe { send_fields(fields, at, sink) },
        Kind::Union(size, fields) => {
            // SAFETY: as above.
            let variant = unsafe { variant(*size, fields, at) }?;
            sink.begin_map(1)?;
            // SAFETY: as above.
            unsafe { send_field(variant, at, sink) }?;
            sink.end_map()
        }
        Kind::Array { dtype, order, .. } if of.through.is_some() => {
            let mut array = linkspan_array { dtype: *dtype as i32, ..linkspan_array::NOTHING };
            // SAFETY: as above.
            if !unsafe { of.through.ok_or_else(no_value)?.view_array(at, &mut array) }? {
                return Err(no_array());
            }
            let bytes = array.length;
            // SAFETY: the bytes exist; `fits` checks their number before the elements are read.
            let array = unsafe { fits(&array, *dtype, bytes)?.lend() }?;
            send_array(array, order.unwrap_or(array.order), sink)
        }
        Kind::Array { .. } => {
            // SAFETY: by contract an array with its elements, which need not be aligned.
            sink.ndarray(unsafe { (*at.cast::<linkspan_array>()).lend() }?)
        }
        Kind::Elements { dtype, order, lengths } => {
            // SAFETY: the elements are within the struct.
            let data = unsafe { block(at, of.size, "elements") }?;
            sink.ndarray(NdArrayRef::new(*dtype, *order, lengths, data)?)
        }
    }
}

fn send_array<S: Sink + ?Sized>(array: NdArrayRef<'_>, order: Order, sink: &mut S) -> Result<()> {
    if array.order == order || array.shape.iter().filter(|length| **length > 1).count() < 2 {
        return sink.ndarray(array);
    }
    let mut turned = vec![0; array.data.len()];
    copy_elements(array, array.dtype, order, &mut turned)?;
    sink.ndarray(NdArrayRef::new(array.dtype, order, array.shape, &turned)?)
}

fn fits(array: &linkspan_array, expected: DType, bytes: usize) -> Result<&linkspan_array> {
    let (dtype, dims) = array.shape()?;
    if dtype != expected {
        let text = format!("an array of {} is expected, one of {} was found", expected.name(), dtype.name());
        return Err(Error::new(ErrorKind::WrongType, text));
    }
    if NdArrayRef::byte_length(dtype, dims)? == bytes as u64 {
        return Ok(array);
    }
    let text = "the array has another number of elements than its shape";
    Err(Error::new(ErrorKind::OutOfRange, text))
}

/// # Safety
/// As for [`send`].
unsafe fn send_entries<S: Sink + ?Sized>(
    of: &Layout,
    entries: &Entries,
    at: *const u8,
    sink: &mut S,
) -> Result<()> {
    let values = &entries.value;
    // SAFETY: by contract: this many entries, each a key and a value.
    unsafe {
        if let Some(through) = of.through.filter(|through| through.inserts()) {
            sink.begin_map(through.view(at)?.1)?;
            through.each(at, &mut |key, value| send_entry(key, values, value, sink))?;
        } else {
            let (first, count) = items_at(of, at, entries.size)?;
            sink.begin_map(count)?;
            for position in 0..count {
                let here = first.add(position * entries.size);
                let key = match &entries.key {
                    Some((offset, key)) => bytes(key, here.add(*offset), "a key")?,
                    None => pair(here, "a key")?,
                };
                send_entry(key, values, here.add(entries.offset), sink)?;
            }
        }
    }
    sink.end_map()
}

/// # Safety
/// As for [`send`].
unsafe fn send_entry<S: Sink + ?Sized>(key: &[u8], of: &Layout, at: *const u8, sink: &mut S) -> Result<()> {
    let key = utf8(key, "a key")?;
    // SAFETY: by contract.
    let sent = sink.key(key).and_then(|()| unsafe { send(of, at, sink) });
    sent.map_err(|error| error.under_key(key))
}

/// # Safety
/// As for [`send`].
unsafe fn variant(size: usize, fields: &Fields, at: *const u8) -> Result<&Field> {
    if size > 0 {
        // SAFETY: by contract.
        return fields.all.get(unsafe { number(at, size) }).ok_or_else(no_value);
    }
    for field in &fields.all {
        // SAFETY: by contract.
        if unsafe { place(field, at) }?.is_some() {
            return Ok(field);
        }
    }
    let text = format!("it holds none of its variants, which are {}", fields.list());
    Err(Error::new(ErrorKind::OutOfRange, text))
}

/// # Safety
/// As for [`send`].
unsafe fn items_at(of: &Layout, at: *const u8, size: usize) -> Result<(*const u8, usize)> {
    // SAFETY: by contract.
    unsafe {
        if let Some(through) = of.through {
            return through.view(at);
        }
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
    let mut count = 0;
    for field in &fields.all {
        // SAFETY: by contract.
        count += usize::from(unsafe { place(field, at) }?.is_some());
    }
    sink.begin_map(count)?;
    for field in &fields.all {
        // SAFETY: by contract.
        unsafe { send_field(field, at, sink) }?;
    }
    sink.end_map()
}

/// # Safety
/// As for [`send`]; the struct is at `at`.
#[inline]
unsafe fn send_field<S: Sink + ?Sized>(field: &Field, at: *const u8, sink: &mut S) -> Result<()> {
    // SAFETY: by contract.
    let Some(value) = unsafe { place(field, at) }? else { return Ok(()) };
    // SAFETY: by contract; the value is there.
    let sent = sink.key(field.key).and_then(|()| unsafe { send(&field.of, value, sink) });
    sent.map_err(|error| error.under_key(field.key))
}
