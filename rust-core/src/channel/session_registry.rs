//! What a listener remembers of its peers: those that are here, and those that are away and may come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::acceptor::ConnectionGuard;
use super::greeting;
use super::options::Options;
use super::session::Identity;
use super::session::peers::{Kept, PeerLimits, Peers};
use super::session_state::SessionState;
use crate::error::{Error, ErrorKind, Result, quoted};

/// The memories of one listener's peers.
pub struct SessionRegistry {
    options: Options,
    known: Mutex<Sessions>,
}

struct Sessions {
    here: HashMap<Identity, Connected>,
    away: Peers<Arc<SessionState>>,
}

struct Connected {
    session_state: Arc<SessionState>,
    guard: Weak<ConnectionGuard>,
}

impl SessionRegistry {
    pub fn new(options: &Options) -> Arc<SessionRegistry> {
        let bytes = usize::try_from(options.replay_bytes).unwrap_or(usize::MAX);
        let limits = PeerLimits { count: options.absent_clients, bytes };
        let known = Sessions { here: HashMap::new(), away: Peers::new(limits) };
        Arc::new(SessionRegistry { options: options.clone(), known: Mutex::new(known) })
    }

    fn known(&self) -> MutexGuard<'_, Sessions> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory of one who says hello with this session. `AddressInUse` where another living program has the name.
    pub fn recall(&self, identity: &Identity, session: u64) -> Result<Arc<SessionState>> {
        let here = {
            let known = self.known();
            known.here.get(identity).map(|here| (here.session_state.clone(), here.guard.upgrade()))
        };
        // Without the lock: the guard may have no other owner by now, and its end asks for it.
        if let Some((session_state, guard)) = here {
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
                // It knows that its last link is cut, and we do not yet.
                guard.hang_up();
            }
            return Ok(session_state);
        }
        let known = self.known();
        // It is away until its new link is up.
        if let Some(session_state) = known.away.get(identity) {
            return Ok(session_state.clone());
        }
        Ok(SessionState::new(greeting::random()?, &self.options))
    }

    /// Its link is up.
    pub fn arrive(
        &self,
        identity: &Identity,
        session_state: &Arc<SessionState>,
        guard: &Arc<ConnectionGuard>,
    ) {
        let mut known = self.known();
        known.away.take_back(identity);
        let here = Connected { session_state: session_state.clone(), guard: Arc::downgrade(guard) };
        known.here.insert(identity.clone(), here);
    }

    /// The link that this guard was taken for has ended. Gives those for whom what was kept is lost by that, each with how many
    /// messages.
    pub fn leave(&self, identity: &Identity, guard: *const ConnectionGuard) -> Vec<(Identity, u64)> {
        let mut known = self.known();
        if known.here.get(identity).is_none_or(|here| here.guard.as_ptr() != guard) {
            return Vec::new();
        }
        let Some(gone) = known.here.remove(identity) else { return Vec::new() };
        let kept = {
            let mut halves = gone.session_state.halves();
            halves.look();
            Kept { count: halves.outbox.kept_count(), bytes: halves.outbox.unacknowledged().bytes }
        };
        let forgotten = known.away.put_away(identity.clone(), gone.session_state, kept);
        let lost = |(who, session_state): (Identity, Arc<SessionState>)| {
            (who, session_state.halves().outbox.drop_kept() as u64)
        };
        forgotten.into_iter().map(lost).filter(|(_, lost)| *lost > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Owner;
    use super::*;

    #[test]
    fn one_who_says_hello_and_does_not_come_leaves_what_is_kept_for_it_counted() {
        let options = Options::default();
        let session_registry = SessionRegistry::new(&options);
        let panel = Identity::of_dialler(Owner::Anyone, Some("panel"), 1);
        let session_state = SessionState::new(7, &options);
        session_registry.known().away.put_away(
            panel.clone(),
            session_state.clone(),
            Kept { count: 1, bytes: 4096 },
        );
        let recalled = session_registry.recall(&panel, 2).unwrap();
        assert!(Arc::ptr_eq(&recalled, &session_state));
        assert_eq!(session_registry.known().away.bytes(), 4096);
    }
}
