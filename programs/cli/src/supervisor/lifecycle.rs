//! Starts, terminates and restarts the program, and terminates its remaining descendants.
//!
//! The program is NotRunning, Running, Draining (descendants still run) or waits for its restart. It counts as ended
//! after its last descendant, so a restart meets no earlier processes.

use std::io;
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, State, in_seconds};
use rustix::process::Signal;

use super::process_tree::signal_group;
use super::program::{ExitStatus, Program};
use super::restarts::Decision;
use super::state::{ProgramState, Supervisor};

impl Supervisor<'_> {
    pub(super) fn start(&mut self) -> io::Result<()> {
        let (program, pipes) = Program::start(self.args)?;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.set_group(Some(program.pid));
        }
        self.service.log("info", &format!("started {} as process {}", self.args.program_name(), program.pid));
        self.out.listen(pipes.out);
        self.err.listen(pipes.err);
        self.state = ProgramState::Running(program);
        Ok(())
    }

    /// Starts the program again; a failure counts as one more end.
    pub(super) fn restart(&mut self) {
        self.state = ProgramState::NotRunning;
        match self.start() {
            Ok(()) => self.service.set_reason(""),
            Err(error) => {
                self.decide(&format!("could not be started again: {error}"), false, 127, Duration::ZERO)
            }
        }
    }

    /// Handles the end of the program's process. Its descendants may still run.
    pub(super) fn program_ended(&mut self, end: ExitStatus) {
        let ProgramState::Running(program) = std::mem::replace(&mut self.state, ProgramState::NotRunning)
        else {
            return;
        };
        self.last_exit = Some(end);
        self.state = ProgramState::Draining { group: program.pid, end, lived: program.began.elapsed() };
        // During a shutdown the descendants have been signalled already.
        if self.kill_at.is_none() && !self.processes_below().is_empty() {
            self.terminate();
        }
    }

    /// Signals the program and its descendants, and kills them after the grace period.
    pub(super) fn terminate(&mut self) {
        let Some(group) = self.state.group() else { return };
        self.kill_at = Some(Instant::now() + self.args.grace);
        self.processes_below().signal(group, self.args.shutdown_signal);
        // A stopped process handles the signal only after SIGCONT.
        signal_group(group, Signal::CONT);
        if let ProgramState::Running(program) = &mut self.state {
            program.is_stopped = false;
        }
    }

    /// After the last descendant, decides about a restart.
    pub(super) fn check_drained(&mut self) {
        let ProgramState::Draining { end, lived, .. } = self.state else { return };
        if !self.processes_below().is_empty() {
            return;
        }
        self.state = ProgramState::NotRunning;
        self.kill_at = None;
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.set_group(None);
        }
        let now = self.now();
        self.out.end(&self.service, now);
        self.err.end(&self.service, now);
        self.service.log("info", &format!("the program has ended with {end} after {}", in_seconds(lived)));
        if !self.is_shutting_down() {
            self.was_killed = false;
            self.decide(&format!("ended with {end}"), end.is_success(), end.exit_code(), lived);
        }
    }

    /// Decides on the next step after the program has ended without a shutdown.
    fn decide(&mut self, what: &str, well: bool, code: u8, lived: Duration) {
        let now = self.now();
        let is_paused = matches!(self.service.state(), State::Pausing | State::Paused);
        match self.restarts.ended(well, lived, now) {
            Decision::Stop if well => {
                self.service.set_reason(&format!("the program {what}"));
                self.service.shutdown();
            }
            Decision::Stop => {
                self.exit_code = code;
                self.service.fail(&Error::new(ErrorKind::Disconnected, format!("the program {what}")));
                self.has_failed = true;
            }
            _ if is_paused => {
                let text = format!("the program {what} while it was paused: RUN starts it again");
                self.log("warning", &text);
                self.service.set_reason(&text);
            }
            Decision::Restart(after) => {
                let text = format!("the program {what}; it is restarted in {}", in_seconds(after));
                self.log("warning", &text);
                self.service.set_reason(&text);
                self.state = ProgramState::RestartAt(Instant::now() + after);
            }
            Decision::GiveUp => {
                let limit = self.args.restart_limit;
                let text = format!(
                    "the program {what}, after {} restarts in {}: RUN starts it again",
                    limit.count,
                    in_seconds(limit.window)
                );
                self.log("error", &text);
                self.service.fail(&Error::new(ErrorKind::Disconnected, text));
            }
        }
    }
}
