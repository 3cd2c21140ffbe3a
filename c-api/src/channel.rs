//! Channels: open, connect, listen and accept; call and reply.

use std::ffi::c_char;
use std::ptr;

use linkspan::{Channel, Listener, Role};

use crate::argument::{ask, c_text, give_sized, handle, make, tell, wait};
use crate::message::{give_text, linkspan_message};
use crate::object::{Tagged, give};
use crate::options::{linkspan_options, options};
use crate::status::linkspan_status;

/// A channel: two ends, messages both ways, requests and replies. Release it with `linkspan_release`.
///
/// Any number of threads may send and call: they take turns, each within its own time-out. One thread at a time may receive; another
/// one that receives, or calls meanwhile, gets `InvalidState`. Any thread may close it, which ends the waits of others.
pub struct linkspan_channel(pub(crate) Tagged<Channel>);

/// Waits for peers at an endpoint. Release it with `linkspan_release`. Any number of threads may accept, and any may close it.
pub struct linkspan_listener(pub(crate) Tagged<Listener>);

/// Which end of a channel this is.
pub type linkspan_role = i32;
/// The end that listened: known by its endpoint.
pub const LINKSPAN_ROLE_LISTENER: linkspan_role = 0;
/// The end that connected: re-dials when the other side restarts.
pub const LINKSPAN_ROLE_CONNECTOR: linkspan_role = 1;

/// What a channel is like now. Begin with `linkspan_channel_state state = LINKSPAN_CHANNEL_STATE_INIT;`.
#[repr(C)]
pub struct linkspan_channel_state {
    /// `sizeof(linkspan_channel_state)`.
    pub size: usize,
    /// Which end this is.
    pub role: linkspan_role,
    /// Whether `linkspan_recv` would not wait.
    pub readable: bool,
    /// Whether `linkspan_send` would not wait.
    pub writable: bool,
    /// The endpoint, not NUL-terminated: lives as long as the channel.
    pub endpoint: *const c_char,
    /// How many bytes that is.
    pub endpoint_length: usize,
}

/// Connects where somebody listens, and listens otherwise: of two programs that start at the same instant exactly
/// one listens. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or good, `channel` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_open(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(channel, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(give(linkspan_channel(Tagged::new(Channel::open(endpoint, &options, wait(timeout)?)?))))
        })
    }
}

/// Connects: waits until somebody listens, and re-dials when the other side restarts. `options` may be NULL.
///
/// # Safety
/// As for `linkspan_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_connect(
    endpoint: *const c_char,
    options: *const linkspan_options,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(channel, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(give(linkspan_channel(Tagged::new(Channel::connect(endpoint, &options, wait(timeout)?)?))))
        })
    }
}

/// Listens at an endpoint; `AddressInUse` where somebody else does. `options` may be NULL.
///
/// # Safety
/// `endpoint` is NUL-terminated, `options` NULL or good, `listener` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_listen(
    endpoint: *const c_char,
    options: *const linkspan_options,
    listener: *mut *mut linkspan_listener,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(listener, || {
            let (endpoint, options) = (c_text(endpoint, "an endpoint")?, self::options(options)?);
            Ok(give(linkspan_listener(Tagged::new(Listener::listen(endpoint, &options)?))))
        })
    }
}

/// Takes one peer.
///
/// # Safety
/// `listener` is live, `channel` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_accept(
    listener: *const linkspan_listener,
    timeout: i64,
    channel: *mut *mut linkspan_channel,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        ask(listener, channel, |listener| {
            Ok(give(linkspan_channel(Tagged::new(listener.0.accept(wait(timeout)?)?))))
        })
    }
}

/// Sends a request and waits for its reply, which the caller releases. `Remote` where the handler failed,
/// `Disconnected` where the other side died meanwhile. Threads that call take turns; the time-out counts from the call on.
///
/// # Safety
/// `channel` and `request` are live, `reply` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_call(
    channel: *const linkspan_channel,
    request: *const linkspan_message,
    timeout: i64,
    reply: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        ask(channel, reply, |channel| {
            let payload = channel.0.encode(handle(request)?)?;
            Ok(linkspan_message::arrived(channel.0.call_payload(&payload, wait(timeout)?)?))
        })
    }
}

/// Answers a request that `linkspan_recv` gave; a server's requests are answered with `linkspan_reply`.
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
        tell(channel, |channel| {
            let (reply, wait) = (handle(reply)?, wait(timeout)?);
            handle(request)?.with_arrived(|request| channel.0.reply(request, reply, wait))
        })
    }
}

/// What the channel is like now.
///
/// # Safety
/// `channel` is live, `state` points to a `linkspan_channel_state` whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_look(
    channel: *const linkspan_channel,
    state: *mut linkspan_channel_state,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        tell(channel, |linkspan_channel(channel)| {
            let mut full = linkspan_channel_state {
                size: 0,
                role: match channel.role() {
                    Role::Listener => LINKSPAN_ROLE_LISTENER,
                    Role::Connector => LINKSPAN_ROLE_CONNECTOR,
                },
                // What can't be looked at now, because it is closed or another thread is at it, would not go at once.
                readable: channel.readable().unwrap_or(false),
                writable: channel.writable().unwrap_or(false),
                endpoint: ptr::null(),
                endpoint_length: 0,
            };
            give_text(channel.endpoint(), &mut full.endpoint, &mut full.endpoint_length);
            give_sized(state, full);
            Ok(())
        })
    }
}
