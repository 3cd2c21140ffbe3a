//! The publisher: says its values to whoever listens, and waits for nobody.

mod relay;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::fanout::Fanout;
use super::handshake::PublisherHandler;
use super::store::{self, Store};
use crate::channel::acceptor::claim;
use crate::channel::greeting::{Greeting, Pattern};
use crate::channel::turns::{Held, Turns};
use crate::channel::{Event, Framing, LINGER, Options, Use, batch, plain};
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind};
use crate::message::Payload;
use crate::sys::fork;
use crate::transport::acceptor::{self, ListenerRegistration};
use crate::transport::endpoint::Endpoint;
use crate::transport::place::Place;
use crate::value::{Source, Timestamp, Value};

/// Publishes at an endpoint. Subscribers come and go; late ones get the newest value first. A slow subscriber never
/// slows the publisher: it is overtaken, and told how much it missed.
///
/// Any number of threads may send, and take turns; any thread may close it.
pub struct Publisher {
    shown: String,
    options: Options,
    fanout: Arc<Fanout>,
    /// Where values are kept by themselves.
    store: Option<Store>,
    /// The number of the last message, for the thread whose turn it is.
    sequence: Mutex<u64>,
    /// Threads that send do so one after the other, except where the store takes many.
    turns: Turns,
    /// Where subscribers say that they wait for us.
    place: Option<Place>,
    /// What tells of the name where no hello is said: that goes while the name is still ours.
    owner_record: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    registration: Mutex<Option<ListenerRegistration>>,
    closed: AtomicBool,
    born: u64,
}

impl Publisher {
    /// Takes the name. `AddressInUse` where a living process has it; a `file:` may have many publishers, who write in turn.
    /// A `journal:` goes on counting where the publisher before it stopped.
    pub fn new(endpoint: &str, options: &Options) -> Result<Publisher> {
        let endpoint: Endpoint = endpoint.parse()?;
        let open = || {
            let greeting = Greeting::new(Pattern::Publish, options.client_id.clone(), options.limit)?;
            Publisher::at(&endpoint, options, greeting)
        };
        open().map_err(|e| e.on(&endpoint))
    }

    fn at(endpoint: &Endpoint, options: &Options, greeting: Greeting) -> Result<Publisher> {
        options.check(endpoint.transport(), Use::Publish)?;
        let options = &store::options_for(endpoint.transport(), options);
        let store = Store::open(endpoint, options)?;
        let first = greeting.first;
        let fanout = Arc::new(Fanout::new(endpoint.transport(), greeting.session, options.buffer)?);
        let (mut owner_record, mut awaited) = (None, None);
        let (registration, endpoint) = if store.is_some() {
            (None, endpoint.clone())
        } else {
            let handler = PublisherHandler {
                transport: endpoint.transport(),
                greeting,
                options: options.clone(),
                fanout: fanout.clone(),
            };
            let (claim, endpoint) = claim(endpoint, Pattern::Publish, options, false)?;
            awaited = claim.place().filter(|_| options.framing == Framing::Linkspan).cloned();
            owner_record = match claim.place() {
                Some(place) => plain::owner_record(&endpoint, place, Pattern::Publish, options)?,
                None => None,
            };
            (Some(acceptor::open(claim, Arc::new(handler))?), endpoint)
        };
        Ok(Publisher {
            shown: endpoint.to_string(),
            options: options.clone(),
            fanout,
            store,
            sequence: Mutex::new(first.saturating_sub(1)),
            turns: Turns::default(),
            place: awaited,
            owner_record: Mutex::new(owner_record),
            registration: Mutex::new(registration),
            closed: AtomicBool::new(false),
            born: fork::generation(),
        })
    }

