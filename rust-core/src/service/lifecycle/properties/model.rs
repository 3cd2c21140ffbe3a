//! What a service's life is to be, said as conditions on all that has happened: no queue, no passing states that are entered
//! and left, but commands with what became of each, from which the state follows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::*;

thread_local! {
    static SEEN: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts something that the histories are to contain.
pub fn did(what: &'static str) {
    SEEN.with_borrow_mut(|seen| *seen.entry(what).or_default() += 1);
}

/// Histories that never come to something prove nothing about it.
pub fn saw_everything() {
    let wanted = [
        "repeated",
        "flood",
        "done",
        "failed by its hook",
        "late",
        "late under way",
        "known data",
        "cancelled",
        "displaced",
        "rejected",
        "full",
        "second shutdown",
        "left open",
        "step",
        "fail",
        "fail under way",
        "done after failing",
        "shutdown at start",
        "shutdown failed",
        "ended",
    ];
    SEEN.with_borrow(|seen| {
        println!("{seen:?}");
        for what in wanted {
            assert!(seen.get(what).is_some_and(|count| *count > 20), "{what} hardly ever happened");
        }
    });
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Waits,
    Begun,
    Over,
}

/// A command that was accepted.
#[derive(Debug)]
struct One {
    command: Command,
    /// When its time has passed.
    due: Duration,
    within: Duration,
    place: Place,
    answered: bool,
    /// Whether it still leads elsewhere.
    leads: bool,
}

/// Why an answer may come now.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Finished,
    Time,
    Cancel,
    Shutdown,
    SecondShutdown,
    Failure,
    End,
}

pub struct Model {
    setup: Setup,
    /// By their order of coming.
    ones: Vec<(String, One)>,
    /// The final answer to each id.
    answers: BTreeMap<String, Answer>,
    /// Where the program has arrived.
    arrived: State,
    /// A step, or the place of the command that the program does.
    doing: Option<Option<usize>>,
    /// The program failed while it did that.
    failed_meanwhile: bool,
    cancelled: bool,
    data: Option<Value>,
    ended: Option<State>,
    /// Since when steps are due, and the periods from then on that had their step.
    going: Duration,
    stepped: BTreeSet<u128>,
    steps: u64,
}

impl Model {
    pub fn new(setup: Setup) -> Model {
        Model {
            setup,
            ones: Vec::new(),
            answers: BTreeMap::new(),
            arrived: State::Starting,
            doing: None,
            failed_meanwhile: false,
            cancelled: false,
            data: None,
            ended: None,
            going: Duration::ZERO,
            stepped: BTreeSet::new(),
            steps: 0,
        }
    }

    fn leads(&self, command: &Command) -> bool {
        self.ones.iter().any(|(_, one)| one.leads && one.command == *command)
    }

    /// The state follows from where the program has arrived and what still leads elsewhere.
    fn state(&self) -> State {
        match self.ended {
            Some(state) => state,
            None if self.leads(&Command::Shutdown) => State::Stopping,
            None if self.leads(&Command::Pause) => State::Pausing,
            None if self.leads(&Command::Checkpoint) => State::Checkpointing,
            None => self.arrived,
        }
    }

    pub fn agrees(&self, life: &Lifecycle) {
        assert_eq!(life.state(), self.state());
        assert_eq!(life.is_cancelled(), self.cancelled);
        assert_eq!(life.running().is_some(), self.doing.is_some());
        assert_eq!(life.next_due(), self.next_due());
        assert_eq!(life.counts().steps, self.steps);
        let counts = life.counts();
        let open = self.ones.iter().filter(|(_, one)| !one.answered).count() as u64;
        assert_eq!(counts.accepted, counts.done + counts.failed + open);
    }

    pub fn nobody_waits(&self) {
        for (id, one) in &self.ones {
            assert!(
                one.answered && (id.is_empty() || self.answers.contains_key(id)),
                "{id} was never answered"
            );
        }
        did("ended");
    }

