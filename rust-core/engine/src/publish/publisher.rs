//! The publisher: sends its values to all subscribers and waits for none of them.

mod relay;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::fanout::Fanout;
use super::handshake::PublisherHandler;
use super::replace::{self, NameGuard, OpenState, Replaced};
use super::store::{self, Store};
use crate::channel::acceptor::bind;
use crate::channel::handshake::Hello;
use crate::channel::pattern::Pattern;
use crate::channel::turns::{TurnGuard, Turns, reentrant_call};
use crate::channel::{BytesLoan, Event, Framing, LINGER, Loan, LoanMemory, Options, Use, batch, plain};
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Lender, Payload};
use crate::sys::fork::{self, OfProcess};
use crate::transport::acceptor;
use crate::transport::endpoint::Endpoint;
use crate::transport::place::Place;
use crate::value::{DType, Element, Order, Source, Value};

/// Publishes at an endpoint. Subscribers come and go; late ones first receive the newest value. A
/// slow subscriber never slows the publisher: it misses messages, and learns how many.
///
/// Any number of threads may send; they take turns. Any thread may close it.
pub struct Publisher {
    /// The endpoint as text, for errors.
    shown: String,
    options: Options,
    fanout: OfProcess<Arc<Fanout>>,
    /// For a file or a journal, which keeps values by itself.
    store: Option<OfProcess<Store>>,
    /// The turn to send, except with a store, and for a single message while no thread has the turn.
    turns: OfProcess<Turns>,
    /// Where subscribers mark that they wait for a publisher.
    waiting_place: OfProcess<Option<Place>>,
    /// Until when a closing publisher waits for such subscribers.
    awaited_until: OfProcess<OnceLock<Deadline>>,
    /// What keeps the name; a publisher with the option `replace` takes it away.
    held: OfProcess<Arc<Mutex<NameGuard>>>,
    open: Arc<OpenState>,
    /// The process that made the publisher, as a count of forks.
    fork_generation: u64,
}

impl Publisher {
    /// Binds the name. A `journal:` continues the numbers of the publisher before it.
    ///
    /// # Errors
    /// `AddressInUse` if a living process holds the name; a `file:` may have many publishers, which
    /// write in turn.
    pub fn new(endpoint: &str, options: &Options) -> Result<Publisher> {
        let endpoint: Endpoint = endpoint.parse()?;
        let open = || {
            let hello = Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
            Publisher::at(&endpoint, options, hello, false)
        };
        open().map_err(|e| e.on(&endpoint))
    }

    /// Makes a publisher whose subscribers get this hello. With `begins_small` its ring is small until it is needed.
    fn at(endpoint: &Endpoint, options: &Options, hello: Hello, begins_small: bool) -> Result<Publisher> {
        options.check(endpoint.transport(), Use::Publish)?;
        if options.replace
            && let Some(replaced) = replace::take(&endpoint.to_string(), options)?
        {
            return Publisher::in_place_of(replaced, endpoint, options, hello);
        }
        let options = &store::options_for(endpoint.transport(), options);
        let store = Store::open(endpoint, options)?;
        let fanout = Arc::new(Fanout::new(
            endpoint,
            (hello.session, hello.first),
            options.buffer,
            options.max_message_size,
            begins_small,
        )?);
        let (mut owner_record, mut waiting_place) = (None, None);
        let (registration, endpoint) = if store.is_some() {
            (None, endpoint.clone())
        } else {
            let handler = PublisherHandler {
                transport: endpoint.transport(),
                hello,
                options: options.clone(),
                fanout: fanout.clone(),
            };
            let bound = bind(endpoint, Pattern::Publish, options, false);
            let (source, endpoint) = bound.map_err(|e| replace::hinted(e, &endpoint.to_string()))?;
            waiting_place = source.place().filter(|_| options.framing == Framing::Linkspan).cloned();
            owner_record = match source.place() {
                Some(place) => plain::owner_record(&endpoint, place, Pattern::Publish, options)?,
                None => None,
            };
            (Some(acceptor::open(source, Arc::new(handler))?), endpoint)
        };
        let held = NameGuard { owner_record, registration };
        Ok(Publisher::over(endpoint.to_string(), options, held, (fanout, store, waiting_place)))
    }

