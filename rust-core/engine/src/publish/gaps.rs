//! Times in which a name had a living listener to which a subscriber to several names was not connected.
//!
//! A listener that does not answer an attempt begins a suspicion. The suspicion ends without a gap in two cases. The
//! listener was the last connected one: its process ends, and everything that it published was received. Or it is the
//! next connected one: its numbers tell the missed messages. If another listener was never reached or stays silent,
//! that is a gap.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::transport::place::Listener;
use crate::value::Timestamp;

/// A time in which a name had a listener and a subscriber to several names was not connected to it.
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
    /// Why there was no connection.
    pub reason: String,
    /// Whether the gap is final. False while the silent listener may still connect and tell the missed messages.
    pub is_sure: bool,
    /// Whether a program with the name was seen. If false, none was.
    ///
    /// Over `tcp:`, a program may come and go unseen between two attempts to connect, unless it is on this machine with
    /// the same runtime directory.
    pub is_seen: bool,
}

/// The most gaps that are kept, and the most open ones.
const KEPT: usize = 4096;
/// How long an ending or slow listener may be silent.
const SETTLES: Duration = Duration::from_secs(2);

/// The reason for a publisher that came and went between two attempts to connect.
pub const GONE_UNMET: &str = "a publisher came, and had ended when this subscriber tried to connect: what it published was neither received nor counted";

/// The reason for a gap in which no program was seen.
const POLLED: &str = "no program listened when this subscriber tried to connect; nothing tells of one that came and went between two attempts, which are at most 5 s apart";

#[derive(Default)]
pub struct Gaps {
    state: Mutex<State>,
    /// Whether a gap is open. Read for each message.
    lasts: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Open gaps by name.
    open: BTreeMap<Arc<str>, Lasting>,
    /// Ended gaps, oldest first.
    ended: VecDeque<Gap>,
}

/// An open gap, or the suspicion of one.
struct Lasting {
    since: Timestamp,
    noticed: Instant,
    /// The last unanswered attempt. The listener may have ended since.
    met: Instant,
    reason: String,
    /// Whether it is a gap in any case.
    is_certain: bool,
    /// The listener that did not answer, unless it was the last connected one.
    silent: Option<Listener>,
    /// Whether nothing reports listeners there, so others may have come and gone.
    is_polled: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Silent {
    /// The last connected one.
    Last,
    Other(Listener),
    /// A listener that cannot be identified.
    Unknown,
    /// An unidentified listener at an address where nothing reports listeners.
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

    /// Returns whether a program with the name was seen, apart from one that just ended.
    fn is_seen(&self) -> bool {
        !self.is_polled || self.is_sure()
    }

    fn is_sure(&self) -> bool {
        self.is_certain || self.met.duration_since(self.noticed) >= SETTLES
    }

    /// Returns whether everything is received or counted if the gap ends with a connection to this listener.
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
    /// Notes that a name with a living listener has no connection. Returns false if that is already known.
    pub fn begin(&self, name: &Arc<str>, reason: &str) -> bool {
        self.suspect(name, reason, Silent::Unknown)
    }

    /// Notes that a listener of a name did not answer. Returns whether it is the first one that may not be connected
    /// next.
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

    /// Returns whether a name with a listener is known to have no connection.
    pub fn lasts(&self) -> bool {
        // Only the receiving thread writes it.
        self.lasts.load(Ordering::Relaxed)
    }

    /// Notes a connection to a name, or that it has no listener. `connected` is the listener of a connection that
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

    /// Notes that a listener came and went without a connection.
    pub fn missed(&self, name: &Arc<str>, listener: Option<Listener>) -> bool {
        self.suspect(name, GONE_UNMET, listener.map_or(Silent::Unknown, Silent::Other));
        self.end(name, None)
    }

    /// Notes that a publisher came and went between two looks at a name.
    pub fn unmet(&self, name: &Arc<str>) {
        let now = Timestamp::now();
        let (name, reason) = (name.to_string(), GONE_UNMET.to_owned());
        let gap = Gap { name, since: now, until: Some(now), reason, is_sure: true, is_seen: true };
        self.state().keep(gap);
    }

    /// Returns the gaps that ended since the last call, and the open ones.
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
    /// Keeps an ended gap. At the limit, prolongs the last one, so that its end is right.
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
        // A port whose listener ends, then nobody.
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
