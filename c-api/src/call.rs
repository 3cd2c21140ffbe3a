//! Requests and replies on a channel: calls in one step and in two, and what the other end answers.

use linkspan::PendingReply;

use crate::argument::{Nothing, apply, named, place, query, wait};
use crate::channel::linkspan_channel;
use crate::life::Checked;
use crate::message::linkspan_message;
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

/// A request that was sent, whose reply `linkspan_channel_finish_call` gets: a value that may be copied, and that any
/// thread may use with the channel that it is of. It holds nothing, so there is nothing to free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct linkspan_pending_reply {
    /// The number of the request.
    pub number: u64,
    /// The connection that it was sent over.
    pub generation: u64,
}

impl Nothing for linkspan_pending_reply {
    const NOTHING: linkspan_pending_reply = linkspan_pending_reply { number: 0, generation: 0 };
}

impl Checked for linkspan_pending_reply {}

/// Sends a request without waiting for its reply: a call in two steps. Any number of requests may be under way, from one thread or
/// several. Their replies may arrive in any order, also while this end calls and receives, and are kept for the newest 1,024 requests
/// that are not finished.
///
/// # Safety
/// `channel` and `request` are live, `pending` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_start_call(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    timeout: i64,
    pending: *mut linkspan_pending_reply,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(channel, place!(pending), |channel| {
            let payload = channel.0.encode(named(request, "request")?)?;
            let [number, generation] = channel.0.start_call(&payload, wait(timeout)?)?.numbers();
            Ok(linkspan_pending_reply { number, generation })
        })
    }
}

/// Waits for the reply to a request that `linkspan_channel_start_call` sent; the caller releases it. Fails as
/// `linkspan_channel_call` does. With a time-out of 0 it fails with `Timeout` while the reply has not arrived, and may be called
/// again; a longer time-out that passes gives up the request.
///
/// # Safety
/// `channel` is live, `pending` is what the other function gave, `reply` may be written.
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
            let pending = PendingReply::from_numbers([pending.number, pending.generation]);
            Ok(linkspan_message::arrived(channel.0.finish_call(pending, wait(timeout)?)?))
        })
    }
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
