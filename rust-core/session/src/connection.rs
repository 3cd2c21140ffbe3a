//! One session with one peer, across all links between the two.
//!
//! Links are numbered when they are made ([`Connection::link_made`]). The two halves change links at different moments,
//! so each announces it: [`Connection::link_up`] for sending, [`Connection::begin_receiving`] for receiving. Steps of a
//! replaced link change nothing.
//!
//! Over shared memory the two sides acknowledge without frames. Each publishes its consumed number in a [`Page`] that
//! the other maps. Only a waiting peer needs a frame, as a wake-up. An impossible number in a page is a protocol
//! violation, kept until a thread that can end the link takes it.
//!
//! | what | defined in |
//! |---|---|
//! | links, pages, losses | here |
//! | whether a message may be sent now, and its record | `admission` |
//! | the record of receipts and consumed messages | `receipt` |
//! | control messages: replays, withdrawals, acknowledgements | `control` |

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod admission;
mod control;
mod receipt;

use alloc::vec::Vec;

pub use admission::{Content, Obstacle, Terms, Ticket, Unless, crosses_ack_check};
pub use control::{Control, Tried};

use super::inbox::AckTrigger;
use super::outbox::{Incarnation, Resumed};
use super::places::Reuse;
use super::{Acknowledge, Identity, Inbox, Outbox, ReplayLimits, RetransmitClass, SessionHello};
use crate::error::{Error, Result};
use crate::planted::{self, Bug};

/// Shows each side of a link the other's consumed number. It outlives the link and both programs.
pub trait Page: PartialEq {
    /// Returns the peer's consumed number.
    fn acknowledged(&self) -> u64;
    /// Asks the peer for a frame when it has consumed up to this number; 0 asks for none.
    fn want(&self, number: u64);
    /// Returns the number from which the peer waits for a frame; 0 if it does not wait.
    fn wanted(&self) -> u64;
    /// Shows that everything up to this number is consumed, ordered before later writes.
    fn publish(&self, consumed: u64);
    /// As [`Page::publish`], but the caller orders it before later writes.
    fn publish_before_fence(&self, consumed: u64);
    /// Returns the peer's taken number: it has taken all requests up to this number.
    fn taken(&self) -> u64;
    /// Shows that all requests up to this number are taken.
    fn publish_taken(&self, request: u64);
}

/// The page of a connection without shared memory.
#[derive(Debug, PartialEq)]
pub enum NoPage {}

impl Page for NoPage {
    fn acknowledged(&self) -> u64 {
        match *self {}
    }

    fn want(&self, _: u64) {
        match *self {}
    }

    fn wanted(&self) -> u64 {
        match *self {}
    }

    fn publish(&self, _: u64) {
        match *self {}
    }

    fn publish_before_fence(&self, _: u64) {
        match *self {}
    }

    fn taken(&self) -> u64 {
        match *self {}
    }

    fn publish_taken(&self, _: u64) {
        match *self {}
    }
}

/// The state of a request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its answer may come over a link.
    UnderWay,
    /// It is kept for the next link.
    Kept,
    /// No answer will come, but a peer may have carried it out.
    Unknown,
}

/// The session with one peer. `M` is the stored part of a message, for replays.
#[derive(Debug)]
pub struct Connection<M, P> {
    /// The sending side.
    pub outbox: Outbox<M>,
    /// The receiving side.
    pub inbox: Inbox,
    newest: u64,
    /// Whether the newest link may need earlier messages first.
    replays: bool,
    /// Whether the newest link may break while both sides live.
    breaks: bool,
    peer_since: u64,
    incarnation_since: u64,
    /// The newest link that this side sends over.
    sent_over: u64,
    /// The newest link that this side receives over.
    received_over: u64,
    /// This side's page, with the consumed number for the current peer, if the link has pages.
    own_page: Option<P>,
    /// The number in `own_page`, to avoid writing it again.
    published: u64,
    /// The page of the sending link's peer, with its consumed number.
    peer_page: Option<P>,
    /// The peer must wake a waiting thread at this number; 0 without a thread. It outlasts the link.
    wanted: u64,
    violation: Option<Error>,
    withdrawn: Vec<u64>,
    deferred: Option<AckTrigger>,
    losses: u64,
}

