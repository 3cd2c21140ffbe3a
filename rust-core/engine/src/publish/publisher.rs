//! The publisher: sends its values to all subscribers without waiting for them.

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
use crate::channel::loan::short::send_encoded;
use crate::channel::pattern::Pattern;
use crate::channel::sending::DraftContent;
use crate::channel::turns::{TurnGuard, Turns, reentrant_call};
use crate::channel::{BytesLoan, Event, Framing, LINGER, Loan, LoanMemory, Options, Use, batch, plain};
use crate::codec::Encoding;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Lender, Payload};
use crate::sys::fork::{self, OfProcess};
use crate::transport::acceptor;
use crate::transport::endpoint::Endpoint;
use crate::transport::place::Place;
use crate::value::{DType, Element, Order, Source, Value};

/// Publishes at an endpoint. Subscribers come and go; a late one first receives the newest value.
///
/// A slow subscriber never slows the publisher: it misses messages and learns their number. Any number of threads may
/// send; they take turns. Any thread may close the publisher.
pub struct Publisher {
    shown: String,
    options: Options,
    fanout: OfProcess<Arc<Fanout>>,
    store: Option<OfProcess<Store>>,
    /// The turn to send. Not needed for a store, nor for a single message while no thread has the turn.
    turns: OfProcess<Turns>,
    waiting_place: OfProcess<Option<Place>>,
    awaited_until: OfProcess<OnceLock<Deadline>>,
    /// Holds the name; a publisher with the option `replace` takes it away.
    held: OfProcess<Arc<Mutex<NameGuard>>>,
    open: Arc<OpenState>,
    fork_generation: u64,
}

impl Publisher {
    /// Binds the name. A `journal:` continues the numbers of its last publisher.
    ///
    /// # Errors
    /// `AddressInUse` if a living process holds the name. A `file:` may have many publishers, which write in turn.
    pub fn new(endpoint: &str, options: &Options) -> Result<Publisher> {
        let endpoint: Endpoint = endpoint.parse()?;
        let open = || {
            let hello = Hello::new(Pattern::Publish, options.client_id.clone(), options.max_message_size)?;
            Publisher::at(&endpoint, options, hello, false)
        };
        open().map_err(|e| e.on(&endpoint))
    }

    /// Makes a publisher with this hello. With `begins_small` its ring starts small and grows when needed.
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

