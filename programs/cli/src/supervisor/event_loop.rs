//! The event loop of a supervised program: signals, commands of the controller, output, exit.
//!
//! It waits only in poll(2). Each turn handles, in this order: a new command, ended children, signals, a cancellation,
//! timers, the active command's phase. Only this thread changes the state; others write a byte to a pipe.
//!
//! The end of this process kills the program's group; after a SIGKILL, the watchdog does that.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linkspan::service::{ServiceLoop, ServiceOptions, keep_ends_of_children};
use linkspan::{Error, ErrorKind, Result, Wait};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::WaitOptions;
use signal_hook::consts::SIGCHLD;

use super::args::RunArgs;
use super::output_stream::OutputStream;
use super::program::ExitStatus;
use super::restarts::Restarts;
use super::state::{ActiveTask, ProgramState, Supervisor};
use super::watchdog::Watchdog;
use crate::executable::{cannot_start, find_program};
use crate::exit::Exit;
use crate::service::ControllerArgs;
use crate::signals::Signals;

/// Runs a program as a service, until the program or the service ends.
///
/// The program's exit code if not 0; 126 and 127 if it cannot be started; errors of the service.
pub fn run(args: &RunArgs, signals: &Signals) -> std::result::Result<(), Exit> {
    signals.disable_forced_exit();
    // Before the service registers with the controller.
    find_program(&args.program[0], args.cwd.as_deref())?;
    if args.exclusive {
        refuse_taken_name(args, signals)?;
    }
    let mut supervisor = Supervisor::new(args, signals)?;
    if args.paused {
        supervisor.service.log("info", "waiting for RUN");
    } else if let Err(error) = supervisor.start() {
        let why = Error::os(format!("starting {}", args.program_name()), error.raw_os_error().unwrap_or(0));
        supervisor.service.fail(&why);
        return Err(cannot_start(&args.program[0], &error));
    }
    let worked = supervisor.work();
    let code = supervisor.exit_code;
    supervisor.finish();
    worked?;
    match code {
        0 => Ok(()),
        code => Err(Exit::Code(code)),
    }
}

/// `AddressInUse` if the controller has a connected service of this name.
fn refuse_taken_name(args: &RunArgs, signals: &Signals) -> Result<()> {
    let at = ControllerArgs { controller: args.controller.clone() };
    let mut check = || signals.check();
    let record = at.connect(Wait::new(CONTROLLER_TIMEOUT).tick(&mut check)).and_then(|controller| {
        controller.status(&args.service_name(), Wait::new(CONTROLLER_TIMEOUT).tick(&mut check))
    });
    let record = match record {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        record => record?,
    };
    let is_taken = matches!(record.at("view")?.as_text()?, "CONNECTED" | "STALE");
    let pid = record.at("pid")?.as_u64()?;
    let text = format!(
        "the controller has a service of this name, with process {pid}: end that one, or give this one a --name of its own"
    );
    if is_taken { Err(Error::new(ErrorKind::AddressInUse, text).on(args.service_name())) } else { Ok(()) }
}

fn os_error(doing: &str, error: &std::io::Error) -> Error {
    Error::os(doing, error.raw_os_error().unwrap_or(0))
}

/// How long --exclusive waits for a controller and for its answer.
const CONTROLLER_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval of checks whether a program that was sent SIGSTOP is stopped.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(20);