impl<M: Reuse, P: Page> Connection<M, P> {
    /// Returns a new session with this number and without a peer.
    ///
    /// Without `limits` nothing is kept for replay.
    pub fn new(session: u64, limits: Option<ReplayLimits>, ack_mode: Acknowledge) -> Connection<M, P> {
        Connection {
            outbox: Outbox::new(session, limits),
            inbox: Inbox::new(ack_mode),
            newest: 0,
            replays: false,
            breaks: false,
            peer_since: 0,
            incarnation_since: 0,
            sent_over: 0,
            received_over: 0,
            own_page: None,
            published: 0,
            peer_page: None,
            wanted: 0,
            violation: None,
            withdrawn: Vec::new(),
            deferred: None,
            losses: 0,
        }
    }

    /// Returns this side's part of a hello.
    pub fn hello(&self) -> SessionHello {
        self.outbox.hello(self.inbox.progress())
    }

    /// Records a new link, and returns its number.
    ///
    /// Nothing more is sent over older links. If the peer `has_session`, `link_up` decides which messages this link
    /// replays. With `breaks`, the link may end while both sides live.
    pub fn link_made(&mut self, has_session: bool, breaks: bool) -> u64 {
        self.newest = self.newest.saturating_add(1);
        (self.replays, self.breaks) = (has_session, breaks);
        self.newest
    }

    /// Returns the number of the newest link; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns whether a newer link exists.
    pub fn is_newer(&self, than: u64) -> bool {
        if planted::is(Bug::GenerationIsNotCompared) {
            return than == 0 && self.newest > 0;
        }
        self.newest > than
    }

    /// Starts sending over this link. Returns its effect on the kept messages.
    ///
    /// `None` if there is a newer link, which sends the messages.
    ///
    /// # Errors
    ///
    /// `Malformed` if the peer's hello has impossible claims.
    pub fn link_up(
        &mut self,
        link: u64,
        hello: &SessionHello,
        identity: Identity,
        page: Option<P>,
    ) -> Result<Option<Resumed>> {
        if self.is_newer(link) {
            return Ok(None);
        }
        // The page of the last link still has the progress of its peer.
        self.read_peer_page();
        (self.peer_page, self.violation) = (None, None);
        let resumed = self.outbox.link_up(hello, identity)?;
        (self.peer_page, self.sent_over) = (page, link);
        if matches!(resumed.incarnation, Incarnation::First | Incarnation::Another) {
            self.peer_since = link;
        }
        if resumed.incarnation != Incarnation::Same {
            self.incarnation_since = link;
        }
        if planted::is(Bug::NeedHasNoWakeUp) {
            self.wanted = 0;
        }
        if self.wanted > 0 {
            // A thread that waits since the last link now waits for this peer.
            self.want(self.wanted);
        }
        self.replays = self.outbox.to_replay().is_some();
        self.losses = self.losses.saturating_add(resumed.lost as u64);
        Ok(Some(resumed))
    }

    /// Starts receiving over this link.
    ///
    /// Later messages of a replaced link do not affect the acknowledgements on the newer link.
    pub fn begin_receiving(&mut self, link: u64, hello: &SessionHello, page: Option<P>) {
        if self.received_over > link {
            return;
        }
        self.received_over = link;
        self.inbox.hello(hello);
        (self.own_page, self.published) = (page, 0);
        self.publish();
    }

    /// Ends sending over the link with this page: reads its last number and releases it.
    ///
    /// The page stays if the peer may still take kept requests. Returns whether it is the current page; otherwise
    /// nothing changes.
    pub fn sending_ended(&mut self, page: Option<&P>) -> bool {
        let is_current = page.is_some() && self.peer_page.as_ref() == page;
        if is_current {
            self.read_peer_page();
            if !self.outbox.has_requests() {
                self.peer_page = None;
            }
        }
        is_current
    }

