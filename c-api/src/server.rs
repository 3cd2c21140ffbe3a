//! Servers: requests of many clients, each answered by a reply or a failure.

use std::ffi::{c_char, c_int};
use std::ptr;

use linkspan::{Encoding, RemoteFailure, Server, codec};

use crate::argument::{c_text, c_text_or_none, handle, out};
use crate::channel::{give, take_back, wait};
use crate::error::guard;
use crate::message::{State, linkspan_message};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Answers the requests of any number of clients. Release it with `linkspan_server_release`.
pub struct linkspan_server(Server);

/// Serves at an endpoint; `AddressInUse` where somebody else does. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or good, `server` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_serve(
    endpoint: *const c_char,
    options: *const linkspan_options,
    server: *mut *mut linkspan_server,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(server, ptr::null_mut(), "server")?;
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            *to = give(linkspan_server(Server::serve(endpoint, &options)?));
        }
        Ok(())
    })
}

/// Takes the next request, to be answered with `linkspan_reply` or `linkspan_fail` and then released.
/// `LINKSPAN_DEFAULT` waits for ever here. At close and at a stop signal the call succeeds and `request` gets NULL.
///
/// # Safety
/// `server` is live, `request` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_next(
    server: *const linkspan_server,
    timeout: i64,
    request: *mut *mut linkspan_message,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(request, ptr::null_mut(), "request")?;
            if let Some(request) = handle(server, "server")?.0.next(wait(timeout)?)? {
                *to = linkspan_message::give(State::Request(request));
            }
        }
        Ok(())
    })
}

/// Answers a request. A request is answered once; a second answer is `InvalidState`.
///
/// # Safety
/// `request` and `reply` are live messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reply(
    request: *const linkspan_message,
    reply: *const linkspan_message,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let (request, reply) = unsafe { (handle(request, "request")?, handle(reply, "reply")?) };
        request.with_request(|request| request.reply(reply))
    })
}

/// Answers a request with an error: a code of the handler's own or of JSON-RPC 2.0, a dotted type such as
/// `spectrum.window_too_long`, a text for a person, and a value for the program, which may be NULL.
///
/// # Safety
/// `request` is a live message, `type` and `text` are NULL or NUL-terminated, `data` is NULL or a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_fail(
    request: *const linkspan_message,
    code: i64,
    r#type: *const c_char,
    text: *const c_char,
    data: *const linkspan_message,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let (request, kind, text, data) = unsafe {
            let (kind, text) = (c_text_or_none(r#type, "a type")?, c_text_or_none(text, "a text")?);
            (handle(request, "request")?, kind, text, data.as_ref())
        };
        let failure = RemoteFailure {
            code,
            kind: kind.unwrap_or_default().to_owned(),
            text: text.unwrap_or_default().to_owned(),
            data: data.map(|data| codec::encode(data, Encoding::Cbor)).transpose()?.unwrap_or_default(),
        };
        request.with_request(|request| request.fail(&failure))
    })
}

/// A descriptor that is readable while `linkspan_next` would not wait, for event loops. It stays the server's.
///
/// # Safety
/// `server` is live, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_fileno(
    server: *const linkspan_server,
    fd: *mut c_int,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe { *out(fd, -1, "fd")? = handle(server, "server")?.0.fileno()? };
        Ok(())
    })
}

/// What has happened since the last call, as `linkspan_channel_events` tells it.
///
/// # Safety
/// `server` is live, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_events(
    server: *const linkspan_server,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(events, ptr::null_mut(), "events")?;
            *to = linkspan_message::events(handle(server, "server")?.0.events());
        }
        Ok(())
    })
}

/// Counters as a map, which the caller releases.
///
/// # Safety
/// `server` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_stats(
    server: *const linkspan_server,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            let to = out(stats, ptr::null_mut(), "stats")?;
            *to = linkspan_message::of(handle(server, "server")?.0.stats());
        }
        Ok(())
    })
}

/// Takes no more requests: `linkspan_next` of other threads ends. The server still has to be released.
///
/// # Safety
/// `server` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_close(
    server: *const linkspan_server,
    timeout: i64,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe { handle(server, "server") }?.0.close(wait(timeout)?)
    })
}

/// Closes the server and frees it. NULL is allowed.
///
/// # Safety
/// `server` is NULL or live, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_server_release(server: *mut linkspan_server) {
    // SAFETY: as the caller promises.
    unsafe { take_back(server) }
}
