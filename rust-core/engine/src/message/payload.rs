//! Encoded values to send, memory for their long arrays, and messages kept until they are consumed.
//!
//! A [`Payload`] is encoded once and sent any number of times: to several peers, and, as a [`StoredMessage`], again
//! after a connection was lost. If the receiver maps memory of the sender, the sending layers pass a [`Lender`], and
//! the encoder puts long arrays there.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::body::{Body, OneOrMany, PLACED_FROM, Part, Placer};
use crate::buffers;
use crate::codec::{self, EncodeOptions, Encoding};
use crate::error::Result;
use crate::frame::{Header, Kind};
use crate::schema::PreparedSchema;
use crate::transport::WritableSlot;
use crate::value::{Limits, Source};

pub(crate) trait Lender {
    /// Returns these elements in mapped memory: in place if they are already there, else a copy.
    ///
    /// `None` without room. `shared` is the elements with their owner, if the caller has it.
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes>;

    /// Returns these bytes if they are in mapped memory. They stay there as long as the result lives.
    fn in_place(&self, bytes: &[u8]) -> Option<Bytes>;

    /// Writes `before` and `after` directly around a loan's bytes, and returns all bytes. `None` if that is impossible,
    /// or was done before.
    fn surround(&self, bytes: &[u8], before: &[u8], after: &[u8]) -> Option<Bytes>;

    /// Returns memory for a body that is being encoded: at least `least` bytes, if possible `wanted` bytes. `None`
    /// without such memory, or if the memory would be kept too long.
    fn lend_memory(&self, least: usize, wanted: usize) -> Option<WritableSlot>;

    /// Returns a copy of a whole body in mapped memory. `None` without room; the link, which counts these bodies, then
    /// tries again.
    fn lend_body(&self, body: &[u8]) -> Option<Bytes>;
}

/// Bytes reserved for an encoded value: a short value does not move as it grows.
const USUAL: usize = 64;
/// The most bytes that are reserved on a source's announcement.
const LONGEST_HINT: usize = 4096;

/// The long arrays of a value during its encoding, and a byte string written into a loan.
struct Placed<'a> {
    lender: Option<&'a dyn Lender>,
    parts: OneOrMany<Part>,
    loan: Option<(Part, usize)>,
    announced: usize,
    spilled: Option<(WritableSlot, usize)>,
}