    /// Encodes a value as this publisher sends it.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        let options = &self.options;
        Payload::held_to(options.checks_sent(), value, options.encoding(), &options.limits())
            .map_err(|e| e.on(&self.shown))
    }

    /// Publishes a value; gives its sequence number. Waits for no subscriber; a `file:` waits for its lock, and counts the
    /// values of all its writers. A `journal:` gives the number once the value is on the disk; there, several threads send at
    /// once and share each sync, elsewhere they take turns. `NoSpace` on a full disk: the value is still the caller's, and can be sent again.
    pub fn send<T: Source + ?Sized>(&self, value: &T) -> Result<u64> {
        self.send_payload(&self.encode(value)?)
    }

    /// Publishes what is encoded already.
    pub fn send_payload(&self, payload: &Payload) -> Result<u64> {
        self.try_send(payload).map_err(|e| e.on(&self.shown))
    }

    /// Publishes these values in their order, each as one message as [`Publisher::send`] does: with one wake-up or one system call
    /// for each subscriber and up to 64 of them, in a `journal:` with one sync. Gives how many those were. An error says in
    /// [`Error::sent`] how many were published before it; the value behind those and all that follow are still the caller's.
    pub fn send_many<T: Source>(&self, values: impl IntoIterator<Item = T>) -> Result<u64> {
        batch::in_runs(values.into_iter().map(|value| self.encode(&value)), |run| self.try_send_many(run))
    }

    /// The same with values that the iterator encodes, each when it is asked for it: see [`Publisher::encode`].
    pub fn send_encoded(&self, payloads: impl IntoIterator<Item = Result<Payload>>) -> Result<u64> {
        batch::in_runs(payloads, |run| self.try_send_many(run))
    }

    /// Publishes several values that are encoded already: see [`Publisher::send_many`].
    pub fn send_payloads(&self, payloads: &[Payload]) -> Result<u64> {
        self.try_send_many(payloads).map_err(|(sent, error)| error.with_sent(sent))?;
        Ok(payloads.len() as u64)
    }

    /// An error comes with how many were published before it.
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
        // What is too large ends the run.
        let check = |payload: &Payload| payload.check(self.options.limit);
        let good = run.iter().take_while(|payload| check(payload).is_ok()).count();
        let refused = run.get(good).map_or(Ok(()), check);
        let (count, published) = self.publish_run(&run[..good]);
        (count, published.and(refused))
    }

    fn publish_run(&self, run: &[Payload]) -> (usize, Result<()>) {
        let now = Timestamp::now();
        let (count, published) = match &self.store {
            Some(store) if store.takes_many() => store.write_many(now, run),
            store => {
                let _turn = match self.turn() {
                    Ok(turn) => turn,
                    Err(error) => return (0, Err(error)),
                };
                let mut last = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
                match store {
                    // The file counts by itself.
                    Some(store) => store.write_many(now, run),
                    None => {
                        let (count, published) = self.fanout.publish_many(*last + 1, now, run);
                        *last += count as u64;
                        (count, published)
                    }
                }
            }
        };
        if self.store.is_some() {
            (0..count).for_each(|_| self.fanout.record.count(&self.fanout.record.sent));
        }
        (count, published)
    }

    fn check(&self) -> Result<()> {
        fork::check(self.born)?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::InvalidState, "the publisher is closed"));
        }
        Ok(())
    }

    fn try_send(&self, payload: &Payload) -> Result<u64> {
        self.check()?;
        payload.check(self.options.limit)?;
        let header = Header { sent: Timestamp::now().0, ..Header::new(Kind::Data, payload.encoding()) };
        let sequence = match &self.store {
            Some(store) if store.takes_many() => store.write(header, payload)?,
            store => {
                let _turn = self.turn()?;
                let mut last = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
                let header = Header { sequence: *last + 1, ..header };
                *last = match store {
                    Some(store) => store.write(header, payload)?,
                    None => {
                        self.fanout.publish(header, payload)?;
                        header.sequence
                    }
                };
                *last
            }
        };
        if self.store.is_some() {
            self.fanout.record.count(&self.fanout.record.sent);
        }
        Ok(sequence)
    }

    /// Our turn to send. Nobody has it for long, but for a `file:`, whose lock may be waited for.
    fn turn(&self) -> Result<Held<'_>> {
        let mut waiting = Wait::default().start(self.options.timeout).on_wait(&self.options.on_wait);
        let turn = self.turns.hold("publishes", &mut waiting)?;
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::InvalidState, "the publisher is closed"));
        }
        Ok(turn)
    }

    /// How many subscribers there are; for a `journal:`, how many read it under a name just now; for a `file:`, nobody knows.
    pub fn subscribers(&self) -> usize {
        self.store.as_ref().map_or_else(|| self.fanout.subscribers(), Store::subscribers)
    }

    /// The endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// What happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.fanout.record.take()
    }

    /// Counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.fanout.record.stats();
        stats.insert("endpoint".into(), self.shown.as_str().into());
        stats.insert("subscribers".into(), (self.subscribers() as u64).into());
        Value::Map(stats)
    }

    /// Waits until so many subscribers are there, so that none of what follows is missed by them. `Timeout` where fewer came;
    /// `Unsupported` for a store, which is read whether somebody writes or not.
    pub fn wait_for_subscribers<'a>(&self, count: usize, wait: impl Into<Wait<'a>>) -> Result<()> {
        fork::check(self.born)?;
        if self.store.is_some() {
            let text = "nobody has to be there: what is published is kept";
            return Err(Error::new(ErrorKind::Unsupported, text).on(&self.shown));
        }
        let mut waiting = wait.into().start(self.options.timeout).on_wait(&self.options.on_wait);
        self.fanout.await_subscribers(count, &mut waiting).map_err(|e| e.on(&self.shown))
    }

    /// Gives the name away, once the subscribers have been served. Those that were waiting for a publisher of this user get up to
    /// a second to connect; those with a socket each (`unix:`, `tcp:`) are given what they have still to be given, and are told of
    /// what they missed. Then they wait for the next publisher.
    ///
    /// `Timeout` where a subscriber had not taken everything in time; the publisher is closed all the same.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.born).is_err() || self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let mut waiting = wait.into().start(self.options.timeout).on_wait(&self.options.on_wait);
        let served = self.serve_the_rest(&mut waiting);
        self.give_away();
        served.map_err(|e| e.on(&self.shown))
    }

    fn serve_the_rest(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let published = self.fanout.record.sent.load(Ordering::Relaxed) > 0;
        if let Some(place) = self.place.as_ref().filter(|_| published) {
            let patience = Deadline::after(AWAITED).sooner(waiting.deadline());
            // Where the mark cannot be looked at, nobody can have set it.
            while !patience.has_passed() && place.is_awaited().unwrap_or(false) {
                // The mark goes when the subscriber has connected; nothing tells of its going by itself.
                let mut moment = Waiting::until(Deadline::after(STEP).sooner(patience));
                self.fanout.await_change(&mut moment)?;
                waiting.woke(false)?;
            }
        }
        self.fanout.drain(waiting)
    }

    fn give_away(&self) {
        self.owner_record.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.registration.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.fanout.end();
        if let Some(store) = &self.store {
            store.close();
        }
    }
}

/// How long subscribers that waited get to connect to a publisher that ends.
const AWAITED: Duration = Duration::from_secs(1);
/// How often it is looked meanwhile whether they have.
const STEP: Duration = Duration::from_millis(5);

impl Drop for Publisher {
    fn drop(&mut self) {
        // Whoever wants to know whether all was taken calls `close`.
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
