//! Names of this machine that others have: publishers are subscribed to, servers are called.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use linkspan::registry::{self, Listed};
use linkspan::{Channel, Error, ErrorKind, EventKind, Options, RemoteFailure, Result, Subscriber};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::config::Config;
use crate::engine::{Body, Call, Engine, Origin, Outlet, Pattern, Presence, Respond, Sample};
use crate::exported_server::{Called, ExportedServer, failure};
use crate::status::Status;

/// Messages of one name that are carried before the others have their turn.
const IN_TURN: usize = 256;

/// Every exported name.
#[derive(Default)]
pub struct Exports(BTreeMap<String, Exported>);

struct Exported {
    presence: Presence,
    /// What is readable once there is something to do; of a channel or a controller, whose frames go between the bridges' links, once
    /// its program has ended. None where that cannot be known.
    descriptor: Option<OwnedFd>,
    /// Whether the program that has the name has ended. The next one is another incarnation.
    has_ended: bool,
    way: Way,
}

#[expect(clippy::large_enum_variant, reason = "one for each name, made once")]
enum Way {
    Publisher { subscriber: Subscriber, outlet: Box<dyn Outlet> },
    Server(Box<ExportedServer>),
    Channel { endpoint: String, _exported: Box<dyn Any> },
}

impl Exports {
    /// Whether this is one of ours, which came back to us.
    pub fn has(&self, presence: &Presence) -> bool {
        self.0.get(&presence.name).is_some_and(|exported| exported.presence == *presence)
    }

    /// What is to be waited for, with the name that it belongs to.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.0.iter().filter_map(|(name, exported)| Some((name.as_str(), exported.descriptor.as_ref()?)))
    }

    /// Where a name is that is exported as a channel or a controller.
    pub fn channel(&self, name: &str) -> Option<String> {
        match &self.0.get(name)?.way {
            Way::Channel { endpoint, .. } => Some(endpoint.clone()),
            Way::Publisher { .. } | Way::Server(_) => None,
        }
    }

    /// When the first request has waited too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.servers().filter_map(ExportedServer::deadline).min()
    }

    /// Whether servers are exported, whose callers need to know the clock of this machine.
    pub fn has_servers(&self) -> bool {
        self.servers().next().is_some()
    }

    fn servers(&self) -> impl Iterator<Item = &ExportedServer> {
        self.0.values().filter_map(|exported| match &exported.way {
            Way::Server(server) => Some(&**server),
            Way::Publisher { .. } | Way::Channel { .. } => None,
        })
    }

    /// Exports what is there now and is to be, and ends what is there no longer.
    pub fn update(
        &mut self,
        listed: &[Listed],
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let wanted = wanted(listed, config);
        // Who does not answer just now is there all the same.
        let is_there = |name: &str| {
            wanted.contains_key(name)
                || listed.iter().any(|one| one.problem.is_some() && bare(one).is_some_and(|it| it == name))
        };
        self.0.retain(|name, exported| is_there(name) && !exported.has_ended);
        for (name, (pattern, listed)) in wanted {
            if let Some(exported) = self.0.get_mut(&name).filter(|it| it.presence.pattern == pattern) {
                exported.follow(listed.incarnation, engine, status)?;
                continue;
            }
            match Exported::new(name.clone(), pattern, listed, config, engine) {
                Ok(mut exported) => {
                    status.allow(&name);
                    // A publisher that is already sending may have left the descriptor unarmed.
                    exported.pump(engine, status)?;
                    self.0.insert(name, exported);
                }
                // It has just gone.
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Disconnected) => {}
                Err(e) => status.refuse(&name, e.to_string()),
            }
        }
        let names: Vec<_> = self.0.keys().cloned().collect();
        if status.exported != names {
            status.exported = names;
            status.touch();
        }
        Ok(())
    }

    /// Forwards the messages and answers of a name. Returns whether its program may have ended.
    pub fn pump(&mut self, name: &str, engine: &dyn Engine, status: &mut Status) -> Result<bool> {
        let Some(exported) = self.0.get_mut(name) else { return Ok(false) };
        if let Way::Channel { .. } = exported.way {
            exported.descriptor = None;
            exported.has_ended = true;
            return Ok(true);
        }
        exported.pump(engine, status)
    }

    /// Calls a server for another machine. Returns whether it may have ended.
    pub fn request(
        &mut self,
        name: &str,
        call: Call,
        respond: Respond,
        config: &Config,
        status: &mut Status,
    ) -> bool {
        status.request_in(name);
        let Some(exported) = self.0.get_mut(name) else {
            respond(Err(gone()));
            return false;
        };
        let machine = &exported.presence.machine;
        let Way::Server(server) = &mut exported.way else {
            respond(Err(gone()));
            return false;
        };
        let called = server.call(call, machine, config.request_timeout(), respond);
        if called == Called::Late {
            status.late(name);
        }
        exported.has_ended |= called == Called::Ended;
        called == Called::Ended
    }

    /// Answers the requests that have waited too long.
    pub fn expire(&mut self, status: &mut Status) {
        let now = Instant::now();
        for exported in self.0.values_mut() {
            if let Way::Server(server) = &mut exported.way {
                status.expired(server.expire(now));
            }
        }
    }
}

