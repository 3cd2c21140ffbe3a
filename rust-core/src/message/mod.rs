//! What arrives and what is ready to leave: a header, a body, and the value in it.

pub(crate) mod failure;
pub(crate) mod withdrawal;

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::buffers;
use crate::codec::{self, EncodeOptions, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, spare};
use crate::schema::Held;
use crate::value::typed::{Decode, Typed};
use crate::value::{Limits, Sink, Source, Timestamp, Value, ValueBuilder, from_value};

/// A message that has arrived. Clones share the body, and any number of threads may read it.
#[derive(Clone, Debug)]
pub struct Message(
    /// There until the drop.
    Option<Arc<Inner>>,
);

#[derive(Debug)]
struct Inner {
    header: Header,
    body: Bytes,
    source: Arc<str>,
    limits: Limits,
    missed: u64,
    session: u64,
    value: OnceLock<Value>,
    /// What the value is checked against while it is decoded.
    schema: Option<Arc<Held>>,
    /// Whether the body has memory of its own, aligned to 8, and is no view of something larger.
    owns_body: bool,
}

impl Message {
    /// What came from this source, under a number of this session of it; 0 where there is none.
    pub(crate) fn new(frame: Incoming, source: &Arc<str>, limits: Limits, session: u64) -> Message {
        let Incoming { header, body, .. } = frame;
        let mut last = LAST.try_with(|last| last.try_borrow_mut().ok()?.pop()).ok().flatten();
        if let Some(place) = last.as_mut().and_then(Arc::get_mut) {
            spare::keep(std::mem::replace(&mut place.body, body));
            if !Arc::ptr_eq(&place.source, source) {
                place.source.clone_from(source);
            }
            (place.header, place.limits, place.missed, place.session) = (header, limits, 0, session);
            place.value.take();
            (place.schema, place.owns_body) = (None, false);
            return Message(last);
        }
        let value = OnceLock::new();
        Message(Some(Arc::new(Inner {
            header,
            body,
            source: source.clone(),
            limits,
            missed: 0,
            session,
            value,
            schema: None,
            owns_body: false,
        })))
    }

    /// A short message whose body `fill` writes, in the memory of the last one where that has the same length: what lies in a ring is
    /// copied to where the program reads it, and nothing of it is moved.
    #[inline]
    pub(crate) fn filled(
        header: Header,
        source: &Arc<str>,
        limits: &Limits,
        session: u64,
        fill: impl FnOnce(&mut [u8]),
    ) -> Message {
        let mut last = LAST.try_with(|last| last.try_borrow_mut().ok()?.pop()).ok().flatten();
        let mut place = last.as_mut().and_then(Arc::get_mut);
        let spare = match &mut place {
            Some(place) if place.owns_body => std::mem::take(&mut place.body),
            _ => Bytes::new(),
        };
        let body = spare::refill(spare, header.body as usize, fill);
        if let Some(place) = place {
            (place.body, place.owns_body) = (body, true);
            if !Arc::ptr_eq(&place.source, source) {
                place.source.clone_from(source);
            }
            (place.header, place.limits, place.missed, place.session) = (header, *limits, 0, session);
            place.value.take();
            place.schema = None;
            return Message(last);
        }
        Message::first_filled(header, body, source, limits, session)
    }

    #[cold]
    fn first_filled(
        header: Header,
        body: Bytes,
        source: &Arc<str>,
        limits: &Limits,
        session: u64,
    ) -> Message {
        let source = source.clone();
        let (limits, missed, value, schema) = (*limits, 0, OnceLock::new(), None);
        let owns_body = true;
        Message(Some(Arc::new(Inner {
            header,
            body,
            source,
            limits,
            missed,
            session,
            value,
            schema,
            owns_body,
        })))
    }

    /// The same message, whose value is checked while it is decoded.
    pub(crate) fn held_to(mut self, schema: Option<&Arc<Held>>) -> Message {
        if let Some(schema) = schema
            && let Some(inner) = self.0.as_mut().and_then(Arc::get_mut)
        {
            inner.schema = Some(schema.clone());
        }
        self
    }

    fn inner(&self) -> &Inner {
        self.0.as_ref().unwrap_or_else(|| &NOTHING)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.inner().header
    }

    /// The value, decoded at the first call and kept.
    pub fn value(&self) -> Result<&Value> {
        if let Some(value) = self.inner().value.get() {
            return Ok(value);
        }
        let value = self.decode()?;
        Ok(self.inner().value.get_or_init(|| value))
    }

    /// The value at this path; `Missing` (104) or `WrongType` (109) say what stands there instead.
    pub fn get(&self, path: &str) -> Result<&Value> {
        self.value()?.at(path)
    }

    /// The value as a type of the program's own. `Missing`, `WrongType` and `OutOfRange` say where it is not one.
    ///
    /// ```
    /// # use linkspan::{Message, Result};
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

    /// The value as a type that `linkspan schema generate` wrote, decoded without a tree in between; long arrays and blocks of bytes
    /// are views of [`Message::body`]. `Missing`, `WrongType` and `OutOfRange` say where it is not one.
    pub fn typed<T: Decode>(&self) -> Result<T> {
        self.walk_into(Typed::sharing(self.inner().body.clone()))?.finish()
    }

