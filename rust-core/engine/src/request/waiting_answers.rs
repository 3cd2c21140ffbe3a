//! The answers of all clients of a server that wait for room, with the rest of one that was begun: bounded together, so
//! that many connections have a server hold no more than a few.
//!
//! Where more wait than there is room for, the owner for whose clients the most waits loses one of them, which is
//! disconnected: the one with the largest product of bytes that wait and of the time that the first of them waits. So
//! clients that receive nothing go before one that is just receiving a long answer, and before one for which little
//! waits.
//!
//! Locks: the list is locked alone, and a client's sending state by no thread that has another one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::session::Owner;

/// Bytes of answers that wait for all clients of a server, at most: so many times the longest message ...
const MESSAGES: u64 = 4;
/// ... and so many even where that is less.
const LEAST: u64 = 256 << 20;

/// A client for which answers wait.
pub trait WaitingClient: Send + Sync {
    /// Returns whose client it is.
    fn owner(&self) -> &Owner;

    /// Returns the bytes that wait for it, as they were counted last.
    fn waiting_bytes(&self) -> u64;

    /// Returns the [moment](WaitingAnswers::moment) since which the first of them waits.
    fn waits_since(&self) -> u64;

    /// Disconnects it, because it is the one for which most waits, where all together have more than `limit`.
    fn give_up_most(&self, limit: u64);
}

/// What waits for the clients of one server.
pub struct WaitingAnswers {
    limit: u64,
    bytes: AtomicU64,
    began: Instant,
    clients: Mutex<Vec<Weak<dyn WaitingClient>>>,
}

impl WaitingAnswers {
    /// Returns that of a server without clients, whose longest message has so many bytes.
    pub fn new(max_message_size: u64) -> WaitingAnswers {
        let limit = max_message_size.saturating_mul(MESSAGES).max(LEAST);
        WaitingAnswers { limit, bytes: AtomicU64::new(0), began: Instant::now(), clients: Mutex::default() }
    }

    /// Returns a time as milliseconds since the server began.
    pub fn moment(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Weak<dyn WaitingClient>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a client, of which nothing waits.
    pub fn add(&self, client: Weak<dyn WaitingClient>) {
        self.clients().push(client);
    }

    /// Removes a client.
    pub fn remove<C: WaitingClient>(&self, client: &C) {
        self.clients().retain(|one| !std::ptr::addr_eq(one.as_ptr(), client));
    }

    /// Counts what waits for a client in the place of what waited before.
    pub fn replace(&self, before: u64, now: u64) {
        // Wraps where it is less, and never below what the others count.
        self.bytes.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Disconnects clients until what waits for all of them is within the limit. The caller has locked nothing of any.
    #[inline(never)]
    pub fn enforce(&self) {
        while self.bytes.load(Ordering::Relaxed) > self.limit
            && let Some(heaviest) = self.heaviest()
        {
            heaviest.give_up_most(self.limit);
        }
    }

    /// Returns the client for which most waits the longest, of the owner for which most waits.
    fn heaviest(&self) -> Option<Arc<dyn WaitingClient>> {
        let now = self.moment(Instant::now());
        let all: Vec<_> = self.clients().iter().filter_map(Weak::upgrade).collect();
        let mut owners: HashMap<&Owner, u64> = HashMap::new();
        for client in &all {
            *owners.entry(client.owner()).or_default() += client.waiting_bytes();
        }
        let weight = |client: &&Arc<dyn WaitingClient>| {
            let milliseconds = now.saturating_sub(client.waits_since()).saturating_add(1);
            let product = u128::from(client.waiting_bytes()).saturating_mul(milliseconds.into());
            (owners.get(client.owner()).copied(), product)
        };
        all.iter().filter(|client| client.waiting_bytes() > 0).max_by_key(weight).cloned()
    }
}
