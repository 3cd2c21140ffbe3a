//! The source of a subscriber: the publisher's ring, a stream, or a store.
//!
//! A [`Feed`] is one connection to one publisher; the subscriber makes the next one when it ends,
//! and passes on where the last one stopped ([`After`]). It receives from the half of a link, like a channel, but for
//! what the half says of itself: whether it counts missed messages (a ring and a journal report them, `Lagged`; over a
//! stream and from a file they are the gap between two numbers, [`Feed::gap`]), whether the newest message is at hand,
//! whether the publisher has moved.

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
use crate::message::{BodyMemory, Message, ReceivedFrom, ReusedMessage, SchemaIds};
use crate::transport::broadcast::{FastLinked, Start, SubscriberOffer, ViewCount, not_rising};
use crate::transport::endpoint::Endpoint;
use crate::transport::extension::LastSender;
use crate::transport::hello::AnsweredCall;
use crate::transport::kind::Transport;
use crate::transport::place::Place;
use crate::transport::{BodyViews, Rx};
use crate::value::Limits;

/// A subscription that is connected. Used by the thread that receives.
pub struct Feed {
    rx: Rx,
    /// Whether it reads a store.
    is_store: bool,
    /// The publisher's session; 0 for a store.
    pub session: u64,
    /// Which schemas the publisher and this side have; of a store, each record names that of its writer.
    schema_ids: SchemaIds,
    /// The publisher's source; empty for a store, where each record names its own.
    pub source: std::sync::Arc<str>,
    /// The last number from a stream or a file; none where the first one begins the count.
    sequence: Option<u64>,
    /// What there is of the publisher's last number, over a stream.
    last: PeerLast,
    /// The number before the first that is delivered; none where the publisher has not told its newest.
    pub before: Option<u64>,
    /// Whether the publisher gave a schema.
    pub has_schema: bool,
    /// For a journal and a program with a schema: compares the schema of each record with it.
    schemas: Option<RecordSchemas>,
    /// The sender that the last record named.
    last_sender: LastSender,
    /// A record whose schema does not fit. It stays the next one, so that nothing is delivered in
    /// its place.
    refused: Option<Incoming>,
}

/// A connection whose publisher has not answered yet.
pub struct PendingFeed {
    own_hello: Hello,
    pending: Pending<SubscriberOffer>,
}

impl PendingFeed {
    /// Returns the descriptor that is readable once the publisher may have answered.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.pending.descriptor()
    }

    /// Returns the attempt.
    pub fn under_way(&self) -> &Pending<SubscriberOffer> {
        &self.pending
    }
}

/// What [`Feed::begin`] goes on with: where the last feed stopped, or a connection that was begun.
#[allow(clippy::large_enum_variant, reason = "one a step, and taken apart at once")]
pub enum FeedStart {
    Anew(Option<After>),
    Pending(PendingFeed),
}

/// What [`Feed::begin`] returns.
#[allow(clippy::large_enum_variant, reason = "one a step, and taken apart at once")]
pub enum FeedProgress {
    Connected(Feed),
    Pending(PendingFeed),
}

/// Returns the hello of a subscriber.
fn hello(transport: Transport, options: &Options, resume: Option<After>) -> Result<Hello> {
    let mut hello = Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
    hello.slots = transport.capabilities().slots;
    hello.after = resume;
    hello.last_number = transport.driver().brings_memory();
    Ok(hello)
}

/// What a subscriber has of a publisher that has ended. `read` is the number up to which it has received or counted
/// everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedEnd {
    /// All that it published.
    Whole,
    /// All but what follows, up to `last`.
    Lacks { read: u64, last: u64 },
    /// What followed is not known.
    Unknown { read: u64 },
}

/// What [`Feed::poll`] returns.
pub enum Polled {
    /// A frame.
    Frame(Incoming),
    /// Nothing new.
    Empty,
    /// A frame that is no message.
    Ignored,
    /// The publisher continues elsewhere: connect to it again.
    Moved,
}

