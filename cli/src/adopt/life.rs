//! The life of an adopted program: started, ended, what it left behind ended too, and started again.

use std::io;
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, State};
use rustix::process::{Pid, Signal};

use super::family::signal_group;
use super::program::{End, Program};
use super::restarts::Verdict;
use super::wrapper::Wrapper;

/// Where the program is in its life.
pub(super) enum Life {
    /// Not started, or ended.
    Absent,
    Lives(Program),
    /// It has ended, and some of what it started has not.
    Leaving {
        group: Pid,
        end: End,
        lived: Duration,
    },
    /// Started again then.
    Waits(Instant),
}

impl Life {
    /// The program's process, while it lives.
    pub fn pid(&self) -> Option<Pid> {
        match self {
            Life::Lives(program) => Some(program.pid),
            Life::Absent | Life::Leaving { .. } | Life::Waits(_) => None,
        }
    }

    /// Its process group, as long as one of it lives.
    pub fn group(&self) -> Option<Pid> {
        match self {
            Life::Lives(program) => Some(program.pid),
            Life::Leaving { group, .. } => Some(*group),
            Life::Absent | Life::Waits(_) => None,
        }
    }
}

impl Wrapper<'_> {
    /// Starts the program.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let (program, pipes) = Program::start(self.asked)?;
        if let Some(keeper) = &mut self.keeper {
            keeper.keeps(Some(program.pid));
        }
        self.service
            .log("info", &format!("started {} as process {}", self.asked.program_name(), program.pid));
        self.out.listen(pipes.out);
        self.err.listen(pipes.err);
        self.life = Life::Lives(program);
        Ok(())
    }

    pub(super) fn start_again(&mut self) {
        self.life = Life::Absent;
        match self.start() {
            Ok(()) => self.service.set_reason(""),
            Err(error) => {
                self.decide(&format!("could not be started again: {error}"), false, 127, Duration::ZERO)
            }
        }
    }

    /// The program's process has ended; what it started may live on.
    pub(super) fn program_ended(&mut self, end: End) {
        let Life::Lives(program) = std::mem::replace(&mut self.life, Life::Absent) else { return };
        self.last_end = Some(end);
        self.life = Life::Leaving { group: program.pid, end, lived: program.began.elapsed() };
        // Who is asked to end has been told already.
        if self.kill_at.is_none() && !self.family().is_empty() {
            self.ask_to_end();
        }
    }

    /// Asks the program and all that it started to end; what does not is killed when its grace is over.
    pub(super) fn ask_to_end(&mut self) {
        let Some(group) = self.life.group() else { return };
        self.kill_at = Some(Instant::now() + self.asked.grace);
        self.family().signal(group, self.asked.shutdown_signal);
        // A stopped one hears the signal once it goes on.
        signal_group(group, Signal::CONT);
        if let Life::Lives(program) = &mut self.life {
            program.is_stopped = false;
        }
    }

    /// Whether all of it has ended: then what follows is decided.
    pub(super) fn look_whether_it_is_over(&mut self) {
        let Life::Leaving { end, lived, .. } = self.life else { return };
        if !self.family().is_empty() {
            return;
        }
        self.life = Life::Absent;
        self.kill_at = None;
        if let Some(keeper) = &mut self.keeper {
            keeper.keeps(None);
        }
        let now = self.now();
        self.out.end(&self.service, now);
        self.err.end(&self.service, now);
        self.service
            .log("info", &format!("the program has ended with {end} after {:.1} s", lived.as_secs_f64()));
        if !self.is_shutting_down() {
            self.was_killed = false;
            self.decide(&format!("ended with {end}"), end.is_well(), end.exit_code(), lived);
        }
    }

    /// The program has ended by itself.
    fn decide(&mut self, what: &str, well: bool, code: u8, lived: Duration) {
        let now = self.now();
        let is_paused = matches!(self.service.state(), State::Pausing | State::Paused);
        match self.restarts.ended(well, lived, now) {
            Verdict::End => {
                self.code = code;
                self.service.set_reason(&format!("the program {what}"));
                self.service.shutdown();
            }
            _ if is_paused => {
                let text = format!("the program {what} while it was paused: RUN starts it anew");
                self.say("warning", &text);
                self.service.set_reason(&text);
            }
            Verdict::Again(after) => {
                let text = format!("the program {what}, it is started again in {} s", after.as_secs_f64());
                self.say("warning", &text);
                self.service.set_reason(&text);
                self.life = Life::Waits(Instant::now() + after);
            }
            Verdict::GiveUp => {
                let limit = self.asked.restart_limit;
                let text = format!(
                    "the program {what}, after {} restarts in {} s: RUN starts it anew",
                    limit.count,
                    limit.window.as_secs_f64()
                );
                self.say("error", &text);
                self.service.fail(&Error::new(ErrorKind::Disconnected, text));
            }
        }
    }
}
