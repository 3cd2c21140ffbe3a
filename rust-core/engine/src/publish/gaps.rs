//! When a name had a listener and a subscriber to several names was not connected to it: kept until the program asks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::value::Timestamp;

/// A time in which a name of a subscriber to several names had a listener, and the subscriber was not connected to it: messages of
/// that time may be neither received nor counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The endpoint of the name.
    pub name: String,
    /// When the subscriber noticed it.
    pub since: Timestamp,
    /// When it connected, or found that nobody listens any more; none while it lasts.
    pub until: Option<Timestamp>,
    /// Why there was no connection.
    pub reason: String,
}

/// The most gaps that are kept, and the most that last.
const KEPT: usize = 4096;

/// The gaps of one subscriber.
#[derive(Default)]
pub struct Gaps {
    state: Mutex<State>,
    /// Whether one lasts: read for each message.
    lasts: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Those that last, by name.
    open: BTreeMap<Arc<str>, (Timestamp, String)>,
    /// Those that have ended, oldest first.
    ended: VecDeque<Gap>,
}

impl Gaps {
    /// Notes that a name has a listener and there is no connection to it. False where that lasts already.
    pub fn begin(&self, name: &Arc<str>, reason: &str) -> bool {
        let mut state = self.state();
        let is_new = state.open.len() < KEPT && !state.open.contains_key(name);
        if is_new {
            self.lasts.store(true, Ordering::Relaxed);
            state.open.insert(name.clone(), (Timestamp::now(), reason.to_owned()));
        }
        is_new
    }

    /// Notes that there is a connection to a name, or that it has no listener.
    pub fn end(&self, name: &Arc<str>) {
        // The thread that receives is the one that notes them.
        if !self.lasts.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        if let Some((since, reason)) = state.open.remove(name) {
            self.lasts.store(!state.open.is_empty(), Ordering::Relaxed);
            state.keep(Gap { name: name.to_string(), since, until: Some(Timestamp::now()), reason });
        }
    }

    /// Notes that a name came and went without a connection.
    pub fn missed(&self, name: &Arc<str>) {
        self.begin(name, "it appeared, and had no listener any more when this subscriber connected to it");
        self.end(name);
    }

    /// Returns those that have ended since the last call, and those that last.
    pub fn take(&self) -> Vec<Gap> {
        let mut state = self.state();
        let mut gaps: Vec<_> = state.ended.drain(..).collect();
        gaps.extend(state.open.iter().map(|(name, (since, reason))| Gap {
            name: name.to_string(),
            since: *since,
            until: None,
            reason: reason.clone(),
        }));
        gaps
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps one that has ended. Of too many, the last one is prolonged, so that its end is right.
    fn keep(&mut self, gap: Gap) {
        let is_full = self.ended.len() >= KEPT;
        match self.ended.back_mut() {
            Some(last) if is_full => last.until = gap.until,
            _ => self.ended.push_back(gap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gap_lasts_until_its_name_is_connected_and_is_told_once_it_has_ended() {
        let (gaps, name) = (Gaps::default(), Arc::from("shm:a"));
        gaps.begin(&name, "busy");
        gaps.begin(&name, "busy still");
        let [lasting] = &gaps.take()[..] else { panic!("one gap") };
        assert_eq!((lasting.reason.as_str(), lasting.until), ("busy", None));
        assert_eq!(gaps.take().len(), 1, "it lasts");
        gaps.end(&name);
        gaps.end(&name);
        let [ended] = &gaps.take()[..] else { panic!("one gap") };
        assert!(ended.since == lasting.since && ended.until >= Some(ended.since), "{ended:?}");
        assert!(gaps.take().is_empty());
    }

    #[test]
    fn too_many_gaps_become_a_longer_one() {
        let gaps = Gaps::default();
        let names: Vec<Arc<str>> = (0..KEPT + 10).map(|i| Arc::from(format!("shm:{i}"))).collect();
        names.iter().for_each(|name| gaps.missed(name));
        let kept = gaps.take();
        assert_eq!(kept.len(), KEPT);
        assert!(kept[KEPT - 1].until > Some(kept[KEPT - 1].since));
    }
}
