//! Names of other machines that are had here: each is a publisher or a server of this program, under the same name.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use linkspan::{
    Acknowledge, Error, ErrorKind, Options, Payload, Publisher, RelayListener, Request, Result, Server,
    Timestamp, Wait,
};

use crate::acknowledgement::Acknowledgements;
use crate::clocks::Clocks;
use crate::config::Config;
use crate::engine::{
    Body, Call, Engine, MessageId, Newest, Origin, Pattern, Presence, Reply, Sample, failure,
};
use crate::exports::dup;
use crate::inbox::Inbox;
use crate::links::Links;
use crate::status::Status;

/// Programs that may have one name, at most.
const PRESENCES: usize = 64;
/// Requests to one name that are sent before the others have their turn.
const IN_TURN: usize = 64;

/// Every name of other machines that is wanted here.
pub struct Imports {
    names: BTreeMap<String, Name>,
    acknowledgements: Acknowledgements,
    clocks: Clocks,
    /// Requests without an answer in time, until their callers have noticed.
    given_up: Arc<Mutex<Vec<(Instant, Request)>>>,
    inbox: Inbox,
}

/// Who has a name, in the order in which they came, and what stands for the chosen one here.
#[derive(Default)]
struct Name {
    presences: Vec<Presence>,
    local: Option<Local>,
}

/// What stands here for a name of another machine.
enum Local {
    Publisher {
        presence: Presence,
        publisher: Publisher,
        last: u64,
    },
    Server {
        presence: Presence,
        server: Server,
        descriptor: OwnedFd,
    },
    Channel {
        presence: Presence,
        listener: RelayListener,
        descriptor: OwnedFd,
    },
    /// Of a program that knows the engine alone, which is named for its machine.
    Foreign(Publisher, &'static str),
}

impl Local {
    fn presence(&self) -> Option<&Presence> {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => Some(presence),
            Local::Foreign(..) => None,
        }
    }

    /// What listings show as its machine.
    fn machine(&self) -> &str {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => &presence.machine,
            Local::Foreign(_, engine) => engine,
        }
    }

    /// What takes calls for a server, a channel or a controller of another machine.
    fn listen(name: &str, presence: Presence, config: &Config, engine: &dyn Engine) -> Result<Local> {
        let options = options(config, &presence.machine);
        if matches!(presence.pattern, Pattern::Channel | Pattern::Controller) {
            let listener = match presence.pattern {
                // Services look for their controller over unix:.
                Pattern::Controller => RelayListener::listen_for_services(&format!("unix:{name}"), &options)?,
                _ => RelayListener::listen(name, &options)?,
            };
            return Ok(Local::Channel { descriptor: dup(&listener)?, presence, listener });
        }
        // Once the far server has handled a message.
        let mut options = options;
        options.ack = Acknowledge::Manual;
        // A program that sends more gets `TooLarge` itself, before it has sent anything.
        options.max_message_size = engine.longest_request().unwrap_or(u64::MAX).min(options.max_message_size);
        let server = Server::serve(name, &options)?;
        Ok(Local::Server { descriptor: dup(&server)?, presence, server })
    }
}

impl Name {
    /// Which of those who have the name it stands for here: the machine that has it already, else the one that came first; of one
    /// machine its newest incarnation.
    fn chosen(&self) -> Option<&Presence> {
        let first = self.presences.first()?;
        let machine = self.local.as_ref().and_then(Local::presence).map(|presence| &presence.machine);
        let of = |machine: &String| self.presences.iter().rev().find(|it| it.machine == *machine);
        machine.and_then(of).or_else(|| of(&first.machine))
    }
}

impl Imports {
    /// None yet.
    pub fn new(inbox: Inbox, clocks: Clocks, config: &Config) -> Imports {
        let acknowledgements = Acknowledgements::new(inbox.clone(), config.request_timeout());
        Imports { names: BTreeMap::new(), acknowledgements, clocks, given_up: Arc::default(), inbox }
    }

    /// When servers are to be taken anew whose machine did not have them when a message came, or a caller gives up.
    pub fn deadline(&self) -> Option<Instant> {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        given_up.iter().map(|(at, _)| *at).chain(self.acknowledgements.deadline()).min()
    }

    /// Takes them anew: programs connect again, and send again what was not acknowledged.
    pub fn take_anew(&mut self, config: &Config, engine: &dyn Engine, status: &mut Status) {
        for name in self.acknowledgements.due() {
            if let Some(it) = self.names.get_mut(&name) {
                it.local = None;
            }
            self.acknowledgements.renew(&name);
            self.settle(&name, config, engine, status);
        }
    }

