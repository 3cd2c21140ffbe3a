//! Exports names of this machine: subscribes to publishers and calls servers for other machines.
//!
//! An exported name follows its program: it is withdrawn when it leaves the listing or its program ends. A publisher
//! that restarts before the next listing keeps its entry with a new incarnation. For channels and controllers, the
//! entry is only their presence, because links carry their frames.
//!
//! Names imported by a bridge are not exported again, so no name travels in a circle.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::time::Instant;

use bytes::Bytes;
use linkspan::registry::{self, Listed};
use linkspan::{Error, ErrorKind, EventKind, Message, RemoteFailure, Result, Subscriber};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::config::Config;
use crate::engine::{Body, Call, Engine, Origin, Outlet, Pattern, Presence, RequestId, Respond, Sample};
use crate::exported_server::{Called, ExportedServer, failure};
use crate::inbox::Inbox;
use crate::joining::{Joined, Joining, Outcome, dup};
use crate::kept::{Bounds, Kept};
use crate::newest_numbers::{NewestNumber, Schedule};
use crate::status::Status;
use crate::translation::{arrived, departing};

const IN_TURN: usize = 256;

/// The most kept withdrawals of unknown requests.
const EARLY: usize = 1024;

pub struct Exports {
    names: BTreeMap<String, Exported>,
    joining: Joining,
    /// Withdrawals of unknown requests. A withdrawal may overtake its request, or the request went to another
    /// machine.
    withdrawn: VecDeque<RequestId>,
    /// The limits of kept messages, set with the first publisher.
    bounds: Option<Bounds>,
}

struct Exported {
    presence: Presence,
    /// Readable when there is work. For a channel or controller, a pidfd that is readable after the program's end.
    ///
    /// `None` if there is no pidfd, or after it fired.
    descriptor: Option<OwnedFd>,
    /// Whether its program has ended. The next program with this name is another incarnation.
    has_ended: bool,
    is_json: bool,
    forwarding: Forwarding,
}

#[expect(clippy::large_enum_variant, reason = "one for each name, made once")]
enum Forwarding {
    /// Messages from the publisher go to the engine.
    Publisher {
        subscriber: Subscriber,
        first: Option<Message>,
        outlet: Box<dyn Outlet>,
        /// The last sent number, and when other bridges get it.
        last: u64,
        schedule: Schedule,
        /// The last messages, for machines that miss some; `None` without `retain`.
        kept: Option<Kept>,
    },
    /// Requests from the engine go to the server, its answers to the engine.
    Server(Box<ExportedServer>),
    /// A channel or controller at this endpoint; only its presence is exported.
    Channel { endpoint: String, _exported: Box<dyn Any> },
}

impl Exports {
    pub fn new(inbox: Inbox) -> Exports {
        Exports {
            names: BTreeMap::new(),
            joining: Joining::new(inbox),
            withdrawn: VecDeque::new(),
            bounds: None,
        }
    }

