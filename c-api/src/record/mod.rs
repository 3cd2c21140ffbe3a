//! Records: structs of a program that go straight to an encoding and come straight from one, as a table says where their fields lie.
//!
//! | what | lives in |
//! |---|---|
//! | the table as C writes it, and the functions | here |
//! | the table as it is used: read once, and checked | `layout` |
//! | the way out: a struct is a Source | `lent` |
//! | the way in: a Sink fills a struct | `fill` |
//! | what a struct owns: defaults, freeing | `memory` |

mod fill;
mod layout;
mod lent;
mod memory;

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use linkspan::value::Keys;
use linkspan::{Encoding, Error, ErrorKind, Limits, Result, codec};

use crate::argument::{block, handle, is_null};
use crate::array::{linkspan_dtype, linkspan_order};
use crate::codec::{encoding, give_bytes, linkspan_encoding};
use crate::error::guard;
use crate::life::Checked;
use crate::message::linkspan_message;
use crate::reader::{self, linkspan_reader};
use crate::status::linkspan_status;
use crate::writer::{self, linkspan_writer};

pub(crate) use fill::{Seen, array_fits};
pub(crate) use layout::Layout;
pub(crate) use lent::Lent;

/// A type of `linkspan_record_type`: `bool`.
pub const LINKSPAN_RECORD_BOOL: i32 = 1;
/// `int8_t`.
pub const LINKSPAN_RECORD_I8: i32 = 2;
/// `int16_t`.
pub const LINKSPAN_RECORD_I16: i32 = 3;
/// `int32_t`.
pub const LINKSPAN_RECORD_I32: i32 = 4;
/// `int64_t`.
pub const LINKSPAN_RECORD_I64: i32 = 5;
/// `uint8_t`.
pub const LINKSPAN_RECORD_U8: i32 = 6;
/// `uint16_t`.
pub const LINKSPAN_RECORD_U16: i32 = 7;
/// `uint32_t`.
pub const LINKSPAN_RECORD_U32: i32 = 8;
/// `uint64_t`.
pub const LINKSPAN_RECORD_U64: i32 = 9;
/// `float`.
pub const LINKSPAN_RECORD_F32: i32 = 10;
/// `double`.
pub const LINKSPAN_RECORD_F64: i32 = 11;
/// `linkspan_text`.
pub const LINKSPAN_RECORD_TEXT: i32 = 12;
/// `linkspan_bytes`.
pub const LINKSPAN_RECORD_BYTES: i32 = 13;
/// `int64_t`, nanoseconds since 1970-01-01T00:00:00Z.
pub const LINKSPAN_RECORD_TIMESTAMP: i32 = 14;
/// `linkspan_uuid`.
pub const LINKSPAN_RECORD_UUID: i32 = 15;
/// `linkspan_text` that holds a decimal number.
pub const LINKSPAN_RECORD_DECIMAL: i32 = 16;
/// `linkspan_message *`, any value.
pub const LINKSPAN_RECORD_ANY: i32 = 17;
/// An enum, sent as one of `names`.
pub const LINKSPAN_RECORD_ENUM: i32 = 18;
/// A struct of `items`, a pointer to values of `of`, and `count`.
pub const LINKSPAN_RECORD_LIST: i32 = 19;
/// The same, where each item is a struct of `key`, a `linkspan_text`, and `value`.
pub const LINKSPAN_RECORD_MAP: i32 = 20;
/// A struct with these fields.
pub const LINKSPAN_RECORD_STRUCT: i32 = 21;
/// A struct of an enum that says which of the fields there is, and the fields in a union.
pub const LINKSPAN_RECORD_UNION: i32 = 22;
/// `linkspan_array`, whose elements belong to the struct.
pub const LINKSPAN_RECORD_ARRAY: i32 = 23;
/// The elements of an array of a fixed shape, in C's order.
pub const LINKSPAN_RECORD_ELEMENTS: i32 = 24;

