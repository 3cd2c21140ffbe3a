//! The clocks of other machines, by which requests to their servers have deadlines.
//!
//! A deadline is sent as a time of the clock of the server's machine, the time since its boot, which no step
//! of the calendar clock changes. So a request that the network held back is late by the server's own clock,
//! and a server does not begin with it after its caller has given up.
//!
//! A bridge sends its clock to each new bridge, and periodically while it exports servers. An imported server
//! waits until the first value has arrived: see `imports`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use linkspan::service::server_side::{PeerClock, since_boot};

use crate::engine::Bridge;

/// How often a bridge with exported servers sends what its clock shows.
const PERIOD: Duration = Duration::from_secs(10);

/// A time after another one; of a distance that no clock reaches, a year after it.
pub fn after(from: Instant, distance: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    from.checked_add(distance.min(YEAR)).unwrap_or(from)
}

/// The bridges in the order in which they appeared, each with its clock once a value has arrived.
type Known = Vec<(Bridge, Option<PeerClock>)>;

/// The clocks of all known bridges; clones share them.
#[derive(Clone, Default)]
pub struct Clocks(Rc<RefCell<Known>>);

impl Clocks {
    /// Adds a bridge whose clock is not known yet.
    pub fn add(&self, bridge: &Bridge) {
        self.remove(bridge.id);
        self.0.borrow_mut().push((bridge.clone(), None));
    }

    /// Removes a bridge that has gone, with its clock.
    pub fn remove(&self, id: u64) {
        self.0.borrow_mut().retain(|(bridge, _)| bridge.id != id);
    }

    /// Records what the clock of a bridge showed when it sent the packet that has just arrived. Returns
    /// whether its clock was unknown before. A packet of an unknown bridge changes nothing.
    pub fn received(&self, id: u64, clock: Duration) -> bool {
        let mut known = self.0.borrow_mut();
        let Some((_, known)) = known.iter_mut().find(|(bridge, _)| bridge.id == id) else { return false };
        let is_first = known.is_none();
        known.get_or_insert_default().received(clock, since_boot());
        is_first
    }

    /// Returns whether the newest bridge of a machine has not sent its clock yet. It was requested when the
    /// bridge appeared.
    pub fn is_awaited(&self, machine: &str) -> bool {
        let known = self.0.borrow();
        let newest = known.iter().rev().find(|(bridge, _)| bridge.machine == machine);
        newest.is_some_and(|(_, clock)| clock.is_none())
    }

    /// Returns the time that a machine's clock shows after `left`, or an earlier one; `None` if no bridge
    /// there has sent its clock. The error is on the safe side: a request may be refused a little early, and
    /// is never begun late.
    pub fn after(&self, machine: &str, left: Duration) -> Option<Duration> {
        let known = self.0.borrow();
        let of_machine = known.iter().rev().filter(|(bridge, _)| bridge.machine == machine);
        of_machine.filter_map(|(_, clock)| clock.as_ref()).next()?.least(since_boot().saturating_add(left))
    }
}

/// When this bridge sends its clock next.
#[derive(Default)]
pub struct Schedule(Option<Instant>);

impl Schedule {
    /// Returns that time; `None` while no other machine needs it.
    pub fn next(&self) -> Option<Instant> {
        self.0
    }

    /// Returns whether the clock is to be sent now, and schedules the next time. `needed` is whether servers
    /// are exported and other bridges are known.
    pub fn is_due(&mut self, needed: bool) -> bool {
        let now = Instant::now();
        let is_due = needed && self.0.is_none_or(|at| at <= now);
        match needed {
            true if is_due => self.0 = Some(after(now, PERIOD)),
            true => {}
            false => self.0 = None,
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_of_a_machine_is_that_of_its_newest_bridge_with_a_known_clock() {
        let clocks = Clocks::default();
        let bridge = |id, machine: &str| Bridge { id, machine: machine.to_owned() };
        assert!(!clocks.is_awaited("north") && !clocks.received(1, Duration::ZERO));
        clocks.add(&bridge(1, "north"));
        assert!(clocks.is_awaited("north") && !clocks.is_awaited("south"));
        assert_eq!(clocks.after("north", Duration::ZERO), None);
        let shown = Duration::from_secs(1_000_000_000);
        assert!(clocks.received(1, shown) && !clocks.received(1, shown));
        let second = Duration::from_secs(1);
        let after = clocks.after("north", 10 * second).unwrap();
        assert!(after > shown + 9 * second && after < shown + 11 * second, "{after:?}");
        // The bridge was restarted.
        clocks.add(&bridge(2, "north"));
        assert!(clocks.is_awaited("north") && clocks.after("north", second) > Some(shown));
        clocks.remove(1);
        assert_eq!(clocks.after("north", second), None);
    }
}
