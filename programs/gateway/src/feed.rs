//! What the gateway receives, once for all clients: a store for each name, with its log, which is bounded in bytes. A
//! subscription is a view: it has a place of its own in the store of each name that it wants.
//!
//! Each message of a name has a place in the name's order. Places count the messages that were missed before they came
//! to the gateway. The messages that a client did not get are the difference of two places, whichever part of the way
//! lost them: the publisher's ring, or the log.
//!
//! | what | lives in |
//! |---|---|
//! | all stores, and who wants which | here |
//! | the names and patterns that clients ask for | `key`, `asks` |
//! | the log of a name; its messages; places | `log`, `published`, `place` |
//! | the store of a name, and the view of a subscription | `store` |
//! | the thread that receives | `follow` |

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

/// Descriptors of the process for each name. A connected name takes half of them, at most.
const DESCRIPTORS: u64 = 16;

/// Returns the options with which the gateway receives messages of up to `longest` bytes.
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

/// All stores.
pub struct Feeds {
    state: Mutex<State>,
    /// Notified when the gateway may want other names than before.
    change: Notify,
    is_changed: AtomicBool,
    readers: mpsc::UnboundedSender<Arc<Store>>,
    /// The longest message that is received, in bytes.
    pub longest: u64,
    held: Arc<HeldBytes>,
    /// The most bytes of one log, and the bytes received since it was set.
    level: AtomicU64,
    since_level: AtomicU64,
    arrivals: AtomicU64,
    /// Messages that were received, missed before they were, and dropped here.
    pub received: AtomicU64,
    pub dropped: AtomicU64,
}

impl Feeds {
    /// Without stores. [`run`] takes what is returned with it, and receives.
    /// `longest` is the longest message that is received.
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

    /// Begins a view of names and patterns for a token, and returns the stores that are there already. `waker` is
    /// notified when something came.
    ///
    /// # Errors
    /// `Full` if the token, or all tokens, ask for too many names and patterns, or follow too many names.
    pub fn join(
        self: &Arc<Self>,
        keys: Vec<Key>,
        rights: &Arc<Rights>,
        waker: &Arc<Notify>,
    ) -> Result<(Use, Vec<Arc<Store>>)> {
        let mut state = self.state();
        let (view, joined) = state.join(keys, rights, waker);
        // From here on its end ends the view, also if it did not begin as a whole.
        let used = Use { view, feeds: self.clone() };
        let is_changed = joined.as_ref().map_or(true, |joined| joined.is_changed);
        drop(state);
        if is_changed {
            self.look_again();
        }
        let joined = joined?;
        for reader in joined.readers {
            // Without its thread the gateway is ending.
            let _ = self.readers.send(reader);
        }
        Ok((used, joined.stores))
    }

    fn leave(&self, view: &Arc<View>) {
        self.state().leave(view);
    }

    /// Has the thread that receives look at which names are wanted.
    fn look_again(&self) {
        self.is_changed.store(true, Ordering::Release);
        self.change.notify_one();
    }

    /// Ends what no client has used for a while; returns whether anything is left.
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

    /// Whether some client wants the messages of an endpoint.
    fn wants(&self, endpoint: &str) -> bool {
        self.state().wants(endpoint)
    }

    /// Returns the store of an endpoint, which begins with it; `None` if no client wants it, or has room for it.
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

    /// Ends a store for this reason: the next client that wants the name gets another one.
    fn fail_store(&self, store: &Arc<Store>, error: &Error) {
        self.state().remove_store(store.key);
        store.fail(error);
        self.look_again();
    }

    /// Ends all stores and views for this reason.
    fn fail_all(&self, error: &Error) {
        let views = self.state().clear();
        views.iter().for_each(|view| view.fail(error));
    }

    /// Returns the next number in the order in which everything came.
    fn arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes room after so many bytes have come to a store: its log has at most a quarter of all. When nearly all is
    /// held, the largest logs are cut to one level, with which all logs have half of it.
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

    /// Counts bytes that are held for one client alone.
    pub fn hold(&self, bytes: usize) -> Own {
        let bytes = bytes as u64;
        self.held.add(bytes);
        Own { held: self.held.clone(), bytes }
    }

    /// The number of names and patterns that are asked for, of names that are known, and the bytes that are held.
    pub fn count(&self) -> (usize, usize, u64) {
        let (asks, names) = self.state().count();
        (asks, names, self.held.bytes.load(Ordering::Relaxed))
    }
}

/// Returns the highest level to which all sizes can be cut so that they have at most `most` together.
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
