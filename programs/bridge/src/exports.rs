//! Exports names of this machine: subscribes to publishers, and calls servers, for other machines.
//!
//! An exported name follows its program: it is exported when the listing has it, and withdrawn when the
//! listing has it no longer or its program has ended. A publisher that was restarted before the next listing
//! keeps its entry, which changes its incarnation. Channels and controllers have no data here: their frames
//! go over links, and the entry is only their presence.
//!
//! Names of other machines that a bridge has brought here are not exported again, so no name goes in a
//! circle.

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

/// The most messages of one name that are carried in a row.
const IN_TURN: usize = 256;

/// Withdrawals that are kept because their requests have not arrived.
const EARLY: usize = 1024;

/// All exported names.
pub struct Exports {
    /// The names, without their transport.
    names: BTreeMap<String, Exported>,
    /// Names whose programs have not answered yet.
    joining: Joining,
    /// Withdrawals of requests that were not found: a withdrawal may overtake its request, and the request
    /// may have gone to another machine.
    withdrawn: VecDeque<RequestId>,
    /// The bounds of the messages that are kept of publishers, once there is one.
    bounds: Option<Bounds>,
}

/// One exported name.
struct Exported {
    /// What other machines see of it.
    presence: Presence,
    /// Readable when there is something to do. For a channel or a controller it is a pidfd, readable once its
    /// program has ended; `None` if there is none, or it has fired.
    descriptor: Option<OwnedFd>,
    /// Whether its program has ended. The next program with this name is another incarnation.
    has_ended: bool,
    /// Whether its values are JSON on the engine's side.
    is_json: bool,
    forwarding: Forwarding,
}

/// How a name is exported.
#[expect(clippy::large_enum_variant, reason = "one for each name, made once")]
enum Forwarding {
    /// Messages are received from the publisher and sent to the engine.
    Publisher {
        subscriber: Subscriber,
        /// A message that came with the connection.
        first: Option<Message>,
        outlet: Box<dyn Outlet>,
        /// The number of the last message that was sent, and when it is sent to other bridges.
        last: u64,
        schedule: Schedule,
        /// The last messages, for machines that miss some; `None` without `retain`.
        kept: Option<Kept>,
    },
    /// Requests of the engine are sent to the server, and its answers to the engine.
    Server(Box<ExportedServer>),
    /// A channel or a controller at this endpoint; only its presence is exported.
    Channel { endpoint: String, _exported: Box<dyn Any> },
}

impl Exports {
    /// Nothing is exported. Connections that are made wake the loop by the inbox.
    pub fn new(inbox: Inbox) -> Exports {
        Exports {
            names: BTreeMap::new(),
            joining: Joining::new(inbox),
            withdrawn: VecDeque::new(),
            bounds: None,
        }
    }

    /// Returns whether this presence is of this bridge: an engine may send it back.
    pub fn has(&self, presence: &Presence) -> bool {
        self.names.get(&presence.name).is_some_and(|exported| exported.presence == *presence)
    }

    /// Returns the descriptors to wait for, each with its name.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        let exported =
            self.names.iter().filter_map(|(name, it)| Some((name.as_str(), it.descriptor.as_ref()?)));
        exported.chain(self.joining.descriptors())
    }

    /// Returns the endpoint of a name that is exported as a channel or a controller.
    pub fn channel(&self, name: &str) -> Option<String> {
        match &self.names.get(name)?.forwarding {
            Forwarding::Channel { endpoint, .. } => Some(endpoint.clone()),
            Forwarding::Publisher { .. } | Forwarding::Server(_) => None,
        }
    }

    /// Returns the last messages of a publisher; `None` if they are not kept.
    pub fn kept(&self, name: &str) -> Option<&Kept> {
        match &self.names.get(name)?.forwarding {
            Forwarding::Publisher { kept, .. } => kept.as_ref(),
            Forwarding::Server(_) | Forwarding::Channel { .. } => None,
        }
    }

    /// Returns the earliest deadline of a request, or time at which a newest number is to be sent.
    pub fn deadline(&self) -> Option<Instant> {
        let of = |exported: &Exported| match &exported.forwarding {
            Forwarding::Publisher { schedule, .. } => schedule.deadline(),
            Forwarding::Server(server) => server.deadline(),
            Forwarding::Channel { .. } => None,
        };
        self.names.values().filter_map(of).min()
    }

    /// Returns the numbers of newest messages that are to be sent to other bridges now.
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

    /// Returns whether servers are exported; callers of servers need the clock of this machine.
    pub fn has_servers(&self) -> bool {
        self.servers().next().is_some()
    }

    /// Returns the exported servers.
    fn servers(&self) -> impl Iterator<Item = &ExportedServer> {
        self.names.values().filter_map(|exported| match &exported.forwarding {
            Forwarding::Server(server) => Some(&**server),
            Forwarding::Publisher { .. } | Forwarding::Channel { .. } => None,
        })
    }

    /// Exports the listed names that the configuration exports, and withdraws those that have gone.
    ///
    /// A name that cannot be exported is entered in the status, and tried again with the next listing.
    ///
    /// # Errors
    /// Those of the engine for a publisher that is exported already.
    pub fn update(
        &mut self,
        listed: &[Listed],
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let wanted = wanted(listed, config);
        // A program that does not answer just now still has its name.
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

    /// Shows the publishers that have not answered for a while.
    pub fn show_silent(&mut self, status: &mut Status) {
        for name in self.joining.silent_publishers() {
            status.refuse(name, "its program accepts connections, and does not answer".to_owned());
        }
    }

    /// Returns when a publisher is to be shown that has not answered until then.
    pub fn next_silent(&self) -> Option<Instant> {
        self.joining.next_silent()
    }

    /// Takes the connections that were made to servers. Returns whether the names are to be listed again, because a
    /// server waits for its connection.
    ///
    /// # Errors
    /// Those of the engine.
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

    /// Returns when a server that did not answer is tried again: the names are to be listed then.
    pub fn next_attempt(&self) -> Option<Instant> {
        self.joining.deadline()
    }

    /// Exports a name whose program has answered.
    ///
    /// # Errors
    /// Those of the engine for a message that was received already.
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
            // Its program has ended since it was listed, and is none that does not answer any more.
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

    /// Adds an exported name.
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

    /// Enters the exported names in the status.
    fn show(&self, status: &mut Status) {
        let names: Vec<_> = self.names.keys().cloned().collect();
        if status.exported != names {
            status.exported = names;
            status.touch();
        }
    }

    /// Forwards the messages or answers of a name whose descriptor is readable. Returns whether its program
    /// may have ended.
    ///
    /// # Errors
    /// Those of the engine.
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
        // The pidfd stays readable, so it is dropped: it would wake the loop for ever.
        if let Forwarding::Channel { .. } = exported.forwarding {
            exported.descriptor = None;
            exported.has_ended = true;
            return Ok(true);
        }
        exported.pump(engine, status)
    }

    /// Sends a request of another machine to a server. Returns whether the server may have ended. `respond`
    /// is called in any case, later or at once.
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
        // The acknowledgement of a message has no value.
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

    /// Withdraws a request whose caller waits no longer: a server that has not received it does not begin
    /// with it.
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

    /// Answers the requests whose deadline has passed, and counts them.
    pub fn expire(&mut self, status: &mut Status) {
        let now = Instant::now();
        for exported in self.names.values_mut() {
            if let Forwarding::Server(server) = &mut exported.forwarding {
                status.expired(server.expire(now));
            }
        }
    }
}

