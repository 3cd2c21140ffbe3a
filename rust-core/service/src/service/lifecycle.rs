//! The lifecycle of a service as a pure state machine: commands, times and progress in, actions out.
//!
//! Times count from the service's start. The module uses no clock, thread or socket.
//!
//! [`Lifecycle::command`] answers ACCEPTED or REJECTED by the table of rules, and queues an accepted command.
//! [`Lifecycle::next_task`] hands it to the program, and [`Lifecycle::finish`] gives the final answer. Before that, its
//! deadline may pass ([`Lifecycle::tick`]), it may be cancelled, and the service may fail or end. In each case it is
//! answered exactly once (`AcceptedCommand::answered`), and never handed out again.
//!
//! The visible `state` is transitional while a command leads to another state. `settled` is the last state that was not
//! transitional; a failed command returns to it. At most one command that changes the state is open (`transition`),
//! besides SHUTDOWN.

mod answers;
mod cancel;
mod counts;
mod deadlines;
mod tasks;

use std::collections::VecDeque;
use std::time::Duration;

use super::answer_cache::AnswerCache;
use super::command::{Answer, Command};
use super::protocol::{CommandRequest, cut};
use super::state::State;
use super::table::{Rule, rule};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Map, Value};

pub use counts::Counts;

/// The most queued commands; SHUTDOWN may use twice as many places.
const QUEUE: usize = 256;
/// The most bytes of a reason, because every report contains it.
const REASON: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send this answer to the controller.
    Answer(Answer),
    /// Answer STATUS, DESCRIBE, STATS or LOG.
    Ask(CommandRequest),
    /// Send a report: the state or another part of it has changed.
    Changed,
    /// Cancel the running task.
    Cancel,
}

/// The next action of the program.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Carry out this task.
    Work(Work),
    /// Wait until [`Lifecycle::next_task_due`], which may change.
    Wait,
    /// End.
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    pub request: CommandRequest,
    /// The state before the command: READY, RUNNING, PAUSED or FAILED.
    pub before: State,
    pub due: Duration,
}

struct AcceptedCommand {
    request: CommandRequest,
    due: Duration,
    /// Whether it got its final answer before its end, because its deadline passed.
    answered: bool,
}

struct RunningTask {
    what: AcceptedCommand,
    begun: Duration,
    /// Whether the service has failed during the task, whose result then changes no state.
    failed: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub epoch: u64,
    /// The period of its steps; `None` for no periodic steps.
    pub every: Option<Duration>,
    pub paused: bool,
    /// The further commands that it accepts: CONFIG, BACKUP, and commands that its program defines.
    pub commands: Vec<String>,
}

/// The lifecycle of a service. The lock in `link` protects it.
pub struct Lifecycle {
    setup: Setup,
    state: State,
    since: Duration,
    settled: State,
    queue: VecDeque<AcceptedCommand>,
    running: Option<RunningTask>,
    /// The id of the open command that changes the state; `None` for SHUTDOWN by a signal.
    transition: Option<Box<str>>,
    cancelled: bool,
    shutdown_again: bool,
    next_step: Duration,
    answers: AnswerCache,
    /// Final answers to GET_DATA. They may be many and large, so they must not displace other answers.
    data_answers: AnswerCache,
    data: Option<Value>,
    /// Why the service is FAILED, or a problem that does not stop it; empty for none.
    reason: String,
    counts: Counts,
    ended: bool,
}

