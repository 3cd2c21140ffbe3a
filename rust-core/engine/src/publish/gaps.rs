//! Times in which a subscriber to several names was not connected to a name's living listener.
//!
//! A silent listener begins a suspicion, which ends without a gap in two cases:
//!
//! - It was the last connected listener. Its process ends, and everything that it published was received.
//! - It is the next connected listener. Its numbers tell the missed messages.
//!
//! A listener that stays silent, or that was never reached, is a gap.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::transport::place::Listener;
use crate::value::Timestamp;

/// A time in which a subscriber to several names was not connected to a name's listener.
///
/// The subscriber may have neither received nor counted messages of that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The endpoint of the name.
    pub name: String,
    /// When the subscriber noticed the gap.
    pub since: Timestamp,
    /// When the subscriber connected, or found no listener any more. `None` while the gap lasts.
    pub until: Option<Timestamp>,
    /// The reason for the missing connection.
    pub reason: String,
    /// Whether the gap is final: the silent listener cannot tell the missed messages any more.
    pub is_sure: bool,
    /// Whether a program with the name was seen. If false, none was.
    ///
    /// Over `tcp:`, programs of other machines or runtime directories may come and go unseen between two attempts to
    /// connect.
    pub is_seen: bool,
}

const KEPT: usize = 4096;
const SETTLES: Duration = Duration::from_secs(2);

pub const GONE_UNMET: &str = "a publisher came, and had ended when this subscriber tried to connect: what it published was neither received nor counted";

const POLLED: &str = "no program listened when this subscriber tried to connect; nothing tells of one that came and went between two attempts, which are at most 5 s apart";

#[derive(Default)]
pub struct Gaps {
    state: Mutex<State>,
    lasts: AtomicBool,
}

#[derive(Default)]
struct State {
    open: BTreeMap<Arc<str>, Lasting>,
    ended: VecDeque<Gap>,
}

struct Lasting {
    since: Timestamp,
    noticed: Instant,
    /// The last unanswered attempt. The listener may have ended since.
    met: Instant,
    reason: String,
    is_certain: bool,
    /// The silent listener; `None` if it was the last connected one.
    silent: Option<Listener>,
    /// Whether others may have come and gone, because nothing reports listeners there.
    is_polled: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Silent {
    Last,
    Other(Listener),
    Unknown,
    /// An unidentified listener at an address whose listeners nothing reports.
    Polled,
}

impl Lasting {
    fn new(reason: &str) -> Lasting {
        let now = Instant::now();
        Lasting {
            since: Timestamp::now(),
            noticed: now,
            met: now,
            reason: reason.to_owned(),
            is_certain: false,
            silent: None,
            is_polled: false,
        }
    }

    /// Returns whether a program with the name was seen, not counting a listener that just ended.
    fn is_seen(&self) -> bool {
        !self.is_polled || self.is_sure()
    }

    fn is_sure(&self) -> bool {
        self.is_certain || self.met.duration_since(self.noticed) >= SETTLES
    }

    /// Returns whether everything is received or counted after a connection to this listener.
    fn is_accounted_for(&self, connected: Option<Listener>) -> bool {
        !self.is_certain
            && !self.is_polled
            && match self.silent {
                // Still the last connected listener after a long time: it is alive, and only its numbers can tell the
                // missed messages.
                None => connected.is_some() || !self.is_sure(),
                silent => silent == connected,
            }
    }
}

impl Gaps {
    /// Notes that a name with a living listener is not connected. Returns false if that is known.
    pub fn begin(&self, name: &Arc<str>, reason: &str) -> bool {
        self.suspect(name, reason, Silent::Unknown)
    }

