//! The timers of the server, one for each event that only time causes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub type Name = Arc<str>;

/// An event caused by time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Due {
    /// The deadline of this command has passed.
    Command(Name, Arc<str>),
    /// This service may have sent nothing for three heartbeat periods.
    HeartbeatTimeout(Name),
    /// This service has been disconnected for so long that it counts as GONE.
    Gone(Name),
    /// Sample the data of this service for its watchers.
    Sample(Name),
    /// The watchers of this service have to receive its changed record.
    Push(Name),
    /// The problem of this service has not occurred for `Limits::problem`.
    ProblemExpiry(Name),
    /// The peer on this link has not sent its introduction.
    IntroductionTimeout(u64),
    /// A held command fails: its service, which was registered with an earlier incarnation of the controller, has not
    /// connected.
    ExpectedService(Name),
    /// The oldest final answers have been kept for `Limits::finished_for`.
    AnswerExpiry,
}

/// The timers, since the start of the server.
#[derive(Debug, Default)]
pub struct Schedule {
    order: BTreeSet<(Duration, Due)>,
    moments: HashMap<Due, Duration>,
}

impl Schedule {
    /// Sets the timer of an event, and replaces an earlier one.
    pub fn set(&mut self, due: Due, at: Duration) {
        self.cancel(&due);
        self.order.insert((at, due.clone()));
        self.moments.insert(due, at);
    }

    /// Sets the timer of an event if it is not set yet.
    pub fn set_once(&mut self, due: Due, at: Duration) {
        if !self.moments.contains_key(&due) {
            self.set(due, at);
        }
    }

    pub fn cancel(&mut self, due: &Due) {
        if let Some((due, at)) = self.moments.remove_entry(due) {
            self.order.remove(&(at, due));
        }
    }

    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Removes and returns the next timer that has expired.
    pub fn take(&mut self, now: Duration) -> Option<Due> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, due) = self.order.pop_first()?;
        self.moments.remove(&due);
        Some(due)
    }

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
    fn timer_set_twice_expires_once_at_last_moment() {
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
