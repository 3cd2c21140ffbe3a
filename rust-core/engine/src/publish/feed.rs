//! The source of a subscriber: the publisher's ring, a stream, or a store.
//!
//! A [`Feed`] is one connection to one publisher; the subscriber makes the next one when it ends,
//! and passes on where the last one stopped ([`After`]). The three kinds differ in how they
//! report missed messages: a ring and a journal report them themselves (`Lagged`), over a stream and
//! from a file they are the gap between two numbers ([`Feed::gap`]).

use std::os::fd::{BorrowedFd, OwnedFd};

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
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::{BodyMemory, Message, ReceivedFrom, ReusedMessage, SchemaIds};
use crate::transport::broadcast::{BroadcastOffer, BroadcastReader, FastLinked, Received, Start, ViewCount};
use crate::transport::endpoint::Endpoint;
use crate::transport::extension::LastSender;
use crate::transport::hello::AnsweredCall;
use crate::transport::kind::Transport;
use crate::transport::place::Place;
use crate::transport::socket::StreamRx;
use crate::transport::store::StoreReader;
use crate::value::Limits;

/// A subscription that is connected. Used by the thread that receives.
pub struct Feed {
    medium: FeedMedium,
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

/// The three kinds.
#[allow(clippy::large_enum_variant, reason = "one a subscription; a box would cost an indirection a message")]
enum FeedMedium {
    Ring(Box<BroadcastReader>),
    Stream(StreamRx),
    Store(Box<dyn StoreReader>),
}

/// What a subscriber makes for its hello: its part of the publisher's ring, where there is one.
type FeedOffer = Option<Box<dyn BroadcastOffer>>;

/// A connection whose publisher has not answered yet.
pub struct PendingFeed {
    own_hello: Hello,
    pending: Pending<FeedOffer>,
}

impl PendingFeed {
    /// Returns the descriptor that is readable once the publisher may have answered.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.pending.descriptor()
    }

