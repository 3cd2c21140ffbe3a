//! Loans of opaque bytes: the program writes them through a pointer, which identifies the loan, and puts them into a
//! message.

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

/// The loans of bytes that the program has.
static LOANS: Loans<BytesLoan> = Loans::new();

#[cold]
fn no_loan() -> Error {
    super::no_loan_of("these bytes are")
}

/// Takes the loan at this address.
fn take(place: usize) -> Option<BytesLoan> {
    sanitizer::given_back();
    LOANS.remove(place)
}

/// Runs a call that lends memory from `lender`.
///
/// # Safety
/// `bytes` is NULL or may be written.
unsafe fn lend<H: Checked>(
    object: Result<&H>,
    bytes: *mut *mut u8,
    lender: impl FnOnce(&H) -> Result<BytesLoan>,
) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let to = unsafe { out(place!(bytes)) }?;
        let mut lent = lender(object?)?;
        let place = lent.as_mut_ptr();
        sanitizer::lent();
        LOANS.insert(place.addr(), lent);
        *to = place;
        Ok(())
    })
}

/// Lends memory for `length` opaque bytes, such as a frame of a camera. The program writes them through `*bytes` and
/// puts them into a message with `linkspan_message_put_loan_bytes`: over `shm:`, with the encodings `cbor` and `raw`,
/// nothing of them is copied to send them. They are not initialized. If no memory can be lent (another transport or
/// encoding, less than 64 KiB, no connection yet, all slots in use) it is ordinary memory, which is copied when it is
/// sent: the program is the same. A message sends one such loan in place, with at most 4 KiB of other values before and
/// behind it.
///
/// A loan lives until it is put or freed by `linkspan_loan_bytes_free`, even if the channel is closed before.
/// `TooLarge` above the longest message; `OutOfMemory`.
///
/// # Safety
/// `channel` is live, `bytes` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_loan_bytes(
    channel: *const linkspan_channel,
    length: usize,
    bytes: *mut *mut u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { lend(handle(channel), bytes, |channel| channel.0.loan_bytes(length)) }
}

/// Lends memory for bytes of the reply to this request, as `linkspan_channel_loan_bytes` does for a message.
/// `InvalidState` for a message that is no server's request.
///
/// # Safety
/// As for `linkspan_channel_loan_bytes`; `request` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_loan_bytes(
    request: *const linkspan_message,
    length: usize,
    bytes: *mut *mut u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        lend(named(request, "request"), bytes, |request| {
            request.with_request(|request| request.loan_bytes(length))
        })
    }
}

/// Lends memory for bytes to publish, as `linkspan_channel_loan_bytes` does.
///
/// # Safety
/// As for `linkspan_channel_loan_bytes`; `publisher` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_loan_bytes(
    publisher: *const linkspan_publisher,
    length: usize,
    bytes: *mut *mut u8,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { lend(handle(publisher), bytes, |publisher| publisher.0.loan_bytes(length)) }
}

/// Moves the first `length` bytes of a loan into a message, as bytes: nothing is copied, `*bytes` becomes NULL, and the
/// program must not write the memory any more. Any message can take it; sent over another channel than the lender's, it
/// is copied. `InvalidState` for what is no loan of bytes, or is one no longer, and for more bytes than it has. After
/// an error the program still has the loan.
///
/// # Safety
/// As for `linkspan_message_put_null`; `bytes` points to a pointer, which may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_loan_bytes(
    message: *mut linkspan_message,
    key: *const c_char,
    bytes: *mut *mut u8,
    length: usize,
) -> linkspan_status {
    let put = |message: &linkspan_message, key: Option<&str>| {
        // SAFETY: as the caller promises.
        let given = unsafe { bytes.as_mut() }.ok_or_else(|| under(crate::null::is_null("bytes"), key))?;
        let lent = take(given.addr()).ok_or_else(|| under(no_loan(), key))?;
        let mut lent = Some(lent);
        // It is shortened once the message has a place for it: after an error the program has the loan as before.
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
    // SAFETY: as the caller promises.
    unsafe { at_key(message, key, put) }
}

/// Frees a loan of bytes that has not been put into a message; `*bytes` becomes NULL. NULL, and a pointer to NULL, are
/// allowed. `InvalidState` for what is no loan of bytes, or is one no longer.
///
/// # Safety
/// `bytes` is NULL or points to a pointer, which may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_loan_bytes_free(bytes: *mut *mut u8) -> linkspan_status {
    guard(|| {
        // SAFETY: as the caller promises.
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
