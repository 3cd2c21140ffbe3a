//! Writes a value event by event, without a tree, for generated code.

use std::collections::HashSet;
use std::ffi::c_char;
use std::ops::DerefMut;

use linkspan::value::{Decimal, NdArrayRef, Sink, Source, repeated_key};
use linkspan::{BigInt, Error, ErrorKind, Limits, Result, Timestamp, Value, codec};

use crate::argument::{block, c_text, c_text_or_none, give_bytes, handle, make, utf8};
use crate::array::linkspan_array;
use crate::encoding::{encoding, linkspan_encoding};
use crate::error::{guard, refusal};
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::status::linkspan_status;
use crate::tape::{Event, Slice, Tape};

/// Writes values one by one, with less work than building a message. Free it with `linkspan_writer_free`;
/// reuse one for many messages, since it keeps its memory. One thread at a time may use it.
///
/// The first error stays: later calls do nothing and return it, up to and including `linkspan_writer_finish`
/// or `linkspan_writer_encode`, which also start a new value. So only their status needs to be checked.
pub struct linkspan_writer(pub(crate) Tagged<Writer>);

handle_kind!(linkspan_writer of Writer: b"writer..");

/// The state of a writer.
#[derive(Default)]
pub(crate) struct Writer {
    tape: Tape,
    open: Vec<Open>,
    error: Option<Error>,
}

/// An open array or map.
struct Open {
    at: usize,
    count: usize,
    is_map: bool,
    /// One bit per key, from its length and its ends: two keys with different bits differ.
    keys: u64,
    /// Whether two keys shared a bit, so that all are compared at the end.
    doubtful: bool,
}

impl Writer {
    /// Notes that a value follows, and records its key.
    #[inline]
    fn place(&mut self, key: Option<&str>) -> Result<Slice> {
        let Some(open) = self.open.last_mut() else {
            return match (self.tape.entries().is_empty(), key) {
                (true, None) => Ok(Slice::default()),
                (true, Some(key)) => Err(state(format!(
                    "the key {key:?} was given outside of a map: begin one with linkspan_writer_begin_map"
                ))),
                (false, _) => Err(state(
                    "the value is whole already: end it with linkspan_writer_finish or linkspan_writer_encode"
                        .into(),
                )),
            };
        };
        open.count += 1;
        match (open.is_map, key) {
            (true, Some(key)) => {
                let (first, last) = (key.as_bytes().first(), key.as_bytes().last());
                let ends = usize::from(*first.unwrap_or(&0)) * 7 + usize::from(*last.unwrap_or(&0)) * 3;
                let bit = 1 << ((ends + key.len() * 11) % 64);
                open.doubtful |= open.keys & bit != 0;
                open.keys |= bit;
                Ok(self.tape.keep(key.as_bytes()))
            }
            (false, None) => Ok(Slice::default()),
            (true, None) => Err(state("a value in a map needs a key, NULL was given".into())),
            (false, Some(key)) => {
                Err(state(format!("the values of an array have a NULL key, {key:?} was given")))
            }
        }
    }