    /// Returns whether this presence belongs to this bridge; an engine may send it back.
    pub fn has(&self, presence: &Presence) -> bool {
        self.names.get(&presence.name).is_some_and(|exported| exported.presence == *presence)
    }

    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        let exported =
            self.names.iter().filter_map(|(name, it)| Some((name.as_str(), it.descriptor.as_ref()?)));
        exported.chain(self.joining.descriptors())
    }

    pub fn channel(&self, name: &str) -> Option<String> {
        match &self.names.get(name)?.forwarding {
            Forwarding::Channel { endpoint, .. } => Some(endpoint.clone()),
            Forwarding::Publisher { .. } | Forwarding::Server(_) => None,
        }
    }

    pub fn kept(&self, name: &str) -> Option<&Kept> {
        match &self.names.get(name)?.forwarding {
            Forwarding::Publisher { kept, .. } => kept.as_ref(),
            Forwarding::Server(_) | Forwarding::Channel { .. } => None,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let of = |exported: &Exported| match &exported.forwarding {
            Forwarding::Publisher { schedule, .. } => schedule.deadline(),
            Forwarding::Server(server) => server.deadline(),
            Forwarding::Channel { .. } => None,
        };
        self.names.values().filter_map(of).min()
    }

    pub fn newest_numbers(&mut self) -> Vec<NewestNumber> {
        let now = Instant::now();
        let mut numbers = Vec::new();
        for (name, exported) in &mut self.names {
            if let Forwarding::Publisher { last, schedule, .. } = &mut exported.forwarding
                && schedule.is_due(now)
            {
                let incarnation = exported.presence.incarnation;
                numbers.push(NewestNumber { name: name.clone(), incarnation, sequence: *last });
            }
        }
        numbers
    }

    /// Returns whether servers are exported, whose callers need this machine's clock.
    pub fn has_servers(&self) -> bool {
        self.servers().next().is_some()
    }

    fn servers(&self) -> impl Iterator<Item = &ExportedServer> {
        self.names.values().filter_map(|exported| match &exported.forwarding {
            Forwarding::Server(server) => Some(&**server),
            Forwarding::Publisher { .. } | Forwarding::Channel { .. } => None,
        })
    }

    /// Exports listed names that the configuration exports, and withdraws missing ones.
    ///
    /// A failure is recorded in the status and tried again with the next listing.
    ///
    /// # Errors
    /// Errors of the engine for a publisher that is already exported.
    pub fn update(
        &mut self,
        listed: &[Listed],
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let wanted = wanted(listed, config);
        // A program that does not answer at the moment still has its name.
        let is_there = |name: &str| {
            wanted.contains_key(name)
                || listed.iter().any(|one| one.problem.is_some() && bare(one).is_some_and(|it| it == name))
        };
        self.names.retain(|name, exported| is_there(name) && !exported.has_ended);
        self.joining.retain(is_there).iter().for_each(|name| status.allow(name));
        if self.bounds.is_none() {
            self.bounds = config.retain().map(|each| Bounds::new(each, config.retain_total(each)));
        }
        for (name, (pattern, listed)) in wanted {
            if let Some(exported) = self.names.get_mut(&name).filter(|it| it.presence.pattern == pattern) {
                exported.follow(listed.incarnation, engine, status)?;
                continue;
            }
            match pattern {
                Pattern::Publish => {
                    if let Some(outcome) = self.joining.publisher(&name, listed) {
                        self.joined(outcome, config, engine, status)?;
                    }
                }
                Pattern::Request => self.joining.server(&name, listed),
                Pattern::Channel | Pattern::Controller => {
                    let presence = presence(name, pattern, listed, config)?;
                    let _exported = engine.export_channel(&presence)?;
                    let forwarding = Forwarding::Channel { endpoint: listed.endpoint.clone(), _exported };
                    self.export(presence, end_of(listed), forwarding, config, engine, status)?;
                }
                Pattern::Journal => {}
            }
        }
        self.show_silent(status);
        self.show(status);
        Ok(())
    }

    /// Records publishers that have not answered for a while in the status.
    pub fn show_silent(&mut self, status: &mut Status) {
        for name in self.joining.silent_publishers() {
            status.refuse(name, "its program accepts connections, and does not answer".to_owned());
        }
    }

    pub fn next_silent(&self) -> Option<Instant> {
        self.joining.next_silent()
    }

    /// Takes finished connections to servers. Returns whether to list again, because a server waits for its
    /// connection.
    ///
    /// # Errors
    /// Errors of the engine.
    pub fn take_joined(&mut self, config: &Config, engine: &dyn Engine, status: &mut Status) -> Result<bool> {
        let (made, has_waiting) = self.joining.take();
        let is_new = !made.is_empty();
        for outcome in made {
            self.joined(outcome, config, engine, status)?;
        }
        if is_new {
            self.show(status);
        }
        Ok(has_waiting)
    }

    /// Returns when a silent server is tried again, which needs a new listing.
    pub fn next_attempt(&self) -> Option<Instant> {
        self.joining.deadline()
    }

    /// Exports a name whose program has answered.
    ///
    /// # Errors
    /// Errors of the engine for an already received message.
    fn joined(
        &mut self,
        (name, listed, joined): Outcome,
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let pattern = match joined {
            Ok(Joined::Server(_)) => Pattern::Request,
            _ => Pattern::Publish,
        };
        let presence = presence(name, pattern, &listed, config)?;
        let forwarding = joined.and_then(|joined| match joined {
            Joined::Publisher { subscriber, descriptor, first } => {
                let outlet = engine.export_publisher(&presence)?;
                let (last, schedule, kept) = (0, Schedule::default(), self.bounds.as_ref().map(Kept::new));
                let forwarding = Forwarding::Publisher { subscriber, first, outlet, last, schedule, kept };
                Ok((descriptor, forwarding))
            }
            Joined::Server(channel) => {
                let exported = engine.export_server(&presence)?;
                Ok((dup(&channel)?, Forwarding::Server(Box::new(ExportedServer::new(channel, exported)))))
            }
        });
        match forwarding {
            Ok((descriptor, forwarding)) => {
                self.export(presence, Some(descriptor), forwarding, config, engine, status)
            }
            // Its program has ended since the listing, so it no longer counts as silent.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Disconnected) => {
                status.allow(&presence.name);
                Ok(())
            }
            Err(e) => {
                status.refuse(&presence.name, e.to_string());
                Ok(())
            }
        }
    }

    fn export(
        &mut self,
        presence: Presence,
        descriptor: Option<OwnedFd>,
        forwarding: Forwarding,
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let is_json = config.is_json(&presence.name);
        let mut exported = Exported { presence, descriptor, has_ended: false, is_json, forwarding };
        status.allow(&exported.presence.name);
        // A publisher that is already sending may have left the descriptor unarmed.
        exported.pump(engine, status)?;
        self.names.insert(exported.presence.name.clone(), exported);
        Ok(())
    }

    fn show(&self, status: &mut Status) {
        let names: Vec<_> = self.names.keys().cloned().collect();
        if status.exported != names {
            status.exported = names;
            status.touch();
        }
    }

    /// Forwards messages or answers of a ready name. Returns whether its program may have ended.
    ///
    /// # Errors
    /// Errors of the engine.
    pub fn pump(
        &mut self,
        name: &str,
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<bool> {
        if let Some(outcome) = self.joining.go_on(name) {
            self.joined(outcome, config, engine, status)?;
            self.show(status);
        }
        let Some(exported) = self.names.get_mut(name) else { return Ok(false) };
        // A pidfd stays readable and would wake the loop forever, so it is dropped.
        if let Forwarding::Channel { .. } = exported.forwarding {
            exported.descriptor = None;
            exported.has_ended = true;
            return Ok(true);
        }
        exported.pump(engine, status)
    }

    /// Sends another machine's request to a server. Returns whether the server may have ended.
    ///
    /// `respond` is always called, now or later.
    pub fn request(
        &mut self,
        name: &str,
        mut call: Call,
        mut respond: Respond,
        config: &Config,
        status: &mut Status,
    ) -> bool {
        status.request_in(name);
        if let Some(at) = self.withdrawn.iter().position(|it| Some(*it) == call.request) {
            self.withdrawn.remove(at);
            status.withdrawn();
            let text = "its caller had withdrawn the request before it arrived";
            respond(Err(failure(&Error::new(ErrorKind::Timeout, text))));
            return false;
        }
        let Some(exported) = self.names.get_mut(name) else {
            respond(Err(gone()));
            return false;
        };
        let machine = &exported.presence.machine;
        let Forwarding::Server(server) = &mut exported.forwarding else {
            respond(Err(gone()));
            return false;
        };
        if call.is_foreign() {
            match arrived(call.body, exported.is_json) {
                Ok(body) => call.body = body,
                Err(e) => {
                    status.malformed(name, &e);
                    respond(Err(failure(&e)));
                    return false;
                }
            }
        }
        // A message's acknowledgement has no value.
        if exported.is_json && call.message.is_none() {
            respond = Box::new(move |reply| {
                respond(reply.and_then(|body| departing(body, true).map_err(|e| failure(&e))));
            });
        }
        let called = server.call(call, machine, config.request_timeout(), respond);
        if called == Called::Late {
            status.late(name);
        }
        exported.has_ended |= called == Called::Ended;
        called == Called::Ended
    }

    /// Withdraws a request whose caller has stopped waiting, so the server does not start it.
    pub fn withdraw(&mut self, request: RequestId, status: &mut Status) {
        for exported in self.names.values_mut() {
            if let Forwarding::Server(server) = &mut exported.forwarding
                && let Some(had_no_answer) = server.withdraw(request)
            {
                if had_no_answer {
                    status.withdrawn();
                }
                return;
            }
        }
        if self.withdrawn.len() >= EARLY {
            self.withdrawn.pop_front();
        }
        self.withdrawn.push_back(request);
    }

    pub fn expire(&mut self, status: &mut Status) {
        let now = Instant::now();
        for exported in self.names.values_mut() {
            if let Forwarding::Server(server) = &mut exported.forwarding {
                status.expired(server.expire(now));
            }
        }
    }
}

