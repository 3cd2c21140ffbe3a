//! The publishers of each name of a subscriber to several, and the names with news.

use std::collections::HashMap;
use std::sync::Arc;

use super::report::MAX_NAMES;
use crate::channel::event_log::EventLog;
use crate::publish::lives::{OfName, UNCOUNTED};
use crate::transport::place::Listener;

#[derive(Debug, Default)]
pub struct Lives {
    names: HashMap<Arc<str>, OfName>,
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

    pub fn arrived(&mut self, name: &Arc<str>) {
        if let Some(of) = self.of(name) {
            of.arrived += 1;
            self.is_due(name);
        }
    }

    /// Notes a connection to a publisher of this incarnation. A reconnection does not count again.
    pub fn met(&mut self, name: &Arc<str>, incarnation: u64, listener: Option<Listener>) {
        let Some(of) = self.of(name) else { return };
        if of.met(incarnation, listener) {
            self.is_due(name);
        }
    }

    pub fn told(&mut self, name: &Arc<str>) {
        if let Some(of) = self.of(name) {
            of.told += 1;
        }
    }

    /// Returns whether some were neither met nor told. They may still come next.
    pub fn is_open(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(OfName::is_open)
    }

    /// Returns how many were neither met nor told and cannot come later.
    pub fn settle(&mut self, name: &str) -> u64 {
        self.names.get_mut(name).map_or(0, OfName::settle)
    }

    /// Forgets a name that nobody holds, or whose holder is not a publisher.
    pub fn forget(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Starts again after the kernel has dropped events, and reports that.
    pub fn lost(&mut self, log: &EventLog) {
        self.reset();
        log.unseen(UNCOUNTED.to_owned());
    }

    /// Starts again, because earlier events are unknown.
    pub fn reset(&mut self) {
        self.names.values_mut().for_each(|of| {
            of.settle();
        });
        self.due.clear();
    }

    pub fn take_due(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.due)
    }
}
