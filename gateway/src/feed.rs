//! What the gateway receives of a name or a pattern, once for all clients: a log bounded in bytes, in which each client
//! has a place of its own.
//!
//! Each message of a name has a place in the name's order, which counts messages that were missed before they came
//! here, too. So what a client did not get is a difference of two places, whichever part of the way lost it: the
//! publisher's ring, or this log.
//!
//! One thread receives for all feeds, without waiting for any of them.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::{
    Encoding, Error, ErrorKind, EventKind, Message, Options, Result, StartAt, Subscriber, Timestamp, Wait,
    codec,
};
use linkspan_ros2::{Encoder, Messages};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc, watch};

use crate::frames::Format;
use crate::names::Name;

/// Feeds at once, of all clients.
const FEEDS: usize = 1_024;
/// Feeds that one token may have begun: the others are for other tokens.
const OF_ONE_TOKEN: usize = FEEDS / 2;
/// Feeds that share the memory in equal parts, however few there are.
const SHARES: u64 = 4;
/// Bytes that a message takes beside its body.
const BESIDE: u64 = 256;
/// Names that one feed has known, at most.
const NAMES: usize = 8_192;
/// How long a feed goes on without a client: one that was cut comes back within it, and finds what it missed.
const LINGER: Duration = Duration::from_secs(30);
/// How often a feed looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(1);
/// How often one looks at a descriptor that is in no set.
const UNWATCHED: Duration = Duration::from_millis(50);
/// Messages that are taken before other feeds have their turn.
const TURN: usize = 256;
/// The place before the first one of a name. Places before it are those of messages that came before the feed.
pub const ORIGIN: u64 = 1 << 62;

/// A message as it was published, and its value in the formats that clients have asked for.
pub struct Published {
    pub number: u64,
    pub incarnation: u64,
    pub sent: Timestamp,
    /// Its place in the order of its name.
    pub place: u64,
    /// The beginning of the fingerprint of its schema.
    pub schema: Option<String>,
    encoding: Encoding,
    body: Bytes,
    values: [OnceLock<Bytes>; 2],
    /// As viewers read it, in the type that the name had then.
    viewed: OnceLock<(Arc<Mutex<Messages>>, Arc<Encoder>, Bytes)>,
    held: Arc<HeldBytes>,
}

impl Published {
    /// Returns the value in a format, which is written once for all clients.
    ///
    /// # Errors
    /// `Malformed` and others for bytes that are no value, and for a value without a form in it.
    pub fn value(&self, format: Format) -> Result<Bytes> {
        let kept = &self.values[usize::from(format == Format::Json)];
        if let Some(value) = kept.get() {
            return Ok(value.clone());
        }
        // CBOR is read, too: what is no value would break the frame.
        let value = Bytes::from(codec::transcode(&self.body, self.encoding, format.encoding())?);
        // Where there is no room, each client has it written for itself.
        self.held.keep(value.len(), || kept.set(value.clone()).is_ok());
        Ok(value)
    }

    /// Returns the message as viewers read it, with its type, written once for all of them.
    ///
    /// # Errors
    /// `Malformed` and others for bytes that are no value.
    pub fn viewed(&self, messages: &Arc<Mutex<Messages>>) -> Result<(Arc<Encoder>, Bytes)> {
        // One viewer writes it, and the others wait for that.
        let mut types = messages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, encoder, body)) = self.viewed.get()
            && Arc::ptr_eq(of, messages)
        {
            return Ok((encoder.clone(), body.clone()));
        }
        let value = codec::decode(&self.body, self.encoding)?;
        let (encoder, body) = types.encode_next(&value, self.sent.0)?;
        let body = Bytes::from(body);
        let viewed = (messages.clone(), encoder.clone(), body.clone());
        self.held.keep(body.len(), || self.viewed.set(viewed).is_ok());
        Ok((encoder, body))
    }

    /// Whether these bytes are a value that it has written for all clients, and counts.
    pub fn keeps(&self, bytes: &Bytes) -> bool {
        self.values.iter().any(|value| value.get().is_some_and(|value| value.as_ptr() == bytes.as_ptr()))
    }

    fn bytes(&self) -> u64 {
        let written: usize = self.values.iter().filter_map(|value| value.get().map(Bytes::len)).sum();
        let viewed = self.viewed.get().map_or(0, |(_, _, body)| body.len());
        (self.body.len() + written + viewed) as u64 + BESIDE
    }
}

/// What all feeds hold, and may hold, in bytes.
#[derive(Default)]
struct HeldBytes {
    bytes: AtomicU64,
    most: u64,
}

