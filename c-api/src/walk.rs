//! Walks a message: each value in turn, with depth and key.

use std::ffi::c_char;
use std::ops::DerefMut;
use std::ptr;

use linkspan::{Error, ErrorKind, Value};

use crate::argument::{c_text, give_text, handle, make, place};
use crate::array::linkspan_array;
use crate::error::guard;
use crate::message::{Reference, linkspan_message};
use crate::object::{Tagged, free, give, handle_kind};
use crate::read::{LINKSPAN_TYPE_NULL, count_of, linkspan_type, type_of};
use crate::sized::{give_sized, grows};
use crate::status::linkspan_status;

/// A walk through a message, with a reference to it. Free it with `linkspan_walk_free`.
pub struct linkspan_walk(pub(crate) Tagged<Walk>);

handle_kind!(linkspan_walk of Walk: b"walk....");

pub(crate) struct Walk {
    message: Reference,
    /// The path of the start, and the positions from there to the next value.
    path: String,
    next: Option<Vec<usize>>,
}

/// One value of a walk. Members that its `type` does not use are zero or NULL; the others are views.
#[repr(C)]
pub struct linkspan_item {
    /// `sizeof(linkspan_item)`.
    pub size: usize,
    /// The type of the value.
    pub r#type: linkspan_type,
    /// 0 for the start of the walk, and one more for each further level.
    pub depth: u32,
    /// The key in the enclosing map, not NUL-terminated; NULL in an array and at depth 0.
    pub key: *const c_char,
    /// The length of the key in bytes.
    pub key_length: usize,
    /// The position in the enclosing array or map.
    pub position: usize,
    /// The count of `linkspan_message_count`; so many values, one level deeper, follow an array or map.
    pub count: usize,
    /// For `LINKSPAN_TYPE_BOOL`; also whether a big integer is below zero.
    pub truth: bool,
    /// For `LINKSPAN_TYPE_INT`, and nanoseconds since 1970 for `LINKSPAN_TYPE_TIMESTAMP`.
    pub integer: i64,
    /// For `LINKSPAN_TYPE_UINT`.
    pub unsigned_integer: u64,
    /// For `LINKSPAN_TYPE_FLOAT`.
    pub number: f64,
    /// For `LINKSPAN_TYPE_TEXT` and `LINKSPAN_TYPE_DECIMAL`, not NUL-terminated.
    pub text: *const c_char,
    /// For `LINKSPAN_TYPE_BYTES`, `LINKSPAN_TYPE_UUID`, and the magnitude for `LINKSPAN_TYPE_BIG_INT`.
    pub bytes: *const u8,
    /// The length of `text` or `bytes` in bytes.
    pub length: usize,
    /// For `LINKSPAN_TYPE_NDARRAY`.
    pub array: linkspan_array,
}

grows!(linkspan_item);

/// Begins a walk at the value at a path. A map or array precedes the values inside it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_walk_new(
    message: *mut linkspan_message,
    path: *const c_char,
    walk: *mut *mut linkspan_walk,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(walk), || {
            let path = c_text(path, "path")?;
            handle(message)?.look_at(path, |_| Ok(()))?;
            let message = Reference::to(message)?;
            let walk = Walk { message, path: path.to_owned(), next: Some(Vec::new()) };
            Ok(give(linkspan_walk(Tagged::new(walk))))
        })
    }
}

/// Gets the next value; `Empty` after the last.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_walk_next(
    walk: *mut linkspan_walk,
    item: *mut linkspan_item,
) -> linkspan_status {
    guard(|| {
        // SAFETY: by contract; only one thread uses a walk, and it was checked first.
        let walk = unsafe {
            handle(walk)?;
            (*walk).0.deref_mut()
        };
        // SAFETY: NULL or a struct with its size set, by contract.
        unsafe { give_sized(place!(item), || walk.step()) }
    })
}

impl Walk {
    fn step(&mut self) -> linkspan::Result<linkspan_item> {
        let Some(positions) = self.next.take() else {
            return Err(Error::new(ErrorKind::Empty, "the walk has reached its end"));
        };
        let message = &self.message;
        let (full, next) = message.look_at(&self.path, |root| {
            let mut full = linkspan_item { depth: positions.len() as u32, ..linkspan_item::nothing() };
            let mut above = Vec::with_capacity(positions.len());
            let mut here = root;
            for &position in &positions {
                above.push(here);
                here = below(here, position).ok_or_else(changed)?;
            }
            if let (Some(&around), Some(&position)) = (above.last(), positions.last()) {
                full.position = position;
                if let Value::Map(entries) = around
                    && let Some((key, _)) = entries.get_index(position)
                {
                    give_text(key, &mut full.key, &mut full.key_length);
                }
            }
            full.fill(here, message)?;
            let mut next = positions;
            if below(here, 0).is_some() {
                next.push(0);
                return Ok((full, Some(next)));
            }
            while let (Some(position), Some(around)) = (next.pop(), above.pop()) {
                if below(around, position + 1).is_some() {
                    next.push(position + 1);
                    return Ok((full, Some(next)));
                }
            }
            Ok((full, None))
        })?;
        self.next = next;
        Ok(full)
    }
}

fn below(value: &Value, position: usize) -> Option<&Value> {
    match value {
        Value::Array(items) => items.get(position),
        Value::Map(entries) => entries.get_index(position).map(|(_, value)| value),
        _ => None,
    }
}

fn changed() -> Error {
    Error::new(ErrorKind::InvalidState, "the message was changed during the walk")
}

impl linkspan_item {
    const fn nothing() -> linkspan_item {
        linkspan_item {
            size: 0,
            r#type: LINKSPAN_TYPE_NULL,
            depth: 0,
            key: ptr::null(),
            key_length: 0,
            position: 0,
            count: 0,
            truth: false,
            integer: 0,
            unsigned_integer: 0,
            number: 0.0,
            text: ptr::null(),
            bytes: ptr::null(),
            length: 0,
            array: linkspan_array::NOTHING,
        }
    }

    fn fill(&mut self, value: &Value, message: &linkspan_message) -> linkspan::Result<()> {
        self.r#type = type_of(value)?;
        self.count = count_of(value);
        match value {
            Value::Bool(v) => self.truth = *v,
            Value::Int(v) => self.integer = *v,
            Value::Uint(v) => self.unsigned_integer = *v,
            Value::BigInt(v) => {
                self.truth = v.is_negative();
                self.give_bytes(v.magnitude());
            }
            Value::Float(v) => self.number = *v,
            Value::Text(v) => give_text(v, &mut self.text, &mut self.length),
            Value::Bytes(v) => self.give_bytes(v),
            Value::Timestamp(v) => self.integer = v.nanoseconds(),
            Value::Uuid(v) => self.give_bytes(v),
            Value::Decimal(v) => give_text(v.as_str(), &mut self.text, &mut self.length),
            Value::NdArray(v) => self.array.view(v.as_ref(), || message.aligned())?,
            _ => {}
        }
        Ok(())
    }

    fn give_bytes(&mut self, bytes: &[u8]) {
        self.bytes = bytes.as_ptr();
        self.length = bytes.len();
    }
}

/// Ends and frees the walk, and releases its message.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_walk_free(walk: *mut linkspan_walk) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(walk) }
}