impl Feed {
    /// Begins to connect to the publisher, or goes on, without waiting. A feed that goes on where the last one stopped
    /// reads nothing twice, and reads a publisher that started in the meantime from its beginning; any other one begins
    /// with the newest message. `views` counts what the subscriber views over all its feeds.
    ///
    /// # Errors
    /// `NotFound` if there is no publisher; `Stalled` for one that is busy or late; the reason of its refusal.
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

    /// Makes the feed from the publisher's answer.
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
        // Messages that a relay had not relayed when it started do not count as missed.
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
            // Nothing else may come.
            called.stream.refuse_descriptors();
        }
        let limit = options.max_message_size;
        let mut rx = offer.join(called, peer_hello.session, limit, start, options.spin, views)?;
        if options.checks_received().is_none() {
            rx.view_bodies(options.body_views(), BodyViews::None);
        }
        Ok(Feed {
            rx,
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

    /// Opens the store of an endpoint, which need not exist yet.
    pub fn of_store(endpoint: &Endpoint, options: &Options) -> Result<Feed> {
        let rx = store::watch(endpoint, options)?;
        let schemas = match endpoint.transport().capabilities().history {
            true => RecordSchemas::of(options, Place::of(endpoint)?),
            false => None,
        };
        let (source, sequence) = ("".into(), None);
        Ok(Feed {
            rx,
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

    /// Returns the message in a frame: from the publisher, or from what a record of a store names.
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

    /// Adds the known reason to a time-out, for instance that a file does not exist.
    pub fn explain(&self, error: Error) -> Error {
        let why = if error.kind() == ErrorKind::Timeout { self.rx.why_nothing() } else { None };
        why.unwrap_or(error)
    }

    /// Returns the next message if it takes the fast path in a ring, and none otherwise: then nothing
    /// has changed. As [`Feed::poll`], in fewer steps. With `spins`, spins first, instead of the next
    /// wait ([`Feed::wait_briefly`]).
    #[inline]
    pub fn take_fast(&mut self, limits: &Limits, spins: bool) -> Option<Message> {
        let fast = self.rx.peek_fast(spins)?;
        let Some(mut place) = ReusedMessage::take(fast.length()) else {
            return self.take_fast_anew(&fast, limits);
        };
        if !self.rx.take_fast(&fast, place.body()) {
            return None;
        }
        let what = (fast.sequence, fast.encoding(), fast.sent);
        let origin = ReceivedFrom { source: &self.source, session: self.session, schemas: self.schema_ids };
        Some(place.finish((Kind::Data, 0), what, origin, limits))
    }

    /// The same without a dropped message of this length.
    #[inline(never)]
    fn take_fast_anew(&mut self, fast: &FastLinked, limits: &Limits) -> Option<Message> {
        let (sequence, sent, body) = (fast.sequence, fast.sent, fast.length() as u64);
        let header = Header { sequence, sent, body, ..Header::new(Kind::Data, fast.encoding()) };
        let mut taken = false;
        let take = |body: &mut [u8]| taken = self.rx.take_fast(fast, body);
        let origin = ReceivedFrom { source: &self.source, session: self.session, schemas: self.schema_ids };
        let message = Message::filled(header, origin, limits, take);
        taken.then_some(message)
    }

    /// Returns the next frame without waiting.
    ///
    /// # Errors
    /// `Lagged`, once for each gap, if messages were missed; `Disconnected` if the publisher has
    /// ended.
    pub fn poll(&mut self) -> Result<Polled> {
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

    /// Compares the number of a message with the last one. A half that counts missed messages does so itself.
    ///
    /// # Errors
    /// `Malformed` for a number that does not rise: nothing could tell what was missed.
    fn check_number(&self, header: &Header) -> Result<()> {
        let last = if self.rx.counts_missed() { 0 } else { self.sequence.unwrap_or(0) };
        if self.is_store || header.sequence > last { Ok(()) } else { Err(not_rising(header.sequence, last)) }
    }

    /// Compares the schema of a record. A schema is stored before the first record that names it.
    fn check(&mut self, frame: &Incoming) -> Result<()> {
        self.schemas.as_mut().map_or(Ok(()), |schemas| schemas.check(&frame.header))
    }

    /// Returns why there is no frame.
    fn without_frame(&self) -> Polled {
        if self.rx.has_moved() { Polled::Moved } else { Polled::Empty }
    }

    /// Returns what is missing at the end of a publisher, which has ended: over a stream, what it published and this
    /// side has not received. The feed counts as read up to there.
    pub fn end(&mut self) -> FeedEnd {
        if self.is_store || self.rx.counts_missed() {
            return FeedEnd::Whole;
        }
        match (self.sequence, self.last.number()) {
            // The first message says from which one on they were for this subscriber.
            (None, Some(_)) => FeedEnd::Whole,
            (read, None) => FeedEnd::Unknown { read: read.unwrap_or(0) },
            (Some(read), Some(last)) if last <= read => FeedEnd::Whole,
            (Some(read), Some(last)) => {
                self.sequence = Some(last);
                FeedEnd::Lacks { read, last }
            }
        }
    }

    /// Returns whether there may be a newer message behind the last one.
    pub fn has_several(&self) -> bool {
        self.rx.has_several()
    }

    /// Returns the newest frame, whether it was read before or not. None for a stream, which has to
    /// be read to its end.
    pub fn newest(&mut self) -> Result<Option<Polled>> {
        if !self.rx.keeps_newest() {
            return Ok(None);
        }
        let Some(frame) = self.rx.newest()? else { return Ok(Some(self.without_frame())) };
        self.check_number(&frame.header)?;
        self.check(&frame)?;
        Ok(Some(Polled::Frame(frame)))
    }

    /// Returns how many messages are missing before this one, where the half does not count them.
    pub fn gap(&mut self, frame: &Incoming) -> u64 {
        if self.rx.counts_missed() {
            return 0;
        }
        let sequence = frame.header.sequence;
        let previous = self.sequence.replace(sequence);
        previous.map_or(0, |previous| sequence.saturating_sub(previous.saturating_add(1)))
    }

    /// Records that the message of this number and all before it are consumed: a journal stores
    /// that.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        self.rx.consumed_to(sequence)
    }

    /// Returns where a feed that replaces this one continues; none if nothing was read.
    pub fn resume_point(&self) -> Option<After> {
        let number = match self.rx.counts_missed() {
            true => self.rx.counted_to()?,
            // A file is read anew.
            false if self.is_store => return None,
            false => self.sequence.unwrap_or(0),
        };
        Some(After { session: self.session, number })
    }

    /// Returns whether the feed is kept after this error. The reader of a journal goes on with the
    /// journal that replaces it; a new reader would begin with its newest record.
    pub fn reconnects(&mut self, error: &Error) -> bool {
        let reconnects = self.rx.keeps_place();
        if reconnects && error.kind() == ErrorKind::Disconnected {
            self.schemas.iter_mut().for_each(RecordSchemas::forget);
        }
        reconnects
    }

    /// Waits for a message for a short time, where the half has a short wait without a descriptor. Returns whether one
    /// may be there.
    pub fn wait_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        drive::published_soon(&mut self.rx, waiting)
    }

    /// As in the contract of `transport`.
    pub fn park(&mut self) -> Result<bool> {
        self.rx.park()
    }

    /// Returns whether a message is there, as far as memory alone tells it.
    pub fn has_next(&self) -> bool {
        self.rx.has_next()
    }

    /// As in the contract of `transport`.
    pub fn unpark(&mut self) {
        self.rx.unpark();
    }

    /// As in the contract of `transport`.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.rx.descriptors()
    }
}

/// Skips the message for which there was no memory: its publisher waits for none, so it is missed, with those between
/// the last one and it, which the error says.
fn skip_unkept(rx: &mut Rx, last: &mut Option<u64>, error: Error) -> Error {
    if error.kind() != ErrorKind::OutOfMemory {
        return error;
    }
    // The half has found its header valid. A ring is behind the message already, and has counted it.
    let Ok(Some(skipped)) = rx.skip_if(|header| header.kind == Kind::Data) else { return error };
    let sequence = skipped.header.sequence;
    let before = last.replace(sequence);
    let between = before.map_or(0, |last| sequence.saturating_sub(last.saturating_add(1)));
    memory::missed(error, between)
}
