//! The life of a service as pure state: commands, times and what the program does go in, answers come out.
//!
//! Times are counted from the service's start; there is no clock here, no thread and no socket.

mod counts;
mod deadlines;

use std::collections::VecDeque;
use std::time::Duration;

use super::answers::Answers;
use super::command::{Answer, Command, Outcome, failure_of};
use super::log::cut;
use super::state::State;
use super::table::{Rule, refusal, rule};
use super::words::Order;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

pub use counts::Counts;

/// Commands that wait for the program, at most; as many again where they are SHUTDOWN, which always gets through.
const QUEUE: usize = 256;
/// Bytes of a reason, at most: it goes with every report.
const REASON: usize = 4096;

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
    /// The program said meanwhile that it cannot go on: what it arrives at afterwards counts no more.
    failed: bool,
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
    /// Those to GET_DATA, which may be many and large, and can be given again: they displace no others.
    looks: Answers,
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
            looks: Answers::default(),
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
        self.reason = cut(reason, REASON);
        vec![Act::Changed]
    }

    /// A command has come.
    pub fn command(&mut self, order: Order, now: Duration) -> Vec<Act> {
        // The same id is the same command, whatever else is said this time: it is answered as before.
        if let Some(known) = self.known(&order.id, now) {
            self.counts.repeated += 1;
            return vec![Act::Answer(known)];
        }
        if order.epoch.is_some_and(|epoch| epoch != self.setup.epoch) {
            let text = "the command is for another incarnation of the service, which has gone";
            return self.reject(&order, &Error::new(ErrorKind::InvalidState, text));
        }
        let rule = rule(self.state, &order.command);
        if rule == Rule::Library {
            return match order.command {
                Command::Cancel => self.cancel(&order, now),
                _ => vec![Act::Ask(order)],
            };
        }
        if let Err(why) = self.check(&order, rule) {
            return self.reject(&order, &why);
        }
        self.counts.accepted += 1;
        let mut acts = vec![self.accepted(&order)];
        match rule {
            Rule::Leads(via, _) | Rule::Returns(via) => {
                self.leading = Some(order.id.clone());
                acts.extend(self.enter(via, now));
                if order.command == Command::Shutdown {
                    acts.extend(self.clear_the_way("SHUTDOWN came before it was begun"));
                }
            }
            Rule::Cancels => acts.extend(self.give_up_all()),
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
        if self.state == State::Stopping {
            return self.give_up_all();
        }
        let mut acts = self.command(Order::own(Command::Shutdown), now);
        // Nobody waits for the answer to a signal; commands that it displaced have theirs.
        acts.retain(|act| !matches!(act, Act::Answer(answer) if answer.id.is_empty()));
        acts
    }

    /// What waits for the program, and what it does.
    fn open(&self) -> impl Iterator<Item = &Accepted> {
        self.queue.iter().chain(self.doing.as_ref().map(|doing| &doing.what))
    }

    /// What was answered to this id, or that it is under way.
    fn known(&mut self, id: &str, now: Duration) -> Option<Answer> {
        if id.is_empty() {
            return None;
        }
        if let Some(answer) = self.answers.get(id).or_else(|| self.looks.get(id)) {
            return Some(answer.clone());
        }
        let one = self.open().find(|one| *one.order.id == *id)?;
        if !one.answered {
            return Some(self.said(id, Outcome::Accepted));
        }
        // Its time passed so long ago that its answer is kept no more, and it still must not be begun twice.
        let why = self.still_under_way(&one.order, now);
        Some(Answer { failure: Some(failure_of(&why)), ..self.said(id, Outcome::Failed) })
    }

    fn check(&self, order: &Order, rule: Rule) -> Result<()> {
        let name = order.command.name();
        if self.ended {
            let text = format!(
                "{name} is not possible: the service has ended and is {}; start it again",
                self.state.name()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        if order.command == Command::Step {
            let text = "steps come from the service's own clock; RUN sets it going";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if matches!(order.command, Command::Config | Command::Backup | Command::Own(_))
            && !self.setup.commands.iter().any(|known| known == name)
        {
            let known = self.setup.commands.join(", ");
            let known = if known.is_empty() { "none beyond the usual" } else { &known };
            let text = format!("the service does not know the command {name}; it knows {known}");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if rule == Rule::Refused {
            return Err(refusal(self.state, &order.command));
        }
        let leads = matches!(rule, Rule::Leads(..) | Rule::Returns(_));
        if leads && order.command != Command::Shutdown && self.leading.is_some() {
            let under_way = self.open().find(|one| Some(&one.order.id) == self.leading.as_ref());
            let other = under_way.map_or("another command", |one| one.order.command.name());
            let text = format!(
                "{name} is not possible while {other} is under way and the service is {}: wait until that is done",
                self.state.name()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let room = if order.command == Command::Shutdown { 2 * QUEUE } else { QUEUE };
        if self.queue.len() >= room {
            let text = format!("{room} commands wait for the program; try again later, under another id");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    fn said(&self, id: &str, outcome: Outcome) -> Answer {
        Answer { id: id.into(), outcome, state: self.state, value: Value::Null, failure: None }
    }

    fn accepted(&self, order: &Order) -> Act {
        Act::Answer(self.said(&order.id, Outcome::Accepted))
    }

    fn reject(&mut self, order: &Order, why: &Error) -> Vec<Act> {
        self.counts.rejected += 1;
        let answer = Answer { failure: Some(failure_of(why)), ..self.said(&order.id, Outcome::Rejected) };
        // Heard again, it would be carried out if the state had changed meanwhile: a repeated id means the same command.
        if !order.id.is_empty() {
            self.answers.keep(&answer);
        }
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

    /// What would lead elsewhere and was not begun is given up, for this reason.
    fn clear_the_way(&mut self, why: &str) -> Vec<Act> {
        let (leads, stays): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|one| {
                matches!(one.order.command, Command::Pause | Command::Run | Command::Checkpoint)
            });
        self.queue = stays;
        let why = Error::new(ErrorKind::Cancelled, why);
        leads.into_iter().filter_map(|one| self.answer(&one, Err(&why))).collect()
    }

    /// What the program does is to be given up: a task, or its start.
    fn give_up(&mut self) -> Vec<Act> {
        if self.doing.is_none() && self.settled != State::Starting {
            return Vec::new();
        }
        self.cancelled = true;
        vec![Act::Cancel, Act::Changed]
    }

    /// SHUTDOWN is to wait for nothing any more: neither for what is under way, nor for what was to come before it.
    fn give_up_all(&mut self) -> Vec<Act> {
        let (stays, goes): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|one| one.order.command == Command::Shutdown);
        self.queue = stays;
        let why = Error::new(ErrorKind::Cancelled, "SHUTDOWN came again before it was begun");
        let mut acts: Vec<Act> = goes
            .into_iter()
            .filter_map(|one| match self.known_data(&one) {
                Some(data) => self.answer(&one, Ok(data)),
                None => self.answer(&one, Err(&why)),
            })
            .collect();
        acts.extend(self.give_up());
        acts
    }

    /// The newest data that are known, for one that asks for data.
    fn known_data(&self, one: &Accepted) -> Option<Value> {
        self.data.clone().filter(|_| one.order.command == Command::GetData)
    }

    fn cancel(&mut self, order: &Order, now: Duration) -> Vec<Act> {
        let wanted = match cancelled_id(&order.arguments) {
            Ok(wanted) => wanted,
            Err(why) => return self.reject(order, &why),
        };
        let is_it = |one: &Accepted| wanted == Some(&*one.order.id);
        let mut acts = Vec::new();
        let done = if let Some(at) = self.queue.iter().position(is_it) {
            if self.queue[at].order.command == Command::Shutdown {
                let text = "SHUTDOWN cannot be taken back; without an id, CANCEL gives up what it waits for";
                Err(Error::new(ErrorKind::InvalidState, text))
            } else {
                let why = Error::new(ErrorKind::Cancelled, "it was cancelled before it was begun");
                if let Some(one) = self.queue.remove(at) {
                    acts.extend(self.withdraw(&one, &why, now));
                }
                Ok(Value::map([("cancelled", "withdrawn")]))
            }
        } else if match (&self.doing, wanted) {
            (Some(doing), Some(_)) => is_it(&doing.what),
            (Some(_), None) => true,
            (None, wanted) => wanted.is_none() && self.settled == State::Starting && !self.ended,
        } {
            acts.extend(self.give_up());
            Ok(Value::map([("cancelled", "asked")]))
        } else {
            let text = "nothing of that is under way or waits: it has its answer, or never came";
            Err(Error::new(ErrorKind::NotFound, text))
        };
        // It is no command for the program, and not counted as one.
        let (value, failure) = match done {
            Ok(value) => (value, None),
            Err(why) => (Value::Null, Some(failure_of(&why))),
        };
        let outcome = if failure.is_none() { Outcome::Done } else { Outcome::Failed };
        let answer = Answer { value, failure, ..self.said(&order.id, outcome) };
        if !order.id.is_empty() {
            self.answers.keep(&answer);
        }
        acts.push(Act::Answer(answer));
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
        let answer = Answer { value, failure, ..self.said(&one.order.id, outcome) };
        let kept = if one.order.command == Command::GetData { &mut self.looks } else { &mut self.answers };
        kept.keep(&answer);
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
        let mut acts = self.let_go(now);
        if self.settled == State::Starting {
            (self.settled, self.cancelled) = (State::Ready, false);
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
            self.begin(what, now);
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
        self.begin(what, now);
        (Next::Work(work), acts)
    }

    fn begin(&mut self, what: Accepted, now: Duration) {
        self.doing = Some(Doing { what, begun: now, failed: false });
        self.cancelled = false;
    }

    /// What the program left without a word: a step counts as done, a command as failed.
    fn let_go(&mut self, now: Duration) -> Vec<Act> {
        let Some(doing) = &self.doing else { return Vec::new() };
        let result = match &doing.what.order.command {
            Command::Step => Ok(Value::Null),
            other => {
                let text = format!("the program left {} unanswered", other.name());
                Err(Error::new(ErrorKind::Internal, text))
            }
        };
        self.finish(result, now)
    }

    /// The program has done what it was given, or could not.
    pub fn finish(&mut self, result: Result<Value>, now: Duration) -> Vec<Act> {
        let Some(Doing { what, begun, failed }) = self.doing.take() else { return Vec::new() };
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
            Command::Pause | Command::Run | Command::Checkpoint if failed => {}
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
        let why = Error::new(ErrorKind::Cancelled, "the service has ended before it was begun");
        (self.ended, self.cancelled) = (true, false);
        let rest = std::mem::take(&mut self.queue);
        let one = |one: Accepted| match (&ended, &one.order.command) {
            (Ok(()), Command::Shutdown) => self.answer(&one, Ok(Value::Null)),
            (Err(why), Command::Shutdown) => self.answer(&one, Err(why)),
            _ => match self.known_data(&one) {
                Some(data) => self.answer(&one, Ok(data)),
                None => self.answer(&one, Err(&why)),
            },
        };
        rest.into_iter().filter_map(one).collect()
    }

    /// The program cannot go on.
    pub fn fail(&mut self, why: &Error, now: Duration) -> Vec<Act> {
        self.reason = reason_of(why);
        // What has ended stays as it ended.
        if self.ended {
            return vec![Act::Changed];
        }
        if let Some(doing) = &mut self.doing {
            doing.failed = true;
        }
        // A shutdown that is under way goes on.
        if self.state == State::Stopping {
            self.settled = State::Failed;
            return vec![Act::Changed];
        }
        self.leading = None;
        self.enter(State::Failed, now);
        let mut acts = vec![Act::Changed];
        acts.extend(self.clear_the_way("the service failed before it was begun"));
        acts
    }

    /// The program goes, and does not come any more: all that is open or waits is answered. FAILED stays what it is; a
    /// program that goes of its own will is STOPPED.
    pub fn leave(&mut self, now: Duration) -> Vec<Act> {
        let mut acts = self.let_go(now);
        if self.ended {
            return acts;
        }
        self.leading = None;
        let ended = if self.settled == State::Failed {
            acts.extend(self.enter(State::Failed, now));
            Err(Error::new(ErrorKind::Remote, self.reason.clone()))
        } else {
            acts.extend(self.enter(State::Stopped, now));
            Ok(())
        };
        acts.extend(self.close_the_book(ended));
        acts
    }
}

/// The id that CANCEL names; none for what is under way.
fn cancelled_id(arguments: &Value) -> Result<Option<&str>> {
    let named = match arguments {
        Value::Null => return Ok(None),
        Value::Map(map) if map.is_empty() => return Ok(None),
        Value::Map(_) => arguments.at("id")?,
        other => other,
    };
    super::words::id(named.as_text()?).map(Some)
}

/// An error in a line for people.
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
