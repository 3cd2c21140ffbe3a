//! Receiving over a link that may break: the next frame, a sleep until there is one, a new link.

mod in_place;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::greeting::Pattern;
use super::options::Options;
use super::reconnector::{Origin, Reconnector, RxPart};
use super::record::Record;
use super::sending::AckSender;
use super::session::inbox::{AckTrigger, Verdict};
use super::session_state::urgency;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::{Message, withdrawal};
use crate::schema::Held;
use crate::sys::eventfd::ReadinessFlag;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::transport::{Losses, extension};
use crate::value::Limits;

/// The receiving direction of a channel.
pub struct Receiving {
    part: Option<RxPart>,
    pub generation: u64,
    /// Messages that came while a caller waited for another one.
    pub inbox: VecDeque<Message>,
    parked: bool,
    /// Requests in the inbox, or the one that is about to be given, that their callers have withdrawn.
    withdrawn: HashSet<u64>,
    /// The request that is about to be given; 0 for none.
    in_hand: u64,
    /// What was wrong with a frame behind those in the inbox.
    behind: Option<Error>,
    /// Frames in a row that were no messages.
    empty_polls: u32,
    /// Whether the program sleeps on our descriptor itself.
    watched: bool,
    /// Whether the channel is taking its leave: it is closed, and reads on until that is answered.
    leaving: bool,
    /// Whether it is read on the library's behalf.
    lent: bool,
    /// Whether the other side takes its leave, and waits to hear how far we have come.
    pub asked: bool,
    /// Whether the program is given what comes from the link now.
    pub gives: bool,
    /// Whether the program is given several messages at once: those before the one that is looked for now are not consumed yet.
    pub gives_more: bool,
    /// Why the program's call is to be noted as one that consumes what was given before it: with the next message, under the same
    /// lock, or before the sleep where none is there.
    consumes: Option<AckTrigger>,
    /// Whether the message that was taken last had been kept.
    pub took_kept: bool,
    limits: Limits,
    /// What messages and requests are checked against while they are decoded; answers are not.
    schema: Option<Arc<Held>>,
    reply_schema: Option<Arc<Held>>,
    epoll: Epoll,
    /// Rung while messages wait on our side of the descriptor.
    waker: ReadinessFlag,
    ready: Vec<Ready>,
}

/// What a received frame means to the channel.
pub enum Taken {
    /// A message.
    Message(Message),
    /// The other side takes its leave and waits to hear that all before it has been consumed.
    Bye,
    /// The other side has said how far it has come.
    Ack,
}

/// Messages that wait to be received while a thread reads for acknowledgements, at most.
const FULL: usize = 1 << 16;

/// Messages that are read behind a request to see whether it was withdrawn, at most.
const AHEAD: usize = 256;

/// After so many frames in a row that are no messages the clock is looked at; and so many are read by who does not wait.
const MAX_EMPTY_POLLS: u32 = 64;
const MAX_EMPTY_POLLS_AT_ONCE: u32 = 4096;
/// How long one who has just said something waits for an answer before it says how far it has come: beyond the next tick of the
/// kernel's clock, because an earlier one has to be set in the hardware.
const PAUSE: Duration = Duration::from_micros(4500);
const LINK: u64 = 1;
const ORIGIN: u64 = 2;

impl Receiving {
    pub fn new(options: &Options, reconnector: &Reconnector) -> Result<Receiving> {
        let epoll = Epoll::new()?;
        let waker = ReadinessFlag::new()?;
        epoll.add(&waker, LINK, Interest::IN)?;
        epoll.add(&reconnector.wake, LINK, Interest::IN)?;
        if let Origin::Acceptor(acceptor) = &reconnector.origin {
            epoll.add(acceptor.queue.waker(), ORIGIN, Interest::IN | Interest::ET)?;
        }
        Ok(Receiving {
            part: None,
            generation: 0,
            inbox: VecDeque::new(),
            withdrawn: HashSet::new(),
            in_hand: 0,
            behind: None,
            parked: false,
            empty_polls: 0,
            watched: false,
            leaving: false,
            lent: false,
            asked: false,
            gives: false,
            gives_more: false,
            consumes: None,
            took_kept: false,
            limits: options.limits(),
            schema: options.checks_received().cloned(),
            reply_schema: options.checks_replies_received().cloned(),
            epoll,
            waker,
            ready: Vec::new(),
        })
    }

