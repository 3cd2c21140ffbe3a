//! What every object can be asked, whatever it is: a descriptor, what happened, counters; and told: that is consumed.

use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ops::Deref;

use linkspan::{Channel, Error, ErrorKind, Listener, Publisher, Result, Server, Subscriber};

use crate::argument::{is_null, make};
use crate::channel::{linkspan_channel, linkspan_listener};
use crate::error::guard;
use crate::message::linkspan_message;
use crate::publish::{linkspan_publisher, linkspan_subscriber};
use crate::server::linkspan_server;
use crate::status::linkspan_status;

/// What a handle holds, behind a number that says what that is: so one function can take any of them.
#[repr(C)]
pub(crate) struct Tagged<T> {
    kind: u64,
    object: T,
}

impl<T: Kind> Tagged<T> {
    pub(crate) fn new(object: T) -> Tagged<T> {
        Tagged { kind: T::KIND, object }
    }
}

impl<T> Deref for Tagged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

/// What can be handed in as any object.
pub(crate) trait Kind {
    /// Eight letters, so that other memory does not have them by chance.
    const KIND: u64;
}

macro_rules! kinds {
    ($($object:ident in $handle:ident: $letters:literal),* $(,)?) => {
        $(
            impl Kind for $object {
                const KIND: u64 = u64::from_le_bytes(*$letters);
            }
            // A handle is nothing but what is tagged, so a pointer to the one is a pointer to the other.
            const _: () = assert!(
                offset_of!($handle, 0) == 0 && size_of::<$handle>() == size_of::<Tagged<$object>>()
            );
        )*

        /// One of the objects.
        enum Any<'a> {
            $($object(&'a $object),)*
        }

        /// What a pointer stands for.
        ///
        /// # Safety
        /// `object` is NULL or a live handle of one of these kinds.
        unsafe fn any<'a>(object: *const c_void) -> Result<Any<'a>> {
            if object.is_null() {
                return Err(is_null("an object"));
            }
            // SAFETY: every such handle begins with its kind, and the caller promises that it is live.
            unsafe {
                match object.cast::<u64>().read() {
                    $($object::KIND => Ok(Any::$object(&(*object.cast::<Tagged<$object>>()).object)),)*
                    _ => Err(Error::new(
                        ErrorKind::InvalidState,
                        "this is no channel, listener, server, publisher or subscriber; hand in what one of their functions gave",
                    )),
                }
            }
        }
    };
}
kinds! {
    Channel in linkspan_channel: b"channel.",
    Listener in linkspan_listener: b"listener",
    Server in linkspan_server: b"server..",
    Publisher in linkspan_publisher: b"publishr",
    Subscriber in linkspan_subscriber: b"subscrib",
}

fn has_none(text: &str) -> Error {
    Error::new(ErrorKind::Unsupported, text)
}

/// A descriptor for event loops, of a channel, listener, server or subscriber: readable while receiving from it
/// (accepting, taking the next) would not wait. It stays the object's: do not close it.
///
/// # Safety
/// `object` is a live channel, listener, server, publisher or subscriber, `fd` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_fileno(object: *const c_void, fd: *mut c_int) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(fd, || match any(object)? {
            Any::Channel(channel) => channel.fileno(),
            Any::Listener(listener) => Ok(listener.fileno()),
            Any::Server(server) => server.fileno(),
            Any::Subscriber(subscriber) => subscriber.fileno(),
            Any::Publisher(_) => Err(has_none("a publisher waits for nobody, so it has no descriptor")),
        })
    }
}

/// What has happened to a channel, server, publisher or subscriber since the last call: an array of maps with `kind`
/// (`connected`, `disconnected`, `lagged`, `back`), `at`, `missed` and `text`. The caller releases it.
///
/// # Safety
/// `object` is a live channel, listener, server, publisher or subscriber, `events` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_events(
    object: *const c_void,
    events: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(events, || {
            Ok(linkspan_message::events(match any(object)? {
                Any::Channel(channel) => channel.events(),
                Any::Server(server) => server.events(),
                Any::Publisher(publisher) => publisher.events(),
                Any::Subscriber(subscriber) => subscriber.events(),
                Any::Listener(_) => {
                    return Err(has_none("a listener has no events; its channels have"));
                }
            }))
        })
    }
}

/// Counters of a channel, server, publisher or subscriber as a map, which the caller releases.
///
/// # Safety
/// `object` is a live channel, listener, server, publisher or subscriber, `stats` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_stats(
    object: *const c_void,
    stats: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(stats, || {
            Ok(linkspan_message::of(match any(object)? {
                Any::Channel(channel) => channel.stats(),
                Any::Server(server) => server.stats(),
                Any::Publisher(publisher) => publisher.stats(),
                Any::Subscriber(subscriber) => subscriber.stats(),
                Any::Listener(_) => {
                    return Err(has_none("a listener counts nothing; its channels do"));
                }
            }))
        })
    }
}

/// Looks whether a channel or a subscriber has a message, without waiting and without taking it.
///
/// # Safety
/// `object` is a live channel, listener, server, publisher or subscriber, `there` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_poll(object: *const c_void, there: *mut bool) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(there, || match any(object)? {
            Any::Channel(channel) => channel.poll(),
            Any::Subscriber(subscriber) => subscriber.poll(),
            _ => Err(has_none("only a channel or a subscriber has messages to look for")),
        })
    }
}

/// Says, with the option `ack` `"manual"`, that all which a channel or subscriber received has been consumed. What was
/// not acknowledged when this program ends is sent to its next incarnation. A server's requests are acknowledged by
/// their answer, or by `linkspan_request_ack`.
///
/// # Safety
/// `object` is a live channel, listener, server, publisher or subscriber.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_ack(object: *const c_void) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| match unsafe { any(object) }? {
        Any::Channel(channel) => channel.ack(),
        Any::Subscriber(subscriber) => subscriber.ack(),
        Any::Server(_) => {
            Err(has_none("a server's requests are acknowledged one by one: linkspan_request_ack"))
        }
        Any::Listener(_) | Any::Publisher(_) => {
            Err(has_none("only a channel or a subscriber receives what could be acknowledged"))
        }
    })
}
