//! Names of this machine that others have: publishers are subscribed to, servers are called.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use linkspan::registry::{self, Listed};
use linkspan::{
    Channel, Error, ErrorKind, EventKind, Options, Payload, PendingReply, RemoteFailure, Result, Subscriber,
    Wait,
};

use crate::config::Config;
use crate::engine::{self, Body, Engine, Origin, Outlet, Pattern, Presence, Respond, Sample};
use crate::status::Status;

/// Messages of one name that are carried before the others have their turn.
const IN_TURN: usize = 256;

/// Every exported name.
#[derive(Default)]
pub struct Exports(BTreeMap<String, Exported>);

struct Exported {
    presence: Presence,
    /// None where nothing of it comes to this program.
    descriptor: Option<OwnedFd>,
    way: Way,
}

#[expect(clippy::large_enum_variant, reason = "one for each name, made once")]
enum Way {
    Publisher { subscriber: Subscriber, outlet: Box<dyn Outlet> },
    Server { channel: Channel, pending: Vec<Pending>, _exported: Box<dyn Any> },
    Channel { endpoint: String, _exported: Box<dyn Any> },
}

/// A request that a server of this machine has not answered yet.
struct Pending {
    asked: PendingReply,
    respond: Respond,
    until: Instant,
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

    /// Where a name is that is exported as a channel.
    pub fn channel(&self, name: &str) -> Option<String> {
        match &self.0.get(name)?.way {
            Way::Channel { endpoint, .. } => Some(endpoint.clone()),
            Way::Publisher { .. } | Way::Server { .. } => None,
        }
    }

    /// When the first request has waited too long.
    pub fn deadline(&self) -> Option<Instant> {
        let pending = |exported: &Exported| match &exported.way {
            Way::Server { pending, .. } => pending.iter().map(|pending| pending.until).min(),
            Way::Publisher { .. } | Way::Channel { .. } => None,
        };
        self.0.values().filter_map(pending).min()
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
                || listed.iter().any(|one| one.trouble.is_some() && bare(one).is_some_and(|it| it == name))
        };
        self.0.retain(|name, _| is_there(name));
        for (name, (pattern, listed)) in wanted {
            if let Some(exported) = self.0.get_mut(&name).filter(|it| it.presence.pattern == pattern) {
                exported.follow(listed.incarnation, engine, status)?;
                continue;
            }
            match Exported::new(name.clone(), pattern, listed, config, engine) {
                Ok(exported) => {
                    status.allow(&name);
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
        self.0.get_mut(name).map_or(Ok(false), |exported| exported.pump(engine, status))
    }

    /// Calls a server for another machine.
    pub fn request(
        &mut self,
        name: &str,
        body: Body,
        respond: Respond,
        config: &Config,
        status: &mut Status,
    ) {
        status.request_in(name);
        let Some(Way::Server { channel, pending, .. }) = self.0.get_mut(name).map(|it| &mut it.way) else {
            let text = "the server has gone";
            return respond(Err(failure(&Error::new(ErrorKind::NotFound, text))));
        };
        match channel.start_call(&Payload::from_bytes(body.encoding, body.bytes), Wait::none()) {
            Ok(asked) => {
                pending.push(Pending { asked, respond, until: Instant::now() + config.request_timeout() });
                // Looking once arms the descriptor.
                answers(channel, pending);
            }
            Err(error) => respond(Err(failure(&error))),
        }
    }

    /// Answers the requests that have waited too long.
    pub fn expire(&mut self) {
        let now = Instant::now();
        for exported in self.0.values_mut() {
            if let Way::Server { pending, .. } = &mut exported.way {
                for late in pending.extract_if(.., |pending| pending.until <= now) {
                    let text = "the server gave no answer in time";
                    (late.respond)(Err(failure(&Error::new(ErrorKind::Timeout, text))));
                }
            }
        }
    }
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
                let _exported = engine.export_server(&presence)?;
                (Some(dup(&channel)?), Way::Server { channel, pending: Vec::new(), _exported })
            }
            Pattern::Channel if config.tls.is_some() => return Err(without_tls()),
            Pattern::Channel => {
                let _exported = engine.export_channel(&presence)?;
                (None, Way::Channel { endpoint: listed.endpoint.clone(), _exported })
            }
        };
        Ok(Exported { presence, descriptor, way })
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
                Way::Server { channel, pending, .. } => return Ok(answers(channel, pending)),
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
                outlet.publish(sample)?;
            }
            status.sent(&self.presence.name);
        }
        Ok(false)
    }
}

/// Forwards the answers that have arrived. Returns whether the server may have ended.
fn answers(channel: &Channel, pending: &mut Vec<Pending>) -> bool {
    if pending.is_empty() {
        // Without a request what comes is the end of the connection, or an answer that came too late.
        let _ = channel.poll();
    }
    for one in std::mem::take(pending) {
        match channel.finish_call(one.asked, Wait::none()) {
            Ok(message) => {
                let body = Body { encoding: message.encoding(), bytes: message.body().clone() };
                (one.respond)(Ok(body));
            }
            Err(e) if matches!(e.kind(), ErrorKind::Timeout | ErrorKind::NotFound) => pending.push(one),
            Err(e) => (one.respond)(Err(failure(&e))),
        }
    }
    channel.events().iter().any(|event| event.kind == EventKind::Disconnected)
}

/// An error as the other machine's caller is told it.
fn failure(error: &Error) -> RemoteFailure {
    error.remote_failure().cloned().unwrap_or_else(|| engine::failure(error.kind().name(), error.text()))
}

/// What a machine may do is not said of channels yet.
pub fn without_tls() -> Error {
    let text =
        "channels are carried between bridges without TLS alone: give the name a publisher or a server";
    Error::new(ErrorKind::Unsupported, text)
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
    let zenoh = &config.zenoh;
    for (what, list) in [
        ("listens at", &zenoh.listen),
        ("connects to", &zenoh.connect),
        ("goes through the router", &zenoh.routers),
        ("exports", &config.export),
        ("imports", &config.import),
    ] {
        for one in list {
            let _ = writeln!(text, "{what} {one}");
        }
    }
    for (machine, may) in &config.machines {
        let (export, import) = (may.export.join(" "), may.import.join(" "));
        let _ = writeln!(text, "knows {machine} by its certificate: it may have {export}, and give {import}");
    }
    if zenoh.scouting {
        text += "finds other bridges by multicast\n";
    }
    let listed = registry::list()?;
    for (name, (_, one)) in wanted(&listed, config) {
        let _ = writeln!(text, "would export now: {name} ({})", one.endpoint);
    }
    Ok(text)
}