/// A type of values in structs. What its `kind` does not need is zero.
#[repr(C)]
pub struct linkspan_record_type {
    /// One of `LINKSPAN_RECORD_`.
    pub kind: i32,
    /// `sizeof` a value. For a map, that of an entry is `item_size`.
    pub size: usize,
    /// `sizeof` an item of a list, or of an entry of a map.
    pub item_size: usize,
    /// `sizeof` the enum that says which field of a union there is.
    pub kind_size: usize,
    /// The type of a list's items, or of a map's values.
    pub of: *const linkspan_record_type,
    /// The fields of a struct or a union.
    pub fields: *const linkspan_record_field,
    /// The names of an enum's values, from 0 on.
    pub names: *const *const c_char,
    /// How many fields or names there are.
    pub count: usize,
    /// The element type of an array.
    pub dtype: linkspan_dtype,
    /// The order that an array has to have, or -1.
    pub order: linkspan_order,
    /// How many dimensions an array has to have, or -1.
    pub rank: i32,
    /// Their lengths, in which `UINT64_MAX` stands for any length; NULL for rank 0 and -1.
    pub dims: *const u64,
}

/// A field of a struct, or a variant of a union.
#[repr(C)]
pub struct linkspan_record_field {
    /// Its key in messages.
    pub key: *const c_char,
    /// Older keys, with a NULL behind the last one; NULL where there are none.
    pub aliases: *const *const c_char,
    /// Where its value begins, from the beginning of the struct.
    pub offset: usize,
    /// Whether it may be left out: `presence` is then where the `bool` lies that says whether it is there.
    pub optional: bool,
    /// See `optional`.
    pub presence: usize,
    /// The type of its value.
    pub of: *const linkspan_record_type,
    /// What it is where it was left out, in CBOR; NULL where there is no default.
    pub default_value: *const u8,
    /// How many bytes that is.
    pub default_length: usize,
}

/// How a struct lies in memory. `linkspan schema generate` writes such tables. It has to stay where it is, unchanged, as long as the program
/// runs: the library reads it once, at its first use, and keeps what it needs in `prepared`.
#[repr(C)]
pub struct linkspan_record {
    /// `sizeof(linkspan_record)`.
    pub size: usize,
    /// The type of the whole struct.
    pub of: *const linkspan_record_type,
    /// NULL; the library's own.
    pub prepared: *mut c_void,
}

impl Checked for linkspan_record {}

/// The layout that a table describes, read at the first call.
///
/// # Safety
/// `record` is NULL or a table as [`linkspan_record`] says.
pub(crate) unsafe fn layout<'a>(record: *mut linkspan_record) -> Result<&'a Layout> {
    if record.is_null() {
        return Err(is_null("the table of a record"));
    }
    // SAFETY: the caller promises a table, whose last part is used by nobody else; all threads use it atomically.
    let prepared = unsafe { AtomicPtr::from_ptr((&raw mut (*record).prepared).cast::<*mut Layout>()) };
    let there = prepared.load(Ordering::Acquire);
    if !there.is_null() {
        // SAFETY: it was stored below, and is never freed.
        return Ok(unsafe { &*there });
    }
    // SAFETY: as the caller promises.
    let made = Box::into_raw(Box::new(unsafe { Layout::read(&*record) }?));
    match prepared.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: it is stored in the table now, and never freed.
        Ok(_) => Ok(unsafe { &*made }),
        Err(other) => {
            // SAFETY: another thread was faster; nobody has seen this one. The other one is never freed.
            unsafe {
                drop(Box::from_raw(made));
                Ok(&*other)
            }
        }
    }
}

/// The struct that a call writes from.
///
/// # Safety
/// `from` is NULL or points to a struct of this layout, which nobody changes meanwhile.
unsafe fn lend<'a>(layout: &'a Layout, from: *const c_void) -> Result<Lent<'a>> {
    if from.is_null() {
        return Err(is_null("the struct"));
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { Lent::new(layout, from.cast()) })
}

/// Fills a struct that is there; what it held is freed first.
///
/// # Safety
/// `to` is NULL or points to a struct of this layout that `linkspan_record_init` or an earlier call has set.
unsafe fn fill<'a>(
    layout: &'a Layout,
    to: *mut c_void,
    drive: impl FnOnce(fill::Filler<'a>) -> Result<fill::Filler<'a>>,
) -> Result<()> {
    if to.is_null() {
        return Err(is_null("the struct"));
    }
    // SAFETY: as the caller promises; once freed, the struct is all zero, as a filler asks for.
    unsafe {
        memory::clear(layout, to.cast());
        drive(fill::Filler::new(layout, to.cast()))?.finish()
    }
}

