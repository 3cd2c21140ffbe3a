//! A received message and a payload to be sent: a header, a body, and the value in it.
//!
//! Transports deliver an [`Incoming`]; the channel layer makes a [`Message`] of it, which the program reads.
//! The value is decoded when it is first needed and kept. Messages are recycled (`recycled`), so receiving small
//! messages in a loop allocates nothing. A [`Payload`] is the opposite direction: an encoded value that may be sent
//! more than once, for replay and to several peers.

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

/// A message that was received. Clones share the body, and any number of threads may read it.
#[derive(Clone)]
pub struct Message(
    /// `None` only during the drop.
    Option<triomphe::Arc<MessageInner>>,
);

/// Not the content: it may be as long as the memory allows, and the reason of a failed assertion has it in its text.
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

/// The shared part of a message, which is recycled.
struct MessageInner {
    header: Header,
    body: Body,
    /// The sender's name, for [`Message::source`].
    source: Arc<str>,
    /// What is said beside the header of where it comes from; the drop takes it.
    origin: Option<Origin>,
    /// The limits of decoding, from the receiver's options.
    limits: Limits,
    /// The number of messages that were skipped before this one.
    missed: u64,
    /// The sender's incarnation, 0 for none.
    session: u64,
    /// Which schemas the sender and this side have.
    schemas: SchemaIds,
    /// The decoded value, once it was needed.
    value: OnceLock<Value>,
    /// The array that was looked up first in a body with parts, while no value was needed.
    array: Once<Value>,
    /// Whether the body is a flat map: [`UNCHECKED`], [`FLAT`], [`FLAT_ARRAYS`] or [`NOT_FLAT`]. Every thread finds
    /// the same, so no order is needed.
    flat: AtomicU8,
    /// The schema that the value is checked against while it is decoded.
    schema: Option<Arc<PreparedSchema>>,
    /// Whether the body has its own memory, aligned to 8, and is not a view of something larger.
    owns_body: bool,
    /// Whether that memory is in the form that is rewritten fast.
    is_counted: bool,
}

/// Where a message comes from, beside what its header says.
#[derive(Clone)]
enum Origin {
    /// The endpoint, for a subscriber to several names.
    Name(Arc<str>),
    /// A recording, of which it keeps number and sender. Its own ones are those of the connection.
    Recording(Arc<RecordedNumber>),
}

/// Number and sender of a message in a recording.
struct RecordedNumber {
    sequence: u64,
    sender: Sender,
}

/// Who sent a message.
#[derive(Clone, Copy)]
pub(crate) struct ReceivedFrom<'a> {
    /// See [`Message::source`].
    pub source: &'a Arc<str>,
    /// The sender's session, 0 for none.
    pub session: u64,
    /// Which schemas the sender and this side have.
    pub schemas: SchemaIds,
}

/// Values of [`MessageInner::flat`].
const UNCHECKED: u8 = 0;
const FLAT: u8 = 1;
const NOT_FLAT: u8 = 2;
const FLAT_ARRAYS: u8 = 3;

