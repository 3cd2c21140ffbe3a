//! Requests of a server, each answered by a reply or an error.

use std::ffi::c_char;

use linkspan::{Encoding, RemoteFailure, Result, codec};

use crate::argument::{c_any_text_or_none, named};
use crate::error::guard;
use crate::message::linkspan_message;
use crate::status::linkspan_status;

/// # Safety
/// `request` is NULL or live.
unsafe fn answer(
    request: *const linkspan_message,
    what: impl FnOnce(&linkspan_message) -> Result<()>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| what(unsafe { named(request, "request") }?))
}

/// Replies to a request. A second answer is `InvalidState`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_reply(
    request: *const linkspan_message,
    reply: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        answer(request, |request| {
            let reply = named(reply, "reply")?;
            request.with_request(|request| request.reply(reply))
        })
    }
}

/// Answers a request with an error.
///
/// `code` is of the handler or of JSON-RPC 2.0, `type` a dotted name such as `spectrum.window_too_long`. `type`, `text`
/// and `data` may be NULL.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_fail(
    request: *const linkspan_message,
    code: i64,
    r#type: *const c_char,
    text: *const c_char,
    data: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
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

/// Acknowledges a request and its sender's earlier ones, with the option `ack` `"manual"`.
///
/// An answer also acknowledges it. `InvalidState` if the message is not a server's request, or without that option.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_ack(request: *const linkspan_message) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { answer(request, |request| request.with_request(linkspan::Request::ack)) }
}
