//! The source of a subscriber: the publisher's ring, a stream, or a store.
//!
//! A [`Feed`] is one connection to one publisher. After its end, the subscriber makes the next one and passes on the
//! last position ([`After`]). A ring and a journal count missed messages (`Lagged`). Over a stream and from a file,
//! missed messages are a gap between two numbers ([`Feed::gap`]).

use std::os::fd::BorrowedFd;

use super::last_number::PeerLast;
use super::store;
use crate::channel::Options;
use crate::channel::asking::{Pending, Progress};
use crate::channel::dial::Dialling;
use crate::channel::handshake::{After, Hello};
use crate::channel::link::{owner_of, qualify};
use crate::channel::pattern::Pattern;
use crate::channel::schema_negotiation::stored::RecordSchemas;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result, memory};
use crate::frame::{Header, Incoming, Kind};
use crate::message::{BodyMemory, Message, ReceivedFrom, SchemaIds};
use crate::transport::broadcast::{FastLinked, Start, SubscriberOffer, ViewCount, not_rising};
use crate::transport::endpoint::Endpoint;
use crate::transport::extension::LastSender;
use crate::transport::hello::AnsweredCall;
use crate::transport::kind::Transport;
use crate::transport::place::Place;
use crate::transport::{BodyViews, Rx};
use crate::value::Limits;

pub struct Feed {
    rx: Rx,
    /// The part of bodies in slots that stays there, for calls that return messages.
    body_views: BodyViews,
    is_store: bool,
    pub session: u64,
    /// The schemas of the publisher and of this side. Each record of a store names its writer's schema.
    schema_ids: SchemaIds,
    pub source: std::sync::Arc<str>,
    /// The last number from a stream or file. `None` if the first message begins the count.
    sequence: Option<u64>,
    last: PeerLast,
    /// The number before the first delivered message. `None` if the publisher did not tell its newest number.
    pub before: Option<u64>,
    pub has_schema: bool,
    /// Compares the schema of each record, for a journal and a program with a schema.
    schemas: Option<RecordSchemas>,
    last_sender: LastSender,
    /// A record whose schema does not fit. It stays the next one: no record is skipped.
    refused: Option<Incoming>,
}

pub struct PendingFeed {
    own_hello: Hello,
    pending: Pending<SubscriberOffer>,
}

impl PendingFeed {
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.pending.descriptor()
    }

    pub fn under_way(&self) -> &Pending<SubscriberOffer> {
        &self.pending
    }
}

#[allow(clippy::large_enum_variant, reason = "one a step, and taken apart at once")]
pub enum FeedStart {
    Anew(Option<After>),
    Pending(PendingFeed),
}

#[allow(clippy::large_enum_variant, reason = "one a step, and taken apart at once")]
pub enum FeedProgress {
    Connected(Feed),
    Pending(PendingFeed),
}

fn hello(transport: Transport, options: &Options, resume: Option<After>) -> Result<Hello> {
    let mut hello = Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
    hello.slots = transport.capabilities().slots;
    hello.after = resume;
    hello.last_number = transport.driver().brings_memory();
    Ok(hello)
}

/// How completely a subscriber has an ended publisher's messages. `read` is the last number that it received or
/// counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedEnd {
    Whole,
    Lacks { read: u64, last: u64 },
    Unknown { read: u64 },
}

pub enum Polled {
    Frame(Incoming),
    Empty,
    Ignored,
    Moved,
}

