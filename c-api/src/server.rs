//! Servers: requests of many clients, each answered by a reply or a failure.

use std::ffi::c_char;

use linkspan::{Encoding, RemoteFailure, Server, codec};

use crate::argument::{c_text, c_text_or_none, handle, make, tell};
use crate::message::linkspan_message;
use crate::object::{Tagged, give};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Answers the requests of any number of clients. Release it with `linkspan_release`.
///
/// One thread at a time takes requests, another one gets `InvalidState`; any thread may answer one, and close the server.
pub struct linkspan_server(pub(crate) Tagged<Server>);

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
    // SAFETY: as the caller promises.
    unsafe {
        make(server, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(give(linkspan_server(Tagged::new(Server::serve(endpoint, &options)?))))
        })
    }
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
    // SAFETY: as the caller promises.
    unsafe {
        tell(request, |request| {
            let reply = handle(reply)?;
            request.with_request(|request| request.reply(reply))
        })
    }
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
    // SAFETY: as the caller promises.
    unsafe {
        tell(request, |request| {
            let failure = RemoteFailure {
                code,
                kind: c_text_or_none(r#type, "a type")?.unwrap_or_default().to_owned(),
                text: c_text_or_none(text, "a text")?.unwrap_or_default().to_owned(),
                data: match data.as_ref() {
                    Some(data) => codec::encode(data, Encoding::Cbor)?,
                    None => Vec::new(),
                },
            };
            request.with_request(|request| request.fail(&failure))
        })
    }
}

/// Says, with the option `ack` `"manual"`, that a request, and what its sender sent before it, has been consumed, before
/// it is answered; an answer says so, too. `InvalidState` for a message that is no server's request.
///
/// # Safety
/// `request` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_ack(request: *const linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(request, |request| {
            request.with_request(|request| {
                request.ack();
                Ok(())
            })
        })
    }
}