thread_local! {
    /// The lengths of the last two long bodies that this thread encoded for a lender, newest first.
    static LENGTHS: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// A body may exceed the expected length by this fraction and still fit into the memory taken for it.
const SLACK: usize = 16;
/// Room for the bytes after a long byte string; the string's length is the least length of the body.
const BEHIND: usize = 4096;
/// A body that fills less than one part in this many of its memory moves to another block.
const MAX_OVERSIZE: usize = 4;

/// Returns the expected length of the next long body: the shorter of the last two, 0 for the first two. Bodies of
/// varying lengths then take only the memory that they fill.
fn expected_length() -> usize {
    let [last, before] = LENGTHS.get();
    last.min(before)
}

fn note_length(length: usize) {
    let [last, _] = LENGTHS.get();
    LENGTHS.set([length, last]);
}

impl<'a> Placed<'a> {
    fn with(lender: Option<&'a dyn Lender>) -> Placed<'a> {
        Placed { lender, parts: OneOrMany::new(), loan: None, announced: 0, spilled: None }
    }

    /// Returns the payload of the encoded bytes and the parts. A long body without parts goes to memory of the lender.
    fn payload(mut self, encoding: Encoding, mut body: Vec<u8>) -> Payload {
        if self.spilled.is_some() {
            if self.spill(&body) {
                body.clear();
                let fills =
                    |(slot, length): &mut (WritableSlot, usize)| slot.bytes().len() / MAX_OVERSIZE <= *length;
                if let Some((slot, length)) = self.spilled.take_if(fills) {
                    note_length(length);
                    return Payload::from_bytes(encoding, slot.into_first(length));
                }
            }
            let mut whole =
                buffers::with_room(self.spilled.as_ref().map_or(0, |(_, length)| length + body.len()));
            whole.extend_from_slice(self.spilled());
            self.drop_spilled();
            whole.append(&mut body);
            body = whole;
        }
        let Placed { lender, mut parts, loan, .. } = self;
        // Later bodies are encoded in memory of the lender.
        let is_among_first = expected_length() == 0;
        if body.len() >= PLACED_FROM {
            note_length(body.len());
        }
        if let (Some((loan, arrays_before)), Some(lender)) = (loan, lender) {
            if parts.is_empty()
                && let Some(whole) = lender.surround(&loan.bytes, &body[..loan.at], &body[loan.at..])
            {
                return Payload::from_bytes(encoding, whole);
            }
            body = joined(&body, &loan);
            let mut moved = OneOrMany::new();
            for (number, Part { at, bytes }) in parts.iter().enumerate() {
                let at = if number < arrays_before { *at } else { at + loan.bytes.len() };
                moved.push(Part { at, bytes: bytes.clone() });
            }
            parts = moved;
        }
        if !parts.is_empty() {
            return Payload { encoding, body: Body::of_parts(body, parts) };
        }
        let placed = lender.and_then(|lender| Payload::placed(encoding, &body, lender));
        if is_among_first && let Some(placed) = placed {
            drop(body);
            buffers::give_back();
            return placed;
        }
        // The memory goes to the pool, for the next body that is longer than expected.
        let body = buffers::bytes(body);
        placed.unwrap_or_else(|| Payload::from_bytes(encoding, body))
    }
}

#[cold]
fn joined(body: &[u8], loan: &Part) -> Vec<u8> {
    let mut whole = buffers::with_room(body.len() + loan.bytes.len());
    for piece in [&body[..loan.at], &loan.bytes, &body[loan.at..]] {
        whole.extend_from_slice(piece);
    }
    whole
}

impl Placer for Placed<'_> {
    fn place(&mut self, at: usize, elements: &[u8], shared: Option<&Bytes>) -> bool {
        let lent = self.lender.and_then(|lender| lender.lend(elements, shared));
        lent.is_some_and(|bytes| {
            self.parts.push(Part { at, bytes });
            true
        })
    }

    fn expect(&mut self, length: usize) {
        self.announced = length;
    }

    fn spill(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        // Their places count from the start of the rest.
        if self.loan.is_some() || !self.parts.is_empty() {
            return false;
        }
        let length = self.spilled.as_ref().map_or(0, |(_, length)| *length);
        let all = length + bytes.len();
        if self.spilled.is_none() {
            let expected = expected_length();
            let announced = if self.announced > 0 { self.announced + BEHIND } else { 0 };
            let (least, wanted) = (expected.max(self.announced), announced.max(expected + expected / SLACK));
            // A thread encodes its first bodies in memory of this process; they give the expected length.
            if wanted < all {
                return false;
            }
            self.spilled =
                self.lender.and_then(|lender| lender.lend_memory(least, wanted)).map(|slot| (slot, 0));
        }
        let Some((slot, length)) = &mut self.spilled else { return false };
        let Some(to) = slot.bytes_mut().get_mut(*length..all) else { return false };
        to.copy_from_slice(bytes);
        *length = all;
        true
    }

    fn spilled(&mut self) -> &mut [u8] {
        match &mut self.spilled {
            Some((slot, length)) => slot.bytes_mut().get_mut(..*length).unwrap_or_default(),
            None => &mut [],
        }
    }

    fn drop_spilled(&mut self) {
        self.spilled = None;
    }

    fn surround(&mut self, at: usize, bytes: &[u8]) -> bool {
        if self.loan.is_none()
            && self.spilled.is_none()
            && let Some(bytes) = self.lender.and_then(|lender| lender.in_place(bytes))
        {
            self.loan = Some((Part { at, bytes }, self.parts.len()));
            return true;
        }
        false
    }
}

struct InPlace(OneOrMany<Part>);

impl Placer for InPlace {
    fn place(&mut self, at: usize, _: &[u8], shared: Option<&Bytes>) -> bool {
        shared.is_some_and(|shared| {
            self.0.push(Part { at, bytes: shared.clone() });
            true
        })
    }
}

/// An encoded value, ready to be sent any number of times.
///
/// Encode once with [`Payload::new`] to send one value to several peers, or pass already encoded bytes to
/// [`Payload::from_bytes`]. Clones share the body.
#[derive(Clone, Debug)]
pub struct Payload {
    encoding: Encoding,
    body: Body,
}

impl Payload {
    /// Encodes a value. Aligns arrays so that the receiver can use them in place.
    ///
    /// # Errors
    ///
    /// Errors of [`codec::encode`].
    pub fn new<T: Source + ?Sized>(value: &T, encoding: Encoding, limits: &Limits) -> Result<Payload> {
        Payload::with_schema(None, value, encoding, limits, None)
    }

    pub(crate) fn with_schema<T: Source + ?Sized>(
        schema: Option<&Arc<PreparedSchema>>,
        value: &T,
        encoding: Encoding,
        limits: &Limits,
        lender: Option<&dyn Lender>,
    ) -> Result<Payload> {
        let mut parts = Placed::with(lender);
        let mut placer = lender.map(|_| &mut parts as &mut dyn Placer);
        if let (Some(to), None, Encoding::Cbor) = (&mut placer, schema, encoding) {
            match codec::write_around_array(value, limits, &mut **to) {
                Some(Some(rest)) => return Ok(Payload { encoding, body: Body::of_parts(rest, parts.parts) }),
                Some(None) => placer = None,
                None => {}
            }
        }
        let body = Payload::encoded(schema, value, encoding, limits, placer)?;
        Ok(parts.payload(encoding, body))
    }

    /// Encodes one long array, or a short map with one, in CBOR, and leaves the elements in place. `None` for other
    /// values, and if the value may exceed a limit.
    #[inline]
    pub(crate) fn around_array<T: Source + ?Sized>(value: &T, limits: &Limits) -> Option<Payload> {
        let mut parts = InPlace(OneOrMany::new());
        let rest = codec::write_around_array(value, limits, &mut parts)??;
        Some(Payload { encoding: Encoding::Cbor, body: Body::of_parts(rest, parts.0) })
    }

    pub(crate) fn of_other<T: Source + ?Sized>(
        value: &T,
        limits: &Limits,
        lender: &dyn Lender,
    ) -> Result<Payload> {
        let mut parts = Placed::with(Some(lender));
        let body = Payload::encoded(None, value, Encoding::Cbor, limits, Some(&mut parts))?;
        Ok(parts.payload(Encoding::Cbor, body))
    }

    /// Copies encoded bytes into memory of the lender. `None` for short bytes and without room.
    pub(crate) fn placed(encoding: Encoding, body: &[u8], lender: &dyn Lender) -> Option<Payload> {
        let placed = if body.len() >= PLACED_FROM { lender.lend_body(body) } else { None };
        placed.map(|body| Payload::from_bytes(encoding, body))
    }

    fn encoded<T: Source + ?Sized>(
        schema: Option<&Arc<PreparedSchema>>,
        value: &T,
        encoding: Encoding,
        limits: &Limits,
        placer: Option<&mut dyn Placer>,
    ) -> Result<Vec<u8>> {
        let mut body = Vec::with_capacity(value.size_hint().clamp(USUAL, LONGEST_HINT));
        let mut options = EncodeOptions::within(*limits);
        options.align = true;
        match schema {
            None => codec::encode_placed(value, encoding, &options, &mut body, placer)?,
            Some(schema) => schema.encode_into(value, encoding, &options, &mut body, placer)?,
        }
        Ok(body)
    }

    /// Returns a payload of already encoded bytes, without validation.
    pub fn from_bytes(encoding: Encoding, body: Bytes) -> Payload {
        Payload { encoding, body: body.into() }
    }

    /// Returns a payload of a copy of encoded bytes; they are not validated.
    ///
    /// The copy reuses memory of dropped payloads and messages: a program that builds one for each message gets no new
    /// pages from the kernel.
    pub fn copy_from_slice(encoding: Encoding, body: &[u8]) -> Payload {
        Payload { encoding, body: buffers::copy(body).into() }
    }

    pub(crate) fn from_body(encoding: Encoding, body: Body) -> Payload {
        Payload { encoding, body }
    }

    /// Returns the encoding of the body.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Returns the encoded value in one block.
    ///
    /// If long arrays are in memory that the receiver maps, the first call makes a copy and keeps it.
    pub fn body(&self) -> &Bytes {
        self.body.whole()
    }

    /// Returns the length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "an encoded value has at least one byte, except for raw")]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn memory(&self) -> &Body {
        &self.body
    }
}

