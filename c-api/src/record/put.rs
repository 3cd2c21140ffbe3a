//! Writes one received value in place, or through the functions that reach it.

use linkspan::value::NdArrayRef;
use linkspan::value::typed::{Build, Decode, Event, Slot, Uuid};
use linkspan::{Error, ErrorKind, Order, Result, Timestamp, quoted};

use super::layout::{Kind, Layout};
use super::memory;
use crate::array::{LINKSPAN_COLUMN, array_fits, copy_elements, linkspan_array};

/// Converts an event to a scalar, as generated Rust code does.
#[inline]
pub(super) fn take<T: Decode<Builder = Slot<T>>>(event: Event<'_>) -> Result<T>
where
    Slot<T>: Build<Output = T>,
{
    let mut slot = Slot::<T>::default();
    slot.event(event)?;
    slot.finish()
}

/// # Safety
/// `size` bytes, 1, 2, 4 or 8, may be written at `at`.
pub(super) unsafe fn put_number(at: *mut u8, size: usize, number: usize) {
    // SAFETY: by contract.
    unsafe {
        match size {
            1 => at.write(number as u8),
            2 => at.cast::<u16>().write_unaligned(number as u16),
            4 => at.cast::<u32>().write_unaligned(number as u32),
            _ => at.cast::<u64>().write_unaligned(number as u64),
        }
    }
}

/// Sets the text, the bytes or the decimal number at `at` to a copy.
///
/// # Safety
/// As for [`put`].
#[inline]
pub(super) unsafe fn put_bytes(of: &Layout, at: *mut u8, bytes: &[u8]) -> Result<()> {
    // SAFETY: by contract.
    unsafe {
        match of.through {
            Some(through) => through.assign(at, bytes)?,
            None => put_pair(at, memory::copy(bytes)?, bytes.len()),
        }
    }
    Ok(())
}

/// # Safety
/// As for [`put`].
unsafe fn put_array(of: &Layout, at: *mut u8, array: NdArrayRef<'_>) -> Result<()> {
    let Some(through) = of.through else {
        let data = memory::copy(array.data)?;
        let owned = linkspan_array { data: data.cast(), ..linkspan_array::unaligned(array) };
        // SAFETY: by contract.
        unsafe { at.cast::<linkspan_array>().write_unaligned(owned) };
        return Ok(());
    };
    let mut like = linkspan_array { data: std::ptr::null(), ..linkspan_array::unaligned(array) };
    // SAFETY: by contract.
    let data = unsafe { through.resize_array(at, &mut like) }?;
    if array.data.is_empty() {
        return Ok(());
    }
    // SAFETY: there is room for the elements, which no other code uses.
    let room = unsafe { std::slice::from_raw_parts_mut(data, array.data.len()) };
    let order = if like.order == LINKSPAN_COLUMN { Order::Column } else { Order::Row };
    copy_elements(array, array.dtype, order, room)
}

/// # Safety
/// A struct of both may be written at `at`.
#[inline]
pub(super) unsafe fn put_pair(at: *mut u8, data: *mut u8, length: usize) {
    // SAFETY: by contract.
    unsafe {
        at.cast::<*mut u8>().write_unaligned(data);
        at.add(size_of::<*mut u8>()).cast::<usize>().write_unaligned(length);
    }
}

/// Writes a value that is one event.
///
/// # Safety
/// A zeroed value of this layout is at `at`, or one that its functions reach.
#[inline]
pub(super) unsafe fn put(of: &Layout, unknown: Option<usize>, at: *mut u8, event: Event<'_>) -> Result<()> {
    macro_rules! write {
        ($kind:ty) => {
            // SAFETY: by contract; the layout was checked to be within the struct.
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
        // SAFETY: as above.
        Kind::WideU8 => unsafe { at.cast::<i16>().write_unaligned(take::<u8>(event)?.into()) },
        // SAFETY: as above.
        Kind::WideU16 => unsafe { at.cast::<i32>().write_unaligned(take::<u16>(event)?.into()) },
        // SAFETY: as above.
        Kind::WideU32 => unsafe { at.cast::<i64>().write_unaligned(take::<u32>(event)?.into()) },
        Kind::Logical(truth) => {
            let value = if take::<bool>(event)? { *truth } else { 0 };
            // SAFETY: as above.
            unsafe { put_number(at, of.size, value) };
        }
        Kind::F32 => write!(f32),
        Kind::F64 => write!(f64),
        // SAFETY: as above.
        Kind::Timestamp => unsafe {
            at.cast::<i64>().write_unaligned(take::<Timestamp>(event)?.nanoseconds());
        },
        // SAFETY: as above.
        Kind::Uuid if of.through.is_some() => unsafe { put_bytes(of, at, &take::<Uuid>(event)?.0) }?,
        // SAFETY: as above.
        Kind::Uuid => unsafe { at.cast::<[u8; 16]>().write_unaligned(take::<Uuid>(event)?.0) },
        Kind::Text => match event {
            // SAFETY: as above.
            Event::Text(text) => unsafe { put_bytes(of, at, text.as_bytes()) }?,
            other => return Err(other.unexpected("text")),
        },
        Kind::Bytes => match event {
            // SAFETY: as above.
            Event::Bytes(bytes, _) => unsafe { put_bytes(of, at, bytes) }?,
            other => return Err(other.unexpected("bytes")),
        },
        Kind::Decimal => match event {
            // SAFETY: as above.
            Event::Decimal(number) => unsafe { put_bytes(of, at, number.as_str().as_bytes()) }?,
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
            // SAFETY: as above.
            unsafe { put_array(of, at, array) }?;
        }
        Kind::Elements { dtype, order, lengths } => {
            let Event::NdArray(array, _) = event else { return Err(event.unexpected("an N-d array")) };
            array_fits(&array, *dtype, None, Some(lengths))?;
            // SAFETY: as above; zeroed bytes are valid.
            let room = unsafe { std::slice::from_raw_parts_mut(at, of.size) };
            copy_elements(array, *dtype, *order, room)?;
        }
        Kind::List(_) | Kind::Bools => return Err(event.unexpected("an array")),
        Kind::Map(_) | Kind::Struct(_) | Kind::Union(..) => return Err(event.unexpected("a map")),
        Kind::Any => return Err(Error::new(ErrorKind::Internal, "a value of any kind was not begun")),
    }
    Ok(())
}
