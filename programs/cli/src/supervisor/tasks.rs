//! The effect of each command of the controller on the program.
//!
//! At most one command is active. Its phase, which [`Supervisor::advance`] checks after each event:
//!
//! | phase | command | ends |
//! |---|---|---|
//! | `Hook` | those with an option, such as --checkpoint; SHUTDOWN, while its checkpoint runs | with the hook's process, at its deadline, or cancelled |
//! | `Stopping` | PAUSE without --pause | once SIGSTOP has stopped the program, or it has ended |
//! | `Exit` | SHUTDOWN | once the program and its descendants have ended; they are killed after --grace, or at a second SHUTDOWN |
//!
//! A command that fails leaves the program unchanged, except SHUTDOWN, which ends it in any case.

use std::time::{Duration, Instant};

use linkspan::service::Task;
use linkspan::{Command, Error, ErrorKind, Result, State, Value};
use rustix::process::Signal;

use super::hook::Hook;
use super::process_tree::signal_group;
use super::report::{Report, shutdown_result, unsupported};
use super::state::{ActiveTask, Phase, ProgramState, Supervisor};

impl Supervisor<'_> {
    /// Begins a command, and answers it at once if possible.
    ///
    /// # Errors
    /// Errors of the service; a command's failure is its answer.
    pub(super) fn begin(&mut self, task: Task) -> Result<()> {
        let args = self.args;
        match task.command() {
            Command::GetData => match &args.data {
                Some(command) => self.begin_given(task, "--data", command),
                None => task.done(&self.report()),
            },
            Command::Checkpoint => match &args.checkpoint {
                Some(command) => self.begin_given(task, "--checkpoint", command),
                None => task.failed(&unsupported("CHECKPOINT", "--checkpoint")),
            },
            Command::Backup => match &args.backup {
                Some(command) => self.begin_given(task, "--backup", command),
                None => task.failed(&unsupported("BACKUP", "--backup")),
            },
            Command::Pause => self.begin_pause(task),
            Command::Run => self.begin_run(task),
            Command::Shutdown => self.begin_shutdown(task),
            other => {
                let text = format!("{} is not a command of a program without Linkspan", other.name());
                task.failed(&Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    /// Starts the command line of an option, with the program's process number and the task's arguments.
    fn begin_given(&mut self, task: Task, option: &'static str, command: &str) -> Result<()> {
        // Before the deadline, to answer with the output.
        let left = task.remaining().map(|left| left - (left / 10).min(Duration::from_millis(500)));
        let within = left.map_or(self.args.command_timeout, |left| left.min(self.args.command_timeout));
        let due = Instant::now() + within;
        let hook = Hook::start(self.args, option, command, self.state.pid(), task.arguments(), due);
        match hook {
            Ok(hook) => {
                self.active = Some(ActiveTask { task, phase: Phase::Hook(hook) });
                Ok(())
            }
            Err(error) if *task.command() == Command::Shutdown => self.end_program(task, Some(error)),
            Err(error) => task.failed(&error),
        }
    }

    /// A program that is not running counts as paused, and waits for RUN.
    fn begin_pause(&mut self, task: Task) -> Result<()> {
        match &mut self.state {
            ProgramState::Running(program) => {
                if let Some(command) = &self.args.pause {
                    return self.begin_given(task, "--pause", command);
                }
                signal_group(program.pid, Signal::STOP);
                program.is_stopped = true;
                self.active = Some(ActiveTask { task, phase: Phase::Stopping });
                Ok(())
            }
            ProgramState::NotRunning | ProgramState::Draining { .. } | ProgramState::RestartAt(_) => {
                if matches!(self.state, ProgramState::RestartAt(_)) {
                    self.state = ProgramState::NotRunning;
                }
                task.done(&Value::Null)
            }
        }
    }

    /// Continues or starts the program; resets the count of restarts.
    fn begin_run(&mut self, task: Task) -> Result<()> {
        match &mut self.state {
            ProgramState::Running(program) => {
                if let Some(command) = &self.args.resume {
                    return self.begin_given(task, "--resume", command);
                }
                program.is_stopped = false;
                signal_group(program.pid, Signal::CONT);
                task.done(&Value::Null)
            }
            ProgramState::Draining { .. } => {
                let text = "processes that the program started are still ending: try again later";
                task.failed(&Error::new(ErrorKind::InvalidState, text))
            }
            ProgramState::NotRunning | ProgramState::RestartAt(_) => {
                self.restarts.reset();
                match self.start() {
                    Ok(()) => task.done(&Value::Null),
                    Err(error) => {
                        let doing = format!("starting {}", self.args.program_name());
                        task.failed(&Error::os(doing, error.raw_os_error().unwrap_or(0)))
                    }
                }
            }
        }
    }

    /// Checkpoints first, if possible and not urgent.
    fn begin_shutdown(&mut self, task: Task) -> Result<()> {
        if task.before() == State::Failed && self.exit_code == 0 {
            self.exit_code = self.last_exit.map_or(1, |end| end.exit_code().max(1));
        }
        match (&mut self.state, &self.args.checkpoint) {
            (ProgramState::Running(program), Some(command)) if !task.is_cancelled() => {
                // A checkpoint may need the program's help.
                program.is_stopped = false;
                signal_group(program.pid, Signal::CONT);
                self.begin_given(task, "--checkpoint", command)
            }
            _ => self.end_program(task, None),
        }
    }

    /// Sends the shutdown signal to a running program.
    fn end_program(&mut self, task: Task, checkpoint: Option<Error>) -> Result<()> {
        if matches!(self.state, ProgramState::RestartAt(_)) {
            self.state = ProgramState::NotRunning;
        }
        if let ProgramState::Running(_) = self.state {
            self.terminate();
        }
        let gives_up = task.is_cancelled();
        self.active = Some(ActiveTask { task, phase: Phase::Exit(checkpoint) });
        if gives_up {
            self.kill("a second SHUTDOWN came");
        }
        Ok(())
    }

    /// Answers the active command, or begins its next phase.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.check_drained();
        let Some(open) = self.active.take() else { return Ok(()) };
        let ActiveTask { task, phase } = open;
        match phase {
            Phase::Hook(hook) => match hook.outcome() {
                None => self.active = Some(ActiveTask { task, phase: Phase::Hook(hook) }),
                Some(outcome) if *task.command() == Command::Shutdown => {
                    self.end_program(task, outcome.err())?;
                    // An ended program causes no further event.
                    return self.advance();
                }
                Some(Ok(value)) => return task.done(&value),
                Some(Err(error)) => return task.failed(&error),
            },
            Phase::Stopping => {
                let has_ended = self.state.pid().is_none();
                if !has_ended && !self.is_stopped_by_signal() {
                    self.active = Some(ActiveTask { task, phase: Phase::Stopping });
                    return Ok(());
                }
                return task.done(&Value::Null);
            }
            Phase::Exit(checkpoint) => {
                if !matches!(self.state, ProgramState::NotRunning) {
                    self.active = Some(ActiveTask { task, phase: Phase::Exit(checkpoint) });
                    return Ok(());
                }
                return self.end_shutdown(task, checkpoint);
            }
        }
        Ok(())
    }

    /// A failed checkpoint makes the shutdown fail, because data may be lost.
    fn end_shutdown(&mut self, task: Task, checkpoint: Option<Error>) -> Result<()> {
        if self.was_killed && self.exit_code == 0 {
            self.exit_code = 137;
        }
        let Some(error) = checkpoint else {
            return task.done(&shutdown_result(self.last_exit, self.was_killed));
        };
        self.exit_code = self.exit_code.max(1);
        let text = format!("{}; the program was ended all the same", error.text());
        self.log("error", &text);
        task.failed(&Error::new(error.kind(), text))
    }

    /// Kills the hook, undoes a pause, or ends the wait for --grace.
    pub(super) fn cancel_active(&mut self) -> Result<()> {
        let Some(mut open) = self.active.take() else { return Ok(()) };
        let is_shutdown = *open.task.command() == Command::Shutdown;
        match &mut open.phase {
            Phase::Hook(hook) => hook.kill(Error::new(ErrorKind::Cancelled, "it was cancelled while it ran")),
            Phase::Stopping => {
                if let ProgramState::Running(program) = &mut self.state {
                    program.is_stopped = false;
                    signal_group(program.pid, Signal::CONT);
                }
                return open.task.failed(&Error::new(ErrorKind::Cancelled, "it was cancelled"));
            }
            Phase::Exit(_) => {}
        }
        self.active = Some(open);
        if is_shutdown {
            self.kill("a second SHUTDOWN came");
        }
        Ok(())
    }

    /// The answer to GET_DATA without an option.
    fn report(&self) -> Value {
        let (pid, is_stopped, lives) = match &self.state {
            ProgramState::Running(program) => {
                (Some(program.pid), program.is_stopped, Some(program.began.elapsed()))
            }
            ProgramState::NotRunning | ProgramState::Draining { .. } | ProgramState::RestartAt(_) => {
                (None, false, None)
            }
        };
        let last = if self.last_was_error { &self.err } else { &self.out };
        let report = Report {
            pid,
            is_stopped,
            lives,
            restarts: self.restarts.count,
            end: self.last_exit,
            usage: self.processes_below().usage(),
            lines: self.out.lines.count + self.err.lines.count,
            last_line: &last.lines.last,
        };
        report.to_value()
    }
}
