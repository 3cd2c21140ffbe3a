//! A service's line to its controller: two threads of the library, which answer whatever the program does meanwhile.
//!
//! The ear connects, and hears; the mouth speaks, looks after deadlines and signals. What they and the program share is the
//! [`Lifecycle`] under one lock. A line that breaks is made anew; what was under way is asked for again by the controller.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::command::{Answer, Command, Outcome};
use super::lifecycle::{Action, Lifecycle, Setup};
use super::log::Log;
use super::notify::Supervisor;
use super::protocol::{CommandRequest, HEARTBEAT, Introduction, MESSAGE_LIMIT, Report, ToController};
use super::writer::Writer;
use crate::channel::greeting::{Pattern, title};
use crate::channel::{Channel, Delivery, Options};
use crate::deadline::Waiting;
use crate::error::{Error, Result};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::wait_readable;
use crate::sys::{stop, thread};
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Timestamp, Value};

/// Runs when what the program does is to be given up.
pub type OnCancel = Arc<dyn Fn() + Send + Sync>;

/// Words that wait to be said, at most: then the oldest reports go.
const MAX_QUEUED: usize = 1024;
/// What a controller may ask for: less would be a flood, and more is as good as none.
pub(super) const HEARTBEAT_RANGE: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3600));

/// What a service is, beside its life.
pub struct Identity {
    pub name: String,
    pub description: String,
    /// Those of GET_DATA and CHECKPOINT that its program cannot carry out.
    pub unsupported: Vec<String>,
    /// Where its controller listens.
    pub controller: String,
    /// Of the link to it.
    pub options: Options,
    pub on_cancel: Option<OnCancel>,
    pub handle_signals: bool,
}

/// What the program and the two threads share.
pub struct ControllerLink {
    /// Until the service has gone, a signal is its SHUTDOWN.
    _signals: Option<stop::Watch>,
    pub identity: Identity,
    began: Instant,
    began_at: Timestamp,
    inner: Mutex<Inner>,
    /// Rung when the program may have something to do.
    pub program_waker: EventFd,
    /// Rung when the mouth may have something to say or to look after.
    pub(super) writer_waker: EventFd,
    /// Whether the mouth is silent to a supervisor because the program is at something for too long: it wants to know when
    /// that has ended.
    pub(super) wake_on_finish: AtomicBool,
    /// Rung once: the ear lets go.
    pub(super) end_waker: EventFd,
    ended: AtomicBool,
}

/// What is behind the lock.
pub(super) struct Inner {
    pub(super) life: Lifecycle,
    pub(super) log: Log,
    /// Words for the controller, in order.
    pub(super) queued: VecDeque<ToController>,
    /// The line, from its welcome on.
    pub(super) channel: Option<Arc<Channel>>,
    /// The same before its welcome, so that it can be closed.
    pub(super) connecting: Option<Arc<Channel>>,
    /// Whether the controller on this line knows who we are.
    pub(super) introduced: bool,
    pub(super) heartbeat: Duration,
    /// When it was told last how the service is.
    pub(super) last_report: Instant,
    /// When it was heard last; none before it has shown that it says when it is there.
    pub(super) last_received: Option<Instant>,
    /// Until when the mouth looks whether what the program does takes long; none while it does nothing.
    pub(super) busy_check: Option<Instant>,
    /// Why there is no line.
    pub(super) problem: Option<Error>,
}

