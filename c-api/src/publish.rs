//! Publishers, subscribers, and the newest value.

use std::ffi::c_char;
use std::ptr;

use linkspan::{Publisher, Subscriber};

use crate::argument::{ask, c_text, handle, make, tell, wait};
use crate::channel::{give, numbered, take_back};
use crate::message::linkspan_message;
use crate::object::Tagged;
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Sends to any number of subscribers and never waits for a slow one. Release it with `linkspan_publisher_release`.
pub struct linkspan_publisher(pub(crate) Tagged<Publisher>);

/// Receives what a publisher sends. Release it with `linkspan_subscriber_release`.
pub struct linkspan_subscriber(pub(crate) Tagged<Subscriber>);

/// Publishes at an endpoint; `AddressInUse` where somebody else does. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or good, `publisher` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_new(
    endpoint: *const c_char,
    options: *const linkspan_options,
    publisher: *mut *mut linkspan_publisher,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(publisher, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(give(linkspan_publisher(Tagged::new(Publisher::new(endpoint, &options)?))))
        })
    }
}

/// Publishes a message. `sequence`, which may be NULL, gets its number.
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
    unsafe { tell(publisher, |publisher| numbered(sequence, publisher.0.send(handle(message)?))) }
}

/// How many subscribers there are now.
///
/// # Safety
/// `publisher` is live, `count` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_subscribers(
    publisher: *const linkspan_publisher,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { ask(publisher, count, |publisher| Ok(publisher.0.subscribers())) }
}

/// Stops publishing: the newest value goes with it. The publisher still has to be released.
///
/// # Safety
/// `publisher` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_close(publisher: *const linkspan_publisher) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(publisher, |publisher| {
            publisher.0.close();
            Ok(())
        })
    }
}

/// Stops publishing and frees the publisher. NULL is allowed.
///
/// # Safety
/// `publisher` is NULL or live, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_release(publisher: *mut linkspan_publisher) {
    // SAFETY: as the caller promises.
    unsafe { take_back(publisher) }
}

/// Subscribes at an endpoint, at once: the publisher may come later, and come back. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or good, `subscriber` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscribe(
    endpoint: *const c_char,
    options: *const linkspan_options,
    subscriber: *mut *mut linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(subscriber, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(give(linkspan_subscriber(Tagged::new(Subscriber::new(endpoint, &options)?))))
        })
    }
}

/// Receives the next message, which the caller releases. `Lagged` once where messages were missed; the next call
/// goes on.
///
/// # Safety
/// `subscriber` is live, `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_recv(
    subscriber: *const linkspan_subscriber,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { ask(subscriber, message, |s| Ok(linkspan_message::arrived(s.0.recv(wait(timeout)?)?))) }
}

/// Receives a message without waiting; `Empty` where none is there.
///
/// # Safety
/// As for `linkspan_subscriber_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_try_recv(
    subscriber: *const linkspan_subscriber,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { ask(subscriber, message, |s| Ok(linkspan_message::arrived(s.0.try_recv()?))) }
}

/// Receives the next message in a loop: `LINKSPAN_DEFAULT` waits for ever here, and at close and at a stop signal the
/// call succeeds and `message` gets NULL.
///
/// # Safety
/// As for `linkspan_subscriber_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_next(
    subscriber: *const linkspan_subscriber,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        ask(subscriber, message, |s| {
            let next = s.0.next(wait(timeout)?)?;
            Ok(next.map_or(ptr::null_mut(), linkspan_message::arrived))
        })
    }
}

/// Ends the subscription: waits of other threads end. The subscriber still has to be released.
///
/// # Safety
/// `subscriber` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_close(
    subscriber: *const linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(subscriber, |subscriber| {
            subscriber.0.close();
            Ok(())
        })
    }
}

/// Ends the subscription and frees the subscriber. NULL is allowed.
///
/// # Safety
/// `subscriber` is NULL or live, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_release(subscriber: *mut linkspan_subscriber) {
    // SAFETY: as the caller promises.
    unsafe { take_back(subscriber) }
}

/// The newest value that a publisher sent, without subscribing; the caller releases it. `Empty` where nothing was
/// published yet, `NotFound` where nobody publishes.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or good, `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_latest(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(message, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(linkspan_message::arrived(linkspan::latest(endpoint, &options, wait(timeout)?)?))
        })
    }
}
