//! What happens to commands when their time has passed.

use std::time::Duration;

use super::{Accepted, Act, Doing, Lifecycle};
use crate::error::{Error, ErrorKind};
use crate::service::command::Command;
use crate::service::words::Order;

/// GET_DATA gets the newest known data this long before its time has passed, or after three quarters of a shorter one.
const EARLY: Duration = Duration::from_secs(1);

impl Lifecycle {
    /// When something is due without anybody's coming.
    pub fn next_due(&self) -> Option<Duration> {
        self.open()
            .filter(|one| !one.answered)
            .map(|one| self.due_of(one))
            .min()
            .filter(|due| *due < Duration::MAX)
    }

    fn due_of(&self, one: &Accepted) -> Duration {
        // One that has all the time there is never has to be content with what is known.
        if one.order.command == Command::GetData && self.data.is_some() && one.due < Duration::MAX {
            return one.due.saturating_sub(EARLY.min(one.order.within / 4));
        }
        one.due
    }

    /// Time has passed: commands whose time is up get their answers.
    pub fn tick(&mut self, now: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        for mut one in std::mem::take(&mut self.queue) {
            if one.answered || self.due_of(&one) > now {
                self.queue.push_back(one);
            } else if one.order.command == Command::Shutdown {
                let late = self.too_late(&one.order, "it ends once it can");
                acts.extend(self.answer(&one, Err(&late)));
                one.answered = true;
                self.queue.push_back(one);
            } else {
                acts.extend(self.tell_late(&one, now));
            }
        }
        if let Some(mut doing) = self.doing.take() {
            if !doing.what.answered && self.due_of(&doing.what) <= now {
                acts.extend(self.tell_late_under_way(&doing, now));
                doing.what.answered = true;
            }
            self.doing = Some(doing);
        }
        acts
    }

    /// One that was not begun: GET_DATA gets what is known, others are withdrawn.
    fn tell_late(&mut self, one: &Accepted, now: Duration) -> Vec<Act> {
        if let Some(data) = self.known_data(one) {
            return self.answer(one, Ok(data)).into_iter().collect();
        }
        let asked = one.order.command == Command::GetData;
        let after = if asked { "nothing is known yet" } else { "it was not begun" };
        let late = self.too_late(&one.order, after);
        self.withdraw(one, &late, now)
    }

    fn tell_late_under_way(&mut self, doing: &Doing, now: Duration) -> Option<Act> {
        if let Some(data) = self.known_data(&doing.what) {
            return self.answer(&doing.what, Ok(data));
        }
        let late = still_under_way(&doing.what.order, doing.begun, now);
        self.answer(&doing.what, Err(&late))
    }

    /// What is said of one that has had its time and is not done.
    pub(super) fn still_under_way(&self, order: &Order, now: Duration) -> Error {
        match &self.doing {
            Some(doing) if doing.what.order.id == order.id => still_under_way(order, doing.begun, now),
            _ => self.too_late(order, "it ends once it can"),
        }
    }

    fn too_late(&self, order: &Order, after: &str) -> Error {
        let doing = match &self.doing {
            Some(doing) => format!("the program is at {}", doing.what.order.command.name()),
            None => "the program did not come for it".to_owned(),
        };
        let text = format!(
            "{} had {} s, and {doing}: {after}; the service is {}",
            order.command.name(),
            order.within.as_secs_f64(),
            if self.leading.as_ref() == Some(&order.id) && order.command != Command::Shutdown {
                self.settled.name()
            } else {
                self.state.name()
            },
        );
        Error::new(ErrorKind::Timeout, text)
    }
}

fn still_under_way(order: &Order, begun: Duration, now: Duration) -> Error {
    let text = format!(
        "{} is still under way after {:.1} s; it goes on, and the state will tell",
        order.command.name(),
        now.saturating_sub(begun).as_secs_f64()
    );
    Error::new(ErrorKind::Timeout, text)
}