fn gone() -> RemoteFailure {
    failure(&Error::new(ErrorKind::NotFound, "the server has gone"))
}

impl Exported {
    /// Changes to a publisher's next incarnation after forwarding everything of the previous one.
    fn follow(&mut self, incarnation: Option<u64>, engine: &dyn Engine, status: &mut Status) -> Result<()> {
        let Some(incarnation) = incarnation.filter(|it| *it != self.presence.incarnation) else {
            return Ok(());
        };
        self.pump(engine, status)?;
        self.become_incarnation(incarnation, engine)
    }

    /// Replaces a publisher's presence by that of another incarnation.
    ///
    /// Each incarnation has its own numbers, so importing bridges must see the change before its first message.
    fn become_incarnation(&mut self, incarnation: u64, engine: &dyn Engine) -> Result<()> {
        if let Forwarding::Publisher { outlet, last, schedule, kept, .. } = &mut self.forwarding
            && self.presence.incarnation != incarnation
        {
            self.presence.incarnation = incarnation;
            *outlet = engine.export_publisher(&self.presence)?;
            (*last, *schedule) = (0, Schedule::default());
            kept.iter_mut().for_each(Kept::clear);
        }
        Ok(())
    }

    /// Forwards messages or answers. Returns whether the program may have ended.
    fn pump(&mut self, engine: &dyn Engine, status: &mut Status) -> Result<bool> {
        for _ in 0..IN_TURN {
            let message = match &mut self.forwarding {
                Forwarding::Channel { .. } => return Ok(false),
                Forwarding::Server(server) => {
                    self.has_ended |= server.answer();
                    return Ok(self.has_ended);
                }
                Forwarding::Publisher { subscriber, first, .. } => {
                    match first.take().map_or_else(|| subscriber.try_recv(), Ok) {
                        Ok(message) => message,
                        // The ring has overwritten messages, or memory was missing for one. Importing machines count
                        // the gap as lost.
                        Err(e) if e.missed().is_some() => {
                            status.overrun(&self.presence.name, e.missed().unwrap_or(0));
                            continue;
                        }
                        // Nothing more, or the publisher is absent.
                        Err(_) => {
                            let events = subscriber.events();
                            return Ok(events.iter().any(|event| {
                                matches!(event.kind, EventKind::Disconnected | EventKind::Unseen)
                            }));
                        }
                    }
                }
            };
            self.become_incarnation(message.incarnation(), engine)?;
            let (incarnation, sequence) = (message.incarnation(), message.sequence());
            let mut origin = Origin { incarnation, sequence, sent: message.sent().0, kept: None };
            let body = Body { encoding: message.encoding(), bytes: message.body().clone() };
            let body = match departing(body, self.is_json) {
                Ok(body) => body,
                // Its number is skipped, and subscribers get the loss with the next message.
                Err(e) => {
                    status.refuse(&self.presence.name, e.to_string());
                    continue;
                }
            };
            if let Forwarding::Publisher { outlet, last, schedule, kept, .. } = &mut self.forwarding {
                if let Some(kept) = kept {
                    // A copy, because the publisher may lend a long array's memory and needs it back.
                    let copy = Body { bytes: Bytes::copy_from_slice(&body.bytes), ..body };
                    status.unretained(&self.presence.name, kept.push(origin, copy));
                    origin.kept = kept.oldest();
                }
                match outlet.publish(Sample { name: self.presence.name.clone(), origin: Some(origin), body })
                {
                    // Its number is skipped, as above.
                    Err(e) if e.kind() == ErrorKind::TooLarge => {
                        status.too_large = status.too_large.saturating_add(1);
                        status.refuse(&self.presence.name, e.to_string());
                        kept.iter_mut().for_each(Kept::pop);
                        continue;
                    }
                    published => published?,
                }
                *last = sequence;
                schedule.published(Instant::now());
            }
            status.sent(&self.presence.name);
        }
        Ok(false)
    }
}

