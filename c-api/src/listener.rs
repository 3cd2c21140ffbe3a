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
/// Any number of threads may accept and close.
pub struct linkspan_listener(pub(crate) Tagged<Listener>);

handle_kind!(linkspan_listener of Listener: b"listener");

/// Listens at an endpoint; `AddressInUse` if another program does.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_listen(
    endpoint: *const c_char,
    options: *const linkspan_options,
    listener: *mut *mut linkspan_listener,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(listener), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give(linkspan_listener(Tagged::new(Listener::listen(endpoint, &options)?))))
        })
    }
}

/// Waits for the next peer and gives its channel, which the caller frees.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_accept(
    listener: *const linkspan_listener,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(listener, place!(channel), |listener| Ok(give_channel(listener.0.accept(wait(timeout)?)?)))
    }
}

/// Gets a file descriptor for event loops, readable if `linkspan_listener_accept` would not wait.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_fileno(
    listener: *const linkspan_listener,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(listener, place!(fd), |listener| listener.0.fileno()) }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_events(
    listener: *const linkspan_listener,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(listener, place!(events), |listener| Ok(linkspan_message::events(listener.0.events()))) }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_stats(
    listener: *const linkspan_listener,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(listener, place!(stats), |listener| Ok(linkspan_message::of(listener.0.stats()))) }
}

/// Closes the listener. Accepted channels stay open.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_close(listener: *const linkspan_listener) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(listener, |listener| {
            listener.0.close();
            Ok(())
        })
    }
}

/// Closes and frees the listener.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listener_free(listener: *mut linkspan_listener) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(listener) }
}