impl HeldBytes {
    /// Counts bytes where there is room for them and `keep` keeps them.
    fn keep(&self, bytes: usize, keep: impl FnOnce() -> bool) {
        let bytes = bytes as u64;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.most || !keep() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Whether less than an eighth is free: then feeds drop what is old, so that new messages have room for what is
    /// written of them.
    fn is_nearly_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.most - self.most / 8
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// Bytes that are held for one client alone: they count until it is dropped.
pub struct Own {
    held: Arc<HeldBytes>,
    bytes: u64,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What happened to a name.
#[derive(Clone)]
pub enum What {
    Joined,
    Ended,
    Message(Arc<Published>),
}

/// An entry of the log.
#[derive(Clone)]
pub struct Entry {
    /// The position of the name in [`Log::names`].
    pub name: usize,
    pub what: What,
}

/// What is known of a name.
pub struct OfName {
    pub name: Name,
    pub text: Arc<str>,
    /// Whether it has a publisher now.
    pub joined: bool,
    pub incarnation: u64,
    /// The number that comes next, of this incarnation.
    next: u64,
    /// The place of the last message; those that were missed have places, too.
    pub place: u64,
    /// The place of the last message that the log has no more.
    pub evicted: u64,
    pub newest: Option<Arc<Published>>,
}

impl OfName {
    /// Returns the place of a number of this incarnation. Numbers before the first one here have places before
    /// [`ORIGIN`].
    pub fn place_of(&self, number: u64) -> u64 {
        self.place.saturating_sub((self.next.saturating_sub(1)).saturating_sub(number))
    }
}

/// The log of a feed.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// The position of the first entry, counted from the feed's beginning.
    pub first: u64,
    bytes: u64,
    pub names: Vec<OfName>,
    index: HashMap<String, usize>,
    /// Why nothing comes any more.
    pub failed: Option<Error>,
}

impl Log {
    /// Returns the position behind the last entry.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Returns the entry at a position.
    pub fn entry(&self, position: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(position.checked_sub(self.first)?).ok()?)
    }

    /// Returns the position of the first message of a name behind a place; the end where there is none.
    pub fn position_behind(&self, name: usize, place: u64) -> u64 {
        let is_behind = |entry: &Entry| {
            entry.name == name && matches!(&entry.what, What::Message(message) if message.place > place)
        };
        self.first + self.entries.iter().position(is_behind).unwrap_or(self.entries.len()) as u64
    }

    fn name(&mut self, endpoint: &str) -> Option<usize> {
        if let Some(at) = self.index.get(endpoint) {
            return Some(*at);
        }
        if self.names.len() >= NAMES {
            let text = format!(
                "more than {NAMES} names have come and gone under this pattern; subscribe again, or to fewer names"
            );
            self.failed = Some(Error::new(ErrorKind::Full, text));
            return None;
        }
        let name = Name::of_endpoint(endpoint);
        self.names.push(OfName {
            text: name.text().into(),
            name,
            joined: false,
            incarnation: 0,
            next: 1,
            place: ORIGIN,
            evicted: 0,
            newest: None,
        });
        self.index.insert(endpoint.to_owned(), self.names.len() - 1);
        Some(self.names.len() - 1)
    }

    fn push(&mut self, name: usize, what: What) {
        if let What::Message(message) = &what {
            self.bytes += message.body.len() as u64 + BESIDE;
        }
        self.entries.push_back(Entry { name, what });
    }

    /// Takes a message.
    fn take(&mut self, endpoint: &str, message: &Message, held: &Arc<HeldBytes>) {
        let Some(at) = self.name(endpoint) else { return };
        let (number, incarnation) = (message.sequence(), message.incarnation());
        let name = &mut self.names[at];
        let is_other = name.incarnation != incarnation || name.newest.is_none();
        let had_ended = !name.joined;
        if is_other {
            // Of one that is new here, what it says to be missed before its first message is missed.
            name.next = number - message.missed().min(number.saturating_sub(1));
        }
        let was_joined = std::mem::replace(&mut name.joined, true);
        let was_of_another = is_other && was_joined && name.newest.is_some();
        name.incarnation = incarnation;
        name.place += number.saturating_sub(name.next) + 1;
        name.next = number.max(name.next.saturating_sub(1)) + 1;
        let body = message.body().clone();
        held.bytes.fetch_add(body.len() as u64 + BESIDE, Ordering::Relaxed);
        let published = Arc::new(Published {
            number,
            incarnation,
            sent: message.sent(),
            place: name.place,
            schema: message.schema_id(),
            encoding: message.encoding(),
            body,
            values: Default::default(),
            viewed: OnceLock::new(),
            held: held.clone(),
        });
        name.newest = Some(published.clone());
        if was_of_another {
            self.push(at, What::Ended);
        }
        if had_ended || was_of_another {
            self.push(at, What::Joined);
        }
        self.push(at, What::Message(published));
    }

    /// Takes what happened to names: the last of it counts.
    fn take_events(&mut self, events: Vec<(String, bool)>) {
        let mut last = HashMap::new();
        for (endpoint, is_there) in events {
            last.insert(endpoint, is_there);
        }
        for (endpoint, is_there) in last {
            let Some(at) = self.name(&endpoint) else { return };
            if self.names[at].joined == is_there {
                continue;
            }
            // Which incarnation it is, its first message says.
            if !is_there {
                self.names[at].joined = false;
                self.push(at, What::Ended);
            }
        }
    }

    /// Drops the oldest entries beyond this many bytes of bodies, and beyond half of them while all feeds hold nearly
    /// what they may; the newest one stays.
    fn evict(&mut self, most: u64, held: &HeldBytes) -> u64 {
        let mut dropped = 0;
        let is_too_much = |bytes| bytes > most || (bytes > most / 2 && held.is_nearly_full());
        while self.entries.len() > 1 && (is_too_much(self.bytes) || self.entries.len() > 1 << 18) {
            let Some(entry) = self.entries.pop_front() else { break };
            self.first += 1;
            if let What::Message(message) = entry.what {
                self.bytes -= message.body.len() as u64 + BESIDE;
                self.names[entry.name].evicted = message.place;
                dropped += 1;
            }
        }
        dropped
    }
}

/// What a feed receives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub name: Name,
    /// For a journal: the number with which it begins.
    pub from: Option<u64>,
}

