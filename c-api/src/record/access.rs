//! The functions of a program through which values are reached that have no layout a table could say, such as a `std::string`.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use linkspan::{Error, Result};

use super::error::{no_memory, wrong_table};
use crate::argument::block;
use crate::array::linkspan_array;
use crate::message::linkspan_message;

/// How a program reads and makes values that have no layout of their own, such as those of C++'s and Fortran's own types. A type has those
/// functions that its kind needs, the others are NULL; `at` is where the value begins by its table, and `which` is the number in the table.
/// None of them may end in another way than by returning.
#[repr(C)]
pub struct linkspan_record_access {
    /// Where the value of an optional field or of a variant lies; NULL where it is not there. Of any value: its `linkspan_message`, or NULL.
    pub find: Option<unsafe extern "C" fn(at: *const c_void, which: usize) -> *const c_void>,
    /// Makes that value, with the parts of it at their defaults, and gives its place; NULL where there is no memory.
    pub make: Option<unsafe extern "C" fn(at: *mut c_void, which: usize) -> *mut c_void>,
    /// The first byte of a text, of bytes or of a decimal number, or the first item of a list or entry of a map, and how many there are.
    pub view:
        Option<unsafe extern "C" fn(at: *const c_void, which: usize, count: *mut usize) -> *const c_void>,
    /// Makes so many in place of those that were there, with their parts at their defaults, and gives the place of the first; NULL where there is no memory.
    /// Of a map with `insert`, it removes all, and gives what is not NULL.
    pub resize: Option<unsafe extern "C" fn(at: *mut c_void, which: usize, count: usize) -> *mut c_void>,
    /// Makes a copy of bytes the text, the bytes or the decimal number; false where there is no memory. NULL where `resize` does.
    pub assign: Option<
        unsafe extern "C" fn(at: *mut c_void, which: usize, bytes: *const c_void, count: usize) -> bool,
    >,
    /// Calls `visit` for each entry of a map, in its order, until that is false.
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
    /// Adds an entry to a map, with the parts of its value at their defaults, and gives the place of the value; NULL where there is no memory.
    pub insert: Option<
        unsafe extern "C" fn(at: *mut c_void, which: usize, key: *const c_void, length: usize) -> *mut c_void,
    >,
    /// A truth value of a list whose items have no place of their own.
    pub get_bool: Option<unsafe extern "C" fn(at: *const c_void, which: usize, position: usize) -> bool>,
    /// Sets one.
    pub put_bool: Option<unsafe extern "C" fn(at: *mut c_void, which: usize, position: usize, value: bool)>,
    /// Fills in `order`, `rank`, `dims`, `data` and `length` of an array; false where there is none. Of a `rank` beyond `LINKSPAN_MAX_RANK`
    /// it fills in no `dims`.
    pub view_array:
        Option<unsafe extern "C" fn(at: *const c_void, which: usize, array: *mut linkspan_array) -> bool>,
    /// Makes an array of the `rank` and `dims` in place of the one that was there, in `order` or in another one, which it fills in, and
    /// gives the place of its elements; NULL where there is no memory. The elements take `length` bytes.
    pub resize_array: Option<
        unsafe extern "C" fn(at: *mut c_void, which: usize, array: *mut linkspan_array) -> *mut c_void,
    >,
    /// Takes a message, which belongs to the program then, as any value; false where there is no memory.
    pub take_message:
        Option<unsafe extern "C" fn(at: *mut c_void, which: usize, message: *mut linkspan_message) -> bool>,
}

/// The functions of a type or a field, and the number that they are given.
#[derive(Clone, Copy)]
pub(crate) struct Through {
    access: &'static linkspan_record_access,
    which: usize,
}

#[cold]
fn lacks(name: &str) -> Error {
    wrong_table(format!("lacks the function {name} of a type"))
}

/// A function that the table has to have.
macro_rules! function {
    ($self:ident.$name:ident) => {
        $self.access.$name.ok_or_else(|| lacks(stringify!($name)))
    };
}

impl Through {
    /// # Safety
    /// `access` is NULL or functions as [`linkspan_record_access`] describes them, which stay as long as the program runs.
    pub unsafe fn of(access: *const linkspan_record_access, which: usize) -> Option<Through> {
        // SAFETY: as the caller promises.
        unsafe { access.as_ref() }.map(|access| Through { access, which })
    }

    /// # Safety
    /// As of all methods here: the value of these functions lies at `at`, and no other code uses what is written there.
    #[inline]
    pub unsafe fn find(self, at: *const u8) -> Result<*const u8> {
        // SAFETY: as the caller promises.
        Ok(unsafe { function!(self.find)?(at.cast(), self.which) }.cast())
    }

    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn make(self, at: *mut u8) -> Result<*mut u8> {
        // SAFETY: as the caller promises.
        let made = unsafe { function!(self.make)?(at.cast(), self.which) };
        if made.is_null() { Err(no_memory()) } else { Ok(made.cast()) }
    }

    /// The first of so many.
    ///
    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn view(self, at: *const u8) -> Result<(*const u8, usize)> {
        let mut count = 0;
        // SAFETY: as the caller promises.
        let first = unsafe { function!(self.view)?(at.cast(), self.which, &raw mut count) };
        Ok((first.cast(), count))
    }