    /// Returns the attempt.
    pub fn under_way(&self) -> &Pending<FeedOffer> {
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

/// Makes what goes with the hello of this session.
fn offer(transport: Transport, session: u64) -> Result<(FeedOffer, Vec<OwnedFd>)> {
    match transport.driver().broadcast() {
        Some(rings) => rings.offer(session).map(|(offer, own)| (Some(offer), own)),
        None => Ok((None, Vec::new())),
    }
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
    /// The publisher has a new ring: connect to it again.
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
        let (own_hello, progress) = match begun {
            FeedStart::Anew(resume) => {
                let own_hello = hello(transport, options, resume)?;
                let progress = dialling.begin(&own_hello, || offer(transport, own_hello.session))?;
                (own_hello, progress)
            }
            FeedStart::Pending(pending) => (pending.own_hello, Progress::Pending(pending.pending)),
        };
        let offer = || offer(transport, own_hello.session);
        Ok(match dialling.go_on(progress, &own_hello, offer)? {
            Progress::Pending(pending) => FeedProgress::Pending(PendingFeed { own_hello, pending }),
            Progress::Connected(called, peer_hello, offer) => {
                FeedProgress::Connected(Feed::join(&own_hello, called, &peer_hello, offer, options, views)?)
            }
        })
    }

    /// Makes the feed from the publisher's answer.
    fn join(
        own_hello: &Hello,
        called: AnsweredCall,
        peer_hello: &Hello,
        offer: FeedOffer,
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
        let medium = match offer {
            None => {
                let mut called = called;
                if own_hello.last_number {
                    last = PeerLast::of(std::mem::take(&mut called.descriptors))?;
                    // Nothing else may come.
                    called.stream.refuse_descriptors();
                }
                FeedMedium::Stream(StreamRx::new(called.stream, called.process, options.max_message_size))
            }
            Some(offer) => {
                let limit = options.max_message_size;
                let mut reader = offer.join(called, peer_hello.session, limit, start, options.spin, views)?;
                if options.checks_received().is_none() {
                    reader.view_bodies(options.body_views());
                }
                FeedMedium::Ring(reader)
            }
        };
        Ok(Feed {
            medium,
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
        let medium = FeedMedium::Store(store::watch(endpoint, options)?);
        let schemas = match endpoint.transport().capabilities().history {
            true => RecordSchemas::of(options, Place::of(endpoint)?),
            false => None,
        };
        let (source, sequence) = ("".into(), None);
        Ok(Feed {
            medium,
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

    /// Compares the schema of a record. A schema is stored before the first record that names it.
    fn checked(&mut self, frame: Option<Incoming>) -> Result<Polled> {
        let Some(frame) = frame else { return Ok(Polled::Empty) };
        match &mut self.schemas {
            Some(schemas) => schemas.check(&frame.header).map(|()| Polled::Frame(frame)),
            None => Ok(Polled::Frame(frame)),
        }
    }

    /// Returns the message in a frame: from the publisher, or from what a record of a store names.
    pub fn message(&mut self, frame: Incoming, limits: Limits) -> Message {
        let mut schemas = self.schema_ids;
        if matches!(self.medium, FeedMedium::Store(_)) {
            schemas.sender = frame.header.schema;
        }
        let origin = ReceivedFrom { source: &self.source_of(&frame), session: self.session, schemas };
        Message::new(frame, origin, limits)
    }

    fn source_of(&mut self, frame: &Incoming) -> std::sync::Arc<str> {
        if matches!(self.medium, FeedMedium::Store(_))
            && let Ok(Some(sender)) = self.last_sender.read(&frame.extension)
        {
            return sender.source.clone();
        }
        self.source.clone()
    }

    /// Adds the known reason to a time-out, for instance that a file does not exist.
    pub fn explain(&self, error: Error) -> Error {
        match &self.medium {
            FeedMedium::Store(store_reader) if error.kind() == ErrorKind::Timeout => {
                store_reader.why_nothing().unwrap_or(error)
            }
            _ => error,
        }
    }

    /// Returns the next message if it takes the fast path in a ring, and none otherwise: then nothing
    /// has changed. As [`Feed::poll`], in fewer steps. With `spins`, spins first, instead of the next
    /// [`Feed::spin`].
    #[inline]
    pub fn take_fast(&mut self, limits: &Limits, spins: bool) -> Option<Message> {
        let FeedMedium::Ring(reader) = &mut self.medium else { return None };
        let fast = reader.peek_fast(spins)?;
        let Some(mut place) = ReusedMessage::take(fast.length()) else {
            return self.take_fast_anew(&fast, limits);
        };
        if !reader.take_fast(&fast, place.body()) {
            return None;
        }
        let what = (fast.sequence, fast.encoding(), fast.sent);
        let origin = ReceivedFrom { source: &self.source, session: self.session, schemas: self.schema_ids };
        Some(place.finish((Kind::Data, 0), what, origin, limits))
    }

    /// The same without a dropped message of this length.
    #[inline(never)]
    fn take_fast_anew(&mut self, fast: &FastLinked, limits: &Limits) -> Option<Message> {
        let FeedMedium::Ring(reader) = &mut self.medium else { return None };
        let (sequence, sent, body) = (fast.sequence, fast.sent, fast.length() as u64);
        let header = Header { sequence, sent, body, ..Header::new(Kind::Data, fast.encoding()) };
        let mut taken = false;
        let take = |body: &mut [u8]| taken = reader.take_fast(fast, body);
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
        match &mut self.medium {
            FeedMedium::Ring(reader) => Ok(match reader.try_recv()? {
                Received::Frame(frame) => Polled::Frame(frame),
                Received::Nothing => Polled::Empty,
                Received::Moved => Polled::Moved,
            }),
            FeedMedium::Store(store_reader) => {
                let frame = match self.refused.take() {
                    None => store_reader.try_recv()?,
                    refused => refused,
                };
                let kept = frame.clone();
                self.checked(frame).inspect_err(|_| self.refused = kept)
            }
            FeedMedium::Stream(rx) => {
                Ok(match rx.try_recv().inspect_err(|error| skip_unkept(rx, error))? {
                    Some(frame) if frame.header.kind == Kind::Data => Polled::Frame(frame),
                    Some(frame) => {
                        if frame.header.kind == Kind::Bye {
                            self.last.said(&frame.header);
                        }
                        Polled::Ignored
                    }
                    None => Polled::Empty,
                })
            }
        }
    }

    /// Returns what is missing at the end of a publisher, which has ended: over a stream, what it published and this
    /// side has not received. The feed counts as read up to there.
    pub fn end(&mut self) -> FeedEnd {
        let FeedMedium::Stream(_) = &self.medium else { return FeedEnd::Whole };
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
        match &self.medium {
            FeedMedium::Store(store_reader) => store_reader.has_several(),
            FeedMedium::Ring(_) | FeedMedium::Stream(_) => true,
        }
    }

    /// Returns the newest frame, whether it was read before or not. None for a stream, which has to
    /// be read to its end.
    pub fn newest(&mut self) -> Result<Option<Polled>> {
        let reader = match &mut self.medium {
            FeedMedium::Ring(reader) => reader,
            FeedMedium::Stream(_) => return Ok(None),
            FeedMedium::Store(store_reader) => {
                let frame = store_reader.latest()?;
                return self.checked(frame).map(Some);
            }
        };
        if reader.is_gone()? {
            return Err(Error::new(ErrorKind::Disconnected, "the publisher closed or its process ended"));
        }
        Ok(Some(match reader.latest()? {
            Received::Frame(frame) => Polled::Frame(frame),
            Received::Nothing => Polled::Empty,
            Received::Moved => Polled::Moved,
        }))
    }

    /// Returns how many messages are missing before this one, over a stream or from a file. 0 where
    /// missed messages are reported as `Lagged`.
    pub fn gap(&mut self, frame: &Incoming) -> u64 {
        match &self.medium {
            FeedMedium::Ring(_) => return 0,
            FeedMedium::Store(store_reader) if !store_reader.has_gaps() => return 0,
            FeedMedium::Store(_) | FeedMedium::Stream(_) => {}
        }
        let sequence = frame.header.sequence;
        let previous = self.sequence.replace(sequence);
        previous.map_or(0, |previous| sequence.saturating_sub(previous.saturating_add(1)))
    }

    /// Records that the message of this number and all before it are consumed: a journal stores
    /// that.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        match &mut self.medium {
            FeedMedium::Store(store_reader) => store_reader.consumed(sequence),
            FeedMedium::Ring(_) | FeedMedium::Stream(_) => Ok(()),
        }
    }

    /// Returns where a feed that replaces this one continues; none if nothing was read.
    pub fn resume_point(&self) -> Option<After> {
        let number = match &self.medium {
            FeedMedium::Ring(reader) => match reader.resume() {
                Start::After(number) => number,
                Start::Newest | Start::With(_) => return None,
            },
            FeedMedium::Stream(_) => self.sequence.unwrap_or(0),
            FeedMedium::Store(_) => return None,
        };
        Some(After { session: self.session, number })
    }

    /// Returns whether the feed is kept after this error. The reader of a journal goes on with the
    /// journal that replaces it; a new reader would begin with its newest record.
    pub fn reconnects(&mut self, error: &Error) -> bool {
        let reconnects = matches!(&self.medium, FeedMedium::Store(store_reader) if store_reader.goes_on());
        if reconnects && error.kind() == ErrorKind::Disconnected {
            self.schemas.iter_mut().for_each(RecordSchemas::forget);
        }
        reconnects
    }

    /// As in the contract of `transport`.
    pub fn spin(&mut self) -> bool {
        match &mut self.medium {
            FeedMedium::Ring(reader) => reader.spin(),
            FeedMedium::Stream(_) | FeedMedium::Store(_) => false,
        }
    }

    /// As in the contract of `transport`.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        match &mut self.medium {
            FeedMedium::Ring(reader) => drive::published_soon(reader, waiting),
            FeedMedium::Stream(_) | FeedMedium::Store(_) => Ok(false),
        }
    }

    /// As in the contract of `transport`.
    pub fn park(&mut self) -> Result<bool> {
        match &mut self.medium {
            FeedMedium::Ring(reader) => reader.park(),
            FeedMedium::Stream(rx) => Ok(rx.park()),
            FeedMedium::Store(store_reader) => store_reader.park(),
        }
    }

    /// Returns whether a message is there, as far as memory alone tells it.
    pub fn has_next(&self) -> bool {
        matches!(&self.medium, FeedMedium::Ring(reader) if reader.has_next())
    }

    /// As in the contract of `transport`.
    pub fn unpark(&mut self) {
        if let FeedMedium::Ring(reader) = &mut self.medium {
            reader.unpark();
        }
    }

    /// As in the contract of `transport`.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match &self.medium {
            FeedMedium::Ring(reader) => reader.descriptors(),
            FeedMedium::Stream(rx) => rx.descriptors().collect(),
            FeedMedium::Store(store_reader) => store_reader.descriptors(),
        }
    }
}

/// Skips the message for which there was no memory: its publisher waits for none, so it is missed, and the next number
/// shows the gap.
fn skip_unkept(rx: &mut StreamRx, error: &Error) {
    if error.kind() == ErrorKind::OutOfMemory {
        rx.skip_if(|_| true);
    }
}