/// What is received of a name or a pattern.
pub struct Feed {
    pub key: Key,
    /// The token that it began for.
    token: String,
    log: Mutex<Log>,
    wakers: Mutex<HashMap<u64, Arc<Notify>>>,
    users: AtomicUsize,
    next_user: AtomicU64,
    is_over: AtomicBool,
}

impl Feed {
    fn new(key: Key, token: &str) -> Feed {
        Feed {
            key,
            token: token.to_owned(),
            log: Mutex::default(),
            wakers: Mutex::default(),
            users: AtomicUsize::new(0),
            next_user: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Returns the log.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).values() {
            waker.notify_one();
        }
    }
}

/// A client's use of a feed; dropping it ends it.
pub struct Use {
    pub feed: Arc<Feed>,
    /// Whether the feed began with it: all that the feed receives is for this client.
    pub is_first: bool,
    user: u64,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.feed.wakers.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.user);
        self.feed.users.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All feeds.
pub struct Feeds {
    feeds: Mutex<HashMap<Key, Arc<Feed>>>,
    start: mpsc::UnboundedSender<Arc<Feed>>,
    held: Arc<HeldBytes>,
    /// How many there are.
    number: AtomicU64,
    /// Messages that were received, missed before they were, and dropped here.
    pub received: AtomicU64,
    pub dropped: AtomicU64,
}

