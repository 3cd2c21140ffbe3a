//! Moves the loans of a struct into a message, without a copy.

use std::ptr;

use linkspan::value::{BigInt, Decimal, NdArrayRef, Sink, Source, ValueBuilder};
use linkspan::{NdArray, Result, Timestamp, Value};

use super::borrowed::BorrowedRecord;
use super::clear::arrays;
use super::layout::Layout;
use crate::loan;

/// Returns the value of a struct with loans, which then belong to the value; `None` without loans.
///
/// The `data` of their arrays becomes NULL. After an error the program still has the loans.
///
/// # Safety
/// A value of this layout, not reached by functions, is at `at`; no other thread uses it.
pub(super) unsafe fn value_with_loans(of: &Layout, at: *mut u8) -> Option<Result<Value>> {
    if !of.has_arrays || of.is_reached || !loan::are_any() {
        return None;
    }
    let mut any = false;
    // SAFETY: by contract.
    unsafe { arrays(of, at, &mut |array| any |= loan::is_one((*array).data.addr())) };
    if !any {
        return None;
    }
    let mut sink = Mover { builder: ValueBuilder::new(), taken: Vec::new() };
    // SAFETY: by contract.
    let walked = unsafe { BorrowedRecord::new(of, at) }.walk(&mut sink);
    match walked.and_then(|()| sink.builder.finish()) {
        Ok(value) => {
            let is_taken = |place: usize| sink.taken.iter().any(|(taken, _)| *taken == place);
            // SAFETY: by contract.
            unsafe {
                arrays(of, at, &mut |array| {
                    if is_taken((*array).data.addr()) {
                        (*array).data = ptr::null();
                    }
                });
            };
            Some(Ok(value))
        }
        Err(error) => {
            sink.taken.into_iter().for_each(|(place, lent)| loan::give_back(place, lent));
            Some(Err(error))
        }
    }
}

/// Builds a value, and takes arrays that are loans.
struct Mover {
    builder: ValueBuilder,
    taken: Vec<(usize, NdArray)>,
}

impl Sink for Mover {
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let place = value.data.as_ptr().addr();
        let Some(lent) = loan::take(place) else { return self.builder.ndarray(value) };
        let fits = lent.dtype == value.dtype && lent.shape == value.shape;
        let array = NdArray { order: value.order.for_shape(value.shape), ..lent.clone() };
        self.taken.push((place, lent));
        // An array with a changed description differs from the loan, so it is copied.
        if fits { self.builder.owned_ndarray(array) } else { self.builder.ndarray(value) }
    }
    fn null(&mut self) -> Result<()> {
        self.builder.null()
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.builder.bool(value)
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.builder.int(value)
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.builder.uint(value)
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.builder.big_int(value)
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.builder.float(value)
    }
    fn text(&mut self, value: &str) -> Result<()> {
        self.builder.text(value)
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.builder.bytes(value)
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.builder.timestamp(value)
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.builder.uuid(value)
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.builder.decimal(value)
    }
    fn begin_array(&mut self, len: usize) -> Result<()> {
        self.builder.begin_array(len)
    }
    fn end_array(&mut self) -> Result<()> {
        self.builder.end_array()
    }
    fn begin_map(&mut self, len: usize) -> Result<()> {
        self.builder.begin_map(len)
    }
    fn key(&mut self, key: &str) -> Result<()> {
        self.builder.key(key)
    }
    fn end_map(&mut self) -> Result<()> {
        self.builder.end_map()
    }
}