    fn begin(&mut self, key: Option<&str>, is_map: bool) -> Result<()> {
        let limit = Limits::default().depth as usize;
        if self.open.len() >= limit {
            let text = format!("over the depth limit: {limit} levels of nested arrays and maps are allowed");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let key = self.place(key)?;
        self.open.push(Open { at: self.tape.entries().len(), count: 0, is_map, keys: 0, doubtful: false });
        let (count, after) = (0, 0);
        self.tape.push(key, if is_map { Event::Map { count, after } } else { Event::Array { count, after } });
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let open = self.open.pop().ok_or_else(|| state("no array or map is open".into()))?;
        self.tape.close(open.at, open.count);
        if !open.doubtful {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let mut next = open.at + 1;
        while let Some(entry) = self.tape.entries().get(next) {
            if !seen.insert(self.tape.bytes(entry.key)) {
                return Err(repeated_key(self.tape.text(entry.key)?));
            }
            next = match entry.event {
                Event::Array { after, .. } | Event::Map { after, .. } => after,
                _ => next + 1,
            };
        }
        Ok(())
    }

    /// Ends the value: returns the first error, or the tape if the value is complete.
    fn whole(&mut self) -> Result<&mut Tape> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if !self.open.is_empty() {
            let text = format!(
                "{} arrays or maps are still open; call linkspan_writer_end for each",
                self.open.len()
            );
            return Err(state(text));
        }
        if self.tape.entries().is_empty() {
            return Err(state("nothing was written: put a value first".into()));
        }
        Ok(&mut self.tape)
    }

    /// Adds the path to an error: this key, in the innermost `depth` open arrays and maps.
    #[cold]
    fn locate(&self, error: Error, key: Option<&str>, depth: usize) -> Error {
        let open = &self.open[..depth.min(self.open.len())];
        let mut error = match (key, open.last()) {
            (Some(key), _) => error.under_key(key),
            (None, Some(array)) if !array.is_map => error.under_index(array.count.saturating_sub(1)),
            _ => error,
        };
        for (at, inner) in open.iter().enumerate().skip(1).rev() {
            error = match &open[at - 1] {
                around if around.is_map => match self.tape.text(self.tape.entries()[inner.at].key) {
                    Ok(key) => error.under_key(key),
                    Err(_) => error,
                },
                around => error.under_index(around.count.saturating_sub(1)),
            };
        }
        error
    }

    /// Removes the value and the error.
    fn begin_anew(&mut self) {
        self.tape.clear();
        self.open.clear();
        self.error = None;
    }
}

#[cold]
fn state(text: String) -> Error {
    Error::new(ErrorKind::InvalidState, text)
}

/// The writer behind a handle.
///
/// # Safety
/// `writer` is NULL or a writer, live or one of those released last, and no other thread uses it.
unsafe fn writer<'a>(writer: *mut linkspan_writer) -> Result<&'a mut Writer> {
    // SAFETY: as the caller promises; it was checked first.
    unsafe {
        handle(writer)?;
        Ok((*writer).0.deref_mut())
    }
}

/// Does one step of writing, unless an earlier one failed.
///
/// # Safety
/// As for [`writer`]; `key` is NULL or NUL-terminated.
unsafe fn step(
    writer: *mut linkspan_writer,
    key: *const c_char,
    what: impl FnOnce(&mut Writer, Option<&str>) -> Result<()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    let writer = match unsafe { self::writer(writer) } {
        Ok(writer) => writer,
        Err(error) => return guard(|| Err(error)),
    };
    if let Some(error) = &writer.error {
        return error.kind().code().into();
    }
    let mut failed = None;
    let status = guard(|| {
        // SAFETY: as the caller promises.
        let outcome = unsafe { c_text_or_none(key, "a key") }.and_then(|key| {
            let depth = writer.open.len();
            what(writer, key).map_err(|error| writer.locate(error, key, depth))
        });
        outcome.inspect_err(|error| failed = Some(error.clone()))
    });
    if failed.is_some() {
        writer.error = failed;
    }
    status
}

/// Puts the event that `event` returns.
///
/// # Safety
/// As for [`step`].
unsafe fn put(
    writer: *mut linkspan_writer,
    key: *const c_char,
    event: impl FnOnce(&mut Tape) -> Result<Event>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let key = writer.place(key)?;
            let event = event(&mut writer.tape)?;
            writer.tape.push(key, event);
            Ok(())
        })
    }
}

/// Creates a writer.
///
/// # Safety
/// `writer` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_new(writer: *mut *mut linkspan_writer) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { make(writer, || Ok(give(linkspan_writer(Tagged::new(Writer::default()))))) }
}

/// Makes the written value the value of `message`, in place of its previous one, and starts a new value. The
/// message is sent, published or used as a reply like any other; it takes no puts until
/// `linkspan_message_clear`.
///
/// # Safety
/// `writer` and `message` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_finish(
    writer: *mut linkspan_writer,
    message: *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let writer = self::writer(writer)?;
        let outcome = writer.whole().and_then(|tape| handle(message)?.take_tape(tape));
        writer.begin_anew();
        outcome
    })
}

/// Encodes the written value, and starts a new one. Free the bytes with `linkspan_free`.
///
/// # Safety
/// `writer` is live, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_encode(
    writer: *mut linkspan_writer,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        give_bytes(bytes, length, || {
            let writer = self::writer(writer)?;
            let encoding = self::encoding(encoding);
            let outcome = writer.whole().and_then(|tape| codec::encode(tape, encoding?));
            writer.begin_anew();
            outcome
        })
    }
}

/// Refuses the value: sets an error with this status and text at this key. An earlier error stays.
///
/// # Safety
/// `writer` is live, `key` is NULL or NUL-terminated, `text` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_refuse(
    writer: *mut linkspan_writer,
    key: *const c_char,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, key, |_, _| Err(refusal(status, c_text(text, "a text")?))) }
}

/// Puts null. Every `linkspan_writer_put_` and `linkspan_writer_begin_` function writes one value: with its
/// key in a map, with `key` NULL in an array and as the whole value.
///
/// # Safety
/// `writer` is live, `key` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_null(
    writer: *mut linkspan_writer,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Null)) }
}

/// Puts a boolean.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_bool(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Bool(value))) }
}

/// Puts an integer.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_i64(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Int(value))) }
}

/// Puts an unsigned integer.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_u64(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: u64,
) -> linkspan_status {
    let event = i64::try_from(value).map_or(Event::Uint(value), Event::Int);
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(event)) }
}

/// Puts a float.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_f64(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: f64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Float(value))) }
}

/// Puts text of `length` bytes, copied; `Malformed` if it is not UTF-8.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_text(
    writer: *mut linkspan_writer,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        put(writer, key, |tape| {
            Ok(Event::Text(tape.keep(utf8(block(text.cast(), length, "text")?, "text")?.as_bytes())))
        })
    }
}

/// Puts bytes, copied.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_bytes(
    writer: *mut linkspan_writer,
    key: *const c_char,
    bytes: *const u8,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |tape| Ok(Event::Bytes(tape.keep(block(bytes, length, "bytes")?)))) }
}

