//! The service's side for programs with their own loop: [`ServiceLoop`] hands out tasks.
//!
//! The program calls [`ServiceLoop::next`], works on the [`Task`] and calls [`Task::done`] or [`Task::failed`]. The
//! library's threads handle the connection, deadlines, STATUS and signals.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::controller::Controller;
use super::lifecycle::{Next, Setup, Work};
use super::link::{ControllerLink, OnCancel, ServiceIdentity, link_options};
use super::notify::Supervisor;
use super::state::State;
use super::writer::ServiceWriter;
use crate::deadline::{Timeout, Wait, Waiting};
use crate::engine::{Options, service_side};
use crate::error::{Error, ErrorKind, Result, brief, quoted};
use crate::sys::fork::OfProcess;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::{fork, random, thread};
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Value};

/// The time for sending the last messages, such as the answer to SHUTDOWN, to a slow controller.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The options of a service. [`ServiceOptions::set`] sets them by name.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// The controller's endpoint, by a stream. Default: `$LINKSPAN_CONTROLLER`, or `unix:controller`.
    pub controller: String,
    /// The period of its steps; zero for steps without a pause. `None` for no periodic steps.
    pub every: Option<Duration>,
    /// Whether it waits in READY for RUN.
    pub paused: bool,
    /// A description for people, in one line.
    pub description: String,
    /// The accepted commands besides the usual ones: `CONFIG`, `BACKUP` and its own.
    pub commands: Vec<String>,
    /// The commands among `GET_DATA` and `CHECKPOINT` that the program cannot carry out.
    ///
    /// Controllers do not offer them.
    pub unsupported: Vec<String>,
    /// Whether it stands for a program without Linkspan.
    ///
    /// Its log has the program's output at the levels `stdout` and `stderr`.
    pub adopted: bool,
    /// The options of its link to the controller.
    pub channel: Options,
    /// A callback that runs in a thread of the library when the running task is cancelled.
    pub on_cancel: Option<OnCancel>,
    /// Whether SIGTERM and SIGINT mean SHUTDOWN.
    ///
    /// A second signal cancels the running task, a third one kills.
    pub handle_signals: bool,
}

impl Default for ServiceOptions {
    fn default() -> ServiceOptions {
        ServiceOptions {
            controller: Controller::default_endpoint(),
            every: None,
            paused: false,
            description: String::new(),
            commands: Vec::new(),
            unsupported: Vec::new(),
            adopted: false,
            channel: Options::default(),
            on_cancel: None,
            handle_signals: true,
        }
    }
}

impl fmt::Debug for ServiceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceOptions")
            .field("controller", &self.controller)
            .field("every", &self.every)
            .field("paused", &self.paused)
            .field("commands", &self.commands)
            .finish_non_exhaustive()
    }
}

impl ServiceOptions {
    const NAMES: [&str; 5] = ["controller", "every", "paused", "description", "commands"];

    /// Sets an option by name.
    ///
    /// The names are `controller`, `every` (seconds), `paused`, `description`, `commands`, and the options of the link.
    ///
    /// # Errors
    ///
    /// As for [`Options::set`].
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        let set = match name {
            "controller" => value.as_text().map(|text| self.controller = text.to_owned()),
            "every" => self.set_every(value),
            "paused" => value.as_bool().map(|paused| self.paused = paused),
            "description" => value.as_text().map(|text| self.description = text.to_owned()),
            "commands" => self.set_commands(value),
            _ => return service_side::set_beside(&mut self.channel, &Self::NAMES, name, value),
        };
        set.map_err(|e| e.under_key(name))
    }

    fn set_every(&mut self, value: &Value) -> Result<()> {
        self.every = match value {
            Value::Null => None,
            _ => {
                let seconds = match value {
                    Value::Int(whole) => *whole as f64,
                    _ => value.as_f64()?,
                };
                Some(Duration::try_from_secs_f64(seconds).map_err(|_| {
                    let text = format!("a period of {} s: give seconds from 0 upwards", brief(seconds));
                    Error::new(ErrorKind::OutOfRange, text)
                })?)
            }
        };
        Ok(())
    }

    fn set_commands(&mut self, value: &Value) -> Result<()> {
        let commands = value.as_array()?.iter().map(|name| name.as_text().map(str::to_owned));
        self.commands = commands.collect::<Result<_>>()?;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        for name in &self.commands {
            let known = Command::from_name(name)?;
            if !matches!(known, Command::Config | Command::Backup | Command::Own(_)) {
                let text = format!("{name} is a command of every service: it is not to be named");
                return Err(Error::new(ErrorKind::OutOfRange, text));
            }
        }
        for name in &self.unsupported {
            if !Command::from_name(name)?.may_be_unsupported() {
                let text =
                    format!("every service takes {name}: GET_DATA and CHECKPOINT alone may be unsupported");
                return Err(Error::new(ErrorKind::OutOfRange, text));
            }
        }
        Ok(())
    }
}

