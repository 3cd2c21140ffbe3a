//! Loans: memory for an array that the program writes and then sends without a copy.

mod bytes;
mod table;

use std::ffi::c_char;
use std::ptr;

use linkspan::{DType, Error, ErrorKind, LoanMemory, NdArray, Order, Result, Value};

use crate::argument::{handle, items, named, out, place};
use crate::array::{dtype, linkspan_array, linkspan_dtype, order};
use crate::channel::linkspan_channel;
use crate::error::guard;
use crate::life::Checked;
use crate::message::linkspan_message;
use crate::publisher::linkspan_publisher;
use crate::put::{at_key, under};
use crate::sanitizer;
use crate::status::linkspan_status;

use self::table::Loans;

static LOANS: Loans<NdArray> = Loans::new();

#[cold]
fn no_loan() -> Error {
    no_loan_of("this array is")
}

#[cold]
fn no_loan_of(what: &str) -> Error {
    let text = format!("{what} no loan: not lent, or put into a message or freed since");
    Error::new(ErrorKind::InvalidState, text)
}

pub(crate) fn are_any() -> bool {
    LOANS.are_any()
}

pub(crate) fn is_one(place: usize) -> bool {
    take(place).map(|lent| give_back(place, lent)).is_some()
}

pub(crate) fn take(place: usize) -> Option<NdArray> {
    sanitizer::given_back();
    LOANS.remove(place)
}

pub(crate) fn give_back(place: usize, lent: NdArray) {
    LOANS.insert(place, lent);
}

/// Frees the elements of an array that a struct owns.
///
/// # Safety
/// `data` is NULL, a loan, or came from `malloc`, and no code uses its memory any more.
pub(crate) unsafe fn free_elements(array: linkspan_array) {
    if LOANS.are_any() && (take(array.data.addr()).is_some() || LOANS.may_be_parents()) {
        return;
    }
    // SAFETY: by contract.
    unsafe { libc::free(array.data.cast_mut()) };
}

/// # Safety
/// `dims` points to `rank` lengths, `array` is NULL or may be written.
unsafe fn lend<H: Checked>(
    object: Result<&H>,
    element: linkspan_dtype,
    rank: usize,
    dims: *const u64,
    array: *mut linkspan_array,
    lender: impl FnOnce(&H, DType, &[u64]) -> Result<LoanMemory>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let to = out(place!(array))?;
        let shape = items(dims, rank, "dims")?;
        let (lent, place) = lender(object?, dtype(element)?, shape)?.into_written_array();
        to.describe(lent.as_ref());
        to.data = place.as_ptr().cast();
        sanitizer::lent();
        LOANS.insert(place.as_ptr().addr(), lent);
        Ok(())
    })
}

/// Lends uninitialized memory for an array of `rank` dimensions; `TooLarge` or `OutOfMemory`.
///
/// The program writes it through `array->data` (despite its const type) and puts it with `linkspan_message_put_loan`.
/// Over `shm:` the peer views it without a copy. It is ordinary memory, copied when sent, over other transports, below
/// 64 KiB, before the channel is linked, or while all slots are in use.
///
/// The order is `LINKSPAN_ROW`; set `array->order` before the put for another one. The loan lives until it is put or
/// freed by `linkspan_loan_free`, even if the channel closes.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_channel_loan(
    channel: *const linkspan_channel,
    dtype: linkspan_dtype,
    rank: usize,
    dims: *const u64,
    array: *mut linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        lend(handle(channel), dtype, rank, dims, array, |channel, dtype, dims| {
            channel.0.loan_memory(dtype, dims, Order::Row)
        })
    }
}

/// Lends memory for an array of the reply, like `linkspan_channel_loan`.
///
/// `InvalidState` if the message is not a server's request.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_request_loan(
    request: *const linkspan_message,
    dtype: linkspan_dtype,
    rank: usize,
    dims: *const u64,
    array: *mut linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        lend(named(request, "request"), dtype, rank, dims, array, |request, dtype, dims| {
            request.with_request(|request| request.loan_memory(dtype, dims, Order::Row))
        })
    }
}

/// Lends memory for an array to publish, like `linkspan_channel_loan`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_publisher_loan(
    publisher: *const linkspan_publisher,
    dtype: linkspan_dtype,
    rank: usize,
    dims: *const u64,
    array: *mut linkspan_array,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        lend(handle(publisher), dtype, rank, dims, array, |publisher, dtype, dims| {
            publisher.0.loan_memory(dtype, dims, Order::Row)
        })
    }
}

/// Moves a loan into a message without a copy; `array->data` becomes NULL.
///
/// The program must not write the memory any more. `array->data` identifies the loan, whose type and shape remain;
/// `array->order` is its order. Channels other than the lender's copy it. `InvalidState` if the array is not a current
/// loan. After an error the program still has the loan.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_loan(
    message: *mut linkspan_message,
    key: *const c_char,
    array: *mut linkspan_array,
) -> linkspan_status {
    let put = |message: &linkspan_message, key: Option<&str>| {
        // SAFETY: by contract; it may be written.
        let place = unsafe { handle(array) }.map_err(|e| under(e, key))?.data.addr();
        let lent = take(place).ok_or_else(|| under(no_loan(), key))?;
        let as_lent = lent.order;
        let mut value = Value::NdArray(lent);
        // SAFETY: as above.
        let put = order(unsafe { (*array).order }).map_err(|e| under(e, key)).and_then(|order| {
            if let Value::NdArray(lent) = &mut value {
                lent.order = order.for_shape(&lent.shape);
            }
            message.build(|tree| tree.put_from(key, &mut value).map(|_| ()))
        });
        if put.is_ok() {
            // SAFETY: as above.
            unsafe { (*array).data = ptr::null() };
        } else if let Value::NdArray(lent) = value {
            LOANS.insert(place, NdArray { order: as_lent, ..lent });
        }
        put
    };
    // SAFETY: by contract.
    unsafe { at_key(message, key, put) }
}

/// Frees a loan that was not put into a message; `array->data` becomes NULL.
///
/// `array` or its `data` may be NULL. `InvalidState` if the array is not a current loan.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_loan_free(array: *mut linkspan_array) -> linkspan_status {
    guard(|| {
        // SAFETY: by contract.
        let Some(given) = (unsafe { array.as_ref() }).filter(|given| !given.data.is_null()) else {
            return Ok(());
        };
        let lent = take(given.data.addr());
        if lent.is_none() && !LOANS.may_be_parents() {
            return Err(no_loan());
        }
        // SAFETY: by contract.
        unsafe { (*array).data = ptr::null() };
        Ok(())
    })
}

/// Frees the elements (a loan, or from `malloc`) of an array in a generated struct, and empties it.
///
/// # Safety
/// No code uses the elements any more. `array` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_array_free(array: *mut linkspan_array) -> linkspan_status {
    guard(|| {
        if !array.is_null() {
            // SAFETY: by contract.
            unsafe { free_elements(array.replace(linkspan_array::NOTHING)) };
        }
        Ok(())
    })
}
