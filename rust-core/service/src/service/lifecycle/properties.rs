//! Random histories of a service, each step compared with a model that states the rules
//! differently.
//!
//! `LINKSPAN_SEED=…` starts with the history of that seed and prints its steps.

mod model;

use std::time::Duration;

use super::*;
use crate::histories::{Random, Seed, given_seed};
use model::{Model, count_event};

const HISTORIES: u64 = 10_000;

fn millis(ms: usize) -> Duration {
    Duration::from_millis(ms as u64)
}

struct World {
    random: Random,
    lifecycle: Lifecycle,
    model: Model,
    now: Duration,
    sent: Vec<CommandRequest>,
    verbose: bool,
}

impl World {
    fn new(seed: u64, verbose: bool) -> World {
        let mut random = Random::new(seed);
        let known = ["CONFIG", "BACKUP", "calibrate"];
        let setup = Setup {
            epoch: 7,
            every: [None, Some(Duration::ZERO), Some(millis(100)), Some(millis(250))][random.below(4)],
            paused: random.one_in(3),
            commands: known.into_iter().filter(|_| !random.one_in(4)).map(str::to_owned).collect(),
        };
        let (lifecycle, model) = (Lifecycle::new(setup.clone()), Model::new(setup));
        World { random, lifecycle, model, now: Duration::ZERO, sent: Vec::new(), verbose }
    }

    fn trace(&self, what: std::fmt::Arguments<'_>) {
        if self.verbose {
            println!("{:8.3} {:13} {what}", self.now.as_secs_f64(), self.lifecycle.state().name());
        }
    }

    /// Returns a random command; most have short deadlines, some are for another incarnation.
    fn random_request(&mut self) -> CommandRequest {
        let id = format!("i{}", self.sent.len());
        let command = match self.random.below(16) {
            0..3 => Command::GetData,
            3..5 => Command::Pause,
            5..8 => Command::Run,
            8 => Command::Checkpoint,
            9 if self.random.one_in(3) => Command::Shutdown,
            10 => Command::Cancel,
            11 => Command::Status,
            12 => Command::Config,
            13 => Command::Own("calibrate".into()),
            14 => Command::Own("unheard-of".into()),
            _ => Command::Backup,
        };
        let arguments = match (&command, self.random.below(6)) {
            (Command::Cancel, 0) => Value::Null,
            (Command::Cancel, 1) => Value::from(3u64),
            (Command::Cancel, 2) => Value::from("nothing"),
            (Command::Cancel, _) if !self.sent.is_empty() => {
                let back = self.random.below(4).min(self.sent.len() - 1);
                let id = &self.sent[self.sent.len() - 1 - back].id;
                Value::map([("id", Value::from(&**id))])
            }
            _ => Value::Null,
        };
        let within = match self.random.below(6) {
            0 => Duration::ZERO,
            1 => Duration::MAX,
            2 => millis(self.random.below(20_000)),
            _ => millis(self.random.below(600)),
        };
        let epoch = [None, None, Some(7), Some(7), Some(7), Some(8)][self.random.below(6)];
        CommandRequest { id: id.into(), command, arguments, within, epoch }
    }

    fn command(&mut self, request: CommandRequest) {
        let actions = self.lifecycle.command(request.clone(), self.now);
        self.trace(format_args!(
            "{} {:?} within {:?}: {actions:?}",
            request.id, request.command, request.within
        ));
        self.model.command(&request, self.now, &actions);
    }