impl ControllerLink {
    /// A service in STARTING, which begins to dial.
    pub fn start(identity: Identity, setup: Setup) -> Result<Arc<ControllerLink>> {
        // What can never be is said now, and not in a log.
        let options = link_options(&identity.options);
        let endpoint: Endpoint = identity.controller.parse()?;
        // Where nobody says hello, nobody is known by name.
        let can = endpoint.transport().capabilities();
        endpoint
            .transport()
            .require(can.sessions, "the controller of services")
            .map_err(|e| e.on(&endpoint))?;
        drop(Channel::dial(&identity.controller, &options)?);
        let signals = identity.handle_signals.then(stop::watch_patiently).transpose()?;
        let now = Instant::now();
        let (supervisor, problem) = Supervisor::from_env();
        let link = Arc::new(ControllerLink {
            wake_on_finish: AtomicBool::new(false),
            _signals: signals,
            identity,
            began: now,
            began_at: Timestamp::now(),
            inner: Mutex::new(Inner {
                life: Lifecycle::new(setup),
                log: Log::default(),
                queued: VecDeque::new(),
                channel: None,
                connecting: None,
                introduced: false,
                heartbeat: HEARTBEAT,
                last_report: now,
                last_received: None,
                busy_check: None,
                problem: None,
            }),
            program_waker: EventFd::new()?,
            writer_waker: EventFd::new()?,
            end_waker: EventFd::new()?,
            ended: AtomicBool::new(false),
        });
        let (reader, writer) = (link.clone(), link.clone());
        let thread_state = Writer::new(&link, supervisor)?;
        if let Some(error) = problem {
            link.log("error", &error.to_string());
        }
        thread::start("linkspan-ear", move || reader.receive(&options))?;
        thread::start("linkspan-mouth", move || thread_state.run(&writer))?;
        Ok(link)
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the service began, by which its life is counted.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Does something with the life, and what follows from it.
    pub fn with<T>(&self, action: impl FnOnce(&mut Lifecycle, Duration) -> (T, Vec<Action>)) -> T {
        let mut inner = self.inner();
        let now = self.now();
        let (result, actions) = action(&mut inner.life, now);
        let cancels = self.carry_out(&mut inner, actions);
        drop(inner);
        if cancels && let Some(on_cancel) = &self.identity.on_cancel {
            on_cancel();
        }
        result
    }

    /// Looks at the life.
    pub fn read<T>(&self, read: impl FnOnce(&Lifecycle) -> T) -> T {
        read(&self.inner().life)
    }

    /// True where the program's work is to be given up.
    fn carry_out(&self, inner: &mut Inner, actions: Vec<Action>) -> bool {
        let mut cancels = false;
        for action in actions {
            match action {
                Action::Answer(answer) => inner.enqueue(ToController::Answer(answer)),
                Action::Ask(request) => {
                    let value = self.answer_internally(inner, &request);
                    let (id, state) = (request.id, inner.life.state());
                    let answer = Answer { id, outcome: Outcome::Done, state, value, failure: None };
                    inner.enqueue(ToController::Answer(answer));
                }
                Action::Changed => {
                    let report = self.report(inner);
                    inner.enqueue(ToController::Report(report));
                    self.writer_waker.ring();
                }
                Action::Wake => self.program_waker.ring(),
                Action::Cancel => cancels = true,
            }
        }
        if !inner.queued.is_empty()
            || inner.life.next_due().is_some()
            || self.wake_on_finish.swap(false, Ordering::AcqRel)
            || inner.has_unreported_task()
        {
            self.writer_waker.ring();
        }
        cancels
    }

    pub(super) fn report(&self, inner: &Inner) -> Report {
        let life = &inner.life;
        let running = life.running();
        let since = self.began_at.nanoseconds().saturating_add_unsigned(life.since().as_nanos() as u64);
        Report {
            state: life.state(),
            since: Timestamp(since),
            busy: running.map(|(_, begun)| self.now().saturating_sub(begun)),
            doing: running.map(|(command, _)| command.name().to_owned()),
            steps: life.counts().steps,
            reason: life.reason().to_owned(),
        }
    }

    pub(super) fn introduction(&self, inner: &Inner) -> Introduction {
        let setup = inner.life.setup();
        Introduction {
            name: self.identity.name.clone(),
            epoch: setup.epoch,
            pid: std::process::id(),
            program: title(),
            description: self.identity.description.clone(),
            commands: setup.commands.clone(),
            unsupported: self.identity.unsupported.clone(),
            every: setup.every,
            report: self.report(inner),
        }
    }

    /// What the library answers by itself.
    fn answer_internally(&self, inner: &Inner, request: &CommandRequest) -> Value {
        match request.command {
            Command::Log => {
                let lines = request.arguments.at("lines").ok().and_then(|lines| lines.as_u64().ok());
                inner.log.last(lines.unwrap_or(100))
            }
            Command::Stats => Value::Map(inner.life.stats()),
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
                map.insert("epoch".into(), inner.life.setup().epoch.into());
                map.extend(self.report(inner).to_map());
                Value::Map(map)
            }
        }
    }

