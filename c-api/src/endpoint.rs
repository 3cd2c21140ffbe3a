//! Queries of names without a channel, and waiting for several objects.

use std::ffi::{c_char, c_int};
use std::os::fd::BorrowedFd;

use linkspan::{Error, ErrorKind};

use crate::argument::{c_text, is_null, items, make, named, place, wait};
use crate::error::guard;
use crate::message::linkspan_message;
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Gets the newest value of a publisher, which the caller releases.
///
/// With a time-out it waits for a publisher and its first value; with `LINKSPAN_DEFAULT` it does not wait. `Empty` if
/// nothing was published yet, `NotFound` if no program publishes.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_latest(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(message), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(linkspan_message::arrived(linkspan::latest(endpoint, &options, wait(timeout)?)?))
        })
    }
}

/// Gets the open names of this machine as an array of maps, which the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_names(names: *mut *mut linkspan_message) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(names), || {
            let listed = linkspan::registry::list()?;
            let maps = listed.iter().map(linkspan::registry::Listed::to_value);
            Ok(linkspan_message::of(linkspan::Value::Array(maps.collect())))
        })
    }
}

/// Gets the schema of the program that listens at the endpoint, or of its spool or journal.
///
/// The caller releases the value, the canonical form of docs/schema.md (`type/fields/0/name`). Waits at most 3 s.
/// `NotFound` if no program listens, `Missing` without a schema.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_schema(
    endpoint: *const c_char,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(message), || {
            let form = linkspan::registry::schema(c_text(endpoint, "endpoint")?)?;
            Ok(linkspan_message::of(linkspan::codec::decode(&form, linkspan::Encoding::Cbor)?))
        })
    }
}

/// Gets the schema of the replies, like [`linkspan_schema`].
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reply_schema(
    endpoint: *const c_char,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(message), || {
            let form = linkspan::registry::reply_schema(c_text(endpoint, "endpoint")?)?;
            Ok(linkspan_message::of(linkspan::codec::decode(&form, linkspan::Encoding::Cbor)?))
        })
    }
}

/// Gets the schema of a message of the endpoint, like [`linkspan_schema`].
///
/// Each record of a journal names its schema. `InvalidState` for a message that was built here, `Corrupt` if the
/// journal has lost the schema.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_schema_of(
    endpoint: *const c_char,
    written: *const linkspan_message,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(message), || {
            let endpoint = c_text(endpoint, "endpoint")?;
            let form =
                named(written, "written")?.with_arrived(|m| linkspan::registry::schema_of(endpoint, m))?;
            Ok(linkspan_message::of(linkspan::codec::decode(&form, linkspan::Encoding::Cbor)?))
        })
    }
}

/// Waits until at least one of several descriptors is ready; `ready` gets `count` flags.
///
/// `descriptors` come from the `_fileno` functions, called again before each wait, or from the program. A ready object
/// may still have nothing: query it without waiting (`linkspan_subscriber_try_recv`, or a time-out of 0). `Timeout` if
/// none is ready in time, 30 s by default. `InvalidState` without descriptors, or for a closed one.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_wait(
    descriptors: *const c_int,
    count: usize,
    timeout: i64,
    ready: *mut bool,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        if ready.is_null() {
            return Err(is_null("ready"));
        }
        let given = items(descriptors, count, "descriptors")?;
        (0..count).for_each(|at| ready.add(at).write(false));
        let borrow = |descriptor: &c_int| {
            if *descriptor < 0 {
                let text = format!("{descriptor} is not a descriptor");
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
            // Not negative. If an object closes its descriptor during the wait, the kernel reports it as invalid and
            // the core refuses it.
            Ok(BorrowedFd::borrow_raw(*descriptor))
        };
        let borrowed: Vec<_> = given.iter().map(borrow).collect::<linkspan::Result<_>>()?;
        for at in linkspan::wait_any(&borrowed, wait(timeout)?)? {
            ready.add(at).write(true);
        }
        Ok(())
    })
}
