//! What goes through objects, whatever their kind: messages are sent, received, looked for, acknowledged.

use std::ffi::c_void;
use std::{ptr, slice};

use linkspan::Result;

use crate::argument::{block, handle, is_null, make, wait};
use crate::error::guard;
use crate::message::{State, linkspan_message};
use crate::object::{Any, any, has_none};
use crate::put::Tree;
use crate::status::linkspan_status;

/// Hands the number of a message that was sent to whoever wants it.
///
/// # Safety
/// `sequence` is NULL or may be written.
unsafe fn numbered(sequence: *mut u64, sent: Result<u64>) -> Result<()> {
    let number = sent?;
    // SAFETY: NULL or writable, as the caller promises.
    if let Some(to) = unsafe { sequence.as_mut() } {
        *to = number;
    }
    Ok(())
}

/// Sends a message through a channel, waiting while the other side's queue is full; or publishes it by a publisher, which
/// waits for nobody. `sequence`, which may be NULL, gets its number. A send that fails leaves the message as it was.
///
/// # Safety
/// `object` and `message` are live, `sequence` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_send(
    object: *const c_void,
    message: *const linkspan_message,
    timeout: i64,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let wait = wait(timeout)?;
        match any(object)? {
            Any::Channel(channel) => {
                let payload = channel.encode(handle(message)?)?;
                numbered(sequence, channel.send_payload(&payload, wait))
            }
            Any::Publisher(publisher) => numbered(sequence, publisher.send(handle(message)?)),
            Any::Server(_) => Err(has_none("a server sends answers alone: linkspan_reply")),
            _ => Err(has_none("only a channel or a publisher sends")),
        }
    })
}

/// Sends a message without waiting; `Full` where the other side's queue is full.
///
/// # Safety
/// As for `linkspan_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_try_send(
    object: *const c_void,
    message: *const linkspan_message,
    sequence: *mut u64,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        match any(object)? {
            Any::Channel(channel) => numbered(sequence, channel.try_send(handle(message)?)),
            Any::Publisher(publisher) => numbered(sequence, publisher.send(handle(message)?)),
            Any::Server(_) => Err(has_none("a server sends answers alone: linkspan_reply")),
            _ => Err(has_none("only a channel or a publisher sends")),
        }
    })
}

/// Receives a message from a channel or a subscriber, which the caller releases. `Lagged` once where a subscriber missed
/// messages; the next call goes on.
///
/// # Safety
/// `object` is live, `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_recv(
    object: *const c_void,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(message, || {
            let wait = wait(timeout)?;
            Ok(linkspan_message::arrived(match any(object)? {
                Any::Channel(channel) => channel.recv(wait)?,
                Any::Subscriber(subscriber) => subscriber.recv(wait)?,
                Any::Server(_) => return Err(has_none("a server gives its requests by linkspan_next")),
                _ => return Err(has_none("only a channel or a subscriber receives")),
            }))
        })
    }
}

/// Sends several messages in their order, each as `linkspan_send` does, with one wake-up or one system call for up to 64 short ones where
/// the transport can; a publisher's `timeout` is `LINKSPAN_DEFAULT`. `sent`, which may be NULL, gets how many were sent, also where
/// the call fails: then the message behind those is what the error is about, and that one and all that follow were not sent.
///
/// # Safety
/// `object` is live, `messages` points to `count` live messages or `count` is zero, `sent` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_send_many(
    object: *const c_void,
    messages: *const *const linkspan_message,
    count: usize,
    timeout: i64,
    sent: *mut usize,
) -> linkspan_status {
    // SAFETY: NULL or writable, as the caller promises.
    let mut told = unsafe { sent.as_mut() };
    if let Some(to) = &mut told {
        **to = 0;
    }
    let send = || {
        let bytes = count.saturating_mul(size_of::<*const linkspan_message>());
        // SAFETY: as the caller promises.
        let messages = unsafe {
            block(messages.cast(), bytes, "the array of messages")?;
            if count == 0 { &[] } else { slice::from_raw_parts(messages, count) }
        };
        // SAFETY: each is live, as the caller promises.
        let messages: Vec<_> = messages.iter().map(|one| unsafe { handle(*one) }).collect::<Result<_>>()?;
        let wait = wait(timeout)?;
        // SAFETY: as the caller promises.
        match unsafe { any(object) }? {
            Any::Channel(channel) => channel.send_many(messages, wait),
            Any::Publisher(publisher) => publisher.send_many(messages),
            Any::Server(_) => Err(has_none("a server sends answers alone: linkspan_reply")),
            _ => Err(has_none("only a channel or a publisher sends")),
        }
    };
    guard(|| {
        let done = send();
        let count = done.as_ref().map_or_else(|error| error.sent().unwrap_or(0), |count| *count);
        if let Some(to) = &mut told {
            **to = usize::try_from(count).unwrap_or(usize::MAX);
        }
        done.map(drop)
    })
}