impl Feed {
    /// Begins or continues to connect to the publisher, without waiting. A resumed feed reads no message twice, and
    /// reads a newly started publisher from its beginning; other feeds begin with the newest message. `views` counts
    /// the subscriber's views over all its feeds. Fails with `NotFound` without a publisher, `Stalled` if it is busy or
    /// late, or the reason of its refusal.
    pub fn begin(
        dialling: &Dialling<'_>,
        transport: Transport,
        options: &Options,
        begun: FeedStart,
        views: &mut ViewCount,
    ) -> Result<FeedProgress> {
        let offer = |session| SubscriberOffer::new(transport, session);
        let (own_hello, progress) = match begun {
            FeedStart::Anew(resume) => {
                let own_hello = hello(transport, options, resume)?;
                let progress = dialling.begin(&own_hello, || offer(own_hello.session))?;
                (own_hello, progress)
            }
            FeedStart::Pending(pending) => (pending.own_hello, Progress::Pending(pending.pending)),
        };
        Ok(match dialling.go_on(progress, &own_hello, || offer(own_hello.session))? {
            Progress::Pending(pending) => FeedProgress::Pending(PendingFeed { own_hello, pending }),
            Progress::Connected(called, peer_hello, offer) => {
                FeedProgress::Connected(Feed::join(&own_hello, called, &peer_hello, offer, options, views)?)
            }
        })
    }

    fn join(
        own_hello: &Hello,
        mut called: AnsweredCall,
        peer_hello: &Hello,
        offer: SubscriberOffer,
        options: &Options,
        views: &mut ViewCount,
    ) -> Result<Feed> {
        Pattern::Publish.fits(peer_hello.pattern)?;
        let owner = owner_of(&called.stream, called.credentials.as_ref());
        let source = qualify(&owner, peer_hello.source()).into();
        // Messages before a relay's start do not count as missed.
        let begin = peer_hello.first.saturating_sub(1);
        let after_number =
            own_hello.after.map(|after| after.in_session(peer_hello.session, peer_hello.first));
        let (start, before) = match (after_number, peer_hello.after) {
            (Some(number), _) => (Start::After(number), Some(number)),
            (None, Some(After { number: 0, .. })) => (Start::After(begin), Some(begin)),
            (None, Some(newest)) => (Start::With(newest.number), Some(newest.number.saturating_sub(1))),
            (None, None) => (Start::Newest, None),
        };
        let mut last = PeerLast::default();
        if own_hello.last_number {
            last = PeerLast::of(std::mem::take(&mut called.descriptors))?;
            // No more descriptors are allowed.
            called.stream.refuse_descriptors();
        }
        let limit = options.max_message_size;
        let rx = offer.join(called, peer_hello.session, limit, start, options.spin, views)?;
        let is_checked = options.checks_received().is_some();
        Ok(Feed {
            rx,
            body_views: if is_checked { BodyViews::None } else { options.body_views() },
            is_store: false,
            has_schema: !peer_hello.schemas.is_empty(),
            session: peer_hello.session,
            schema_ids: SchemaIds::agreed(peer_hello.schemas.first(), options.schema.as_ref()),
            source,
            sequence: before,
            last,
            before,
            schemas: None,
            last_sender: LastSender::default(),
            refused: None,
        })
    }

    /// Opens the store of an endpoint, which may not exist yet.
    pub fn of_store(endpoint: &Endpoint, options: &Options) -> Result<Feed> {
        let rx = store::watch(endpoint, options)?;
        let schemas = match endpoint.transport().capabilities().history {
            true => RecordSchemas::of(options, Place::of(endpoint)?),
            false => None,
        };
        let (source, sequence) = ("".into(), None);
        Ok(Feed {
            rx,
            body_views: BodyViews::None,
            is_store: true,
            has_schema: schemas.is_some(),
            session: 0,
            schema_ids: SchemaIds::agreed(None, options.schema.as_ref()),
            source,
            sequence,
            last: PeerLast::default(),
            before: None,
            schemas,
            last_sender: LastSender::default(),
            refused: None,
        })
    }

    pub fn message(&mut self, frame: Incoming, limits: Limits) -> Message {
        let mut schemas = self.schema_ids;
        if self.is_store {
            schemas.sender = frame.header.schema;
        }
        let origin = ReceivedFrom { source: &self.source_of(&frame), session: self.session, schemas };
        Message::new(frame, origin, limits)
    }

