//! Memory lent for the elements of an array or for opaque bytes: over shared memory, the receiver's slot.
//!
//! Writing into a loan saves the copy of a send. If no slot is free, the loan is ordinary memory, and sending copies
//! it. Less than 64 KiB of opaque bytes are memory of the thread ([`short`]). An unfilled slot contains earlier bytes.
//! Booleans have only two valid byte values, so they are never lent from shared memory.

pub(crate) mod short;

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use bytes::Bytes;

use self::short::ShortLoan;

use crate::body::PLACED_FROM;
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result, memory, over_message_limit};
use crate::sys::headroom;
use crate::transport::WritableSlot;
use crate::value::{DType, Element, NdArray, NdArrayRef, Order, Value};

/// From this size on, an allocation checks the memory limit of the control group.
///
/// The check takes about as long as copying that many bytes.
const CHECKED_FROM: usize = 1 << 20;

/// Allocates zeroed memory of this process, aligned for every element type.
fn allocate(length: usize) -> Result<Vec<u64>> {
    let mut words = Vec::new();
    // At least one word, so that each loan has its own address.
    let count = length.div_ceil(size_of::<u64>()).max(1);
    memory::reserve(&mut words, count)?;
    words.resize(count, 0);
    Ok(words)
}

enum Storage {
    /// In a slot that the peer shares.
    Slot(WritableSlot),
    /// In memory that this thread lends again; only for bytes.
    Short(ShortLoan),
    Own(Vec<u64>),
}

impl Storage {
    fn new(
        length: u64,
        limit: u64,
        may_be_shared: bool,
        lend: impl FnOnce(usize) -> Option<WritableSlot>,
    ) -> Result<(Storage, usize)> {
        if length > limit {
            return Err(over_message_limit(length, limit));
        }
        let length = usize::try_from(length).map_err(|_| memory::out_of_memory(usize::MAX))?;
        let may_be_shared = may_be_shared && length >= PLACED_FROM;
        if let Some(writable) = may_be_shared.then(|| lend(length)).flatten() {
            return Ok((Storage::Slot(writable), length));
        }
        if length >= CHECKED_FROM {
            // Beyond the limit of a control group, the kernel kills the process.
            headroom::check_loan(length as u64)?;
        }
        Ok((Storage::Own(allocate(length)?), length))
    }

    fn bytes(&self, length: usize) -> &[u8] {
        match self {
            Storage::Slot(writable) => &writable.bytes()[..length],
            Storage::Short(short) => short.bytes(length),
            Storage::Own(words) => &bytemuck::cast_slice(words)[..length],
        }
    }

    fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        match self {
            Storage::Slot(writable) => &mut writable.bytes_mut()[..length],
            Storage::Short(short) => short.bytes_mut(length),
            Storage::Own(words) => &mut bytemuck::cast_slice_mut(words)[..length],
        }
    }

    fn into_bytes(self, length: usize) -> Bytes {
        match self {
            Storage::Slot(writable) => writable.into_first(length),
            Storage::Short(short) => short.into_bytes(length),
            Storage::Own(words) => Bytes::from_owner(OwnWords { words, length }),
        }
    }
}

/// Memory that was lent for an array, as bytes.
pub struct LoanMemory {
    dtype: DType,
    order: Order,
    shape: Vec<u64>,
    length: usize,
    place: Storage,
}

impl LoanMemory {
    pub(crate) fn new(
        dtype: DType,
        shape: &[u64],
        order: Order,
        limit: u64,
        lend: impl FnOnce(usize) -> Option<WritableSlot>,
    ) -> Result<LoanMemory> {
        let length = NdArrayRef::byte_length(dtype, shape)?;
        // A peer may have left bytes there that are not valid booleans.
        let (place, length) = Storage::new(length, limit, dtype != DType::Bool, lend)?;
        Ok(LoanMemory { dtype, order: order.for_shape(shape), shape: shape.to_vec(), length, place })
    }

    /// Returns the elements, little-endian, as they are in memory.
    pub fn bytes(&self) -> &[u8] {
        self.place.bytes(self.length)
    }

