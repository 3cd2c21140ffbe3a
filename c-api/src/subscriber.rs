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
/// Only one thread at a time may receive; another gets `InvalidState`. Any thread may close it.
pub struct linkspan_subscriber(pub(crate) Tagged<Subscriber>);

handle_kind!(linkspan_subscriber of Subscriber: b"subscrib");

/// Subscribes at an endpoint; the publisher may start later, and restart.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_new(
    endpoint: *const c_char,
    options: *const linkspan_options,
    subscriber: *mut *mut linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: by contract.
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
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_of(
    names: *const *const c_char,
    count: usize,
    options: *const linkspan_options,
    subscriber: *mut *mut linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: by contract.
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
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_recv(
    subscriber: *const linkspan_subscriber,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(subscriber, place!(message), |subscriber| {
            Ok(linkspan_message::arrived(subscriber.0.recv(wait(timeout)?)?))
        })
    }
}

/// Receives a message without waiting; `Empty` without one.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_try_recv(
    subscriber: *const linkspan_subscriber,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(subscriber, place!(message), |subscriber| {
            Ok(linkspan_message::arrived(subscriber.0.try_recv()?))
        })
    }
}

/// Waits for a message and takes up to `max` messages, like `linkspan_channel_recv_many`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_recv_many(
    subscriber: *const linkspan_subscriber,
    max: usize,
    timeout: i64,
    messages: *mut *mut linkspan_message,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        exchange::recv_many(subscriber, messages, place!(count), |subscriber| {
            subscriber.0.recv_many(max, wait(timeout)?)
        })
    }
}

/// Gets whether a message is available, without taking it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_poll(
    subscriber: *const linkspan_subscriber,
    there: *mut bool,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(subscriber, place!(there), |subscriber| subscriber.0.poll()) }
}

/// Acknowledges all received messages, with the option `ack` `"manual"`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_ack(subscriber: *const linkspan_subscriber) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(subscriber, |subscriber| subscriber.0.ack()) }
}

/// Waits for the next message of a loop, which the caller releases.
///
/// Missed messages are no error; `missed` of `linkspan_message_get_info` counts those directly before this message. The
/// loop ends as in `linkspan_server_next`: with NULL, also by a signal.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_next(
    subscriber: *const linkspan_subscriber,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(subscriber, place!(message), |subscriber| {
            let next = subscriber.0.next(wait(timeout)?)?;
            Ok(next.map_or(ptr::null_mut(), |next| linkspan_message::give(State::Received(next))))
        })
    }
}

/// Gets a file descriptor for event loops, readable if a receive would not wait.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_fileno(
    subscriber: *const linkspan_subscriber,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(subscriber, place!(fd), |subscriber| subscriber.0.fileno()) }
}

/// Gets the events since the last call, like `linkspan_channel_events`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_events(
    subscriber: *const linkspan_subscriber,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(subscriber, place!(events), |subscriber| Ok(linkspan_message::events(subscriber.0.events())))
    }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_stats(
    subscriber: *const linkspan_subscriber,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(subscriber, place!(stats), |subscriber| Ok(linkspan_message::of(subscriber.0.stats()))) }
}

/// Closes the subscriber.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_close(
    subscriber: *const linkspan_subscriber,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(subscriber, |subscriber| {
            subscriber.0.close();
            Ok(())
        })
    }
}

/// Closes and frees the subscriber.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_free(subscriber: *mut linkspan_subscriber) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(subscriber) }
}
