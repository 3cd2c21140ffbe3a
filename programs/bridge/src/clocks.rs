//! The clocks of other machines, for deadlines of requests to their servers.
//!
//! A deadline is a time since boot on the server's machine, which no calendar step changes. A server can therefore
//! detect a delayed request, and does not start it after its caller has given up.
//!
//! A bridge sends its clock to each new bridge, and periodically while it exports servers. An imported server waits
//! for the first value: see `imports`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use linkspan::service::server_side::{PeerClock, since_boot};

use crate::engine::Bridge;

const PERIOD: Duration = Duration::from_secs(10);

/// Returns a time after `from`, or a year after it if the clock cannot represent that.
pub fn after(from: Instant, distance: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    from.checked_add(distance.min(YEAR)).unwrap_or(from)
}

/// Bridges in order of appearance, each with its clock once it is known.
type Known = Vec<(Bridge, Option<PeerClock>)>;

#[derive(Clone, Default)]
pub struct Clocks(Rc<RefCell<Known>>);

impl Clocks {
    pub fn add(&self, bridge: &Bridge) {
        self.remove(bridge.id);
        self.0.borrow_mut().push((bridge.clone(), None));
    }

    pub fn remove(&self, id: u64) {
        self.0.borrow_mut().retain(|(bridge, _)| bridge.id != id);
    }

    /// Records a bridge's clock from a packet that has just arrived; returns whether it was unknown before.
    ///
    /// Ignores unknown bridges.
    pub fn received(&self, id: u64, clock: Duration) -> bool {
        let mut known = self.0.borrow_mut();
        let Some((_, known)) = known.iter_mut().find(|(bridge, _)| bridge.id == id) else { return false };
        let is_first = known.is_none();
        known.get_or_insert_default().received(clock, since_boot());
        is_first
    }

    /// Returns whether the clock of a machine's newest bridge is still missing. It was requested when the bridge
    /// appeared.
    pub fn is_awaited(&self, machine: &str) -> bool {
        let known = self.0.borrow();
        let newest = known.iter().rev().find(|(bridge, _)| bridge.machine == machine);
        newest.is_some_and(|(_, clock)| clock.is_none())
    }

    /// Returns the reading of a machine's clock after `left`, or an earlier one; `None` if it is unknown.
    ///
    /// The error is safe: a request may be refused slightly early, but never starts late.
    pub fn after(&self, machine: &str, left: Duration) -> Option<Duration> {
        let known = self.0.borrow();
        let of_machine = known.iter().rev().filter(|(bridge, _)| bridge.machine == machine);
        of_machine.filter_map(|(_, clock)| clock.as_ref()).next()?.least(since_boot().saturating_add(left))
    }
}

#[derive(Default)]
pub struct Schedule(Option<Instant>);

impl Schedule {
    /// Returns when to send the clock next; `None` if no machine needs it.
    pub fn next(&self) -> Option<Instant> {
        self.0
    }

    /// Returns whether to send the clock now, and schedules the next time.
    ///
    /// `needed` tells whether servers are exported and other bridges are known.
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
        clocks.add(&bridge(2, "north"));
        assert!(clocks.is_awaited("north") && clocks.after("north", second) > Some(shown));
        clocks.remove(1);
        assert_eq!(clocks.after("north", second), None);
    }
}
