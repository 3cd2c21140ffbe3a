//! A service's link to its controller: two library threads answer commands while the program works.
//!
//! The reader connects and receives; the writer sends, enforces deadlines and handles signals. They share the
//! [`Lifecycle`] with the program under one lock ([`LinkInner`]), which is held for one change of state and never
//! during waiting or sending.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::command::{Answer, Command, Outcome};
use super::lifecycle::{Action, Lifecycle, Setup};
use super::log::ServiceLog;
use super::protocol::{CommandRequest, HEARTBEAT, Introduction, MESSAGE_LIMIT, Report, ToController};
use crate::deadline::Waiting;
use crate::engine::service_side::handshake::title;
use crate::engine::service_side::{self, Pattern};
use crate::engine::{Channel, Delivery, Options};
use crate::error::{Error, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::wait_readable;
use crate::sys::stop;
use crate::sys::timer::Timer;
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Timestamp, Value};

/// A callback that runs when the running task is cancelled.
pub type OnCancel = Arc<dyn Fn() + Send + Sync>;

/// The most messages queued for the controller; beyond it the oldest reports are dropped.
const MAX_QUEUED: usize = 1024;
/// The heartbeat periods that a controller may request.
pub(super) const HEARTBEAT_RANGE: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3600));

pub struct ServiceIdentity {
    pub name: String,
    pub description: String,
    /// The commands among GET_DATA and CHECKPOINT that the program cannot carry out.
    pub unsupported: Vec<String>,
    /// Whether it stands for a program without Linkspan.
    pub adopted: bool,
    pub controller: String,
    pub options: Options,
    /// Called without the lock when the running task is cancelled.
    ///
    /// It runs on a thread of the library, or on a thread that calls `shutdown`.
    pub on_cancel: Option<OnCancel>,
    /// Whether SIGTERM and SIGINT mean SHUTDOWN.
    pub handle_signals: bool,
}

/// The state that the program, the reader and the writer share.
pub struct ControllerLink {
    pub(super) signals: Option<stop::Watch>,
    pub identity: ServiceIdentity,
    began: Instant,
    began_at: Timestamp,
    inner: Mutex<LinkInner>,
    pub program_waker: EventFd,
    /// Readable while the program has a task to fetch, whichever call last changed the lifecycle.
    pub task_timer: Timer,
    /// Wakes the writer when it may have something to send or a deadline to check.
    pub(super) writer_waker: EventFd,
    /// Whether the writer withholds the watchdog notification because of a long task.
    ///
    /// The end of the task must then wake it.
    pub(super) wake_on_finish: AtomicBool,
    pub(super) end_waker: EventFd,
    ended: AtomicBool,
    /// Whether the writer has sent everything to the controller and the supervisor, and has ended.
    pub(super) writer_ended: AtomicBool,
}

pub(super) struct LinkInner {
    pub(super) lifecycle: Lifecycle,
    pub(super) log: ServiceLog,
    pub(super) queued: VecDeque<ToController>,
    /// The connection after the controller's welcome.
    pub(super) channel: Option<Arc<Channel>>,
    /// The connection before the welcome, for closing it.
    pub(super) connecting: Option<Arc<Channel>>,
    pub(super) introduced: bool,
    pub(super) heartbeat: Duration,
    steps_at_answer: u64,
    pub(super) last_report: Instant,
    pub(super) reported_steps: u64,
    pub(super) last_received: Option<Instant>,
    /// When the writer checks again for a long task; `None` while the program is idle.
    pub(super) busy_check: Option<Instant>,
    task_due: Option<Duration>,
    pub(super) problem: Option<Error>,
    /// The error that ended one of the threads, without which the service cannot hear or answer.
    broken: Option<Error>,
}