    /// Adds a line to the log, and tells the controller.
    pub fn log(&self, level: &str, text: &str) {
        let mut inner = self.inner();
        inner.log.add(level, text);
        if inner.introduced {
            self.writer_waker.ring();
        }
    }

    /// Whether a controller knows of the service now.
    pub fn is_connected(&self) -> bool {
        self.inner().introduced
    }

    /// Counters and state, as a map.
    pub fn stats(&self) -> Value {
        let inner = self.inner();
        let mut map = inner.life.stats();
        map.insert("name".into(), self.identity.name.as_str().into());
        map.insert("controller".into(), self.identity.controller.as_str().into());
        map.insert("connected".into(), inner.introduced.into());
        let problem = inner.problem.as_ref().map_or(Value::Null, |problem| problem.to_string().into());
        map.insert("trouble".into(), problem);
        map.extend(self.report(&inner).to_map());
        Value::Map(map)
    }

    /// Says what is unsaid, then goodbye, at the latest at the deadline; the threads end.
    pub fn end(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let first = {
            let mut inner = self.inner();
            let first = !self.ended.swap(true, Ordering::AcqRel);
            if first {
                // Whoever waits for a command hears of it before the goodbye.
                let actions = inner.life.close(self.now());
                self.carry_out(&mut inner, actions);
                let state = inner.life.state();
                inner.queued.push_back(ToController::Bye(state));
            }
            first
        };
        self.writer_waker.ring();
        if !first {
            return Ok(());
        }
        let mut said = Ok(());
        while said.is_ok() && !self.is_flushed() {
            said = wait_readable(waiting, &[self.program_waker.as_fd()]);
            self.program_waker.drain();
        }
        self.end_waker.ring();
        let channels = {
            let mut inner = self.inner();
            inner.introduced = false;
            [inner.channel.take(), inner.connecting.take()]
        };
        // What was said is in the kernel's hands; the controller has had its goodbye.
        channels.into_iter().flatten().for_each(|channel| drop(channel.close(Duration::ZERO)));
        self.writer_waker.ring();
        said
    }

    /// Whether there is nobody to say more to, or nothing.
    pub(super) fn is_flushed(&self) -> bool {
        let inner = self.inner();
        !inner.introduced || inner.queued.is_empty() && !inner.log.has_unsent()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl Inner {
    /// There is no line any more: gives what it was. The controller asks again on the next one for what it has no answer to,
    /// and the introduction says the state.
    pub(super) fn drop_connection(&mut self) -> Option<Arc<Channel>> {
        (self.introduced, self.last_received) = (false, None);
        self.queued.retain(|said| matches!(said, ToController::Bye(_)));
        self.channel.take()
    }

    /// Only what a controller on this line can make something of.
    pub(super) fn enqueue(&mut self, said: ToController) {
        if !self.introduced {
            return;
        }
        if self.queued.len() >= MAX_QUEUED
            && let Some(at) = self.queued.iter().position(|said| matches!(said, ToController::Report(_)))
        {
            self.queued.remove(at);
        }
        self.queued.push_back(said);
    }
}

/// How the link to a controller is made.
fn link_options(options: &Options) -> Options {
    let mut options = options.clone();
    options.pattern = Pattern::Service;
    options.once = true;
    options.delivery = Some(Delivery::BestEffort);
    options.limit = options.limit.min(MESSAGE_LIMIT);
    options.client_id = None;
    options.on_wait = None;
    options
}
