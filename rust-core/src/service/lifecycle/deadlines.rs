//! What happens to commands when their time has passed.

use std::time::Duration;

use super::{AcceptedCommand, Action, Lifecycle, RunningTask};
use crate::error::{Error, ErrorKind};
use crate::service::command::Command;
use crate::service::protocol::CommandRequest;

/// GET_DATA gets the newest known data this long before its time has passed, or after three quarters of a shorter one.
const EARLY: Duration = Duration::from_secs(1);

impl Lifecycle {
    /// When something is due without anybody's coming.
    pub fn next_due(&self) -> Option<Duration> {
        self.open()
            .filter(|command| !command.answered)
            .map(|command| self.due_of(command))
            .min()
            .filter(|due| *due < Duration::MAX)
    }

    fn due_of(&self, command: &AcceptedCommand) -> Duration {
        // One that has all the time there is never has to be content with what is known.
        if command.request.command == Command::GetData && self.data.is_some() && command.due < Duration::MAX {
            return command.due.saturating_sub(EARLY.min(command.request.within / 4));
        }
        command.due
    }

    /// Time has passed: commands whose time is up get their answers.
    pub fn tick(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for mut command in std::mem::take(&mut self.queue) {
            if command.answered || self.due_of(&command) > now {
                self.queue.push_back(command);
            } else if command.request.command == Command::Shutdown {
                let late = self.too_late(&command.request, "it ends once it can");
                actions.extend(self.answer(&command, Err(&late)));
                command.answered = true;
                self.queue.push_back(command);
            } else {
                actions.extend(self.expire_queued(&command, now));
            }
        }
        if let Some(mut running) = self.running.take() {
            if !running.what.answered && self.due_of(&running.what) <= now {
                actions.extend(self.expire_running(&running, now));
                running.what.answered = true;
            }
            self.running = Some(running);
        }
        actions
    }

    /// One that was not begun: GET_DATA gets what is known, others are withdrawn.
    fn expire_queued(&mut self, command: &AcceptedCommand, now: Duration) -> Vec<Action> {
        if let Some(data) = self.latest_data_for(command) {
            return self.answer(command, Ok(data)).into_iter().collect();
        }
        let asked = command.request.command == Command::GetData;
        let after = if asked { "nothing is known yet" } else { "it was not begun" };
        let late = self.too_late(&command.request, after);
        self.withdraw(command, &late, now)
    }

    fn expire_running(&mut self, running: &RunningTask, now: Duration) -> Option<Action> {
        if let Some(data) = self.latest_data_for(&running.what) {
            return self.answer(&running.what, Ok(data));
        }
        let late = still_under_way(&running.what.request, running.begun, now);
        self.answer(&running.what, Err(&late))
    }

    /// What is said of one that has had its time and is not done.
    pub(super) fn still_under_way(&self, request: &CommandRequest, now: Duration) -> Error {
        match &self.running {
            Some(running) if running.what.request.id == request.id => {
                still_under_way(request, running.begun, now)
            }
            _ => self.too_late(request, "it ends once it can"),
        }
    }

    fn too_late(&self, request: &CommandRequest, after: &str) -> Error {
        let at = match &self.running {
            Some(running) => format!("the program is at {}", running.what.request.command.name()),
            None => "the program did not come for it".to_owned(),
        };
        let text = format!(
            "{} had {} s, and {at}: {after}; the service is {}",
            request.command.name(),
            request.within.as_secs_f64(),
            if self.transition.as_ref() == Some(&request.id) && request.command != Command::Shutdown {
                self.settled.name()
            } else {
                self.state.name()
            },
        );
        Error::new(ErrorKind::Timeout, text)
    }
}

fn still_under_way(request: &CommandRequest, begun: Duration, now: Duration) -> Error {
    let text = format!(
        "{} is still under way after {:.1} s; it goes on, and the state will tell",
        request.command.name(),
        now.saturating_sub(begun).as_secs_f64()
    );
    Error::new(ErrorKind::Timeout, text)
}