    /// Notes that a listener did not answer. Returns whether it is the first one that may not be connected next.
    pub fn suspect(&self, name: &Arc<str>, reason: &str, listener: Silent) -> bool {
        let mut state = self.state();
        if state.open.len() >= KEPT && !state.open.contains_key(name) {
            return false;
        }
        self.lasts.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let lasting = state.open.entry(name.clone()).or_insert_with(|| Lasting::new(reason));
        lasting.met = now;
        let is_first = !lasting.is_certain && lasting.silent.is_none();
        match listener {
            Silent::Last => return false,
            Silent::Other(one) => {
                // Only one of two can be connected next.
                lasting.is_certain |= lasting.silent.is_some_and(|known| known != one);
                lasting.silent = Some(one);
            }
            Silent::Unknown => lasting.is_certain = true,
            Silent::Polled => lasting.is_polled = true,
        }
        is_first
    }

    /// Returns whether a name with a listener is unconnected.
    pub fn lasts(&self) -> bool {
        // Only the receiving thread writes it.
        self.lasts.load(Ordering::Relaxed)
    }

    /// Notes a connection to a name, or a name without a listener. `connected` is the listener of a connection that
    /// counts messages missed since the last one. Returns whether a gap has ended.
    pub fn end(&self, name: &Arc<str>, connected: Option<Listener>) -> bool {
        if !self.lasts() {
            return false;
        }
        let mut state = self.state();
        let Some(lasting) = state.open.remove(name) else { return false };
        self.lasts.store(!state.open.is_empty(), Ordering::Relaxed);
        let is_gap = !lasting.is_accounted_for(connected);
        if is_gap {
            let is_seen = lasting.is_seen();
            let Lasting { since, reason, .. } = lasting;
            let (name, until) = (name.to_string(), Some(Timestamp::now()));
            state.keep(Gap { name, since, until, reason, is_sure: true, is_seen });
        }
        is_gap
    }

    /// Notes that an attempt met nobody at a name whose listeners nothing reports.
    pub fn polled(&self, name: &Arc<str>) {
        let mut state = self.state();
        if state.open.len() >= KEPT && !state.open.contains_key(name) {
            return;
        }
        self.lasts.store(true, Ordering::Relaxed);
        let lasting = state.open.entry(name.clone()).or_insert_with(|| Lasting::new(POLLED));
        lasting.is_polled = true;
        if lasting.is_sure() {
            lasting.is_certain = true;
        } else {
            // The earlier listener has ended, and another one may come.
            let now = Instant::now();
            (lasting.noticed, lasting.met) = (now, now);
            lasting.reason = POLLED.to_owned();
        }
    }

    pub fn missed(&self, name: &Arc<str>, listener: Option<Listener>) -> bool {
        self.suspect(name, GONE_UNMET, listener.map_or(Silent::Unknown, Silent::Other));
        self.end(name, None)
    }

    pub fn unmet(&self, name: &Arc<str>) {
        let now = Timestamp::now();
        let (name, reason) = (name.to_string(), GONE_UNMET.to_owned());
        let gap = Gap { name, since: now, until: Some(now), reason, is_sure: true, is_seen: true };
        self.state().keep(gap);
    }

