//! The event loop around an adopted program: signals, the controller's commands, its output, its end. Nothing is polled.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linkspan::service::{ServiceLoop, ServiceOptions};
use linkspan::{Error, ErrorKind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions};
use signal_hook::consts::SIGCHLD;

use super::family::{Family, is_stopped};
use super::keeper::Keeper;
use super::life::Life;
use super::options::Adopt;
use super::program::{End, look_for};
use super::restarts::Restarts;
use super::stream::Stream;
use super::tasks::Open;
use crate::ending::{self, Ending};
use crate::stop::Stop;

/// Everything about one adopted program.
pub(super) struct Wrapper<'a> {
    pub asked: &'a Adopt,
    pub service: ServiceLoop,
    stop: &'a Stop,
    /// How many signals have asked us to stop.
    asked_to_stop: usize,
    /// Rung when a child's state has changed, and when what is under way is to be given up.
    bell: UnixStream,
    given_up: Arc<AtomicBool>,
    pub keeper: Option<Keeper>,
    pub life: Life,
    /// When what is left of the program is killed.
    pub kill_at: Option<Instant>,
    pub was_killed: bool,
    pub last_end: Option<End>,
    pub restarts: Restarts,
    pub began: Instant,
    /// The command under way.
    pub open: Option<Open>,
    pub out: Stream,
    pub err: Stream,
    /// Where the last line came from: standard error?
    pub last_was_error: bool,
    /// The exit code.
    pub code: u8,
}

/// Runs a program as a service, until one of them ends.
pub fn run(asked: &Adopt, stop: &Stop) -> std::result::Result<(), Ending> {
    stop.take_over();
    // Before anybody hears of a service that cannot be.
    if let Err(error) = look_for(asked) {
        return Err(unstarted(asked, &error));
    }
    let mut wrapper = Wrapper::new(asked, stop)?;
    if asked.paused {
        wrapper.service.log("info", "it is started by RUN");
    } else if let Err(error) = wrapper.start() {
        let why = Error::os(format!("starting {}", asked.program_name()), error.raw_os_error().unwrap_or(0));
        wrapper.service.fail(&why);
        return Err(unstarted(asked, &error));
    }
    let worked = wrapper.work();
    let code = wrapper.code;
    wrapper.finish();
    worked?;
    match code {
        0 => Ok(()),
        code => Err(Ending::Told(code)),
    }
}

/// As shells say it.
fn unstarted(asked: &Adopt, error: &std::io::Error) -> Ending {
    let kind = error.kind();
    ending::note(&format!("{} cannot be started: {error}", asked.program_name()));
    Ending::Told(if kind == std::io::ErrorKind::NotFound { 127 } else { 126 })
}

fn of_system(doing: &str, error: &std::io::Error) -> Error {
    Error::os(doing, error.raw_os_error().unwrap_or(0))
}

/// How often it is looked whether a program that was told to stand still does.
const HALTING_LOOK: Duration = Duration::from_millis(20);