impl Message {
    /// Returns the same message, whose value is checked while it is decoded.
    pub(crate) fn with_schema(mut self, schema: Option<&Arc<PreparedSchema>>) -> Message {
        if let Some(schema) = schema
            && let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut)
        {
            inner.schema = Some(schema.clone());
        }
        self
    }

    /// Returns the shared part; [`EMPTY`] only while the message is being dropped.
    fn inner(&self) -> &MessageInner {
        self.0.as_ref().unwrap_or_else(|| &EMPTY)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.inner().header
    }

    /// Returns its number on the connection, which is acknowledged.
    pub(crate) fn number(&self) -> u64 {
        self.inner().header.sequence
    }

    /// Returns number and sender in the recording that it is of.
    fn recorded_number(&self) -> Option<&RecordedNumber> {
        match &self.inner().origin {
            Some(Origin::Recording(recorded)) => Some(recorded),
            _ => None,
        }
    }

    /// Returns the same message with number and sender of a recording.
    pub(crate) fn with_recorded(mut self, (sender, sequence): (Sender, u64)) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.origin = Some(Origin::Recording(Arc::new(RecordedNumber { sequence, sender })));
        }
        self
    }

    /// Returns the value, decoded at the first call and kept.
    ///
    /// # Errors
    ///
    /// Those of [`codec::decode`], and of the schema where the object has one.
    pub fn value(&self) -> Result<&Value> {
        if let Some(value) = self.inner().value.get() {
            return Ok(value);
        }
        let value = self.decode()?;
        Ok(self.inner().value.get_or_init(|| value))
    }

    /// Returns the body where it is a short map of scalars in CBOR, checked as decoding would check it: its
    /// entries are read without a tree. `None` for any other body, and where a schema checks the value.
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

    /// Passes the value at this path to `what`, where the body is a short map of scalars and long arrays in CBOR, the
    /// arrays stored elsewhere, as decoding would give it: without a tree. `None` for any other body, where a schema
    /// checks the value, and where no entry has the path as its key.
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

    /// Returns the bytes of the value, where it is one short text in CBOR that no schema checks. They are not
    /// checked to be UTF-8; where they are, the value is this text.
    pub fn text_alone(&self) -> Option<&[u8]> {
        self.short_cbor().and_then(codec::text_alone)
    }

    /// Returns the entries of a body that may be a short map of scalars in CBOR, which is not checked yet. `None` for
    /// any other body, and where a schema checks the value.
    pub fn flat_entries(&self) -> Option<FlatMap<'_>> {
        FlatMap::within(self.short_cbor()?, &self.inner().limits)
    }

    /// Returns the value where it is one long array in memory that is shared with the sender, and no schema checks it:
    /// a view, as decoding gives it, with fewer steps. `None` for any other value.
    pub fn long_array(&self) -> Option<NdArray> {
        let MessageInner { body, header, limits, schema, .. } = self.inner();
        let is_plain = header.encoding == Encoding::Cbor && schema.is_none() && body.split().is_some();
        if is_plain { codec::read_long_array(body, limits) } else { None }
    }

    /// Returns the body where it is in CBOR and in one block, and within every limit if it is short.
    fn short_cbor(&self) -> Option<&[u8]> {
        let MessageInner { body, header, limits, schema, .. } = self.inner();
        let is_plain = header.encoding == Encoding::Cbor && schema.is_none() && body.split().is_none();
        (is_plain && limits.allow_flat(body.len())).then(|| &body.whole()[..])
    }

    /// Returns the value at this path: keys and positions from zero, joined by `/` (`rows/0/name`); in a key `~1` is a
    /// `/` and `~0` a `~`, and the empty path is the whole value. `Missing` (104) or `WrongType` (109) with the
    /// existing keys or kind.
    pub fn get(&self, path: &str) -> Result<&Value> {
        match self.flat_array(path) {
            Some(array) => Ok(array),
            None => self.value()?.at(path),
        }
    }

    /// Returns the array at this path where it lies in memory that is shared with the sender, without a tree: a program
    /// that reads one array of a message needs no more. `None` for all else, and for a second array.
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
                    // Where another thread does the same just now, the whole value is decoded.
                    inner.array.put(write)?
                }
            };
            // Elements at one place in one form are one array, whichever key they have.
            let Value::NdArray(kept) = found else { return None };
            let form = (kept.dtype, kept.order, &kept.shape[..], kept.data.as_ptr_range());
            (form == (dtype, order, shape, data.as_ptr_range())).then_some(found)
        })?
    }

    /// Returns the value as a type of the program's own. `Missing`, `WrongType` and `OutOfRange`
    /// with the path where it does not fit.
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

    /// Returns the value as a type that `linkspan schema generate` wrote, decoded without a tree in
    /// between; long arrays and blocks of bytes are views of [`Message::memory`]. `Missing`,
    /// `WrongType` and `OutOfRange` with the path where it does not fit.
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

    /// Decodes directly into a Sink; arrays reach it as slices of [`Message::memory`] where their
    /// form allows it.
    pub fn walk_into<S: Sink>(&self, sink: S) -> Result<S> {
        let MessageInner { body, header, limits, .. } = self.inner();
        match &self.inner().schema {
            None => codec::decode_body(body, header.encoding, limits, sink),
            Some(schema) => schema.decode_into(body, header.encoding, limits, sink),
        }
    }

    /// Returns the encoded value. Where long arrays of it are in memory that is shared with the
    /// sender, this is a copy, made at the first call and kept.
    pub fn body(&self) -> &Bytes {
        self.inner().body.whole()
    }

    /// Returns the memory of the encoded value, of which [`Message::walk_into`] passes slices.
    ///
    /// Long arrays may be in memory that is shared with the sender and can only be read: an honest
    /// sender leaves them unchanged until the last view is dropped; a hostile one may change their
    /// numbers at any time, and nothing else.
    pub fn memory(&self) -> &Body {
        &self.inner().body
    }

    /// Returns the encoding of the body.
    pub fn encoding(&self) -> Encoding {
        self.inner().header.encoding
    }

    /// Returns the number in the sender's session, from 1; of a message that is replayed, the number in the recording.
    pub fn sequence(&self) -> u64 {
        self.recorded_number().map_or_else(|| self.number(), |recorded| recorded.sequence)
    }

    /// Returns the time of sending, by the sender's clock.
    pub fn sent(&self) -> Timestamp {
        Timestamp(self.inner().header.sent)
    }

    /// Returns the sender's `client_id`, else its program's name and process number.
    pub fn source(&self) -> &str {
        self.recorded_number().map_or_else(|| &self.inner().source, |recorded| &recorded.sender.source)
    }

    /// Returns the endpoint that it was published at, with its transport, where the subscriber has several names;
    /// none otherwise.
    pub fn name(&self) -> Option<&str> {
        match &self.inner().origin {
            Some(Origin::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// Returns the same message with the endpoint that it was published at.
    pub(crate) fn with_name(mut self, name: &Arc<str>) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.origin = Some(Origin::Name(name.clone()));
        }
        self
    }

    /// Returns the number of messages that were skipped just before this one, for a subscriber that
    /// receives only the newest.
    pub fn missed(&self) -> u64 {
        self.inner().missed
    }

    pub(crate) fn with_missed(mut self, missed: u64) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.missed = missed;
        }
        self
    }

    /// Returns the whole body where it still lies in the sender's slot; no one may read anything from it.
    pub(crate) fn uncopied_body(&self) -> Option<&Bytes> {
        let split =
            self.inner().body.split().filter(|split| split.rest().is_empty() && !split.are_opaque())?;
        split.parts().first().map(|part| &part.bytes)
    }

    /// Returns the message with this body, which is its own in memory of this process.
    pub(crate) fn with_body(mut self, body: Body) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(triomphe::Arc::get_mut) {
            inner.body = body;
        }
        self
    }

    /// Copies the body into one block of memory of this process, where it is not in one.
    ///
    /// # Errors
    /// `OutOfMemory`: it stays where it is.
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

    /// Returns the incarnation of the publisher or sender that the number belongs to: drawn at
    /// random when it opened the name or connected, so that numbers of two incarnations are never
    /// confused. 0 where there is none, as in a file.
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

/// What [`Message::inner`] returns while a message is being dropped.
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
