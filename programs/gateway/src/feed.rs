//! Receives messages once for all clients: a store for each name, with a log of bounded size.
//!
//! A subscription is a view with its own position in the store of each name.
//!
//! Each message has a place in the name's order. Places also count messages that were lost before the gateway. The
//! difference of two places is therefore the number of messages that a client missed, whether the publisher's ring or
//! the log dropped them.
//!
//! | part | lives in |
//! |---|---|
//! | all stores and their views | here |
//! | names and patterns that clients ask for | `key`, `asks` |
//! | the log of a name; its messages; places | `log`, `published`, `place` |
//! | the store of a name, the view of a subscription | `store` |
//! | the receiving thread | `follow` |

mod asks;
mod follow;
mod key;
mod log;
mod place;
mod published;
mod store;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use linkspan::{Error, Options, Result, Value};
use rustix::process::{Resource, getrlimit};
use tokio::sync::{Notify, mpsc};

use self::asks::State;
use self::published::HeldBytes;
use crate::rights::Rights;

pub use self::follow::run;
pub use self::key::{Key, NAMES};
pub use self::log::{Log, What};
pub use self::place::{ORIGIN, Place, distance};
pub use self::published::{Own, Published};
pub use self::store::{Store, View, too_slow};

/// Descriptors reserved per name. A connected name uses at most half of them.
const DESCRIPTORS: u64 = 16;

/// Returns options to receive messages of up to `longest` bytes.
///
/// # Errors
/// `OutOfRange`.
pub fn receiving(longest: u64) -> Result<Options> {
    let mut options = Options::default();
    options.set("max_message_size", &Value::from(longest))?;
    Ok(options)
}

/// A client's use of a view; dropping it ends the view.
pub struct Use {
    pub view: Arc<View>,
    feeds: Arc<Feeds>,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.feeds.leave(&self.view);
    }
}

pub struct Feeds {
    state: Mutex<State>,
    /// Notified when the set of wanted names may have changed.
    change: Notify,
    is_changed: AtomicBool,
    readers: mpsc::UnboundedSender<Arc<Store>>,
    pub longest: u64,
    held: Arc<HeldBytes>,
    /// The most bytes of one log, and bytes received since this level was set.
    level: AtomicU64,
    since_level: AtomicU64,
    arrivals: AtomicU64,
    /// Received messages, and messages that were lost before or dropped by the gateway.
    pub received: AtomicU64,
    pub dropped: AtomicU64,
}

impl Feeds {
    /// Creates empty feeds for messages of up to `longest` bytes. Pass the receiver to [`run`].
    pub fn new(buffer: u64, longest: u64) -> (Arc<Feeds>, mpsc::UnboundedReceiver<Arc<Store>>) {
        let (readers, begun) = mpsc::unbounded_channel();
        let open = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let names = usize::try_from(open / DESCRIPTORS).unwrap_or(NAMES).clamp(2, NAMES);
        let feeds = Feeds {
            state: Mutex::new(State::new(names)),
            change: Notify::new(),
            is_changed: AtomicBool::new(false),
            readers,
            longest,
            held: Arc::new(HeldBytes { most: buffer, ..HeldBytes::default() }),
            level: AtomicU64::new(buffer / 4),
            since_level: AtomicU64::new(0),
            arrivals: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        (Arc::new(feeds), begun)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a view of names and patterns; returns the existing stores.
    ///
    /// `waker` is notified of news.
    ///
    /// # Errors
    /// `Full` if the token or all tokens together exceed their limit of keys or followed names.
    pub fn join(
        self: &Arc<Self>,
        keys: Vec<Key>,
        rights: &Arc<Rights>,
        waker: &Arc<Notify>,
    ) -> Result<(Use, Vec<Arc<Store>>)> {
        let mut state = self.state();
        let (view, joined) = state.join(keys, rights, waker);
        // From here on, drop ends the view, even if it began only partly.
        let used = Use { view, feeds: self.clone() };
        let is_changed = joined.as_ref().map_or(true, |joined| joined.is_changed);
        drop(state);
        if is_changed {
            self.look_again();
        }
        let joined = joined?;
        for reader in joined.readers {
            // A send fails only if the gateway is ending.
            let _ = self.readers.send(reader);
        }
        Ok((used, joined.stores))
    }

    fn leave(&self, view: &Arc<View>) {
        self.state().leave(view);
    }

    fn look_again(&self) {
        self.is_changed.store(true, Ordering::Release);
        self.change.notify_one();
    }

    /// Ends keys without recent clients; returns whether any key is left.
    fn end_unused(&self) -> bool {
        let (is_changed, is_empty) = {
            let mut state = self.state();
            (state.end_unused(Instant::now()), state.is_empty())
        };
        if is_changed {
            self.look_again();
        }
        !is_empty
    }

    fn wants(&self, endpoint: &str) -> bool {
        self.state().wants(endpoint)
    }

    /// Returns an endpoint's store, created if needed; `None` if no client wants it or has room for it.
    fn store(&self, endpoint: &str) -> Option<Arc<Store>> {
        let mut state = self.state();
        if let Some(store) = state.known(endpoint) {
            return Some(store);
        }
        let (store, is_changed) = state.begin_store(endpoint);
        drop(state);
        if is_changed {
            self.look_again();
        }
        store
    }

    /// Ends a store with this reason. The next client gets a new store.
    fn fail_store(&self, store: &Arc<Store>, error: &Error) {
        self.state().remove_store(store.key);
        store.fail(error);
        self.look_again();
    }

    fn fail_all(&self, error: &Error) {
        let views = self.state().clear();
        views.iter().for_each(|view| view.fail(error));
    }

    fn arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes room after `came` bytes arrived at a store. Its log gets at most a quarter of the buffer.
    ///
    /// If the buffer is nearly full, this cuts the largest logs to one level, until all logs hold half of the buffer.
    fn make_room(&self, store: &Store, came: u64) {
        let most = self.held.most;
        let since = self.since_level.fetch_add(came, Ordering::Relaxed).saturating_add(came);
        if since >= most / 16 {
            if self.held.is_nearly_full() {
                self.lower();
            } else if self.held.is_half_free() {
                self.level.store(most / 4, Ordering::Relaxed);
            }
        }
        self.cut(store);
    }

    fn cut(&self, store: &Store) {
        let dropped = store.log().evict(self.level.load(Ordering::Relaxed));
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    fn lower(&self) {
        self.since_level.store(0, Ordering::Relaxed);
        let stores = self.state().all();
        let sizes = stores.iter().map(|store| store.log().bytes()).collect();
        self.level.store(level(sizes, self.held.most / 2).min(self.held.most / 4), Ordering::Relaxed);
        stores.iter().for_each(|store| self.cut(store));
    }

    pub fn hold(&self, bytes: usize) -> Own {
        let bytes = bytes as u64;
        self.held.add(bytes);
        Own { held: self.held.clone(), bytes }
    }

    /// Returns the number of keys, the number of known names, and the held bytes.
    pub fn count(&self) -> (usize, usize, u64) {
        let (asks, names) = self.state().count();
        (asks, names, self.held.bytes.load(Ordering::Relaxed))
    }
}

/// Returns the highest level such that sizes cut to it sum to at most `most`.
fn level(mut sizes: Vec<u64>, most: u64) -> u64 {
    sizes.sort_unstable();
    let (mut left, mut others) = (most, sizes.len() as u64);
    for size in sizes {
        let equal = left.checked_div(others).unwrap_or(left);
        if size > equal {
            return equal;
        }
        left = left.saturating_sub(size);
        others = others.saturating_sub(1);
    }
    u64::MAX
}