    /// Ends receiving over the link with this page. A replaced link changes nothing.
    pub fn receiving_ended(&mut self, page: Option<&P>) {
        if page.is_some() && self.own_page.as_ref() == page {
            self.own_page = None;
        }
    }

    /// Drops the messages kept for a peer that ended with this link and cannot return.
    ///
    /// Returns their number, and the number of data messages among them: 0 if the peer has a newer link or may return.
    pub fn peer_gone(&mut self, link: u64) -> (u64, u64) {
        let breaks = self.breaks && !planted::is(Bug::LinkThatBreaksIsAnEnd);
        let is_lasting = self.outbox.peer().is_none_or(|(identity, _)| identity.is_lasting());
        if is_lasting || breaks || self.is_newer(link) {
            return (0, 0);
        }
        self.read_peer_page();
        let lost = self.outbox.kept_data() as u64;
        self.losses = self.losses.saturating_add(lost);
        (self.outbox.drop_kept() as u64, lost)
    }

    /// Returns whether lost messages must still be reported to the program.
    pub fn has_losses(&self) -> bool {
        self.losses > 0
    }

    /// Returns the number of lost messages once; the caller reports them.
    pub fn take_losses(&mut self) -> u64 {
        core::mem::take(&mut self.losses)
    }

    /// Asks a peer that acknowledges in its page for a frame at this number; 0 for none.
    ///
    /// The request also holds for the next link's peer.
    pub fn want(&mut self, number: u64) {
        self.wanted = number;
        if let Some(page) = &self.peer_page {
            page.want(number);
        }
    }

    /// Returns the page of the sending link's peer, if it has one.
    pub fn peer_page(&self) -> Option<&P> {
        self.peer_page.as_ref()
    }

    /// Takes over the numbers that the peer has published.
    pub fn read_peer_page(&mut self) {
        let Some(page) = &self.peer_page else { return };
        let taken = if planted::is(Bug::TakenIsNotRead) { 0 } else { page.taken() };
        let acknowledged = page.acknowledged();
        let outbox = &mut self.outbox;
        if let Err(error) = outbox.acknowledged(acknowledged).and_then(|_| outbox.taken(taken)) {
            self.violation = Some(error);
        }
    }

    /// Returns the state of an unanswered request that was sent over `link`.
    ///
    /// `is_behind` tells whether a link brings nothing more.
    pub fn outcome(&mut self, request: u64, link: u64, is_behind: impl Fn(u64) -> bool) -> Outcome {
        let link = if self.outbox.is_resent(request) { self.sent_over } else { link };
        if !is_behind(link) {
            return Outcome::UnderWay;
        }
        self.read_peer_page();
        // The incarnation at the new link may have taken the request over the last link.
        let is_same = || {
            let session = self.outbox.peer().map(|(_, session)| session);
            self.received_over > link && session == Some(self.inbox.session())
        };
        let is_kept = self.outbox.keeps(request) && !(self.outbox.keeps_once(request) && is_same());
        if is_kept { Outcome::Kept } else { Outcome::Unknown }
    }

    /// Returns the error about the peer's page once: the caller ends the link.
    pub fn violation(&mut self) -> Option<Error> {
        self.violation.take()
    }

    /// Returns whether there is such an error.
    pub fn has_violation(&self) -> bool {
        self.violation.is_some()
    }

    /// Returns whether a message may be sent now. Reads the peer's page only if room seems to lack.
    pub fn has_room(&mut self, class: RetransmitClass, bytes: usize) -> bool {
        self.outbox.has_room(class, bytes) || self.has_room_now(class, bytes)
    }

    #[cold]
    fn has_room_now(&mut self, class: RetransmitClass, bytes: usize) -> bool {
        self.read_peer_page();
        self.outbox.has_room(class, bytes)
    }
}
