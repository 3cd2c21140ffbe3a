//! The program's tasks, its failures and its end: their effects in the model.

use std::time::Duration;

use super::*;

impl Model {
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

    pub(super) fn closed(&mut self) {
        self.cancelled = false;
        for (id, one) in &mut self.commands {
            one.answered |= id.is_empty();
            assert!(one.answered, "{id} is forgotten at the end");
            (one.progress, one.is_transition) = (Progress::Over, false);
        }
    }

    pub(super) fn arrive_running(&mut self, now: Duration) {
        self.settled = State::Running;
        self.running_since = now;
        self.periods_done.clear();
    }

    pub fn fail(&mut self, now: Duration, actions: &[Action]) {
        count_event("fail");
        self.failed(now, actions);
    }

    pub(super) fn failed(&mut self, now: Duration, actions: &[Action]) {
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

    /// Checks how a task without a result was closed. Returns the actions with other causes.
    pub(super) fn finish_abandoned(&mut self, now: Duration, actions: &[Action]) -> Vec<Action> {
        let Some(task) = self.task else { return actions.to_vec() };
        count_event("left open");
        let result = match task {
            None => Ok(Value::Null),
            Some(_) => Err(Error::new(ErrorKind::Internal, "left")),
        };
        let id = task.map_or("", |at| self.commands[at].0.as_str());
        let ends = task.is_some_and(|at| self.commands[at].1.command == Command::Shutdown);
        let own = |act: &Action| {
            ends || matches!(act, Action::Answer(answer) if !id.is_empty() && *answer.id == *id)
        };
        let (own, rest): (Vec<Action>, Vec<Action>) = actions.iter().cloned().partition(own);
        self.finish(&result, now, &own);
        rest
    }

    /// Checks the program's task: the oldest queued command, else a due step.
    ///
    /// `until` is when a waiting program is woken.
    pub fn next_task(&mut self, next: &Next, until: Option<Duration>, now: Duration, actions: &[Action]) {
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
                if one.command == Command::Shutdown {
                    self.cancelled = std::mem::take(&mut self.shutdown_again);
                    assert_eq!(actions.contains(&Action::Cancel), self.cancelled);
                }
            }
            Next::Wait => {
                assert_eq!(first, None, "it is sent to wait while something waits for it");
                assert!(self.ended.is_none());
                assert!(until.is_none_or(|until| until > now), "it is sent to wait for what has passed");
                let steps = self.state() == State::Running && self.setup.every.is_some();
                assert_eq!(until.is_some(), steps);
            }
        }
    }

    pub(super) fn step_begins(&mut self, work: &Work, now: Duration) {
        count_event("step");
        assert_eq!((&work.request.command, self.state(), self.ended), (&Command::Step, State::Running, None));
        let every = self.setup.every.expect("steps have a period").as_nanos();
        if let Some(period) = (now - self.running_since).as_nanos().checked_div(every) {
            assert!(self.periods_done.insert(period), "two steps in one period");
            assert!(self.periods_done.last() == Some(&period));
        }
    }

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
