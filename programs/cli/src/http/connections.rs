//! Limits connections, and selects the connection to close for a new one.
//!
//! Any process may connect to the port, so connections before a request with the token are limited per peer and in
//! total. A new one always gets a place: the oldest connection of the peer with the most is closed. Filling all places
//! therefore costs a user only their own connections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use linkspan::ErrorKind;
use linkspan::page::Peer;
use tokio::sync::Notify;

use super::problem::Problem;
use super::rights::Rights;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without the token, from one peer. A browser opens up to six at once.
    pub of_one_peer: usize,
    /// Without the token, in all.
    pub waiting: usize,
    /// With any token, including the read-only one.
    pub authorised: usize,
    /// The rest is reserved for commands.
    pub reading: usize,
}

pub const LIMITS: Limits = Limits { of_one_peer: 24, waiting: 64, authorised: 128, reading: 96 };

struct Waiting {
    peer: Peer,
    evicted: Arc<Notify>,
}

#[derive(Default)]
struct Open {
    /// By number: the oldest first.
    waiting: BTreeMap<u64, Waiting>,
    authorised: usize,
    last: u64,
}

pub struct Connections {
    limits: Limits,
    open: Mutex<Open>,
}

/// A connection; dropping it frees its place.
pub struct Connection {
    all: Arc<Connections>,
    number: u64,
    evicted: Arc<Notify>,
    authorised: AtomicBool,
}

impl Connections {
    pub fn new(limits: Limits) -> Arc<Connections> {
        Arc::new(Connections { limits, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a place for a new connection, if necessary by closing another one.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Arc<Connection> {
        let mut open = self.open();
        let own = open.waiting.values().filter(|one| one.peer == peer).count();
        if own >= self.limits.of_one_peer {
            open.evict_oldest_of(peer);
        } else if open.waiting.len() >= self.limits.waiting {
            open.evict();
        }
        open.last = open.last.saturating_add(1);
        let (number, evicted) = (open.last, Arc::new(Notify::new()));
        open.waiting.insert(number, Waiting { peer, evicted: evicted.clone() });
        Arc::new(Connection { all: self.clone(), number, evicted, authorised: AtomicBool::new(false) })
    }

    pub fn evict(&self) {
        self.open().evict();
    }
}

impl Open {
    /// Closes the oldest connection of the peer with the most.
    fn evict(&mut self) {
        let mut held = BTreeMap::<Peer, usize>::new();
        for one in self.waiting.values() {
            let count = held.entry(one.peer).or_default();
            *count = count.saturating_add(1);
        }
        if let Some((peer, _)) = held.into_iter().max_by_key(|(_, count)| *count) {
            self.evict_oldest_of(peer);
        }
    }

    fn evict_oldest_of(&mut self, peer: Peer) {
        let oldest = self.waiting.iter().find(|(_, one)| one.peer == peer).map(|(number, _)| *number);
        if let Some(one) = oldest.and_then(|number| self.waiting.remove(&number)) {
            one.evicted.notify_one();
        }
    }
}

impl Connection {
    /// Notes a request with a token.
    ///
    /// The connection is never closed for others. `Full` if there are too many.
    pub fn authorise(&self, rights: Rights) -> Result<(), Problem> {
        let mut open = self.all.open();
        if self.authorised.load(Ordering::Relaxed) {
            return Ok(());
        }
        let full = |text: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Full, text);
        let most = match rights {
            Rights::Command => self.all.limits.authorised,
            Rights::Read => self.all.limits.reading,
        };
        if open.authorised >= most {
            let text = format!("{} connections with the token are open; close some", open.authorised);
            return Err(full(text));
        }
        // It is being closed; its client connects again.
        if open.waiting.remove(&self.number).is_none() {
            return Err(full("too many connections were opened after this one; try again".to_owned()));
        }
        open.authorised = open.authorised.saturating_add(1);
        self.authorised.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until another connection gets its place.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.all.open();
        match *self.authorised.get_mut() {
            true => open.authorised = open.authorised.saturating_sub(1),
            false => drop(open.waiting.remove(&self.number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const FEW: Limits = Limits { of_one_peer: 3, waiting: 5, authorised: 2, reading: 1 };
    const OWNER: Peer = Peer::User(1000);

    fn is_evicted(connection: &Connection) -> bool {
        pin!(connection.evicted()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn peer_that_opens_too_many_loses_its_oldest() {
        let all = Connections::new(FEW);
        let owner = all.admit(OWNER);
        let theirs: Vec<_> = (0..100).map(|_| all.admit(Peer::User(7))).collect();
        assert_eq!(theirs.iter().filter(|one| !is_evicted(one)).count(), 3);
        assert!(theirs[97..].iter().all(|one| !is_evicted(one)));
        assert!(!is_evicted(&owner));
    }

    #[test]
    fn peers_that_fill_all_places_together_leave_one_for_the_owner() {
        let all = Connections::new(FEW);
        let theirs: Vec<_> = (0..100).map(|i| all.admit(Peer::User(i % 50 + 5000))).collect();
        let owner = all.admit(OWNER);
        assert_eq!(theirs.iter().filter(|one| !is_evicted(one)).count(), FEW.waiting - 1);
        assert!(owner.authorise(Rights::Command).is_ok());
        // A connection that has shown the token is never closed to make room.
        let more: Vec<_> = (0..100).map(|_| all.admit(OWNER)).collect();
        assert!(!is_evicted(&owner) && is_evicted(&more[0]) && !is_evicted(&more[99]));
    }

    #[test]
    fn closed_connections_free_places_and_authorised_ones_are_bounded() {
        let all = Connections::new(FEW);
        let open: Vec<_> = (0..3).map(|_| all.admit(OWNER)).collect();
        assert!(
            open[0].authorise(Rights::Command).is_ok()
                && open[0].authorise(Rights::Command).is_ok()
                && open[1].authorise(Rights::Command).is_ok()
        );
        assert!(open[2].authorise(Rights::Command).is_err());
        drop(open);
        let again: Vec<_> = (0..2).map(|_| all.admit(OWNER)).collect();
        assert!(again.iter().all(|one| one.authorise(Rights::Command).is_ok()));
        drop(again);
        let open = all.open();
        assert!(open.waiting.is_empty() && open.authorised == 0);
    }
}