impl<'a> Wrapper<'a> {
    fn new(asked: &'a Adopt, stop: &'a Stop) -> Result<Wrapper<'a>> {
        let (bell, ringing) = UnixStream::pair().map_err(|e| of_system("making a bell", &e))?;
        for end in [&bell, &ringing] {
            end.set_nonblocking(true).map_err(|e| of_system("making a bell", &e))?;
        }
        let children =
            ringing.try_clone().and_then(|end| signal_hook::low_level::pipe::register(SIGCHLD, end));
        children.map_err(|e| of_system("watching for the end of children", &e))?;
        // Orphans of the program become our children, and not those of a process that knows nothing of them.
        rustix::process::set_child_subreaper(rustix::process::getpid().into())
            .map_err(|e| of_system("becoming the reaper of orphans", &e.into()))?;
        let given_up = Arc::new(AtomicBool::new(false));
        let mut options = ServiceOptions::default();
        if let Some(controller) = &asked.controller {
            options.controller.clone_from(controller);
        }
        let program: Vec<_> = asked.program.iter().map(|part| part.to_string_lossy()).collect();
        options.description = asked.description.clone().unwrap_or_else(|| program.join(" "));
        options.paused = asked.paused;
        // The program's signals are ours to send, and ours are heard in this loop.
        options.handle_signals = false;
        if asked.backup.is_some() {
            options.commands.push("BACKUP".into());
        }
        if asked.checkpoint.is_none() {
            options.unsupported.push("CHECKPOINT".into());
        }
        let flag = given_up.clone();
        options.on_cancel = Some(Arc::new(move || {
            flag.store(true, Ordering::Release);
            // A bell that has no room has been rung.
            let _ = std::io::Write::write(&mut &ringing, &[1]);
        }));
        let service = ServiceLoop::start(&asked.service_name(), &options)?;
        let keeper = Keeper::start();
        if let Err(error) = &keeper {
            service.log("warning", &format!("what the program starts may survive us: {error}"));
        }
        Ok(Wrapper {
            asked,
            service,
            stop,
            asked_to_stop: 0,
            bell,
            given_up,
            keeper: keeper.ok(),
            life: Life::Absent,
            kill_at: None,
            was_killed: false,
            last_end: None,
            restarts: Restarts::new(asked.restart, asked.restart_delay, asked.restart_limit),
            began: Instant::now(),
            open: None,
            out: Stream::new("stdout", std::io::stdout()),
            err: Stream::new("stderr", std::io::stderr()),
            last_was_error: false,
            code: 0,
        })
    }

    /// Until the service is STOPPED.
    fn work(&mut self) -> Result<()> {
        loop {
            // Before its children are looked after: a program that has ended at once has been RUNNING.
            let mut is_idle = false;
            if self.open.is_none() {
                match self.service.next(Duration::ZERO) {
                    Ok(Some(task)) => self.begin(task)?,
                    Ok(None) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::Timeout => is_idle = true,
                    Err(error) => return Err(error),
                }
            }
            self.reap();
            self.heed_signals()?;
            if self.given_up.swap(false, Ordering::AcqRel) {
                self.give_up()?;
            }
            self.look_at_the_clock()?;
            self.go_on()?;
            // What has just been answered may have another command behind it.
            if is_idle || self.open.is_some() {
                self.sleep()?;
            }
        }
    }

    /// The time since we began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line for whoever watches, here and there.
    pub(super) fn say(&mut self, level: &str, text: &str) {
        self.service.log(level, text);
        self.err.say(&format!("{}: {text}", self.service.name()));
    }

    /// Those below us that are neither the keeper's nor a given command's.
    pub(super) fn family(&self) -> Family {
        let given = self.open.as_ref().and_then(Open::given).map(|given| given.pid);
        let others: Vec<Pid> = self.keeper.iter().filter_map(|keeper| keeper.pid).chain(given).collect();
        Family::now(&others)
    }

    fn reap(&mut self) {
        let mut some = [0; 256];
        while matches!(self.bell.read(&mut some), Ok(n) if n == some.len()) {}
        // Nobody else in this program waits for children.
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let Some(end) = End::of(status) else { continue };
            if self.life.pid() == Some(pid) {
                self.program_ended(end);
            } else if let Some(given) =
                self.open.as_mut().and_then(Open::given_mut).filter(|given| given.pid == pid)
            {
                given.ended(end);
            } else if self.keeper.as_ref().is_some_and(|keeper| keeper.pid == Some(pid)) {
                self.replace_keeper();
            }
            // Others are orphans of the program's, or of a given command's.
        }
    }

    fn replace_keeper(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.pid = None;
        }
        self.service
            .log("warning", "the keeper of the program's process group was killed, there is a new one");
        self.keeper = Keeper::start().ok();
        let group = self.life.group();
        if let Some(keeper) = &mut self.keeper {
            keeper.keeps(group);
        }
    }

    fn heed_signals(&mut self) -> Result<()> {
        for _ in 0..self.stop.heard() {
            self.asked_to_stop += 1;
            self.service.shutdown();
            if self.asked_to_stop == 2 {
                self.stop.let_go()?;
            }
        }
        Ok(())
    }

    fn look_at_the_clock(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill("its grace is over");
        }
        if let Some(given) = self.open.as_mut().and_then(Open::given_mut)
            && given.due.is_some_and(|due| due <= now)
        {
            given.kill_late();
        }
        if let Life::Waits(until) = self.life
            && until <= now
        {
            self.start_again();
        }
        let now = self.now();
        self.out.tell(&self.service, now, false);
        self.err.tell(&self.service, now, false);
        Ok(())
    }

    /// Sleeps until something happens, and takes what the program has printed.
    fn sleep(&mut self) -> Result<()> {
        let flood = [self.out.due(), self.err.due()].into_iter().flatten().min().map(|due| self.began + due);
        let given = self.open.as_ref().and_then(Open::given);
        // A program that is stopped while it waits in `vfork` tells nobody.
        let halting = self.open.as_ref().is_some_and(Open::is_halting).then(|| Instant::now() + HALTING_LOOK);
        let restart = if let Life::Waits(until) = self.life { Some(until) } else { None };
        let due = [flood, given.and_then(|given| given.due), restart, self.kill_at, halting]
            .into_iter()
            .flatten()
            .min();
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut on: Vec<BorrowedFd<'_>> = vec![self.bell.as_fd(), self.stop.bell()];
        // While a command is open there is no next one.
        if self.open.is_none() {
            on.push(self.service.as_fd());
        }
        on.extend([&self.out, &self.err].into_iter().filter_map(Stream::descriptor));
        if let Some(given) = given {
            on.extend(given.pipes());
        }
        let mut on: Vec<_> = on.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut on, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(of_system("sleeping", &error.into())),
        }
        let now = self.now();
        // One piece of each: who prints without end does not keep the others from being heard.
        if self.out.read(&self.service, now) {
            self.last_was_error = false;
        }
        if self.err.read(&self.service, now) {
            self.last_was_error = true;
        }
        if let Some(given) = self.open.as_mut().and_then(Open::given_mut) {
            given.read();
        }
        Ok(())
    }

    /// Kills the program and all that it started, at once.
    pub(super) fn kill(&mut self, why: &str) {
        // Again until nothing is there: one that forks at this moment has a child that we have not seen.
        self.kill_at = Some(Instant::now() + Duration::from_secs(1));
        if !std::mem::replace(&mut self.was_killed, true) {
            self.say("warning", &format!("the program is killed: {why}"));
        }
        if let Some(group) = self.life.group() {
            self.family().signal(group, Signal::KILL);
        }
    }

    /// Whether the kernel has stopped the program.
    pub(super) fn stands_still(&self) -> bool {
        self.life.pid().is_none_or(is_stopped)
    }

    fn finish(mut self) {
        // Where we end by an error of our own, the program does not go on by itself.
        if self.life.group().is_some() {
            self.kill("its service has ended");
        }
        self.out.finish();
        self.err.finish();
    }
}