/// A sent message, kept to be sent again.
///
/// A short body is copied: that is cheaper than two atomic operations on the reference count. A longer body is shared
/// with the caller.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    body: StoredBody,
    /// The number of the request for an answer. For a request, the caller's deadline in nanoseconds since boot, or 0 if
    /// unknown. Unused for other kinds.
    correlation: u64,
    sent: i64,
    kind: Kind,
    flags: u16,
}

#[derive(Clone, Debug)]
enum StoredBody {
    Short([u8; SHORT], u8, Encoding),
    Shared(Payload),
    Recorded(Arc<Recorded>),
}

/// A recorded message, to be sent with its original time.
#[derive(Debug)]
pub struct Recorded {
    pub payload: Payload,
    pub sent: i64,
    pub extension: Vec<u8>,
}

/// The longest body that is copied, in bytes.
const SHORT: usize = 64;

// If a peer stops reading, this side keeps 65,536 of these messages, so the size counts. A separate body would need
// 64 bytes and a block of the allocator.
const _: () = assert!(size_of::<StoredMessage>() <= 96);

impl Default for StoredMessage {
    fn default() -> StoredMessage {
        let body = StoredBody::Short([0; SHORT], 0, Encoding::Raw);
        StoredMessage { body, correlation: 0, sent: 0, kind: Kind::Data, flags: 0 }
    }
}

