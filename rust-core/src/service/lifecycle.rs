//! The life of a service as pure state: commands, times and what the program does go in, answers come out.
//!
//! Times are counted from the service's start; there is no clock here, no thread and no socket.

use std::collections::VecDeque;
use std::time::Duration;

use super::answers::Answers;
use super::command::{Answer, Command, Outcome, failure_of};
use super::state::State;
use super::table::{Rule, refusal, rule};
use super::words::Order;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Map, Value};

/// Commands that wait for the program, at most.
const QUEUE: usize = 256;
/// GET_DATA gets the newest known data this long before its time has passed, or after three quarters of a shorter one.
const EARLY: Duration = Duration::from_secs(1);

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Tell the controller.
    Answer(Answer),
    /// The library answers this one: STATUS, DESCRIBE, STATS, LOG.
    Ask(Order),
    /// The state is another one, or something else that a controller shows.
    Changed,
    /// The program may have something to do.
    Wake,
    /// What the program does is to be given up.
    Cancel,
}

/// What the program is to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This.
    Work(Work),
    /// Nothing until this time, or until it is woken.
    Wait(Option<Duration>),
    /// Nothing any more.
    End,
}

/// Something for the program to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What.
    pub order: Order,
    /// The state that it came from: READY, RUNNING, PAUSED, FAILED.
    pub before: State,
    /// Until when.
    pub due: Duration,
}

/// A command that was accepted.
struct Accepted {
    order: Order,
    due: Duration,
    /// Whether it has its final answer: its time had passed.
    answered: bool,
}

/// What the program is doing.
struct Doing {
    what: Accepted,
    begun: Duration,
}

/// How a service begins.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// A number drawn by chance for this incarnation.
    pub epoch: u64,
    /// The period of its steps; none where it has none.
    pub every: Option<Duration>,
    /// Whether it waits in READY for RUN.
    pub paused: bool,
    /// CONFIG, BACKUP and commands of its own that it takes.
    pub commands: Vec<String>,
}

/// Counters of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub steps: u64,
    pub accepted: u64,
    pub done: u64,
    pub failed: u64,
    pub rejected: u64,
    /// Commands whose id had its answer already.
    pub repeated: u64,
    /// The time that steps took together, and the longest.
    pub step_time: Duration,
    pub longest_step: Duration,
}

/// A service's life.
pub struct Lifecycle {
    setup: Setup,
    state: State,
    /// Since when.
    since: Duration,
    /// The last state that it was not passing through.
    settled: State,
    queue: VecDeque<Accepted>,
    doing: Option<Doing>,
    /// The command under way that leads to another state.
    leading: Option<Box<str>>,
    cancelled: bool,
    next_step: Duration,
    answers: Answers,
    data: Option<Value>,
    reason: String,
    counts: Counts,
    /// Whether nothing is carried out any more.
    ended: bool,
}

