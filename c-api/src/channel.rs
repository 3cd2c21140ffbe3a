//! Channels: messages in both directions, requests and replies.

use std::ffi::{c_char, c_int};
use std::ptr;

use linkspan::{Channel, Role};

use crate::argument::{apply, c_text, give_text, make, place, query, wait};
use crate::error::guard;
use crate::exchange;
use crate::exit;
use crate::life::Checked;
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::options::{linkspan_options, options};
use crate::sized::{give_sized, grows};
use crate::status::{LINKSPAN_OK, linkspan_status};

/// One end of a channel: messages in both directions, requests and replies.
///
/// Free it with `linkspan_channel_free`. Any number of threads may send and call; senders take turns, and calls run
/// concurrently. Only one thread at a time may receive; a second receive or call during it is `InvalidState`. Any
/// thread may close the channel, which ends the waits of others.
pub struct linkspan_channel(pub(crate) Tagged<Channel>);

handle_kind!(linkspan_channel of Channel: b"channel.");

/// Gives a channel to C. It lingers at the exit of the program, unless released earlier.
pub(crate) fn give_channel(channel: Channel) -> *mut linkspan_channel {
    let given = give(linkspan_channel(Tagged::new(channel)));
    exit::remember(given.expose_provenance(), linger_at);
    given
}

/// Lingers at exit as the release does.
fn linger_at(address: usize) {
    // SAFETY: `give_channel` made it. `exit::forget` precedes its release, and waits until the exit does not use it.
    let channel = unsafe { &*ptr::with_exposed_provenance::<linkspan_channel>(address) };
    if channel.check().is_ok() {
        channel.0.linger();
    }
}

/// The end of a channel.
pub type linkspan_role = i32;
/// The end that listened.
pub const LINKSPAN_ROLE_LISTENER: linkspan_role = 0;
/// The end that connected. It reconnects when the peer restarts.
pub const LINKSPAN_ROLE_CONNECTOR: linkspan_role = 1;

/// The state of a channel. Begin with `linkspan_channel_info info = LINKSPAN_CHANNEL_INFO_INIT;`.
#[repr(C)]
pub struct linkspan_channel_info {
    /// `sizeof(linkspan_channel_info)`.
    pub size: usize,
    /// Which end this is.
    pub role: linkspan_role,
    /// Whether `linkspan_channel_send` would not wait. See `linkspan_channel_poll` for receiving.
    pub writable: bool,
    /// The endpoint, not NUL-terminated. It lives as long as the channel.
    pub endpoint: *const c_char,
    /// The length of `endpoint` in bytes.
    pub endpoint_length: usize,
}

/// Connects if a program listens at the endpoint; otherwise listens.
///
/// If two programs start at the same time, exactly one listens. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or valid, `channel` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_open(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(place!(channel), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give_channel(Channel::open(endpoint, &options, wait(timeout)?)?))
        })
    }
}

/// Waits until a program listens, and connects; reconnects when the peer restarts.
///
/// `options` may be NULL.
///
/// # Safety
/// As for `linkspan_channel_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_connect(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(place!(channel), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give_channel(Channel::connect(endpoint, &options, wait(timeout)?)?))
        })
    }
}

/// Sends a message; waits while the peer's queue is full.
///
/// `sequence`, which may be NULL, gets the number of the message. A failed send leaves the message unchanged.
///
/// # Safety
/// `channel` and `message` are live, `sequence` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_send(
    channel: *const linkspan_channel,
    message: *const linkspan_message,
    timeout: i64,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        exchange::send(channel, message, sequence, |channel, message| channel.0.send(message, wait(timeout)?))
    }
}

/// Sends a message without waiting. `Full` without room or without a connected program.
///
/// # Safety
/// As for `linkspan_channel_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_try_send(
    channel: *const linkspan_channel,
    message: *const linkspan_message,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { exchange::send(channel, message, sequence, |channel, message| channel.0.try_send(message)) }
}

/// Sends several messages in order.
///
/// If the transport can, up to 64 short messages share one wake-up or system call. `sent`, which may be NULL, gets the
/// number of sent messages, also after an error. The error then concerns the first unsent message.
///
/// # Safety
/// `channel` is live, `messages` points to `count` live messages or `count` is zero, `sent` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_send_many(
    channel: *const linkspan_channel,
    messages: *const *const linkspan_message,
    count: usize,
    timeout: i64,
    sent: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        exchange::send_many(channel, messages, count, sent, |channel, messages| {
            channel.0.send_many(messages, wait(timeout)?)
        })
    }
}

/// Waits for a message, which the caller releases.
///
/// # Safety
/// `channel` is live, `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_recv(
    channel: *const linkspan_channel,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        query(channel, place!(message), |channel| {
            Ok(linkspan_message::arrived(channel.0.recv(wait(timeout)?)?))
        })
    }
}

