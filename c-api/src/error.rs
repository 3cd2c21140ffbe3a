//! The guard around every call, and the last error of each thread.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Once;

use linkspan::{Error, ErrorKind, Result};

use crate::any_text::c_any_text_or_none;
use crate::null::is_of_null;
use crate::place::place;
use crate::sized::{give_sized, grows};
use crate::status::{LINKSPAN_OK, linkspan_status};

/// The last failed call of this thread. Texts live until its next failed call.
#[repr(C)]
pub struct linkspan_error {
    /// `sizeof(linkspan_error)`.
    pub size: usize,
    /// The code; `LINKSPAN_OK` if no call of this thread has failed.
    pub status: linkspan_status,
    /// Whether an equal call can succeed later without a change to the program.
    pub retryable: bool,
    /// What failed, on what, and what to do. Never NULL.
    pub text: *const c_char,
    /// The endpoint of the call, or NULL.
    pub endpoint: *const c_char,
    /// The path in the value, or NULL.
    pub path: *const c_char,
    /// The offset in the bytes, from zero, or -1.
    pub offset: i64,
    /// For `LINKSPAN_LAGGED`, the number of missed messages.
    pub missed: u64,
    /// The error number of the system, or 0.
    pub os_error: i32,
    /// The code of the peer's handler, for `LINKSPAN_REMOTE`.
    pub remote_code: i64,
    /// The handler's dotted type, or NULL.
    pub remote_type: *const c_char,
    /// The handler's text, or NULL.
    pub remote_text: *const c_char,
    /// The handler's value as CBOR, or NULL.
    pub remote_data: *const u8,
    /// The length of `remote_data` in bytes.
    pub remote_data_length: usize,
    /// For the `_send_many` functions, the number of messages sent before the error.
    pub sent: u64,
}

grows!(linkspan_error, before offset);

struct Kept {
    error: Error,
    text: CString,
    endpoint: Option<CString>,
    path: Option<CString>,
    remote: Option<(CString, CString)>,
}

thread_local! {
    static LAST: RefCell<Option<Kept>> = const { RefCell::new(None) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether a thread of the library runs a callback of the program.
    static CALLS_PROGRAM: Cell<bool> = const { Cell::new(false) };
}

/// Runs the body of a call: stores its error, and turns a panic into `Internal`.
///
/// A successful call uses no thread-local: each look-up is a call in a shared library.
#[inline]
pub(crate) fn guard<F: FnOnce() -> Result<()>>(body: F) -> linkspan_status {
    silence_panics();
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => LINKSPAN_OK,
        Ok(Err(error)) => store(of_function(error, std::any::type_name::<F>())),
        Err(_) => defect(),
    }
}

/// Names the C function in the error for a NULL pointer.
///
/// `body` is the type name of its closure, or of a function with such closures as parameters.
#[cold]
fn of_function(error: Error, body: &str) -> Error {
    if !is_of_null(&error) {
        return error;
    }
    let function = body.split("::").zip(body.split("::").skip(1)).find_map(|(name, next)| {
        let is_closure = name.starts_with("linkspan_") && next.starts_with("{{closure}}");
        is_closure.then_some(name)
    });
    let Some(function) = function else { return error };
    let named = Error::new(error.kind(), format!("{function}: {}", error.text()));
    match error.path() {
        Some(path) => named.with_path(path),
        None => named,
    }
}

#[cold]
fn defect() -> linkspan_status {
    // The thread-local may be gone when the thread ends.
    let text = PANIC.try_with(RefCell::take).ok().flatten().unwrap_or_default();
    store(Error::new(ErrorKind::Internal, format!("a defect in Linkspan, please report it: {text}")))
}

/// Runs a release function without a result. A panic must not cross into C.
pub(crate) fn guard_release(body: impl FnOnce()) {
    guard(|| {
        body();
        Ok(())
    });
}

/// Reports panics inside calls in the last error instead of on the program's stderr.
///
/// Panics in threads of the library go to the previous hook.
#[inline]
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(set_hook);
}

#[cold]
fn set_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Captures only if RUST_BACKTRACE is set.
        let trace = Backtrace::capture();
        let trace = if trace.status() == std::backtrace::BacktraceStatus::Captured {
            format!("\n{trace}")
        } else {
            String::new()
        };
        let _ = PANIC.try_with(|text| text.replace(Some(format!("{panic}{trace}"))));
        if !is_inside_call() || cfg!(test) {
            before(panic);
        }
    }));
}

/// Threads of the library have a name in the standard library, threads of the program have none.
///
/// (Threads of unit tests have one, so their panics are printed.)
#[cold]
fn is_inside_call() -> bool {
    std::thread::current().name().is_none() || CALLS_PROGRAM.get()
}

/// Runs a callback of the program in a thread of the library; its calls count as the program's.
pub(crate) fn call_program(function: impl FnOnce()) {
    let outer = CALLS_PROGRAM.replace(true);
    function();
    CALLS_PROGRAM.set(outer);
}

#[cold]
fn store(error: Error) -> linkspan_status {
    let status = error.kind().code().into();
    let kept = Kept {
        text: c_string(&error.to_string()),
        endpoint: error.endpoint().map(c_string),
        path: error.path().map(c_string),
        remote: error.remote_failure().map(|r| (c_string(&r.kind), c_string(&r.text))),
        error,
    };
    // If the thread ends and the thread-local is gone, only the status remains.
    let _ = LAST.try_with(|last| last.replace(Some(kept)));
    status
}

pub(crate) fn refusal(status: linkspan_status, text: &str) -> Error {
    let kind = ErrorKind::ALL.iter().find(|kind| i32::from(kind.code()) == status);
    Error::new(*kind.unwrap_or(&ErrorKind::WrongType), text.to_owned())
}