    fn due(&self, one: &One) -> Duration {
        match (&one.command, &self.data) {
            (Command::GetData, Some(_)) if one.due < Duration::MAX => {
                one.due.saturating_sub((one.within / 4).min(Duration::from_secs(1)))
            }
            _ => one.due,
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let open =
            self.ones.iter().map(|(_, one)| one).filter(|one| !one.answered && one.place != Place::Over);
        open.map(|one| self.due(one)).min().filter(|due| *due < Duration::MAX)
    }

    /// Whether a fresh command is to be accepted; none where the library answers it.
    fn accepts(&self, order: &CommandRequest) -> Option<bool> {
        use State::{Checkpointing, Failed, Paused, Pausing, Ready, Running, Starting, Stopped, Stopping};
        if order.epoch.is_some_and(|epoch| epoch != self.setup.epoch) {
            return Some(false);
        }
        let state = self.state();
        let led = self.ones.iter().any(|(_, one)| one.leads);
        let (states, alone): (&[State], bool) = match &order.command {
            Command::Status | Command::Describe | Command::Stats | Command::Log | Command::Cancel => {
                return None;
            }
            Command::GetData => (&[Ready, Running, Pausing, Paused, Checkpointing, Stopping], false),
            Command::Pause | Command::Checkpoint => (&[Ready, Running], true),
            Command::Run => (&[Ready, Paused, Failed], true),
            Command::Shutdown => {
                (&[Starting, Ready, Running, Pausing, Paused, Checkpointing, Stopping, Failed], false)
            }
            other if self.setup.commands.iter().any(|name| name == other.name()) => {
                (&[Ready, Running, Paused], false)
            }
            _ => (&[], false),
        };
        let right = states.contains(&state) && state != Stopped && self.ended.is_none() && !(alone && led);
        let waiting = self.ones.iter().filter(|(_, one)| one.place == Place::Waits).count();
        let room = waiting < if order.command == Command::Shutdown { 512 } else { 256 };
        if right && !room {
            did("full");
        }
        Some(right && room)
    }

    pub fn command(&mut self, order: &CommandRequest, now: Duration, actions: &[Action]) {
        let id = order.id.to_string();
        let first = actions.iter().find_map(|act| match act {
            Action::Answer(answer) if *answer.id == *id => Some(answer),
            _ => None,
        });
        if let Some(known) = self.answers.get(&id) {
            assert_eq!(
                actions,
                [Action::Answer(known.clone())],
                "a repeated id gets its answer and does nothing"
            );
            return;
        }
        if self.ones.iter().any(|(known, _)| *known == id) {
            assert_eq!(actions.len(), 1);
            assert_eq!(first.unwrap().outcome, Outcome::Accepted, "it is under way");
            return;
        }
        let before = self.state();
        match self.accepts(order) {
            None if order.command == Command::Cancel => self.cancel(order, first.unwrap(), now, actions),
            None => assert_eq!(actions, [Action::Ask(order.clone())]),
            Some(false) => {
                did("rejected");
                assert_eq!(actions.len(), 1, "what is refused does nothing");
                let answer = first.unwrap();
                assert_eq!((answer.outcome, answer.state), (Outcome::Rejected, before));
                self.answers.insert(id, answer.clone());
            }
            Some(true) => {
                assert_eq!((first.unwrap().outcome, first.unwrap().state), (Outcome::Accepted, before));
                let second = before == State::Stopping && order.command == Command::Shutdown;
                self.take(order, now);
                self.heed(first, now, actions, if second { Cause::SecondShutdown } else { Cause::Shutdown });
                if second {
                    self.give_up_all(actions);
                } else if order.command == Command::Shutdown {
                    self.displaced();
                }
                assert!(actions.contains(&Action::Wake));
                assert_eq!(
                    actions.contains(&Action::Changed),
                    self.state() != before || actions.contains(&Action::Cancel)
                );
            }
        }
    }

    fn take(&mut self, order: &CommandRequest, now: Duration) {
        let one = One {
            command: order.command.clone(),
            due: now.saturating_add(order.within),
            within: order.within,
            place: Place::Waits,
            answered: false,
            leads: matches!(
                order.command,
                Command::Pause | Command::Run | Command::Checkpoint | Command::Shutdown
            ),
        };
        if order.command == Command::Shutdown {
            if self.arrived == State::Starting {
                did("shutdown at start");
            }
            self.ones.iter_mut().for_each(|(_, one)| one.leads &= one.command == Command::Shutdown);
        }
        self.ones.push((order.id.to_string(), one));
    }

    /// SHUTDOWN has come: what waited to lead elsewhere has its answer.
    fn displaced(&self) {
        let elsewhere =
            |one: &One| matches!(one.command, Command::Pause | Command::Run | Command::Checkpoint);
        let forgotten = self.ones.iter().find(|(_, one)| elsewhere(one) && one.place == Place::Waits);
        assert!(forgotten.is_none(), "{forgotten:?}");
    }

    fn give_up_all(&mut self, actions: &[Action]) {
        did("second shutdown");
        let waits = |one: &One| one.place == Place::Waits && one.command != Command::Shutdown;
        assert!(!self.ones.iter().any(|(_, one)| waits(one)), "SHUTDOWN waits for nothing any more");
        self.give_up(actions);
    }

    fn give_up(&mut self, actions: &[Action]) {
        let busy = self.doing.is_some() || self.arrived == State::Starting && self.ended.is_none();
        self.cancelled |= busy;
        assert_eq!(actions.contains(&Action::Cancel), busy);
    }

    fn cancel(&mut self, order: &CommandRequest, answer: &Answer, now: Duration, actions: &[Action]) {
        let named = order.arguments.at("id").ok().or(Some(&order.arguments)).and_then(|id| id.as_text().ok());
        let place = named.and_then(|id| self.ones.iter().position(|(known, _)| known == id));
        let (place, shutdown) = match place {
            Some(at) => (self.ones[at].1.place, self.ones[at].1.command == Command::Shutdown),
            None => (Place::Over, false),
        };
        let busy = self.doing.is_some() || self.arrived == State::Starting && self.ended.is_none();
        let (outcome, asks) = match (&order.arguments, place) {
            (Value::Int(_), _) => (Outcome::Rejected, false),
            (Value::Null, _) if busy => (Outcome::Done, true),
            (_, Place::Begun) => (Outcome::Done, true),
            (_, Place::Waits) if !shutdown => (Outcome::Done, false),
            _ => (Outcome::Failed, false),
        };
        assert_eq!(answer.outcome, outcome, "{order:?}");
        self.answers.insert(order.id.to_string(), answer.clone());
        self.heed(Some(answer), now, actions, Cause::Cancel);
        if asks {
            self.give_up(actions);
        } else {
            assert!(!actions.contains(&Action::Cancel));
        }
        if outcome == Outcome::Done && !asks {
            let at = self.ones.iter().position(|(known, _)| Some(known.as_str()) == named).unwrap();
            assert_eq!(self.ones[at].1.place, Place::Over, "it was withdrawn");
        }
    }

    pub fn terminate(&mut self, now: Duration, actions: &[Action]) {
        if self.ended.is_some() {
            assert_eq!(actions, []);
            return;
        }
        let second = self.state() == State::Stopping;
        if !second {
            self.take(&CommandRequest::own(Command::Shutdown), now);
        }
        self.heed(None, now, actions, if second { Cause::SecondShutdown } else { Cause::Shutdown });
        if second {
            self.give_up_all(actions);
        } else {
            self.displaced();
        }
    }

    /// Takes in the final answers among what follows from one event.
    fn heed(&mut self, besides: Option<&Answer>, now: Duration, actions: &[Action], cause: Cause) {
        assert!(actions.len() <= self.ones.len() + 8, "answers are bounded");
        for act in actions {
            if let Action::Answer(answer) = act
                && Some(answer) != besides
            {
                assert!(answer.outcome.is_final(), "{answer:?}");
                self.heed_answer(answer, now, cause);
            }
        }
    }

    fn heed_answer(&mut self, answer: &Answer, now: Duration, cause: Cause) {
        let id = answer.id.to_string();
        let at =
            self.ones.iter().position(|(known, _)| *known == id).expect("only what was accepted is answered");
        let (due, known) = (self.due(&self.ones[at].1), self.data.clone());
        let one = &mut self.ones[at].1;
        assert!(!one.answered, "two answers to {id}");
        one.answered = true;
        assert_eq!(self.answers.insert(id, answer.clone()), None, "two answers");
        let kind = answer.failure.as_ref().map(|failure| failure.kind.as_str());
        let gets_known = one.command == Command::GetData && known.is_some();
        let shutdown = one.command == Command::Shutdown;
        if cause == Cause::Time {
            assert!(due <= now, "its time has not passed");
            did(if one.place == Place::Begun { "late under way" } else { "late" });
        }
        match cause {
            Cause::Finished => assert_eq!(one.place, Place::Begun),
            Cause::Time
            | Cause::Cancel
            | Cause::Shutdown
            | Cause::SecondShutdown
            | Cause::Failure
            | Cause::End
                if gets_known && matches!(cause, Cause::Time | Cause::SecondShutdown | Cause::End) =>
            {
                did("known data");
                assert_eq!((answer.outcome, Some(&answer.value)), (Outcome::Done, known.as_ref()));
            }
            Cause::Time => assert_eq!(kind, Some("Timeout")),
            Cause::End if shutdown => {}
            Cause::Cancel | Cause::Shutdown | Cause::SecondShutdown | Cause::Failure | Cause::End => {
                did(if cause == Cause::Cancel { "cancelled" } else { "displaced" });
                assert_eq!((kind, one.place), (Some("Cancelled"), Place::Waits), "{cause:?}");
            }
        }
        // Whoever waited and is answered is not carried out any more; SHUTDOWN is, whenever it can be.
        if one.place == Place::Waits && !(shutdown && cause == Cause::Time) {
            (one.place, one.leads) = (Place::Over, false);
        }
        if cause != Cause::Finished && cause != Cause::Time {
            let expected =
                if cause == Cause::Failure && self.ended.is_none() { State::Failed } else { self.state() };
            assert_eq!(answer.state, expected, "{cause:?}");
        }
    }

    pub fn tick(&mut self, now: Duration, actions: &[Action]) {
        self.heed(None, now, actions, Cause::Time);
        let late = self.ones.iter().find(|(_, one)| !one.answered && self.due(one) <= now);
        assert!(late.is_none(), "{late:?} is late and was not told");
    }

    /// The program has done what it was at.
    pub fn finish(&mut self, result: &Result<Value>, now: Duration, actions: &[Action]) {
        let doing = self.doing.take();
        let (given_up, failed) =
            (std::mem::take(&mut self.cancelled), std::mem::take(&mut self.failed_meanwhile));
        let Some(at) = doing.expect("it was at something") else {
            match result {
                Ok(_) => self.steps += 1,
                Err(_) if given_up => {}
                Err(_) => self.failed(now, actions),
            }
            return;
        };
        let (id, one) = &mut self.ones[at];
        let (id, told) = (id.clone(), !one.answered);
        (one.place, one.leads) = (Place::Begun, false);
        let command = one.command.clone();
        if failed && result.is_ok() {
            did("done after failing");
        }
        match (&command, result) {
            (Command::Pause, Ok(_)) if !failed => self.arrived = State::Paused,
            (Command::Run, Ok(_)) if !failed => self.arrive_running(now),
            (Command::Shutdown, _) => {
                let state = if result.is_ok() { State::Stopped } else { State::Failed };
                self.ended = Some(state);
                self.ones.iter_mut().for_each(|(_, one)| one.leads = false);
            }
            (Command::GetData, Ok(value)) => self.data = Some(value.clone()),
            _ => {}
        }
        if command == Command::Shutdown && result.is_err() {
            did("shutdown failed");
        }
        let mut actions = actions.to_vec();
        if told && id.is_empty() {
            self.ones[at].1.answered = true;
        } else if told {
            let place =
                actions.iter().position(|act| matches!(act, Action::Answer(answer) if *answer.id == *id));
            let Action::Answer(answer) = actions.remove(place.expect("it is told how it went")) else {
                unreachable!()
            };
            match result {
                Ok(value) => {
                    did("done");
                    assert_eq!((answer.outcome, &answer.value), (Outcome::Done, value));
                }
                Err(error) => {
                    did("failed by its hook");
                    assert_eq!(answer.clone().into_result().unwrap_err().kind(), error.kind());
                }
            }
            assert_eq!(answer.state, self.state());
            self.heed_answer(&answer, now, Cause::Finished);
        }
        self.ones[at].1.place = Place::Over;
        self.heed(None, now, &actions, Cause::End);
        if self.ended.is_some() {
            self.closed();
        }
    }

    /// What a signal asked has nobody to be told.
    fn closed(&mut self) {
        self.cancelled = false;
        for (id, one) in &mut self.ones {
            one.answered |= id.is_empty();
            assert!(one.answered, "{id} is forgotten at the end");
            (one.place, one.leads) = (Place::Over, false);
        }
    }

    fn arrive_running(&mut self, now: Duration) {
        self.arrived = State::Running;
        self.going = now;
        self.stepped.clear();
    }

    pub fn fail(&mut self, now: Duration, actions: &[Action]) {
        did("fail");
        self.failed(now, actions);
    }

    fn failed(&mut self, now: Duration, actions: &[Action]) {
        assert!(actions.contains(&Action::Changed), "the reason is another one");
        if self.ended.is_some() {
            assert_eq!(actions, [Action::Changed]);
            return;
        }
        if self.doing.is_some() {
            did("fail under way");
            self.failed_meanwhile = true;
        }
        self.arrived = State::Failed;
        if self.state() == State::Stopping {
            assert_eq!(actions, [Action::Changed], "a shutdown goes on");
            return;
        }
        self.heed(None, now, actions, Cause::Failure);
        self.ones.iter_mut().for_each(|(_, one)| one.leads = false);
        self.displaced();
    }

    /// What the program left without a word.
    fn left_open(&mut self, now: Duration, actions: &[Action]) -> Vec<Action> {
        let Some(doing) = self.doing else { return actions.to_vec() };
        did("left open");
        let result = match doing {
            None => Ok(Value::Null),
            Some(_) => Err(Error::new(ErrorKind::Internal, "left")),
        };
        // Its own answer comes first, and what its end entails with it; the rest has other causes.
        let id = doing.map_or("", |at| self.ones[at].0.as_str());
        let ends = doing.is_some_and(|at| self.ones[at].1.command == Command::Shutdown);
        let own = |act: &Action| {
            ends || matches!(act, Action::Answer(answer) if !id.is_empty() && *answer.id == *id)
        };
        let (own, rest): (Vec<Action>, Vec<Action>) = actions.iter().cloned().partition(own);
        self.finish(&result, now, &own);
        rest
    }

    pub fn next_task(&mut self, next: &Next, now: Duration, actions: &[Action]) {
        let actions = self.left_open(now, actions);
        if self.arrived == State::Starting && self.ended.is_none() {
            self.arrived = State::Ready;
            self.cancelled = false;
            if !self.setup.paused && self.state() == State::Ready {
                self.arrive_running(now);
            }
        }
        self.tick(now, &actions);
        let waits = |one: &One| one.place == Place::Waits;
        let first = self.ones.iter().position(|(_, one)| waits(one)).filter(|_| self.ended.is_none());
        match next {
            Next::End => assert!(self.ended.is_some()),
            Next::Work(work) => {
                assert_eq!(work.before, self.arrived);
                self.doing = Some(first);
                self.cancelled = false;
                let Some(at) = first else { return self.stepped(work, now) };
                let (id, one) = &mut self.ones[at];
                assert_eq!(
                    (&*work.request.id, &work.request.command, work.due),
                    (id.as_str(), &one.command, one.due)
                );
                one.place = Place::Begun;
            }
            Next::Wait(until) => {
                assert_eq!(first, None, "it is sent to wait while something waits for it");
                assert!(self.ended.is_none());
                assert!(until.is_none_or(|until| until > now), "it is sent to wait for what has passed");
                let steps = self.state() == State::Running && self.setup.every.is_some();
                assert_eq!(until.is_some(), steps);
            }
        }
    }

    /// A step is due in RUNNING alone, and once in each period.
    fn stepped(&mut self, work: &Work, now: Duration) {
        did("step");
        assert_eq!((&work.request.command, self.state(), self.ended), (&Command::Step, State::Running, None));
        let every = self.setup.every.expect("steps have a period").as_nanos();
        if let Some(period) = (now - self.going).as_nanos().checked_div(every) {
            assert!(self.stepped.insert(period), "two steps in one period");
            assert!(self.stepped.last() == Some(&period));
        }
    }

    pub fn close(&mut self, now: Duration, actions: &[Action]) {
        if self.ended.is_some() {
            assert_eq!(actions, []);
            return;
        }
        let actions = self.left_open(now, actions);
        if self.ended.is_none() {
            self.ended = Some(if self.arrived == State::Failed { State::Failed } else { State::Stopped });
            self.heed(None, now, &actions, Cause::End);
            self.closed();
        }
    }
}
