//! What a subscriber reads from: the publisher's ring, or a socket.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::store::StoreReader;
use crate::channel::Options;
use crate::channel::acceptor::Peer;
use crate::channel::agreement::stored::RecordSchemas;
use crate::channel::dial::Dialler;
use crate::channel::greeting::{After, Greeting, Pattern};
use crate::channel::session::Owner;
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Incoming, Kind, flags};
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::extension;
use crate::transport::place::Place;
use crate::transport::shm::{BroadcastReader, Received, RingReader, Start, SubscriberPage};
use crate::transport::socket::StreamRx;

/// A subscription that is up.
pub struct Feed {
    way: Way,
    /// The publisher's incarnation.
    pub session: u64,
    /// Who publishes.
    pub source: std::sync::Arc<str>,
    /// The last number that came over a socket.
    sequence: Option<u64>,
    /// The number behind which this publisher begins.
    begin: u64,
    /// Of a journal, for a program with a schema: what the schema of each record is compared with before it is given.
    schemas: Option<RecordSchemas>,
    /// A record whose schema does not fit: none behind it is given in its place.
    refused: Option<Incoming>,
}

enum Way {
    Shm(BroadcastReader),
    Stream(StreamRx),
    Store(StoreReader),
}

/// Where a feed stopped: behind this number of this publisher's session; zeros where there was none to read from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    pub session: u64,
    pub number: u64,
}

/// What a look gave.
pub enum Look {
    /// A frame.
    Frame(Incoming),
    /// Nothing new.
    Nothing,
    /// A frame that is no message, which is left aside.
    Noise,
    /// The publisher goes on elsewhere: dial it again.
    Moved,
}