    /// The descriptor that a program's own event loop sleeps on.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// From now on keeps the descriptor readable exactly while something can be received.
    pub fn watch(&mut self) -> Result<()> {
        self.watched = true;
        self.tell(false);
        Ok(())
    }

    /// Keeps a message that was only looked for; the descriptor goes on saying that it is there.
    pub fn keep(&mut self, message: Message) {
        self.inbox.push_back(message);
        self.tell(false);
    }

    /// The same for one that comes before all others.
    pub fn keep_first(&mut self, message: Message) {
        self.inbox.push_front(message);
        self.tell(false);
    }

    /// Whether this is a request that its caller has withdrawn by now. What has come behind it is read for that.
    pub fn is_withdrawn(&mut self, request: &Message, ack_sender: &AckSender<'_>) -> bool {
        if !request.is_request() {
            return false;
        }
        self.in_hand = request.sequence();
        // What is read here is kept, and not given yet.
        let gives = std::mem::replace(&mut self.gives, false);
        let mut at_once = Waiting::at_once();
        while self.inbox.len() < AHEAD && self.behind.is_none() && self.may_hold_more() {
            match self.link_next(ack_sender, &mut at_once, false) {
                Ok(Taken::Message(message)) => self.keep(message),
                Ok(Taken::Bye) => ack_sender.send_ack(AckTrigger::Asked),
                Ok(Taken::Ack) => {}
                Err(e) if e.kind() == ErrorKind::Timeout || self.part.is_none() => break,
                Err(e) => self.behind = Some(e),
            }
        }
        (self.in_hand, self.gives) = (0, gives);
        self.withdrawn.remove(&request.sequence())
    }

    /// Whether another look may give a message at once.
    pub fn may_have_more(&self) -> bool {
        !self.inbox.is_empty()
            || self.behind.is_none() && self.part.as_ref().is_some_and(|part| part.rx.may_hold_more())
    }

    /// Keeps an error for the next call that receives.
    pub fn tell_later(&mut self, error: Error) {
        self.behind.get_or_insert(error);
        if self.watched {
            self.waker.wake();
        }
    }