fn gone() -> RemoteFailure {
    failure(&Error::new(ErrorKind::NotFound, "the server has gone"))
}

impl Exported {
    fn new(
        name: String,
        pattern: Pattern,
        listed: &Listed,
        config: &Config,
        engine: &dyn Engine,
    ) -> Result<Exported> {
        let incarnation = listed.incarnation.or(listed.pid.map(u64::from)).unwrap_or(1);
        let presence = Presence { name, pattern, machine: config.machine()?, incarnation };
        let (descriptor, way) = match pattern {
            Pattern::Publish => {
                let subscriber = Subscriber::new(&listed.endpoint, &Options::default())?;
                let descriptor = dup(&subscriber)?;
                let outlet = engine.export_publisher(&presence)?;
                (Some(descriptor), Way::Publisher { subscriber, outlet })
            }
            Pattern::Request => {
                let patience = std::time::Duration::from_secs(1);
                let channel = Channel::connect(&listed.endpoint, &Options::default(), patience)?;
                let exported = engine.export_server(&presence)?;
                (Some(dup(&channel)?), Way::Server(Box::new(ExportedServer::new(channel, exported))))
            }
            Pattern::Channel | Pattern::Controller => {
                let _exported = engine.export_channel(&presence)?;
                (end_of(listed), Way::Channel { endpoint: listed.endpoint.clone(), _exported })
            }
            Pattern::Journal => {
                let text = "a journal is exported from where it is, and not subscribed to";
                return Err(Error::new(ErrorKind::InvalidState, text));
            }
        };
        Ok(Exported { presence, descriptor, has_ended: false, way })
    }

    /// The publisher is another incarnation now, once all of the one before has been carried.
    fn follow(&mut self, incarnation: Option<u64>, engine: &dyn Engine, status: &mut Status) -> Result<()> {
        let Some(incarnation) = incarnation.filter(|it| *it != self.presence.incarnation) else {
            return Ok(());
        };
        self.pump(engine, status)?;
        self.become_incarnation(incarnation, engine)
    }

    fn become_incarnation(&mut self, incarnation: u64, engine: &dyn Engine) -> Result<()> {
        if let Way::Publisher { outlet, .. } = &mut self.way
            && self.presence.incarnation != incarnation
        {
            self.presence.incarnation = incarnation;
            *outlet = engine.export_publisher(&self.presence)?;
        }
        Ok(())
    }

    fn pump(&mut self, engine: &dyn Engine, status: &mut Status) -> Result<bool> {
        for _ in 0..IN_TURN {
            let message = match &mut self.way {
                Way::Channel { .. } => return Ok(false),
                Way::Server(server) => {
                    self.has_ended |= server.answer();
                    return Ok(self.has_ended);
                }
                Way::Publisher { subscriber, .. } => match subscriber.try_recv() {
                    Ok(message) => message,
                    Err(e) if e.kind() == ErrorKind::Lagged => {
                        status.overrun(&self.presence.name, e.missed().unwrap_or(0));
                        continue;
                    }
                    // Nothing more, or nobody there just now.
                    Err(_) => {
                        let events = subscriber.events();
                        return Ok(events.iter().any(|event| event.kind == EventKind::Disconnected));
                    }
                },
            };
            self.become_incarnation(message.incarnation(), engine)?;
            let (incarnation, sequence) = (message.incarnation(), message.sequence());
            let sample = Sample {
                name: self.presence.name.clone(),
                origin: Some(Origin { incarnation, sequence, sent: message.sent().0 }),
                body: Body { encoding: message.encoding(), bytes: message.body().clone() },
            };
            if let Way::Publisher { outlet, .. } = &self.way {
                match outlet.publish(sample) {
                    // Its number is left out, and subscribers are told so with the next one.
                    Err(e) if e.kind() == ErrorKind::TooLarge => {
                        status.too_large += 1;
                        status.refuse(&self.presence.name, e.to_string());
                        continue;
                    }
                    published => published?,
                }
            }
            status.sent(&self.presence.name);
        }
        Ok(false)
    }
}

/// What is readable once the listed program has ended, killed or not: a killed one takes no name away. None where it is of another
/// namespace of processes, in which its number is another.
fn end_of(listed: &Listed) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(listed.pid?).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// The descriptor of an object, once: asking for it again would wake the loop again.
pub fn dup(object: &impl AsFd) -> Result<OwnedFd> {
    let error = |e: std::io::Error| Error::os("duplicating a descriptor", e.raw_os_error().unwrap_or(0));
    object.as_fd().try_clone_to_owned().map_err(error)
}

/// The name of a listed endpoint that others can have, without its transport.
fn bare(listed: &Listed) -> Option<&str> {
    let (transport, name) = listed.endpoint.split_once(':')?;
    (matches!(transport, "shm" | "unix") && !name.starts_with('/')).then_some(name)
}

/// What is to be exported of what is there: nothing of this program's own, and nothing that another machine's bridge brought.
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
            // A name of both transports is taken once: the listing is in their order.
            wanted.entry(name.to_owned()).or_insert((pattern, one));
        }
    }
    wanted
}

/// What a configuration would do, in lines for a person.
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
