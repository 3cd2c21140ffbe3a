//! The tasks that the program fetches, and the effects of their results.

use std::time::Duration;

use super::{AcceptedCommand, Action, Lifecycle, Next, RunningTask, Work, reason_of};
use crate::error::{Error, ErrorKind, Result};
use crate::service::command::Command;
use crate::service::protocol::CommandRequest;
use crate::service::state::State;
use crate::value::Value;

impl Lifecycle {
    /// Returns the next task of the program at `now`, and closes a previous task without a result.
    ///
    /// The first call ends STARTING. Queued commands precede periodic steps. A late step moves the following steps;
    /// missed steps are skipped.
    pub fn next_task(&mut self, now: Duration) -> (Next, Vec<Action>) {
        let mut actions = self.close_abandoned_task(now);
        if self.settled == State::Starting {
            (self.settled, self.cancelled) = (State::Ready, false);
            if self.state == State::Starting {
                actions.extend(self.enter(State::Ready, now));
                if !self.setup.paused {
                    actions.extend(self.start_running(now));
                }
            }
        }
        actions.extend(self.tick(now));
        if self.ended {
            return (Next::End, actions);
        }
        if let Some(what) = self.queue.pop_front() {
            let work = Work { request: what.request.clone(), before: self.settled, due: what.due };
            let is_shutdown = what.request.command == Command::Shutdown;
            self.begin(what, now);
            if is_shutdown && std::mem::take(&mut self.shutdown_again) {
                actions.extend(self.cancel_running());
            }
            return (Next::Work(work), actions);
        }
        let (Some(every), Some(due)) = (self.setup.every, self.next_task_due()) else {
            return (Next::Wait, actions);
        };
        if now < due {
            return (Next::Wait, actions);
        }
        let behind = now - self.next_step;
        let missed = behind.as_nanos().checked_div(every.as_nanos()).unwrap_or(0);
        let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.next_step = self.next_step.saturating_add(every.saturating_mul(periods));
        let request = CommandRequest::own(Command::Step);
        let work = Work { request: request.clone(), before: self.settled, due: Duration::MAX };
        let what = AcceptedCommand { request, due: Duration::MAX, answered: true };
        self.begin(what, now);
        (Next::Work(work), actions)
    }

    /// Returns when [`Lifecycle::next_task`] has something: the start, a command, a step or the end.
    ///
    /// A past time means now. `None` while a task is open, and without periodic steps.
    pub fn next_task_due(&self) -> Option<Duration> {
        if self.running.is_some() {
            return None;
        }
        if self.ended || self.settled == State::Starting || !self.queue.is_empty() {
            return Some(Duration::ZERO);
        }
        self.setup.every.filter(|_| self.state == State::Running).map(|_| self.next_step)
    }

    fn begin(&mut self, what: AcceptedCommand, now: Duration) {
        self.running = Some(RunningTask { what, begun: now, failed: false });
        self.cancelled = false;
    }

    /// Closes a task that the program left without a result: a step counts as done, a command as failed.
    pub(super) fn close_abandoned_task(&mut self, now: Duration) -> Vec<Action> {
        let Some(running) = &self.running else { return Vec::new() };
        let result = match &running.what.request.command {
            Command::Step => Ok(Value::Null),
            other => {
                let text = format!("the program left {} unanswered", other.name());
                Err(Error::new(ErrorKind::Internal, text))
            }
        };
        self.finish(result, now)
    }

    /// Handles the result of the running task: enters the state of its command and answers it.
    pub fn finish(&mut self, result: Result<Value>, now: Duration) -> Vec<Action> {
        let Some(RunningTask { what, begun, failed }) = self.running.take() else { return Vec::new() };
        let cancelled = std::mem::take(&mut self.cancelled);
        let took = now.saturating_sub(begun);
        let mut actions = Vec::new();
        if what.request.command != Command::Step && self.transition.as_ref() == Some(&what.request.id) {
            self.transition = None;
        }
        let done = result.is_ok();
        match what.request.command {
            Command::Step if done => {
                self.counts.steps += 1;
                self.counts.step_time += took;
                self.counts.longest_step = self.counts.longest_step.max(took);
            }
            Command::Step => {
                // A cancelled step that ends with an error is not a failure.
                if let (false, Err(why)) = (cancelled, &result) {
                    actions.extend(self.fail(why, now));
                }
            }
            // The service has failed during the command, and stays FAILED whatever the result.
            Command::Pause | Command::Run | Command::Checkpoint if failed => {}
            Command::Pause if done => actions.extend(self.settle(State::Paused, now)),
            Command::Run if done => actions.extend(self.start_running(now)),
            Command::Pause | Command::Checkpoint => actions.extend(self.settle(self.settled, now)),
            Command::Shutdown if done => actions.extend(self.enter(State::Stopped, now)),
            Command::Shutdown => {
                if let Err(why) = &result {
                    self.reason = reason_of(why);
                }
                actions.extend(self.enter(State::Failed, now));
            }
            Command::GetData => {
                if let Ok(value) = &result {
                    self.data = Some(value.clone());
                }
            }
            _ => {}
        }
        actions.extend(self.answer(&what, result.as_ref().cloned()));
        if what.request.command == Command::Shutdown {
            actions.extend(self.end(result.map(drop)));
        }
        actions
    }

    /// Enters a state at the end of a command. While the service is STOPPING, the state is only recorded.
    fn settle(&mut self, state: State, now: Duration) -> Option<Action> {
        if self.state == State::Stopping {
            self.settled = state;
            return None;
        }
        self.enter(state, now)
    }

    fn start_running(&mut self, now: Duration) -> Option<Action> {
        self.next_step = now;
        self.reason.clear();
        self.settle(State::Running, now)
    }
}
