//! The service's side for programs that pull: each comes for its next task, and says how it went.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::controller::Controller;
use super::lifecycle::{Next, Setup, Work};
use super::link::{ControllerLink, Identity, OnCancel};
use super::state::State;
use crate::channel::Options;
use crate::channel::greeting::random;
use crate::deadline::{Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::sys::fork;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::timer::Timer;
use crate::transport::endpoint::Endpoint;
use crate::value::Value;

/// How long a service that ends waits for its last words to be on their way, where a controller is there and slow: the answer to
/// SHUTDOWN is among them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a service is set up. [`ServiceOptions::set`] takes the options by name.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// Where its controller listens: any stream transport. `$LINKSPAN_CONTROLLER`, else `unix:controller`.
    pub controller: String,
    /// The period of its steps; zero for one after the other. None where it has no steps of its own.
    pub every: Option<Duration>,
    /// Whether it waits in READY until it is told to RUN.
    pub paused: bool,
    /// A line about it for people.
    pub description: String,
    /// What it takes beyond the usual: `CONFIG`, `BACKUP`, commands of its own.
    pub commands: Vec<String>,
    /// Those of `GET_DATA` and `CHECKPOINT` that the program cannot carry out: a controller is told so, and does not offer them.
    pub unsupported: Vec<String>,
    /// The options of its link to the controller.
    pub channel: Options,
    /// Runs in a thread of the library when what the program does is to be given up.
    pub on_cancel: Option<OnCancel>,
    /// Whether SIGTERM and SIGINT are SHUTDOWN, a second one gives up what is under way, and a third one kills.
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
    /// The options that a service has beside those of its link.
    const NAMES: [&str; 5] = ["controller", "every", "paused", "description", "commands"];

    /// Sets an option by its name: `controller`, `every` (seconds), `paused`, `description`, `commands`, or one of the link's.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        let set = match name {
            "controller" => value.as_text().map(|text| self.controller = text.to_owned()),
            "every" => self.set_every(value),
            "paused" => value.as_bool().map(|paused| self.paused = paused),
            "description" => value.as_text().map(|text| self.description = text.to_owned()),
            "commands" => self.set_commands(value),
            _ => return self.channel.set_beside(&Self::NAMES, name, value),
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
                    let text = format!("a period of {seconds} s: give seconds from 0 upwards");
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

    /// Refuses what can be no command of a service's own.
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

/// A service whose program comes for its tasks: steps, and what a controller wants. One thread takes them; any thread may log, and
/// ask for the shutdown.
pub struct ServiceLoop {
    link: Arc<ControllerLink>,
    epoll: Epoll,
    timer: Timer,
    generation: u64,
}

/// The service's name: segments as in an endpoint.
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
    /// A service in STARTING, which calls its controller in the background, again and again; nothing here waits for one.
    /// `InvalidEndpoint` for a name that is none.
    pub fn start(name: &str, options: &ServiceOptions) -> Result<ServiceLoop> {
        check_name(name)?;
        options.check()?;
        let identity = Identity {
            name: name.to_owned(),
            description: options.description.clone(),
            unsupported: options.unsupported.clone(),
            controller: options.controller.clone(),
            options: options.channel.clone(),
            on_cancel: options.on_cancel.clone(),
            handle_signals: options.handle_signals,
        };
        let setup = Setup {
            epoch: random()?,
            every: options.every,
            paused: options.paused,
            commands: options.commands.clone(),
        };
        let (epoll, timer) = (Epoll::new()?, Timer::new()?);
        let link = ControllerLink::start(identity, setup)?;
        epoll.add(&link.program_waker, 0, Interest::IN)?;
        epoll.add(&timer, 1, Interest::IN)?;
        Ok(ServiceLoop { link, epoll, timer, generation: fork::generation() })
    }

    /// The next task. [`Timeout::Default`] waits for ever here, as in every loop. None once the service is STOPPED, and its controller knows.
    ///
    /// With the first call the service is READY, and RUNNING unless it was to be paused. `Timeout` where nothing was to be
    /// done in time, `InvalidState` while the task before is open.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Task>> {
        fork::check(self.generation)?;
        let on_wait = &self.link.identity.options.on_wait;
        let mut waiting = wait.into().start(Timeout::Forever).on_wait(on_wait);
        let mut ready = Vec::new();
        loop {
            self.link.program_waker.drain();
            if self.link.read(|life| life.running().is_some()) {
                let text = "the task before is still open: say done or failed first";
                return Err(Error::new(ErrorKind::InvalidState, text).on(&self.link.identity.name));
            }
            match self.link.with(|life, now| life.next_task(now)) {
                Next::Work(work) => return Ok(Some(Task { link: self.link.clone(), work: Some(work) })),
                Next::End => {
                    self.close_quietly(&mut Waiting::until(crate::deadline::Deadline::after(CLOSE_TIMEOUT)));
                    return Ok(None);
                }
                Next::Wait(Some(until)) => self.timer.arm(until.saturating_sub(self.link.now()))?,
                Next::Wait(None) => self.timer.drain(),
            }
            let slept = self.epoll.wait(&mut waiting, &mut ready);
            slept.map_err(|e| e.on(&self.link.identity.name))?;
        }
    }

    fn close_quietly(&self, waiting: &mut Waiting<'_>) {
        // Who is not there to hear it will see that the line has ended.
        let _ = self.link.end(waiting);
    }

    /// The program cannot go on: FAILED, with this as the reason. RUN tries again, if the program comes for it.
    pub fn fail(&self, error: &Error) {
        self.link.with(|life, now| ((), life.fail(error, now)));
    }

    /// Says what is wrong although it goes on; an empty text for nothing.
    pub fn set_reason(&self, reason: &str) {
        self.link.with(|life, _| ((), life.set_reason(reason)));
    }

    /// Adds a line to the service's log, of the level `debug`, `info`, `warning` or `error`.
    pub fn log(&self, level: &str, text: &str) {
        self.link.log(level, text);
    }

    /// As a signal to stop would: SHUTDOWN, and the second time, what is under way is given up.
    pub fn shutdown(&self) {
        self.link.with(|life, now| ((), life.terminate(now)));
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.link.read(|life| life.state())
    }

    /// Whether what the program does now is to be given up.
    pub fn is_cancelled(&self) -> bool {
        self.link.read(|life| life.is_cancelled())
    }

    /// Whether a controller knows of it now.
    pub fn is_connected(&self) -> bool {
        self.link.is_connected()
    }

    /// The number that was drawn for this incarnation.
    pub fn epoch(&self) -> u64 {
        self.link.read(|life| life.setup().epoch)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.link.identity.name
    }

    /// A descriptor for an event loop: readable while [`ServiceLoop::next`] without waiting may have something.
    pub fn fileno(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Counters, state and connection, as a map.
    pub fn stats(&self) -> Value {
        self.link.stats()
    }

    /// Says goodbye and lets go of the controller, at the end of a program that was not told to SHUTDOWN: it is STOPPED, or
    /// FAILED if it was that. Commands that are open or wait are answered first.
    pub fn close<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        if fork::check(self.generation).is_err() {
            return Ok(());
        }
        let mut waiting = wait.into().start(self.link.identity.options.timeout);
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

/// Something to do. Dropped without a word, a step counts as done, and a command as failed.
pub struct Task {
    link: Arc<ControllerLink>,
    work: Option<Work>,
}

impl Task {
    fn work(&self) -> &Work {
        // It is taken only by those who take the task.
        self.work.as_ref().unwrap_or_else(|| unreachable!("a task holds its work until it ends"))
    }

    /// What is to be done.
    pub fn command(&self) -> &Command {
        &self.work().request.command
    }

    /// With what; null for nothing.
    pub fn arguments(&self) -> &Value {
        &self.work().request.arguments
    }

    /// The command's id; empty for a step, and for what a signal asked.
    pub fn id(&self) -> &str {
        &self.work().request.id
    }

    /// The state that the service comes from: for SHUTDOWN, PAUSED means that everything is closed already.
    pub fn before(&self) -> State {
        self.work().before
    }

    /// How much time is left for it; none for no end.
    pub fn left(&self) -> Option<Duration> {
        let due = self.work().due;
        (due < Duration::MAX).then(|| due.saturating_sub(self.link.now()))
    }

    /// Whether it is to be given up.
    pub fn is_cancelled(&self) -> bool {
        self.link.read(|life| life.is_cancelled())
    }

    /// It is done; whoever asked is given this.
    pub fn done(mut self, value: &Value) -> Result<()> {
        self.finish(Ok(value.clone()));
        Ok(())
    }

    /// It could not be done.
    pub fn failed(mut self, error: &Error) -> Result<()> {
        self.finish(Err(error.clone()));
        Ok(())
    }

    fn finish(&mut self, result: Result<Value>) {
        if self.work.take().is_some() {
            self.link.with(|life, now| ((), life.finish(result, now)));
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let Some(work) = &self.work else { return };
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

/// The tasks as they come; ends as [`ServiceLoop::next`] does.
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