    /// Whether the link, where it is one with a session, may have more than was read.
    fn may_hold_more(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.negotiated.is_some() && part.rx.may_hold_more())
    }

    /// Notes that a request was withdrawn that has not been given.
    fn withdraw(&mut self, request: u64) {
        let is_it = |message: &Message| message.is_request() && message.sequence() == request;
        if self.in_hand == request || self.inbox.iter().any(is_it) {
            self.withdrawn.insert(request);
        }
    }

    /// The program calls to receive: what it was given before has been consumed. Where a message lies ready in the link, that is noted
    /// when it is taken, which spares a lock and a fence; else at once.
    #[inline]
    pub fn program_calls(&mut self, ack_sender: &AckSender<'_>) {
        let trigger = if self.asked { AckTrigger::Asked } else { AckTrigger::Passing };
        self.consumes = Some(trigger);
        if !self.inbox.is_empty() || self.behind.is_some() || !self.may_hold_more() {
            self.note_consumed(ack_sender);
        }
    }

    /// Notes what [`Receiving::program_calls`] left to be noted.
    #[inline]
    pub fn note_consumed(&mut self, ack_sender: &AckSender<'_>) {
        if let Some(trigger) = self.consumes.take() {
            self.consume(trigger, ack_sender);
        }
    }

    fn consume(&mut self, trigger: AckTrigger, ack_sender: &AckSender<'_>) {
        match &mut self.part {
            // What stays in the inbox has been copied out of the ring.
            Some(part) if part.negotiated.is_some() => {
                let owes = ack_sender.reconnector.session_state.halves().consumed(&mut part.rx, trigger);
                ack_sender.send_ack_if(owes, trigger);
            }
            _ => ack_sender.consumed(trigger),
        }
    }

    /// The next message, in the inbox or from the link.
    pub fn next(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<Taken> {
        let next = self.find_next(ack_sender, waiting);
        if self.watched && next.is_err() && self.part.is_none() {
            // The caller is told now that the link has ended, and the inbox is empty.
            self.waker.drain();
        }
        next
    }

    fn find_next(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<Taken> {
        let kept = self.inbox.pop_front();
        self.took_kept = kept.is_some();
        if let Some(message) = kept {
            self.tell(false);
            return Ok(Taken::Message(message));
        }
        if let Some(error) = self.behind.take() {
            return Err(error);
        }
        if self.part.is_none() {
            self.connect(ack_sender.reconnector, ack_sender.record, waiting)?;
        }
        if let Some(part) = &self.part {
            check_pattern(part)?;
        }
        self.link_next(ack_sender, waiting, true)
    }

    /// The next message from the link. Without `renew`, a link that has broken is `Disconnected` at once.
    pub fn link_next(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        reconnect: bool,
    ) -> Result<Taken> {
        let AckSender { reconnector, record, .. } = *ack_sender;
        self.rouse();
        if self.gives_more {
            // With the next call.
        } else if self.consumes.is_some() {
            // With the message that lies ready.
        } else if !reconnector.is_acknowledged_by_hand()
            || !self.part.as_ref().is_some_and(|part| part.rx.keeps())
        {
            self.consumed();
        }
        if !waiting.is_none()
            && !self.watched
            && self.part.as_mut().is_some_and(|part| part.rx.is_likely_empty())
        {
            // To look in vain and then sleep costs a system call more than to sleep at once. A time-out is told below,
            // after a look.
            self.sleep(ack_sender, waiting)
                .or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })?;
        }
        loop {
            // A newer link waits until this one has given all that a peer which went had sent.
            if self.part.is_none() {
                self.connect(reconnector, record, waiting)?;
            }
            if let Some(message) = self.take_small(ack_sender, |_| true) {
                self.empty_polls = 0;
                return Ok(Taken::Message(message));
            }
            let Some(part) = &mut self.part else { continue };
            let got = part.rx.try_recv();
            let losses = part.rx.take_losses();
            if losses != Losses::default() {
                record.lost(losses);
            }
            if self.consumes.is_some() && !matches!(got, Ok(Some(_))) {
                // Before the link is let go of, and its session with it.
                self.note_consumed(ack_sender);
            }
            match got {
                Ok(Some(frame)) => {
                    match self.sort(frame, ack_sender) {
                        Ok(None) => self.in_vain(waiting)?,
                        Ok(Some(taken)) => {
                            match taken {
                                Taken::Message(_) => self.empty_polls = 0,
                                Taken::Bye | Taken::Ack => self.in_vain(waiting)?,
                            }
                            return Ok(taken);
                        }
                        // What it says cannot be: nothing that follows is to be relied on.
                        Err(e) => {
                            self.note_consumed(ack_sender);
                            self.lose(reconnector, record, &e);
                            return Err(e);
                        }
                    }
                }
                Ok(None) => {
                    self.sleep(ack_sender, waiting)?;
                    if self.lent && reconnector.is_interrupted() {
                        return Ok(Taken::Ack);
                    }
                    if !self.leaving {
                        reconnector.check_open()?;
                    }
                }
                // These are about one frame, which was skipped.
                Err(e) if self.part.as_ref().is_some_and(|part| part.rx.goes_on_after(&e)) => return Err(e),
                Err(e) => {
                    self.lose(reconnector, record, &e);
                    let lasting = e.kind() != ErrorKind::Disconnected;
                    if lasting || !reconnect || !reconnector.goes_on() {
                        return Err(e);
                    }
                }
            }
        }
    }

    /// A frame came that is no message. However many do, the caller comes back at its deadline.
    fn in_vain(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.empty_polls += 1;
        if self.empty_polls < if waiting.is_none() { MAX_EMPTY_POLLS_AT_ONCE } else { MAX_EMPTY_POLLS } {
            return Ok(());
        }
        self.empty_polls = 0;
        // What is left of them is looked at again, by an event loop, too.
        waiting.sleep().map(drop).inspect_err(|_| self.tell(true))
    }

    /// What one frame means; none where it means nothing to the program.
    fn sort(&mut self, frame: Incoming, ack_sender: &AckSender<'_>) -> Result<Option<Taken>> {
        let AckSender { reconnector, record, .. } = *ack_sender;
        let Header { kind, sequence, correlation, flags, .. } = frame.header;
        Ok(match kind {
            Kind::Data | Kind::Request | Kind::Reply | Kind::Error | Kind::Command | Kind::Event => {
                let mut session = 0;
                if let Some(part) = self.part.as_mut().filter(|part| part.negotiated.is_some()) {
                    if correlation > 0 && !matches!(kind, Kind::Reply | Kind::Error) {
                        reconnector.session_state.acknowledged(correlation)?;
                    }
                    let mut halves = reconnector.session_state.halves();
                    let due = self.consumes.take().filter(|trigger| halves.consumed(&mut part.rx, *trigger));
                    let (urgency, bytes) = (urgency(kind, flags), frame.body.len());
                    let verdict = match self.gives {
                        true => halves.inbox.take_and_give(sequence, bytes, urgency),
                        false => halves.inbox.take(sequence, bytes, urgency),
                    };
                    session = halves.inbox.session();
                    drop(halves);
                    if let Some(trigger) = due {
                        ack_sender.send_ack_now(trigger);
                    }
                    match verdict? {
                        Verdict::Duplicate => return Ok(None),
                        Verdict::New { missed: 0 } => {}
                        Verdict::New { missed } => record.lagged(missed),
                    }
                }
                record.count_alone(&record.received);
                // A frame's own word counts only where nobody said a hello.
                let known =
                    self.part.as_ref().map(|part| &part.peer.source).filter(|source| !source.is_empty());
                let said;
                let source = match known {
                    Some(known) => known,
                    None => {
                        let sender = extension::read(&frame.extension).ok().flatten();
                        said = sender.map_or_else(|| "".into(), |sender| sender.source);
                        &said
                    }
                };
                let schema = match kind {
                    Kind::Data | Kind::Request => self.schema.as_ref(),
                    Kind::Reply => self.reply_schema.as_ref(),
                    _ => None,
                };
                let message = Message::new(frame, source, self.limits, session).held_to(schema);
                self.tell(true);
                Some(Taken::Message(message))
            }
            Kind::Bye => {
                // The other side is told next how far the program has come, which includes this call.
                self.note_consumed(ack_sender);
                if let Some(part) = &mut self.part {
                    part.rx.consumed();
                }
                self.asked = true;
                Some(Taken::Bye)
            }
            Kind::Ack => {
                reconnector.session_state.acknowledged(correlation)?;
                if let Some(request) = withdrawal::read(&frame) {
                    self.withdraw(request);
                }
                Some(Taken::Ack)
            }
            Kind::Hello => None,
        })
    }

    /// Takes the receiving half of the newest link where it has none, waiting for one if need be.
    pub fn join(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<()> {
        if self.part.is_some() {
            return Ok(());
        }
        self.connect(ack_sender.reconnector, ack_sender.record, waiting)
    }

    fn connect(
        &mut self,
        reconnector: &Reconnector,
        record: &Record,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        self.drop_part();
        let renewed = reconnector.reconnect_rx(&mut self.generation, record, waiting);
        if self.watched
            && let (Err(_), Origin::Dial(dialler)) = (&renewed, &reconnector.origin)
        {
            // Nobody listens: the program's event loop is woken when a name appears.
            dialler.with_descriptors(|fds| {
                for fd in fds {
                    // One that is in the set already stays.
                    let _ = self.epoll.add(fd, ORIGIN, Interest::IN);
                }
            });
        }
        let part = renewed?;
        self.asked = false;
        if let Some(negotiated) = &part.negotiated {
            reconnector.session_state.begin(negotiated);
        }
        for fd in part.rx.descriptors() {
            self.epoll.add(fd, LINK, Interest::IN | Interest::RDHUP)?;
        }
        self.part = Some(part);
        Ok(())
    }

    /// Sleeps until the link may have something, unless it has it already.
    ///
    /// What is to be acknowledged is acknowledged first, before the spin: a receiver that is killed while its messages keep
    /// coming would otherwise have consumed some whose sender does not know it, and its next incarnation gets them again. In a
    /// dialogue that is one message, and the acknowledgement waits for a moment: the next thing that we send says it in passing.
    fn sleep(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<()> {
        self.note_consumed(ack_sender);
        let pauses = !waiting.is_none() && !self.lent;
        ack_sender.send_ack(if pauses { AckTrigger::Pausing } else { AckTrigger::Sleeping });
        if let Some(part) = self.part.as_mut().filter(|_| !waiting.is_none()) {
            // What the library has lent itself it gives back when the program knocks, which only epoll hears.
            if part.rx.spin() || !self.lent && part.rx.sleep_briefly(waiting)? {
                return Ok(());
            }
        }
        let Some(part) = &mut self.part else { return Ok(()) };
        if waiting.is_none() && !self.watched {
            return Err(waiting.timed_out());
        }
        self.waker.drain();
        self.parked = true;
        if part.rx.park()? {
            self.rouse();
            return Ok(());
        }
        if waiting.is_none() {
            // Stays parked: the program sleeps on our descriptor.
            return Err(waiting.timed_out());
        }
        let slept = self.sleep_in_epoll(ack_sender, waiting);
        self.rouse();
        slept
    }

    fn sleep_in_epoll(&mut self, ack_sender: &AckSender<'_>, waiting: &mut Waiting<'_>) -> Result<()> {
        if ack_sender.owes(AckTrigger::Sleeping) {
            if self.epoll.wait_at_most(PAUSE, waiting, &mut self.ready)? {
                return Ok(());
            }
            ack_sender.send_ack(AckTrigger::Sleeping);
        }
        self.epoll.wait(waiting, &mut self.ready)
    }

    fn rouse(&mut self) {
        if let Some(part) = self.part.as_mut().filter(|_| self.parked) {
            part.rx.unpark();
        }
        self.parked = false;
    }

    /// Keeps the descriptor readable while something waits on our side of it. `link` looks into the link, too.
    fn tell(&mut self, link: bool) {
        if !self.watched {
            return;
        }
        let more = match &mut self.part {
            Some(part) if link => part.rx.park().unwrap_or(true),
            _ => false,
        };
        self.parked |= link;
        if more || !self.inbox.is_empty() {
            self.waker.wake();
        } else if link {
            self.waker.drain();
        }
    }

    fn lose(&mut self, reconnector: &Reconnector, record: &Record, why: &Error) {
        record.disconnected(why.to_string());
        // Not while it is closed: that tells how many the other side has not consumed.
        if !self.leaving {
            reconnector.lost(record);
        }
        self.drop_part();
        if self.watched {
            // It may be a call that sends which notices it: an event loop has to receive to be told, or to connect again.
            self.waker.wake();
        }
    }

    /// Reads what is there without waiting, for the acknowledgements among it; messages go into the inbox.
    pub fn gather(&mut self, ack_sender: &AckSender<'_>) {
        if self.part.is_none() && !ack_sender.reconnector.is_newer(self.generation) {
            return;
        }
        let mut at_once = Waiting::at_once();
        // An error is met again by the next call that receives.
        while let Ok(taken) = self.link_next(ack_sender, &mut at_once, false) {
            if let Taken::Message(message) = taken {
                self.keep(message);
            }
            if self.inbox.len() >= FULL {
                break;
            }
        }
    }

    /// Reads until `enough`, at the latest at the deadline; messages go into the inbox.
    pub fn read_until(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        enough: impl FnMut() -> bool,
    ) -> Result<()> {
        self.lent = true;
        let read = self.read_on(ack_sender, waiting, enough);
        self.lent = false;
        read
    }

    fn read_on(
        &mut self,
        ack_sender: &AckSender<'_>,
        waiting: &mut Waiting<'_>,
        mut enough: impl FnMut() -> bool,
    ) -> Result<()> {
        while !enough() {
            if self.inbox.len() >= FULL {
                let text = format!(
                    "{FULL} messages wait to be received, and the other side has not consumed what was sent; receive them first"
                );
                return Err(Error::new(ErrorKind::Full, text));
            }
            match self.link_next(ack_sender, waiting, true)? {
                Taken::Message(message) => {
                    self.keep(message);
                    ack_sender.send_ack(AckTrigger::Asked);
                }
                Taken::Bye => ack_sender.send_ack(AckTrigger::Asked),
                Taken::Ack => {}
            }
        }
        Ok(())
    }

    /// From now on reads although the channel is closed: it takes its leave.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// Tells the link that what the program was given has been consumed; what waits in the inbox has not.
    pub fn consumed(&mut self) {
        if let Some(part) = &mut self.part {
            part.rx.consumed_but(self.inbox.len());
        }
    }

    /// Lets go of the link.
    pub fn drop_part(&mut self) {
        let Some(part) = self.part.take() else { return };
        for fd in part.rx.descriptors() {
            self.epoll.remove(fd);
        }
        self.parked = false;
    }
}

/// A server sends nothing on its own: who waits for that waits in vain.
fn check_pattern(part: &RxPart) -> Result<()> {
    if part.peer.pattern == Pattern::Request {
        let text = "is a server, call it: it sends nothing on its own";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    Ok(())
}
