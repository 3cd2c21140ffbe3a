//! Imports names of other machines: each becomes a publisher, a server or a listener of this program under
//! the same name.
//!
//! Several machines may have one name, and only one of them is chosen: the first, until all its presences
//! have gone. Of one machine the newest incarnation counts. The others are entered in the status as refused.
//!
//! A chosen presence leads to a local end (`Local`) as follows:
//!
//! 1. The presence appears. A server, a channel or a controller gets its local end at once; a server waits
//!    until the clock of its machine is known.
//! 2. For a publisher, the newest message is queried. The answer decides with which number the local
//!    publisher begins.
//! 3. If a program of this machine has the name, the name is refused and tried again later.
//! 4. When the presence goes, its local end is dropped, and with it the name on this machine. The next
//!    presence is chosen.
//!
//! A program that uses the engine without Linkspan has no presence: its first message makes a local
//! publisher.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use linkspan::{
    Acknowledge, Error, ErrorKind, Options, Payload, Publisher, RelayListener, Request, Result, Server,
    Timestamp, Wait,
};

use crate::acknowledgement::Acknowledgements;
use crate::clocks::Clocks;
use crate::config::Config;
use crate::engine::{
    Body, Call, Engine, MessageId, Newest, Origin, Pattern, Presence, Reply, RequestId, Sample, failure,
};
use crate::exports::dup;
use crate::inbox::Inbox;
use crate::links::Links;
use crate::newest_numbers::{Missing, NewestNumber};
use crate::status::Status;

/// The most programs that may have one name.
const PRESENCES: usize = 64;
/// The most requests to one name that are sent in a row.
const IN_TURN: usize = 64;

/// All names of other machines that are imported here.
pub struct Imports {
    /// The names, with or without a local end.
    names: BTreeMap<String, Name>,
    acknowledgements: Acknowledgements,
    clocks: Clocks,
    /// The publishers whose newest message may have been lost.
    missing: Missing,
    /// Requests without an answer in time, each until its caller's own time-out has surely passed.
    given_up: Arc<Mutex<Vec<GivenUp>>>,
    /// The number of the last request that was sent to another machine.
    last_request: u64,
    /// Wakes the loop when a request has been given up.
    inbox: Inbox,
}

/// A request without an answer in time, and when its caller's own time-out has surely passed.
type GivenUp = (Instant, Arc<Request>);

/// The presences of one name, in the order in which they appeared, and the local end of the chosen one.
#[derive(Default)]
struct Name {
    presences: Vec<Presence>,
    local: Option<Local>,
}

/// The local end of a name of another machine.
enum Local {
    /// A publisher that relays messages under the numbers that they have there; `last` is the last of them.
    Publisher {
        /// The publisher's presence.
        presence: Presence,
        publisher: Publisher,
        last: u64,
    },
    /// A server that forwards requests.
    Server {
        /// The server's presence.
        presence: Presence,
        server: Box<Server>,
        descriptor: OwnedFd,
        /// Requests under way, each with its number.
        under_way: Vec<(u64, Weak<Request>)>,
    },
    /// A listener for a channel or a controller; each program that connects gets a link.
    Channel {
        /// The listener's presence.
        presence: Presence,
        listener: RelayListener,
        descriptor: OwnedFd,
    },
    /// A publisher for a program that uses the engine without Linkspan; listings show the engine's name as
    /// its machine.
    Foreign(Publisher, &'static str),
}

impl Local {
    /// Returns the presence that it stands for; a foreign program has none.
    fn presence(&self) -> Option<&Presence> {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => Some(presence),
            Local::Foreign(..) => None,
        }
    }