    pub fn take(&self) -> Vec<Gap> {
        let mut state = self.state();
        let mut gaps: Vec<_> = state.ended.drain(..).collect();
        // A reported gap is final.
        state.open.values_mut().for_each(|lasting| lasting.is_certain = lasting.is_sure());
        let may_be_one =
            |lasting: &Lasting| lasting.is_certain || lasting.silent.is_some() || lasting.is_polled;
        let lasting = state.open.iter().filter(|(_, lasting)| may_be_one(lasting));
        gaps.extend(lasting.map(|(name, lasting)| Gap {
            name: name.to_string(),
            since: lasting.since,
            until: None,
            reason: lasting.reason.clone(),
            is_sure: lasting.is_certain,
            is_seen: lasting.is_seen(),
        }));
        gaps
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps an ended gap. At the limit, prolongs the last one to get its end right.
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
    use crate::sys::directory::Directory;
    use crate::transport::place::Place;

    #[test]
    fn gap_lasts_until_its_name_is_connected_and_is_told_once_it_has_ended() {
        let (gaps, name) = (Gaps::default(), Arc::from("shm:a"));
        gaps.begin(&name, "busy");
        gaps.begin(&name, "busy still");
        let [lasting] = &gaps.take()[..] else { panic!("one gap") };
        assert_eq!((lasting.reason.as_str(), lasting.until), ("busy", None));
        assert_eq!(gaps.take().len(), 1, "it lasts");
        gaps.end(&name, None);
        gaps.end(&name, None);
        let [ended] = &gaps.take()[..] else { panic!("one gap") };
        assert!(ended.since == lasting.since && ended.until >= Some(ended.since), "{ended:?}");
        assert!(gaps.take().is_empty());
    }

    #[test]
    fn too_many_gaps_become_a_longer_one() {
        let gaps = Gaps::default();
        let names: Vec<Arc<str>> = (0..KEPT + 10).map(|i| Arc::from(format!("shm:{i}"))).collect();
        assert!(names.iter().all(|name| gaps.missed(name, None)));
        let kept = gaps.take();
        assert_eq!(kept.len(), KEPT);
        assert!(kept[KEPT - 1].until > Some(kept[KEPT - 1].since));
    }

    fn listeners<const COUNT: usize>() -> [Listener; COUNT] {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        std::array::from_fn(|i| {
            let file = i.to_string();
            std::fs::write(folder.path().join(&file), "").unwrap();
            Place { directory: directory.clone(), file }.listener().unwrap()
        })
    }

    #[test]
    fn ending_listener_and_one_that_is_connected_next_are_no_gap() {
        let (gaps, name, [next]) = (Gaps::default(), Arc::from("shm:a"), listeners());
        gaps.suspect(&name, "ending", Silent::Last);
        assert!(gaps.take().is_empty(), "it may be ending");
        gaps.end(&name, None);
        assert!(gaps.take().is_empty(), "it has ended");
        gaps.suspect(&name, "ending", Silent::Last);
        gaps.suspect(&name, "busy", Silent::Other(next));
        assert!(gaps.take().iter().all(|gap| !gap.is_sure && gap.until.is_none()));
        gaps.end(&name, Some(next));
        assert!(gaps.take().is_empty(), "its numbers say what was missed");
    }

    #[test]
    fn nobody_at_a_name_of_which_nothing_tells_is_a_gap_in_which_no_program_was_seen() {
        let (gaps, name) = (Gaps::default(), Arc::from("tcp://192.0.2.1:7"));
        for silent in [true, false] {
            if silent {
                gaps.suspect(&name, "ending", Silent::Polled);
            }
            gaps.polled(&name);
            let [lasting] = &gaps.take()[..] else { panic!("it lasts") };
            assert!(!lasting.is_sure && !lasting.is_seen && lasting.until.is_none(), "{lasting:?}");
            gaps.end(&name, None);
            let [ended] = &gaps.take()[..] else { panic!("it has ended") };
            assert!(ended.is_sure && !ended.is_seen && ended.until.is_some(), "{ended:?}");
        }
    }

    #[test]
    fn listener_that_was_never_reached_is_a_gap() {
        let (gaps, name, [next, other]) = (Gaps::default(), Arc::from("shm:a"), listeners());
        // The listener ended; another one is connected; that one was silent as well and its connection counts nothing.
        for (silent, connected) in [
            (&[next][..], None),
            (&[other][..], Some(next)),
            (&[other, next][..], Some(next)),
            (&[next, other, next][..], Some(next)),
        ] {
            gaps.suspect(&name, "ending", Silent::Last);
            for one in silent {
                gaps.suspect(&name, "silent", Silent::Other(*one));
            }
            gaps.end(&name, connected);
            let [gap] = &gaps.take()[..] else { panic!("one gap: {silent:?} then {connected:?}") };
            assert!(gap.is_sure && gap.until.is_some());
        }
    }
}