impl StoredMessage {
    pub fn release(&mut self) {
        if let StoredBody::Shared(_) | StoredBody::Recorded(_) = self.body {
            self.body = StoredBody::Short([0; SHORT], 0, Encoding::Raw);
        }
    }

    /// Stores a message that was sent with this header. The other fields follow from the payload and the session: a
    /// header is longer than most bodies, and every message passes here.
    pub fn new(header: &Header, payload: &Payload) -> StoredMessage {
        let Header { kind, flags, correlation, sent, .. } = *header;
        StoredMessage { body: StoredBody::of(Cow::Borrowed(payload)), correlation, sent, kind, flags }
    }

    pub fn data(payload: &Payload, sent: i64) -> StoredMessage {
        let body = StoredBody::of(Cow::Borrowed(payload));
        StoredMessage { body, correlation: 0, sent, kind: Kind::Data, flags: 0 }
    }

    pub fn recorded(recorded: &Arc<Recorded>) -> StoredMessage {
        let body = StoredBody::Recorded(recorded.clone());
        StoredMessage { body, correlation: 0, sent: recorded.sent, kind: Kind::Data, flags: 0 }
    }

    pub fn long_data(payload: Payload, sent: i64) -> StoredMessage {
        debug_assert!(payload.len() > SHORT);
        StoredMessage { body: StoredBody::Shared(payload), correlation: 0, sent, kind: Kind::Data, flags: 0 }
    }

    pub fn become_data<'a>(
        &mut self,
        encoding: Encoding,
        body: &[u8],
        sent: i64,
        shared: impl FnOnce() -> Cow<'a, Payload>,
    ) {
        (self.correlation, self.sent, self.kind, self.flags) = (0, sent, Kind::Data, 0);
        match &mut self.body {
            StoredBody::Short(bytes, length, stored) if body.len() <= SHORT => {
                bytes[..body.len()].copy_from_slice(body);
                (*length, *stored) = (body.len() as u8, encoding);
            }
            other => other.store(shared),
        }
    }

    pub fn with_until(mut self, until: Option<Duration>) -> StoredMessage {
        if self.kind == Kind::Request {
            self.correlation = until.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(0));
        }
        self
    }

    pub fn until(&self) -> Option<Duration> {
        let is_known = self.kind == Kind::Request && self.correlation > 0;
        is_known.then(|| Duration::from_nanos(self.correlation))
    }

    pub fn payload(&self) -> Payload {
        match &self.body {
            StoredBody::Shared(payload) => payload.clone(),
            StoredBody::Recorded(recorded) => recorded.payload.clone(),
            StoredBody::Short(bytes, length, encoding) => {
                Payload::from_bytes(*encoding, Bytes::copy_from_slice(&bytes[..usize::from(*length)]))
            }
        }
    }

    pub fn extension(&self) -> &[u8] {
        if let StoredBody::Recorded(recorded) = &self.body { &recorded.extension } else { &[] }
    }

    pub fn header(&self, sequence: u64) -> Header {
        let StoredMessage { sent, kind, flags, .. } = *self;
        let correlation = if kind == Kind::Request { 0 } else { self.correlation };
        let encoding = match &self.body {
            StoredBody::Short(_, _, encoding) => *encoding,
            StoredBody::Shared(payload) => payload.encoding(),
            StoredBody::Recorded(recorded) => recorded.payload.encoding(),
        };
        Header { sequence, correlation, sent, flags, ..Header::new(kind, encoding) }
    }
}

impl StoredBody {
    #[inline(never)]
    fn store<'a>(&mut self, shared: impl FnOnce() -> Cow<'a, Payload>) {
        *self = StoredBody::of(shared());
    }

    fn of(payload: Cow<'_, Payload>) -> StoredBody {
        if payload.len() > SHORT {
            return StoredBody::Shared(payload.into_owned());
        }
        let body = payload.body();
        let mut bytes = [0; SHORT];
        bytes[..body.len()].copy_from_slice(body);
        StoredBody::Short(bytes, body.len() as u8, payload.encoding())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_message_of_any_length_is_sent_again_as_it_was() {
        for length in [0, 1, 8, SHORT - 1, SHORT, SHORT + 1, 5000] {
            let body: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let payload = Payload::from_bytes(Encoding::Json, body.clone().into());
            let header =
                Header { correlation: 7, flags: 4, sent: 9, ..Header::new(Kind::Reply, Encoding::Json) };
            let stored = StoredMessage::new(&header, &payload);
            let again = stored.payload();
            assert_eq!((again.encoding(), &again.body()[..]), (Encoding::Json, &body[..]), "{length}");
            assert_eq!(stored.header(3), Header { sequence: 3, ..header });
            let data = StoredMessage::data(&payload, 11).header(4);
            assert_eq!((data.kind, data.sent, data.sequence), (Kind::Data, 11, 4));
        }
    }
}
