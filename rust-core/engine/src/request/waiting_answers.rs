//! A common bound for the waiting answers of all clients: many connections cannot make a server hold more than a few.
//!
//! Above the bound, the server disconnects one client of the owner with the most waiting bytes: the client with the
//! largest product of waiting bytes and waiting time. A client that receives nothing therefore goes before a client
//! that is receiving a long answer, and before a client with few waiting bytes.
//!
//! Locks: a thread that locks the list holds no other lock, and a thread locks at most one client's sending state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::session::Owner;

const MESSAGES: u64 = 4;
const LEAST: u64 = 256 << 20;

pub trait WaitingClient: Send + Sync {
    fn owner(&self) -> &Owner;

    fn waiting_bytes(&self) -> u64;

    fn waits_since(&self) -> u64;

    /// Disconnects the client, which has the most waiting bytes while all clients together exceed `limit`.
    fn give_up_most(&self, limit: u64);
}

pub struct WaitingAnswers {
    limit: u64,
    bytes: AtomicU64,
    began: Instant,
    clients: Mutex<Vec<Weak<dyn WaitingClient>>>,
}

impl WaitingAnswers {
    pub fn new(max_message_size: u64) -> WaitingAnswers {
        let limit = max_message_size.saturating_mul(MESSAGES).max(LEAST);
        WaitingAnswers { limit, bytes: AtomicU64::new(0), began: Instant::now(), clients: Mutex::default() }
    }

    pub fn moment(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Weak<dyn WaitingClient>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, client: Weak<dyn WaitingClient>) {
        self.clients().push(client);
    }

    pub fn remove<C: WaitingClient>(&self, client: &C) {
        self.clients().retain(|one| !std::ptr::addr_eq(one.as_ptr(), client));
    }

    pub fn replace(&self, before: u64, now: u64) {
        // Wraps for a smaller count; the sum never falls below the counts of the other clients.
        self.bytes.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Disconnects clients until the sum is within the limit. The caller holds no lock of a client.
    #[inline(never)]
    pub fn enforce(&self) {
        while self.bytes.load(Ordering::Relaxed) > self.limit
            && let Some(heaviest) = self.heaviest()
        {
            heaviest.give_up_most(self.limit);
        }
    }

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