    /// What is to be waited for, with the name that it belongs to.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.names.iter().filter_map(|(name, it)| match &it.local {
            Some(Local::Server { descriptor, .. } | Local::Channel { descriptor, .. }) => {
                Some((name.as_str(), descriptor))
            }
            _ => None,
        })
    }

    /// Whether the controller of this name is on another machine, and is reached through this program.
    pub fn has_controller(&self, name: &str) -> bool {
        let local = self.names.get(name).and_then(|it| it.local.as_ref());
        local.and_then(Local::presence).is_some_and(|it| it.pattern == Pattern::Controller)
    }

    /// Whether a name waits until a program of this machine lets go of it.
    pub fn is_blocked(&self, status: &Status) -> bool {
        let waits = |name: &String| self.names.get(name).is_some_and(|it| it.local.is_none());
        status.refused.keys().any(waits)
    }

    /// Why no more names of this machine are taken; none where they are. `most` is how many it may have.
    pub fn surplus(&self, name: &str, machine: &str, most: usize) -> Option<String> {
        let is_of = |it: &&Name| match (&it.local, &it.presences[..]) {
            (Some(Local::Foreign(_, engine)), _) => machine == *engine,
            (_, presences) => presences.iter().any(|presence| presence.machine == machine),
        };
        if self.names.get(name).is_some_and(|it| it.presences.len() >= PRESENCES) {
            return Some(format!("more than {PRESENCES} programs have the name"));
        }
        let has_more = !self.names.contains_key(name) && self.names.values().filter(is_of).count() >= most;
        has_more.then(|| format!("{machine} has more than {most} names, and no more are taken of it"))
    }

    /// A name of another machine is there.
    pub fn appeared(
        &mut self,
        presence: Presence,
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let name = self.names.entry(presence.name.clone()).or_default();
        name.presences.retain(|it| *it != presence);
        name.presences.push(presence.clone());
        self.settle(&presence.name, config, engine, status);
        // It may have been away meanwhile: what it published since is asked for in any case.
        let chosen = self.names.get(&presence.name).and_then(Name::chosen) == Some(&presence);
        if chosen && presence.pattern == Pattern::Publish { engine.newest(&presence) } else { Ok(()) }
    }

    /// It is there no longer.
    pub fn gone(
        &mut self,
        presence: &Presence,
        config: &Config,
        engine: &dyn Engine,
        status: &mut Status,
    ) -> Result<()> {
        let Some(name) = self.names.get_mut(&presence.name) else { return Ok(()) };
        name.presences.retain(|it| it != presence);
        if name.local.as_ref().and_then(Local::presence) == Some(presence) {
            name.local = None;
            self.acknowledgements.forget(&presence.name);
            // Whoever is next is asked for what it has.
            if let Some(next) = name.chosen().filter(|next| next.pattern == Pattern::Publish) {
                engine.newest(next)?;
            }
        }
        status.allow(&shown(presence));
        self.settle(&presence.name, config, engine, status);
        Ok(())
    }

    /// Tries again what was refused: names of this machine have changed.
    pub fn retry(&mut self, config: &Config, engine: &dyn Engine, status: &mut Status) -> Result<()> {
        let waits = |(name, it): (&String, &Name)| it.local.is_none().then(|| name.clone());
        let waiting: Vec<String> = self.names.iter().filter_map(waits).collect();
        for name in waiting {
            if let Some(next) = self.names.get(&name).and_then(Name::chosen)
                && next.pattern == Pattern::Publish
            {
                engine.newest(next)?;
            }
            self.settle(&name, config, engine, status);
        }
        Ok(())
    }

    /// Makes what stands here for a name that of whoever is chosen. A publisher follows once it is known what it begins with.
    fn settle(&mut self, of: &str, config: &Config, engine: &dyn Engine, status: &mut Status) {
        let Some(name) = self.names.get_mut(of) else { return };
        let Some(chosen) = name.chosen().cloned() else {
            if !matches!(name.local, Some(Local::Foreign(..))) {
                self.names.remove(of);
            }
            status.allow(of);
            self.tell(status);
            return;
        };
        for other in name.presences.iter().filter(|other| other.machine != chosen.machine) {
            status.refuse(&shown(other), format!("{} has the name, too, and was here first", chosen.machine));
        }
        if name.local.as_ref().is_some_and(|local| local.presence() != Some(&chosen)) {
            name.local = None;
            self.acknowledgements.forget(of);
        }
        // Without that machine's clock requests to it would have no deadline.
        let waits = chosen.pattern == Pattern::Request && self.clocks.is_awaited(&chosen.machine);
        if name.local.is_none() && chosen.pattern != Pattern::Publish && !waits {
            match Local::listen(of, chosen, config, engine) {
                Ok(local) => {
                    status.allow(of);
                    name.local = Some(local);
                }
                Err(e) => status.refuse(of, refusal(&e)),
            }
        }
        self.tell(status);
    }

    /// A message that was published at another machine.
    pub fn sample(&mut self, sample: Sample, config: &Config, status: &mut Status) -> Result<()> {
        match sample.origin {
            Some(origin) => self.relay(sample, origin, config, status),
            None => self.publish(sample, config, status),
        }
    }

    fn relay(&mut self, sample: Sample, origin: Origin, config: &Config, status: &mut Status) -> Result<()> {
        self.open(&sample.name, origin.incarnation, origin.sequence, config, status);
        let name = self.names.get_mut(&sample.name);
        let Some(Local::Publisher { presence, publisher, last }) = name.and_then(|it| it.local.as_mut())
        else {
            return Ok(());
        };
        if presence.incarnation != origin.incarnation {
            return Ok(());
        }
        let payload = Payload::from_bytes(sample.body.encoding, sample.body.bytes);
        status.touch();
        match publisher.relay_payload(origin.sequence, Timestamp(origin.sent), &payload) {
            Ok(true) => {
                status.received(&sample.name, origin.sequence - *last - 1);
                *last = origin.sequence;
            }
            Ok(false) => status.repeated += 1,
            // Its number is left out, and subscribers are told so with the next one.
            Err(e) => status.refuse(&sample.name, format!("a message was not published here: {e}")),
        }
        Ok(())
    }

    /// Makes the publisher that stands for the chosen one, where that is of this incarnation and there is none yet.
    fn open(&mut self, of: &str, incarnation: u64, first: u64, config: &Config, status: &mut Status) {
        let Some(name) = self.names.get_mut(of).filter(|it| it.local.is_none()) else { return };
        let chosen = name.chosen().filter(|it| it.incarnation == incarnation).cloned();
        let Some(presence) = chosen.filter(|it| it.pattern == Pattern::Publish) else { return };
        match Publisher::relay(of, &options(config, &presence.machine), incarnation, first) {
            Ok(publisher) => {
                status.allow(of);
                name.local = Some(Local::Publisher { presence, publisher, last: first - 1 });
                self.tell(status);
            }
            Err(e) => status.refuse(of, refusal(&e)),
        }
    }

    /// Publishes what a program that knows the engine alone did.
    fn publish(&mut self, sample: Sample, config: &Config, status: &mut Status) -> Result<()> {
        let name = self.names.entry(sample.name.clone()).or_default();
        if let Some(chosen) = name.chosen() {
            let engine = config.engine.name();
            let why = format!("a program of {engine} publishes there, too; {} has the name", chosen.machine);
            status.refuse(&shown(&Presence { machine: engine.into(), ..chosen.clone() }), why);
            return Ok(());
        }
        if name.local.is_none() {
            let engine = config.engine.name();
            match Publisher::new(&sample.name, &options(config, engine)) {
                Ok(publisher) => name.local = Some(Local::Foreign(publisher, engine)),
                Err(e) => {
                    self.names.remove(&sample.name);
                    status.refuse(&sample.name, refusal(&e));
                    return Ok(());
                }
            }
            status.allow(&sample.name);
            self.tell(status);
        }
        let local = self.names.get(&sample.name).and_then(|it| it.local.as_ref());
        if let Some(Local::Foreign(publisher, _)) = local {
            publisher.send_payload(&Payload::from_bytes(sample.body.encoding, sample.body.bytes))?;
            status.received(&sample.name, 0);
        }
        Ok(())
    }

    /// A program that knows the engine alone has ended what it published.
    pub fn ended(&mut self, name: &str, status: &mut Status) {
        if self.names.get(name).is_some_and(|it| matches!(it.local, Some(Local::Foreign(..)))) {
            self.names.remove(name);
            self.tell(status);
        }
    }

    /// What the newest message of a publisher is, which was asked for.
    pub fn newest(
        &mut self,
        presence: &Presence,
        newest: Newest,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        match newest {
            Newest::Sample(sample) => self.sample(sample, config, status),
            Newest::None => {
                self.open(&presence.name, presence.incarnation, 1, config, status);
                Ok(())
            }
            // Its next message tells.
            Newest::Unknown => Ok(()),
        }
    }

    /// Sends the requests to other machines that have come at a name, or lets programs in that call a channel.
    pub fn pump(
        &mut self,
        name: &str,
        engine: &dyn Engine,
        links: &mut Links,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        let local = self.names.get(name).and_then(|it| it.local.as_ref());
        if let Some(Local::Channel { presence, listener, .. }) = local {
            while let Some(caller) = listener.next_caller() {
                links.call(caller, name, &presence.machine)?;
            }
            return Ok(());
        }
        let Some(Local::Server { presence, server, .. }) = local else { return Ok(()) };
        for _ in 0..IN_TURN {
            let request = match server.next(Wait::none()) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Timeout => return Ok(()),
                Err(e) => return Err(e),
            };
            status.request_out(name);
            let body = Body { encoding: request.encoding(), bytes: request.body().clone() };
            if !request.wants_reply() {
                let (incarnation, number) = (request.incarnation(), request.sequence());
                if self.acknowledgements.begin(name, request) {
                    let id = MessageId { incarnation, number };
                    self.acknowledgements.send(name, body, id, presence, engine)?;
                }
                continue;
            }
            let left = request.remaining().unwrap_or(Duration::MAX).min(config.request_timeout());
            let machines = self.names.get(name).into_iter().flat_map(|it| &it.presences);
            let machines = machines.map(|presence| &presence.machine);
            let until = machines.filter_map(|it| Some((it.clone(), self.clocks.after(it, left)?)));
            let call = Call { body, until: until.collect(), message: None };
            // Its caller's own time ends first: it is to get its own `Timeout`, and not one of another machine.
            let is_callers = left < config.request_timeout();
            let (given_up, inbox) = (self.given_up.clone(), self.inbox.clone());
            let respond = move |reply: Reply| {
                if let (true, Err(failure)) = (is_callers, &reply)
                    && failure.kind == ErrorKind::Timeout.name()
                {
                    given_up
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((gives_up(&request), request));
                    return inbox.wake();
                }
                // An error means that the caller has gone, so there is nobody to answer.
                let _ = match reply {
                    Ok(body) => request.reply_payload(&Payload::from_bytes(body.encoding, body.bytes)),
                    Err(failure) => request.fail(&failure),
                };
            };
            engine.request(presence, call, left, Box::new(respond))?;
        }
        Ok(())
    }

    /// Drops the requests whose callers have given up.
    pub fn drop_given_up(&self) {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let text = "the server's machine gave no answer in time";
        let now = Instant::now();
        for (_, request) in given_up.extract_if(.., |(at, _)| *at <= now) {
            // An error means that the caller has gone.
            let _ = request.fail(&failure(ErrorKind::Timeout.name(), text));
        }
    }

    /// Sends the messages again whose outcome did not come in time: their servers have them once.
    pub fn repeat(&mut self, engine: &dyn Engine) -> Result<()> {
        for (name, id, body) in self.acknowledgements.repeats() {
            match self.names.get(&name).and_then(|it| it.local.as_ref()) {
                Some(Local::Server { presence, .. }) => {
                    self.acknowledgements.send(&name, body, id, presence, engine)?;
                }
                // Its sender sends it again when the name is there.
                _ => {
                    let gone = failure("NotFound", "no server has the name here now");
                    self.acknowledgements.end(&name, id, Err(gone));
                }
            }
        }
        Ok(())
    }

    fn tell(&self, status: &mut Status) {
        let machine = |it: &Name| Some(it.local.as_ref()?.machine().to_owned());
        let names = self.names.iter().filter_map(|(name, it)| Some((name.clone(), machine(it)?)));
        let names = names.collect();
        if status.imported != names {
            status.imported = names;
            status.touch();
        }
    }
}

/// When the caller of a request has surely noticed that its time is over.
fn gives_up(request: &Request) -> Instant {
    const LEEWAY: Duration = Duration::from_millis(100);
    Instant::now() + request.remaining().unwrap_or_default() + LEEWAY
}

fn options(config: &Config, machine: &str) -> Options {
    Options::default().with_machine(machine).with_timeout(config.request_timeout())
}

/// A name of one machine among several.
fn shown(presence: &Presence) -> String {
    format!("{} of {}", presence.name, presence.machine)
}

fn refusal(error: &Error) -> String {
    match error.kind() {
        ErrorKind::AddressInUse => "a program of this machine has the name, and keeps it".into(),
        _ => error.to_string(),
    }
}
