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
/// Free it with `linkspan_publisher_free`. Any number of threads may send.
pub struct linkspan_publisher(pub(crate) Tagged<Publisher>);

handle_kind!(linkspan_publisher of Publisher: b"publishr");

/// Publishes at an endpoint; `AddressInUse` if another program does.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_new(
    endpoint: *const c_char,
    options: *const linkspan_options,
    publisher: *mut *mut linkspan_publisher,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(publisher), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give(linkspan_publisher(Tagged::new(Publisher::new(endpoint, &options)?))))
        })
    }
}

/// Waits until `count` subscribers are connected and will get the following messages.
///
/// `Timeout` if fewer are connected in time. `InvalidState` if another thread closes the publisher. `Unsupported` for a
/// `file:` or a `journal:`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_wait_for_subscribers(
    publisher: *const linkspan_publisher,
    count: usize,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(publisher, |publisher| publisher.0.wait_for_subscribers(count, wait(timeout)?)) }
}

/// Publishes a message without waiting for subscribers.
///
/// `sequence` gets its number. A failed send leaves the message unchanged.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_send(
    publisher: *const linkspan_publisher,
    message: *const linkspan_message,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { exchange::send(publisher, message, sequence, |publisher, message| publisher.0.send(message)) }
}

/// Publishes several messages in order, like `linkspan_channel_send_many`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_send_many(
    publisher: *const linkspan_publisher,
    messages: *const *const linkspan_message,
    count: usize,
    sent: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        exchange::send_many(publisher, messages, count, sent, |publisher, messages| {
            publisher.0.send_many(messages)
        })
    }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_events(
    publisher: *const linkspan_publisher,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(publisher, place!(events), |publisher| Ok(linkspan_message::events(publisher.0.events())))
    }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_stats(
    publisher: *const linkspan_publisher,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(publisher, place!(stats), |publisher| Ok(linkspan_message::of(publisher.0.stats()))) }
}

/// Waits until every connected subscriber has been given all published messages.
///
/// `Timeout`, or `InvalidState` if another thread closes the publisher, has the number left for the slowest subscriber
/// (`linkspan_last_error`).
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_flush(
    publisher: *const linkspan_publisher,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(publisher, |publisher| publisher.0.flush(wait(timeout)?)) }
}

/// Closes the publisher after its subscribers have received all messages, within the time-out.
///
/// The newest value is lost with it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_close(
    publisher: *const linkspan_publisher,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(publisher, |publisher| publisher.0.close(wait(timeout)?)) }
}

/// Closes and frees the publisher.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_free(publisher: *mut linkspan_publisher) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(publisher) }
}
