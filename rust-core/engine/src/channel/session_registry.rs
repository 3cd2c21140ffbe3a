//! The sessions of a listener's connected clients, and of clients that may reconnect.
//!
//! The state of a disconnected client moves to [`DisconnectedPeers`](crate::session::peers), within `absent_clients`
//! and `replay_bytes`. A client that returns under its identity gets that state and the unacknowledged messages. The
//! session number identifies a client without a `client_id`: a broken link resumes, but a restarted program does not.
//!
//! Calls come in this order: `recall` while a hello is answered, `connected` once the link exists, and `disconnected`
//! from the drop of its [`ConnectionGuard`]. A hello without a link leaves the registry unchanged.
//!
//! Lock order: the registry before any [`SessionState`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::link::ConnectionGuard;
use super::options::Options;
use super::peers::PeerFacts;
use super::session_state::SessionState;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::session::Identity;
use crate::session::peers::{DisconnectedPeers, KeptSize, PeerLimits};
use crate::sys::random;

/// Shared by the acceptor thread, and by the guards of links on any thread.
pub struct SessionRegistry {
    options: Options,
    sessions: Mutex<Sessions>,
}

struct Sessions {
    connected: HashMap<Identity, Connected>,
    disconnected: DisconnectedPeers<Arc<SessionState>>,
    connections: u64,
}

struct Connected {
    session_state: Arc<SessionState>,
    /// The guard of the client's newest link: an older link may end later.
    guard: Weak<ConnectionGuard>,
    /// The number of the connection, and what a listing shows.
    shown: (u64, PeerFacts),
}

impl SessionRegistry {
    pub fn new(options: &Options) -> Arc<SessionRegistry> {
        let bytes = usize::try_from(options.replay_bytes).unwrap_or(usize::MAX);
        let limits = PeerLimits { count: options.absent_clients, bytes };
        let sessions = Sessions {
            connected: HashMap::new(),
            disconnected: DisconnectedPeers::new(limits),
            connections: 0,
        };
        Arc::new(SessionRegistry { options: options.clone(), sessions: Mutex::new(sessions) })
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the kept state for a client whose hello carries this session, or a new state.
    ///
    /// # Errors
    /// `AddressInUse` if another living program is connected under this `client_id`.
    pub fn recall(&self, identity: &Identity, session: u64) -> Result<Arc<SessionState>> {
        let connected = {
            let sessions = self.sessions();
            let connected = sessions.connected.get(identity);
            connected.map(|client| (client.session_state.clone(), client.guard.upgrade()))
        };
        // The lock is free here: `guard` may be the last reference, and its drop takes the lock.
        if let Some((session_state, guard)) = connected {
            let same = session_state.halves().outbox.peer().is_some_and(|(_, s)| s == session);
            if let Some(guard) = guard
                && !guard.is_abandoned()
            {
                if !same {
                    let Identity::Named(_, name) = identity else { return Ok(session_state) };
                    let text = format!(
                        "another program is connected as {name}; give each its own client_id",
                        name = quoted(name)
                    );
                    return Err(Error::new(ErrorKind::AddressInUse, text));
                }
                // The same program connects again: its last link broke, but this side has not noticed.
                guard.disconnect();
            }
            return Ok(session_state);
        }
        let sessions = self.sessions();
        // Only `connected` removes the state. A client that does not complete its connection thus still counts as
        // disconnected.
        if let Some(session_state) = sessions.disconnected.get(identity) {
            return Ok(session_state.clone());
        }
        Ok(SessionState::new(random::number()?, &self.options))
    }

    pub fn connected(
        &self,
        identity: &Identity,
        session_state: &Arc<SessionState>,
        guard: &Arc<ConnectionGuard>,
        facts: PeerFacts,
    ) {
        let mut sessions = self.sessions();
        sessions.connections = sessions.connections.saturating_add(1);
        let shown = (sessions.connections, facts);
        sessions.disconnected.remove(identity);
        let client = Connected { session_state: session_state.clone(), guard: Arc::downgrade(guard), shown };
        sessions.connected.insert(identity.clone(), client);
    }

    /// Returns the connected clients, for a listing.
    pub fn clients(&self) -> Vec<(u64, PeerFacts, Option<u64>)> {
        let sessions = self.sessions();
        sessions.connected.values().map(|client| (client.shown.0, client.shown.1.clone(), None)).collect()
    }

    /// Records the end of the link with this guard, if no newer link has replaced it.
    ///
    /// Returns the clients whose kept messages exceed the bounds and are lost, with their counts.
    pub fn disconnected(&self, identity: &Identity, guard: *const ConnectionGuard) -> Vec<(Identity, u64)> {
        let mut sessions = self.sessions();
        if sessions.connected.get(identity).is_none_or(|client| client.guard.as_ptr() != guard) {
            return Vec::new();
        }
        let Some(client) = sessions.connected.remove(identity) else { return Vec::new() };
        let kept = {
            let mut halves = client.session_state.halves();
            halves.read_peer_page();
            // The channel that waits for their answers ends with its link.
            halves.outbox.drop_requests();
            KeptSize { count: halves.outbox.kept_count(), bytes: halves.outbox.unacknowledged().bytes }
        };
        let evicted = sessions.disconnected.insert(identity.clone(), client.session_state, kept);
        let lost = |(client, session_state): (Identity, Arc<SessionState>)| {
            (client, session_state.halves().outbox.drop_kept() as u64)
        };
        evicted.into_iter().map(lost).filter(|(_, lost)| *lost > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Owner;

    #[test]
    fn recall_without_connection_keeps_the_count_of_bytes() {
        let options = Options::default();
        let session_registry = SessionRegistry::new(&options);
        let panel = Identity::of_dialler(Owner::Anyone, Some("panel"), 1);
        let session_state = SessionState::new(7, &options);
        session_registry.sessions().disconnected.insert(
            panel.clone(),
            session_state.clone(),
            KeptSize { count: 1, bytes: 4096 },
        );
        let recalled = session_registry.recall(&panel, 2).unwrap();
        assert!(Arc::ptr_eq(&recalled, &session_state));
        assert_eq!(session_registry.sessions().disconnected.bytes(), 4096);
    }
}
