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
use super::lifecycle::{Act, Lifecycle, Setup};
use super::log::Log;
use super::mouth::Mouth;
use super::notify::Notices;
use super::words::{HEARTBEAT, Introduction, MESSAGE_LIMIT, Order, Report, Said, Told};
use crate::channel::greeting::{Pattern, random, title};
use crate::channel::{Channel, Delivery, Options, Pause, Redial};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::Message;
use crate::sys::eventfd::EventFd;
use crate::sys::poll::wait_readable;
use crate::sys::{stop, thread};
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Timestamp, Value};

/// Runs when what the program does is to be given up.
pub type OnCancel = Arc<dyn Fn() + Send + Sync>;

/// Words that wait to be said, at most: then the oldest reports go.
const UNSAID: usize = 1024;
/// What a controller may ask for: less would be a flood, and more is as good as none.
const HEARTBEATS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
/// After a line that lasted so long, the next one is tried for as if it were the first.
const LASTING: Duration = Duration::from_secs(5);

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
pub struct Line {
    /// Until the service has gone, a signal is its SHUTDOWN.
    _signals: Option<stop::Watch>,
    pub identity: Identity,
    began: Instant,
    began_at: Timestamp,
    inner: Mutex<Inner>,
    /// Rung when the program may have something to do.
    pub program: EventFd,
    /// Rung when the mouth may have something to say or to look after.
    pub(super) mouth: EventFd,
    /// Whether the mouth is silent to a supervisor because the program is at something for too long: it wants to know when
    /// that has ended.
    pub(super) silent: AtomicBool,
    /// Rung once: the ear lets go.
    ending: EventFd,
    ended: AtomicBool,
}

/// What is behind the lock.
pub(super) struct Inner {
    pub(super) life: Lifecycle,
    pub(super) log: Log,
    /// Words for the controller, in order.
    pub(super) unsaid: VecDeque<Said>,
    /// The line, from its welcome on.
    pub(super) channel: Option<Arc<Channel>>,
    /// The same before its welcome, so that it can be closed.
    dialled: Option<Arc<Channel>>,
    /// Whether the controller on this line knows who we are.
    pub(super) introduced: bool,
    pub(super) heartbeat: Duration,
    /// When it was told last how the service is.
    pub(super) spoken: Instant,
    /// When it was heard last; none before it has shown that it says when it is there.
    pub(super) heard: Option<Instant>,
    /// Until when the mouth looks whether what the program does takes long; none while it does nothing.
    pub(super) watched: Option<Instant>,
    /// Why there is no line.
    trouble: Option<Error>,
}