    fn decode(&self) -> Result<Value> {
        self.walk_into(ValueBuilder::sharing(self.inner().body.clone()))?.finish()
    }

    /// Decodes straight into a Sink; arrays reach it as slices of [`Message::body`] where their form allows it.
    pub fn walk_into<S: Sink>(&self, sink: S) -> Result<S> {
        let Inner { body, header, limits, .. } = self.inner();
        match &self.inner().schema {
            None => codec::decode_into(body, header.encoding, limits, sink),
            Some(schema) => schema.decode_into(body, header.encoding, limits, sink),
        }
    }

    /// The encoded value.
    pub fn body(&self) -> &Bytes {
        &self.inner().body
    }

    /// How the body is written.
    pub fn encoding(&self) -> Encoding {
        self.inner().header.encoding
    }

    /// Its number in the sender's session, from 1.
    pub fn sequence(&self) -> u64 {
        self.inner().header.sequence
    }

    /// When it was sent, by the sender's clock.
    pub fn sent(&self) -> Timestamp {
        Timestamp(self.inner().header.sent)
    }

    /// Who sent it: its `client_id`, else its program's name and process number.
    pub fn source(&self) -> &str {
        &self.inner().source
    }

    /// How many messages were skipped just before this one, for a subscriber that asked for the newest only.
    pub fn missed(&self) -> u64 {
        self.inner().missed
    }

    pub(crate) fn with_missed(mut self, missed: u64) -> Message {
        if let Some(inner) = self.0.as_mut().and_then(Arc::get_mut) {
            inner.missed = missed;
        }
        self
    }

    /// The incarnation of the publisher or sender that its number belongs to: drawn at random when that opened the name or
    /// connected, so that numbers of two are never taken for each other. 0 where there is none, as in a file.
    pub fn incarnation(&self) -> u64 {
        self.inner().session
    }

    pub(crate) fn session(&self) -> u64 {
        self.inner().session
    }

    /// Whether the sender waits for an answer.
    pub fn is_request(&self) -> bool {
        self.inner().header.kind == Kind::Request
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        // The last one who has it leaves a small one to the next message; who asks is alone with it, or gets the answer no.
        if let Some(mut inner) = self.0.take()
            && inner.body.len() <= spare::LONGEST
            && Arc::strong_count(&inner) == 1
        {
            // What was decoded is not kept with it.
            if inner.value.get().is_some()
                && let Some(place) = Arc::get_mut(&mut inner)
            {
                place.value.take();
            }
            // At a thread's end there is nobody to leave it to.
            let _ = LAST.try_with(|last| {
                if let Ok(mut last) = last.try_borrow_mut()
                    && last.len() < BATCH
                {
                    last.push(inner);
                }
            });
        }
    }
}

thread_local! {
    /// The small messages that this thread has done with last: their memory is that of the next ones.
    static LAST: RefCell<Vec<Arc<Inner>>> = const { RefCell::new(Vec::new()) };
}

/// So many are kept for each thread: as many as come together.
const BATCH: usize = 64;

/// What a message would be that is being dropped.
static NOTHING: LazyLock<Arc<Inner>> = LazyLock::new(|| {
    Arc::new(Inner {
        header: Header::new(Kind::Data, Encoding::Raw),
        body: Bytes::new(),
        source: "".into(),
        limits: Limits::default(),
        missed: 0,
        session: 0,
        value: OnceLock::new(),
        schema: None,
        owns_body: false,
    })
});

/// An encoded value, ready to be sent as often as need be.
#[derive(Clone, Debug)]
pub struct Payload {
    encoding: Encoding,
    body: Bytes,
}

impl Payload {
    /// Encodes a value; arrays are placed so that the receiver can use them where they lie.
    pub fn new<T: Source + ?Sized>(value: &T, encoding: Encoding, limits: &Limits) -> Result<Payload> {
        Payload::held_to(None, value, encoding, limits)
    }

    /// The same, checked against a schema while it is encoded.
    pub(crate) fn held_to<T: Source + ?Sized>(
        schema: Option<&Arc<Held>>,
        value: &T,
        encoding: Encoding,
        limits: &Limits,
    ) -> Result<Payload> {
        let mut body = Vec::new();
        let options = EncodeOptions { limits: *limits, align: true, ..EncodeOptions::default() };
        match schema {
            None => codec::encode_into(value, encoding, &options, &mut body)?,
            Some(schema) => schema.encode_into(value, encoding, &options, &mut body)?,
        }
        Ok(Payload { encoding, body: buffers::bytes(body) })
    }

    /// Bytes that are encoded already; they are not looked at.
    pub fn from_bytes(encoding: Encoding, body: Bytes) -> Payload {
        Payload { encoding, body }
    }

    /// How the body is written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The encoded value.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Refuses what the other side said that it will not take.
    pub(crate) fn check(&self, limit: u64) -> Result<()> {
        let size = self.body.len() as u64;
        if size <= limit {
            return Ok(());
        }
        let text = format!(
            "over the message limit: {size} bytes asked, {limit} allowed by the narrower of the two sides (option limit)"
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }
}
