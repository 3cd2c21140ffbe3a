//! Publishers: they send to any number of subscribers.

use std::ffi::c_char;

use linkspan::Publisher;

use crate::argument::{apply, c_text, make, place, query, wait};
use crate::exchange;
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Sends to any number of subscribers and never waits for a slow one.
///
/// Free it with `linkspan_publisher_free`. Any number of threads may send; they take turns.
pub struct linkspan_publisher(pub(crate) Tagged<Publisher>);

handle_kind!(linkspan_publisher of Publisher: b"publishr");

/// Publishes at an endpoint; `AddressInUse` if another program does. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or valid, `publisher` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_new(
    endpoint: *const c_char,
    options: *const linkspan_options,
    publisher: *mut *mut linkspan_publisher,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(place!(publisher), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give(linkspan_publisher(Tagged::new(Publisher::new(endpoint, &options)?))))
        })
    }
}

/// Waits until `count` subscribers are connected and will get the following messages.
///
/// `Timeout` if fewer are connected in time. `InvalidState` if another thread closes the publisher. `Unsupported` for
/// a `file:` or a `journal:`, which store messages.
///
/// # Safety
/// `publisher` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_wait_for_subscribers(
    publisher: *const linkspan_publisher,
    count: usize,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(publisher, |publisher| publisher.0.wait_for_subscribers(count, wait(timeout)?)) }
}

/// Publishes a message without waiting for subscribers.
///
/// `sequence`, which may be NULL, gets the number of the message. A failed send leaves the message unchanged.
///
/// # Safety
/// `publisher` and `message` are live, `sequence` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_send(
    publisher: *const linkspan_publisher,
    message: *const linkspan_message,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { exchange::send(publisher, message, sequence, |publisher, message| publisher.0.send(message)) }
}

/// Publishes several messages in order.
///
/// Up to 64 short messages share one wake-up or system call per subscriber. `sent` is as for
/// `linkspan_channel_send_many`.
///
/// # Safety
/// `publisher` is live, `messages` points to `count` live messages or `count` is zero, `sent` is NULL or may be
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_send_many(
    publisher: *const linkspan_publisher,
    messages: *const *const linkspan_message,
    count: usize,
    sent: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        exchange::send_many(publisher, messages, count, sent, |publisher, messages| {
            publisher.0.send_many(messages)
        })
    }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// `publisher` is live, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_events(
    publisher: *const linkspan_publisher,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(publisher, place!(events), |publisher| Ok(linkspan_message::events(publisher.0.events())))
    }
}

/// Gets the counters as a map, which the caller releases.
///
/// `subscribers` is their current number.
///
/// # Safety
/// `publisher` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_stats(
    publisher: *const linkspan_publisher,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(publisher, place!(stats), |publisher| Ok(linkspan_message::of(publisher.0.stats()))) }
}

/// Waits until every connected subscriber has been given all published messages.
///
/// Over `shm:` the subscriber has read them; over `unix:` and `tcp:` the kernel has taken them. Over `journal:` and
/// `file:` the send already waits. `Timeout` has the number left for the slowest subscriber (`linkspan_last_error`),
/// and the publisher stays open. If another thread closes it, `InvalidState` has this number.
///
/// # Safety
/// `publisher` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_flush(
    publisher: *const linkspan_publisher,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(publisher, |publisher| publisher.0.flush(wait(timeout)?)) }
}

/// Closes the publisher after its subscribers have received all messages, within the time-out.
///
/// The newest value is lost with it. The publisher must still be freed.
///
/// # Safety
/// `publisher` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_close(
    publisher: *const linkspan_publisher,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(publisher, |publisher| publisher.0.close(wait(timeout)?)) }
}

/// Closes and frees the publisher. NULL is allowed.
///
/// For a second call see `linkspan_channel_free`.
///
/// # Safety
/// `publisher` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_free(publisher: *mut linkspan_publisher) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(publisher) }
}
