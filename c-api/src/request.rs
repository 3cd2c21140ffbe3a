//! Requests that a server received: each is answered by a reply or an error.

use std::ffi::c_char;

use linkspan::{Encoding, RemoteFailure, Result, codec};

use crate::argument::{c_any_text_or_none, named};
use crate::error::guard;
use crate::message::linkspan_message;
use crate::status::linkspan_status;

/// Runs a call that answers a request.
///
/// # Safety
/// `request` is NULL or live.
unsafe fn answer(
    request: *const linkspan_message,
    what: impl FnOnce(&linkspan_message) -> Result<()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| what(unsafe { named(request, "request") }?))
}

/// Replies to a request. A request is answered once; a second answer is `InvalidState`.
///
/// # Safety
/// `request` and `reply` are live messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_reply(
    request: *const linkspan_message,
    reply: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        answer(request, |request| {
            let reply = named(reply, "reply")?;
            request.with_request(|request| request.reply(reply))
        })
    }
}

/// Answers a request with an error: a code of the handler's own or of JSON-RPC 2.0, a dotted type such as
/// `spectrum.window_too_long`, a text for a human reader, and a value for the program, which may be NULL.
///
/// # Safety
/// `request` is a live message, `type` and `text` are NULL or NUL-terminated, `data` is NULL or a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_fail(
    request: *const linkspan_message,
    code: i64,
    r#type: *const c_char,
    text: *const c_char,
    data: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        answer(request, |request| {
            let failure = RemoteFailure {
                code,
                kind: c_any_text_or_none(r#type).unwrap_or_default().into_owned(),
                text: c_any_text_or_none(text).unwrap_or_default().into_owned(),
                data: match data.as_ref() {
                    Some(data) => codec::encode(data, Encoding::Cbor)?,
                    None => Vec::new(),
                },
            };
            request.with_request(|request| request.fail(&failure))
        })
    }
}

/// With the option `ack` `"manual"`: acknowledges a request, and what its sender sent before it, before it is
/// answered; an answer acknowledges it as well. `InvalidState` for a message that is no server's request, and without
/// that option.
///
/// # Safety
/// `request` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_ack(request: *const linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { answer(request, |request| request.with_request(linkspan::Request::ack)) }
}