    fn source_of(&mut self, frame: &Incoming) -> std::sync::Arc<str> {
        if self.is_store
            && let Ok(Some(sender)) = self.last_sender.read(&frame.extension)
        {
            return sender.source.clone();
        }
        self.source.clone()
    }

    /// Adds the known reason to a timeout, for instance a missing file.
    pub fn explain(&self, error: Error) -> Error {
        let why = if error.kind() == ErrorKind::Timeout { self.rx.why_nothing() } else { None };
        why.unwrap_or(error)
    }

    /// Returns the next message if it is on the fast path of a ring, and changes nothing. With `spins`, spins first,
    /// instead of the next wait ([`Feed::wait_briefly`]).
    #[inline]
    pub fn peek_fast(&mut self, spins: bool) -> Option<FastLinked> {
        self.rx.peek_fast(spins)
    }

    /// Takes the message that [`Feed::peek_fast`] has just returned, in memory of its length. None if the publisher
    /// overwrote it in the meantime: then nothing has changed.
    #[inline]
    pub fn take_fast<P: BodyMemory>(
        &mut self,
        fast: &FastLinked,
        mut place: P,
        limits: &Limits,
    ) -> Option<P::Output> {
        if !self.rx.take_fast(fast, place.body()) {
            return None;
        }
        let what = (fast.sequence, fast.encoding(), fast.sent);
        let origin = ReceivedFrom { source: &self.source, session: self.session, schemas: self.schema_ids };
        Some(place.finish((Kind::Data, 0), what, origin, limits))
    }

    /// [`Feed::take_fast`] in new memory.
    #[inline(never)]
    pub fn take_fast_anew(&mut self, fast: &FastLinked, limits: &Limits) -> Option<Message> {
        let (sequence, sent, body) = (fast.sequence, fast.sent, fast.length() as u64);
        let header = Header { sequence, sent, body, ..Header::new(Kind::Data, fast.encoding()) };
        let mut taken = false;
        let take = |body: &mut [u8]| taken = self.rx.take_fast(fast, body);
        let origin = ReceivedFrom { source: &self.source, session: self.session, schemas: self.schema_ids };
        let message = Message::filled(header, origin, limits, take);
        taken.then_some(message)
    }

    /// Returns the next frame without waiting. Fails with `Lagged`, once for each gap, and `Disconnected` after the
    /// publisher's end. With `whole` a body in a slot stays there, for a call that copies it at once.
    pub fn poll(&mut self, whole: bool) -> Result<Polled> {
        self.rx.view_bodies(if whole { BodyViews::Whole } else { self.body_views }, BodyViews::None);
        let next = match self.refused.take() {
            None => {
                let received = self.rx.try_recv();
                received.map_err(|error| skip_unkept(&mut self.rx, &mut self.sequence, error))?
            }
            refused => refused,
        };
        match next {
            Some(frame) if self.is_store || frame.header.kind == Kind::Data => {
                self.check_number(&frame.header)?;
                if let Err(error) = self.check(&frame) {
                    self.refused = Some(frame);
                    return Err(error);
                }
                Ok(Polled::Frame(frame))
            }
            Some(frame) => {
                if frame.header.kind == Kind::Bye {
                    self.last.said(&frame.header);
                }
                Ok(Polled::Ignored)
            }
            None => Ok(self.without_frame()),
        }
    }

    /// Fails with `Malformed` if the number of a message does not rise.
    ///
    /// Missed messages could not be counted then. A half that counts missed messages checks that itself.
    fn check_number(&self, header: &Header) -> Result<()> {
        let last = if self.rx.counts_missed() { 0 } else { self.sequence.unwrap_or(0) };
        if self.is_store || header.sequence > last { Ok(()) } else { Err(not_rising(header.sequence, last)) }
    }