    fn program(&mut self) {
        if self.random.one_in(60) {
            let why = Error::new(ErrorKind::NoSpace, "broken");
            let actions = self.lifecycle.fail(&why, self.now);
            self.trace(format_args!("fail: {actions:?}"));
            self.model.fail(self.now, &actions);
        } else if self.lifecycle.running().is_some() && !self.random.one_in(40) {
            let result = match self.random.below(5) {
                0 => {
                    Err(Error::new(*self.random.pick(&[ErrorKind::NoSpace, ErrorKind::Cancelled]), "broken"))
                }
                n => Ok(Value::from((self.sent.len() * 10 + n) as u64)),
            };
            let actions = self.lifecycle.finish(result.clone(), self.now);
            self.trace(format_args!("finish {result:?}: {actions:?}"));
            self.model.finish(&result, self.now, &actions);
        } else {
            // A program that asks only when it is woken gets the task that it would get now.
            let (due, is_open) = (self.lifecycle.next_task_due(), self.lifecycle.running().is_some());
            let (next, actions) = self.lifecycle.next_task(self.now);
            let is_due = due.is_some_and(|due| due <= self.now);
            assert!(is_due || is_open || next == Next::Wait, "{next:?} was not due");
            self.trace(format_args!("come: {next:?}, {actions:?}"));
            self.model.next_task(&next, self.lifecycle.next_task_due(), self.now, &actions);
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..6 => {
                let request = self.random_request();
                self.sent.push(request.clone());
                self.command(request);
            }
            6 if !self.sent.is_empty() => {
                count_event("repeated");
                let mut request = self.random.pick(&self.sent).clone();
                request.epoch = *self.random.pick(&[None, Some(7), Some(8)]);
                self.command(request);
            }
            7 if self.random.one_in(12) => {
                let actions = self.lifecycle.terminate(self.now);
                self.trace(format_args!("terminate: {actions:?}"));
                self.model.terminate(self.now, &actions);
            }
            8 if self.random.one_in(1000) => {
                count_event("flood");
                let command = self.random.pick(&[Command::GetData, Command::Shutdown]).clone();
                for i in 0..600 {
                    let command = command.clone();
                    let id = format!("f{}-{i}", self.sent.len());
                    self.command(CommandRequest {
                        within: millis(5_000),
                        id: id.into(),
                        ..CommandRequest::own(command)
                    });
                }
            }
            8 if self.random.one_in(80) => {
                let actions = self.lifecycle.close(self.now);
                self.trace(format_args!("leave: {actions:?}"));
                self.model.close(self.now, &actions);
            }
            9..15 => self.program(),
            15..18 => self.now += millis(self.random.below(120)),
            _ => self.wait(),
        }
        self.model.agrees(&self.lifecycle);
    }

    /// The library's thread: time passes until something may be due, and deadlines are checked.
    fn wait(&mut self) {
        let Some(due) = self.lifecycle.next_due() else {
            assert!(self.lifecycle.tick(self.now).is_empty(), "nothing is due, and a look answers something");
            return;
        };
        if due > self.now && !self.random.one_in(3) {
            self.now += millis(1).min(due - self.now - Duration::from_nanos(1));
        } else {
            self.now = self.now.max(due);
        }
        let actions = self.lifecycle.tick(self.now);
        self.trace(format_args!("tick, due at {due:?}: {actions:?}"));
        assert_eq!(actions.is_empty(), due > self.now, "what is due is answered, and nothing else");
        assert!(self.lifecycle.next_due().is_none_or(|due| due > self.now), "looking again would not end");
        self.model.tick(self.now, &actions);
    }
}

#[test]
fn random_histories_match_the_model() {
    let only = given_seed();
    let first = only.unwrap_or(1);
    println!("LINKSPAN_SEED={first}");
    for seed in first..first + HISTORIES {
        let _seed = Seed(seed);
        let mut world = World::new(seed, only == Some(seed));
        for _ in 0..20 + world.random.below(80) {
            world.step();
        }
        world.trace(format_args!("the end"));
        let actions = world.lifecycle.close(world.now);
        world.model.close(world.now, &actions);
        world.model.agrees(&world.lifecycle);
        world.model.check_all_answered();
        assert_eq!(world.lifecycle.next_task(world.now).0, Next::End);
    }
    model::check_coverage();
}