/// Sets every field of a struct to its default or to zero. What was there before is not looked at.
///
/// # Safety
/// `record` is a table, `to` may be written as far as the table says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_init(
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let layout = layout(record)?;
        if to.is_null() {
            return Err(is_null("the struct"));
        }
        to.cast::<u8>().write_bytes(0, layout.size);
        memory::defaults(layout, to.cast())
    })
}

/// Frees what a struct holds, which then is all zero.
///
/// # Safety
/// `record` is a table, `to` is NULL or points to a struct of it that was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_free(
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        if !to.is_null() {
            memory::clear(layout(record)?, to.cast());
        }
        Ok(())
    })
}

/// Makes a struct the value of `message`, in place of the one that it had. The message is sent, published or given as an answer like any
/// other; it takes no puts until `linkspan_message_clear`.
///
/// # Safety
/// `record` is a table, `from` points to a struct of it, `message` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_put(
    record: *mut linkspan_record,
    from: *const c_void,
    message: *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let layout = layout(record)?;
        handle(message)?.take_record(&lend(layout, from)?, layout.keys(), layout.has_arrays)
    })
}

/// Reads the value of a message into a struct. What the struct held is freed; at an error it holds a part of the message.
///
/// # Safety
/// `record` is a table, `to` points to a struct of it that was set, `message` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_get(
    record: *mut linkspan_record,
    to: *mut c_void,
    message: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let message = handle(message)?;
        fill(layout(record)?, to, |filler| message.send_into(filler))
    })
}

/// Encodes a struct. Free the bytes with `linkspan_free`.
///
/// # Safety
/// `record` is a table, `from` points to a struct of it, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_encode(
    record: *mut linkspan_record,
    from: *const c_void,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        give_bytes(bytes, length, || {
            let layout = layout(record)?;
            let mut out = Vec::with_capacity(256);
            let how = codec::EncodeOptions::default().with_keys(layout.keys());
            codec::encode_into(&lend(layout, from)?, self::encoding(encoding)?, &how, &mut out)?;
            Ok(out)
        })
    }
}

/// Reads the value that bytes of an encoding hold into a struct, as `linkspan_record_get` does. The bytes may be freed at once.
///
/// # Safety
/// `record` is a table, `to` points to a struct of it that was set, `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_decode(
    record: *mut linkspan_record,
    to: *mut c_void,
    bytes: *const u8,
    length: usize,
    encoding: linkspan_encoding,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let (bytes, encoding) = (block(bytes, length, "bytes")?, self::encoding(encoding)?);
        fill(layout(record)?, to, |filler| codec::decode_into(bytes, encoding, &Limits::default(), filler))
    })
}

/// Writes a struct as one value of a writer: with `key` in a map that is open, with NULL anywhere else.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `record` is a table, `from` points to a struct of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_record(
    writer: *mut linkspan_writer,
    key: *const c_char,
    record: *mut linkspan_record,
    from: *const c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { writer::put_source(writer, key, || lend(layout(record)?, from)) }
}

/// Takes the next value of a reader into a struct, as `linkspan_record_get` does.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; `record` is a table, `to` points to a struct of it that was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_record(
    reader: *mut linkspan_reader,
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        reader::get_into(reader, |send| {
            fill(layout(record)?, to, |mut filler| {
                send(&mut filler)?;
                Ok(filler)
            })
        })
    }
}

/// What is wrong with a table.
#[cold]
fn wrong_table(text: String) -> Error {
    let text = format!("the table of a record {text}: generate it again with `linkspan schema generate`");
    Error::new(ErrorKind::InvalidState, text)
}

impl Layout {
    /// Whether a struct can have a key twice in one map.
    fn keys(&self) -> Keys {
        if self.has_maps { Keys::Check } else { Keys::Trust }
    }
}

/// The encoding of a message that [`linkspan_record_put`] makes.
pub(crate) const HELD: Encoding = Encoding::Cbor;
