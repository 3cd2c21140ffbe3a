//! What is due when: one moment for each thing that time alone brings about.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A service's name.
pub type Name = Arc<str>;

/// What time brings about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Due {
    /// This command of this service has no time left.
    Command(Name, Arc<str>),
    /// This service was to be heard of.
    HeartbeatTimeout(Name),
    /// This service has been away for so long that it is gone.
    Gone(Name),
    /// The watchers of this service are to have its data anew.
    Sample(Name),
    /// The watchers of this service are to hear what has changed meanwhile.
    Push(Name),
    /// What was wrong with this service has not happened again.
    ProblemExpiry(Name),
    /// Who came over this link has not said who it is.
    IntroductionTimeout(u64),
    /// Commands wait for a service of this name that an earlier controller knew.
    ExpectedService(Name),
    /// The oldest final answers are old enough to be forgotten.
    AnswerExpiry,
}

/// Moments since the start, each for one thing.
#[derive(Debug, Default)]
pub struct Schedule {
    order: BTreeSet<(Duration, Due)>,
    moments: HashMap<Due, Duration>,
}

impl Schedule {
    /// From now on this is due then, whenever it was due before.
    pub fn set(&mut self, due: Due, at: Duration) {
        self.cancel(&due);
        self.order.insert((at, due.clone()));
        self.moments.insert(due, at);
    }

    /// The same, unless it is due already, then or at another moment.
    pub fn set_once(&mut self, due: Due, at: Duration) {
        if !self.moments.contains_key(&due) {
            self.set(due, at);
        }
    }

    /// This is not due any longer.
    pub fn cancel(&mut self, due: &Due) {
        if let Some((due, at)) = self.moments.remove_entry(due) {
            self.order.remove(&(at, due));
        }
    }

    /// When the next thing is due.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the next thing that is due by now.
    pub fn take(&mut self, now: Duration) -> Option<Due> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, due) = self.order.pop_first()?;
        self.moments.remove(&due);
        Some(due)
    }

    /// How many things are due some time.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.order.len(), self.moments.len());
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_due_once_at_its_last_moment() {
        let second = Duration::from_secs;
        let mut schedule = Schedule::default();
        let name = |name: &str| -> Name { name.into() };
        schedule.set(Due::HeartbeatTimeout(name("a")), second(5));
        schedule.set(Due::HeartbeatTimeout(name("b")), second(6));
        schedule.set(Due::HeartbeatTimeout(name("a")), second(7));
        schedule.set_once(Due::HeartbeatTimeout(name("b")), second(1));
        schedule.set(Due::AnswerExpiry, second(2));
        schedule.cancel(&Due::AnswerExpiry);
        assert_eq!((schedule.next(), schedule.len()), (Some(second(6)), 2));
        assert_eq!(schedule.take(second(5)), None);
        assert_eq!(schedule.take(second(9)), Some(Due::HeartbeatTimeout(name("b"))));
        assert_eq!(schedule.take(second(9)), Some(Due::HeartbeatTimeout(name("a"))));
        assert_eq!((schedule.take(second(9)), schedule.len()), (None, 0));
    }
}
