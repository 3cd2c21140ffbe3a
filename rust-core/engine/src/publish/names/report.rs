//! The data of a subscriber's names that any thread may read: counters, refusals, gaps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::publish::gaps::Gaps;
use crate::session::redial::Redial;
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Value};

/// The most names that have a publisher at a time, and the most names that are kept.
pub const MAX_NAMES: usize = 4096;

pub struct Refused {
    pub endpoint: Endpoint,
    pub redial: Redial,
    pub due: Instant,
}

#[derive(Default)]
pub struct Report {
    counters: Mutex<BTreeMap<Arc<str>, Arc<Counters>>>,
    refused: Mutex<BTreeMap<Arc<str>, String>>,
    pub gaps: Gaps,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) received: AtomicU64,
    pub(super) missed: AtomicU64,
}

impl Report {
    pub fn add_to(&self, stats: &mut Map) {
        let count = |counter: &AtomicU64| Value::from(counter.load(Ordering::Relaxed));
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let names = counters.iter().map(|(name, counters)| {
            let [received, missed] = [&counters.received, &counters.missed].map(count);
            (name.to_string(), Value::map([("received", received), ("missed", missed)]))
        });
        stats.insert("names".into(), Value::Map(names.collect()));
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.iter().map(|(name, why)| (name.to_string(), why.as_str().into()));
        stats.insert("refused".into(), Value::Map(refused.collect()));
    }

    pub(super) fn counters_of(&self, name: &Arc<str>) -> Arc<Counters> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= 2 * MAX_NAMES && !counters.contains_key(name) {
            // Names that are received from own their counters as well.
            counters.retain(|_, one| Arc::strong_count(one) > 1);
        }
        counters.entry(name.clone()).or_default().clone()
    }

    pub(super) fn refuse(&self, name: &Arc<str>, why: &str) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.get(name).is_some_and(|known| known == why) {
            return false;
        }
        if refused.len() >= MAX_NAMES && !refused.contains_key(name) {
            refused.pop_first();
        }
        refused.insert(name.clone(), why.to_owned());
        true
    }

    /// Notes that a name is connected, or that nobody listens. Returns whether a gap has ended.
    pub(super) fn accept(&self, name: &Arc<str>, retried: &mut BTreeMap<Arc<str>, Refused>) -> bool {
        let is_gap = self.gaps.end(name, None);
        if !retried.is_empty() && retried.remove(name).is_some() {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
        is_gap
    }
}
