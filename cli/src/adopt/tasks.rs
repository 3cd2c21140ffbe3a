//! What each command does to an adopted program.

use std::time::{Duration, Instant};

use linkspan::service::Task;
use linkspan::{Command, Error, ErrorKind, Result, State, Value};
use rustix::process::Signal;

use super::answers::{Known, shut_down, unsupported};
use super::family::signal_group;
use super::given::Given;
use super::life::Life;
use super::wrapper::Wrapper;

/// A command under way.
pub(super) struct Open {
    task: Task,
    phase: Phase,
}

enum Phase {
    /// A given command does it.
    Given(Given),
    /// The program was told to stand still.
    Halting,
    /// The program was told to end; why its checkpoint before that failed, if it did.
    Ending(Option<Error>),
}

impl Open {
    /// Whether the program was told to stand still, and has not been seen to.
    pub fn is_halting(&self) -> bool {
        matches!(self.phase, Phase::Halting)
    }

    pub fn given(&self) -> Option<&Given> {
        if let Phase::Given(given) = &self.phase { Some(given) } else { None }
    }

    pub fn given_mut(&mut self) -> Option<&mut Given> {
        if let Phase::Given(given) = &mut self.phase { Some(given) } else { None }
    }
}

impl Wrapper<'_> {
    /// A command has come.
    pub(super) fn begin(&mut self, task: Task) -> Result<()> {
        let asked = self.asked;
        match task.command() {
            Command::GetData => match &asked.data {
                Some(command) => self.begin_given(task, "--data", command),
                None => task.done(&self.known()),
            },
            Command::Checkpoint => match &asked.checkpoint {
                Some(command) => self.begin_given(task, "--checkpoint", command),
                None => task.failed(&unsupported("CHECKPOINT", "--checkpoint")),
            },
            Command::Backup => match &asked.backup {
                Some(command) => self.begin_given(task, "--backup", command),
                None => task.failed(&unsupported("BACKUP", "--backup")),
            },
            Command::Pause => self.begin_pause(task),
            Command::Run => self.begin_run(task),
            Command::Shutdown => self.begin_shutdown(task),
            other => {
                let text = format!("{} is no command of a program that knows nothing of it", other.name());
                task.failed(&Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    fn begin_given(&mut self, task: Task, option: &'static str, command: &str) -> Result<()> {
        // A little before its time has passed, so that the answer can say what it printed.
        let left = task.left().map(|left| left - (left / 10).min(Duration::from_millis(500)));
        let within = left.map_or(self.asked.command_timeout, |left| left.min(self.asked.command_timeout));
        let due = Instant::now() + within;
        let given = Given::start(self.asked, option, command, self.life.pid(), task.arguments(), due);
        match given {
            Ok(given) => {
                self.open = Some(Open { task, phase: Phase::Given(given) });
                Ok(())
            }
            Err(error) if *task.command() == Command::Shutdown => self.end_program(task, Some(error)),
            Err(error) => task.failed(&error),
        }
    }

    fn begin_pause(&mut self, task: Task) -> Result<()> {
        match &mut self.life {
            Life::Lives(program) => {
                if let Some(command) = &self.asked.pause {
                    return self.begin_given(task, "--pause", command);
                }
                signal_group(program.pid, Signal::STOP);
                program.is_stopped = true;
                self.open = Some(Open { task, phase: Phase::Halting });
                Ok(())
            }
            Life::Absent | Life::Leaving { .. } | Life::Waits(_) => {
                if matches!(self.life, Life::Waits(_)) {
                    self.life = Life::Absent;
                }
                task.done(&Value::Null)
            }
        }
    }

    fn begin_run(&mut self, task: Task) -> Result<()> {
        match &mut self.life {
            Life::Lives(program) => {
                if let Some(command) = &self.asked.resume {
                    return self.begin_given(task, "--resume", command);
                }
                program.is_stopped = false;
                signal_group(program.pid, Signal::CONT);
                task.done(&Value::Null)
            }
            Life::Leaving { .. } => {
                let text = "what the program has left behind is still ending: try again when that is done";
                task.failed(&Error::new(ErrorKind::InvalidState, text))
            }
            Life::Absent | Life::Waits(_) => {
                self.restarts.forget();
                match self.start() {
                    Ok(()) => task.done(&Value::Null),
                    Err(error) => {
                        let doing = format!("starting {}", self.asked.program_name());
                        task.failed(&Error::os(doing, error.raw_os_error().unwrap_or(0)))
                    }
                }
            }
        }
    }

    fn begin_shutdown(&mut self, task: Task) -> Result<()> {
        if task.before() == State::Failed && self.code == 0 {
            self.code = self.last_end.map_or(1, |end| end.exit_code().max(1));
        }
        match (&mut self.life, &self.asked.checkpoint) {
            (Life::Lives(program), Some(command)) if !task.is_cancelled() => {
                // Who checkpoints may need the program's help.
                program.is_stopped = false;
                signal_group(program.pid, Signal::CONT);
                self.begin_given(task, "--checkpoint", command)
            }
            _ => self.end_program(task, None),
        }
    }

    /// The end of a shutdown: the program is asked to end, unless it has.
    fn end_program(&mut self, task: Task, checkpoint: Option<Error>) -> Result<()> {
        if matches!(self.life, Life::Waits(_)) {
            self.life = Life::Absent;
        }
        if let Life::Lives(_) = self.life {
            self.ask_to_end();
        }
        let gives_up = task.is_cancelled();
        self.open = Some(Open { task, phase: Phase::Ending(checkpoint) });
        if gives_up {
            self.kill("a second SHUTDOWN came");
        }
        Ok(())
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.open.as_ref().is_some_and(|open| *open.task.command() == Command::Shutdown)
    }

    /// Looks how far things have come.
    pub(super) fn go_on(&mut self) -> Result<()> {
        self.look_whether_it_is_over();
        let Some(open) = self.open.take() else { return Ok(()) };
        let Open { task, phase } = open;
        match phase {
            Phase::Given(given) => match given.outcome() {
                None => self.open = Some(Open { task, phase: Phase::Given(given) }),
                Some(outcome) if *task.command() == Command::Shutdown => {
                    return self.end_program(task, outcome.err());
                }
                Some(Ok(value)) => return task.done(&value),
                Some(Err(error)) => return task.failed(&error),
            },
            Phase::Halting => {
                let has_ended = self.life.pid().is_none();
                if !has_ended && !self.stands_still() {
                    self.open = Some(Open { task, phase: Phase::Halting });
                    return Ok(());
                }
                return task.done(&Value::Null);
            }
            Phase::Ending(checkpoint) => {
                if !matches!(self.life, Life::Absent) {
                    self.open = Some(Open { task, phase: Phase::Ending(checkpoint) });
                    return Ok(());
                }
                return self.end_shutdown(task, checkpoint);
            }
        }
        Ok(())
    }

    fn end_shutdown(&mut self, task: Task, checkpoint: Option<Error>) -> Result<()> {
        if self.was_killed && self.code == 0 {
            self.code = 137;
        }
        let Some(error) = checkpoint else { return task.done(&shut_down(self.last_end, self.was_killed)) };
        self.code = self.code.max(1);
        let text = format!("{}; the program was ended all the same", error.text());
        self.say("error", &text);
        task.failed(&Error::new(error.kind(), text))
    }

    /// What is under way is to be given up.
    pub(super) fn give_up(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let is_shutdown = *open.task.command() == Command::Shutdown;
        match &mut open.phase {
            Phase::Given(given) => {
                given.kill(Error::new(ErrorKind::Cancelled, "it was given up while it ran"))
            }
            Phase::Halting => {
                if let Life::Lives(program) = &mut self.life {
                    program.is_stopped = false;
                    signal_group(program.pid, Signal::CONT);
                }
                return open.task.failed(&Error::new(ErrorKind::Cancelled, "it was given up"));
            }
            Phase::Ending(_) => {}
        }
        self.open = Some(open);
        if is_shutdown {
            self.kill("a second SHUTDOWN came");
        }
        Ok(())
    }

    fn known(&self) -> Value {
        let (pid, is_stopped, lives) = match &self.life {
            Life::Lives(program) => (Some(program.pid), program.is_stopped, Some(program.began.elapsed())),
            Life::Absent | Life::Leaving { .. } | Life::Waits(_) => (None, false, None),
        };
        let last = if self.last_was_error { &self.err } else { &self.out };
        let known = Known {
            pid,
            is_stopped,
            lives,
            restarts: self.restarts.count,
            end: self.last_end,
            usage: self.family().usage(),
            lines: self.out.lines.count + self.err.lines.count,
            last_line: &last.lines.last,
        };
        known.to_value()
    }
}
