//! What the gateway receives of a name or a pattern, once for all clients: a log bounded in bytes, in which each client
//! has a place of its own.
//!
//! Each message of a name has a place in the name's order, which counts messages that were missed before they came
//! here, too. So what a client did not get is a difference of two places, whichever part of the way lost it: the
//! publisher's ring, or this log.
//!
//! One thread receives for all feeds, without waiting for any of them.

mod follow;
mod log;
mod place;
mod published;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linkspan::{Error, ErrorKind, Options, Result, Value};
use tokio::sync::{Notify, mpsc};

use self::published::HeldBytes;
use crate::names::Name;

pub use self::follow::run;
pub use self::log::{Log, OfName, What};
pub use self::place::{ORIGIN, Place, distance};
pub use self::published::{Own, Published};

/// Feeds at once, of all clients.
const FEEDS: usize = 1_024;
/// Feeds that one token may have begun: the others are for other tokens.
const OF_ONE_TOKEN: usize = FEEDS / 2;
/// Feeds that share the memory in equal parts, however few there are.
const SHARES: u64 = 4;

/// Returns the options with which the gateway receives messages of up to `longest` bytes.
///
/// # Errors
/// `OutOfRange`.
pub fn receiving(longest: u64) -> Result<Options> {
    let mut options = Options::default();
    options.set("max_message_size", &Value::from(longest))?;
    Ok(options)
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
    /// The longest message that a feed receives, in bytes.
    pub longest: u64,
    held: Arc<HeldBytes>,
    /// How many there are.
    number: AtomicU64,
    /// Messages that were received, missed before they were, and dropped here.
    pub received: AtomicU64,
    pub dropped: AtomicU64,
}

impl Feeds {
    /// Without feeds. What is returned with it runs them: [`run`].
    /// `longest` is the longest message that they receive.
    pub fn new(buffer: u64, longest: u64) -> (Arc<Feeds>, mpsc::UnboundedReceiver<Arc<Feed>>) {
        let (start, started) = mpsc::unbounded_channel();
        let feeds = Feeds {
            feeds: Mutex::default(),
            start,
            longest,
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
        self.held.most.checked_div(self.number.load(Ordering::Relaxed).max(SHARES)).unwrap_or_default()
    }

    /// Counts bytes that are held for one client alone.
    pub fn hold(&self, bytes: usize) -> Own {
        let bytes = bytes as u64;
        self.held.add(bytes);
        Own { held: self.held.clone(), bytes }
    }

    /// The number of feeds, and the bytes that they hold.
    pub fn count(&self) -> (usize, u64) {
        (self.feeds().len(), self.held.bytes.load(Ordering::Relaxed))
    }
}
