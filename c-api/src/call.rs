//! Requests and replies on a channel, in one step or in two.

use linkspan::PendingReply;

use crate::argument::{apply, named, place, query, wait};
use crate::channel::linkspan_channel;
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::status::linkspan_status;

/// Sends a request and waits for its reply, which the caller releases.
///
/// `Remote` if the handler failed, `Disconnected` if the peer died.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_call(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    timeout: i64,
    reply: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(channel, place!(reply), |channel| {
            let payload = channel.0.encode(named(request, "request")?)?;
            Ok(linkspan_message::arrived(channel.0.call_payload(&payload, wait(timeout)?)?))
        })
    }
}

/// A request without a reply yet. Free it with `linkspan_pending_reply_free`.
///
/// Any thread may finish it. It does not keep the channel open.
pub struct linkspan_pending_reply(pub(crate) Tagged<PendingReply>);

handle_kind!(linkspan_pending_reply of PendingReply: b"pending.");

/// Sends a request without waiting for its reply: the first step of a call.
///
/// Replies arrive in any order. They are kept for the newest 1,024 pending requests, up to 256 MiB.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_start_call(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    timeout: i64,
    pending: *mut *mut linkspan_pending_reply,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(channel, place!(pending), |channel| {
            let payload = channel.0.encode(named(request, "request")?)?;
            Ok(give(linkspan_pending_reply(Tagged::new(channel.0.start_call(&payload, wait(timeout)?)?))))
        })
    }
}

/// Waits for the reply to a request of `linkspan_channel_start_call`; the caller releases it.
///
/// Fails as `linkspan_channel_call`. `Timeout` with a time-out of 0 means: call again later; a longer one gives the
/// request up. `InvalidState` if the request is no longer pending on this channel.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_finish_call(
    channel: *const linkspan_channel,
    pending: *const linkspan_pending_reply,
    timeout: i64,
    reply: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(channel, place!(reply), |channel| {
            let pending = named(pending, "pending")?;
            Ok(linkspan_message::arrived(channel.0.finish_call(&pending.0, wait(timeout)?)?))
        })
    }
}

/// Frees a request; an unfinished one is withdrawn, and a late reply is dropped.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_pending_reply_free(
    pending: *mut linkspan_pending_reply,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(pending) }
}

/// Replies to a request from `linkspan_channel_recv`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_reply(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    reply: *const linkspan_message,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(channel, |channel| {
            let (reply, wait) = (named(reply, "reply")?, wait(timeout)?);
            named(request, "request")?.with_arrived(|request| channel.0.reply(request, reply, wait))
        })
    }
}