    /// # Safety
    /// As for [`Through::find`]; the bytes stay as long as the value is not changed.
    #[inline]
    pub unsafe fn bytes<'a>(self, at: *const u8, what: &str) -> Result<&'a [u8]> {
        // SAFETY: as the caller promises.
        unsafe {
            let (first, count) = self.view(at)?;
            block(first, count, what)
        }
    }

    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn resize(self, at: *mut u8, count: usize) -> Result<*mut u8> {
        // SAFETY: as the caller promises.
        let first = unsafe { function!(self.resize)?(at.cast(), self.which, count) };
        if first.is_null() && count > 0 { Err(no_memory()) } else { Ok(first.cast()) }
    }

    /// # Safety
    /// As for [`Through::find`].
    #[inline]
    pub unsafe fn assign(self, at: *mut u8, bytes: &[u8]) -> Result<()> {
        let Some(assign) = self.access.assign else {
            // SAFETY: as the caller promises; there is room for so many bytes, and for none nothing is written.
            unsafe {
                let room = self.resize(at, bytes.len())?;
                if !bytes.is_empty() {
                    room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                }
            }
            return Ok(());
        };
        // SAFETY: as the caller promises.
        let done = unsafe { assign(at.cast(), self.which, bytes.as_ptr().cast(), bytes.len()) };
        if done { Ok(()) } else { Err(no_memory()) }
    }

    /// Calls `visit` with the bytes of each key and the place of its value.
    ///
    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn each(
        self,
        at: *const u8,
        visit: &mut dyn FnMut(&[u8], *const u8) -> Result<()>,
    ) -> Result<()> {
        let each = function!(self.each)?;
        let mut walk = Walk { visit, outcome: Ok(Ok(())) };
        // SAFETY: as the caller promises; the context is there until the call returns.
        unsafe { each(at.cast(), self.which, entry, (&raw mut walk).cast()) };
        walk.outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Whether a map is one of entries that are inserted.
    pub fn inserts(self) -> bool {
        self.access.insert.is_some()
    }

    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn insert(self, at: *mut u8, key: &str) -> Result<*mut u8> {
        // SAFETY: as the caller promises.
        let value = unsafe { function!(self.insert)?(at.cast(), self.which, key.as_ptr().cast(), key.len()) };
        if value.is_null() { Err(no_memory()) } else { Ok(value.cast()) }
    }

    /// # Safety
    /// As for [`Through::find`]; there are more truth values than `position`.
    #[inline]
    pub unsafe fn get_bool(self, at: *const u8, position: usize) -> Result<bool> {
        // SAFETY: as the caller promises.
        Ok(unsafe { function!(self.get_bool)?(at.cast(), self.which, position) })
    }

    /// # Safety
    /// As for [`Through::find`]; there are more truth values than `position`.
    #[inline]
    pub unsafe fn put_bool(self, at: *mut u8, position: usize, value: bool) -> Result<()> {
        // SAFETY: as the caller promises.
        unsafe { function!(self.put_bool)?(at.cast(), self.which, position, value) };
        Ok(())
    }

    /// Fills an array in; false where there is none.
    ///
    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn view_array(self, at: *const u8, array: &mut linkspan_array) -> Result<bool> {
        // SAFETY: as the caller promises.
        Ok(unsafe { function!(self.view_array)?(at.cast(), self.which, &raw mut *array) })
    }

    /// # Safety
    /// As for [`Through::find`].
    pub unsafe fn resize_array(self, at: *mut u8, like: &mut linkspan_array) -> Result<*mut u8> {
        // SAFETY: as the caller promises.
        let data = unsafe { function!(self.resize_array)?(at.cast(), self.which, &raw mut *like) };
        if data.is_null() && like.length > 0 { Err(no_memory()) } else { Ok(data.cast()) }
    }

    /// # Safety
    /// As for [`Through::find`]; no other code uses the message.
    pub unsafe fn take_message(self, at: *mut u8, message: *mut linkspan_message) -> Result<()> {
        // SAFETY: as the caller promises.
        let done = unsafe { function!(self.take_message)?(at.cast(), self.which, message) };
        if done { Ok(()) } else { Err(no_memory()) }
    }
}

/// What goes through the functions of a program while the entries of a map are visited.
struct Walk<'a> {
    visit: &'a mut dyn FnMut(&[u8], *const u8) -> Result<()>,
    outcome: std::thread::Result<Result<()>>,
}

/// Takes an entry of a map: what fails or panics waits until the program's function has returned.
///
/// # Safety
/// `context` is the [`Walk`] that was given with this function; `key` points to so many bytes.
unsafe extern "C" fn entry(
    context: *mut c_void,
    key: *const c_void,
    length: usize,
    value: *const c_void,
) -> bool {
    // SAFETY: as the caller promises; no other code uses it during the walk.
    let walk = unsafe { &mut *context.cast::<Walk<'_>>() };
    walk.outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as the caller promises.
        let key = unsafe { block(key.cast(), length, "a key") }?;
        (walk.visit)(key, value.cast())
    }));
    matches!(walk.outcome, Ok(Ok(())))
}
