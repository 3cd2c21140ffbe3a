//! A link to a program of this machine whose frames a bridge relays.
//!
//! [`RelayLink`] converts between the consumed number in a page of shared memory and acknowledgement frames, so the two
//! ends may use different transports.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use linkspan_engine::relay_side::handshake::{self, Hello};
use linkspan_os::deadline::{Wait, Waiting};
use linkspan_os::memory::PeerFile;
use linkspan_os::poll::{Epoll, Interest};
use linkspan_os::sleeping;
use linkspan_transport::endpoint::Endpoint;
use linkspan_transport::frame::{Header, Kind, Outgoing};
use linkspan_transport::hello::{Asked, Call};
use linkspan_transport::place::Place;
use linkspan_transport::{AckWords, Rx, Sent, Tx};
use linkspan_value::codec::Encoding;
use linkspan_value::error::Doing;
use linkspan_value::{Error, ErrorKind, Result};

use crate::frames::{check_transport, outgoing, read_frame, refuse_client, write_frame};

/// The time for retrying a refusal, because the previous peer may just have disconnected.
const RETRY_TIME: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A link to a program of this machine whose frames a bridge relays.
///
/// A frame is passed as bytes: header, extension and body. One thread uses the link.
pub struct RelayLink {
    tx: Tx,
    rx: Rx,
    ack_words: Option<Arc<AckWords>>,
    epoll: Epoll,
    reads: bool,
    room: Option<OwnedFd>,
    parked: bool,
    sent: u64,
    /// The relayed number up to which the program has consumed.
    acked: u64,
    /// The number at which the program was asked for an acknowledgement frame; 0 for none.
    wanted: u64,
}