    /// Returns the publisher that has this name and these parts.
    fn over(
        shown: String,
        options: &Options,
        held: NameGuard,
        (fanout, store, waiting_place): (Arc<Fanout>, Option<Store>, Option<Place>),
    ) -> Publisher {
        let (held, open) = (Arc::new(Mutex::new(held)), Arc::new(OpenState::default()));
        if store.is_none() {
            replace::remember(&shown, options, (&held, &open, &fanout));
        }
        Publisher {
            shown,
            options: options.clone(),
            fanout: fanout.into(),
            store: store.map(OfProcess::new),
            turns: Turns::default().into(),
            waiting_place: waiting_place.into(),
            awaited_until: OnceLock::new().into(),
            held: held.into(),
            open,
            fork_generation: fork::generation(),
        }
    }

    /// Makes the publisher that replaces another one of this process: with its subscribers where they notice no
    /// difference, else it waits until they have connected again.
    fn in_place_of(
        replaced: Replaced,
        endpoint: &Endpoint,
        options: &Options,
        hello: Hello,
    ) -> Result<Publisher> {
        let Replaced { held, fanout, is_alike } = replaced;
        if is_alike {
            let waiting_place =
                if options.framing == Framing::Linkspan { Place::of(endpoint).ok() } else { None };
            return Ok(Publisher::over(endpoint.to_string(), options, held, (fanout, None, waiting_place)));
        }
        let subscribers = fanout.subscribers();
        // One that has not received everything in time learns how much it missed.
        let _ = fanout.drain(&mut Waiting::until(Deadline::after(options.within(LINGER))));
        drop(held);
        fanout.disconnect_all();
        let publisher = Publisher::at(endpoint, &options.clone().with_replace(false), hello, false)?;
        // One that has ended meanwhile does not come back.
        let mut connecting = Waiting::until(Deadline::after(options.within(CONNECT_TIMEOUT)));
        let _ = publisher.fanout.wait_for_subscribers(subscribers, &mut connecting, || publisher.check());
        Ok(publisher)
    }

