//! Listeners: they accept peers at an endpoint.

use std::ffi::{c_char, c_int};

use linkspan::Listener;

use crate::argument::{apply, c_text, make, place, query, wait};
use crate::channel::{give_channel, linkspan_channel};
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Accepts peers at an endpoint. Free it with `linkspan_listener_free`.
///
/// Any number of threads may accept, and any may close it.
pub struct linkspan_listener(pub(crate) Tagged<Listener>);

handle_kind!(linkspan_listener of Listener: b"listener");

/// Listens at an endpoint; `AddressInUse` if another program does. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or valid, `listener` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_listen(
    endpoint: *const c_char,
    options: *const linkspan_options,
    listener: *mut *mut linkspan_listener,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(place!(listener), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give(linkspan_listener(Tagged::new(Listener::listen(endpoint, &options)?))))
        })
    }
}

/// Waits for the next peer and gives its channel.
///
/// # Safety
/// `listener` is live, `channel` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_accept(
    listener: *const linkspan_listener,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(listener, place!(channel), |listener| Ok(give_channel(listener.0.accept(wait(timeout)?)?)))
    }
}

/// Gets a file descriptor for event loops, readable if `linkspan_listener_accept` would not wait.
///
/// The listener owns it: do not close it.
///
/// # Safety
/// `listener` is live, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_fileno(
    listener: *const linkspan_listener,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(listener, place!(fd), |listener| listener.0.fileno()) }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// `listener` is live, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_events(
    listener: *const linkspan_listener,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(listener, place!(events), |listener| Ok(linkspan_message::events(listener.0.events()))) }
}

/// Gets the counters of the listener as a map, which the caller releases.
///
/// # Safety
/// `listener` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_stats(
    listener: *const linkspan_listener,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(listener, place!(stats), |listener| Ok(linkspan_message::of(listener.0.stats()))) }
}

/// Closes the listener; waits of other threads end. Accepted channels stay open.
///
/// The listener must still be freed.
///
/// # Safety
/// `listener` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_close(listener: *const linkspan_listener) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        apply(listener, |listener| {
            listener.0.close();
            Ok(())
        })
    }
}

/// Closes and frees the listener. NULL is allowed.
///
/// For a second call see `linkspan_channel_free`.
///
/// # Safety
/// `listener` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_free(listener: *mut linkspan_listener) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(listener) }
}
