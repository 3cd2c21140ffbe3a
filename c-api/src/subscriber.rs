//! Subscribers: receive what a publisher sends.

use std::ffi::{c_char, c_int};
use std::ptr;

use linkspan::Subscriber;

use crate::argument::{apply, c_text, c_texts, make, place, query, wait};
use crate::exchange;
use crate::message::{State, linkspan_message};
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// Receives what a publisher sends. Free it with `linkspan_subscriber_free`.
///
/// One thread at a time receives, a second one gets `InvalidState`: use one subscriber per thread. Any thread
/// may close it.
pub struct linkspan_subscriber(pub(crate) Tagged<Subscriber>);

handle_kind!(linkspan_subscriber of Subscriber: b"subscrib");

/// Subscribes at an endpoint without waiting: the publisher may start later, and restart. `options` may be
/// NULL.
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

/// The same to several names and patterns (`lab/*`): names that appear later join, and messages, losses and errors have
/// their names (`linkspan_message_info`). `names` has `count` of them; at least one. A pattern alone may be given to
/// `linkspan_subscriber_new` as well.
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

/// Receives a message, which the caller releases. `Lagged` once if messages were missed; the next call
/// continues. `NotFound` if no publisher was found within the time-out.
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

/// Receives a message without waiting; `Empty` if none is there.
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

/// Waits for a message and also takes those that have arrived behind it: at most `max` in all, for which
/// there is room at `messages`. `count` gets their number; the caller releases each. An error behind the
/// first message is returned by the next call. All of them count as consumed with the next call that
/// receives.
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

/// Reports whether a message is available, without waiting and without taking it.
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

/// With the option `ack` `"manual"`: acknowledges all messages that were received. Those that are not
/// acknowledged when this program ends are sent to its next incarnation.
///
/// # Safety
/// `subscriber` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_ack(subscriber: *const linkspan_subscriber) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(subscriber, |subscriber| subscriber.0.ack()) }
}

/// Gets the next message of a loop, which the caller releases. `LINKSPAN_DEFAULT` waits for ever here. If
/// another thread closes the subscriber, the call succeeds and `message` gets NULL. Missed messages are not
/// an error here: `missed` of `linkspan_message_get_info` is their number directly before this one.
///
/// A wait without a deadline (`LINKSPAN_DEFAULT`, `LINKSPAN_FOREVER`) ends the same way at SIGINT or SIGTERM.
/// From the first such call until the subscriber is closed or freed, the library handles these signals: the
/// first signal ends the loop, the second one the program. A signal that the program handles or ignores when
/// the loop begins is left unchanged; that is how to opt out. The previous handlers are restored with the
/// last such object. A call with a time-out sets no handler.
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

/// Gets a file descriptor for event loops: readable while a receive would not wait. The subscriber owns it: do not
/// close it.
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

/// Gets the events of the subscriber since the last call: an array of maps with `kind` (`connected`, `disconnected`,
/// `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
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

/// Closes the subscriber; waits of other threads end. It still has to be freed.
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

/// Closes the subscriber and frees it. NULL is allowed; a second call for the same subscriber, and any other use of it,
/// is `InvalidState`: see `linkspan_channel_free`.
///
/// # Safety
/// `subscriber` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_subscriber_free(subscriber: *mut linkspan_subscriber) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(subscriber) }
}
