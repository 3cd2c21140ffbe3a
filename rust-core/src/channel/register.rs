//! What a listener remembers of its peers: those that are here, and those that are away and may come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::door::Seat;
use super::greeting;
use super::memory::Memory;
use super::options::Options;
use super::session::Identity;
use super::session::peers::{Kept, PeerLimits, Peers};
use crate::error::{Error, ErrorKind, Result, quoted};

/// The memories of one listener's peers.
pub struct Register {
    options: Options,
    known: Mutex<Known>,
}

struct Known {
    here: HashMap<Identity, Here>,
    away: Peers<Arc<Memory>>,
}

struct Here {
    memory: Arc<Memory>,
    seat: Weak<Seat>,
}

impl Register {
    pub fn new(options: &Options) -> Arc<Register> {
        let bytes = usize::try_from(options.replay_bytes).unwrap_or(usize::MAX);
        let limits = PeerLimits { count: options.absent_clients, bytes };
        let known = Known { here: HashMap::new(), away: Peers::new(limits) };
        Arc::new(Register { options: options.clone(), known: Mutex::new(known) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory of one who says hello with this session. `AddressInUse` where another living program has the name.
    pub fn recall(&self, identity: &Identity, session: u64) -> Result<Arc<Memory>> {
        let here = {
            let known = self.known();
            known.here.get(identity).map(|here| (here.memory.clone(), here.seat.upgrade()))
        };
        // Without the lock: the seat may have no other owner by now, and its end asks for it.
        if let Some((memory, seat)) = here {
            let same = memory.both().outbox.peer().is_some_and(|(_, s)| s == session);
            if let Some(seat) = seat
                && !seat.is_abandoned()
            {
                if !same {
                    let Identity::Named(_, name) = identity else { return Ok(memory) };
                    let text = format!(
                        "another program is connected as {name}; give each its own client_id",
                        name = quoted(name)
                    );
                    return Err(Error::new(ErrorKind::AddressInUse, text));
                }
                // It knows that its last link is cut, and we do not yet.
                seat.hang_up();
            }
            return Ok(memory);
        }
        let known = self.known();
        // It is away until its new link is up.
        if let Some(memory) = known.away.get(identity) {
            return Ok(memory.clone());
        }
        Ok(Memory::new(greeting::random()?, &self.options))
    }

    /// Its link is up.
    pub fn arrive(&self, identity: &Identity, memory: &Arc<Memory>, seat: &Arc<Seat>) {
        let mut known = self.known();
        known.away.take_back(identity);
        let here = Here { memory: memory.clone(), seat: Arc::downgrade(seat) };
        known.here.insert(identity.clone(), here);
    }

    /// The link that this seat was taken for has ended. Gives those for whom what was kept is lost by that, each with how many
    /// messages.
    pub fn leave(&self, identity: &Identity, seat: *const Seat) -> Vec<(Identity, u64)> {
        let mut known = self.known();
        if known.here.get(identity).is_none_or(|here| here.seat.as_ptr() != seat) {
            return Vec::new();
        }
        let Some(gone) = known.here.remove(identity) else { return Vec::new() };
        let kept = {
            let mut both = gone.memory.both();
            both.look();
            Kept { count: both.outbox.kept_count(), bytes: both.outbox.unacknowledged().bytes }
        };
        let forgotten = known.away.put_away(identity.clone(), gone.memory, kept);
        let lost = |(who, memory): (Identity, Arc<Memory>)| (who, memory.both().outbox.drop_kept() as u64);
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
        let register = Register::new(&options);
        let panel = Identity::of_dialler(Owner::Anyone, Some("panel"), 1);
        let memory = Memory::new(7, &options);
        register.known().away.put_away(panel.clone(), memory.clone(), Kept { count: 1, bytes: 4096 });
        let recalled = register.recall(&panel, 2).unwrap();
        assert!(Arc::ptr_eq(&recalled, &memory));
        assert_eq!(register.known().away.bytes(), 4096);
    }
}