impl<'a> Supervisor<'a> {
    fn new(args: &'a RunArgs, signals: &'a Signals) -> Result<Supervisor<'a>> {
        let (wake, wake_sender) =
            UnixStream::pair().map_err(|e| os_error("making a wake-up socket (socketpair)", &e))?;
        for end in [&wake, &wake_sender] {
            end.set_nonblocking(true).map_err(|e| os_error("making a wake-up socket", &e))?;
        }
        keep_ends_of_children();
        let children =
            wake_sender.try_clone().and_then(|end| signal_hook::low_level::pipe::register(SIGCHLD, end));
        children.map_err(|e| os_error("watching for the end of children", &e))?;
        // Orphans become this process's children.
        rustix::process::set_child_subreaper(rustix::process::getpid().into())
            .map_err(|e| os_error("becoming the reaper of orphans", &e.into()))?;
        let cancel_requested = Arc::new(AtomicBool::new(false));
        let mut options = ServiceOptions::default();
        if let Some(controller) = &args.controller {
            options.controller.clone_from(controller);
        }
        let program: Vec<_> = args.program.iter().map(|part| part.to_string_lossy()).collect();
        options.description = args.description.clone().unwrap_or_else(|| program.join(" "));
        options.paused = args.paused;
        options.adopted = true;
        // This loop receives signals and sends the program its own.
        options.handle_signals = false;
        if args.backup.is_some() {
            options.commands.push("BACKUP".into());
        }
        if args.checkpoint.is_none() {
            options.unsupported.push("CHECKPOINT".into());
        }
        let flag = cancel_requested.clone();
        options.on_cancel = Some(Arc::new(move || {
            flag.store(true, Ordering::Release);
            // A full waker means that the thread was already woken.
            let _ = std::io::Write::write(&mut &wake_sender, &[1]);
        }));
        let service = ServiceLoop::start(&args.service_name(), &options)?;
        let watchdog = Watchdog::start();
        if let Err(error) = &watchdog {
            service
                .log("warning", &format!("processes that the program starts may outlive this one: {error}"));
        }
        Ok(Supervisor {
            args,
            service,
            signals,
            stop_requests: 0,
            wake,
            cancel_requested,
            watchdog: watchdog.ok(),
            state: ProgramState::NotRunning,
            kill_at: None,
            was_killed: false,
            last_exit: None,
            restarts: Restarts::new(args.restart, args.restart_delay, args.restart_limit),
            began: Instant::now(),
            active: None,
            out: OutputStream::new("stdout", std::io::stdout())?,
            err: OutputStream::new("stderr", std::io::stderr())?,
            last_was_error: false,
            exit_code: 0,
            has_failed: false,
            refusal: String::new(),
        })
    }

    /// Runs until the service is STOPPED or the program has ended for good.
    fn work(&mut self) -> Result<()> {
        while !self.has_failed {
            self.check_name()?;
            // Before children are checked: a program that ends at once was RUNNING before.
            let mut is_idle = false;
            if self.active.is_none() {
                match self.service.next(Duration::ZERO) {
                    Ok(Some(task)) => self.begin(task)?,
                    Ok(None) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::Timeout => is_idle = true,
                    Err(error) => return Err(error),
                }
            }
            self.reap();
            self.handle_signals_received()?;
            if self.cancel_requested.swap(false, Ordering::AcqRel) {
                self.cancel_active()?;
            }
            self.run_timers()?;
            self.advance()?;
            // After the command that was just answered, another one may be waiting.
            if !self.has_failed && (is_idle || self.active.is_some()) {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Notes once that the name is taken; with --exclusive, that ends the service.
    fn check_name(&mut self) -> Result<()> {
        let Some(error) = self.service.problem().filter(|error| error.kind() == ErrorKind::AddressInUse)
        else {
            return Ok(());
        };
        if self.args.exclusive {
            self.service.fail(&error);
            return Err(error);
        }
        if self.refusal != error.text() {
            error.text().clone_into(&mut self.refusal);
            let line =
                format!("{}: {error}; until then the program runs without a controller", self.service.name());
            self.err.write_line(&line);
        }
        Ok(())
    }

    /// Collects ended children: the program, the active hook, the watchdog, or orphans.
    fn reap(&mut self) {
        let mut some = [0; 256];
        while matches!(self.wake.read(&mut some), Ok(n) if n == some.len()) {}
        // No other code reaps children.
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let Some(end) = ExitStatus::of(status) else { continue };
            if self.state.pid() == Some(pid) {
                self.program_ended(end);
            } else if let Some(hook) =
                self.active.as_mut().and_then(ActiveTask::hook_mut).filter(|hook| hook.pid == pid)
            {
                hook.ended(end);
            } else if self.watchdog.as_ref().is_some_and(|watchdog| watchdog.pid == Some(pid)) {
                self.replace_watchdog();
            }
            // The others are orphans of the program or of a hook.
        }
    }

    fn replace_watchdog(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.pid = None;
        }
        self.service
            .log("warning", "the watchdog of the program's process group was killed; a new one was started");
        self.watchdog = Watchdog::start().ok();
        let group = self.state.group();
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.set_group(group);
        }
    }

    /// The first signals request a shutdown; the second ends its wait, the third this process.
    fn handle_signals_received(&mut self) -> Result<()> {
        for _ in 0..self.signals.take_count() {
            self.stop_requests += 1;
            self.service.shutdown();
            if self.stop_requests == 2 {
                self.signals.force_exit_on_next()?;
            }
        }
        Ok(())
    }

    /// The kill after --grace, the end of a hook, a restart, reports of omitted log lines.
    fn run_timers(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill("the time of --grace is over");
        }
        if let Some(hook) = self.active.as_mut().and_then(ActiveTask::hook_mut)
            && hook.due.is_some_and(|due| due <= now)
        {
            hook.kill_late();
        }
        if let ProgramState::RestartAt(until) = self.state
            && until <= now
        {
            self.restart();
        }
        let now = self.now();
        self.out.log_left_out(&self.service, now, false);
        self.err.log_left_out(&self.service, now, false);
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let rate_limit =
            [self.out.due(), self.err.due()].into_iter().flatten().min().map(|due| self.began + due);
        let hook = self.active.as_ref().and_then(ActiveTask::hook);
        // A program stopped in `vfork` causes no event.
        let stopping = self
            .active
            .as_ref()
            .is_some_and(ActiveTask::is_stopping)
            .then(|| Instant::now() + STOP_CHECK_INTERVAL);
        let restart = if let ProgramState::RestartAt(until) = self.state { Some(until) } else { None };
        let due = [rate_limit, hook.and_then(|hook| hook.due), restart, self.kill_at, stopping]
            .into_iter()
            .flatten()
            .min();
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut on: Vec<BorrowedFd<'_>> = vec![self.wake.as_fd(), self.signals.fd()];
        // While a command is active, no other is accepted.
        if self.active.is_none() {
            on.push(self.service.as_fd());
        }
        on.extend([&self.out, &self.err].into_iter().filter_map(OutputStream::descriptor));
        if let Some(hook) = hook {
            on.extend(hook.pipes());
        }
        let mut on: Vec<_> = on.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut on, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(os_error("waiting for events of the program (ppoll)", &error.into())),
        }
        let now = self.now();
        // One chunk: a program that prints all the time does not delay others.
        if self.out.read(&self.service, now) {
            self.last_was_error = false;
        }
        if self.err.read(&self.service, now) {
            self.last_was_error = true;
        }
        if let Some(hook) = self.active.as_mut().and_then(ActiveTask::hook_mut) {
            hook.read();
        }
        Ok(())
    }

    fn finish(mut self) {
        // The program must not outlive this process.
        if self.state.group().is_some() {
            self.kill("its service has ended");
        }
        self.out.finish();
        self.err.finish();
    }
}
