//! Reads a value event by event, without a tree, for generated code.

pub mod names;
pub mod values;

mod state;

use std::ffi::c_char;
use std::ops::DerefMut;
use std::slice;

use linkspan::value::Sink;
use linkspan::{Error, ErrorKind, Limits, Result, codec};

use self::names::Names;
use self::state::{Reader, state};
use crate::argument::{Nothing, Place, block, c_any_text, handle, is_null, make, out, place};
use crate::encoding::{encoding, linkspan_encoding};
use crate::error::{guard, refusal};
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::status::linkspan_status;
use crate::tape::{Event, Slice};

/// Reads the values of a message one by one, in the order in which they were written. Free it with
/// `linkspan_reader_free`; reuse one for many messages, since it keeps its memory. One thread at a time may
/// use it.
///
/// The first error stays: later calls give zero, NULL, a count of zero and no field, and return the same
/// error, up to and including `linkspan_reader_finish`. So only its status needs to be checked. Texts, bytes
/// and arrays are views: they are valid until the reader begins another value or is freed.
pub struct linkspan_reader(pub(crate) Tagged<Reader>);

handle_kind!(linkspan_reader of Reader: b"reader..");

/// The reader behind a handle.
///
/// # Safety
/// `reader` is NULL or a reader, live or one of those released last, and no other thread uses it.
unsafe fn reader<'a>(reader: *mut linkspan_reader) -> Result<&'a mut Reader> {
    // SAFETY: as the caller promises; it was checked first.
    unsafe {
        handle(reader)?;
        Ok((*reader).0.deref_mut())
    }
}

/// Does one step of reading, unless an earlier one failed.
///
/// # Safety
/// As for [`reader`].
unsafe fn step(
    reader: *mut linkspan_reader,
    what: impl FnOnce(&mut Reader) -> Result<()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    let reader = match unsafe { self::reader(reader) } {
        Ok(reader) => reader,
        Err(error) => return guard(|| Err(error)),
    };
    if let Some(error) = &reader.error {
        return error.kind().code().into();
    }
    let mut failed = None;
    let status = guard(|| {
        let outcome = what(reader).map_err(|error| reader.locate(error));
        outcome.inspect_err(|error| failed = Some(error.clone()))
    });
    if failed.is_some() {
        reader.error = failed;
    }
    status
}

/// Reads the next value with `what`.
///
/// # Safety
/// As for [`reader`]; `to` is NULL or may be written.
unsafe fn get<T: Nothing>(
    reader: *mut linkspan_reader,
    to: Place<T>,
    what: impl FnOnce(&Reader, Event) -> Result<T>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        // Also where an earlier step failed.
        let to = out(to);
        step(reader, |reader| {
            let to = to?;
            let entry = reader.peek()?;
            *to = what(reader, entry.event)?;
            reader.take(&entry);
            Ok(())
        })
    }
}

/// Sends the next value to a sink: `take` is called once with a function that does so.
///
/// # Safety
/// As for [`reader`].
pub(crate) unsafe fn get_into<S: Sink>(
    reader: *mut linkspan_reader,
    take: impl FnOnce(&dyn Fn(&mut S) -> Result<()>) -> Result<()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(reader, |reader| {
            let entry = reader.peek()?;
            take(&|sink| reader.tape.send(reader.next, sink).map(drop))?;
            reader.take(&entry);
            Ok(())
        })
    }
}

/// Reads the next value as a view.
///
/// # Safety
/// As for [`get`].
unsafe fn view<T>(
    reader: *mut linkspan_reader,
    to: Place<*const T>,
    length: Place<usize>,
    what: impl FnOnce(Event) -> Result<Slice>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        let (to, length) = (out(to), out(length));
        step(reader, |reader| {
            let (to, length) = (to?, length?);
            let entry = reader.peek()?;
            let bytes = reader.tape.bytes(what(entry.event)?);
            (*to, *length) = (bytes.as_ptr().cast(), bytes.len());
            reader.take(&entry);
            Ok(())
        })
    }
}

/// Creates a reader.
///
/// # Safety
/// `reader` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_new(reader: *mut *mut linkspan_reader) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { make(place!(reader), || Ok(give(linkspan_reader(Tagged::new(Reader::default()))))) }
}

/// Begins with the value of a message; the message is not changed and may be released at once.
///
/// # Safety
/// `reader` and `message` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_message(
    reader: *mut linkspan_reader,
    message: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let reader = self::reader(reader)?;
        let outcome = reader.begin_with(|tape| handle(message)?.record(tape));
        outcome.inspect_err(|error| reader.error = Some(error.clone()))
    })
}

/// Begins with the value in encoded bytes. The bytes may be freed at once.
///
/// # Safety
/// `reader` is live, `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_decode(
    reader: *mut linkspan_reader,
    bytes: *const u8,
    length: usize,
    encoding: linkspan_encoding,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let reader = self::reader(reader)?;
        let outcome = reader.begin_with(|tape| {
            let (bytes, encoding) = (block(bytes, length, "bytes")?, self::encoding(encoding)?);
            tape.record_bytes(bytes, |recorder| {
                codec::decode_into(bytes, encoding, &Limits::default(), recorder).map(|_| ())
            })
        });
        outcome.inspect_err(|error| reader.error = Some(error.clone()))
    })
}