fn presence(name: String, pattern: Pattern, listed: &Listed, config: &Config) -> Result<Presence> {
    // Without an incarnation, the process number distinguishes two programs.
    let incarnation = listed.incarnation.or(listed.pid.map(u64::from)).unwrap_or(1);
    Ok(Presence { name, pattern, machine: config.machine()?, incarnation })
}

/// Returns a pidfd, which detects the end of a killed program that leaves its name.
///
/// Returns `None` if the process number is unknown or from another namespace.
fn end_of(listed: &Listed) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(listed.pid?).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Returns a name without its transport; `None` for paths and other transports, which stay local.
fn bare(listed: &Listed) -> Option<&str> {
    let (transport, name) = listed.endpoint.split_once(':')?;
    (matches!(transport, "shm" | "unix") && !name.starts_with('/')).then_some(name)
}

/// Returns the listed names to export, without names of this program and of other bridges.
fn wanted<'a>(listed: &'a [Listed], config: &Config) -> BTreeMap<String, (Pattern, &'a Listed)> {
    let mut wanted = BTreeMap::new();
    for one in listed {
        let pattern = match one.pattern {
            Some("publish") => Pattern::Publish,
            Some("request") => Pattern::Request,
            Some("channel") => Pattern::Channel,
            Some("controller") => Pattern::Controller,
            _ => continue,
        };
        let Some(name) = bare(one).filter(|name| config.exports(name)) else { continue };
        if one.machine.is_none() && one.pid != Some(std::process::id()) {
            // A name on both transports is exported once, in the listing's order.
            wanted.entry(name.to_owned()).or_insert((pattern, one));
        }
    }
    wanted
}

/// Describes what a configuration would do, for the output of `check`.
///
/// # Errors
/// Errors of reading this machine's name and of listing its names.
pub fn describe(config: &Config) -> Result<String> {
    let mut text = format!("realm {}, this machine is {}\n", config.realm, config.machine()?);
    for line in config.describe() {
        let _ = writeln!(text, "{line}");
    }
    for (what, list) in [("exports", &config.export), ("imports", &config.import)] {
        for one in list {
            let _ = writeln!(text, "{what} {one}");
        }
    }
    for (machine, may) in &config.machines {
        let (export, import) = (may.export.join(" "), may.import.join(" "));
        let _ = writeln!(text, "knows {machine} by its certificate: it may have {export}, and give {import}");
    }
    let listed = registry::list()?;
    for (name, (_, one)) in wanted(&listed, config) {
        let _ = writeln!(text, "would export now: {name} ({})", one.endpoint);
    }
    Ok(text)
}