impl Feeds {
    /// Without feeds. What is returned with it runs them: [`run`].
    pub fn new(buffer: u64) -> (Arc<Feeds>, mpsc::UnboundedReceiver<Arc<Feed>>) {
        let (start, started) = mpsc::unbounded_channel();
        let feeds = Feeds {
            feeds: Mutex::default(),
            start,
            held: Arc::new(HeldBytes { most: buffer, ..HeldBytes::default() }),
            number: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        (Arc::new(feeds), started)
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<Key, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a feed, which begins with its first user. `waker` is notified when something came.
    ///
    /// # Errors
    /// `Full` where there are too many.
    pub fn join(&self, key: &Key, token: &str, waker: &Arc<Notify>) -> Result<Use> {
        let mut feeds = self.feeds();
        let known = feeds.get(key).filter(|feed| !feed.is_over.load(Ordering::Acquire)).cloned();
        let is_first = known.is_none();
        let feed = match known {
            Some(feed) => feed,
            None => {
                let own = feeds.values().filter(|feed| feed.token == token).count();
                if feeds.len() >= FEEDS || own >= OF_ONE_TOKEN {
                    let text = format!(
                        "the gateway follows {FEEDS} names and patterns, and {OF_ONE_TOKEN} for one token; use a pattern for many names"
                    );
                    return Err(Error::new(ErrorKind::Full, text));
                }
                let feed = Arc::new(Feed::new(key.clone(), token));
                feeds.insert(key.clone(), feed.clone());
                self.number.store(feeds.len() as u64, Ordering::Relaxed);
                // Without its thread the gateway is ending.
                let _ = self.start.send(feed.clone());
                feed
            }
        };
        feed.users.fetch_add(1, Ordering::AcqRel);
        drop(feeds);
        let user = feed.next_user.fetch_add(1, Ordering::Relaxed);
        feed.wakers.lock().unwrap_or_else(PoisonError::into_inner).insert(user, waker.clone());
        Ok(Use { feed, is_first, user })
    }

    /// Ends a feed that has no users; returns whether it has.
    fn end_unused(&self, feed: &Arc<Feed>) -> bool {
        let mut feeds = self.feeds();
        if feed.users.load(Ordering::Acquire) > 0 {
            return false;
        }
        self.remove(&mut feeds, feed);
        true
    }

    fn remove(&self, feeds: &mut HashMap<Key, Arc<Feed>>, feed: &Arc<Feed>) {
        feed.is_over.store(true, Ordering::Release);
        if feeds.get(&feed.key).is_some_and(|known| Arc::ptr_eq(known, feed)) {
            feeds.remove(&feed.key);
            self.number.store(feeds.len() as u64, Ordering::Relaxed);
        }
    }

    /// The most bytes of one feed: all together have what the gateway may hold.
    fn share(&self) -> u64 {
        self.held.most / self.number.load(Ordering::Relaxed).max(SHARES)
    }

    /// Counts bytes that are held for one client alone.
    pub fn hold(&self, bytes: usize) -> Own {
        let bytes = bytes as u64;
        self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
        Own { held: self.held.clone(), bytes }
    }

    /// The number of feeds, and the bytes that they hold.
    pub fn count(&self) -> (usize, u64) {
        (self.feeds().len(), self.held.bytes.load(Ordering::Relaxed))
    }
}

/// Runs feeds until the gateway ends: the whole of a thread, since a call of the library may take some time.
pub async fn run(
    feeds: Arc<Feeds>,
    mut started: mpsc::UnboundedReceiver<Arc<Feed>>,
    paused: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            loop {
                tokio::select! {
                    feed = started.recv() => {
                        let Some(feed) = feed else { return };
                        let (feeds, paused) = (feeds.clone(), paused.clone());
                        tokio::task::spawn_local(async move {
                            if let Err(error) = follow(&feeds, &feed, paused).await {
                                feed.log().failed = Some(error);
                                feeds.remove(&mut feeds.feeds(), &feed);
                            }
                            feed.wake_all();
                        });
                    }
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        })
        .await;
}

/// Receives what a feed is for, until no client wants it.
async fn follow(feeds: &Feeds, feed: &Arc<Feed>, mut paused: watch::Receiver<bool>) -> Result<()> {
    let mut options = Options::default();
    if let Some(from) = feed.key.from {
        options.from = Some(StartAt::Sequence(from));
    }
    let text = feed.key.name.text();
    let subscriber = Subscriber::of(&[&text], &options)?;
    let descriptor = watched(subscriber.as_fd());
    let mut unused = None;
    loop {
        // What is published meanwhile is in the publisher's ring, or is missed and counted.
        if paused.wait_for(|paused| !*paused).await.is_err() {
            return Ok(());
        }
        let taken = take_what_is_there(feeds, feed, &subscriber)?;
        if feed.users.load(Ordering::Acquire) > 0 {
            unused = None;
        } else if unused.get_or_insert_with(Instant::now).elapsed() >= LINGER && feeds.end_unused(feed) {
            return Ok(());
        }
        if taken >= TURN {
            tokio::task::yield_now().await;
            continue;
        }
        something(descriptor.as_ref()).await;
    }
}

/// Returns the descriptor in tokio's set; `None` where the kernel takes no more of them.
fn watched(descriptor: BorrowedFd<'_>) -> Option<AsyncFd<OwnedFd>> {
    let descriptor = descriptor.try_clone_to_owned().ok()?;
    #[allow(deprecated, reason = "an owned descriptor stays open and the same as long as it lives")]
    AsyncFd::new(descriptor).ok()
}

/// Waits until there may be a message, or a moment: the look now and then costs little, and ends a feed that no client
/// wants. A descriptor that nothing watches is looked at more often.
async fn something(descriptor: Option<&AsyncFd<OwnedFd>>) {
    let Some(descriptor) = descriptor else { return tokio::time::sleep(UNWATCHED).await };
    if let Ok(Ok(mut ready)) = tokio::time::timeout(LOOK, descriptor.readable()).await {
        ready.clear_ready();
    }
}

/// Takes some messages and the events, and wakes the clients; returns how many messages.
fn take_what_is_there(feeds: &Feeds, feed: &Feed, subscriber: &Subscriber) -> Result<usize> {
    let (mut taken, mut dropped) = (0, 0);
    let mut log = feed.log();
    let end = log.end();
    while taken < TURN {
        match subscriber.next(Wait::none()) {
            Ok(Some(message)) => {
                let endpoint = message.name().unwrap_or_else(|| subscriber.endpoint()).to_owned();
                log.take(&endpoint, &message, &feeds.held);
                dropped += log.evict(feeds.share(), &feeds.held);
                taken += 1;
            }
            Ok(None) => break,
            Err(error)
                if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Stalled | ErrorKind::NotFound) =>
            {
                break;
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            // An error of one message, or of one name: its number is missing, which the next one says.
            Err(_) => taken += 1,
        }
    }
    let events = subscriber.events().into_iter().filter_map(|event| {
        let (name, _) = event.text.split_once(": ")?;
        match event.kind {
            EventKind::Connected | EventKind::Reconnected => Some((name.to_owned(), true)),
            EventKind::Disconnected | EventKind::Forgotten => Some((name.to_owned(), false)),
            _ => None,
        }
    });
    log.take_events(events.collect());
    if let Some(failed) = log.failed.take() {
        return Err(failed);
    }
    let is_new = log.end() > end;
    feeds.received.fetch_add(taken as u64, Ordering::Relaxed);
    // Its share may be less by now, although nothing came.
    dropped += log.evict(feeds.share(), &feeds.held);
    feeds.dropped.fetch_add(dropped, Ordering::Relaxed);
    drop(log);
    if is_new {
        feed.wake_all();
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use linkspan::{Publisher, Value};

    use super::*;
    use crate::rights::Rights;
    use crate::subscription::{Choice, Given, Resume, Subscription};

    /// A feed learns of a publisher before its first message, of which the number says what was missed.
    #[test]
    fn client_that_comes_again_before_the_first_message_is_told_what_it_missed() {
        let text = format!("gateway-feed-{}", std::process::id());
        let name = Name::parse(&text, false).unwrap();
        let publisher = Publisher::new(&text, &Options::default()).unwrap();
        for number in 1..=5 {
            publisher.send(&Value::from(number)).unwrap();
        }
        let subscriber = Subscriber::of(&[&text], &Options::default()).unwrap();
        let message = subscriber.next(Wait::default()).unwrap().unwrap();
        let endpoint = message.name().unwrap_or_else(|| subscriber.endpoint()).to_owned();
        let rights = Rights {
            name: "one".into(),
            read: vec![name.clone()],
            call: Vec::new(),
            write: Vec::new(),
            expires: None,
            hash: [0; 32],
        };
        let rights = Arc::new(rights);
        for (choice, is_first) in
            [(Choice::All(None), true), (Choice::Newest(LOOK), true), (Choice::All(None), false)]
        {
            let (feeds, _started) = Feeds::new(1 << 20);
            let key = Key { name: name.clone(), from: None };
            let first = feeds.join(&key, "one", &Arc::default()).unwrap();
            let feed = first.feed.clone();
            feed.log().take_events(vec![(endpoint.clone(), true)]);
            feed.log().name(&endpoint).unwrap();
            let used = if is_first { first } else { feeds.join(&key, "one", &Arc::default()).unwrap() };
            let resume = Resume { number: 2, incarnation: Some(message.incarnation()) };
            let resumes = HashMap::from([(name.text(), resume)]);
            let mut subscription =
                Subscription::new(vec![used], choice, resumes, rights.clone(), Arc::default());
            let now = Instant::now();
            assert!(subscription.next(now).is_none());
            feed.log().take(&endpoint, &message, &feeds.held);
            let mut missed = 0;
            while let Some(given) = subscription.next(now) {
                missed += match given {
                    Given::Lagged { missed, .. } => missed,
                    Given::Message { passed, .. } => passed,
                    _ => 0,
                };
            }
            assert_eq!(missed, 2, "{choice:?} {is_first}");
        }
    }

    /// What no set takes (a file of a disk here) is looked at by a timer, and fails nothing.
    #[test]
    fn descriptor_that_no_set_takes_is_looked_at_by_a_timer() {
        let runtime = linkspan_tokio::runtime("feeds", 1).unwrap();
        runtime.block_on(async {
            let file = tempfile::tempfile().unwrap();
            let descriptor = watched(file.as_fd());
            assert!(descriptor.is_none());
            something(descriptor.as_ref()).await;
        });
    }
}
