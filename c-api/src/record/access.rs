//! Functions of a program for values whose layout a table cannot describe, such as a `std::string`.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use linkspan::{Error, Result};

use super::error::{no_memory, wrong_table};
use crate::argument::block;
use crate::array::linkspan_array;
use crate::message::linkspan_message;

/// A program's functions for values whose layout a table cannot describe, as in C++ and Fortran.
///
/// A type provides the functions that its kind needs; the others are NULL. `at` is the address of the value by its
/// table, and `which` is the number in the table. The functions must return normally. Functions that create a value
/// return NULL or false if memory runs out.
#[repr(C)]
pub struct linkspan_record_access {
    /// Returns the address of an optional value, a variant or a `linkspan_message`; NULL if missing.
    pub find: Option<unsafe extern "C" fn(at: *const c_void, which: usize) -> *const c_void>,
    /// Creates that value, with its parts at their defaults, and returns its address.
    pub make: Option<unsafe extern "C" fn(at: *mut c_void, which: usize) -> *mut c_void>,
    /// Returns the address of a text, bytes, decimal number, items or entries, and their number in `count`.
    pub view:
        Option<unsafe extern "C" fn(at: *const c_void, which: usize, count: *mut usize) -> *const c_void>,
    /// Replaces the items by `count` new ones, with their parts at their defaults.
    ///
    /// Returns the address of the first item. For a map with `insert`, it removes all entries and returns any pointer
    /// except NULL.
    pub resize: Option<unsafe extern "C" fn(at: *mut c_void, which: usize, count: usize) -> *mut c_void>,
    /// Replaces the text, bytes or decimal number by a copy. NULL for a type with `resize`.
    pub assign: Option<
        unsafe extern "C" fn(at: *mut c_void, which: usize, bytes: *const c_void, count: usize) -> bool,
    >,
    /// Calls `visit` for each entry of a map, in order, until it returns false.
    pub each: Option<
        unsafe extern "C" fn(
            at: *const c_void,
            which: usize,
            visit: unsafe extern "C" fn(
                context: *mut c_void,
                key: *const c_void,
                length: usize,
                value: *const c_void,
            ) -> bool,
            context: *mut c_void,
        ),
    >,
    /// Adds an entry to a map and returns the address of its value, whose parts have their defaults.
    pub insert: Option<
        unsafe extern "C" fn(at: *mut c_void, which: usize, key: *const c_void, length: usize) -> *mut c_void,
    >,
    /// Reads a boolean of a list whose items lack addresses.
    pub get_bool: Option<unsafe extern "C" fn(at: *const c_void, which: usize, position: usize) -> bool>,
    /// Sets a boolean of a list whose items lack addresses.
    pub put_bool: Option<unsafe extern "C" fn(at: *mut c_void, which: usize, position: usize, value: bool)>,
    /// Sets `order`, `rank`, `dims`, `data` and `length` of an array; false without an array.
    ///
    /// It does not set `dims` for a `rank` above `LINKSPAN_MAX_RANK`.
    pub view_array:
        Option<unsafe extern "C" fn(at: *const c_void, which: usize, array: *mut linkspan_array) -> bool>,
    /// Replaces the array by a new array with this `rank` and `dims`, and elements of `length` bytes.
    ///
    /// The new array has `order`, or sets it to its own order. Returns the address of its elements.
    pub resize_array: Option<
        unsafe extern "C" fn(at: *mut c_void, which: usize, array: *mut linkspan_array) -> *mut c_void,
    >,
    /// Takes ownership of a message as any value.
    pub take_message:
        Option<unsafe extern "C" fn(at: *mut c_void, which: usize, message: *mut linkspan_message) -> bool>,
}

#[derive(Clone, Copy)]
pub(crate) struct Through {
    access: &'static linkspan_record_access,
    which: usize,
}

#[cold]
fn lacks(name: &str) -> Error {
    wrong_table(format!("lacks the function {name} of a type"))
}

/// Returns a function that the table must have.
macro_rules! function {
    ($self:ident.$name:ident) => {
        $self.access.$name.ok_or_else(|| lacks(stringify!($name)))
    };
}

impl Through {
    /// # Safety
    /// `access` is NULL, or points to valid functions of [`linkspan_record_access`]. They stay valid while the
    /// program runs.
    pub unsafe fn of(access: *const linkspan_record_access, which: usize) -> Option<Through> {
        // SAFETY: by contract.
        unsafe { access.as_ref() }.map(|access| Through { access, which })
    }

    /// # Safety
    /// For all methods here: the value of these functions is at `at`, and no other code uses the written memory.
    #[inline]
    pub unsafe fn find(self, at: *const u8) -> Result<*const u8> {
        // SAFETY: by contract.
        Ok(unsafe { function!(self.find)?(at.cast(), self.which) }.cast())
    }

    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn make(self, at: *mut u8) -> Result<*mut u8> {
        // SAFETY: by contract.
        let made = unsafe { function!(self.make)?(at.cast(), self.which) };
        if made.is_null() { Err(no_memory()) } else { Ok(made.cast()) }
    }

