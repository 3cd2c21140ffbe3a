//! The state of one supervised program, and operations for every layer above.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use linkspan::service::{ServiceLoop, Task};
use linkspan::{Command, Error};
use rustix::process::{Pid, Signal};

use super::args::RunArgs;
use super::hook::Hook;
use super::output_stream::OutputStream;
use super::process_tree::{ProcessTree, is_stopped};
use super::program::{ExitStatus, Program};
use super::restarts::Restarts;
use super::watchdog::Watchdog;
use crate::signals::Signals;

pub(super) struct Supervisor<'a> {
    pub args: &'a RunArgs,
    pub service: ServiceLoop,
    pub signals: &'a Signals,
    pub stop_requests: usize,
    /// Readable after a child's change of state, or a cancellation.
    pub wake: UnixStream,
    pub cancel_requested: Arc<AtomicBool>,
    pub watchdog: Option<Watchdog>,
    pub state: ProgramState,
    /// When the program's remaining processes are killed.
    pub kill_at: Option<Instant>,
    pub was_killed: bool,
    pub last_exit: Option<ExitStatus>,
    pub restarts: Restarts,
    pub began: Instant,
    pub active: Option<ActiveTask>,
    pub out: OutputStream,
    pub err: OutputStream,
    pub last_was_error: bool,
    pub exit_code: u8,
    /// Whether the service ends FAILED.
    pub has_failed: bool,
    /// Why the controller refuses the service, once printed.
    pub refusal: String,
}

pub(super) enum ProgramState {
    /// Not started, or ended.
    NotRunning,
    Running(Program),
    /// The program has ended; some of its descendants have not.
    Draining {
        group: Pid,
        end: ExitStatus,
        lived: Duration,
    },
    RestartAt(Instant),
}

impl ProgramState {
    pub fn pid(&self) -> Option<Pid> {
        match self {
            ProgramState::Running(program) => Some(program.pid),
            ProgramState::NotRunning | ProgramState::Draining { .. } | ProgramState::RestartAt(_) => None,
        }
    }

    /// Returns its process group while any of its processes lives.
    pub fn group(&self) -> Option<Pid> {
        match self {
            ProgramState::Running(program) => Some(program.pid),
            ProgramState::Draining { group, .. } => Some(*group),
            ProgramState::NotRunning | ProgramState::RestartAt(_) => None,
        }
    }
}

pub(super) struct ActiveTask {
    pub task: Task,
    pub phase: Phase,
}

pub(super) enum Phase {
    Hook(Hook),
    /// The program was stopped by PAUSE.
    Stopping,
    /// The shutdown signal was sent; the reason of a failed checkpoint.
    Exit(Option<Error>),
}

impl ActiveTask {
    /// Returns whether the program was sent SIGSTOP and is not stopped yet.
    pub fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping)
    }

    pub fn hook(&self) -> Option<&Hook> {
        if let Phase::Hook(hook) = &self.phase { Some(hook) } else { None }
    }

    pub fn hook_mut(&mut self) -> Option<&mut Hook> {
        if let Phase::Hook(hook) = &mut self.phase { Some(hook) } else { None }
    }
}

impl Supervisor<'_> {
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn log(&mut self, level: &str, text: &str) {
        self.service.log(level, text);
        self.err.write_line(&format!("{}: {text}", self.service.name()));
    }

    /// Returns all descendants except the watchdog, a hook, and their descendants.
    pub(super) fn processes_below(&self) -> ProcessTree {
        let hook = self.active.as_ref().and_then(ActiveTask::hook).map(|hook| hook.pid);
        let others: Vec<Pid> = self.watchdog.iter().filter_map(|watchdog| watchdog.pid).chain(hook).collect();
        ProcessTree::now(&others)
    }

    /// Kills the program and everything that it started.
    pub(super) fn kill(&mut self, why: &str) {
        let Some(group) = self.state.group() else { return };
        // Repeated: a process that forks at this moment has an unseen child.
        self.kill_at = Some(Instant::now() + Duration::from_secs(1));
        if !std::mem::replace(&mut self.was_killed, true) {
            self.log("warning", &format!("the program is killed: {why}"));
        }
        self.processes_below().signal(group, Signal::KILL);
    }

    /// Returns whether the kernel has stopped the program.
    pub(super) fn is_stopped_by_signal(&self) -> bool {
        self.state.pid().is_none_or(is_stopped)
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.active.as_ref().is_some_and(|open| *open.task.command() == Command::Shutdown)
    }
}
