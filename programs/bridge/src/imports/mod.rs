//! Imports names of other machines as local publishers, servers and listeners with these names.
//!
//! If several machines have a name, the first is chosen until all of its presences have gone. Within a machine, the
//! newest incarnation counts. The status lists the others as refused.
//!
//! A chosen presence gets a local end (`Local`) in these steps:
//!
//! 1. The presence appears. A server, channel or controller gets its local end at once, except that a server waits
//!    for its machine's clock.
//! 2. For a publisher, the newest message is queried. The answer determines the local publisher's first number.
//! 3. If a local program has the name, the name is refused and tried again later.
//! 4. When the presence goes, its local end is dropped and releases the name. The next presence is chosen.
//!
//! A program without Linkspan has no presence: its first message creates a local publisher.

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

const PRESENCES: usize = 64;
/// The most departed publishers whose last number is remembered.
const LEFT: usize = 10_000;

pub struct Imports {
    names: BTreeMap<String, Name>,
    acknowledgements: Acknowledgements,
    clocks: Clocks,
    /// Publishers whose newest message may be lost.
    missing: Missing,
    /// Publishers whose missed messages are being recovered.
    recoveries: BTreeMap<String, Recovery>,
    /// Departed publishers whose bridge keeps messages: perhaps only the network failed.
    left: BTreeMap<String, Left>,
    /// Requests without an answer in time, kept until their caller's time-out has certainly passed.
    given_up: Arc<Mutex<Vec<GivenUp>>>,
    last_request: u64,
    /// Wakes the loop when a request was given up.
    inbox: Inbox,
}

/// A request without an answer in time, and when its caller's time-out has certainly passed.
type GivenUp = (Instant, Arc<Request>);

#[derive(Clone, Copy)]
struct Left {
    incarnation: u64,
    last: u64,
    subscribers: usize,
}

impl Imports {
    pub fn new(inbox: Inbox, clocks: Clocks, config: &Config) -> Imports {
        let acknowledgements = Acknowledgements::new(inbox.clone(), config.request_timeout());
        let (names, missing, recoveries, left, given_up) = Default::default();
        let last_request = 0;
        Imports { names, acknowledgements, clocks, missing, recoveries, left, given_up, last_request, inbox }
    }

    /// Returns the earliest time of any work, such as a repeated message, a query or a recovery.
    pub fn deadline(&self) -> Option<Instant> {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let given_up = given_up.iter().map(|(at, _)| *at);
        let recoveries = self.recoveries.values().filter_map(Recovery::deadline);
        let others = self.acknowledgements.deadline().into_iter().chain(self.missing.deadline());
        given_up.chain(others).chain(recoveries).min()
    }

    /// Closes and binds again names whose far server was missing when a message came.
    ///
    /// Programs then connect again and resend unacknowledged messages.
    pub fn take_anew(&mut self, config: &Config, engine: &dyn Engine, status: &mut Status) {
        for name in self.acknowledgements.due() {
            if let Some(it) = self.names.get_mut(&name) {
                it.local = None;
            }
            self.acknowledgements.renew(&name);
            self.settle(&name, config, engine, status);
        }
    }

    /// Returns the descriptors to wait for, with their names. Publishers have none.
    pub fn descriptors(&self) -> impl Iterator<Item = (&str, &OwnedFd)> {
        self.names.iter().filter_map(|(name, it)| match &it.local {
            Some(Local::Server { descriptor, .. } | Local::Channel { descriptor, .. }) => {
                Some((name.as_str(), descriptor))
            }
            _ => None,
        })
    }

    /// Returns whether this name's controller is on another machine, reached through this program.
    pub fn has_controller(&self, name: &str) -> bool {
        let local = self.names.get(name).and_then(|it| it.local.as_ref());
        local.and_then(Local::presence).is_some_and(|it| it.pattern == Pattern::Controller)
    }

    /// Returns whether any name waits until a local program releases it.
    pub fn is_blocked(&self, status: &Status) -> bool {
        let waits = |name: &String| self.names.get(name).is_some_and(|it| it.local.is_none());
        status.refused.keys().any(waits)
    }

    /// Returns why another presence of this machine is refused; `None` if it is accepted.
    ///
    /// `most` is the limit of names per machine.
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

    /// Adds a presence, or moves a repeated one to the end.
    ///
    /// # Errors
    /// Errors of the engine's query for a newest message.
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
        // The connection to its machine may have been lost in between, so the newest message is always queried.
        let chosen = self.names.get(&presence.name).and_then(Name::chosen) == Some(&presence);
        if chosen && presence.pattern == Pattern::Publish { engine.newest(&presence) } else { Ok(()) }
    }

    /// Removes a presence. For the chosen one, drops its local end and chooses the next.
    ///
    /// # Errors
    /// Errors of the engine's query for a newest message.
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
            // The newest message determines the next publisher's first number.
            if let Some(next) = name.chosen().filter(|next| next.pattern == Pattern::Publish) {
                engine.newest(next)?;
            }
        }
        status.allow(&shown(presence));
        self.settle(&presence.name, config, engine, status);
        Ok(())
    }

    /// Binds names without a local end again, after local names or a clock have changed.
    ///
    /// # Errors
    /// Errors of the engine's query for a newest message.
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

    /// Makes a name's local end match the chosen presence.
    ///
    /// `open` binds a publisher later, when its first number is known. A name without presences is removed, except
    /// for a program without Linkspan.
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
        // Without that machine's clock, requests to it would have no deadline.
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

fn shown(presence: &Presence) -> String {
    format!("{} of {}", presence.name, presence.machine)
}

fn refusal(error: &Error) -> String {
    match error.kind() {
        ErrorKind::AddressInUse => "a program of this machine has the name, and keeps it".into(),
        _ => error.to_string(),
    }
}
