//! Sending and receiving for channels, publishers and subscribers.

use linkspan::{Message, Result};

use crate::argument::{Place, handle, is_null, items, query};
use crate::error::guard;
use crate::life::Checked;
use crate::message::linkspan_message;
use crate::status::linkspan_status;

/// # Safety
/// `object` and `message` are NULL or live, `sequence` is NULL or may be written.
pub(crate) unsafe fn send<H: Checked>(
    object: *const H,
    message: *const linkspan_message,
    sequence: *mut u64,
    how: impl FnOnce(&H, &linkspan_message) -> Result<u64>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let number = how(handle(object)?, handle(message)?)?;
        if let Some(to) = sequence.as_mut() {
            *to = number;
        }
        Ok(())
    })
}

/// Runs a call that sends several messages and writes to `sent` how many were sent, also if it fails.
///
/// # Safety
/// `object` is NULL or live, `messages` points to `count` messages, each NULL or live; `sent` is NULL or may be
/// written.
pub(crate) unsafe fn send_many<H: Checked>(
    object: *const H,
    messages: *const *const linkspan_message,
    count: usize,
    sent: *mut usize,
    how: impl FnOnce(&H, Vec<&linkspan_message>) -> Result<u64>,
) -> linkspan_status {
    // SAFETY: NULL or writable, by contract.
    let mut sent = unsafe { sent.as_mut() };
    if let Some(to) = &mut sent {
        **to = 0;
    }
    let send = || {
        // SAFETY: by contract.
        let messages = unsafe { items(messages, count, "messages") }?;
        // SAFETY: each is NULL or live, by contract.
        let messages: Vec<_> = messages.iter().map(|one| unsafe { handle(*one) }).collect::<Result<_>>()?;
        // SAFETY: by contract.
        how(unsafe { handle(object) }?, messages)
    };
    guard(|| {
        let done = send();
        let count = done.as_ref().map_or_else(|error| error.sent().unwrap_or(0), |count| *count);
        if let Some(to) = &mut sent {
            **to = usize::try_from(count).unwrap_or(usize::MAX);
        }
        done.map(drop)
    })
}

/// # Safety
/// `object` is NULL or live. `messages` is NULL or has space for all messages of `how`. `count` is NULL or may be
/// written.
pub(crate) unsafe fn recv_many<H: Checked>(
    object: *const H,
    messages: *mut *mut linkspan_message,
    count: Place<usize>,
    how: impl FnOnce(&H) -> Result<Vec<Message>>,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(object, count, |object| {
            if messages.is_null() {
                return Err(is_null("messages"));
            }
            let taken = how(object)?;
            let count = taken.len();
            for (at, message) in taken.into_iter().enumerate() {
                messages.add(at).write(linkspan_message::arrived(message));
            }
            Ok(count)
        })
    }
}
