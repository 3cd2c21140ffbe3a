//! Subscribers: they receive from publishers.

use std::ffi::{c_char, c_int};
use std::ptr;

use linkspan::Subscriber;

use crate::argument::{apply, c_text, c_texts, make, place, query, wait};
use crate::exchange;
use crate::message::{State, linkspan_message};
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Receives from publishers. Free it with `linkspan_subscriber_free`.
///
/// Only one thread at a time may receive; another gets `InvalidState`, so use one subscriber per thread. Any thread
/// may close it.
pub struct linkspan_subscriber(pub(crate) Tagged<Subscriber>);

handle_kind!(linkspan_subscriber of Subscriber: b"subscrib");

/// Subscribes at an endpoint without waiting for the publisher. `options` may be NULL.
///
/// The publisher may start later, and restart.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or valid, `subscriber` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_new(
    endpoint: *const c_char,
    options: *const linkspan_options,
    subscriber: *mut *mut linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(place!(subscriber), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give(linkspan_subscriber(Tagged::new(Subscriber::new(endpoint, &options)?))))
        })
    }
}

/// Subscribes to `count` names and patterns (`lab/*`), at least one.
///
/// Names that appear later join. Messages, losses and errors have their names (`linkspan_message_info`).
/// `linkspan_subscriber_new` also accepts a single pattern.
///
/// # Safety
/// `names` points to `count` texts, each NUL-terminated, `options` is NULL or valid, `subscriber` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_of(
    names: *const *const c_char,
    count: usize,
    options: *const linkspan_options,
    subscriber: *mut *mut linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(place!(subscriber), || {
            let (names, options) = (c_texts(names, count, "names")?, self::options(options)?);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Ok(give(linkspan_subscriber(Tagged::new(Subscriber::of(&names, &options)?))))
        })
    }
}

/// Waits for a message, which the caller releases.
///
/// `Lagged` once after missed messages; the next call continues. `NotFound` if no publisher was found within the
/// time-out.
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
    unsafe {
        query(subscriber, place!(message), |subscriber| {
            Ok(linkspan_message::arrived(subscriber.0.recv(wait(timeout)?)?))
        })
    }
}

/// Receives a message without waiting; `Empty` without one.
///
/// # Safety
/// As for `linkspan_subscriber_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_try_recv(
    subscriber: *const linkspan_subscriber,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(subscriber, place!(message), |subscriber| {
            Ok(linkspan_message::arrived(subscriber.0.try_recv()?))
        })
    }
}

/// Waits for a message and takes up to `max` messages into `messages`.
///
/// `count` gets their number; the caller releases each. They count as consumed at the next receiving call. That call
/// also returns an error after the first message.
///
/// # Safety
/// `subscriber` is live, `messages` has room for `max` pointers, `count` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_recv_many(
    subscriber: *const linkspan_subscriber,
    max: usize,
    timeout: i64,
    messages: *mut *mut linkspan_message,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        exchange::recv_many(subscriber, messages, place!(count), |subscriber| {
            subscriber.0.recv_many(max, wait(timeout)?)
        })
    }
}

/// Gets whether a message is available, without taking it.
///
/// # Safety
/// `subscriber` is live, `there` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_poll(
    subscriber: *const linkspan_subscriber,
    there: *mut bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(subscriber, place!(there), |subscriber| subscriber.0.poll()) }
}

/// Acknowledges all received messages, with the option `ack` `"manual"`.
///
/// If this program ends, its next incarnation gets the unacknowledged messages.
///
/// # Safety
/// `subscriber` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_ack(subscriber: *const linkspan_subscriber) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(subscriber, |subscriber| subscriber.0.ack()) }
}

/// Waits for the next message of a loop, which the caller releases.
///
/// `LINKSPAN_DEFAULT` waits for ever here. If another thread closes the subscriber, the call succeeds and `message`
/// gets NULL. Missed messages are no error; `missed` of `linkspan_message_get_info` counts those directly before this
/// message.
///
/// Signals end a wait without a deadline as in `linkspan_server_next`.
///
/// # Safety
/// `subscriber` is live, `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_next(
    subscriber: *const linkspan_subscriber,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(subscriber, place!(message), |subscriber| {
            let next = subscriber.0.next(wait(timeout)?)?;
            Ok(next.map_or(ptr::null_mut(), |next| linkspan_message::give(State::Received(next))))
        })
    }
}

/// Gets a file descriptor for event loops, readable if a receive would not wait.
///
/// The subscriber owns it: do not close it.
///
/// # Safety
/// `subscriber` is live, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_fileno(
    subscriber: *const linkspan_subscriber,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(subscriber, place!(fd), |subscriber| subscriber.0.fileno()) }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// `subscriber` is live, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_events(
    subscriber: *const linkspan_subscriber,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(subscriber, place!(events), |subscriber| Ok(linkspan_message::events(subscriber.0.events())))
    }
}

/// Gets the counters of the subscriber as a map, which the caller releases.
///
/// # Safety
/// `subscriber` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_stats(
    subscriber: *const linkspan_subscriber,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(subscriber, place!(stats), |subscriber| Ok(linkspan_message::of(subscriber.0.stats()))) }
}

/// Closes the subscriber; waits of other threads end. It must still be freed.
///
/// # Safety
/// `subscriber` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_close(
    subscriber: *const linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        apply(subscriber, |subscriber| {
            subscriber.0.close();
            Ok(())
        })
    }
}

/// Closes and frees the subscriber. NULL is allowed.
///
/// For a second call see `linkspan_channel_free`.
///
/// # Safety
/// `subscriber` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_free(subscriber: *mut linkspan_subscriber) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(subscriber) }
}