impl Lifecycle {
    /// In STARTING, at time zero.
    pub fn new(setup: Setup) -> Lifecycle {
        Lifecycle {
            setup,
            state: State::Starting,
            since: Duration::ZERO,
            settled: State::Starting,
            queue: VecDeque::new(),
            doing: None,
            leading: None,
            cancelled: false,
            next_step: Duration::ZERO,
            answers: Answers::default(),
            data: None,
            reason: String::new(),
            counts: Counts::default(),
            ended: false,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Since when it has been in its state.
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

    /// What the program does and since when.
    pub fn doing(&self) -> Option<(&Command, Duration)> {
        self.doing.as_ref().map(|doing| (&doing.what.order.command, doing.begun))
    }

    /// Whether what the program does is to be given up.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Says what is wrong although it goes on; an empty text for nothing.
    pub fn set_reason(&mut self, reason: &str) -> Vec<Act> {
        reason.clone_into(&mut self.reason);
        vec![Act::Changed]
    }

    /// A command has come.
    pub fn command(&mut self, order: Order, now: Duration) -> Vec<Act> {
        if order.epoch.is_some_and(|epoch| epoch != self.setup.epoch) {
            let text = "the command is for another incarnation of the service, which has gone";
            return self.reject(&order, &Error::new(ErrorKind::InvalidState, text));
        }
        if let Some(answer) = self.answers.get(&order.id) {
            self.counts.repeated += 1;
            return vec![Act::Answer(answer.clone())];
        }
        if self.is_under_way(&order.id) {
            self.counts.repeated += 1;
            return vec![self.accepted(&order)];
        }
        let rule = rule(self.state, &order.command);
        if self.ended && rule != Rule::Library {
            return self.reject(&order, &refusal(State::Stopped, &order.command));
        }
        if let Err(why) = self.check(&order, rule) {
            return self.reject(&order, &why);
        }
        match rule {
            Rule::Library if order.command == Command::Cancel => return self.cancel(&order, now),
            Rule::Library => return vec![Act::Ask(order)],
            Rule::Refused => return self.reject(&order, &refusal(self.state, &order.command)),
            Rule::Keeps | Rule::Leads(..) | Rule::Returns(_) | Rule::Cancels => {}
        }
        self.counts.accepted += 1;
        let mut acts = vec![self.accepted(&order)];
        match rule {
            Rule::Leads(via, _) | Rule::Returns(via) => {
                self.leading = Some(order.id.clone());
                if order.command == Command::Shutdown {
                    acts.extend(self.clear_the_way());
                }
                acts.extend(self.enter(via, now));
            }
            Rule::Cancels => acts.extend(self.give_up()),
            Rule::Keeps | Rule::Library | Rule::Refused => {}
        }
        let due = now.saturating_add(order.within);
        // What the program was told before comes first.
        self.queue.push_back(Accepted { order, due, answered: false });
        acts.push(Act::Wake);
        acts
    }

    /// A signal asked the program to end; a second one gives up what is under way.
    pub fn terminate(&mut self, now: Duration) -> Vec<Act> {
        if matches!(self.state, State::Stopping) {
            return self.give_up();
        }
        let mut acts = self.command(Order::own(Command::Shutdown), now);
        acts.retain(|act| !matches!(act, Act::Answer(_)));
        acts
    }

    fn is_under_way(&self, id: &str) -> bool {
        let waits = self.queue.iter().chain(self.doing.as_ref().map(|doing| &doing.what));
        !id.is_empty() && waits.into_iter().any(|one| *one.order.id == *id && !one.answered)
    }

    fn check(&self, order: &Order, rule: Rule) -> Result<()> {
        let name = order.command.name();
        if matches!(order.command, Command::Config | Command::Backup | Command::Own(_))
            && !self.setup.commands.iter().any(|known| known == name)
        {
            let known = self.setup.commands.join(", ");
            let known = if known.is_empty() { "none beyond the usual" } else { &known };
            let text = format!("the service does not know the command {name}; it knows {known}");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let leads = matches!(rule, Rule::Leads(..) | Rule::Returns(_));
        if leads && order.command != Command::Shutdown && self.leading.is_some() {
            let under_way = self.queue.iter().chain(self.doing.as_ref().map(|doing| &doing.what));
            let mut under_way = under_way.filter(|one| Some(&one.order.id) == self.leading.as_ref());
            let other = under_way.next().map_or("another command", |one| one.order.command.name());
            let text = format!(
                "{name} is not possible while {other} is under way and the service is {}: wait until that is done",
                self.state.name()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        if self.queue.len() >= QUEUE && order.command != Command::Shutdown {
            let text = format!("{QUEUE} commands wait for the program; try again later");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    fn accepted(&self, order: &Order) -> Act {
        Act::Answer(Answer {
            id: order.id.clone(),
            outcome: Outcome::Accepted,
            state: self.state,
            value: Value::Null,
            failure: None,
        })
    }

    fn reject(&mut self, order: &Order, why: &Error) -> Vec<Act> {
        self.counts.rejected += 1;
        let answer = Answer {
            id: order.id.clone(),
            outcome: Outcome::Rejected,
            state: self.state,
            value: Value::Null,
            failure: Some(failure_of(why)),
        };
        // Refused again, it would be carried out if the state had changed meanwhile: a repeated id means the same command.
        self.answers.keep(&answer);
        vec![Act::Answer(answer)]
    }

    fn enter(&mut self, state: State, now: Duration) -> Option<Act> {
        let changed = self.state != state;
        (self.state, self.since) = (state, if changed { now } else { self.since });
        if !state.is_passing() {
            self.settled = state;
        }
        changed.then_some(Act::Changed)
    }

    /// A shutdown comes: what would lead elsewhere and was not begun is given up.
    fn clear_the_way(&mut self) -> Vec<Act> {
        let (leads, stays): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|one| {
                matches!(one.order.command, Command::Pause | Command::Run | Command::Checkpoint)
            });
        self.queue = stays;
        let text = "SHUTDOWN came before it was begun";
        let why = Error::new(ErrorKind::Cancelled, text);
        leads.into_iter().filter_map(|one| self.answer(&one, Err(&why))).collect()
    }

    fn give_up(&mut self) -> Vec<Act> {
        if self.doing.is_none() {
            return Vec::new();
        }
        self.cancelled = true;
        vec![Act::Cancel, Act::Changed]
    }

    fn cancel(&mut self, order: &Order, now: Duration) -> Vec<Act> {
        let wanted = match &order.arguments {
            Value::Text(id) => Some(id.as_str()),
            other => other.at("id").ok().and_then(|id| id.as_text().ok()),
        };
        let waits = |one: &Accepted| wanted == Some(&*one.order.id) && one.order.command != Command::Shutdown;
        let mut acts = Vec::new();
        let done = if let Some(at) = self.queue.iter().position(waits) {
            let one = self.queue.remove(at);
            let why = Error::new(ErrorKind::Cancelled, "it was cancelled before it was begun");
            if let Some(one) = one {
                acts.extend(self.withdraw(&one, &why, now));
            }
            Ok(Value::map([("cancelled", "withdrawn")]))
        } else if self.doing.as_ref().is_some_and(|doing| wanted.is_none_or(|id| *doing.what.order.id == *id))
        {
            acts.extend(self.give_up());
            Ok(Value::map([("cancelled", "asked")]))
        } else {
            let text = "nothing of that is under way or waits: it has its answer, or never came";
            Err(Error::new(ErrorKind::NotFound, text))
        };
        let one = Accepted { order: order.clone(), due: Duration::MAX, answered: false };
        acts.extend(self.answer(&one, done.as_ref().cloned()));
        acts
    }

    /// The final answer, unless it had one; none where nobody waits for it.
    fn answer(&mut self, one: &Accepted, result: std::result::Result<Value, &Error>) -> Option<Act> {
        if one.answered {
            return None;
        }
        let (outcome, value, failure) = match result {
            Ok(value) => (Outcome::Done, value, None),
            Err(why) => (Outcome::Failed, Value::Null, Some(failure_of(why))),
        };
        let count = if failure.is_none() { &mut self.counts.done } else { &mut self.counts.failed };
        *count += 1;
        if one.order.id.is_empty() {
            return None;
        }
        let answer = Answer { id: one.order.id.clone(), outcome, state: self.state, value, failure };
        self.answers.keep(&answer);
        Some(Act::Answer(answer))
    }

    /// It is not carried out, and the state is as before.
    fn withdraw(&mut self, one: &Accepted, why: &Error, now: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.leading.as_ref() == Some(&one.order.id) {
            self.leading = None;
            if self.state.is_passing() {
                acts.extend(self.enter(self.settled, now));
            }
        }
        acts.extend(self.answer(one, Err(why)));
        acts
    }

    /// The program comes and asks what to do; it has done what it was given before.
    pub fn come(&mut self, now: Duration) -> (Next, Vec<Act>) {
        let mut acts = Vec::new();
        if self.settled == State::Starting {
            self.settled = State::Ready;
            if self.state == State::Starting {
                acts.extend(self.enter(State::Ready, now));
                if !self.setup.paused {
                    acts.extend(self.set_going(now));
                }
            }
        }
        acts.extend(self.tick(now));
        if self.ended {
            return (Next::End, acts);
        }
        if let Some(what) = self.queue.pop_front() {
            let work = Work { order: what.order.clone(), before: self.settled, due: what.due };
            self.doing = Some(Doing { what, begun: now });
            self.cancelled = false;
            return (Next::Work(work), acts);
        }
        if self.state != State::Running {
            return (Next::Wait(None), acts);
        }
        let Some(every) = self.setup.every else { return (Next::Wait(None), acts) };
        if now < self.next_step {
            return (Next::Wait(Some(self.next_step)), acts);
        }
        // Steps that were missed are not made up for.
        let behind = now - self.next_step;
        let missed = behind.as_nanos().checked_div(every.as_nanos()).unwrap_or(0);
        let periods = u32::try_from(missed + 1).unwrap_or(u32::MAX);
        self.next_step = self.next_step.saturating_add(every.saturating_mul(periods));
        let order = Order::own(Command::Step);
        let work = Work { order: order.clone(), before: self.settled, due: Duration::MAX };
        let what = Accepted { order, due: Duration::MAX, answered: true };
        self.doing = Some(Doing { what, begun: now });
        self.cancelled = false;
        (Next::Work(work), acts)
    }

    /// The program has done what it was given, or could not.
    pub fn finish(&mut self, result: Result<Value>, now: Duration) -> Vec<Act> {
        let Some(Doing { what, begun }) = self.doing.take() else { return Vec::new() };
        let given_up = std::mem::take(&mut self.cancelled);
        let took = now.saturating_sub(begun);
        let mut acts = Vec::new();
        if what.order.command != Command::Step && self.leading.as_ref() == Some(&what.order.id) {
            self.leading = None;
        }
        let done = result.is_ok();
        match what.order.command {
            Command::Step if done => {
                self.counts.steps += 1;
                self.counts.step_time += took;
                self.counts.longest_step = self.counts.longest_step.max(took);
            }
            Command::Step => {
                if let (false, Err(why)) = (given_up, &result) {
                    acts.extend(self.fail(why, now));
                }
            }
            Command::Pause if done => acts.extend(self.settle(State::Paused, now)),
            Command::Run if done => acts.extend(self.set_going(now)),
            Command::Pause | Command::Checkpoint => acts.extend(self.settle(self.settled, now)),
            Command::Shutdown if done => acts.extend(self.enter(State::Stopped, now)),
            Command::Shutdown => {
                if let Err(why) = &result {
                    self.reason = reason_of(why);
                }
                acts.extend(self.enter(State::Failed, now));
            }
            Command::GetData => {
                if let Ok(value) = &result {
                    self.data = Some(value.clone());
                }
            }
            _ => {}
        }
        acts.extend(self.answer(&what, result.as_ref().cloned()));
        if what.order.command == Command::Shutdown {
            acts.extend(self.close_the_book(result.map(drop)));
        }
        acts
    }

    /// It has arrived in a state; one that stops meanwhile arrives there only in its own eyes.
    fn settle(&mut self, state: State, now: Duration) -> Option<Act> {
        if self.state == State::Stopping {
            self.settled = state;
            return None;
        }
        self.enter(state, now)
    }

    /// Steps begin now.
    fn set_going(&mut self, now: Duration) -> Option<Act> {
        self.next_step = now;
        self.reason.clear();
        self.settle(State::Running, now)
    }

    /// Nothing is carried out any more: what waits is answered.
    fn close_the_book(&mut self, ended: Result<()>) -> Vec<Act> {
        let why = Error::new(ErrorKind::Cancelled, "the service has ended");
        self.ended = true;
        let rest = std::mem::take(&mut self.queue);
        let one = |one: Accepted| match (&ended, &one.order.command) {
            (Ok(()), Command::Shutdown) => self.answer(&one, Ok(Value::Null)),
            _ => self.answer(&one, Err(&why)),
        };
        rest.into_iter().filter_map(one).collect()
    }

    /// The program cannot go on.
    pub fn fail(&mut self, why: &Error, now: Duration) -> Vec<Act> {
        self.reason = reason_of(why);
        // A shutdown that is under way goes on.
        if matches!(self.state, State::Stopping | State::Stopped) {
            self.settled = State::Failed;
            return vec![Act::Changed];
        }
        let mut acts = self.clear_the_way();
        self.leading = None;
        acts.extend(self.enter(State::Failed, now));
        acts
    }

    /// When something is due without anybody's coming.
    pub fn next_due(&self) -> Option<Duration> {
        let all = self.queue.iter().chain(self.doing.as_ref().map(|doing| &doing.what));
        all.filter(|one| !one.answered).map(|one| self.due_of(one)).min().filter(|due| *due < Duration::MAX)
    }

    fn due_of(&self, one: &Accepted) -> Duration {
        if one.order.command == Command::GetData && self.data.is_some() {
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
        match (&one.order.command, &self.data) {
            (Command::GetData, Some(data)) => {
                let data = data.clone();
                self.answer(one, Ok(data)).into_iter().collect()
            }
            _ => {
                let asked = one.order.command == Command::GetData;
                let after = if asked { "nothing is known yet" } else { "it was not begun" };
                let late = self.too_late(&one.order, after);
                self.withdraw(one, &late, now)
            }
        }
    }

    fn tell_late_under_way(&mut self, doing: &Doing, now: Duration) -> Option<Act> {
        if let (Command::GetData, Some(data)) = (&doing.what.order.command, &self.data) {
            let data = data.clone();
            return self.answer(&doing.what, Ok(data));
        }
        let text = format!(
            "{} has been under way for {:.1} s and is not done; it goes on, and the state will tell",
            doing.what.order.command.name(),
            now.saturating_sub(doing.begun).as_secs_f64()
        );
        self.answer(&doing.what, Err(&Error::new(ErrorKind::Timeout, text)))
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

    /// Counters as a map; times in seconds.
    pub fn stats(&self) -> Map {
        let Counts { steps, accepted, done, failed, rejected, repeated, step_time, longest_step } =
            self.counts;
        let counts = [
            ("steps", steps),
            ("accepted", accepted),
            ("done", done),
            ("failed", failed),
            ("rejected", rejected),
            ("repeated", repeated),
            ("waiting", self.queue.len() as u64),
        ];
        let times = [("step_seconds", step_time), ("longest_step", longest_step)];
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count)));
        let times = times.into_iter().map(|(name, time)| (name.to_owned(), Value::from(time.as_secs_f64())));
        counts.chain(times).collect()
    }
}

/// An error in a line for people.
fn reason_of(why: &Error) -> String {
    match why.remote_failure() {
        Some(failure) if !failure.kind.is_empty() => format!("{}: {}", failure.kind, failure.text),
        _ => why.text().to_owned(),
    }
}

#[cfg(test)]
mod tests;
