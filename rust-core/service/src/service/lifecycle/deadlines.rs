//! Deadlines of commands.
//!
//! At its deadline a command is answered with `Timeout`. A queued command is then withdrawn; a running command
//! continues, because it cannot be undone. GET_DATA is answered a little before its deadline with the latest data, even
//! if the program is busy.

use std::time::Duration;

use super::{AcceptedCommand, Action, Lifecycle, RunningTask};
use crate::error::{Error, ErrorKind, in_seconds};
use crate::service::command::Command;
use crate::service::protocol::CommandRequest;

/// GET_DATA is answered this long before its deadline, or after three quarters of a shorter time.
const EARLY: Duration = Duration::from_secs(1);

impl Lifecycle {
    pub fn next_due(&self) -> Option<Duration> {
        self.open()
            .filter(|command| !command.answered)
            .map(|command| self.due_of(command))
            .min()
            .filter(|due| *due < Duration::MAX)
    }

    /// Returns when a command must be answered: at its deadline, or for GET_DATA with data a little before.
    fn due_of(&self, command: &AcceptedCommand) -> Duration {
        // A command without a deadline waits for fresh data.
        if command.request.command == Command::GetData && self.data.is_some() && command.due < Duration::MAX {
            return command.due.saturating_sub(EARLY.min(command.request.within / 4));
        }
        command.due
    }

    /// Answers the commands whose deadlines have passed at `now`.
    ///
    /// SHUTDOWN stays queued: the service ends as soon as it can.
    pub fn tick(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for mut command in std::mem::take(&mut self.queue) {
            if command.answered || self.due_of(&command) > now {
                self.queue.push_back(command);
            } else if command.request.command == Command::Shutdown {
                let late = self.too_late(&command.request, "it ends as soon as possible");
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

    pub(super) fn still_under_way(&self, request: &CommandRequest, now: Duration) -> Error {
        match &self.running {
            Some(running) if running.what.request.id == request.id => {
                still_under_way(request, running.begun, now)
            }
            _ => self.too_late(request, "it ends as soon as possible"),
        }
    }

    fn too_late(&self, request: &CommandRequest, after: &str) -> Error {
        let at = match &self.running {
            Some(running) => format!("the program is busy with {}", running.what.request.command.name()),
            None => "the program did not fetch it".to_owned(),
        };
        let text = format!(
            "{} had {}, and {at}: {after}; the service is {}",
            request.command.name(),
            in_seconds(request.within),
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
        "{} is still under way after {:.1} s; it continues, and the state shows when it is done",
        request.command.name(),
        now.saturating_sub(begun).as_secs_f64()
    );
    Error::new(ErrorKind::Timeout, text)
}