/// A service whose program fetches its tasks: steps and commands.
///
/// One thread fetches them; any thread may log and request a shutdown.
pub struct ServiceLoop {
    link: OfProcess<Arc<ControllerLink>>,
    /// Contains `program_waker` and `task_timer`: the descriptor of [`ServiceLoop::fileno`].
    epoll: Epoll,
    /// The process that started the service, as a count of forks.
    generation: u64,
}

fn check_name(name: &str) -> Result<()> {
    let whole = name.parse::<Endpoint>().and_then(|endpoint| {
        if name.contains(':') {
            let text =
                format!("{name} is an endpoint; the name of a service has no transport", name = quoted(name));
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        Ok(endpoint)
    });
    whole.map(drop)
}

impl ServiceLoop {
    /// Starts a service in STARTING, which connects to its controller in the background.
    ///
    /// Returns at once. `InvalidEndpoint` for an invalid name.
    pub fn start(name: &str, options: &ServiceOptions) -> Result<ServiceLoop> {
        check_name(name)?;
        options.check()?;
        let identity = ServiceIdentity {
            name: name.to_owned(),
            description: options.description.clone(),
            unsupported: options.unsupported.clone(),
            adopted: options.adopted,
            controller: options.controller.clone(),
            options: options.channel.clone(),
            on_cancel: options.on_cancel.clone(),
            handle_signals: options.handle_signals,
        };
        let setup = Setup {
            epoch: new_epoch()?,
            every: options.every,
            paused: options.paused,
            commands: options.commands.clone(),
        };
        let epoll = Epoll::new()?;
        let link = start_link(identity, setup)?;
        epoll.add(&link.program_waker, 0, Interest::IN)?;
        epoll.add(&link.task_timer, 1, Interest::IN)?;
        Ok(ServiceLoop { link: link.into(), epoll, generation: fork::generation() })
    }

    /// Returns the next task; `None` after the end of the service. [`Timeout::Default`] waits forever.
    ///
    /// The first call makes the service READY, and RUNNING unless it starts paused. At the end it waits up to 5 s for
    /// the last messages.
    ///
    /// # Errors
    ///
    /// `Timeout` without a task in time. `InvalidState` while the previous task is open, and in another process after a
    /// fork. The error of a wait that the kernel refuses to a thread of the service.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Task>> {
        fork::check(self.generation)?;
        let on_wait = &self.link.identity.options.on_wait;
        let mut waiting = Waiting::start(wait.into(), Timeout::Forever).on_wait(on_wait);
        let mut ready = Vec::new();
        loop {
            self.link.program_waker.drain();
            if let Some(error) = self.link.broken() {
                return Err(error.on(&self.link.identity.name));
            }
            if self.link.read(|lifecycle| lifecycle.running().is_some()) {
                let text = "the previous task is still open: call done or failed first";
                return Err(Error::new(ErrorKind::InvalidState, text).on(&self.link.identity.name));
            }
            match self.link.with(|lifecycle, now| lifecycle.next_task(now)) {
                Next::Work(work) => {
                    return Ok(Some(Task { link: Arc::clone(&self.link).into(), work: Some(work) }));
                }
                Next::End => {
                    self.close_quietly(&mut Waiting::until(crate::deadline::Deadline::after(CLOSE_TIMEOUT)));
                    return Ok(None);
                }
                Next::Wait => {}
            }
            let waited = self.epoll.wait(&mut waiting, &mut ready);
            waited.map_err(|e| e.on(&self.link.identity.name))?;
        }
    }

    fn close_quietly(&self, waiting: &mut Waiting<'_>) {
        // Without a controller, the end of the link reports this error.
        let _ = self.link.end(waiting);
    }

    /// Makes the service FAILED with this error as the reason.
    ///
    /// RUN tries again if the program fetches it.
    pub fn fail(&self, error: &Error) {
        if self.is_of_this_process() {
            self.link.with(|lifecycle, now| ((), lifecycle.fail(error, now)));
        }
    }

    /// Reports a problem that does not stop the service; an empty text means none.
    pub fn set_reason(&self, reason: &str) {
        if self.is_of_this_process() {
            self.link.with(|lifecycle, _| ((), lifecycle.set_reason(reason)));
        }
    }

    /// Adds a line to the service's log, of the level `debug`, `info`, `warning` or `error`.
    pub fn log(&self, level: &str, text: &str) {
        if self.is_of_this_process() {
            self.link.log(level, text);
        }
    }

    /// Acts as a signal: SHUTDOWN, and the second time cancels the running task.
    pub fn shutdown(&self) {
        if self.is_of_this_process() {
            self.link.with(|lifecycle, now| ((), lifecycle.terminate(now)));
        }
    }

    fn is_of_this_process(&self) -> bool {
        fork::check(self.generation).is_ok()
    }

    /// Returns its state; `Stopped` in a forked child, in which it does not run.
    pub fn state(&self) -> State {
        if !self.is_of_this_process() {
            return State::Stopped;
        }
        self.link.read(|lifecycle| lifecycle.state())
    }

    /// Returns whether the running task should be cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.is_of_this_process() && self.link.read(|lifecycle| lifecycle.is_cancelled())
    }

    /// Returns whether a controller is connected.
    pub fn is_connected(&self) -> bool {
        self.is_of_this_process() && self.link.is_connected()
    }

    /// Returns why its last connection to the controller failed; `None` after the next welcome.
    ///
    /// For example `AddressInUse` if the controller has a service of this name.
    pub fn problem(&self) -> Option<Error> {
        match fork::check(self.generation) {
            Ok(()) => self.link.problem(),
            Err(error) => Some(error.on(&self.link.identity.name)),
        }
    }

    /// Returns the number of this incarnation; 0 in a forked child.
    pub fn epoch(&self) -> u64 {
        if !self.is_of_this_process() {
            return 0;
        }
        self.link.read(|lifecycle| lifecycle.setup().epoch)
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.link.identity.name
    }

    /// Returns a descriptor for an event loop, readable while a task or the end is due.
    ///
    /// [`ServiceLoop::next`] then has something to do without waiting, even at its first call.
    ///
    /// # Errors
    ///
    /// `InvalidState` in a process other than the one that made it.
    pub fn fileno(&self) -> Result<RawFd> {
        fork::check(self.generation)?;
        Ok(self.epoll.as_raw_fd())
    }

    /// Returns counters, state and connection as a map; empty in a forked child.
    pub fn stats(&self) -> Value {
        if !self.is_of_this_process() {
            return Value::Map(Map::new());
        }
        self.link.stats()
    }

    /// Ends a service that was not shut down: answers the open commands, sends a goodbye and disconnects.
    ///
    /// The service is then STOPPED, or FAILED if it was FAILED before.
    ///
    /// # Errors
    ///
    /// `Timeout` if the controller has not received everything by the deadline; the service has ended nevertheless.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.generation).is_err() {
            return Ok(());
        }
        let mut waiting = Waiting::start(wait.into(), self.link.identity.options.timeout);
        self.link.end(&mut waiting).map_err(|e| e.on(&self.link.identity.name))
    }
}