impl Line {
    /// A service in STARTING, which begins to dial.
    pub fn start(identity: Identity, setup: Setup) -> Result<Arc<Line>> {
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
        let (notices, trouble) = Notices::from_env();
        let line = Arc::new(Line {
            silent: AtomicBool::new(false),
            _signals: signals,
            identity,
            began: now,
            began_at: Timestamp::now(),
            inner: Mutex::new(Inner {
                life: Lifecycle::new(setup),
                log: Log::default(),
                unsaid: VecDeque::new(),
                channel: None,
                dialled: None,
                introduced: false,
                heartbeat: HEARTBEAT,
                spoken: now,
                heard: None,
                watched: None,
                trouble: None,
            }),
            program: EventFd::new()?,
            mouth: EventFd::new()?,
            ending: EventFd::new()?,
            ended: AtomicBool::new(false),
        });
        let (ear, mouth) = (line.clone(), line.clone());
        let speaking = Mouth::new(&line, notices)?;
        if let Some(error) = trouble {
            line.log("error", &error.to_string());
        }
        thread::start("linkspan-ear", move || ear.hear(&options))?;
        thread::start("linkspan-mouth", move || speaking.speak(&mouth))?;
        Ok(line)
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the service began, by which its life is counted.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Does something with the life, and what follows from it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Lifecycle, Duration) -> (T, Vec<Act>)) -> T {
        let mut inner = self.inner();
        let now = self.now();
        let (result, acts) = act(&mut inner.life, now);
        let cancels = self.carry_out(&mut inner, acts);
        drop(inner);
        if cancels && let Some(on_cancel) = &self.identity.on_cancel {
            on_cancel();
        }
        result
    }

    /// Looks at the life.
    pub fn look<T>(&self, look: impl FnOnce(&Lifecycle) -> T) -> T {
        look(&self.inner().life)
    }

    /// True where the program's work is to be given up.
    fn carry_out(&self, inner: &mut Inner, acts: Vec<Act>) -> bool {
        let mut cancels = false;
        for act in acts {
            match act {
                Act::Answer(answer) => inner.say(Said::Answer(answer)),
                Act::Ask(order) => {
                    let value = self.own_answer(inner, &order);
                    let (id, state) = (order.id, inner.life.state());
                    let answer = Answer { id, outcome: Outcome::Done, state, value, failure: None };
                    inner.say(Said::Answer(answer));
                }
                Act::Changed => {
                    let report = self.report(inner);
                    inner.say(Said::Report(report));
                    self.mouth.ring();
                }
                Act::Wake => self.program.ring(),
                Act::Cancel => cancels = true,
            }
        }
        if !inner.unsaid.is_empty()
            || inner.life.next_due().is_some()
            || self.silent.swap(false, Ordering::AcqRel)
            || inner.begins_unseen()
        {
            self.mouth.ring();
        }
        cancels
    }

    pub(super) fn report(&self, inner: &Inner) -> Report {
        let life = &inner.life;
        let doing = life.doing();
        let since = self.began_at.nanoseconds().saturating_add_unsigned(life.since().as_nanos() as u64);
        Report {
            state: life.state(),
            since: Timestamp(since),
            busy: doing.map(|(_, begun)| self.now().saturating_sub(begun)),
            doing: doing.map(|(command, _)| command.name().to_owned()),
            steps: life.counts().steps,
            reason: life.reason().to_owned(),
        }
    }

    fn introduction(&self, inner: &Inner) -> Introduction {
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
    fn own_answer(&self, inner: &Inner, order: &Order) -> Value {
        match order.command {
            Command::Log => {
                let lines = order.arguments.at("lines").ok().and_then(|lines| lines.as_u64().ok());
                inner.log.last(lines.unwrap_or(100))
            }
            Command::Stats => Value::Map(inner.life.stats()),
            Command::Describe => match Said::Introduction(self.introduction(inner)).to_value() {
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
            self.mouth.ring();
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
        let trouble = inner.trouble.as_ref().map_or(Value::Null, |trouble| trouble.to_string().into());
        map.insert("trouble".into(), trouble);
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
                let acts = inner.life.leave(self.now());
                self.carry_out(&mut inner, acts);
                let state = inner.life.state();
                inner.unsaid.push_back(Said::Bye(state));
            }
            first
        };
        self.mouth.ring();
        if !first {
            return Ok(());
        }
        let mut said = Ok(());
        while said.is_ok() && !self.is_all_said() {
            said = wait_readable(waiting, &[self.program.as_fd()]);
            self.program.drain();
        }
        self.ending.ring();
        let channels = {
            let mut inner = self.inner();
            inner.introduced = false;
            [inner.channel.take(), inner.dialled.take()]
        };
        // What was said is in the kernel's hands; the controller has had its goodbye.
        channels.into_iter().flatten().for_each(|channel| drop(channel.close(Duration::ZERO)));
        self.mouth.ring();
        said
    }

    /// Whether there is nobody to say more to, or nothing.
    pub(super) fn is_all_said(&self) -> bool {
        let inner = self.inner();
        !inner.introduced || inner.unsaid.is_empty() && !inner.log.has_unsaid()
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The ear: makes lines, one after the other, and hears what comes.
    fn hear(&self, options: &Options) {
        let mut redial = Redial::default();
        while !self.is_over() {
            let made = Instant::now();
            let heard = self.hear_line(options);
            let mut inner = self.inner();
            inner.lose_line();
            inner.dialled = None;
            if let Err(error) = heard {
                inner.trouble = Some(error);
            }
            drop(inner);
            self.program.ring();
            self.mouth.ring();
            if made.elapsed() >= LASTING {
                redial.succeeded();
            }
            if let Pause::For(pause) = redial.failed(false, random().unwrap_or(1)) {
                let mut waiting = Waiting::until(Deadline::after(pause));
                // Either the pause is over, or the service.
                let _ = wait_readable(&mut waiting, &[self.ending.as_fd()]);
            }
        }
    }

    fn hear_line(&self, options: &Options) -> Result<()> {
        let channel = Arc::new(Channel::dial(&self.identity.controller, options)?);
        self.inner().dialled = Some(channel.clone());
        if self.is_over() {
            return Ok(());
        }
        loop {
            let message = channel.recv(None)?;
            let value = message.value()?;
            if let Some(heard) = &mut self.inner().heard {
                *heard = Instant::now();
            }
            match message.header().kind {
                Kind::Command => self.take_order(value),
                Kind::Event => match Told::from_value(value)? {
                    Told::Welcome { heartbeat, .. } => {
                        let mut inner = self.inner();
                        inner.heartbeat = heartbeat.clamp(HEARTBEATS.0, HEARTBEATS.1);
                        inner.channel = Some(channel.clone());
                        inner.trouble = None;
                        let introduction = self.introduction(&inner);
                        inner.unsaid.push_front(Said::Introduction(introduction));
                        inner.introduced = true;
                        drop(inner);
                        self.mouth.ring();
                    }
                    Told::Beat => self.inner().heard = Some(Instant::now()),
                    Told::Refused(failure) => return Err(super::command::error_of(failure)),
                },
                _ => return Err(unexpected(&message)),
            }
        }
    }

    /// A command came. One that cannot be read is refused under its id, where it has one.
    fn take_order(&self, value: &Value) {
        match Order::from_value(value) {
            Ok(order) => self.with(|life, now| ((), life.command(order, now))),
            Err(error) => {
                let id = value.at("id").and_then(Value::as_text).unwrap_or_default();
                let mut inner = self.inner();
                let answer = Answer {
                    id: id.into(),
                    outcome: Outcome::Rejected,
                    state: inner.life.state(),
                    value: Value::Null,
                    failure: Some(super::command::failure_of(&error)),
                };
                inner.say(Said::Answer(answer));
                drop(inner);
                self.mouth.ring();
            }
        }
    }
}

impl Inner {
    /// There is no line any more: gives what it was. The controller asks again on the next one for what it has no answer to,
    /// and the introduction says the state.
    pub(super) fn lose_line(&mut self) -> Option<Arc<Channel>> {
        (self.introduced, self.heard) = (false, None);
        self.unsaid.retain(|said| matches!(said, Said::Bye(_)));
        self.channel.take()
    }

    /// Only what a controller on this line can make something of.
    fn say(&mut self, said: Said) {
        if !self.introduced {
            return;
        }
        if self.unsaid.len() >= UNSAID
            && let Some(at) = self.unsaid.iter().position(|said| matches!(said, Said::Report(_)))
        {
            self.unsaid.remove(at);
        }
        self.unsaid.push_back(said);
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

fn unexpected(message: &Message) -> Error {
    let text =
        format!("a controller sends commands and events, and this one sent {:?}", message.header().kind);
    Error::new(ErrorKind::Malformed, text)
}
