//! Links between programs of two machines: the frames of each go to the other one as they are, in order, within a window.
//!
//! | what | lives in |
//! |---|---|
//! | all links, and the other bridges | here |
//! | one link: a program of this machine, and the units that come for it | `link` |
//! | units in order and once, whatever the engine loses | `order` |
//! | what two bridges say to each other, in bytes | `packet` |

mod link;
mod order;
mod packet;
#[cfg(test)]
mod simulation;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::{RelayCaller, RelayLink, Result};

use self::link::{CallOutcome, Link};
pub use self::packet::Id;
use self::packet::{Said, What};
use crate::engine::{Bridge, Engine};
use crate::inbox::Inbox;
use crate::status::Status;

/// The name that a call is for and the hello, as one unit.
const CALL: u8 = 0;

/// How long a program is given to answer a hello.
const PATIENCE: Duration = Duration::from_secs(2);
/// Calls that are answered at the same time.
const CALLS: usize = 64;

/// Calls to programs of this machine.
#[derive(Default)]
struct Calls {
    under_way: usize,
    answered: Vec<(Id, CallOutcome)>,
}

/// All links of this bridge.
pub struct Links {
    /// The number of this bridge's incarnation.
    own: u64,
    machine: String,
    inbox: Inbox,
    bridges: Vec<Bridge>,
    links: BTreeMap<Id, Link>,
    last: u64,
    calls: Arc<Mutex<Calls>>,
    /// Those with something to do at once.
    ready: BTreeSet<Id>,
}

impl Links {
    /// None yet.
    pub fn new(own: u64, machine: String, inbox: Inbox) -> Links {
        let (bridges, links, ready) = Default::default();
        Links { own, machine, inbox, bridges, links, last: 0, calls: Arc::default(), ready }
    }