/// Puts a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_timestamp(
    writer: *mut linkspan_writer,
    key: *const c_char,
    nanoseconds: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Timestamp(nanoseconds))) }
}

/// Puts a UUID: 16 bytes, most significant first.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `uuid` points to 16 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_uuid(
    writer: *mut linkspan_writer,
    key: *const c_char,
    uuid: *const u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { put(writer, key, |_| Ok(Event::Uuid(*handle(uuid.cast::<[u8; 16]>())?))) }
}

/// Puts an exact decimal number, written like `1.10`, `-2E+3`, `NaN`.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_decimal(
    writer: *mut linkspan_writer,
    key: *const c_char,
    text: *const c_char,
    length: usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        put(writer, key, |tape| {
            let number: Decimal = utf8(block(text.cast(), length, "text")?, "a decimal number")?.parse()?;
            Ok(Event::Decimal(tape.keep(number.as_str().as_bytes())))
        })
    }
}

/// Puts an N-d array, copied: `dtype`, `order`, `rank`, `dims` and `data` describe it, `length` is ignored.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `array->data` points to as many elements as `array->dims` say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_array(
    writer: *mut linkspan_writer,
    key: *const c_char,
    array: *const linkspan_array,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let array = handle(array)?.lend()?;
            let key = writer.place(key)?;
            writer.tape.push_array(key, array)
        })
    }
}

/// Puts the value of a message, copied; NULL stands for null.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `value` is NULL or a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_message(
    writer: *mut linkspan_writer,
    key: *const c_char,
    value: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let value = if value.is_null() { Value::Null } else { handle(value)?.copy()? };
            value.walk(&mut Putting { writer, key: key.map(str::to_owned) })
        })
    }
}

/// Puts the value of the source that `source` returns.
///
/// # Safety
/// As for [`step`].
pub(crate) unsafe fn put_source<T: Source>(
    writer: *mut linkspan_writer,
    key: *const c_char,
    source: impl FnOnce() -> Result<T>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        step(writer, key, |writer, key| {
            let first = key.map(str::to_owned);
            source()?.walk(&mut Putting { writer, key: first })
        })
    }
}

/// A sink that puts values into a writer: the first one with the given key.
struct Putting<'a> {
    writer: &'a mut Writer,
    key: Option<String>,
}

impl Putting<'_> {
    fn put(&mut self, event: impl FnOnce(&mut Tape) -> Event) -> Result<()> {
        let key = self.writer.place(self.key.take().as_deref())?;
        let event = event(&mut self.writer.tape);
        self.writer.tape.push(key, event);
        Ok(())
    }
}

impl Sink for Putting<'_> {
    fn null(&mut self) -> Result<()> {
        self.put(|_| Event::Null)
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(|_| Event::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.put(|_| Event::Int(value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.put(|_| Event::Uint(value))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.put(|tape| Event::BigInt(value.is_negative(), tape.keep(value.magnitude())))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.put(|_| Event::Float(value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        self.put(|tape| Event::Text(tape.keep(value.as_bytes())))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.put(|tape| Event::Bytes(tape.keep(value)))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.put(|_| Event::Timestamp(value.nanoseconds()))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.put(|_| Event::Uuid(value))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.put(|tape| Event::Decimal(tape.keep(value.as_str().as_bytes())))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let key = self.writer.place(self.key.take().as_deref())?;
        self.writer.tape.push_array(key, value)
    }
    fn begin_array(&mut self, _: usize) -> Result<()> {
        self.writer.begin(self.key.take().as_deref(), false)
    }
    fn end_array(&mut self) -> Result<()> {
        self.writer.end()
    }
    fn begin_map(&mut self, _: usize) -> Result<()> {
        self.writer.begin(self.key.take().as_deref(), true)
    }
    fn key(&mut self, key: &str) -> Result<()> {
        self.key = Some(key.to_owned());
        Ok(())
    }
    fn end_map(&mut self) -> Result<()> {
        self.writer.end()
    }
}

/// Begins a map: the following values are put into it, each with its key, until `linkspan_writer_end`. A
/// repeated key is `Malformed`.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_begin_map(
    writer: *mut linkspan_writer,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, key, |writer, key| writer.begin(key, true)) }
}

/// Begins an array of values: the following values are put into it with `key` NULL, until
/// `linkspan_writer_end`.
///
/// # Safety
/// As for `linkspan_writer_put_null`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_begin_array(
    writer: *mut linkspan_writer,
    key: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, key, |writer, key| writer.begin(key, false)) }
}

/// Ends the innermost open map or array.
///
/// # Safety
/// `writer` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_end(writer: *mut linkspan_writer) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, std::ptr::null(), |writer, _| writer.end()) }
}

/// Frees the writer. NULL is allowed; a second call for the same writer, and any other use of it, is `InvalidState`: see
/// `linkspan_channel_free`.
///
/// # Safety
/// `writer` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_free(writer: *mut linkspan_writer) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(writer) }
}