    /// Compares the schema of a record. A schema is stored before the first record that names it.
    fn check(&mut self, frame: &Incoming) -> Result<()> {
        self.schemas.as_mut().map_or(Ok(()), |schemas| schemas.check(&frame.header))
    }

    fn without_frame(&self) -> Polled {
        if self.rx.has_moved() { Polled::Moved } else { Polled::Empty }
    }

    /// Returns the messages of an ended publisher that are missing over a stream. Afterwards, the feed counts them as
    /// read.
    pub fn end(&mut self) -> FeedEnd {
        if self.is_store || self.rx.counts_missed() {
            return FeedEnd::Whole;
        }
        match (self.sequence, self.last.number()) {
            // The first message would have told where this subscriber begins.
            (None, Some(_)) => FeedEnd::Whole,
            (read, None) => FeedEnd::Unknown { read: read.unwrap_or(0) },
            (Some(read), Some(last)) if last <= read => FeedEnd::Whole,
            (Some(read), Some(last)) => {
                self.sequence = Some(last);
                FeedEnd::Lacks { read, last }
            }
        }
    }

    pub fn has_several(&self) -> bool {
        self.rx.has_several()
    }

    /// Returns the newest frame, even if it was read before. `None` for a stream, which must be read to its end.
    pub fn newest(&mut self) -> Result<Option<Polled>> {
        if !self.rx.keeps_newest() {
            return Ok(None);
        }
        let Some(frame) = self.rx.newest()? else { return Ok(Some(self.without_frame())) };
        self.check_number(&frame.header)?;
        self.check(&frame)?;
        Ok(Some(Polled::Frame(frame)))
    }

    /// Returns the number of missing messages before this one; 0 if the half counts them.
    pub fn gap(&mut self, frame: &Incoming) -> u64 {
        if self.rx.counts_missed() {
            return 0;
        }
        let sequence = frame.header.sequence;
        let previous = self.sequence.replace(sequence);
        previous.map_or(0, |previous| sequence.saturating_sub(previous.saturating_add(1)))
    }

    /// Records that messages up to this number are consumed; a journal stores that.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        self.rx.consumed_to(sequence)
    }

    /// Returns the start of the next feed; `None` if nothing was read.
    pub fn resume_point(&self) -> Option<After> {
        let number = match self.rx.counts_missed() {
            true => self.rx.counted_to()?,
            false if self.is_store => return None,
            false => self.sequence.unwrap_or(0),
        };
        Some(After { session: self.session, number })
    }

    /// Returns whether the feed is kept after this error. A journal's reader continues with the replacing journal; a
    /// new one would begin at its newest record.
    pub fn reconnects(&mut self, error: &Error) -> bool {
        let reconnects = self.rx.keeps_place();
        if reconnects && error.kind() == ErrorKind::Disconnected {
            self.schemas.iter_mut().for_each(RecordSchemas::forget);
        }
        reconnects
    }

    pub fn wait_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        drive::published_soon(&mut self.rx, waiting)
    }

    pub fn park(&mut self) -> Result<bool> {
        self.rx.park()
    }

    pub fn has_next(&self) -> bool {
        self.rx.has_next()
    }

    pub fn unpark(&mut self) {
        self.rx.unpark();
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.rx.descriptors()
    }
}

/// Skips a message for which memory was lacking. It counts as missed, because its publisher does not wait. The error
/// has the number, including earlier missed messages.
fn skip_unkept(rx: &mut Rx, last: &mut Option<u64>, error: Error) -> Error {
    if error.kind() != ErrorKind::OutOfMemory {
        return error;
    }
    // The half has validated the header. A ring has already passed and counted the message.
    let Ok(Some(skipped)) = rx.skip_if(|header| header.kind == Kind::Data) else { return error };
    let sequence = skipped.header.sequence;
    let before = last.replace(sequence);
    let between = before.map_or(0, |last| sequence.saturating_sub(last.saturating_add(1)));
    memory::missed(error, between)
}
