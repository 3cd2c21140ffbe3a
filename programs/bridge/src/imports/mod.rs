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

mod local;
mod publishers;
mod recovery;
mod requests;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use linkspan::{Error, ErrorKind, Request, Result};

use crate::acknowledgement::Acknowledgements;
use crate::clocks::Clocks;
use crate::config::Config;
use crate::engine::{Engine, Pattern, Presence};
use crate::inbox::Inbox;
use crate::newest_numbers::Missing;
use crate::status::Status;
use local::{Local, Name};
use recovery::Recovery;

/// The most programs that may have one name.
const PRESENCES: usize = 64;
/// The most publishers that went and whose last number is remembered.
const LEFT: usize = 10_000;

/// All names of other machines that are imported here.
pub struct Imports {
    /// The names, with or without a local end.
    names: BTreeMap<String, Name>,
    acknowledgements: Acknowledgements,
    clocks: Clocks,
    /// The publishers whose newest message may have been lost.
    missing: Missing,
    /// The publishers whose missed messages are received again.
    recoveries: BTreeMap<String, Recovery>,
    /// The publishers that went and whose bridge keeps messages: they may have gone with the network alone.
    left: BTreeMap<String, Left>,
    /// Requests without an answer in time, each until its caller's own time-out has surely passed.
    given_up: Arc<Mutex<Vec<GivenUp>>>,
    /// The number of the last request that was sent to another machine.
    last_request: u64,
    /// Wakes the loop when a request has been given up.
    inbox: Inbox,
}

/// A request without an answer in time, and when its caller's own time-out has surely passed.
type GivenUp = (Instant, Arc<Request>);

/// A publisher that went.
#[derive(Clone, Copy)]
struct Left {
    incarnation: u64,
    /// The number of its last message here.
    last: u64,
    /// How many subscribers it had here.
    subscribers: usize,
}

impl Imports {
    /// Creates a set without names.
    pub fn new(inbox: Inbox, clocks: Clocks, config: &Config) -> Imports {
        let acknowledgements = Acknowledgements::new(inbox.clone(), config.request_timeout());
        let (names, missing, recoveries, left, given_up) = Default::default();
        let last_request = 0;
        Imports { names, acknowledgements, clocks, missing, recoveries, left, given_up, last_request, inbox }
    }

    /// Returns when a name is to be taken anew, messages are to be sent again, a newest message is to be
    /// queried, missed messages are to be looked at, or a caller gives up.
    pub fn deadline(&self) -> Option<Instant> {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let given_up = given_up.iter().map(|(at, _)| *at);
        let recoveries = self.recoveries.values().filter_map(Recovery::deadline);
        let others = self.acknowledgements.deadline().into_iter().chain(self.missing.deadline());
        given_up.chain(others).chain(recoveries).min()
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
            if let Some(Local::Publisher { presence, publisher, last, is_kept: true }) = name.local.take() {
                if self.left.len() >= LEFT {
                    self.left.pop_first();
                }
                let (incarnation, subscribers) = (presence.incarnation, publisher.subscribers());
                self.left.insert(presence.name, Left { incarnation, last, subscribers });
            }
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