    /// Returns the elements for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.place.bytes_mut(self.length)
    }

    /// Returns whether sending makes no copy, as long as the link exists.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Storage::Slot(_))
    }

    /// Ends the writing and returns the array.
    pub fn into_array(self) -> NdArray {
        let LoanMemory { dtype, order, shape, length, place } = self;
        NdArray { dtype, order, shape, data: place.into_bytes(length) }
    }

    /// Returns the array, and a pointer for writing its elements until it is sent.
    ///
    /// For languages that cannot prevent such writes. The pointer is valid while the array or a clone of it exists.
    pub fn into_written_array(mut self) -> (NdArray, NonNull<u8>) {
        let written = NonNull::from(self.bytes_mut()).cast();
        (self.into_array(), written)
    }
}

/// Opaque bytes that are written at their place of sending, such as a camera frame or a file.
///
/// They are sent as the bytes of a value, alone or within a map. The rest of the value is written around them in the
/// slot.
pub struct BytesLoan {
    place: Storage,
    length: usize,
}

impl BytesLoan {
    pub(crate) fn new(
        length: usize,
        limit: u64,
        lend: impl FnOnce(usize) -> Option<WritableSlot>,
    ) -> Result<BytesLoan> {
        let (place, length) = if length < PLACED_FROM && length as u64 <= limit {
            (Storage::Short(ShortLoan::new(length)?), length)
        } else {
            Storage::new(length as u64, limit, true, lend)?
        };
        Ok(BytesLoan { place, length })
    }

    /// Returns whether values of this encoding contain bytes unchanged.
    pub(crate) fn is_sent_in_place(encoding: Encoding) -> bool {
        matches!(encoding, Encoding::Cbor | Encoding::Raw)
    }

    /// Returns whether sending makes no copy, as long as the link exists.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Storage::Slot(_))
    }

    /// Shortens the loan to its first `length` bytes; only these are sent.
    ///
    /// # Errors
    /// `InvalidState` if the loan is shorter; it is then unchanged.
    pub fn truncate(&mut self, length: usize) -> Result<()> {
        if length > self.length {
            let text = format!("the loan has {} bytes, and {length} of them were to be sent", self.length);
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.length = length;
        Ok(())
    }

    /// Ends the writing and returns the bytes for a value or a `raw` [`Payload`](crate::Payload).
    pub fn into_bytes(self) -> Bytes {
        self.place.into_bytes(self.length)
    }
}

impl Deref for BytesLoan {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.place.bytes(self.length)
    }
}

impl DerefMut for BytesLoan {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.place.bytes_mut(self.length)
    }
}

impl From<BytesLoan> for Value {
    fn from(loan: BytesLoan) -> Value {
        Value::Bytes(loan.into_bytes())
    }
}

impl fmt::Debug for BytesLoan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a loan of {} bytes", self.length)
    }
}

struct OwnWords {
    words: Vec<u64>,
    length: usize,
}

impl AsRef<[u8]> for OwnWords {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}

/// Elements of an array that are written at their place of sending.
pub struct Loan<T> {
    memory: LoanMemory,
    elements: PhantomData<T>,
}

impl<T: Element> Loan<T> {
    pub(crate) fn of(memory: LoanMemory) -> Loan<T> {
        Loan { memory, elements: PhantomData }
    }

    /// Returns the length of each dimension.
    pub fn shape(&self) -> &[u64] {
        &self.memory.shape
    }

    /// Returns whether sending makes no copy, as long as the link exists.
    pub fn is_shared(&self) -> bool {
        self.memory.is_shared()
    }

    /// Ends the writing and returns the array.
    pub fn into_array(self) -> NdArray {
        self.memory.into_array()
    }
}

impl<T: Element> Deref for Loan<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(self.memory.bytes())
    }
}

impl<T: Element> DerefMut for Loan<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self.memory.bytes_mut())
    }
}

impl<T: Element> From<Loan<T>> for NdArray {
    fn from(loan: Loan<T>) -> NdArray {
        loan.into_array()
    }
}

impl<T: Element> From<Loan<T>> for Value {
    fn from(loan: Loan<T>) -> Value {
        Value::NdArray(loan.into_array())
    }
}

impl fmt::Debug for LoanMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoanMemory { dtype, order, shape, .. } = self;
        let (dtype, order) = (dtype.name(), order.name());
        write!(f, "a loan of {dtype} {shape:?} {order}-major")
    }
}

impl<T> fmt::Debug for Loan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt(f)
    }
}
