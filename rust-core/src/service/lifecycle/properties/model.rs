//! A model of a service's lifecycle, as conditions on everything that has happened.
//!
//! The lifecycle has a queue and states that it enters and leaves; the model has neither. It keeps
//! every accepted command with its progress, and the state follows from where the program has
//! arrived and which open command leads elsewhere. So a mistake in the one is unlikely to be in the
//! other. Each event of a random history goes to both ([`super::World`]); the model checks the
//! actions of the lifecycle and takes in the answers among them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::*;

thread_local! {
    /// How often each event has happened on this thread.
    static SEEN: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts an event that the histories have to contain.
pub fn count_event(what: &'static str) {
    SEEN.with_borrow_mut(|seen| *seen.entry(what).or_default() += 1);
}

/// Checks that each event has happened often: histories without it prove nothing about it.
pub fn check_coverage() {
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

/// The progress of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    /// Accepted, and not fetched by the program.
    Queued,
    /// Fetched, and not finished.
    UnderWay,
    /// Finished or withdrawn.
    Over,
}

/// An accepted command.
#[derive(Debug)]
struct AcceptedModel {
    command: Command,
    /// When its deadline passes.
    due: Duration,
    /// The time that its sender gave it.
    within: Duration,
    progress: Progress,
    /// Whether it has its final answer.
    answered: bool,
    /// Whether it still leads to another state.
    is_transition: bool,
}

/// The cause of an answer.
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

/// The model of one service.
pub struct Model {
    setup: Setup,
    /// In the order of their arrival, by id.
    commands: Vec<(String, AcceptedModel)>,
    /// The final answer to each id.
    answers: BTreeMap<String, Answer>,
    /// The state that the program has reached.
    settled: State,
    /// The program's task: a step, or the index of a command.
    task: Option<Option<usize>>,
    /// Whether the service failed during that.
    failed_meanwhile: bool,
    cancelled: bool,
    data: Option<Value>,
    /// The state in which the service has ended.
    ended: Option<State>,
    /// Since when steps are due.
    running_since: Duration,
    periods_done: BTreeSet<u128>,
    steps: u64,
}

impl Model {
    /// Returns the model of a service in STARTING.
    pub fn new(setup: Setup) -> Model {
        Model {
            setup,
            commands: Vec::new(),
            answers: BTreeMap::new(),
            settled: State::Starting,
            task: None,
            failed_meanwhile: false,
            cancelled: false,
            data: None,
            ended: None,
            running_since: Duration::ZERO,
            periods_done: BTreeSet::new(),
            steps: 0,
        }
    }

    /// Returns whether a command of this kind is open that leads to another state.
    fn has_open(&self, command: &Command) -> bool {
        self.commands.iter().any(|(_, one)| one.is_transition && one.command == *command)
    }

    /// Returns the state: that of the end, of the open transition, or the one that the program has
    /// reached.
    fn state(&self) -> State {
        match self.ended {
            Some(state) => state,
            None if self.has_open(&Command::Shutdown) => State::Stopping,
            None if self.has_open(&Command::Pause) => State::Pausing,
            None if self.has_open(&Command::Checkpoint) => State::Checkpointing,
            None => self.settled,
        }
    }

    /// Checks that the lifecycle agrees with the model.
    pub fn agrees(&self, lifecycle: &Lifecycle) {
        assert_eq!(lifecycle.state(), self.state());
        assert_eq!(lifecycle.is_cancelled(), self.cancelled);
        assert_eq!(lifecycle.running().is_some(), self.task.is_some());
        assert_eq!(lifecycle.next_due(), self.next_due());
        assert_eq!(lifecycle.counts().steps, self.steps);
        let counts = lifecycle.counts();
        let open = self.commands.iter().filter(|(_, one)| !one.answered).count() as u64;
        assert_eq!(counts.accepted, counts.done + counts.failed + open);
    }

    /// Checks, at the end, that every accepted command has its answer.
    pub fn check_all_answered(&self) {
        for (id, one) in &self.commands {
            assert!(
                one.answered && (id.is_empty() || self.answers.contains_key(id)),
                "{id} was never answered"
            );
        }
        count_event("ended");
    }

    /// When a command has to be answered: GET_DATA with known data a little before its deadline.
    fn due(&self, one: &AcceptedModel) -> Duration {
        match (&one.command, &self.data) {
            (Command::GetData, Some(_)) if one.due < Duration::MAX => {
                one.due.saturating_sub((one.within / 4).min(Duration::from_secs(1)))
            }
            _ => one.due,
        }
    }

    /// When the next answer is due.
    fn next_due(&self) -> Option<Duration> {
        let open = self
            .commands
            .iter()
            .map(|(_, one)| one)
            .filter(|one| !one.answered && one.progress != Progress::Over);
        open.map(|one| self.due(one)).min().filter(|due| *due < Duration::MAX)
    }

    /// Returns whether a new command has to be accepted; none if the library answers it.
    fn accepts(&self, request: &CommandRequest) -> Option<bool> {
        use State::{Checkpointing, Failed, Paused, Pausing, Ready, Running, Starting, Stopped, Stopping};
        if request.epoch.is_some_and(|epoch| epoch != self.setup.epoch) {
            return Some(false);
        }
        let state = self.state();
        let has_transition = self.commands.iter().any(|(_, one)| one.is_transition);
        let (states, alone): (&[State], bool) = match &request.command {
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
        let right =
            states.contains(&state) && state != Stopped && self.ended.is_none() && !(alone && has_transition);
        let waiting = self.commands.iter().filter(|(_, one)| one.progress == Progress::Queued).count();
        let room = waiting < if request.command == Command::Shutdown { 512 } else { 256 };
        if right && !room {
            count_event("full");
        }
        Some(right && room)
    }

    /// Checks the actions that follow from a command.
    pub fn command(&mut self, request: &CommandRequest, now: Duration, actions: &[Action]) {
        let id = request.id.to_string();
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
        if self.commands.iter().any(|(known, _)| *known == id) {
            assert_eq!(actions.len(), 1);
            assert_eq!(first.unwrap().outcome, Outcome::Accepted, "it is under way");
            return;
        }
        let before = self.state();
        match self.accepts(request) {
            None if request.command == Command::Cancel => self.cancel(request, first.unwrap(), now, actions),
            None => assert_eq!(actions, [Action::Ask(request.clone())]),
            Some(false) => {
                count_event("rejected");
                assert_eq!(actions.len(), 1, "what is refused does nothing");
                let answer = first.unwrap();
                assert_eq!((answer.outcome, answer.state), (Outcome::Rejected, before));
                self.answers.insert(id, answer.clone());
            }
            Some(true) => {
                assert_eq!((first.unwrap().outcome, first.unwrap().state), (Outcome::Accepted, before));
                let second = before == State::Stopping && request.command == Command::Shutdown;
                self.accept(request, now);
                self.take_answers(
                    first,
                    now,
                    actions,
                    if second { Cause::SecondShutdown } else { Cause::Shutdown },
                );
                if second {
                    self.second_shutdown(actions);
                } else if request.command == Command::Shutdown {
                    self.check_displaced();
                }
                assert!(actions.contains(&Action::Wake));
                assert_eq!(
                    actions.contains(&Action::Changed),
                    self.state() != before || actions.contains(&Action::Cancel)
                );
            }
        }
    }

    /// Records an accepted command. SHUTDOWN takes the effect of all open transitions away.
    fn accept(&mut self, request: &CommandRequest, now: Duration) {
        let one = AcceptedModel {
            command: request.command.clone(),
            due: now.saturating_add(request.within),
            within: request.within,
            progress: Progress::Queued,
            answered: false,
            is_transition: matches!(
                request.command,
                Command::Pause | Command::Run | Command::Checkpoint | Command::Shutdown
            ),
        };
        if request.command == Command::Shutdown {
            if self.settled == State::Starting {
                count_event("shutdown at start");
            }
            self.commands
                .iter_mut()
                .for_each(|(_, one)| one.is_transition &= one.command == Command::Shutdown);
        }
        self.commands.push((request.id.to_string(), one));
    }

    /// Checks that no queued command leads to another state, after SHUTDOWN or a failure.
    fn check_displaced(&self) {
        let elsewhere =
            |one: &AcceptedModel| matches!(one.command, Command::Pause | Command::Run | Command::Checkpoint);
        let forgotten =
            self.commands.iter().find(|(_, one)| elsewhere(one) && one.progress == Progress::Queued);
        assert!(forgotten.is_none(), "{forgotten:?}");
    }

    /// Checks that a second SHUTDOWN has cancelled everything that the first one waits for.
    fn second_shutdown(&mut self, actions: &[Action]) {
        count_event("second shutdown");
        let waits =
            |one: &AcceptedModel| one.progress == Progress::Queued && one.command != Command::Shutdown;
        assert!(!self.commands.iter().any(|(_, one)| waits(one)), "SHUTDOWN waits for nothing any more");
        self.cancel_task(actions);
    }

    /// Checks that the task under way, or the start, is cancelled.
    fn cancel_task(&mut self, actions: &[Action]) {
        let busy = self.task.is_some() || self.settled == State::Starting && self.ended.is_none();
        self.cancelled |= busy;
        assert_eq!(actions.contains(&Action::Cancel), busy);
    }

    /// Checks the answer to CANCEL and its effect.
    fn cancel(&mut self, request: &CommandRequest, answer: &Answer, now: Duration, actions: &[Action]) {
        let named =
            request.arguments.at("id").ok().or(Some(&request.arguments)).and_then(|id| id.as_text().ok());
        let progress = named.and_then(|id| self.commands.iter().position(|(known, _)| known == id));
        let (progress, shutdown) = match progress {
            Some(at) => (self.commands[at].1.progress, self.commands[at].1.command == Command::Shutdown),
            None => (Progress::Over, false),
        };
        let busy = self.task.is_some() || self.settled == State::Starting && self.ended.is_none();
        let (outcome, asks) = match (&request.arguments, progress) {
            (Value::Int(_), _) => (Outcome::Rejected, false),
            (Value::Null, _) if busy => (Outcome::Done, true),
            (_, Progress::UnderWay) => (Outcome::Done, true),
            (_, Progress::Queued) if !shutdown => (Outcome::Done, false),
            _ => (Outcome::Failed, false),
        };
        assert_eq!(answer.outcome, outcome, "{request:?}");
        self.answers.insert(request.id.to_string(), answer.clone());
        self.take_answers(Some(answer), now, actions, Cause::Cancel);
        if asks {
            self.cancel_task(actions);
        } else {
            assert!(!actions.contains(&Action::Cancel));
        }
        if outcome == Outcome::Done && !asks {
            let at = self.commands.iter().position(|(known, _)| Some(known.as_str()) == named).unwrap();
            assert_eq!(self.commands[at].1.progress, Progress::Over, "it was withdrawn");
        }
    }

    /// Checks the actions that follow from a signal.
    pub fn terminate(&mut self, now: Duration, actions: &[Action]) {
        if self.ended.is_some() {
            assert_eq!(actions, []);
            return;
        }
        let second = self.state() == State::Stopping;
        if !second {
            self.accept(&CommandRequest::own(Command::Shutdown), now);
        }
        self.take_answers(None, now, actions, if second { Cause::SecondShutdown } else { Cause::Shutdown });
        if second {
            self.second_shutdown(actions);
        } else {
            self.check_displaced();
        }
    }

    /// Adds the final answers among the actions of one event.
    fn take_answers(&mut self, besides: Option<&Answer>, now: Duration, actions: &[Action], cause: Cause) {
        assert!(actions.len() <= self.commands.len() + 8, "answers are bounded");
        for act in actions {
            if let Action::Answer(answer) = act
                && Some(answer) != besides
            {
                assert!(answer.outcome.is_final(), "{answer:?}");
                self.take_answer(answer, now, cause);
            }
        }
    }

    fn take_answer(&mut self, answer: &Answer, now: Duration, cause: Cause) {
        let id = answer.id.to_string();
        let at = self
            .commands
            .iter()
            .position(|(known, _)| *known == id)
            .expect("only what was accepted is answered");
        let (due, known) = (self.due(&self.commands[at].1), self.data.clone());
        let one = &mut self.commands[at].1;
        assert!(!one.answered, "two answers to {id}");
        one.answered = true;
        assert_eq!(self.answers.insert(id, answer.clone()), None, "two answers");
        let kind = answer.failure.as_ref().map(|failure| failure.kind.as_str());
        let gets_known = one.command == Command::GetData && known.is_some();
        let shutdown = one.command == Command::Shutdown;
        if cause == Cause::Time {
            assert!(due <= now, "its time has not passed");
            count_event(if one.progress == Progress::UnderWay { "late under way" } else { "late" });
        }
        match cause {
            Cause::Finished => assert_eq!(one.progress, Progress::UnderWay),
            Cause::Time
            | Cause::Cancel
            | Cause::Shutdown
            | Cause::SecondShutdown
            | Cause::Failure
            | Cause::End
                if gets_known && matches!(cause, Cause::Time | Cause::SecondShutdown | Cause::End) =>
            {
                count_event("known data");
                assert_eq!((answer.outcome, Some(&answer.value)), (Outcome::Done, known.as_ref()));
            }
            Cause::Time => assert_eq!(kind, Some("Timeout")),
            Cause::End if shutdown => {}
            Cause::Cancel | Cause::Shutdown | Cause::SecondShutdown | Cause::Failure | Cause::End => {
                count_event(if cause == Cause::Cancel { "cancelled" } else { "displaced" });
                assert_eq!((kind, one.progress), (Some("Cancelled"), Progress::Queued), "{cause:?}");
            }
        }
        // A waiting command that is answered is not carried out any more; SHUTDOWN is, whenever possible.
        if one.progress == Progress::Queued && !(shutdown && cause == Cause::Time) {
            (one.progress, one.is_transition) = (Progress::Over, false);
        }
        if cause != Cause::Finished && cause != Cause::Time {
            let expected =
                if cause == Cause::Failure && self.ended.is_none() { State::Failed } else { self.state() };
            assert_eq!(answer.state, expected, "{cause:?}");
        }
    }

    /// Checks that everything that is due has been answered.
    pub fn tick(&mut self, now: Duration, actions: &[Action]) {
        self.take_answers(None, now, actions, Cause::Time);
        let late = self.commands.iter().find(|(_, one)| !one.answered && self.due(one) <= now);
        assert!(late.is_none(), "{late:?} is late and was not answered");
    }

    /// Checks the actions that follow from the result of a task.
    pub fn finish(&mut self, result: &Result<Value>, now: Duration, actions: &[Action]) {
        let task = self.task.take();
        let (cancelled, failed) =
            (std::mem::take(&mut self.cancelled), std::mem::take(&mut self.failed_meanwhile));
        let Some(at) = task.expect("it was at something") else {
            match result {
                Ok(_) => self.steps += 1,
                Err(_) if cancelled => {}
                Err(_) => self.failed(now, actions),
            }
            return;
        };
        let (id, one) = &mut self.commands[at];
        let (id, awaits_answer) = (id.clone(), !one.answered);
        (one.progress, one.is_transition) = (Progress::UnderWay, false);
        let command = one.command.clone();
        if failed && result.is_ok() {
            count_event("done after failing");
        }
        match (&command, result) {
            (Command::Pause, Ok(_)) if !failed => self.settled = State::Paused,
            (Command::Run, Ok(_)) if !failed => self.arrive_running(now),
            (Command::Shutdown, _) => {
                let state = if result.is_ok() { State::Stopped } else { State::Failed };
                self.ended = Some(state);
                self.commands.iter_mut().for_each(|(_, one)| one.is_transition = false);
            }
            (Command::GetData, Ok(value)) => self.data = Some(value.clone()),
            _ => {}
        }
        if command == Command::Shutdown && result.is_err() {
            count_event("shutdown failed");
        }
        let mut actions = actions.to_vec();
        if awaits_answer && id.is_empty() {
            self.commands[at].1.answered = true;
        } else if awaits_answer {
            let progress =
                actions.iter().position(|act| matches!(act, Action::Answer(answer) if *answer.id == *id));
            let Action::Answer(answer) = actions.remove(progress.expect("it is answered with its result"))
            else {
                unreachable!()
            };
            match result {
                Ok(value) => {
                    count_event("done");
                    assert_eq!((answer.outcome, &answer.value), (Outcome::Done, value));
                }
                Err(error) => {
                    count_event("failed by its hook");
                    assert_eq!(answer.clone().into_result().unwrap_err().kind(), error.kind());
                }
            }
            assert_eq!(answer.state, self.state());
            self.take_answer(&answer, now, Cause::Finished);
        }
        self.commands[at].1.progress = Progress::Over;
        self.take_answers(None, now, &actions, Cause::End);
        if self.ended.is_some() {
            self.closed();
        }
    }

    /// Checks that every command is answered at the end. A command of the service's own has no
    /// answer to send.
    fn closed(&mut self) {
        self.cancelled = false;
        for (id, one) in &mut self.commands {
            one.answered |= id.is_empty();
            assert!(one.answered, "{id} is forgotten at the end");
            (one.progress, one.is_transition) = (Progress::Over, false);
        }
    }

    /// Records that the service runs from now on.
    fn arrive_running(&mut self, now: Duration) {
        self.settled = State::Running;
        self.running_since = now;
        self.periods_done.clear();
    }

    /// Checks the actions that follow from a failure of the program.
    pub fn fail(&mut self, now: Duration, actions: &[Action]) {
        count_event("fail");
        self.failed(now, actions);
    }

    /// The same, after a step that failed.
    fn failed(&mut self, now: Duration, actions: &[Action]) {
        assert!(actions.contains(&Action::Changed), "the reason is another one");
        if self.ended.is_some() {
            assert_eq!(actions, [Action::Changed]);
            return;
        }
        if self.task.is_some() {
            count_event("fail under way");
            self.failed_meanwhile = true;
        }
        self.settled = State::Failed;
        if self.state() == State::Stopping {
            assert_eq!(actions, [Action::Changed], "a shutdown goes on");
            return;
        }
        self.take_answers(None, now, actions, Cause::Failure);
        self.commands.iter_mut().for_each(|(_, one)| one.is_transition = false);
        self.check_displaced();
    }

    /// Checks how a task without a result was closed; returns the actions that follow from something
    /// else.
    fn finish_abandoned(&mut self, now: Duration, actions: &[Action]) -> Vec<Action> {
        let Some(task) = self.task else { return actions.to_vec() };
        count_event("left open");
        let result = match task {
            None => Ok(Value::Null),
            Some(_) => Err(Error::new(ErrorKind::Internal, "left")),
        };
        // Its own answer comes first, and those that its end causes with it; the others have other causes.
        let id = task.map_or("", |at| self.commands[at].0.as_str());
        let ends = task.is_some_and(|at| self.commands[at].1.command == Command::Shutdown);
        let own = |act: &Action| {
            ends || matches!(act, Action::Answer(answer) if !id.is_empty() && *answer.id == *id)
        };
        let (own, rest): (Vec<Action>, Vec<Action>) = actions.iter().cloned().partition(own);
        self.finish(&result, now, &own);
        rest
    }

    /// Checks which task the program gets: the oldest queued command, else a step that is due.
    pub fn next_task(&mut self, next: &Next, now: Duration, actions: &[Action]) {
        let actions = self.finish_abandoned(now, actions);
        if self.settled == State::Starting && self.ended.is_none() {
            self.settled = State::Ready;
            self.cancelled = false;
            if !self.setup.paused && self.state() == State::Ready {
                self.arrive_running(now);
            }
        }
        self.tick(now, &actions);
        let waits = |one: &AcceptedModel| one.progress == Progress::Queued;
        let first = self.commands.iter().position(|(_, one)| waits(one)).filter(|_| self.ended.is_none());
        match next {
            Next::End => assert!(self.ended.is_some()),
            Next::Work(work) => {
                assert_eq!(work.before, self.settled);
                self.task = Some(first);
                self.cancelled = false;
                let Some(at) = first else { return self.step_begins(work, now) };
                let (id, one) = &mut self.commands[at];
                assert_eq!(
                    (&*work.request.id, &work.request.command, work.due),
                    (id.as_str(), &one.command, one.due)
                );
                one.progress = Progress::UnderWay;
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

    /// Checks that a step is due: only in RUNNING, and once in each period.
    fn step_begins(&mut self, work: &Work, now: Duration) {
        count_event("step");
        assert_eq!((&work.request.command, self.state(), self.ended), (&Command::Step, State::Running, None));
        let every = self.setup.every.expect("steps have a period").as_nanos();
        if let Some(period) = (now - self.running_since).as_nanos().checked_div(every) {
            assert!(self.periods_done.insert(period), "two steps in one period");
            assert!(self.periods_done.last() == Some(&period));
        }
    }

    /// Checks the actions that follow when the program calls no more.
    pub fn close(&mut self, now: Duration, actions: &[Action]) {
        if self.ended.is_some() {
            assert_eq!(actions, []);
            return;
        }
        let actions = self.finish_abandoned(now, actions);
        if self.ended.is_none() {
            self.ended = Some(if self.settled == State::Failed { State::Failed } else { State::Stopped });
            self.take_answers(None, now, &actions, Cause::End);
            self.closed();
        }
    }
}