impl AsFd for ServiceLoop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Drop for ServiceLoop {
    fn drop(&mut self) {
        if fork::check(self.generation).is_ok() {
            self.close_quietly(&mut Waiting::until(crate::deadline::Deadline::after(CLOSE_TIMEOUT)));
        }
    }
}

/// A task. If it is dropped without a result, a step counts as done and a command as failed.
pub struct Task {
    link: OfProcess<Arc<ControllerLink>>,
    /// `None` after the result was reported.
    work: Option<Work>,
}

impl Task {
    fn work(&self) -> &Work {
        self.work.as_ref().unwrap_or_else(|| unreachable!("a task holds its work until it ends"))
    }

    /// Returns the command.
    pub fn command(&self) -> &Command {
        &self.work().request.command
    }

    /// Returns its arguments; null for none.
    pub fn arguments(&self) -> &Value {
        &self.work().request.arguments
    }

    /// Returns the command's id; empty for a step and for a signal.
    pub fn id(&self) -> &str {
        &self.work().request.id
    }

    /// Returns the state before the command: a SHUTDOWN from PAUSED finds everything closed.
    pub fn before(&self) -> State {
        self.work().before
    }

    /// Returns the time that remains for it; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        let due = self.work().due;
        (due < Duration::MAX).then(|| due.saturating_sub(self.link.now()))
    }

    /// Returns whether it should be cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.check().is_ok() && self.link.read(|lifecycle| lifecycle.is_cancelled())
    }

    /// Fails with `InvalidState` in a process other than the service's.
    fn check(&self) -> Result<()> {
        OfProcess::born(&self.link).check().map_err(|e| e.on(&self.link.identity.name))
    }

    /// Reports success with this value.
    pub fn done(mut self, value: &Value) -> Result<()> {
        self.check()?;
        self.finish(Ok(value.clone()));
        Ok(())
    }

    /// Reports failure with this error.
    pub fn failed(mut self, error: &Error) -> Result<()> {
        self.check()?;
        self.finish(Err(error.clone()));
        Ok(())
    }

    fn finish(&mut self, result: Result<Value>) {
        if self.work.take().is_some() {
            self.link.with(|lifecycle, now| ((), lifecycle.finish(result, now)));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let Some(work) = self.work.as_ref().filter(|_| self.check().is_ok()) else { return };
        let result = match work.request.command {
            Command::Step => Ok(Value::Null),
            _ => {
                let text = format!("the program left {} unanswered", work.request.command.name());
                Err(Error::new(ErrorKind::Internal, text))
            }
        };
        self.finish(result);
    }
}