    /// Returns the address and the number of the items.
    ///
    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn view(self, at: *const u8) -> Result<(*const u8, usize)> {
        let mut count = 0;
        // SAFETY: by contract.
        let first = unsafe { function!(self.view)?(at.cast(), self.which, &raw mut count) };
        Ok((first.cast(), count))
    }

    /// # Safety
    /// As for [`Through::find`]; the bytes are valid until the value changes.
    #[inline]
    pub unsafe fn bytes<'a>(self, at: *const u8, what: &str) -> Result<&'a [u8]> {
        // SAFETY: by contract.
        unsafe {
            let (first, count) = self.view(at)?;
            block(first, count, what)
        }
    }

    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn resize(self, at: *mut u8, count: usize) -> Result<*mut u8> {
        // SAFETY: by contract.
        let first = unsafe { function!(self.resize)?(at.cast(), self.which, count) };
        if first.is_null() && count > 0 { Err(no_memory()) } else { Ok(first.cast()) }
    }

    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn assign(self, at: *mut u8, bytes: &[u8]) -> Result<()> {
        let Some(assign) = self.access.assign else {
            // SAFETY: by contract; there is room for the bytes. Nothing is written for none.
            unsafe {
                let room = self.resize(at, bytes.len())?;
                if !bytes.is_empty() {
                    room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                }
            }
            return Ok(());
        };
        // SAFETY: by contract.
        let done = unsafe { assign(at.cast(), self.which, bytes.as_ptr().cast(), bytes.len()) };
        if done { Ok(()) } else { Err(no_memory()) }
    }

    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn each(
        self,
        at: *const u8,
        visit: &mut dyn FnMut(&[u8], *const u8) -> Result<()>,
    ) -> Result<()> {
        let each = function!(self.each)?;
        let mut walk = Walk { visit, outcome: Ok(Ok(())) };
        // SAFETY: by contract; the context lives until the call returns.
        unsafe { each(at.cast(), self.which, entry, (&raw mut walk).cast()) };
        walk.outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Whether map entries are inserted one by one.
    pub fn inserts(self) -> bool {
        self.access.insert.is_some()
    }

    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn insert(self, at: *mut u8, key: &str) -> Result<*mut u8> {
        // SAFETY: by contract.
        let value = unsafe { function!(self.insert)?(at.cast(), self.which, key.as_ptr().cast(), key.len()) };
        if value.is_null() { Err(no_memory()) } else { Ok(value.cast()) }
    }

    /// # Safety
    /// As for [`Through::find`]; `position` is below the number of booleans.
    #[inline]
    pub unsafe fn get_bool(self, at: *const u8, position: usize) -> Result<bool> {
        // SAFETY: by contract.
        Ok(unsafe { function!(self.get_bool)?(at.cast(), self.which, position) })
    }

    /// # Safety
    /// As for [`Through::find`]; `position` is below the number of booleans.
    #[inline]
    pub unsafe fn put_bool(self, at: *mut u8, position: usize, value: bool) -> Result<()> {
        // SAFETY: by contract.
        unsafe { function!(self.put_bool)?(at.cast(), self.which, position, value) };
        Ok(())
    }

    /// Returns false without an array.
    ///
    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn view_array(self, at: *const u8, array: &mut linkspan_array) -> Result<bool> {
        // SAFETY: by contract.
        Ok(unsafe { function!(self.view_array)?(at.cast(), self.which, &raw mut *array) })
    }

    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn resize_array(self, at: *mut u8, like: &mut linkspan_array) -> Result<*mut u8> {
        // SAFETY: by contract.
        let data = unsafe { function!(self.resize_array)?(at.cast(), self.which, &raw mut *like) };
        if data.is_null() && like.length > 0 { Err(no_memory()) } else { Ok(data.cast()) }
    }

    /// # Safety
    /// As for [`Through::find`]; no other code uses the message.
    pub unsafe fn take_message(self, at: *mut u8, message: *mut linkspan_message) -> Result<()> {
        // SAFETY: by contract.
        let done = unsafe { function!(self.take_message)?(at.cast(), self.which, message) };
        if done { Ok(()) } else { Err(no_memory()) }
    }
}

struct Walk<'a> {
    visit: &'a mut dyn FnMut(&[u8], *const u8) -> Result<()>,
    outcome: std::thread::Result<Result<()>>,
}

/// Visits an entry of a map. An error or panic waits until the program's function has returned.
///
/// # Safety
/// `context` is the [`Walk`] that was passed with this function; `key` points to `length` bytes.
unsafe extern "C" fn entry(
    context: *mut c_void,
    key: *const c_void,
    length: usize,
    value: *const c_void,
) -> bool {
    // SAFETY: by contract; no other code uses it during the walk.
    let walk = unsafe { &mut *context.cast::<Walk<'_>>() };
    walk.outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: by contract.
        let key = unsafe { block(key.cast(), length, "a key") }?;
        (walk.visit)(key, value.cast())
    }));
    matches!(walk.outcome, Ok(Ok(())))
}