    /// Encodes a value as this publisher sends it, checked against its schema if `validate` requires it.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        fork::check(self.fork_generation).map_err(|e| e.on(&self.shown))?;
        self.encode_with(value, self.fanout.lender())
    }

    /// As [`Publisher::encode`], for a value that is published next: over `shm:` a long one is encoded where its
    /// subscribers read it. Payloads that a program keeps would occupy the slots.
    #[doc(hidden)]
    pub fn encode_to_send<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        fork::check(self.fork_generation).map_err(|e| e.on(&self.shown))?;
        let lender = self.fanout.lender_at_once();
        self.encode_with(value, lender.as_ref().map(|lender| lender as &dyn Lender))
    }

    fn encode_with<T: Source + ?Sized>(&self, value: &T, lender: Option<&dyn Lender>) -> Result<Payload> {
        let options = &self.options;
        Payload::with_schema(options.checks_sent(), value, options.encoding(), &options.limits(), lender)
            .map_err(|e| e.on(&self.shown))
    }

    /// Lends memory for an array of this shape (row-major), to be filled and published, as
    /// [`Channel::loan`](crate::Channel::loan) does: over `shm:` all subscribers then view it where it
    /// lies, and nothing is copied. Its elements are those of an earlier array. It is ordinary memory,
    /// of which publishing makes a copy, over other transports, for less than 64 KiB or a sixteenth of
    /// the option `buffer`, and where all slots are viewed or wait to be published.
    ///
    /// # Errors
    /// `TooLarge` above 15 dimensions, or above the longest message; `OutOfMemory`.
    pub fn loan<T: Element>(&self, shape: &[u64]) -> Result<Loan<T>> {
        Ok(Loan::of(self.loan_memory(T::DTYPE, shape, Order::Row)?))
    }

    /// [`Publisher::loan`] for element types and orders that are known at run time: for other
    /// languages.
    pub fn loan_memory(&self, dtype: DType, shape: &[u64], order: Order) -> Result<LoanMemory> {
        let lend = || {
            LoanMemory::new(dtype, shape, order, self.options.max_message_size, |length| {
                self.fanout.lend_writable(length)
            })
        };
        self.check().and_then(|()| lend()).map_err(|e| e.on(&self.shown))
    }

    /// Lends memory for `length` opaque bytes to publish, as [`Channel::loan_bytes`](crate::Channel::loan_bytes) does:
    /// over `shm:` they are published where they lie. It is ordinary memory where [`Publisher::loan`] gives that.
    ///
    /// # Errors
    /// `TooLarge` above the longest message; `OutOfMemory`.
    pub fn loan_bytes(&self, length: usize) -> Result<BytesLoan> {
        let surrounds = BytesLoan::is_sent_in_place(self.options.encoding());
        let lend = |length| if surrounds { self.fanout.lend_with_margins(length) } else { None };
        self.check()
            .and_then(|()| BytesLoan::new(length, self.options.max_message_size, lend))
            .map_err(|e| e.on(&self.shown))
    }

    /// Publishes a value and returns its sequence number. Waits for no subscriber. A `file:` waits
    /// for its lock, and counts the values of all its writers. A `journal:` returns once the value
    /// is on the disk; several threads send at once there and share each sync.
    ///
    /// # Errors
    /// `NoSpace` on a full disk: the value is still the caller's and can be sent again.
    /// `InvalidState` once closed; the error of a system call that the kernel refuses, so that no subscriber can
    /// connect any more.
    pub fn send<T: Source + ?Sized>(&self, value: &T) -> Result<u64> {
        self.send_payload(&self.encode_to_send(value)?)
    }

    /// Publishes an encoded value: see [`Publisher::send`].
    pub fn send_payload(&self, payload: &Payload) -> Result<u64> {
        self.try_send(payload).map_err(|e| e.on(&self.shown))
    }

    /// Publishes these values in their order, each as one message as [`Publisher::send`] does: with
    /// one wake-up or one system call for each subscriber and up to 64 of them, in a `journal:` with
    /// one sync. Returns how many were published.
    ///
    /// # Errors
    /// [`Error::sent`] has how many were published before the error; the value behind those and all
    /// that follow are still the caller's.
    pub fn send_many<T: Source>(&self, values: impl IntoIterator<Item = T>) -> Result<u64> {
        batch::in_runs(values.into_iter().map(|value| self.encode(&value)), |run| self.try_send_many(run))
    }

    /// [`Publisher::send_many`] with values that the iterator encodes, for instance with
    /// [`Publisher::encode`].
    pub fn send_encoded(&self, payloads: impl IntoIterator<Item = Result<Payload>>) -> Result<u64> {
        batch::in_runs(payloads, |run| self.try_send_many(run))
    }

    /// Publishes several encoded values: see [`Publisher::send_many`].
    pub fn send_payloads(&self, payloads: &[Payload]) -> Result<u64> {
        self.try_send_many(payloads).map_err(|(sent, error)| error.with_sent(sent))?;
        Ok(payloads.len() as u64)
    }

    /// Publishes in runs. An error comes with how many were published before it.
    fn try_send_many(&self, payloads: &[Payload]) -> std::result::Result<(), (u64, Error)> {
        let mut sent = 0;
        for run in payloads.chunks(batch::RUN) {
            let (count, published) = self.try_send_run(run);
            sent += count as u64;
            published.map_err(|error| (sent, error.on(&self.shown)))?;
        }
        Ok(())
    }

    /// Publishes one run, up to the first value that is too large.
    fn try_send_run(&self, run: &[Payload]) -> (usize, Result<()>) {
        if let Err(error) = self.check() {
            return (0, Err(error));
        }
        match &self.store {
            Some(store) => {
                let written = store.write_many(run);
                self.fanout.event_log.sent.fetch_add(written.0 as u64, Ordering::Relaxed);
                written
            }
            None => match self.acquire_turn() {
                Ok(_turn) => self.fanout.publish_many(run),
                Err(error) => (0, Err(error)),
            },
        }
    }

    /// Fails with `InvalidState` in another process, and once the publisher is closed; with the error of the acceptor
    /// once that has ended.
    fn check(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        if self.open.is_open() { self.fanout.check() } else { Err(self.open.refusal()) }
    }

    /// Publishes one value. The lock of the fan-out is enough: it orders the numbers, and no thread has it for long.
    /// The turn decides which of several waiting threads comes next, so a message leaves without one only while no
    /// thread has or awaits a turn.
    fn try_send(&self, payload: &Payload) -> Result<u64> {
        self.check()?;
        if let Some(store) = &self.store {
            let sequence = store.write(payload)?;
            self.fanout.event_log.count(&self.fanout.event_log.sent);
            return Ok(sequence);
        }
        if self.turns.are_free()
            && let Some(published) = self.fanout.try_publish(payload)
        {
            return published;
        }
        let _turn = self.acquire_turn()?;
        self.fanout.publish(payload)
    }

    /// Waits for the turn to send. No thread has it for long.
    fn acquire_turn(&self) -> Result<TurnGuard<'_>> {
        if self.fanout.is_held_here() {
            return Err(reentrant_call("publishes"));
        }
        let mut waiting = self.options.start(Wait::default());
        let turn = self.turns.acquire("publishes", &mut waiting)?;
        if self.open.is_open() { Ok(turn) } else { Err(self.open.refusal()) }
    }

    /// Returns how many subscribers are connected; for a `journal:`, how many read it under a name now. 0 for
    /// a `file:`, whose subscribers are not registered, and in a forked child.
    pub fn subscribers(&self) -> usize {
        if fork::check(self.fork_generation).is_err() {
            return 0;
        }
        self.store.as_ref().map_or_else(|| self.fanout.subscribers(), |store| store.writer.subscribers())
    }

    /// Returns how many messages the slowest subscriber has not read; 0 without subscribers and for a store. A program
    /// that publishes faster than usual, such as one that sends what was missed, waits by it, so that nobody is
    /// overtaken.
    pub fn behind(&self) -> u64 {
        if self.store.is_some() || fork::check(self.fork_generation).is_err() {
            0
        } else {
            self.fanout.behind()
        }
    }

    /// Returns the endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns what happened since the last call, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.fanout.event_log.take()
    }

    /// Returns counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.fanout.event_log.stats();
        self.fanout.event_log.add_arrays(&mut stats);
        stats.insert("endpoint".into(), self.shown.as_str().into());
        stats.insert("subscribers".into(), (self.subscribers() as u64).into());
        Value::Map(stats)
    }

    /// Waits until so many subscribers are connected, so that they miss nothing of what follows.
    ///
    /// # Errors
    /// `Timeout` if fewer connected; `InvalidState` once it is closed, also by another thread during the wait;
    /// `Unsupported` for a store, which is read whether a publisher writes or not.
    pub fn wait_for_subscribers<'a>(&self, count: usize, wait: impl Into<Wait<'a>>) -> Result<()> {
        fork::check(self.fork_generation)?;
        if self.store.is_some() {
            let text = "subscribers need not be there: what is published is kept";
            return Err(Error::new(ErrorKind::Unsupported, text).on(&self.shown));
        }
        let mut waiting = self.options.start(wait);
        self.fanout.wait_for_subscribers(count, &mut waiting, || self.check()).map_err(|e| e.on(&self.shown))
    }

    /// Waits until every connected subscriber has been given what was published before: over `shm:` its program has
    /// read it, over `unix:` and `tcp:` the kernel has taken it for its connection. A `journal:` and a `file:` have it
    /// once `send` has returned, where they are durable on the disk: then there is nothing to wait for.
    ///
    /// # Errors
    /// `Timeout` with the number of messages that are left for the slowest subscriber in [`Error::missed`]; the
    /// publisher stays open, and the call can be repeated. `InvalidState` once it is closed; where another thread
    /// closed it during the wait, with that number, too.
    pub fn flush<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let mut waiting = self.options.start(wait);
        let mut flush = || self.fanout.flush(&mut waiting, || self.check());
        self.check().and_then(|()| flush()).map_err(|e| e.on(&self.shown))
    }

    /// Removes the name once the subscribers have been served. If something was published, subscribers of
    /// this user that are not connected get up to a second to connect, whatever their programs wait with. Those with a
    /// socket each (`unix:`, `tcp:`) receive what is left for them. Then they wait for the next publisher. The calls of
    /// other threads that wait for subscribers fail with `InvalidState`.
    ///
    /// # Errors
    /// `Timeout` if a subscriber had not received everything by the deadline; the error of a system call that the
    /// kernel refused, after which no subscriber could connect any more. The publisher is closed all the same.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.fork_generation).is_err() || !self.open.close() {
            return Ok(());
        }
        self.fanout.wake_waiting();
        let mut waiting = self.options.start(wait);
        let drained = self.drain_subscribers(&mut waiting);
        self.release();
        drained.and(self.fanout.check()).map_err(|e| e.on(&self.shown))
    }

    /// Returns whether something was published and a subscriber of this user has no connection.
    ///
    /// Subscribers get a second from the first call on. After that the result is false.
    #[doc(hidden)]
    pub fn is_awaited(&self) -> bool {
        let until = self.awaited_until.get_or_init(|| Deadline::after(CONNECT_TIMEOUT));
        let published = self.fanout.event_log.sent.load(Ordering::Relaxed) > 0;
        let is_here = fork::check(self.fork_generation).is_ok();
        let place = self.waiting_place.as_ref().filter(|_| is_here && published && !until.has_passed());
        // If the mark cannot be read, no subscriber can have set it.
        place.is_some_and(|place| place.is_awaited().unwrap_or(false))
    }

    /// Waits for subscribers that are about to connect, and until all have been sent everything.
    fn drain_subscribers(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let deadline = waiting.deadline();
        let is_awaited = || !deadline.has_passed() && self.is_awaited();
        let missing = || Ok(is_awaited().then(|| Error::new(ErrorKind::Timeout, "subscribers wait")));
        // A subscriber removes the mark when it has connected; nothing reports that.
        self.fanout.wait_until(waiting, false, missing)?;
        self.fanout.drain(waiting)
    }

    /// Removes the name and disconnects the subscribers.
    fn release(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        // In this order: the record is removed while the name is still ours.
        drop(held.owner_record);
        drop(held.registration);
        self.fanout.disconnect_all();
        if let Some(store) = &self.store {
            store.writer.close();
        }
    }
}

/// How long waiting subscribers get to connect to a publisher that closes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

impl Drop for Publisher {
    fn drop(&mut self) {
        // A program that has to know whether all was received calls `close`.
        let _ = self.close(LINGER);
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("endpoint", &self.shown)
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a signal handler would, which interrupts a call that has the state.
    #[test]
    fn publishing_within_a_call_that_publishes_is_refused() {
        let endpoint = format!("unix:publish-again-{}", std::process::id());
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        let held = publisher.fanout.hold();
        let error = publisher.send(&Value::from(1_u64)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
        drop(held);
        publisher.send(&Value::from(1_u64)).unwrap();
    }
}