/// An iterator over the tasks; ends as [`ServiceLoop::next`] does.
#[derive(Debug)]
pub struct Tasks<'a>(&'a ServiceLoop);

impl Iterator for Tasks<'_> {
    type Item = Result<Task>;

    fn next(&mut self) -> Option<Result<Task>> {
        self.0.next(None).transpose()
    }
}

impl<'a> IntoIterator for &'a ServiceLoop {
    type Item = Result<Task>;
    type IntoIter = Tasks<'a>;

    fn into_iter(self) -> Tasks<'a> {
        Tasks(self)
    }
}

/// Creates a service in STARTING and starts the reader and the writer of its link.
///
/// Returns at once. Both threads run until the service ends (`ControllerLink::end`).
///
/// # Errors
///
/// The errors of [`ControllerLink::new`], and `OutOfMemory` if the process cannot start both threads: then none stays.
/// A faulty `$NOTIFY_SOCKET` is only logged.
fn start_link(identity: ServiceIdentity, setup: Setup) -> Result<Arc<ControllerLink>> {
    let options = link_options(&identity.options);
    let link = Arc::new(ControllerLink::new(identity, setup, &options)?);
    let (supervisor, problem) = Supervisor::from_env();
    let (reader, writer) = (link.clone(), link.clone());
    let thread_state = ServiceWriter::new(&link, supervisor)?;
    if let Some(error) = problem {
        link.log("error", &error.to_string());
    }
    thread::start("linkspan-reader", move || reader.receive(&options))?;
    thread::start("linkspan-writer", move || thread_state.run(&writer)).inspect_err(|_| link.abandon())?;
    Ok(link)
}

/// Returns a random number for an incarnation, of 63 bits: an integer in PHP and Fortran as well.
fn new_epoch() -> Result<u64> {
    Ok(random::number()? >> 1)
}

impl fmt::Debug for ServiceLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceLoop")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("work", &self.work).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_fits_a_signed_integer_of_every_language() {
        let epochs: Vec<u64> = (0..64).map(|_| new_epoch().unwrap()).collect();
        assert!(epochs.iter().all(|epoch| i64::try_from(*epoch).is_ok()), "{epochs:?}");
        assert!(epochs.iter().any(|epoch| *epoch > u64::from(u32::MAX)), "{epochs:?}");
    }
}