/// Receives a message without waiting; `Empty` without one.
///
/// # Safety
/// As for `linkspan_channel_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_try_recv(
    channel: *const linkspan_channel,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(channel, place!(message), |channel| Ok(linkspan_message::arrived(channel.0.try_recv()?))) }
}

/// Waits for a message and takes up to `max` messages into `messages`.
///
/// `count` gets their number; the caller releases each. They count as consumed at the next receiving call. That call
/// also returns an error after the first message.
///
/// # Safety
/// `channel` is live, `messages` has room for `max` pointers, `count` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_recv_many(
    channel: *const linkspan_channel,
    max: usize,
    timeout: i64,
    messages: *mut *mut linkspan_message,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        exchange::recv_many(channel, messages, place!(count), |channel| {
            channel.0.recv_many(max, wait(timeout)?)
        })
    }
}

/// Gets whether a message is available, without taking it.
///
/// # Safety
/// `channel` is live, `there` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_poll(
    channel: *const linkspan_channel,
    there: *mut bool,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(channel, place!(there), |channel| channel.0.poll()) }
}

/// Acknowledges all received messages, with the option `ack` `"manual"`.
///
/// If this program ends, its next incarnation gets the unacknowledged messages.
///
/// # Safety
/// `channel` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_ack(channel: *const linkspan_channel) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(channel, |channel| channel.0.ack()) }
}

grows!(linkspan_channel_info);

/// Gets the state of the channel.
///
/// # Safety
/// `channel` is live, `info` points to a `linkspan_channel_info` whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_get_info(
    channel: *const linkspan_channel,
    info: *mut linkspan_channel_info,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        apply(channel, |linkspan_channel(channel)| {
            give_sized(place!(info), || {
                let mut full = linkspan_channel_info {
                    size: 0,
                    role: match channel.role() {
                        Role::Listener => LINKSPAN_ROLE_LISTENER,
                        Role::Connector => LINKSPAN_ROLE_CONNECTOR,
                    },
                    // A closed or busy channel is not writable.
                    writable: channel.writable().unwrap_or(false),
                    endpoint: ptr::null(),
                    endpoint_length: 0,
                };
                give_text(channel.endpoint(), &mut full.endpoint, &mut full.endpoint_length);
                Ok(full)
            })
        })
    }
}

/// Gets a file descriptor for event loops, readable if a receive would not wait.
///
/// The channel owns it: do not close it.
///
/// # Safety
/// `channel` is live, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_fileno(
    channel: *const linkspan_channel,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(channel, place!(fd), |channel| channel.0.fileno()) }
}

/// Gets the events since the last call as an array of maps, which the caller releases.
///
/// A map has `kind` (`connected`, `disconnected`, `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`,
/// `missed` and `text`.
///
/// # Safety
/// `channel` is live, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_events(
    channel: *const linkspan_channel,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(channel, place!(events), |channel| Ok(linkspan_message::events(channel.0.events()))) }
}

/// Gets the counters of the channel as a map, which the caller releases.
///
/// # Safety
/// `channel` is live, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_stats(
    channel: *const linkspan_channel,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { query(channel, place!(stats), |channel| Ok(linkspan_message::of(channel.0.stats()))) }
}

/// Waits until the peer has consumed all sent messages.
///
/// The peer consumes them by its next receive, an acknowledgement, or its close. `Timeout` and `Disconnected` have the
/// number of unconsumed messages (`linkspan_last_error`); the channel stays open. `InvalidState` if another thread
/// closes it.
///
/// # Safety
/// `channel` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_flush(
    channel: *const linkspan_channel,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(channel, |channel| channel.0.flush(wait(timeout)?)) }
}

/// Closes the channel after the peer has consumed all sent messages, within the time-out.
///
/// The close ends the waits of other threads. The channel must still be freed.
///
/// # Safety
/// `channel` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_close(
    channel: *const linkspan_channel,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { apply(channel, |channel| channel.0.close(wait(timeout)?)) }
}

/// Closes the channel without waiting, except for the option `linger`, and frees it.
///
/// NULL is allowed. `linger` and `on_unconsumed` also apply to a channel that is open when the program ends by `exit`
/// or by returning from `main`.
///
/// A second call, and any other use of the freed channel, returns `InvalidState` until 1024 other objects have been
/// freed. After that the pointer is invalid like any freed pointer. These rules apply to the `_free` function of every
/// kind.
///
/// # Safety
/// `channel` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_free(channel: *mut linkspan_channel) -> linkspan_status {
    match guard(|| exit::forget(channel.addr())) {
        // SAFETY: as the caller promises.
        LINKSPAN_OK => unsafe { free(channel) },
        refused => refused,
    }
}
