//! The publishers of each name of a subscriber to several, and the names of which something has happened.

use std::collections::HashMap;
use std::sync::Arc;

use super::report::MAX_NAMES;
use crate::channel::event_log::EventLog;
use crate::publish::lives::{OfName, UNCOUNTED};
use crate::transport::place::Listener;

/// The publishers of all names.
#[derive(Debug, Default)]
pub struct Lives {
    names: HashMap<Arc<str>, OfName>,
    /// The names of which something has happened since the last look.
    due: Vec<Arc<str>>,
}

impl Lives {
    fn of(&mut self, name: &Arc<str>) -> Option<&mut OfName> {
        if self.names.len() >= MAX_NAMES && !self.names.contains_key(name) {
            return None;
        }
        Some(self.names.entry(name.clone()).or_default())
    }

    fn is_due(&mut self, name: &Arc<str>) {
        if self.due.len() < MAX_NAMES && !self.due.contains(name) {
            self.due.push(name.clone());
        }
    }

    /// Notes that a listener has taken a name.
    pub fn arrived(&mut self, name: &Arc<str>) {
        if let Some(of) = self.of(name) {
            of.arrived += 1;
            self.is_due(name);
        }
    }

    /// Notes a connection to a publisher of this incarnation. One that is connected again is met once.
    pub fn met(&mut self, name: &Arc<str>, incarnation: u64, listener: Option<Listener>) {
        let Some(of) = self.of(name) else { return };
        if of.met(incarnation, listener) {
            self.is_due(name);
        }
    }

    /// Notes that one was told as a gap.
    pub fn told(&mut self, name: &Arc<str>) {
        if let Some(of) = self.of(name) {
            of.told += 1;
        }
    }

    /// Returns whether some were neither met nor told, unless they come next.
    pub fn is_open(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(OfName::is_open)
    }

    /// Returns how many were neither met nor told: no other one comes of those that have arrived.
    pub fn settle(&mut self, name: &str) -> u64 {
        self.names.get_mut(name).map_or(0, OfName::settle)
    }

    /// Forgets a name: nobody has it, or who has it is no publisher.
    pub fn forget(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Begins anew and reports it: the kernel has dropped what has happened until now.
    pub fn lost(&mut self, log: &EventLog) {
        self.reset();
        log.disconnected(UNCOUNTED.to_owned());
    }

    /// Begins anew: what has happened until now is not known.
    pub fn reset(&mut self) {
        self.names.values_mut().for_each(|of| {
            of.settle();
        });
        self.due.clear();
    }

    /// Takes the names of which something has happened.
    pub fn take_due(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.due)
    }
}
