//! Requests and replies on a channel: calls in one step and in two, and what the other end answers.

use linkspan::PendingReply;

use crate::argument::{apply, named, place, query, wait};
use crate::channel::linkspan_channel;
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::status::linkspan_status;

/// Sends a request and waits for its reply, which the caller releases. `Remote` if the handler failed,
/// `Disconnected` if the peer died meanwhile. The requests of several threads are under way
/// together.
/// # Safety
/// `channel` and `request` are live, `reply` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_call(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    timeout: i64,
    reply: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(channel, place!(reply), |channel| {
            let payload = channel.0.encode(named(request, "request")?)?;
            Ok(linkspan_message::arrived(channel.0.call_payload(&payload, wait(timeout)?)?))
        })
    }
}

/// A request that was sent, whose reply `linkspan_channel_finish_call` gets. Any thread may use it with the channel
/// that it is of, which it does not keep open. Free it with `linkspan_pending_reply_free`.
pub struct linkspan_pending_reply(pub(crate) Tagged<PendingReply>);

handle_kind!(linkspan_pending_reply of PendingReply: b"pending.");

/// Sends a request without waiting for its reply: a call in two steps. Any number of requests may be under way, from
/// one thread or several. Their replies may arrive in any order, also while this end calls and receives, and are kept
/// for the newest 1,024 requests that are not finished, up to 256 MiB.
///
/// # Safety
/// `channel` and `request` are live, `pending` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_start_call(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    timeout: i64,
    pending: *mut *mut linkspan_pending_reply,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(channel, place!(pending), |channel| {
            let payload = channel.0.encode(named(request, "request")?)?;
            Ok(give(linkspan_pending_reply(Tagged::new(channel.0.start_call(&payload, wait(timeout)?)?))))
        })
    }
}

/// Waits for the reply to a request that `linkspan_channel_start_call` sent; the caller releases it. Fails as
/// `linkspan_channel_call` does. With a time-out of 0 it fails with `Timeout` while the reply has not arrived, and may
/// be called again; a longer time-out that passes gives up the request. `InvalidState` at once if the request is not
/// under way on this channel any more.
///
/// # Safety
/// `channel` and `pending` are live, `reply` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_finish_call(
    channel: *const linkspan_channel,
    pending: *const linkspan_pending_reply,
    timeout: i64,
    reply: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(channel, place!(reply), |channel| {
            let pending = named(pending, "pending")?;
            Ok(linkspan_message::arrived(channel.0.finish_call(&pending.0, wait(timeout)?)?))
        })
    }
}

/// Frees a request that was sent. One that is not finished is withdrawn: a peer that has not received it by then does
/// not begin with it, and a reply that arrives is dropped. NULL is allowed; a second call for the same request, and any
/// other use of it, is `InvalidState`: see `linkspan_channel_free`.
///
/// # Safety
/// `pending` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_pending_reply_free(
    pending: *mut linkspan_pending_reply,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(pending) }
}

/// Replies to a request that `linkspan_channel_recv` returned; use `linkspan_request_reply` for a server's
/// requests.
///
/// # Safety
/// `channel`, `request` and `reply` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_reply(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    reply: *const linkspan_message,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        apply(channel, |channel| {
            let (reply, wait) = (named(reply, "reply")?, wait(timeout)?);
            named(request, "request")?.with_arrived(|request| channel.0.reply(request, reply, wait))
        })
    }
}