impl Feed {
    /// Dials the publisher. `before` is where the feed before this one stopped, or that none was found: then nothing is read
    /// twice, and what a publisher that came meanwhile has said is read from its beginning. None begins with the newest. Gives
    /// none where one of `wakers` ended the wait for a publisher.
    pub fn dial(
        dialler: &Dialler,
        transport: Transport,
        options: &Options,
        before: Option<Before>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Feed>> {
        let mut ours = Greeting::new(Pattern::Publish, options.client_id.clone(), options.limit)?;
        ours.after = before.map(|before| After { session: before.session, number: before.number });
        let offer = || -> Result<(Option<SubscriberPage>, Vec<OwnedFd>)> {
            if transport != Transport::Shm {
                return Ok((None, Vec::new()));
            }
            let page = SubscriberPage::create(ours.session)?;
            let file = page.descriptor_for_peer().try_clone_to_owned();
            let file = file.doing("duplicating a descriptor for the publisher")?;
            Ok((Some(page), vec![file]))
        };
        let Some((mut called, theirs, page)) = dialler.dial(&ours, offer, wakers, waiting)? else {
            return Ok(None);
        };
        Pattern::Publish.fits(theirs.pattern)?;
        let owner = Owner::of(&called.stream, called.credentials.as_ref());
        let source = Peer::new(&theirs, options, owner).source;
        // Of what a relay had not yet relayed at its beginning nothing is missed.
        let begin = theirs.first.saturating_sub(1);
        let behind = ours.after.map(|after| after.in_session(theirs.session, theirs.first));
        let way = match page {
            None => Way::Stream(StreamRx::new(called.stream, called.process, options.limit)),
            Some(page) => {
                let start = match (behind, theirs.after) {
                    (Some(number), _) => Start::After(number),
                    (None, Some(After { number: 0, .. })) => Start::After(begin),
                    (None, Some(newest)) => Start::With(newest.number),
                    (None, None) => Start::Newest,
                };
                let ring_reader =
                    RingReader::open(ring(&mut called.descriptors)?, theirs.session, options.limit, start)?;
                Way::Shm(BroadcastReader::new(
                    ring_reader,
                    page,
                    called.stream.into_socket()?,
                    called.process,
                    options.spin,
                ))
            }
        };
        Ok(Some(Feed {
            way,
            session: theirs.session,
            source,
            sequence: behind,
            begin,
            schemas: None,
            refused: None,
        }))
    }

    /// What a store holds and will hold: nobody has to be dialled.
    pub fn of_store(endpoint: &Endpoint, options: &Options) -> Result<Feed> {
        let way = Way::Store(StoreReader::watch(endpoint, options)?);
        let schemas = match endpoint.transport() {
            Transport::Journal => RecordSchemas::of(options, Place::of(endpoint)?),
            _ => None,
        };
        let (source, sequence) = ("".into(), None);
        Ok(Feed { way, session: 0, source, sequence, begin: 0, schemas, refused: None })
    }

    /// What a store gave, once its schema has been compared: that is there before the first record of it.
    fn checked(&mut self, frame: Option<Incoming>) -> Result<Look> {
        let Some(frame) = frame else { return Ok(Look::Nothing) };
        match &mut self.schemas {
            Some(schemas) => schemas.check(&frame.header).map(|()| Look::Frame(frame)),
            None => Ok(Look::Frame(frame)),
        }
    }

    /// Who said this: whoever answered at the name, or as a frame in a store says of itself.
    pub fn source_of(&self, frame: &Incoming) -> std::sync::Arc<str> {
        if matches!(self.way, Way::Store(_))
            && let Ok(Some(sender)) = extension::read(&frame.extension)
        {
            return sender.source;
        }
        self.source.clone()
    }

    /// Says more about a time-out, where there is more to say than that nothing came.
    pub fn explain(&self, error: Error) -> Error {
        match &self.way {
            Way::Store(store_reader) if error.kind() == ErrorKind::Timeout => {
                store_reader.why_nothing().unwrap_or(error)
            }
            _ => error,
        }
    }

    /// The next frame. Errors as for a link; `Lagged` once where messages were missed.
    pub fn look(&mut self) -> Result<Look> {
        match &mut self.way {
            Way::Shm(reader) => Ok(match reader.try_recv()? {
                Received::Frame(frame) => Look::Frame(frame),
                Received::Nothing => Look::Nothing,
                Received::Moved => Look::Moved,
            }),
            Way::Store(store_reader) => {
                let frame = match self.refused.take() {
                    None => store_reader.look()?,
                    refused => refused,
                };
                let kept = frame.clone();
                self.checked(frame).inspect_err(|_| self.refused = kept)
            }
            Way::Stream(rx) => Ok(match rx.try_recv()? {
                Some(frame) if frame.header.kind == Kind::Data => Look::Frame(frame),
                Some(_) => Look::Noise,
                None => Look::Nothing,
            }),
        }
    }

    /// The newest frame, whether it was read before or not, where one ring holds it for all; `None` over a socket, which
    /// has to be read to its end.
    pub fn newest(&mut self) -> Result<Option<Look>> {
        let reader = match &mut self.way {
            Way::Shm(reader) => reader,
            Way::Stream(_) => return Ok(None),
            Way::Store(store_reader) => {
                let frame = store_reader.latest()?;
                return self.checked(frame).map(Some);
            }
        };
        if reader.is_gone()? {
            return Err(Error::new(ErrorKind::Disconnected, "the publisher closed or its process ended"));
        }
        Ok(Some(match reader.latest()? {
            Received::Frame(frame) => Look::Frame(frame),
            Received::Nothing => Look::Nothing,
            Received::Moved => Look::Moved,
        }))
    }

    /// How many messages are missing before this one, which came over a socket or from a file; the ring and a
    /// journal tell that themselves.
    pub fn gap(&mut self, frame: &Incoming) -> u64 {
        let counts = match &self.way {
            Way::Shm(_) => return 0,
            Way::Store(store_reader) if !store_reader.has_gaps() => return 0,
            Way::Store(_) => false,
            // What follows the newest that there was is told; without one, all that came before is missed.
            Way::Stream(_) => frame.header.flags & flags::RETAINED == 0,
        };
        let sequence = frame.header.sequence;
        let before = match self.sequence.replace(sequence) {
            None if !counts => return 0,
            before => before.unwrap_or(self.begin),
        };
        sequence.saturating_sub(before.saturating_add(1))
    }

    /// The message of this number has been dealt with, and all before it: a journal keeps that.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        match &mut self.way {
            Way::Store(store_reader) => store_reader.consumed(sequence),
            Way::Shm(_) | Way::Stream(_) => Ok(()),
        }
    }

    /// Where a feed that replaces this one goes on. None where nothing was read that could be said to be the last.
    pub fn stopped(&self) -> Option<Before> {
        let number = match &self.way {
            Way::Shm(reader) => match reader.resume() {
                Start::After(number) => number,
                Start::Newest | Start::With(_) => return None,
            },
            Way::Stream(_) => self.sequence.unwrap_or(0),
            Way::Store(_) => return None,
        };
        Some(Before { session: self.session, number })
    }

    /// See the transport contract.
    pub fn spin(&mut self) -> bool {
        match &mut self.way {
            Way::Shm(reader) => reader.spin(),
            Way::Stream(_) | Way::Store(_) => false,
        }
    }

    /// See the transport contract.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        match &mut self.way {
            Way::Shm(reader) => reader.sleep_briefly(waiting),
            Way::Stream(_) | Way::Store(_) => Ok(false),
        }
    }

    /// See the transport contract.
    pub fn park(&mut self) -> Result<bool> {
        match &mut self.way {
            Way::Shm(reader) => reader.park(),
            Way::Stream(rx) => Ok(rx.park()),
            Way::Store(store_reader) => store_reader.park(),
        }
    }

    /// See the transport contract.
    pub fn unpark(&mut self) {
        if let Way::Shm(reader) = &mut self.way {
            reader.unpark();
        }
    }

    /// See the transport contract.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match &self.way {
            Way::Shm(reader) => reader.descriptors(),
            Way::Stream(rx) => rx.descriptors().collect(),
            Way::Store(store_reader) => store_reader.descriptors(),
        }
    }
}

/// The ring among what came along with a publisher's hello.
pub fn ring(descriptors: &mut Vec<OwnedFd>) -> Result<OwnedFd> {
    match (descriptors.pop(), descriptors.is_empty()) {
        (Some(ring), true) => Ok(ring),
        _ => {
            let text = "a publisher's hello brings one descriptor, its ring";
            Err(Error::new(ErrorKind::Malformed, text))
        }
    }
}
