//! Names of other machines that are had here: each is a publisher or a server of this program, under the same name.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use linkspan::{
    Error, ErrorKind, Options, Payload, Publisher, RelayListener, Result, Server, Timestamp, Wait,
};

use crate::config::Config;
use crate::engine::{Body, Engine, Newest, Origin, Pattern, Presence, Reply, Sample};
use crate::exports::{dup, without_tls};
use crate::links::Links;
use crate::status::Status;

/// What listings show as the machine of a name at which a program publishes that knows the engine alone.
pub const FOREIGN: &str = "zenoh";
/// Programs that may have one name, at most.
const PRESENCES: usize = 64;
/// Requests to one name that are sent before the others have their turn.
const IN_TURN: usize = 64;

/// Every name of other machines that is wanted here.
#[derive(Default)]
pub struct Imports(BTreeMap<String, Name>);

/// Who has a name, in the order in which they came, and what stands for the chosen one here.
#[derive(Default)]
struct Name {
    presences: Vec<Presence>,
    local: Option<Local>,
}

/// What stands here for a name of another machine.
#[expect(clippy::large_enum_variant, reason = "one for each name, made once")]
enum Local {
    Publisher { presence: Presence, publisher: Publisher, last: u64 },
    Server { presence: Presence, server: Server, descriptor: OwnedFd },
    Channel { presence: Presence, listener: RelayListener, descriptor: OwnedFd },
    Foreign(Publisher),
}

impl Local {
    fn presence(&self) -> Option<&Presence> {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => Some(presence),
            Local::Foreign(_) => None,
        }
    }

    /// What takes calls for a server or a channel of another machine.
    fn listen(name: &str, presence: Presence, config: &Config) -> Result<Local> {
        let options = options(config, &presence.machine);
        if presence.pattern == Pattern::Channel {
            if config.tls.is_some() {
                return Err(without_tls());
            }
            let listener = RelayListener::listen(name, &options)?;
            return Ok(Local::Channel { descriptor: dup(&listener)?, presence, listener });
        }
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
    /// What is to be waited for, with the name that it belongs to.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.0.iter().filter_map(|(name, it)| match &it.local {
            Some(Local::Server { descriptor, .. } | Local::Channel { descriptor, .. }) => {
                Some((name.as_str(), descriptor))
            }
            _ => None,
        })
    }

    /// Whether a name waits until a program of this machine lets go of it.
    pub fn is_blocked(&self, status: &Status) -> bool {
        let waits = |name: &String| self.0.get(name).is_some_and(|it| it.local.is_none());
        status.refused.keys().any(waits)
    }

    /// Why no more names of this machine are taken; none where they are. `most` is how many it may have.
    pub fn surplus(&self, name: &str, machine: &str, most: usize) -> Option<String> {
        let is_of = |it: &&Name| match (&it.local, &it.presences[..]) {
            (Some(Local::Foreign(_)), _) => machine == FOREIGN,
            (_, presences) => presences.iter().any(|presence| presence.machine == machine),
        };
        if self.0.get(name).is_some_and(|it| it.presences.len() >= PRESENCES) {
            return Some(format!("more than {PRESENCES} programs have the name"));
        }
        let has_more = !self.0.contains_key(name) && self.0.values().filter(is_of).count() >= most;
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
        let name = self.0.entry(presence.name.clone()).or_default();
        name.presences.retain(|it| *it != presence);
        name.presences.push(presence.clone());
        self.settle(&presence.name, config, status);
        // It may have been away meanwhile: what it published since is asked for in any case.
        let chosen = self.0.get(&presence.name).and_then(Name::chosen) == Some(&presence);
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
        let Some(name) = self.0.get_mut(&presence.name) else { return Ok(()) };
        name.presences.retain(|it| it != presence);
        if name.local.as_ref().and_then(Local::presence) == Some(presence) {
            name.local = None;
            // Whoever is next is asked for what it has.
            if let Some(next) = name.chosen().filter(|next| next.pattern == Pattern::Publish) {
                engine.newest(next)?;
            }
        }
        status.allow(&shown(presence));
        self.settle(&presence.name, config, status);
        Ok(())
    }

    /// Tries again what was refused: names of this machine have changed.
    pub fn retry(&mut self, config: &Config, engine: &dyn Engine, status: &mut Status) -> Result<()> {
        let waits = |(name, it): (&String, &Name)| it.local.is_none().then(|| name.clone());
        let waiting: Vec<String> = self.0.iter().filter_map(waits).collect();
        for name in waiting {
            if let Some(next) = self.0.get(&name).and_then(Name::chosen)
                && next.pattern == Pattern::Publish
            {
                engine.newest(next)?;
            }
            self.settle(&name, config, status);
        }
        Ok(())
    }

    /// Makes what stands here for a name that of whoever is chosen. A publisher follows once it is known what it begins with.
    fn settle(&mut self, of: &str, config: &Config, status: &mut Status) {
        let Some(name) = self.0.get_mut(of) else { return };
        let Some(chosen) = name.chosen().cloned() else {
            if !matches!(name.local, Some(Local::Foreign(_))) {
                self.0.remove(of);
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
        }
        if name.local.is_none() && chosen.pattern != Pattern::Publish {
            match Local::listen(of, chosen, config) {
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
        let name = self.0.get_mut(&sample.name);
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
        let Some(name) = self.0.get_mut(of).filter(|it| it.local.is_none()) else { return };
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
        let name = self.0.entry(sample.name.clone()).or_default();
        if let Some(chosen) = name.chosen() {
            let why = format!("a program of zenoh publishes there, too; {} has the name", chosen.machine);
            status.refuse(&shown(&Presence { machine: FOREIGN.into(), ..chosen.clone() }), why);
            return Ok(());
        }
        if name.local.is_none() {
            match Publisher::new(&sample.name, &options(config, FOREIGN)) {
                Ok(publisher) => name.local = Some(Local::Foreign(publisher)),
                Err(e) => {
                    self.0.remove(&sample.name);
                    status.refuse(&sample.name, refusal(&e));
                    return Ok(());
                }
            }
            status.allow(&sample.name);
            self.tell(status);
        }
        let local = self.0.get(&sample.name).and_then(|it| it.local.as_ref());
        if let Some(Local::Foreign(publisher)) = local {
            publisher.send_payload(&Payload::from_bytes(sample.body.encoding, sample.body.bytes))?;
            status.received(&sample.name, 0);
        }
        Ok(())
    }

    /// A program that knows the engine alone has ended what it published.
    pub fn ended(&mut self, name: &str, status: &mut Status) {
        if self.0.get(name).is_some_and(|it| matches!(it.local, Some(Local::Foreign(_)))) {
            self.0.remove(name);
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
        status: &mut Status,
    ) -> Result<()> {
        let local = self.0.get(name).and_then(|it| it.local.as_ref());
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
            let respond = move |reply: Reply| {
                if request.wants_reply() {
                    // A caller that has gone is told nothing.
                    let _ = match reply {
                        Ok(body) => request.reply_payload(&Payload::from_bytes(body.encoding, body.bytes)),
                        Err(failure) => request.fail(&failure),
                    };
                }
            };
            engine.request(presence, body, Box::new(respond))?;
        }
        Ok(())
    }

    fn tell(&self, status: &mut Status) {
        let machine = |local: &Local| local.presence().map_or(FOREIGN, |it| &it.machine).to_owned();
        let names = self.0.iter().filter_map(|(name, it)| Some((name.clone(), machine(it.local.as_ref()?))));
        let names = names.collect();
        if status.imported != names {
            status.imported = names;
            status.touch();
        }
    }
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