impl RelayLink {
    /// Sends the hello of another machine's program to this endpoint's listener.
    ///
    /// The hello is from [`RelayCaller::hello`], the endpoint `shm:` or `unix:`. `machine` is the source of the hello
    /// and replaces the machine in it; the listener shows it. Returns the answer as a frame, and the link if the
    /// listener has admitted the program.
    ///
    /// # Errors
    ///
    /// `NotFound` if no program listens; `Stalled` if the listener does not answer in time.
    pub fn call<'a>(
        endpoint: &str,
        hello: &[u8],
        machine: &str,
        wait: impl Into<Wait<'a>>,
    ) -> Result<(Vec<u8>, Option<RelayLink>)> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = Waiting::start(wait.into(), RETRY_TIME.into());
        Self::dial(&endpoint, hello, machine, &mut waiting).map_err(|e| e.on(&endpoint))
    }

    fn dial(
        endpoint: &Endpoint,
        hello: &[u8],
        machine: &str,
        waiting: &mut Waiting<'_>,
    ) -> Result<(Vec<u8>, Option<RelayLink>)> {
        check_transport(endpoint)?;
        let place = Place::of(endpoint)?;
        let hello = Hello::from_frame(&read_frame(hello)?)?;
        let own_hello = Hello { machine: Some(machine.to_owned()), ..hello };
        refuse_client(&own_hello, None)?;
        let (frame, transport) = (own_hello.to_frame()?, endpoint.transport());
        let started = std::time::Instant::now();
        loop {
            let offer = transport.connections()?.offer(own_hello.session, None)?;
            let descriptors = if own_hello.ask { Vec::new() } else { offer.descriptors()? };
            let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            match Asked::at(&place, transport.carries(), &frame, &borrowed)?.wait(waiting)? {
                Call::NotListening => {
                    return Err(Error::new(ErrorKind::NotFound, "no program listens there"));
                }
                Call::Busy => {}
                Call::Answered(called) => {
                    let answer = write_frame(&called.answer);
                    let peer_hello = match handshake::read_answer(&called.answer) {
                        Ok(peer_hello) => peer_hello,
                        // The listener's last peer may have disconnected just now.
                        Err(e) if e.kind() == ErrorKind::AddressInUse && started.elapsed() < RETRY_TIME => {
                            pause(waiting)?;
                            continue;
                        }
                        Err(_) => return Ok((answer, None)),
                    };
                    // A listener with a schema that the caller has not compared yet does not admit the caller.
                    let schemas_fit = own_hello.schemas.is_empty()
                        || peer_hello.schemas.first().is_none_or(|one| own_hello.schemas.contains(one));
                    if own_hello.ask || !schemas_fit {
                        return Ok((answer, None));
                    }
                    let process = called.process.filter(|_| !peer_hello.shared);
                    let (tx, rx) = offer.join(
                        called.stream,
                        process,
                        peer_hello.session,
                        called.descriptors.into_iter().map(PeerFile::from).collect(),
                        own_hello.max_message_size,
                        None,
                        Duration::ZERO,
                    )?;
                    return Ok((answer, Some(RelayLink::over(tx, rx)?)));
                }
            }
            pause(waiting)?;
        }
    }

    pub(crate) fn over(tx: Tx, rx: Rx) -> Result<RelayLink> {
        let ack_words = tx.ack_words();
        let epoll = Epoll::new()?;
        let (reads, parked) = (false, false);
        Ok(RelayLink { tx, rx, ack_words, epoll, reads, room: None, parked, sent: 0, acked: 0, wanted: 0 })
    }

    /// Returns the next frame of the program, or an acknowledgement made of its page, if there is one.
    ///
    /// Fails after the program has disconnected and everything that it sent and acknowledged was returned.
    pub fn try_recv(&mut self) -> Result<Option<Vec<u8>>> {
        self.unpark();
        if let Some(ack) = self.new_acknowledgement() {
            return Ok(Some(ack));
        }
        match self.rx.try_recv() {
            Ok(Some(frame)) => {
                self.rx.consumed();
                if frame.header.kind == Kind::Ack {
                    self.acked = self.acked.max(frame.header.correlation);
                }
                Ok(Some(write_frame(&frame)))
            }
            Ok(None) => Ok(self.request_ack()),
            Err(e) => self.new_acknowledgement().map_or(Err(e), |ack| Ok(Some(ack))),
        }
    }

    /// Sends the program a frame of the other machine.
    ///
    /// False without room, or while an earlier frame is being written: the caller keeps the frame.
    pub fn try_send(&mut self, frame: &[u8]) -> Result<bool> {
        if !self.tx.flush()? {
            return Ok(false);
        }
        let frame = read_frame(frame)?;
        let Header { kind, sequence, correlation, .. } = frame.header;
        let acknowledged = match kind {
            Kind::Hello => return Err(Error::new(ErrorKind::Malformed, "a second hello came over a link")),
            Kind::Reply | Kind::Error => 0,
            _ => correlation,
        };
        let out = outgoing(frame.header, &frame);
        if self.tx.try_send(&out)? == Sent::Blocked {
            return Ok(false);
        }
        self.sent = self.sent.max(sequence);
        if let Some(ack_words) = self.ack_words.as_ref().filter(|_| acknowledged > 0) {
            ack_words.publish(acknowledged);
        }
        Ok(true)
    }

    /// Flushes the rest of a begun frame; true if nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        self.tx.flush()
    }

    /// Prepares a wait on the descriptor: readable for a frame (`reads`) and for room (`writes`).
    ///
    /// True if something is there already, so that the caller must not wait.
    pub fn arm(&mut self, reads: bool, writes: bool) -> Result<bool> {
        if let Some(room) = self.room.take() {
            self.epoll.remove(&room);
        }
        if reads != self.reads {
            for descriptor in self.rx.descriptors() {
                match reads {
                    true => self.epoll.add(descriptor, 0, Interest::IN | Interest::RDHUP)?,
                    false => self.epoll.remove(descriptor),
                }
            }
            self.reads = reads;
        }
        if writes {
            if self.tx.park_room()? {
                return Ok(true);
            }
            let (descriptor, what) = self.tx.room_descriptor()?;
            let own = descriptor.try_clone_to_owned().doing("duplicating a descriptor")?;
            self.epoll.add(&own, 1, what)?;
            self.room = Some(own);
        }
        if !reads {
            return Ok(false);
        }
        self.parked = true;
        self.rx.park()
    }

    fn unpark(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.rx.unpark();
        }
    }

    fn new_acknowledgement(&mut self) -> Option<Vec<u8>> {
        let acknowledged = self.ack_words.as_ref()?.acknowledged();
        if acknowledged <= self.acked {
            return None;
        }
        self.acked = acknowledged;
        let ack = Header { correlation: acknowledged, ..Header::new(Kind::Ack, Encoding::Raw) };
        Some(Outgoing::new(ack, &[]).head())
    }

    /// Asks a program that acknowledges in its page for a frame, then checks the page once more.
    ///
    /// The frame wakes this side when a quarter of the unacknowledged messages is consumed.
    fn request_ack(&mut self) -> Option<Vec<u8>> {
        const MAX_STEP: u64 = 64;
        let ack_words = self.ack_words.as_ref()?;
        let open = self.sent.saturating_sub(self.acked);
        let wanted = if open == 0 { 0 } else { self.acked.saturating_add((open / 4).clamp(1, MAX_STEP)) };
        if wanted != self.wanted {
            self.wanted = wanted;
            ack_words.want(wanted);
        }
        self.new_acknowledgement()
    }
}

/// Readable as [`RelayLink::arm`] has arranged.
impl AsFd for RelayLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for RelayLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayLink").field("sent", &self.sent).finish_non_exhaustive()
    }
}

fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    waiting.sleep()?;
    sleeping::sleep(RETRY_INTERVAL);
    waiting.woke(false)
}