/// Waits for a message from a channel or a subscriber, and takes those along that have come behind it: at most `max` in all, for
/// which there is room at `messages`. `count` gets how many those are; the caller releases each. An error that is met behind the first
/// message is what the next call gives. All of them count as consumed with the next call that receives.
///
/// # Safety
/// `object` is live, `messages` has room for `max` pointers, `count` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_recv_many(
    object: *const c_void,
    max: usize,
    timeout: i64,
    messages: *mut *mut linkspan_message,
    count: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(count, || {
            let wait = wait(timeout)?;
            if messages.is_null() {
                return Err(is_null("the room for messages"));
            }
            let taken = match any(object)? {
                Any::Channel(channel) => channel.recv_many(max, wait)?,
                Any::Subscriber(subscriber) => subscriber.recv_many(max, wait)?,
                Any::Server(_) => return Err(has_none("a server gives its requests by linkspan_next")),
                _ => return Err(has_none("only a channel or a subscriber receives")),
            };
            let count = taken.len();
            for (at, message) in taken.into_iter().enumerate() {
                // At most `max` come.
                messages.add(at).write(linkspan_message::arrived(message));
            }
            Ok(count)
        })
    }
}

/// Receives a message without waiting; `Empty` where none is there.
///
/// # Safety
/// As for `linkspan_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_try_recv(
    object: *const c_void,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(message, || {
            Ok(linkspan_message::arrived(match any(object)? {
                Any::Channel(channel) => channel.try_recv()?,
                Any::Subscriber(subscriber) => subscriber.try_recv()?,
                Any::Server(_) => return Err(has_none("a server gives its requests by linkspan_next")),
                _ => return Err(has_none("only a channel or a subscriber receives")),
            }))
        })
    }
}

/// The next one in a loop: a server's request, to be answered with `linkspan_reply` or `linkspan_fail`, a subscriber's message,
/// or what has happened to a service that a controller watches; the caller releases it. `LINKSPAN_DEFAULT` waits for ever
/// here. For a server and a subscriber, the call succeeds when another thread closes the object, and `message` gets NULL. That a
/// subscriber missed messages is no failure here: `missed` of `linkspan_message_look` says how many just before this one.
///
/// The same ends a wait without a deadline (`LINKSPAN_DEFAULT`, `LINKSPAN_FOREVER`) when SIGINT or SIGTERM asks the program to stop. From
/// the first such call on a server or a subscriber until that object is closed or released, these signals have handlers of the
/// library's: the first signal ends the loop, the second one the program. A signal that the program handles or ignores when the loop
/// begins is left alone; that is how to opt out. What the signals did before comes back with the last such object. A call with a
/// time-out sets no handler: there, a signal does what it does.
///
/// # Safety
/// As for `linkspan_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_next(
    object: *const c_void,
    timeout: i64,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(message, || {
            let wait = wait(timeout)?;
            let next = match any(object)? {
                Any::Server(server) => server.next(wait)?.map(State::Request),
                Any::Subscriber(subscriber) => subscriber.next(wait)?.map(State::Received),
                Any::Controller(controller) => Some(State::Tree(Tree::of(controller.next(wait)?))),
                Any::Serving(_) => {
                    return Err(has_none("a service gives its commands by linkspan_service_next"));
                }
                _ => return Err(has_none("only a server, a subscriber or a controller has a next one")),
            };
            Ok(next.map_or(ptr::null_mut(), linkspan_message::give))
        })
    }
}

/// Looks whether a channel or a subscriber has a message, without waiting and without taking it.
///
/// # Safety
/// `object` is live, `there` may be written.
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
/// `object` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_ack(object: *const c_void) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| match unsafe { any(object) }? {
        Any::Channel(channel) => channel.ack(),
        Any::Subscriber(subscriber) => subscriber.ack(),
        Any::Server(_) => {
            Err(has_none("a server's requests are acknowledged one by one: linkspan_request_ack"))
        }
        _ => Err(has_none("only a channel or a subscriber receives what could be acknowledged")),
    })
}