/// Returns the failure of a request for a name that is not exported, or not as a server.
fn gone() -> RemoteFailure {
    failure(&Error::new(ErrorKind::NotFound, "the server has gone"))
}

impl Exported {
    /// Changes to another incarnation of a publisher, after everything of the previous one has been carried.
    fn follow(&mut self, incarnation: Option<u64>, engine: &dyn Engine, status: &mut Status) -> Result<()> {
        let Some(incarnation) = incarnation.filter(|it| *it != self.presence.incarnation) else {
            return Ok(());
        };
        self.pump(engine, status)?;
        self.become_incarnation(incarnation, engine)
    }

    /// Replaces the presence of a publisher by that of another incarnation. The messages of one incarnation
    /// have numbers of their own, so importing bridges have to see the change before the first of them.
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
                        // The ring has overwritten messages, or there was no memory for one. Their numbers are left
                        // out, which importing machines count as lost.
                        Err(e) if e.missed().is_some() => {
                            status.overrun(&self.presence.name, e.missed().unwrap_or(0));
                            continue;
                        }
                        // There is nothing more, or the publisher is not there just now.
                        Err(_) => {
                            let events = subscriber.events();
                            return Ok(events.iter().any(|event| event.kind == EventKind::Disconnected));
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
                // Its number is left out, and subscribers get the loss with the next message.
                Err(e) => {
                    status.refuse(&self.presence.name, e.to_string());
                    continue;
                }
            };
            if let Forwarding::Publisher { outlet, last, schedule, kept, .. } = &mut self.forwarding {
                if let Some(kept) = kept {
                    // A copy: the publisher may lend the memory of a long array, and needs it again.
                    let copy = Body { bytes: Bytes::copy_from_slice(&body.bytes), ..body };
                    status.unretained(&self.presence.name, kept.push(origin, copy));
                    origin.kept = kept.oldest();
                }
                match outlet.publish(Sample { name: self.presence.name.clone(), origin: Some(origin), body })
                {
                    // Its number is left out, as above.
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

/// Returns what other machines see of a listed name.
fn presence(name: String, pattern: Pattern, listed: &Listed, config: &Config) -> Result<Presence> {
    // A listing without an incarnation still has to differ between two programs.
    let incarnation = listed.incarnation.or(listed.pid.map(u64::from)).unwrap_or(1);
    Ok(Presence { name, pattern, machine: config.machine()?, incarnation })
}

/// Returns a pidfd, which is readable once the listed program has ended: one that is killed leaves its name.
/// `None` if the number of the process is unknown, or is of another namespace of processes.
fn end_of(listed: &Listed) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(listed.pid?).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Returns the name of a listed endpoint without its transport; `None` if other machines cannot have it, as
/// for a path or another transport.
fn bare(listed: &Listed) -> Option<&str> {
    let (transport, name) = listed.endpoint.split_once(':')?;
    (matches!(transport, "shm" | "unix") && !name.starts_with('/')).then_some(name)
}

/// Returns the listed names that are to be exported: none of this program, and none that another machine's
/// bridge brought.
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
            // A name of both transports is exported once: the first in the order of the listing.
            wanted.entry(name.to_owned()).or_insert((pattern, one));
        }
    }
    wanted
}

/// Returns what a configuration would do, in lines for a person: the output of `check`.
///
/// # Errors
/// Those of reading the name of this machine and of listing its names.
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