impl ControllerLink {
    /// Creates a service in STARTING that connects with these options when its threads run.
    ///
    /// # Errors
    ///
    /// `InvalidEndpoint` or `Unsupported` for an endpoint that cannot reach a controller. Only errors that no retry can
    /// cure are returned; others are logged.
    pub fn new(identity: ServiceIdentity, setup: Setup, options: &Options) -> Result<ControllerLink> {
        let endpoint: Endpoint = identity.controller.parse()?;
        // The handshake identifies services, so the transport must have sessions.
        let can = endpoint.transport().capabilities();
        endpoint
            .transport()
            .require(can.sessions, "the controller of services")
            .map_err(|e| e.on(&endpoint))?;
        drop(Channel::dial(&identity.controller, options)?);
        let signals = identity.handle_signals.then(stop::watch_patiently).transpose()?;
        let now = Instant::now();
        let link = ControllerLink {
            wake_on_finish: AtomicBool::new(false),
            signals,
            identity,
            began: now,
            began_at: Timestamp::now(),
            inner: Mutex::new(LinkInner {
                lifecycle: Lifecycle::new(setup),
                log: ServiceLog::default(),
                queued: VecDeque::new(),
                channel: None,
                connecting: None,
                introduced: false,
                heartbeat: HEARTBEAT,
                steps_at_answer: 0,
                last_report: now,
                reported_steps: 0,
                last_received: None,
                busy_check: None,
                task_due: None,
                problem: None,
                broken: None,
            }),
            program_waker: EventFd::new()?,
            task_timer: Timer::new()?,
            writer_waker: EventFd::new()?,
            end_waker: EventFd::new()?,
            ended: AtomicBool::new(false),
            writer_ended: AtomicBool::new(false),
        };
        link.time_next_task(&mut link.inner());
        Ok(link)
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, LinkInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Updates the lifecycle under the lock, and carries out the resulting actions.
    ///
    /// `on_cancel` runs after the lock is released, because it may call the service.
    pub fn with<T>(&self, action: impl FnOnce(&mut Lifecycle, Duration) -> (T, Vec<Action>)) -> T {
        let mut inner = self.inner();
        let now = self.now();
        let (result, actions) = action(&mut inner.lifecycle, now);
        let cancels = self.carry_out(&mut inner, actions);
        drop(inner);
        if cancels && let Some(on_cancel) = &self.identity.on_cancel {
            on_cancel();
        }
        result
    }

    pub fn read<T>(&self, read: impl FnOnce(&Lifecycle) -> T) -> T {
        read(&self.inner().lifecycle)
    }

    fn carry_out(&self, inner: &mut LinkInner, actions: Vec<Action>) -> bool {
        let mut cancels = false;
        for action in actions {
            match action {
                Action::Answer(answer) => {
                    // A listing after the answer must be as new as the answer.
                    let steps = inner.lifecycle.counts().steps;
                    if answer.outcome == Outcome::Done
                        && std::mem::replace(&mut inner.steps_at_answer, steps) != steps
                    {
                        let report = self.report(inner);
                        inner.enqueue(ToController::Report(report));
                    }
                    inner.enqueue(ToController::Answer(answer));
                }
                Action::Ask(request) => {
                    let value = self.answer_internally(inner, &request);
                    let (id, state) = (request.id, inner.lifecycle.state());
                    let answer = Answer { id, outcome: Outcome::Done, state, value, failure: None };
                    inner.enqueue(ToController::Answer(answer));
                }
                Action::Changed => {
                    let report = self.report(inner);
                    inner.enqueue(ToController::Report(report));
                    self.writer_waker.wake();
                }
                Action::Cancel => cancels = true,
            }
        }
        self.time_next_task(inner);
        if !inner.queued.is_empty()
            || inner.lifecycle.next_due().is_some()
            || self.wake_on_finish.swap(false, Ordering::AcqRel)
            || inner.has_unreported_task()
        {
            self.writer_waker.wake();
        }
        cancels
    }

    fn time_next_task(&self, inner: &mut LinkInner) {
        let due = inner.lifecycle.next_task_due();
        if std::mem::replace(&mut inner.task_due, due) == due {
            return;
        }
        let armed = match due {
            Some(due) => self.task_timer.arm(due.saturating_sub(self.now())),
            None => self.task_timer.disarm(),
        };
        if let Err(error) = armed {
            inner.broken.get_or_insert(error);
            self.program_waker.wake();
        }
    }

    pub(super) fn report(&self, inner: &LinkInner) -> Report {
        let lifecycle = &inner.lifecycle;
        let running = lifecycle.running();
        let since = self.began_at.nanoseconds().saturating_add_unsigned(lifecycle.since().as_nanos() as u64);
        Report {
            state: lifecycle.state(),
            since: Timestamp(since),
            busy: running.map(|(_, begun)| self.now().saturating_sub(begun)),
            doing: running.map(|(command, _)| command.name().to_owned()),
            steps: lifecycle.counts().steps,
            reason: lifecycle.reason().to_owned(),
        }
    }

    pub(super) fn introduction(&self, inner: &LinkInner) -> Introduction {
        let setup = inner.lifecycle.setup();
        Introduction {
            name: self.identity.name.clone(),
            epoch: setup.epoch,
            pid: std::process::id(),
            program: title(),
            description: self.identity.description.clone(),
            commands: setup.commands.clone(),
            unsupported: self.identity.unsupported.clone(),
            adopted: self.identity.adopted,
            every: setup.every,
            report: self.report(inner),
        }
    }

    fn answer_internally(&self, inner: &LinkInner, request: &CommandRequest) -> Value {
        match request.command {
            Command::Log => {
                let lines = request.arguments.at("lines").ok().and_then(|lines| lines.as_u64().ok());
                inner.log.last(lines.unwrap_or(100))
            }
            Command::Stats => Value::Map(inner.lifecycle.stats()),
            Command::Describe => match ToController::Introduction(self.introduction(inner)).to_value() {
                Value::Map(mut map) => {
                    let of_its_report = ["what", "state", "since", "busy", "doing", "steps", "reason"];
                    of_its_report.iter().for_each(|key| drop(map.shift_remove(key)));
                    Value::Map(map)
                }
                other => other,
            },
            _ => {
                let mut map = Map::new();
                map.insert("name".into(), self.identity.name.as_str().into());
                map.insert("epoch".into(), inner.lifecycle.setup().epoch.into());
                map.extend(self.report(inner).to_map());
                Value::Map(map)
            }
        }
    }

    pub fn log(&self, level: &str, text: &str) {
        let mut inner = self.inner();
        inner.log.add(level, text);
        if inner.introduced {
            self.writer_waker.wake();
        }
    }

    pub fn is_connected(&self) -> bool {
        self.inner().introduced
    }

    /// Returns why the last connection to the controller failed; `None` after the next welcome.
    pub fn problem(&self) -> Option<Error> {
        self.inner().problem.clone()
    }

    /// Makes the service FAILED for good, because one of its threads ends with this error.
    ///
    /// The program gets the error from its next wait.
    pub(super) fn break_off(&self, error: &Error) {
        self.inner().broken.get_or_insert_with(|| error.clone());
        self.with(|lifecycle, now| ((), lifecycle.fail(error, now)));
        self.program_waker.wake();
        self.writer_waker.wake();
    }

    pub(super) fn broken(&self) -> Option<Error> {
        self.inner().broken.clone()
    }

    pub fn stats(&self) -> Value {
        let inner = self.inner();
        let mut map = inner.lifecycle.stats();
        map.insert("name".into(), self.identity.name.as_str().into());
        map.insert("controller".into(), self.identity.controller.as_str().into());
        map.insert("connected".into(), inner.introduced.into());
        let problem = inner.problem.as_ref().map_or(Value::Null, |problem| problem.to_string().into());
        map.insert("problem".into(), problem);
        map.extend(self.report(&inner).to_map());
        Value::Map(map)
    }

    /// Ends the service: answers open commands, sends the queue and a goodbye, and stops both threads.
    ///
    /// Only the first call does so; later calls return at once.
    ///
    /// # Errors
    ///
    /// `Timeout` if the controller has not taken everything by the deadline; the service has ended nevertheless.
    pub fn end(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let first = {
            let mut inner = self.inner();
            let first = !self.ended.swap(true, Ordering::AcqRel);
            if first {
                let actions = inner.lifecycle.close(self.now());
                self.carry_out(&mut inner, actions);
                let state = inner.lifecycle.state();
                inner.queued.push_back(ToController::Bye(state));
            }
            first
        };
        self.writer_waker.wake();
        if !first {
            return Ok(());
        }
        let mut flushed = Ok(());
        // Also without a controller: the end of the process would end the writer before it has notified the supervisor.
        while flushed.is_ok() && !self.writer_ended.load(Ordering::Acquire) {
            flushed = wait_readable(waiting, &[self.program_waker.as_fd()]);
            self.program_waker.drain();
        }
        self.disconnect();
        self.writer_waker.wake();
        flushed
    }

    fn disconnect(&self) {
        self.end_waker.wake();
        let channels = {
            let mut inner = self.inner();
            inner.introduced = false;
            [inner.channel.take(), inner.connecting.take()]
        };
        // The kernel already has the queued messages and the goodbye.
        channels.into_iter().flatten().for_each(|channel| drop(channel.close(Duration::ZERO)));
    }

    pub(super) fn is_flushed(&self) -> bool {
        let inner = self.inner();
        !inner.introduced || inner.queued.is_empty() && !inner.log.has_unsent()
    }

    pub(super) fn abandon(&self) {
        self.ended.store(true, Ordering::Release);
        self.writer_ended.store(true, Ordering::Release);
        self.disconnect();
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl LinkInner {
    /// Drops the connection and returns it.
    ///
    /// On the next connection the controller repeats open commands, and the introduction carries the state.
    pub(super) fn drop_connection(&mut self) -> Option<Arc<Channel>> {
        (self.introduced, self.last_received) = (false, None);
        self.queued.retain(|message| matches!(message, ToController::Bye(_)));
        self.channel.take()
    }

    pub(super) fn enqueue(&mut self, message: ToController) {
        if !self.introduced {
            return;
        }
        if self.queued.len() >= MAX_QUEUED
            && let Some(at) =
                self.queued.iter().position(|message| matches!(message, ToController::Report(_)))
        {
            self.queued.remove(at);
        }
        self.queued.push_back(message);
    }
}

/// Returns the options of the link to the controller.
///
/// The channel ends with its first link, because the reader makes the next one with a new introduction.
pub fn link_options(options: &Options) -> Options {
    let mut options = options.clone();
    service_side::set_pattern(&mut options, Pattern::Service);
    service_side::end_with_first_link(&mut options);
    options.delivery = Some(Delivery::BestEffort);
    options.max_message_size = options.max_message_size.min(MESSAGE_LIMIT);
    options.client_id = None;
    options.on_wait = None;
    options
}
