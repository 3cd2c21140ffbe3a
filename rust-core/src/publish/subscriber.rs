//! The subscriber: hears a publisher, and the next one when that has gone.

mod batch;

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::feed::{Before, Feed, Look};
use super::store;
use crate::channel::dial::Dialler;
use crate::channel::record::{Event, Record};
use crate::channel::turns::Turns;
use crate::channel::{Acknowledge, Delivery, Does, Options, Use, instead, is_not_now, only_one};
use crate::deadline::{Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::message::Message;
use crate::sys::eventfd::{EventFd, ReadinessFlag};
use crate::sys::fork;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::stop;
use crate::transport::endpoint::Endpoint;
use crate::value::Value;

/// Hears what a publisher says: the newest value first, then every one that follows. The publisher need not be there yet,
/// and may come back: a subscriber that was there before it gets its values from the first one.
///
/// A `journal:` is read whether somebody writes it or not, by any number of subscribers; with a `client_id` each goes on
/// behind what it had consumed when it starts again, and only one reads under a name at a time (`AddressInUse`). Consumed is what
/// was received, at the next call that receives, or at [`Subscriber::ack`] with `ack="manual"`. A message that the disk has
/// not kept is `Corrupt`, once; then it goes on behind it.
///
/// A subscriber that was overtaken gets `Lagged` with the number of messages missed, once, and goes on with the oldest
/// that is left; with the option `delivery="latest"` it gets the newest value instead, whose `missed` tells.
///
/// One thread at a time receives, another one gets `InvalidState`: each thread may have a subscriber of its own. Any thread may
/// close it, which ends the other's wait.
pub struct Subscriber {
    shown: String,
    endpoint: Endpoint,
    options: Options,
    /// None where values are kept by themselves, and nobody answers at the name.
    dialler: Option<Dialler>,
    receive_state: Mutex<ReceiveState>,
    record: Record,
    closed: AtomicBool,
    /// Which thread receives, for one that closes out of a callback of its own wait.
    hearer: Turns,
    wake: EventFd,
    pub(super) descriptor: Arc<OwnedFd>,
    born: u64,
}

struct ReceiveState {
    feed: Option<Feed>,
    /// Whether that publisher goes on elsewhere: to call it again is no new connection.
    moved: bool,
    /// Where the last feed stopped, or that there was nobody to read from.
    before: Option<Before>,
    epoll: Epoll,
    /// Rung while a message waits on our side of the descriptor.
    waker: ReadinessFlag,
    kept: Option<Message>,
    /// A message that came together with the news that others were missed.
    next: Option<Message>,
    /// What the next call that receives is to give, before that message: it came behind others that were given together.
    behind: Option<Error>,
    /// How many messages were missed that no message and no error has told of.
    missed: u64,
    /// The number of the message that the program got last.
    given: u64,
    parked: bool,
    watched: bool,
    stops: Option<stop::Watch>,
    ready: Vec<Ready>,
}

/// After so many looks that gave no message the clock is looked at.
const MAX_EMPTY_POLLS: u32 = 64;
/// So many frames at most are read by who wants what is there, and no more.
const AT_ONCE: u32 = 1 << 16;
const FEED: u64 = 1;
const NAME: u64 = 2;
const WAKE: u64 = 3;
const STOP: u64 = 4;

impl Subscriber {
    /// Subscribes, and connects where there is a publisher; does not wait for one. What is published from now on is received, or
    /// [`Lagged`](ErrorKind::Lagged) tells how much of it was missed: a publisher that comes later is read from its
    /// beginning, as far as it still has that.
    pub fn new(endpoint: &str, options: &Options) -> Result<Subscriber> {
        let endpoint: Endpoint = endpoint.parse()?;
        options.check(endpoint.transport(), Use::Subscribe).map_err(|e| e.on(&endpoint))?;
        let options = &store::options_for(endpoint.transport(), options);
        let dialler = if store::is_store(endpoint.transport()) {
            None
        } else {
            Some(Dialler::new(&endpoint, options)?)
        };
        let (epoll, waker, wake) = (Epoll::new()?, ReadinessFlag::new()?, EventFd::new()?);
        epoll.add(&waker, FEED, Interest::IN)?;
        epoll.add(&wake, WAKE, Interest::IN)?;
        let subscriber = Subscriber {
            shown: endpoint.to_string(),
            dialler,
            endpoint,
            options: options.clone(),
            descriptor: epoll.shared(),
            receive_state: Mutex::new(ReceiveState {
                feed: None,
                before: None,
                moved: false,
                epoll,
                waker,
                kept: None,
                next: None,
                behind: None,
                missed: 0,
                given: 0,
                parked: false,
                watched: false,
                stops: None,
                ready: Vec::new(),
            }),
            record: Record::default(),
            closed: AtomicBool::new(false),
            hearer: Turns::default(),
            wake,
            born: fork::generation(),
        };
        if subscriber.dialler.is_some()
            && let Ok(mut receive_state) = subscriber.receive_state.lock()
        {
            // What is wrong there is met again, and told, by the first call that receives.
            let _ = subscriber.connect(&mut receive_state, &mut Waiting::at_once());
        }
        Ok(subscriber)
    }

    /// The next message. `Timeout` where none came, `NotFound` where there was no publisher all that time, `Lagged`
    /// where some were missed: then the next call goes on.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let mut waiting = wait.into().start(self.options.timeout).on_wait(&self.options.on_wait);
        self.hear(&mut waiting, false).map_err(|e| e.on(&self.shown))?.ok_or_else(|| self.is_closed())
    }

    /// The next message without waiting: `Empty` where there is none.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| instead(e, ErrorKind::Empty))
    }

    /// The next message, for loops: [`Timeout::Default`] waits for ever here, whatever the options say; none comes once the subscriber
    /// is closed or SIGINT or SIGTERM has asked the program to stop. Where a time-out is given that passes, `Timeout`. It is no error here that messages were
    /// missed, so that a loop goes on: [`Message::missed`] of the next message says how many.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Message>> {
        let mut waiting = wait.into().start(Timeout::Forever).on_wait(&self.options.on_wait);
        self.hear(&mut waiting, true).map_err(|e| e.on(&self.shown))
    }

    fn hear(&self, waiting: &mut Waiting<'_>, iterates: bool) -> Result<Option<Message>> {
        fork::check(self.born)?;
        let mut receive_state = match only_one(&self.receive_state, Does::ReceivesPublished) {
            // The other thread is the one that closes it.
            Err(_) if self.closed.load(Ordering::Acquire) => return Ok(None),
            receive_state => receive_state?,
        };
        let _hearer = self.hearer.mark();
        let heard = self.hear_with(&mut receive_state, waiting, iterates);
        if self.closed.load(Ordering::Acquire) {
            receive_state.end();
        }
        heard
    }

    fn hear_with(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        if iterates
            && waiting.is_forever()
            && receive_state.stops.is_none()
            && !self.closed.load(Ordering::Acquire)
        {
            let watch = stop::watch()?;
            receive_state.epoll.add(stop::waker(), STOP, Interest::IN)?;
            receive_state.stops = Some(watch);
        }
        if self.options.ack == Acknowledge::Auto {
            receive_state.consumed()?;
        }
        if !self.closed.load(Ordering::Acquire)
            && receive_state.behind.is_none()
            && let Some(message) = receive_state.next.take()
        {
            receive_state.given = message.sequence();
            receive_state.tell();
            return Ok(Some(message));
        }
        let mut empty_polls = 0u32;
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Ok(None);
            }
            if iterates && waiting.is_forever() && stop::was_asked() {
                return Ok(None);
            }
            match self.one(receive_state, waiting) {
                Ok(Some(mut message)) => {
                    if self.options.delivery == Some(Delivery::Latest) {
                        // Whatever is newer is what was asked for.
                        let mut at_once = Waiting::at_once();
                        for _ in 0..AT_ONCE {
                            match self.one(receive_state, &mut at_once) {
                                Ok(Some(newer)) => {
                                    message = newer;
                                    receive_state.missed += 1;
                                }
                                Err(e) if e.kind() == ErrorKind::Lagged => {
                                    receive_state.missed += self.count_missed(&e);
                                }
                                _ => break,
                            }
                        }
                    }
                    if receive_state.missed > 0 {
                        message = message.with_missed(std::mem::take(&mut receive_state.missed));
                    }
                    // Whoever hears is alone with that.
                    self.record.count_alone(&self.record.received);
                    receive_state.given = message.sequence();
                    receive_state.tell();
                    return Ok(Some(message));
                }
                // However often a publisher moves, or says what is no message, the caller comes back at its deadline.
                Ok(None) => {
                    empty_polls += 1;
                    if empty_polls.is_multiple_of(MAX_EMPTY_POLLS) {
                        // What is left is looked at again, by an event loop, too.
                        waiting.sleep().inspect_err(|_| receive_state.tell())?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Lagged => {
                    let count = self.count_missed(&e);
                    // A loop goes on: the next message tells how many were missed before it.
                    if !iterates && self.options.delivery != Some(Delivery::Latest) {
                        return Err(e);
                    }
                    receive_state.missed += count;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Says that the last message has been dealt with, and all before it, for one with `ack="manual"`: a subscriber to a
    /// journal with a `client_id` goes on behind it when it starts again. Elsewhere nobody waits for that.
    pub fn ack(&self) -> Result<()> {
        fork::check(self.born)?;
        let done = only_one(&self.receive_state, Does::ReceivesPublished)
            .and_then(|mut receive_state| receive_state.consumed());
        done.map_err(|e| e.on(&self.shown))
    }

    fn count_missed(&self, error: &Error) -> u64 {
        let count = error.missed().unwrap_or(0);
        self.record.lagged(count);
        count
    }

    /// One message, or none where the sleep ended for another reason.
    fn one(&self, receive_state: &mut ReceiveState, waiting: &mut Waiting<'_>) -> Result<Option<Message>> {
        receive_state.rouse();
        if let Some(error) = receive_state.behind.take() {
            return Err(error);
        }
        // It came together with the news of what was missed before it.
        if let Some(message) = receive_state.next.take() {
            return Ok(Some(message));
        }
        if receive_state.feed.is_none() {
            self.connect(receive_state, waiting)?;
        }
        let Some(feed) = &mut receive_state.feed else { return Ok(None) };
        match feed.look() {
            Ok(Look::Frame(frame)) => {
                let gap = feed.gap(&frame);
                let source = feed.source_of(&frame);
                let message = self.message(frame, &source, feed.session);
                if gap > 0 {
                    receive_state.next = Some(message);
                    return Err(Error::lagged(gap));
                }
                Ok(Some(message))
            }
            // What came is no message; more of it may be there.
            Ok(Look::Noise) => Ok(None),
            Ok(Look::Nothing) => {
                let slept = receive_state.sleep(&self.wake, waiting);
                slept.map(|()| None).map_err(|e| receive_state.explain(e))
            }
            Ok(Look::Moved) => {
                receive_state.moved = true;
                receive_state.let_go();
                self.connect(receive_state, waiting)?;
                Ok(None)
            }
            // A record of a journal whose schema does not fit stays the next one, as long as the program has this schema.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::Lagged
                        | ErrorKind::TooLarge
                        | ErrorKind::OutOfMemory
                        | ErrorKind::Corrupt
                        | ErrorKind::SchemaMismatch
                ) =>
            {
                Err(e)
            }
            // The publisher writes faster than can be copied: try again, unless there is no time.
            Err(e) if e.kind() == ErrorKind::Stalled => {
                waiting.sleep().map_err(|_| e)?;
                waiting.woke(false)?;
                Ok(None)
            }
            Err(e) => {
                self.record.disconnected(e.to_string());
                receive_state.let_go();
                if e.kind() == ErrorKind::Disconnected { Ok(None) } else { Err(e) }
            }
        }
    }

    fn message(&self, frame: Incoming, source: &Arc<str>, session: u64) -> Message {
        Message::new(frame, source, self.options.limits(), session).held_to(self.options.checks_received())
    }

    fn connect(&self, receive_state: &mut ReceiveState, waiting: &mut Waiting<'_>) -> Result<()> {
        let before = receive_state.before;
        let dialled = match &self.dialler {
            Some(dialler) => self.dial(dialler, receive_state, before, waiting),
            None => Feed::of_store(&self.endpoint, &self.options).map(Some),
        };
        match dialled {
            // Whoever called looks why.
            Ok(None) => Ok(()),
            Ok(Some(feed)) => {
                for fd in feed.descriptors() {
                    receive_state.epoll.add(fd, FEED, Interest::IN | Interest::RDHUP)?;
                }
                if !receive_state.moved && self.dialler.is_some() {
                    self.record.connected(&feed.source);
                }
                receive_state.moved = false;
                receive_state.feed = Some(feed);
                Ok(())
            }
            Err(e) => {
                if e.kind() == ErrorKind::NotFound {
                    // Whoever comes, comes after us.
                    receive_state.before.get_or_insert_default();
                }
                if let Some(dialler) = self.dialler.as_ref().filter(|_| receive_state.watched) {
                    dialler.with_descriptors(|fds| {
                        for fd in fds {
                            // One that is in the set already stays.
                            let _ = receive_state.epoll.add(fd, NAME, Interest::IN);
                        }
                    });
                }
                Err(e)
            }
        }
    }

    /// Calls the publisher. Where there is none and one is waited for, a mark says so beside the name: a publisher that ends soon
    /// waits until we have come.
    fn dial(
        &self,
        dialler: &Dialler,
        receive_state: &mut ReceiveState,
        before: Option<Before>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Feed>> {
        let mut wakers = vec![self.wake.as_fd()];
        if receive_state.stops.is_some() {
            wakers.push(stop::waker());
        }
        let transport = self.endpoint.transport();
        if waiting.is_none() {
            return Feed::dial(dialler, transport, &self.options, before, &wakers, waiting);
        }
        // The look counts as waiting, too: one who does not answer is given a moment even by a look.
        let deadline = waiting.deadline();
        match Feed::dial(dialler, transport, &self.options, before, &wakers, &mut Waiting::at_once()) {
            Err(e) if e.kind() == ErrorKind::Stalled && deadline.has_passed() => Err(e),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Stalled) => {
                let before = before.or((e.kind() == ErrorKind::NotFound).then(Before::default));
                receive_state.before = before;
                let _mark = dialler.mark();
                Feed::dial(dialler, transport, &self.options, before, &wakers, waiting)
            }
            dialled => dialled,
        }
    }

    /// The newest message that has come, whether it was given before or not: for programs that ask now and then.
    /// `Empty` where nothing was published, `NotFound` where there is no publisher.
    pub fn newest<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let mut waiting = wait.into().start(self.options.timeout).on_wait(&self.options.on_wait);
        self.look_for_newest(&mut waiting).map_err(|e| e.on(&self.shown))
    }

    fn look_for_newest(&self, waiting: &mut Waiting<'_>) -> Result<Message> {
        fork::check(self.born)?;
        let mut receive_state = only_one(&self.receive_state, Does::ReceivesPublished)?;
        let receive_state = &mut *receive_state;
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(self.is_closed());
            }
            if receive_state.feed.is_none() {
                receive_state.kept = None;
                self.connect(receive_state, waiting)?;
            }
            let Some(feed) = &mut receive_state.feed else { continue };
            match feed.newest() {
                Ok(Some(Look::Frame(frame))) => {
                    let source = feed.source_of(&frame);
                    return Ok(self.message(frame, &source, feed.session));
                }
                Ok(Some(Look::Nothing)) => return Err(nothing_yet()),
                Ok(Some(Look::Moved)) => {
                    receive_state.moved = true;
                    receive_state.let_go();
                }
                Ok(Some(Look::Noise) | None) => {
                    if let Some(newest) = self.read_to_the_end(receive_state, waiting)? {
                        return Ok(newest);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Disconnected => {
                    self.record.disconnected(e.to_string());
                    receive_state.let_go();
                }
                // A store that is not there yet.
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    receive_state.sleep(&self.wake, waiting).map_err(|_| e)?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The last of what has come over a socket; none where the connection ended, so that it has to be made anew.
    fn read_to_the_end(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Message>> {
        // A publisher that has just gone must not be taken for one that is there: look with suspicion.
        if let Some(feed) = &mut receive_state.feed {
            feed.park()?;
            feed.unpark();
        }
        let mut at_once = Waiting::at_once();
        let mut read = 0;
        while receive_state.feed.is_some() {
            match self.one(receive_state, &mut at_once) {
                Ok(Some(message)) => {
                    receive_state.kept = Some(message);
                    read += 1;
                    // One who publishes faster than we read has no end.
                    if read >= AT_ONCE {
                        return Ok(receive_state.kept.clone());
                    }
                }
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::Lagged => {
                    if let Some(next) = receive_state.next.take() {
                        receive_state.kept = Some(next);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    if let Some(kept) = &receive_state.kept {
                        return Ok(Some(kept.clone()));
                    }
                    receive_state.sleep(&self.wake, waiting).map_err(|_| nothing_yet())?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Whether a message can be received at once.
    pub fn poll(&self) -> Result<bool> {
        let mut receive_state =
            only_one(&self.receive_state, Does::ReceivesPublished).map_err(|e| e.on(&self.shown))?;
        if receive_state.next.is_some() {
            return Ok(true);
        }
        let mut waiting = Waiting::at_once();
        for _ in 0..AT_ONCE {
            match self.one(&mut receive_state, &mut waiting) {
                Ok(Some(message)) => {
                    receive_state.next = Some(message);
                    return Ok(true);
                }
                Ok(None) => {}
                Err(e) if is_not_now(&e) => return Ok(false),
                Err(e) => return Err(e.on(&self.shown)),
            }
        }
        Ok(false)
    }

    /// What happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.record.take()
    }

    /// The endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// A descriptor for an event loop: readable while [`Subscriber::try_recv`] has something to do.
    pub fn fileno(&self) -> Result<RawFd> {
        fork::check(self.born)?;
        only_one(&self.receive_state, Does::ReceivesPublished)?.watched = true;
        // Looking once arms it: from now on what comes makes it readable.
        if self.poll()? {
            only_one(&self.receive_state, Does::ReceivesPublished)?.waker.wake();
        }
        Ok(self.descriptor.as_raw_fd())
    }

    /// Counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.record.stats();
        stats.insert("endpoint".into(), self.shown.as_str().into());
        Value::Map(stats)
    }

    /// Hears no more. A thread that waits in [`Subscriber::next`] gets none.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if fork::check(self.born).is_err() {
            return;
        }
        self.wake.wake();
        // In a callback of this thread's own wait: that wait ends, and lets go.
        if !self.hearer.is_held_here() {
            // A thread that waits is woken, and leaves.
            self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).end();
        }
    }

    fn is_closed(&self) -> Error {
        Error::new(ErrorKind::InvalidState, "the subscriber is closed").on(&self.shown)
    }
}

fn nothing_yet() -> Error {
    Error::new(ErrorKind::Empty, "nothing has been published yet")
}

impl ReceiveState {
    /// Lets go of the publisher, and of the signals.
    fn end(&mut self) {
        self.let_go();
        if self.stops.take().is_some() {
            self.epoll.remove(stop::waker());
        }
    }

    /// Sleeps until the feed may have something.
    fn sleep(&mut self, wake: &EventFd, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        if waiting.is_none() && !self.watched {
            return Err(waiting.timed_out());
        }
        if !waiting.is_none() && feed.spin() {
            return Ok(());
        }
        if !waiting.is_none() && feed.sleep_briefly(waiting)? {
            return Ok(());
        }
        self.waker.drain();
        self.parked = true;
        if feed.park()? {
            self.rouse();
            return Ok(());
        }
        if waiting.is_none() {
            // Stays parked: the program sleeps on our descriptor.
            return Err(waiting.timed_out());
        }
        let slept = self.epoll.wait(waiting, &mut self.ready);
        if self.ready.iter().any(|r| r.token == WAKE) {
            wake.drain();
        }
        self.rouse();
        slept
    }

    fn consumed(&mut self) -> Result<()> {
        self.feed.as_mut().map_or(Ok(()), |feed| feed.consumed(self.given))
    }

    fn explain(&self, error: Error) -> Error {
        match &self.feed {
            Some(feed) => feed.explain(error),
            None => error,
        }
    }

    fn rouse(&mut self) {
        if let Some(feed) = self.feed.as_mut().filter(|_| self.parked) {
            feed.unpark();
        }
        self.parked = false;
    }

    /// Keeps the descriptor readable while something waits on our side of it.
    fn tell(&mut self) {
        if !self.watched {
            return;
        }
        let more = self.next.is_some()
            || self.behind.is_some()
            || self.feed.as_mut().is_some_and(|feed| {
                let more = feed.park().unwrap_or(true);
                self.parked = !more;
                more
            });
        if more {
            self.waker.wake();
        } else {
            self.waker.drain();
        }
    }

    fn let_go(&mut self) {
        let Some(feed) = self.feed.take() else { return };
        self.before = feed.stopped();
        for fd in feed.descriptors() {
            self.epoll.remove(fd);
        }
        self.parked = false;
    }
}