    /// Returns what listings show as its machine.
    fn machine(&self) -> &str {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => &presence.machine,
            Local::Foreign(_, engine) => engine,
        }
    }

    /// Binds the name for a server, a channel or a controller of another machine.
    ///
    /// # Errors
    /// `AddressInUse` if a program of this machine has the name; those of the system.
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
        // Messages are acknowledged once the far server has handled them.
        options.ack = Acknowledge::Manual;
        // A program that sends a longer request gets `TooLarge` itself, before it has sent anything.
        options.max_message_size = engine.longest_request().unwrap_or(u64::MAX).min(options.max_message_size);
        let server = Server::serve(name, &options)?;
        let descriptor = dup(&server)?;
        Ok(Local::Server { descriptor, presence, server: server.into(), under_way: Vec::new() })
    }
}

impl Name {
    /// Returns the presence that the name stands for here: of the machine that has a local end already, else
    /// of the machine that came first; of one machine its newest incarnation. Staying with a machine keeps
    /// programs here connected.
    fn chosen(&self) -> Option<&Presence> {
        let first = self.presences.first()?;
        let machine = self.local.as_ref().and_then(Local::presence).map(|presence| &presence.machine);
        let of = |machine: &String| self.presences.iter().rev().find(|it| it.machine == *machine);
        machine.and_then(of).or_else(|| of(&first.machine))
    }
}

impl Imports {
    /// Creates a set without names.
    pub fn new(inbox: Inbox, clocks: Clocks, config: &Config) -> Imports {
        let acknowledgements = Acknowledgements::new(inbox.clone(), config.request_timeout());
        let (names, missing, given_up) = Default::default();
        Imports { names, acknowledgements, clocks, missing, given_up, last_request: 0, inbox }
    }

    /// Returns when a name is to be taken anew, messages are to be sent again, a newest message is to be
    /// queried, or a caller gives up.
    pub fn deadline(&self) -> Option<Instant> {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let given_up = given_up.iter().map(|(at, _)| *at);
        given_up.chain(self.acknowledgements.deadline()).chain(self.missing.deadline()).min()
    }

    /// Closes and binds anew the names whose far server was missing when a message came: programs connect
    /// again, and send again what was not acknowledged.
    pub fn take_anew(&mut self, config: &Config, engine: &dyn Engine, status: &mut Status) {
        for name in self.acknowledgements.due() {
            if let Some(it) = self.names.get_mut(&name) {
                it.local = None;
            }
            self.acknowledgements.renew(&name);
            self.settle(&name, config, engine, status);
        }
    }

