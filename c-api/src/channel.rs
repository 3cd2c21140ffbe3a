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
/// Free it with `linkspan_channel_free`. Any number of threads may send, call and close. Only one thread at a time may
/// receive; another gets `InvalidState`.
pub struct linkspan_channel(pub(crate) Tagged<Channel>);

handle_kind!(linkspan_channel of Channel: b"channel.");

/// Gives a channel to C. It lingers at the exit of the program, unless released earlier.
pub(crate) fn give_channel(channel: Channel) -> *mut linkspan_channel {
    let given = give(linkspan_channel(Tagged::new(channel)));
    exit::remember(given.expose_provenance(), linger_at);
    given
}

fn linger_at(address: usize) {
    // SAFETY: `give_channel` made it. Its release calls `exit::forget` first, which waits for the exit's use.
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

/// The state of a channel.
#[repr(C)]
pub struct linkspan_channel_info {
    /// `sizeof(linkspan_channel_info)`.
    pub size: usize,
    /// Which end this is.
    pub role: linkspan_role,
    /// Whether `linkspan_channel_send` would not wait.
    pub writable: bool,
    /// The endpoint, not NUL-terminated. It lives as long as the channel.
    pub endpoint: *const c_char,
    /// The length of `endpoint` in bytes.
    pub endpoint_length: usize,
}

/// Connects if a program listens at the endpoint; otherwise listens.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_open(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(channel), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give_channel(Channel::open(endpoint, &options, wait(timeout)?)?))
        })
    }
}

/// Waits until a program listens, and connects; reconnects when the peer restarts.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_connect(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(channel), || {
            let (endpoint, options) = (c_text(endpoint, "endpoint")?, self::options(options)?);
            Ok(give_channel(Channel::connect(endpoint, &options, wait(timeout)?)?))
        })
    }
}

/// Sends a message; waits while the peer's queue is full.
///
/// `sequence` gets its number. A failed send leaves the message unchanged.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_send(
    channel: *const linkspan_channel,
    message: *const linkspan_message,
    timeout: i64,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        exchange::send(channel, message, sequence, |channel, message| channel.0.send(message, wait(timeout)?))
    }
}

/// Sends a message without waiting. `Full` without room or without a connected program.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_try_send(
    channel: *const linkspan_channel,
    message: *const linkspan_message,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { exchange::send(channel, message, sequence, |channel, message| channel.0.try_send(message)) }
}

/// Sends several messages in order; up to 64 short ones share a wake-up.
///
/// `sent`, which may be NULL, gets the number of sent messages, also after an error.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_send_many(
    channel: *const linkspan_channel,
    messages: *const *const linkspan_message,
    count: usize,
    timeout: i64,
    sent: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        exchange::send_many(channel, messages, count, sent, |channel, messages| {
            channel.0.send_many(messages, wait(timeout)?)
        })
    }
}

/// Waits for a message, which the caller releases.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_recv(
    channel: *const linkspan_channel,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(channel, place!(message), |channel| {
            Ok(linkspan_message::arrived(channel.0.recv(wait(timeout)?)?))
        })
    }
}

/// Receives a message without waiting; `Empty` without one.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_try_recv(
    channel: *const linkspan_channel,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(channel, place!(message), |channel| Ok(linkspan_message::arrived(channel.0.try_recv()?))) }
}

/// Waits for a message and takes up to `max` messages into `messages`.
///
/// `count` gets their number; the caller releases each. They count as consumed at the next receiving call, which also
/// returns an error after the first message.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_recv_many(
    channel: *const linkspan_channel,
    max: usize,
    timeout: i64,
    messages: *mut *mut linkspan_message,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        exchange::recv_many(channel, messages, place!(count), |channel| {
            channel.0.recv_many(max, wait(timeout)?)
        })
    }
}

/// Gets whether a message is available, without taking it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_poll(
    channel: *const linkspan_channel,
    there: *mut bool,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(channel, place!(there), |channel| channel.0.poll()) }
}

/// Acknowledges all received messages, with the option `ack` `"manual"`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_ack(channel: *const linkspan_channel) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(channel, |channel| channel.0.ack()) }
}

grows!(linkspan_channel_info);

/// Gets the state of the channel.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_get_info(
    channel: *const linkspan_channel,
    info: *mut linkspan_channel_info,
) -> linkspan_status {
    // SAFETY: by contract.
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
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_fileno(
    channel: *const linkspan_channel,
    fd: *mut c_int,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(channel, place!(fd), |channel| channel.0.fileno()) }
}

/// Gets the events since the last call as an array of maps, which the caller releases.
///
/// A map has `kind` (`connected`, `disconnected`, `lagged`, `reconnected`, `forgotten`, `schema_mismatch`, `unseen`),
/// `at`, `missed` and `text`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_events(
    channel: *const linkspan_channel,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(channel, place!(events), |channel| Ok(linkspan_message::events(channel.0.events()))) }
}

/// Gets the counters as a map.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_stats(
    channel: *const linkspan_channel,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(channel, place!(stats), |channel| Ok(linkspan_message::of(channel.0.stats()))) }
}

/// Waits until the peer has consumed all sent messages.
///
/// `Timeout` and `Disconnected` have the number of unconsumed messages (`linkspan_last_error`); the channel stays open.
/// `InvalidState` if another thread closes it.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_flush(
    channel: *const linkspan_channel,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(channel, |channel| channel.0.flush(wait(timeout)?)) }
}

/// Closes the channel after the peer has consumed all sent messages, within the time-out.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_close(
    channel: *const linkspan_channel,
    timeout: i64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { apply(channel, |channel| channel.0.close(wait(timeout)?)) }
}

/// Closes the channel without waiting, except for the option `linger`, and frees it.
///
/// `linger` and `on_unconsumed` also apply to a channel that is open when the program ends by `exit` or returns from
/// `main`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_free(channel: *mut linkspan_channel) -> linkspan_status {
    match guard(|| exit::forget(channel.addr())) {
        // SAFETY: by contract.
        LINKSPAN_OK => unsafe { free(channel) },
        refused => refused,
    }
}
