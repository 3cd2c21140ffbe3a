//! Servers: they take the requests of many clients.

use std::ffi::{c_char, c_int};
use std::ptr;

use linkspan::Server;

use crate::argument::{apply, c_text, make, place, query, wait};
use crate::message::{State, linkspan_message};
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Answers the requests of any number of clients. Free it with `linkspan_server_free`.
///
/// Only one thread at a time may take requests; another gets `InvalidState`. Any thread may answer and close.
pub struct linkspan_server(pub(crate) Tagged<Server>);

handle_kind!(linkspan_server of Server: b"server..");

/// Serves at an endpoint; `AddressInUse` if another program does.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_serve(
    endpoint: *const c_char,
    options: *const linkspan_options,
    server: *mut *mut linkspan_server,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(server), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give(linkspan_server(Tagged::new(Server::serve(endpoint, &options)?))))
        })
    }
}

/// Waits for the next request, which the caller releases.
///
/// Answer it with `linkspan_request_reply` or `linkspan_request_fail`. If another thread closes the server, the call
/// succeeds and `request` gets NULL.
///
/// SIGINT and SIGTERM end a wait without a deadline in the same way. From the first such call until the server is
/// closed or freed, the library handles these signals: the first ends the loop, the second the program. To opt out,
/// handle or ignore a signal before the loop. The last such object restores the previous handlers.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_next(
    server: *const linkspan_server,
    timeout: i64,
    request: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(server, place!(request), |server| {
            let next = server.0.next(wait(timeout)?)?;
            Ok(next.map_or(ptr::null_mut(), |next| linkspan_message::give(State::Request(next))))
        })
    }
}

/// Gets a file descriptor for event loops, readable if `linkspan_server_next` would not wait.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_fileno(
    server: *const linkspan_server,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(server, place!(fd), |server| server.0.fileno()) }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_events(
    server: *const linkspan_server,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(server, place!(events), |server| Ok(linkspan_message::events(server.0.events()))) }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_stats(
    server: *const linkspan_server,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(server, place!(stats), |server| Ok(linkspan_message::of(server.0.stats()))) }
}

/// Closes the server after its replies were consumed, within the time-out.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_close(
    server: *const linkspan_server,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(server, |server| server.0.close(wait(timeout)?)) }
}

/// Closes and frees the server.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_free(server: *mut linkspan_server) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(server) }
}
