//! Received messages and payloads to be sent: a header, a body, and the value in it.
//!
//! Transports deliver an [`Incoming`]; the channel layer turns it into a [`Message`]. Messages are recycled
//! (`recycled`), so a loop that receives small messages allocates nothing.

mod copy;
pub(crate) mod failure;
mod fingerprint;
mod payload;
mod received;
mod recycled;
mod schema_ids;
mod uncopied;
pub(crate) mod withdrawal;

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::buffers;
use crate::codec::{self, Encoding, FlatItem, FlatMap};
use crate::error::{Result, memory};
use crate::frame::{Header, Kind};
use crate::schema::PreparedSchema;
use crate::sys::once::Once;
use crate::transport::extension::Sender;
use crate::value::typed::{Decode, Typed};
use crate::value::{Limits, NdArray, NdArrayRef, Sink, Timestamp, Value, ValueBuilder, from_value};

#[doc(hidden)]
pub use copy::RecordedOrigin;
pub(crate) use payload::Lender;
pub use payload::Payload;
pub(crate) use payload::{Recorded, StoredMessage};
pub use received::ReceivedBytes;
pub(crate) use received::{BodyMemory, BorrowedMemory};
pub(crate) use recycled::{Dropped, ReusedMessage};
pub(crate) use schema_ids::SchemaIds;
#[doc(hidden)]
pub use uncopied::{Uncopied, UncopiedBytes};

/// A received message: the body, its metadata, and the value, which is decoded at the first access.
///
/// Clones share the body. Any number of threads may read a message.
#[derive(Clone)]
pub struct Message(
    /// `None` only during the drop.
    Option<triomphe::Arc<MessageInner>>,
);

/// Shows metadata only: the content may be very long, and failed assertions print it.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(inner) = self.0.as_ref() else { return f.write_str("Message") };
        let Header { kind, sequence, correlation, encoding, .. } = inner.header;
        f.debug_struct("Message")
            .field("kind", &kind)
            .field("sequence", &sequence)
            .field("correlation", &correlation)
            .field("encoding", &encoding)
            .field("bytes", &inner.body.len())
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

struct MessageInner {
    header: Header,
    body: Body,
    source: Arc<str>,
    /// The origin beyond the header. The drop takes it.
    origin: Option<Origin>,
    limits: Limits,
    missed: u64,
    session: u64,
    schemas: SchemaIds,
    value: OnceLock<Value>,
    /// The first array that was looked up in a body with parts before the value was decoded.
    array: Once<Value>,
    /// Whether the body is a flat map: [`UNCHECKED`], [`FLAT`], [`FLAT_ARRAYS`] or [`NOT_FLAT`]. All threads compute
    /// equal results, so relaxed order is enough.
    flat: AtomicU8,
    schema: Option<Arc<PreparedSchema>>,
    /// Whether the body has its own memory, aligned to 8, and is not a view of a larger block.
    owns_body: bool,
    /// Whether that memory is in the form with counted owners, which is fast to rewrite.
    is_counted: bool,
}

#[derive(Clone)]
enum Origin {
    Name(Arc<str>),
    /// A recording, which gives number and sender. The header has the numbers of the connection.
    Recording(Arc<RecordedNumber>),
}

struct RecordedNumber {
    sequence: u64,
    sender: Sender,
}

#[derive(Clone, Copy)]
pub(crate) struct ReceivedFrom<'a> {
    pub source: &'a Arc<str>,
    pub session: u64,
    pub schemas: SchemaIds,
}

const UNCHECKED: u8 = 0;
const FLAT: u8 = 1;
const NOT_FLAT: u8 = 2;
const FLAT_ARRAYS: u8 = 3;