    /// Replaces another publisher of this process. Takes over its subscribers if they notice no difference, or else
    /// waits for them to connect again.
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
        // A subscriber that has not received everything in time learns how much it missed.
        let _ = fanout.drain(&mut Waiting::until(Deadline::after(options.within(LINGER))));
        drop(held);
        fanout.disconnect_all();
        let publisher = Publisher::at(endpoint, &options.clone().with_replace(false), hello, false)?;
        let mut connecting = Waiting::until(Deadline::after(options.within(CONNECT_TIMEOUT)));
        let _ = publisher.fanout.wait_for_subscribers(subscribers, &mut connecting, || publisher.check());
        Ok(publisher)
    }

    /// Encodes a value for this publisher, checked against its schema if `validate` requires that.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        fork::check(self.fork_generation).map_err(|e| e.on(&self.shown))?;
        self.encode_with(value, self.fanout.lender())
    }

    /// Encodes a value that is published next: over `shm:` a long value is encoded in place.
    ///
    /// Payloads that a program keeps would occupy the slots.
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

    /// Lends memory for an array of this shape (row-major) to fill and publish.
    ///
    /// Over `shm:`, all subscribers view the array in place, without a copy, as with
    /// [`Channel::loan`](crate::Channel::loan). Its elements start as those of an earlier array. The loan is ordinary
    /// memory, which publishing copies, in three cases: over other transports, below 64 KiB or a sixteenth of the
    /// option `buffer`, and if all slots are viewed or wait to be published.
    ///
    /// # Errors
    /// `TooLarge` above 15 dimensions or the longest message; `OutOfMemory`.
    pub fn loan<T: Element>(&self, shape: &[u64]) -> Result<Loan<T>> {
        Ok(Loan::of(self.loan_memory(T::DTYPE, shape, Order::Row)?))
    }

    /// [`Publisher::loan`] with element type and order known at run time, for bindings of other languages.
    pub fn loan_memory(&self, dtype: DType, shape: &[u64], order: Order) -> Result<LoanMemory> {
        let lend = || {
            LoanMemory::new(dtype, shape, order, self.options.max_message_size, |length| {
                self.fanout.lend_writable(length)
            })
        };
        self.check().and_then(|()| lend()).map_err(|e| e.on(&self.shown))
    }

    /// Lends memory for `length` opaque bytes to publish.
    ///
    /// As [`Channel::loan_bytes`](crate::Channel::loan_bytes). Over `shm:` the bytes are published in place. The
    /// loan is ordinary memory in the cases of [`Publisher::loan`].
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

    /// Publishes a value and returns its sequence number, without waiting for subscribers.
    ///
    /// A `file:` waits for its lock, and numbers the values of all its writers together. A `journal:` returns after the
    /// value is on the disk; several threads send at once and share each sync.
    ///
    /// # Errors
    /// `NoSpace` on a full disk: the caller can send the value again. `InvalidState` after the close; the error of a
    /// refused system call after which no subscriber can connect.
    pub fn send<T: Source + ?Sized>(&self, value: &T) -> Result<u64> {
        let encoding = self.options.encoding();
        if self.options.checks_sent().is_none()
            && let Some(sent) = send_encoded(value, encoding, |bytes| self.send_bytes(encoding, bytes))
        {
            return sent;
        }
        self.send_payload(&self.encode_to_send(value)?)
    }

    /// Publishes an encoded value, like [`Publisher::send`].
    pub fn send_payload(&self, payload: &Payload) -> Result<u64> {
        self.try_send(payload.into()).map_err(|e| e.on(&self.shown))
    }

    /// Publishes bytes that are already in this encoding, without checking them. See [`Publisher::send`].
    ///
    /// Over `shm:` the bytes are copied once, into shared memory.
    ///
    /// ```no_run
    /// # use linkspan_engine::{Publisher, Subscriber};
    /// # use linkspan_os::deadline::Timeout;
    /// # use linkspan_value::{Encoding, Result};
    /// # fn f(publisher: &Publisher, subscriber: &Subscriber) -> Result<()> {
    /// let mut samples = [0; 64];
    /// publisher.send_bytes(Encoding::Raw, &samples)?;
    /// let received = subscriber.recv_into(&mut samples, Timeout::Default)?;
    /// println!("{} bytes, the last one is {}", received.length, samples[received.length - 1]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Publisher::send`]; `TooLarge` above the longest message.
    pub fn send_bytes(&self, encoding: Encoding, bytes: &[u8]) -> Result<u64> {
        self.try_send(DraftContent::Borrowed(encoding, bytes)).map_err(|e| e.on(&self.shown))
    }

    /// Publishes these values in order, each as one message, and returns their number.
    ///
    /// Up to 64 messages share one wake-up or system call for each subscriber, and in a `journal:` one sync.
    ///
    /// # Errors
    /// [`Error::sent`] is the number of published values. The later values are still the caller's.
    pub fn send_many<T: Source>(&self, values: impl IntoIterator<Item = T>) -> Result<u64> {
        batch::in_runs(values.into_iter().map(|value| self.encode(&value)), |run| self.try_send_many(run))
    }

    /// [`Publisher::send_many`] with encoded values, for instance by [`Publisher::encode`].
    pub fn send_encoded(&self, payloads: impl IntoIterator<Item = Result<Payload>>) -> Result<u64> {
        batch::in_runs(payloads, |run| self.try_send_many(run))
    }

    /// Publishes several encoded values, like [`Publisher::send_many`].
    pub fn send_payloads(&self, payloads: &[Payload]) -> Result<u64> {
        self.try_send_many(payloads).map_err(|(sent, error)| error.with_sent(sent))?;
        Ok(payloads.len() as u64)
    }

    fn try_send_many(&self, payloads: &[Payload]) -> std::result::Result<(), (u64, Error)> {
        let mut sent = 0;
        for run in payloads.chunks(batch::RUN) {
            let (count, published) = self.try_send_run(run);
            sent += count as u64;
            published.map_err(|error| (sent, error.on(&self.shown)))?;
        }
        Ok(())
    }

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

    fn check(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        if self.open.is_open() { self.fanout.check() } else { Err(self.open.refusal()) }
    }

    /// Publishes one value. The fan-out's lock, which threads hold only briefly, is enough to order the numbers. The
    /// turn decides which waiting thread comes next, so a message goes without it only while no thread has or awaits a
    /// turn.
    fn try_send(&self, content: DraftContent<'_>) -> Result<u64> {
        self.check()?;
        if let Some(store) = &self.store {
            let sequence = store.write(content)?;
            self.fanout.event_log.count(&self.fanout.event_log.sent);
            return Ok(sequence);
        }
        if self.turns.are_free()
            && let Some(published) = self.fanout.try_publish(content)
        {
            return published;
        }
        let _turn = self.acquire_turn()?;
        self.fanout.publish(content)
    }

    fn acquire_turn(&self) -> Result<TurnGuard<'_>> {
        if self.fanout.is_held_here() {
            return Err(reentrant_call("publishes"));
        }
        let mut waiting = self.options.start(Wait::default());
        let turn = self.turns.acquire("publishes", &mut waiting)?;
        if self.open.is_open() { Ok(turn) } else { Err(self.open.refusal()) }
    }

    /// Returns the number of connected subscribers; for a `journal:`, the number of named readers.
    ///
    /// 0 for a `file:`, whose subscribers are not registered, and in a forked child.
    pub fn subscribers(&self) -> usize {
        if fork::check(self.fork_generation).is_err() {
            return 0;
        }
        self.store.as_ref().map_or_else(|| self.fanout.subscribers(), |store| store.writer.subscribers())
    }

    /// Returns how many messages the slowest subscriber has not read; 0 for a store.
    ///
    /// Over `unix:` and `tcp:` these are the messages that the kernel has not taken: messages in the socket do not
    /// count.
    ///
    /// A program that publishes in bursts, for example missed messages, waits until this number is low: it then
    /// overtakes nobody.
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

    /// Returns the events since the last call, oldest first.
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

    /// Waits until this many subscribers are connected, and can receive every later message.
    ///
    /// # Errors
    /// `Timeout` if fewer connected; `InvalidState` after the close, even by another thread during the wait;
    /// `Unsupported` for a store, which can be read without a publisher.
    pub fn wait_for_subscribers<'a>(&self, count: usize, wait: impl Into<Wait<'a>>) -> Result<()> {
        fork::check(self.fork_generation)?;
        if self.store.is_some() {
            let text = "subscribers need not be there: what is published is kept";
            return Err(Error::new(ErrorKind::Unsupported, text).on(&self.shown));
        }
        let mut waiting = self.options.start(wait);
        self.fanout.wait_for_subscribers(count, &mut waiting, || self.check()).map_err(|e| e.on(&self.shown))
    }

    /// Waits until every connected subscriber has been given all earlier messages.
    ///
    /// Over `shm:` its program has then read them; over `unix:` and `tcp:` the kernel has taken them for its
    /// connection. For a `journal:` and a `file:` it returns at once, because `send` already stored the messages.
    ///
    /// # Errors
    /// `Timeout` with the number of messages left for the slowest subscriber in [`Error::missed`]; the publisher stays
    /// open, and the call can be repeated. `InvalidState` after the close; if another thread closed it during the wait,
    /// with that number as well.
    pub fn flush<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let mut waiting = self.options.start(wait);
        let mut flush = || self.fanout.flush(&mut waiting, || self.check());
        self.check().and_then(|()| flush()).map_err(|e| e.on(&self.shown))
    }

    /// Removes the name after the subscribers have been served.
    ///
    /// If something was published, unconnected subscribers of this user get up to a second to connect. Subscribers on
    /// sockets (`unix:`, `tcp:`) receive their remaining messages. Then all wait for the next publisher. Calls of other
    /// threads that wait for subscribers fail with `InvalidState`.
    ///
    /// # Errors
    /// `Timeout` if a subscriber had not received everything by the deadline; the error of a refused system call after
    /// which no subscriber could connect. The publisher is closed in any case.
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
    /// False from one second after the first call on.
    #[doc(hidden)]
    pub fn is_awaited(&self) -> bool {
        let until = self.awaited_until.get_or_init(|| Deadline::after(CONNECT_TIMEOUT));
        let published = self.fanout.event_log.sent.load(Ordering::Relaxed) > 0;
        let is_here = fork::check(self.fork_generation).is_ok();
        let place = self.waiting_place.as_ref().filter(|_| is_here && published && !until.has_passed());
        // If the mark cannot be read, no subscriber can have set it.
        place.is_some_and(|place| place.is_awaited().unwrap_or(false))
    }

    fn drain_subscribers(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let deadline = waiting.deadline();
        let is_awaited = || !deadline.has_passed() && self.is_awaited();
        let missing = || Ok(is_awaited().then(|| Error::new(ErrorKind::Timeout, "subscribers wait")));
        // A subscriber removes its mark after it has connected, without an event.
        self.fanout.wait_until(waiting, false, missing)?;
        self.fanout.drain(waiting)
    }

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

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

impl Drop for Publisher {
    fn drop(&mut self) {
        // `close` tells a program whether everything was received.
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