    /// What is to be waited for.
    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        self.links.iter().filter_map(|(id, link)| Some((*id, link.descriptor()?)))
    }

    /// When something is to be done without anything having happened.
    pub fn deadline(&self) -> Option<Instant> {
        match self.ready.is_empty() {
            true => self.links.values().filter_map(Link::deadline).min(),
            false => Some(Instant::now()),
        }
    }

    /// The machine that this bridge is on.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// Another bridge is there.
    pub fn bridge_appeared(&mut self, bridge: Bridge, engine: &dyn Engine) -> Result<()> {
        if bridge.id == self.own {
            return Ok(());
        }
        self.bridges.retain(|one| one.id != bridge.id);
        // It may not have seen that this one was away, and keep what is over.
        let known = self.links.iter().filter(|(_, link)| link.peer == bridge.id).map(|(id, _)| *id);
        let said = Said::Known(known.collect());
        engine.send(bridge.id, said.to_bytes(self.own).into())?;
        self.bridges.push(bridge);
        Ok(())
    }

    /// It is there no longer: its programs have gone, as far as those of this machine can know.
    pub fn bridge_gone(&mut self, id: u64) {
        self.bridges.retain(|one| one.id != id);
        for (link, it) in self.links.iter_mut().filter(|(_, it)| it.peer == id) {
            it.end();
            self.ready.insert(*link);
        }
    }

    /// A program of this machine calls a name of another one. It is hung up on, and calls again, where no bridge is there.
    pub fn call(&mut self, caller: RelayCaller, name: &str, machine: &str) -> Result<()> {
        let Some(bridge) = self.bridges.iter().rev().find(|bridge| bridge.machine == machine) else {
            return Ok(());
        };
        let hello = caller.hello(&self.machine)?;
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        let unit = [&length.to_le_bytes()[..], name.as_bytes(), &hello].concat();
        self.last += 1;
        let id = Id { caller: self.own, number: self.last };
        let mut link = Link::calling(bridge.id, machine, caller);
        link.order.send((CALL, unit.into()));
        self.links.insert(id, link);
        self.ready.insert(id);
        Ok(())
    }

    /// Takes what another bridge says. `endpoint` gives where a name of this machine is that is exported as a channel.
    pub fn take(
        &mut self,
        bytes: &Bytes,
        engine: &dyn Engine,
        endpoint: impl Fn(&str) -> Option<String>,
    ) -> Result<()> {
        let Some((from, said)) = Said::from_bytes(bytes) else { return Ok(()) };
        match said {
            Said::Unknown(id) => {
                if let Some(link) = self.links.get_mut(&id).filter(|link| link.peer == from) {
                    link.end();
                    self.ready.insert(id);
                }
            }
            Said::Known(known) => {
                for (id, link) in self.links.iter_mut().filter(|(_, link)| link.peer == from) {
                    if link.order.is_known() && !known.contains(id) {
                        link.end();
                        self.ready.insert(*id);
                    }
                }
            }
            Said::Of(id, packet) => {
                if let What::Unit(1, CALL, unit) = &packet.what
                    && id.caller == from
                    && !self.links.contains_key(&id)
                    && let Some((name, hello)) = read_call(unit)
                {
                    self.links.insert(id, Link::called(from));
                    self.let_in(id, endpoint(name), hello);
                }
                let Some(link) = self.links.get_mut(&id).filter(|link| link.peer == from) else {
                    return engine.send(from, Said::Unknown(id).to_bytes(self.own).into());
                };
                if !link.order.take(packet, Instant::now()) {
                    link.end();
                }
                self.ready.insert(id);
            }
        }
        Ok(())
    }

    /// Says a hello of another machine's program to a program of this one, on a thread of its own: it may take a while to answer.
    fn let_in(&self, id: Id, endpoint: Option<String>, hello: Vec<u8>) {
        let (inbox, calls) = (self.inbox.clone(), self.calls.clone());
        let mut open = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(endpoint) = endpoint.filter(|_| open.under_way < CALLS) else {
            open.answered.push((id, CallOutcome::Nobody));
            return inbox.wake();
        };
        let answering = calls.clone();
        let run = move || {
            let called = RelayLink::call(&endpoint, &hello, PATIENCE);
            let called = called.map_or(CallOutcome::Nobody, |(answer, link)| {
                CallOutcome::Answered(answer, link.map(Box::new))
            });
            let mut calls = answering.lock().unwrap_or_else(PoisonError::into_inner);
            calls.under_way -= 1;
            calls.answered.push((id, called));
            drop(calls);
            inbox.wake();
        };
        match std::thread::Builder::new().name("linkspan-call".to_owned()).spawn(run) {
            Ok(_) => open.under_way += 1,
            Err(_) => open.answered.push((id, CallOutcome::Nobody)),
        }
    }

    /// Takes what came of calls.
    pub fn take_answers(&mut self) {
        let answered =
            std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner).answered);
        for (id, called) in answered {
            if let Some(link) = self.links.get_mut(&id) {
                link.was_called(called);
                self.ready.insert(id);
            }
        }
    }

    /// A descriptor of this link is readable.
    pub fn wake(&mut self, id: Id) {
        self.ready.insert(id);
    }

    /// Does what is to be done, for each link in its turn, and sends what is due.
    pub fn work(&mut self, engine: &dyn Engine, status: &mut Status) -> Result<()> {
        let now = Instant::now();
        let late = |link: &Link| link.deadline().is_some_and(|at| at <= now);
        let late: Vec<_> = self.links.iter().filter(|(_, link)| late(link)).map(|(id, _)| *id).collect();
        let mut ready = std::mem::take(&mut self.ready);
        ready.extend(late);
        for id in ready {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let again = link.work(now);
            for packet in link.order.due(now) {
                engine.send(link.peer, Said::Of(id, packet).to_bytes(self.own).into())?;
            }
            if link.is_over() {
                self.links.remove(&id);
            } else if again {
                self.ready.insert(id);
            }
        }
        let links = self.links.values().filter(|link| link.is_open()).count() as u64;
        if status.links != links {
            status.links = links;
            status.touch();
        }
        Ok(())
    }
}

/// The name and the hello of a call; none where it is none.
fn read_call(unit: &Bytes) -> Option<(&str, Vec<u8>)> {
    let (length, rest) = unit.split_first_chunk()?;
    let (name, hello) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(name).ok()?, hello.to_vec()))
}
