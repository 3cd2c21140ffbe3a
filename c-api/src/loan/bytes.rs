//! Loans of bytes. The pointer to the bytes identifies the loan.

use std::ffi::c_char;
use std::ptr;

use linkspan::{BytesLoan, Error, Result, Value};

use super::table::Loans;
use crate::argument::{handle, named, out, place};
use crate::channel::linkspan_channel;
use crate::error::guard;
use crate::life::Checked;
use crate::message::linkspan_message;
use crate::publisher::linkspan_publisher;
use crate::put::{at_key, under};
use crate::sanitizer;
use crate::status::linkspan_status;

static LOANS: Loans<BytesLoan> = Loans::new();

#[cold]
fn no_loan() -> Error {
    super::no_loan_of("these bytes are")
}

fn take(place: usize) -> Option<BytesLoan> {
    sanitizer::given_back();
    LOANS.remove(place)
}

/// # Safety
/// `bytes` is NULL or may be written.
unsafe fn lend<H: Checked>(
    object: Result<&H>,
    bytes: *mut *mut u8,
    lender: impl FnOnce(&H) -> Result<BytesLoan>,
) -> linkspan_status {
    guard(|| {
        // SAFETY: by contract.
        let to = unsafe { out(place!(bytes)) }?;
        let mut lent = lender(object?)?;
        let place = lent.as_mut_ptr();
        sanitizer::lent();
        LOANS.insert(place.addr(), lent);
        *to = place;
        Ok(())
    })
}

/// Lends uninitialized memory for `length` bytes, such as a camera frame; `TooLarge` or `OutOfMemory`.
///
/// The program writes it through `*bytes` and puts it with `linkspan_message_put_loan_bytes`. Over `shm:`, with `cbor`
/// or `raw`, sending copies nothing if the message has one such loan and at most 4 KiB of other values before and after
/// it. Otherwise the memory is copied when sent, as for `linkspan_channel_loan`.
///
/// The loan lives until it is put or freed by `linkspan_loan_bytes_free`, even if the channel closes.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_loan_bytes(
    channel: *const linkspan_channel,
    length: usize,
    bytes: *mut *mut u8,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { lend(handle(channel), bytes, |channel| channel.0.loan_bytes(length)) }
}

/// Lends memory for bytes of the reply, like `linkspan_channel_loan_bytes`.
///
/// `InvalidState` if the message is not a server's request.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_loan_bytes(
    request: *const linkspan_message,
    length: usize,
    bytes: *mut *mut u8,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        lend(named(request, "request"), bytes, |request| {
            request.with_request(|request| request.loan_bytes(length))
        })
    }
}

/// Lends memory for bytes to publish, like `linkspan_channel_loan_bytes`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_loan_bytes(
    publisher: *const linkspan_publisher,
    length: usize,
    bytes: *mut *mut u8,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { lend(handle(publisher), bytes, |publisher| publisher.0.loan_bytes(length)) }
}

/// Moves the first `length` bytes of a loan into a message without a copy; `*bytes` becomes NULL.
///
/// The program must not write the memory any more. Channels other than the lender's copy it. `InvalidState` if this is
/// not a current loan of bytes, or is shorter. After an error the program still has the loan.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_loan_bytes(
    message: *mut linkspan_message,
    key: *const c_char,
    bytes: *mut *mut u8,
    length: usize,
) -> linkspan_status {
    let put = |message: &linkspan_message, key: Option<&str>| {
        // SAFETY: by contract.
        let given = unsafe { bytes.as_mut() }.ok_or_else(|| under(crate::null::is_null("bytes"), key))?;
        let lent = take(given.addr()).ok_or_else(|| under(no_loan(), key))?;
        let mut lent = Some(lent);
        // Shortened only when the message has a place for it, so that an error leaves the loan unchanged.
        let shortened = |mut lent: BytesLoan| lent.truncate(length).map(|()| Value::from(lent));
        let put = match &mut lent {
            Some(loan) if loan.len() < length => loan.truncate(length).map_err(|e| under(e, key)),
            _ => message.build(|tree| {
                let value = || lent.take().and_then(|lent| shortened(lent).ok()).unwrap_or_default();
                tree.put_with(key, value).map(|_| ())
            }),
        };
        match lent {
            None => *given = ptr::null_mut(),
            Some(lent) => LOANS.insert(given.addr(), lent),
        }
        put
    };
    // SAFETY: by contract.
    unsafe { at_key(message, key, put) }
}

/// Frees a loan of bytes that was not put into a message; `*bytes` becomes NULL.
///
/// `bytes` or `*bytes` may be NULL. `InvalidState` if this is not a current loan of bytes.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_loan_bytes_free(bytes: *mut *mut u8) -> linkspan_status {
    guard(|| {
        // SAFETY: by contract.
        let Some(given) = (unsafe { bytes.as_mut() }).filter(|given| !given.is_null()) else {
            return Ok(());
        };
        if take(given.addr()).is_none() && !LOANS.may_be_parents() {
            return Err(no_loan());
        }
        *given = ptr::null_mut();
        Ok(())
    })
}