impl Lifecycle {
    /// Creates a service in STARTING, at time zero.
    pub fn new(setup: Setup) -> Lifecycle {
        Lifecycle {
            setup,
            state: State::Starting,
            since: Duration::ZERO,
            settled: State::Starting,
            queue: VecDeque::new(),
            running: None,
            transition: None,
            cancelled: false,
            shutdown_again: false,
            next_step: Duration::ZERO,
            answers: AnswerCache::default(),
            data_answers: AnswerCache::default(),
            data: None,
            reason: String::new(),
            counts: Counts::default(),
            ended: false,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn since(&self) -> Duration {
        self.since
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the counters as a map, with `waiting`, the number of commands in the queue.
    pub fn stats(&self) -> Map {
        let mut map = self.counts.to_map();
        map.insert("waiting".to_owned(), (self.queue.len() as u64).into());
        map
    }

    pub fn running(&self) -> Option<(&Command, Duration)> {
        self.running.as_ref().map(|running| (&running.what.request.command, running.begun))
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Sets a problem that does not stop the service; an empty text means none.
    pub fn set_reason(&mut self, reason: &str) -> Vec<Action> {
        self.reason = cut(reason, REASON);
        vec![Action::Changed]
    }

    /// Handles a command that has arrived at `now`. The first action answers it.
    ///
    /// The answer is the final answer of an earlier command with this id, REJECTED, or ACCEPTED. Commands that the
    /// library answers give [`Action::Ask`] instead.
    pub fn command(&mut self, request: CommandRequest, now: Duration) -> Vec<Action> {
        // Requests with one id are one command with one answer, even if their other fields differ.
        if let Some(known) = self.known(&request.id, now) {
            self.counts.repeated += 1;
            return vec![Action::Answer(known)];
        }
        if request.epoch.is_some_and(|epoch| epoch != self.setup.epoch) {
            let text = "the command is for another incarnation of the service, which has gone";
            return self.reject(&request, &Error::new(ErrorKind::InvalidState, text));
        }
        let rule = rule(self.state, &request.command);
        if rule == Rule::Library {
            return match request.command {
                Command::Cancel => self.cancel(&request, now),
                _ => vec![Action::Ask(request)],
            };
        }
        if let Err(why) = self.check(&request, rule) {
            return self.reject(&request, &why);
        }
        self.counts.accepted += 1;
        let mut actions = vec![self.accepted(&request)];
        match rule {
            Rule::Leads(via, _) | Rule::Returns(via) => {
                self.transition = Some(request.id.clone());
                actions.extend(self.enter(via, now));
                if request.command == Command::Shutdown {
                    actions.extend(self.cancel_queued_transitions("SHUTDOWN came before it was begun"));
                }
            }
            Rule::Cancels => actions.extend(self.cancel_all()),
            Rule::Keeps | Rule::Library | Rule::Refused => {}
        }
        let due = now.saturating_add(request.within);
        self.queue.push_back(AcceptedCommand { request, due, answered: false });
        actions
    }

    /// Handles a command that arrived `late` after its deadline, such as after a network failure.
    ///
    /// It is never carried out.
    pub fn late_command(&mut self, request: &CommandRequest, late: Duration, now: Duration) -> Vec<Action> {
        // The first copy of a repeated command may have been in time.
        if let Some(known) = self.known(&request.id, now) {
            self.counts.repeated += 1;
            return vec![Action::Answer(known)];
        }
        self.counts.late += 1;
        let text = format!(
            "{} arrived {:.3} s after its time was over, and is not carried out; give it again under another id",
            request.command.name(),
            late.as_secs_f64()
        );
        self.reject(request, &Error::new(ErrorKind::Timeout, text))
    }

    /// Handles a signal to terminate; a second one cancels the task under way.
    pub fn terminate(&mut self, now: Duration) -> Vec<Action> {
        if self.state == State::Stopping {
            return self.cancel_all();
        }
        let mut actions = self.command(CommandRequest::own(Command::Shutdown), now);
        // A signal needs no answer; the commands that it displaced keep theirs.
        actions.retain(|action| !matches!(action, Action::Answer(answer) if answer.id.is_empty()));
        actions
    }

    fn open(&self) -> impl Iterator<Item = &AcceptedCommand> {
        self.queue.iter().chain(self.running.as_ref().map(|running| &running.what))
    }

    fn enter(&mut self, state: State, now: Duration) -> Option<Action> {
        let changed = self.state != state;
        (self.state, self.since) = (state, if changed { now } else { self.since });
        if !state.is_transitional() {
            self.settled = state;
        }
        changed.then_some(Action::Changed)
    }

    fn end(&mut self, ended: Result<()>) -> Vec<Action> {
        let why = Error::new(ErrorKind::Cancelled, "the service has ended before it was begun");
        (self.ended, self.cancelled) = (true, false);
        let rest = std::mem::take(&mut self.queue);
        let answer = |command: AcceptedCommand| match (&ended, &command.request.command) {
            (Ok(()), Command::Shutdown) => self.answer(&command, Ok(Value::Null)),
            (Err(why), Command::Shutdown) => self.answer(&command, Err(why)),
            _ => match self.latest_data_for(&command) {
                Some(data) => self.answer(&command, Ok(data)),
                None => self.answer(&command, Err(&why)),
            },
        };
        rest.into_iter().filter_map(answer).collect()
    }

    /// Handles a failure of the program: the service is FAILED with this reason.
    ///
    /// Queued commands that change the state are cancelled. A running SHUTDOWN continues and ends FAILED.
    pub fn fail(&mut self, why: &Error, now: Duration) -> Vec<Action> {
        self.reason = reason_of(why);
        if self.ended {
            return vec![Action::Changed];
        }
        if let Some(running) = &mut self.running {
            running.failed = true;
        }
        if self.state == State::Stopping {
            self.settled = State::Failed;
            return vec![Action::Changed];
        }
        self.transition = None;
        self.enter(State::Failed, now);
        let mut actions = vec![Action::Changed];
        actions.extend(self.cancel_queued_transitions("the service failed before it was begun"));
        actions
    }

    /// Ends the service after the program's last call: all open commands are answered.
    ///
    /// FAILED stays FAILED; otherwise the service is STOPPED.
    pub fn close(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = self.close_abandoned_task(now);
        if self.ended {
            return actions;
        }
        self.transition = None;
        let ended = if self.settled == State::Failed {
            actions.extend(self.enter(State::Failed, now));
            Err(Error::new(ErrorKind::Remote, self.reason.clone()))
        } else {
            actions.extend(self.enter(State::Stopped, now));
            Ok(())
        };
        actions.extend(self.end(ended));
        actions
    }
}

fn reason_of(why: &Error) -> String {
    match why.remote_failure() {
        Some(failure) if !failure.kind.is_empty() => {
            cut(&format!("{}: {}", failure.kind, failure.text), REASON)
        }
        Some(failure) => cut(&failure.text, REASON),
        None => cut(why.text(), REASON),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