    /// Returns the descriptors to wait for, each with its name. Publishers have none.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.names.iter().filter_map(|(name, it)| match &it.local {
            Some(Local::Server { descriptor, .. } | Local::Channel { descriptor, .. }) => {
                Some((name.as_str(), descriptor))
            }
            _ => None,
        })
    }

    /// Returns whether the controller of this name is on another machine, and is reached through this
    /// program.
    pub fn has_controller(&self, name: &str) -> bool {
        let local = self.names.get(name).and_then(|it| it.local.as_ref());
        local.and_then(Local::presence).is_some_and(|it| it.pattern == Pattern::Controller)
    }

    /// Returns whether a name waits until a program of this machine releases it.
    pub fn is_blocked(&self, status: &Status) -> bool {
        let waits = |name: &String| self.names.get(name).is_some_and(|it| it.local.is_none());
        status.refused.keys().any(waits)
    }

    /// Returns why a further presence of this machine is not accepted, or `None` if it is. `most` is how many
    /// names a machine may have.
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

    /// Adds a presence of another machine, or moves one that appears again to the end.
    ///
    /// # Errors
    /// Those of the engine's query for a newest message.
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
        // The connection to its machine may have been lost meanwhile, so the newest message is queried in any
        // case.
        let chosen = self.names.get(&presence.name).and_then(Name::chosen) == Some(&presence);
        if chosen && presence.pattern == Pattern::Publish { engine.newest(&presence) } else { Ok(()) }
    }

    /// Removes a presence. If it was the chosen one, its local end is dropped and the next one is chosen.
    ///
    /// # Errors
    /// Those of the engine's query for a newest message.
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
            // The next publisher's first number is unknown until its newest message is.
            if let Some(next) = name.chosen().filter(|next| next.pattern == Pattern::Publish) {
                engine.newest(next)?;
            }
        }
        status.allow(&shown(presence));
        self.settle(&presence.name, config, engine, status);
        Ok(())
    }

    /// Tries again to bind the names without a local end: names of this machine, or a clock, have changed.
    ///
    /// # Errors
    /// Those of the engine's query for a newest message.
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

    /// Makes the local end of a name that of the chosen presence. A publisher is bound later, by `open`, once
    /// its first number is known. A name without presences is removed, unless a foreign program has it.
    fn settle(&mut self, of: &str, config: &Config, engine: &dyn Engine, status: &mut Status) {
        let Some(name) = self.names.get_mut(of) else { return };
        let Some(chosen) = name.chosen().cloned() else {
            if !matches!(name.local, Some(Local::Foreign(..))) {
                self.names.remove(of);
            }
            status.allow(of);
            self.update_status(status);
            return;
        };
        for other in name.presences.iter().filter(|other| other.machine != chosen.machine) {
            status.refuse(&shown(other), format!("{} has the name, too, and was here first", chosen.machine));
        }
        if name.local.as_ref().is_some_and(|local| local.presence() != Some(&chosen)) {
            name.local = None;
            self.acknowledgements.forget(of);
        }
        // Without the clock of that machine, requests to it would have no deadline.
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
        self.update_status(status);
    }

    /// Publishes here a message that was published at another machine. It is ignored if its publisher is not
    /// the chosen one.
    ///
    /// # Errors
    /// Those of publishing a message of a program without Linkspan.
    pub fn sample(&mut self, sample: Sample, config: &Config, status: &mut Status) -> Result<()> {
        match sample.origin {
            Some(origin) => self.relay(sample, origin, config, status),
            None => self.publish(sample, config, status),
        }
    }

    /// Publishes a message under its own number. Numbers that are left out are counted as lost, and repeated
    /// ones are dropped.
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
            // Its number is left out, and subscribers get the loss with the next message.
            Err(e) => status.refuse(&sample.name, format!("a message was not published here: {e}")),
        }
        Ok(())
    }

    /// Binds the publisher of the chosen presence, if that has this incarnation and there is none yet.
    /// `first` is the number of its first message here: subscribers do not count earlier ones as missed.
    fn open(&mut self, of: &str, incarnation: u64, first: u64, config: &Config, status: &mut Status) {
        let Some(name) = self.names.get_mut(of).filter(|it| it.local.is_none()) else { return };
        let chosen = name.chosen().filter(|it| it.incarnation == incarnation).cloned();
        let Some(presence) = chosen.filter(|it| it.pattern == Pattern::Publish) else { return };
        match Publisher::relay(of, &options(config, &presence.machine), incarnation, first) {
            Ok(publisher) => {
                status.allow(of);
                name.local = Some(Local::Publisher { presence, publisher, last: first - 1 });
                self.update_status(status);
            }
            Err(e) => status.refuse(of, refusal(&e)),
        }
    }

    /// Publishes a message of a program that uses the engine without Linkspan. It is refused if a machine has
    /// the name: the messages of two publishers would be mixed.
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
            self.update_status(status);
        }
        let local = self.names.get(&sample.name).and_then(|it| it.local.as_ref());
        if let Some(Local::Foreign(publisher, _)) = local {
            publisher.send_payload(&Payload::from_bytes(sample.body.encoding, sample.body.bytes))?;
            status.received(&sample.name, 0);
        }
        Ok(())
    }

    /// Removes a name that a program without Linkspan has withdrawn.
    pub fn ended(&mut self, name: &str, status: &mut Status) {
        if self.names.get(name).is_some_and(|it| matches!(it.local, Some(Local::Foreign(..)))) {
            self.names.remove(name);
            self.update_status(status);
        }
    }

    /// Handles the answer to the query for a publisher's newest message.
    ///
    /// # Errors
    /// Those of `sample`.
    pub fn newest(
        &mut self,
        presence: &Presence,
        newest: Newest,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        let sequence = self.missing.answered(presence);
        match newest {
            Newest::Sample(sample) => self.sample(sample, config, status),
            Newest::None => {
                self.open(&presence.name, presence.incarnation, 1, config, status);
                Ok(())
            }
            // The publisher is bound with its next message, or with the answer to the next query.
            Newest::Unknown => {
                if self.is_missing(presence, sequence) {
                    self.missing.again(presence.clone(), sequence, Instant::now());
                }
                Ok(())
            }
        }
    }

    /// Handles the number of a newest message, which another machine has sent: the message may have been lost,
    /// and is queried if it does not arrive soon. Numbers of publishers that are not chosen here are ignored.
    pub fn newest_number(&mut self, machine: &str, number: &NewestNumber) {
        let NewestNumber { name, incarnation, sequence } = number;
        let chosen = self.names.get(name).and_then(Name::chosen);
        let is_it = |it: &&Presence| it.machine == machine && it.incarnation == *incarnation;
        let Some(presence) = chosen.filter(is_it).cloned() else { return };
        if self.is_missing(&presence, *sequence) {
            self.missing.add(presence, *sequence, Instant::now());
        }
    }

    /// Returns whether the message of this number, or the local publisher itself, is still missing for a
    /// presence. False if another presence is chosen.
    fn is_missing(&self, presence: &Presence, sequence: u64) -> bool {
        let Some(name) = self.names.get(&presence.name) else { return false };
        let is_chosen = name.chosen() == Some(presence) && presence.pattern == Pattern::Publish;
        is_chosen
            && match &name.local {
                Some(Local::Publisher { last, .. }) => *last < sequence,
                Some(_) => false,
                None => true,
            }
    }

    /// Queries the newest messages that have been lost.
    ///
    /// # Errors
    /// Those of the engine's query.
    pub fn query_missing(&mut self, engine: &dyn Engine) -> Result<()> {
        if self.missing.deadline().is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        let mut missing = std::mem::take(&mut self.missing);
        let due = missing.due(Instant::now(), |presence, sequence| self.is_missing(presence, sequence));
        self.missing = missing;
        due.iter().try_for_each(|presence| engine.newest(presence))
    }

    /// Sends the requests that have arrived at a name to its machine, or opens links for programs that have
    /// connected to a channel.
    ///
    /// # Errors
    /// Those of the server here, of the engine, and of opening links.
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
        self.forward(name, engine, config, status)?;
        self.withdraw(name, engine, links)
    }

    /// Sends the requests that have arrived at a server to its machine.
    fn forward(
        &mut self,
        name: &str,
        engine: &dyn Engine,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        for _ in 0..IN_TURN {
            let Some(Name { presences, local: Some(Local::Server { presence, server, under_way, .. }) }) =
                self.names.get_mut(name)
            else {
                return Ok(());
            };
            let request = match server.next(Wait::none()) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Timeout => return Ok(()),
                Err(e) => return Err(e),
            };
            status.request_out(name);
            let body = Body { encoding: request.encoding(), bytes: request.body().clone() };
            // A message: its acknowledgement takes the place of an answer.
            if !request.wants_reply() {
                let (incarnation, number) = (request.incarnation(), request.sequence());
                if self.acknowledgements.begin(name, request) {
                    let id = MessageId { incarnation, number };
                    self.acknowledgements.send(name, body, id, presence, engine)?;
                }
                continue;
            }
            let left = request.remaining().unwrap_or(Duration::MAX).min(config.request_timeout());
            // Any machine that has the name may get the request, so its deadline is computed by the clock of
            // each.
            let machines = presences.iter().map(|presence| &presence.machine);
            let until = machines.filter_map(|it| Some((it.clone(), self.clocks.after(it, left)?)));
            self.last_request += 1;
            let id = RequestId { bridge: engine.id(), number: self.last_request };
            let call = Call { body, until: until.collect(), message: None, request: Some(id) };
            let request = Arc::new(request);
            under_way.push((id.number, Arc::downgrade(&request)));
            // The caller's own time-out ends first: it is to get its own `Timeout`, not one of another
            // machine.
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
                // An error means that the caller has gone, so no answer is needed.
                let _ = match reply {
                    Ok(body) => request.reply_payload(&Payload::from_bytes(body.encoding, body.bytes)),
                    Err(failure) => request.fail(&failure),
                };
            };
            engine.request(presence, call, left, Box::new(respond))?;
        }
        Ok(())
    }

    /// Withdraws the requests to a server whose callers wait no longer from the machines that may have them.
    /// The answered ones are removed.
    fn withdraw(&mut self, name: &str, engine: &dyn Engine, links: &Links) -> Result<()> {
        let Some(Name { presences, local: Some(Local::Server { under_way, .. }) }) = self.names.get_mut(name)
        else {
            return Ok(());
        };
        under_way.retain(|(_, request)| request.strong_count() > 0);
        let is_over = |(_, request): &mut (u64, Weak<Request>)| {
            request.upgrade().is_some_and(|request| request.is_withdrawn())
        };
        let machines: BTreeSet<&str> = presences.iter().map(|presence| &*presence.machine).collect();
        for (number, _) in under_way.extract_if(.., is_over) {
            links.withdraw(number, &machines, engine)?;
        }
        Ok(())
    }

    /// Answers the requests whose callers have given up, and removes them.
    pub fn drop_given_up(&self) {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let text = "the server's machine gave no answer in time";
        let now = Instant::now();
        for (_, request) in given_up.extract_if(.., |(at, _)| *at <= now) {
            // An error means that the caller has gone.
            let _ = request.fail(&failure(ErrorKind::Timeout.name(), text));
        }
    }

    /// Sends again the messages whose outcome did not arrive in time. The far bridge recognises those that it
    /// has had.
    ///
    /// # Errors
    /// Those of the engine's `request`.
    pub fn repeat(&mut self, engine: &dyn Engine) -> Result<()> {
        for (name, id, body) in self.acknowledgements.repeats() {
            match self.names.get(&name).and_then(|it| it.local.as_ref()) {
                Some(Local::Server { presence, .. }) => {
                    self.acknowledgements.send(&name, body, id, presence, engine)?;
                }
                // Its sender sends it again when the name is bound again.
                _ => {
                    let gone = failure("NotFound", "no server has the name here now");
                    self.acknowledgements.end(&name, id, Err(gone));
                }
            }
        }
        Ok(())
    }

    /// Enters the names that have a local end, and their machines, in the status.
    fn update_status(&self, status: &mut Status) {
        let machine = |it: &Name| Some(it.local.as_ref()?.machine().to_owned());
        let names = self.names.iter().filter_map(|(name, it)| Some((name.clone(), machine(it)?)));
        let names = names.collect();
        if status.imported != names {
            status.imported = names;
            status.touch();
        }
    }
}

/// Returns the time at which the caller of a request has surely noticed that its time is over.
fn gives_up(request: &Request) -> Instant {
    // A caller on a loaded machine may notice it late.
    const LEEWAY: Duration = Duration::from_secs(1);
    Instant::now() + request.remaining().unwrap_or_default() + LEEWAY
}

/// Returns the options of a local end; listings show this machine.
fn options(config: &Config, machine: &str) -> Options {
    Options::default().with_machine(machine).with_timeout(config.request_timeout())
}

/// Returns a name of one machine among several, for the status.
fn shown(presence: &Presence) -> String {
    format!("{} of {}", presence.name, presence.machine)
}

/// Returns why a name could not be bound, for the status.
fn refusal(error: &Error) -> String {
    match error.kind() {
        ErrorKind::AddressInUse => "a program of this machine has the name, and keeps it".into(),
        _ => error.to_string(),
    }
}