/// NULs become a symbol, because a NUL would end the text.
fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{2400}")).unwrap_or_default()
}

/// Gets the last failed call of this thread, and returns its status; `LINKSPAN_OK` if none has failed.
///
/// `error` may be NULL. `InvalidState` if its size is not set.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_last_error(error: *mut linkspan_error) -> linkspan_status {
    let kept = LAST.try_with(|last| last.borrow().as_ref().map(Kept::view)).ok().flatten();
    let copied = kept.unwrap_or(linkspan_error { text: c"".as_ptr(), ..linkspan_error::nothing() });
    let status = copied.status;
    if error.is_null() {
        return status;
    }
    // SAFETY: a struct with its size set, by contract.
    match guard(|| unsafe { give_sized(place!(error), || Ok(copied)) }) {
        LINKSPAN_OK => status,
        refused => refused,
    }
}

/// Returns the text of this thread's last failed call, or `""`. It lives until the next call fails.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_last_error_text() -> *const c_char {
    let text = LAST.try_with(|last| last.borrow().as_ref().map(|kept| kept.text.as_ptr()));
    text.ok().flatten().unwrap_or(c"".as_ptr())
}

/// Sets this thread's last error and returns `status`, for bindings over this interface.
///
/// `text` may be NULL. `LINKSPAN_OK` and unknown statuses become `LINKSPAN_WRONG_TYPE`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_set_last_error(
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: by contract.
    let text = unsafe { c_any_text_or_none(text) };
    guard(|| Err(refusal(status, text.as_deref().unwrap_or_default())))
}

impl linkspan_error {
    const fn nothing() -> linkspan_error {
        linkspan_error {
            size: size_of::<linkspan_error>(),
            status: LINKSPAN_OK,
            retryable: false,
            text: ptr::null(),
            endpoint: ptr::null(),
            path: ptr::null(),
            offset: -1,
            missed: 0,
            os_error: 0,
            remote_code: 0,
            remote_type: ptr::null(),
            remote_text: ptr::null(),
            remote_data: ptr::null(),
            remote_data_length: 0,
            sent: 0,
        }
    }
}

impl Kept {
    fn view(&self) -> linkspan_error {
        let mut details = linkspan_error {
            status: self.error.kind().code().into(),
            retryable: self.error.retryable(),
            text: self.text.as_ptr(),
            endpoint: self.endpoint.as_ref().map_or(ptr::null(), |t| t.as_ptr()),
            path: self.path.as_ref().map_or(ptr::null(), |t| t.as_ptr()),
            offset: self.error.offset().and_then(|o| i64::try_from(o).ok()).unwrap_or(-1),
            missed: self.error.missed().unwrap_or(0),
            os_error: self.error.errno().unwrap_or(0),
            sent: self.error.sent().unwrap_or(0),
            ..linkspan_error::nothing()
        };
        if let (Some(failure), Some((kind, text))) = (self.error.remote_failure(), &self.remote) {
            details.remote_code = failure.code;
            details.remote_type = kind.as_ptr();
            details.remote_text = text.as_ptr();
            if !failure.data.is_empty() {
                details.remote_data = failure.data.as_ptr();
                details.remote_data_length = failure.data.len();
            }
        }
        details
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::LINKSPAN_INTERNAL;
    use std::ffi::CStr;

    #[test]
    fn panic_becomes_an_internal_error_with_its_place() {
        assert_eq!(guard(|| panic!("so {}", "bad")), LINKSPAN_INTERNAL);
        // SAFETY: the text belongs to this thread's last error and lives until the next.
        let text = unsafe { CStr::from_ptr(linkspan_last_error_text()) }.to_str().unwrap();
        assert!(text.contains("so bad") && text.contains("error.rs"), "{text}");
    }

    #[test]
    fn calls_are_those_of_threads_that_the_program_started_and_of_its_functions() {
        extern "C" fn in_thread(found: *mut libc::c_void) -> *mut libc::c_void {
            // SAFETY: the waiting thread passes a bool.
            unsafe { *found.cast::<bool>() = is_inside_call() };
            ptr::null_mut()
        }
        let (mut found, mut thread) = (false, 0);
        // SAFETY: the thread ends before the memory that it writes.
        unsafe {
            let place = (&raw mut found).cast();
            assert_eq!(libc::pthread_create(&mut thread, ptr::null(), in_thread, place), 0);
            assert_eq!(libc::pthread_join(thread, ptr::null_mut()), 0);
        }
        assert!(found);
        let named = std::thread::Builder::new().name("linkspan-of-a-test".into());
        let own = named.spawn(|| {
            assert!(!is_inside_call());
            call_program(|| call_program(|| assert!(is_inside_call())));
            call_program(|| assert!(is_inside_call()));
            assert!(!is_inside_call());
        });
        own.unwrap().join().unwrap();
    }

    #[test]
    fn shorter_struct_of_an_older_program_is_filled_to_its_length() {
        guard(|| Err(Error::new(ErrorKind::Malformed, "no").at(17)));
        let mut old = linkspan_error {
            size: std::mem::offset_of!(linkspan_error, offset),
            ..linkspan_error::nothing()
        };
        // SAFETY: the struct lives and its size is not larger than it is.
        let status = unsafe { linkspan_last_error(&mut old) };
        assert_eq!((status, old.status, old.offset), (115, 115, -1));
        old.size = size_of::<linkspan_error>();
        // SAFETY: as above.
        unsafe { linkspan_last_error(&mut old) };
        assert_eq!(old.offset, 17);
    }
}