/// Returns the first error of the value, with its path, or `LINKSPAN_OK`.
///
/// # Safety
/// `reader` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_finish(reader: *mut linkspan_reader) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| match unsafe { self::reader(reader) }?.error.take() {
        None => Ok(()),
        Some(error) => Err(error),
    })
}

/// Refuses the value: sets an error with this status and text at the current position of the reader. An
/// earlier error stays.
///
/// # Safety
/// `reader` is live, `text` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_refuse(
    reader: *mut linkspan_reader,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(reader, |_| Err(refusal(status, &c_any_text(text, "text")?))) }
}

/// Begins a list of `count` values, which are read next, up to `linkspan_reader_end`.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_begin_array(
    reader: *mut linkspan_reader,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { begin(reader, count, |reader| reader.begin(false)) }
}

/// Begins a map of `count` values, up to `linkspan_reader_end`. `linkspan_reader_get_field` or
/// `linkspan_reader_get_key` gives the key of the next value.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_begin_map(
    reader: *mut linkspan_reader,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { begin(reader, count, |reader| reader.begin(true)) }
}

/// # Safety
/// As for [`get`].
unsafe fn begin(
    reader: *mut linkspan_reader,
    count: *mut usize,
    what: impl FnOnce(&mut Reader) -> Result<usize>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        if !count.is_null() {
            count.write(0);
        }
        step(reader, |reader| {
            let values = what(reader)?;
            // `count` is NULL for a caller that reads fields.
            if let Some(count) = count.as_mut() {
                *count = values;
            }
            Ok(())
        })
    }
}

/// Ends the innermost open list or map; values in it that were not read are skipped.
///
/// # Safety
/// `reader` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_end(reader: *mut linkspan_reader) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(reader, |reader| reader.end()) }
}

/// Gets the key of the next value in a map: a view, not NUL-terminated.
///
/// # Safety
/// As for `linkspan_reader_get_bool`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_key(
    reader: *mut linkspan_reader,
    key: *mut *const c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        let (key, length) = (out(place!(key)), out(place!(length)));
        step(reader, |reader| {
            let (key, length) = (key?, length?);
            if !reader.is_in_map() {
                return Err(state("no map is open: begin it with linkspan_reader_begin_map"));
            }
            let bytes = reader.tape.bytes(reader.peek()?.key);
            (*key, *length) = (bytes.as_ptr().cast(), bytes.len());
            Ok(())
        })
    }
}

/// Gets the position of the next field of the open map in a table of `count` names, and -1 after the last.
/// Fields that are not in the table are skipped. Each name has `width` bytes, padded with NUL or blanks.
///
/// `rules` has a number for each name: `LINKSPAN_REQUIRED`, for which a map that ends without the field is
/// `Missing`; `LINKSPAN_OPTIONAL`; or, for an older name of a field, the position of that field, which is
/// given instead.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; `names` points to `count` times `width` bytes, `rules` to `count` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_field(
    reader: *mut linkspan_reader,
    names: *const c_char,
    width: usize,
    count: usize,
    rules: *const i32,
    field: *mut i32,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        if !field.is_null() {
            field.write(-1);
        }
        step(reader, |reader| {
            let field = field.as_mut().ok_or_else(|| is_null("field"))?;
            let names = Names::of(names, width, count)?;
            let rules = match (count, rules.is_null()) {
                (0, _) => &[],
                (_, true) => return Err(is_null("rules")),
                (_, false) => slice::from_raw_parts(rules, count),
            };
            *field = match reader.field(&names, rules)? {
                Some(position) => position as i32,
                None => -1,
            };
            Ok(())
        })
    }
}

/// Begins a map that holds one value, and gives the position of its key in a table of `count` names of
/// `width` bytes each; `WrongType` if the key is none of them. Read the value next, then call
/// `linkspan_reader_end`. -1 after an error.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; `names` points to `count` times `width` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_variant(
    reader: *mut linkspan_reader,
    names: *const c_char,
    width: usize,
    count: usize,
    variant: *mut i32,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        if !variant.is_null() {
            variant.write(-1);
        }
        step(reader, |reader| {
            let variant = variant.as_mut().ok_or_else(|| is_null("variant"))?;
            let names = Names::of(names, width, count)?;
            let values = reader.begin(true)?;
            let expected = || format!("a map with one key of {}", names.list());
            if values != 1 {
                let text = format!("{} is expected, {values} keys were found", expected());
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            let key = reader.tape.bytes(reader.peek()?.key);
            *variant = names.position(key).ok_or_else(|| {
                let text =
                    format!("{} is expected, {:?} was found", expected(), String::from_utf8_lossy(key));
                Error::new(ErrorKind::WrongType, text)
            })? as i32;
            Ok(())
        })
    }
}

/// Frees the reader. NULL is allowed; a second call for the same reader, and any other use of it, is `InvalidState`: see
/// `linkspan_channel_free`.
///
/// # Safety
/// `reader` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_free(reader: *mut linkspan_reader) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(reader) }
}