impl Message {
    pub(crate) fn with_schema(mut self, schema: Option<&Arc<PreparedSchema>>) -> Message {
        if let Some(schema) = schema
            && let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut)
        {
            inner.schema = Some(schema.clone());
        }
        self
    }

    fn inner(&self) -> &MessageInner {
        self.0.as_ref().unwrap_or_else(|| &EMPTY)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.inner().header
    }

    /// Returns the number on the connection, which is acknowledged.
    pub(crate) fn number(&self) -> u64 {
        self.inner().header.sequence
    }

    fn recorded_number(&self) -> Option<&RecordedNumber> {
        match &self.inner().origin {
            Some(Origin::Recording(recorded)) => Some(recorded),
            _ => None,
        }
    }

    pub(crate) fn with_recorded(mut self, (sender, sequence): (Sender, u64)) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.origin = Some(Origin::Recording(Arc::new(RecordedNumber { sequence, sender })));
        }
        self
    }

    /// Returns the value. The first call decodes it, later calls return the kept value.
    ///
    /// # Errors
    ///
    /// Errors of [`codec::decode`], and of the object's schema.
    pub fn value(&self) -> Result<&Value> {
        if let Some(value) = self.inner().value.get() {
            return Ok(value);
        }
        let value = self.decode()?;
        Ok(self.inner().value.get_or_init(|| value))
    }

    /// Returns the entries of a short CBOR map of scalars, checked like a decoded value.
    ///
    /// `None` for other bodies and for objects with a schema.
    pub fn flat(&self) -> Option<FlatMap<'_>> {
        let inner = self.inner();
        match inner.flat.load(Ordering::Relaxed) {
            FLAT => FlatMap::checked(inner.body.whole()),
            UNCHECKED if inner.body.split().is_none() => self.check_flat(),
            _ => None,
        }
    }

    fn check_flat(&self) -> Option<FlatMap<'_>> {
        let map = self.short_cbor().and_then(FlatMap::check);
        self.inner().flat.store(if map.is_some() { FLAT } else { NOT_FLAT }, Ordering::Relaxed);
        map
    }

    /// Passes the value at this path to `what` without a tree, as decoding would give it.
    ///
    /// The body must be a short CBOR map of scalars and of long arrays that are stored elsewhere. `None` for other
    /// bodies, for objects with a schema, and if no key is equal to the path.
    pub fn flat_item<T>(&self, path: &str, what: impl FnOnce(FlatItem<'_>) -> T) -> Option<T> {
        let MessageInner { body, header, limits, schema, flat, .. } = self.inner();
        match flat.load(Ordering::Relaxed) {
            FLAT_ARRAYS => codec::find_in_flat_arrays(body, path, None, what)?,
            UNCHECKED if body.split().is_some() => {
                let is_plain = header.encoding == Encoding::Cbor && schema.is_none();
                let found =
                    if is_plain { codec::find_in_flat_arrays(body, path, Some(limits), what) } else { None };
                flat.store(if found.is_some() { FLAT_ARRAYS } else { NOT_FLAT }, Ordering::Relaxed);
                found?
            }
            _ => None,
        }
    }

    /// Returns the bytes of a value that is one short text in CBOR, without a check for UTF-8.
    ///
    /// `None` for other values and for objects with a schema.
    pub fn text_alone(&self) -> Option<&[u8]> {
        self.short_cbor().and_then(codec::text_alone)
    }

    /// Returns the unchecked entries of a body that may be a short CBOR map of scalars.
    ///
    /// `None` for other bodies and for objects with a schema.
    pub fn flat_entries(&self) -> Option<FlatMap<'_>> {
        FlatMap::within(self.short_cbor()?, &self.inner().limits)
    }

    /// Returns the value if it is one long array in memory shared with the sender.
    ///
    /// The array is a view, as decoding gives it, but takes fewer steps. `None` for other values and for objects with a
    /// schema.
    pub fn long_array(&self) -> Option<NdArray> {
        let MessageInner { body, header, limits, schema, .. } = self.inner();
        let is_plain = header.encoding == Encoding::Cbor && schema.is_none() && body.split().is_some();
        if is_plain { codec::read_long_array(body, limits) } else { None }
    }

    /// Returns a body that is CBOR in one block and short enough to be within every limit.
    fn short_cbor(&self) -> Option<&[u8]> {
        let MessageInner { body, header, limits, schema, .. } = self.inner();
        let is_plain = header.encoding == Encoding::Cbor && schema.is_none() && body.split().is_none();
        (is_plain && limits.allow_flat(body.len())).then(|| &body.whole()[..])
    }

    /// Returns the value at this path. `Missing` (104) or `WrongType` (109) with the existing keys or kind.
    ///
    /// A path joins keys and positions from zero by `/` (`rows/0/name`). In a key, `~1` stands for `/` and `~0` for
    /// `~`. The empty path is the whole value.
    pub fn get(&self, path: &str) -> Result<&Value> {
        match self.flat_array(path) {
            Some(array) => Ok(array),
            None => self.value()?.at(path),
        }
    }

    /// Returns the array at this path without a tree if it lies in memory shared with the sender: many programs read
    /// only one array of a message. `None` for all else and for a second array.
    fn flat_array(&self, path: &str) -> Option<&Value> {
        let inner = self.inner();
        if inner.body.split().is_none() || inner.value.get().is_some() {
            return None;
        }
        self.flat_item(path, |item| {
            let FlatItem::Array(array) = item else { return None };
            let NdArrayRef { dtype, order, shape, data } = array;
            let found = match inner.array.get() {
                Some(kept) => kept,
                None => {
                    let data = inner.body.part(data)?;
                    let write = |to: &mut Value| match to {
                        Value::NdArray(to) => {
                            (to.dtype, to.order, to.data) = (dtype, order, data);
                            to.shape.clear();
                            to.shape.extend_from_slice(shape);
                        }
                        to => *to = NdArray { dtype, order, shape: shape.to_vec(), data }.into(),
                    };
                    // If another thread writes the array at this moment, the whole value is decoded.
                    inner.array.put(write)?
                }
            };
            // Equal places and forms mean equal arrays, even under different keys.
            let Value::NdArray(kept) = found else { return None };
            let form = (kept.dtype, kept.order, &kept.shape[..], kept.data.as_ptr_range());
            (form == (dtype, order, shape, data.as_ptr_range())).then_some(found)
        })?
    }

    /// Returns the value as a type of the program.
    ///
    /// `Missing`, `WrongType` or `OutOfRange` with the path if the value does not fit.
    ///
    /// ```
    /// # use linkspan_engine::Message;
    /// # use linkspan_value::Result;
    /// #[derive(serde::Deserialize)]
    /// struct Reading {
    ///     celsius: f64,
    /// }
    ///
    /// fn celsius(message: &Message) -> Result<f64> {
    ///     Ok(message.to::<Reading>()?.celsius)
    /// }
    /// ```
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        from_value(self.decode()?)
    }

    /// Returns the value as a type that `linkspan schema generate` wrote, decoded without a tree.
    ///
    /// Long arrays and byte strings are views of [`Message::memory`]. `Missing`, `WrongType` or `OutOfRange` with the
    /// path if the value does not fit.
    pub fn typed<T: Decode>(&self) -> Result<T> {
        self.walk_into(Typed::sharing(self.inner().body.clone()))?.finish()
    }

    fn decode(&self) -> Result<Value> {
        let MessageInner { body, header, limits, schema, .. } = self.inner();
        match schema {
            None => codec::decode_body_shared(body, header.encoding, limits),
            Some(_) => self.walk_into(ValueBuilder::sharing(body.clone()))?.finish(),
        }
    }

    /// Decodes into a [`Sink`]. Arrays reach it as slices of [`Message::memory`] if their form allows it.
    pub fn walk_into<S: Sink>(&self, sink: S) -> Result<S> {
        let MessageInner { body, header, limits, .. } = self.inner();
        match &self.inner().schema {
            None => codec::decode_body(body, header.encoding, limits, sink),
            Some(schema) => schema.decode_into(body, header.encoding, limits, sink),
        }
    }

    /// Returns the encoded value in one block.
    ///
    /// If long arrays are in memory shared with the sender, the first call makes a copy and keeps it.
    pub fn body(&self) -> &Bytes {
        self.inner().body.whole()
    }

    /// Returns the memory of the encoded value; [`Message::walk_into`] passes slices of it.
    ///
    /// Long arrays may lie in read-only memory shared with the sender. An honest sender leaves them unchanged until the
    /// last view is dropped. A hostile sender can change their numbers at any time, but nothing else.
    pub fn memory(&self) -> &Body {
        &self.inner().body
    }

    /// Returns the encoding of the body.
    pub fn encoding(&self) -> Encoding {
        self.inner().header.encoding
    }

    /// Returns the number in the sender's session, from 1, or of a replayed message in the recording.
    pub fn sequence(&self) -> u64 {
        self.recorded_number().map_or_else(|| self.number(), |recorded| recorded.sequence)
    }

    /// Returns the time of sending, by the sender's clock.
    pub fn sent(&self) -> Timestamp {
        Timestamp(self.inner().header.sent)
    }

    /// Returns the sender's `client_id`, or its program's name and process number.
    pub fn source(&self) -> &str {
        self.recorded_number().map_or_else(|| &self.inner().source, |recorded| &recorded.sender.source)
    }

    /// Returns the endpoint of publication, for a subscriber to several names; otherwise `None`.
    pub fn name(&self) -> Option<&str> {
        match &self.inner().origin {
            Some(Origin::Name(name)) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn with_name(mut self, name: &Arc<str>) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.origin = Some(Origin::Name(name.clone()));
        }
        self
    }

    /// Returns how many messages were skipped just before this one, for a subscriber to only the newest.
    pub fn missed(&self) -> u64 {
        self.inner().missed
    }

    pub(crate) fn with_missed(mut self, missed: u64) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.missed = missed;
        }
        self
    }

    /// Returns the whole body while it lies in the sender's slot. Nobody may read a value from it.
    pub(crate) fn uncopied_body(&self) -> Option<&Bytes> {
        let split =
            self.inner().body.split().filter(|split| split.rest().is_empty() && !split.are_opaque())?;
        split.parts().first().map(|part| &part.bytes)
    }

    pub(crate) fn with_body(mut self, body: Body) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.body = body;
        }
        self
    }

    /// Copies the body into one block of this process. After `OutOfMemory` it stays in its place.
    pub(crate) fn copy_to_one_block(&mut self) -> Result<()> {
        let length = self.memory().len();
        let whole = self.uncopied_body().filter(|slot| slot.len() == length).cloned();
        if let Some(inner) =
            self.0.as_mut().and_then(triomphe::Arc::get_mut).filter(|inner| inner.body.split().is_some())
        {
            let mut block = buffers::take(length);
            memory::reserve(&mut block, length)?;
            match &whole {
                Some(slot) => crate::sys::memory::append(&mut block, slot),
                None => {
                    block.resize(length, 0);
                    inner.body.copy_to(&mut block);
                }
            }
            inner.body = buffers::bytes(block).into();
        }
        Ok(())
    }

    /// Returns the incarnation of the publisher or sender to which the number belongs.
    ///
    /// It is drawn at random when the sender opens the name or connects, so numbers of two incarnations are never
    /// confused. 0 for none, as in a file.
    pub fn incarnation(&self) -> u64 {
        self.recorded_number().map_or_else(|| self.session(), |recorded| recorded.sender.session)
    }

    pub(crate) fn session(&self) -> u64 {
        self.inner().session
    }

    /// Returns whether the sender waits for a reply.
    pub fn is_request(&self) -> bool {
        self.inner().header.kind == Kind::Request
    }
}

static EMPTY: LazyLock<triomphe::Arc<MessageInner>> = LazyLock::new(|| {
    triomphe::Arc::new(MessageInner {
        header: Header::new(Kind::Data, Encoding::Raw),
        body: Body::default(),
        source: "".into(),
        origin: None,
        limits: Limits::default(),
        missed: 0,
        session: 0,
        schemas: SchemaIds::default(),
        value: OnceLock::new(),
        array: Once::new(Value::Null),
        flat: AtomicU8::new(UNCHECKED),
        schema: None,
        owns_body: false,
        is_counted: false,
    })
});
