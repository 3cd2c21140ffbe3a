//! All links of a bridge, and the other bridges.
//!
//! A packet is accepted only from a known bridge, and only if the engine delivered it from that bridge's machine. A
//! bridge that appears, even again, gets the list of links known here and ends the links that are missing in it. Both
//! sides thus agree after only one side noticed a lost connection.
//!
//! Connecting to a local program may take a while, so each call has a thread, up to a limit. `work` does all other
//! work, for marked links and expired timers.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::Result;
use linkspan::service::server_side::since_boot;
use linkspan::service::start_thread;
use linkspan_relay::{RelayCaller, RelayLink};

use super::link::{CALL, CallOutcome, Link, STREAM};
use super::packet::{BridgeMessage, Id, What};
use crate::clocks::Clocks;
use crate::engine::{Bridge, Engine, RequestId};
use crate::inbox::Inbox;
use crate::newest_numbers::NewestNumber;
use crate::status::Status;

const PATIENCE: Duration = Duration::from_secs(2);
/// The most threads that connect to local programs; further calls find no program.
const CALLS: usize = 64;
/// The most newest numbers in a packet; with names of 255 bytes they take 27 KiB.
const NUMBERS: usize = 100;

#[derive(Default)]
struct Calls {
    under_way: usize,
    answered: Vec<(Id, CallOutcome)>,
}

pub struct Opened {
    pub id: Id,
    pub machine: String,
    pub name: String,
}

pub struct Links {
    own: u64,
    machine: String,
    /// Wakes the loop when a program has answered.
    inbox: Inbox,
    /// The other bridges in order of appearance.
    pub(super) bridges: Vec<Bridge>,
    clocks: Clocks,
    pub(super) links: BTreeMap<Id, Link>,
    /// The number of the last link that began here.
    last: u64,
    calls: Arc<Mutex<Calls>>,
    /// The links to handle in the next round.
    pub(super) ready: BTreeSet<Id>,
    pub(super) opened: Vec<Opened>,
    /// Requests withdrawn by other bridges, which the loop has not taken.
    withdrawn: Vec<RequestId>,
    /// Newest numbers with their machines, which the loop has not taken.
    newest: Vec<(String, NewestNumber)>,
}

impl Links {
    pub fn new(own: u64, machine: String, inbox: Inbox, clocks: Clocks) -> Links {
        let (bridges, links, ready, opened, withdrawn, newest) = Default::default();
        let calls = Arc::default();
        Links {
            own,
            machine,
            inbox,
            bridges,
            clocks,
            links,
            last: 0,
            calls,
            ready,
            opened,
            withdrawn,
            newest,
        }
    }

    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        self.links.iter().filter_map(|(id, link)| Some((*id, link.descriptor()?)))
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self.ready.is_empty() {
            true => self.links.values().filter_map(Link::deadline).min(),
            false => Some(Instant::now()),
        }
    }

    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// Registers another bridge and sends it the known links and this machine's clock.
    ///
    /// Ignores this bridge.
    ///
    /// # Errors
    /// Errors of the engine's `send`.
    pub fn bridge_appeared(&mut self, bridge: Bridge, engine: &dyn Engine) -> Result<()> {
        if bridge.id == self.own {
            return Ok(());
        }
        self.bridges.retain(|one| one.id != bridge.id);
        // It may not have noticed that this bridge was unreachable, and may hold links that have ended here.
        let known = self.links.iter().filter(|(_, link)| link.peer.id == bridge.id).map(|(id, _)| *id);
        let message = BridgeMessage::Known(known.collect());
        engine.send(&bridge, message.to_bytes(self.own).into())?;
        self.clocks.add(&bridge);
        self.send_clock(&bridge, true, engine)?;
        self.bridges.push(bridge);
        Ok(())
    }

    /// Sends this machine's clock to all other bridges.
    ///
    /// # Errors
    /// Errors of the engine's `send`.
    pub fn send_clocks(&self, engine: &dyn Engine) -> Result<()> {
        self.bridges.iter().try_for_each(|bridge| self.send_clock(bridge, false, engine))
    }

    /// Sends this machine's clock to a bridge; `requests_answer` requests the bridge's clock.
    ///
    /// A bridge that has not seen this one's presence drops the packet and requests the clock later.
    fn send_clock(&self, to: &Bridge, requests_answer: bool, engine: &dyn Engine) -> Result<()> {
        engine.send(to, BridgeMessage::Clock(since_boot(), requests_answer).to_bytes(self.own).into())
    }

    /// Tells these machines' bridges that a request was withdrawn. The packet may be lost, but the request has a
    /// deadline.
    ///
    /// # Errors
    /// Errors of the engine's `send`.
    pub fn withdraw(&self, number: u64, machines: &BTreeSet<&str>, engine: &dyn Engine) -> Result<()> {
        let mut bridges = self.bridges.iter().filter(|bridge| machines.contains(bridge.machine.as_str()));
        bridges.try_for_each(|bridge| {
            engine.send(bridge, BridgeMessage::Withdrawn(number).to_bytes(self.own).into())
        })
    }

    /// Sends newest numbers to each bridge whose machine may have the messages.
    ///
    /// The packets may be lost; the numbers are repeated a few times.
    ///
    /// # Errors
    /// Errors of the engine's `send`.
    pub fn send_newest(
        &self,
        numbers: &[NewestNumber],
        may_have: impl Fn(&str, &str) -> bool,
        engine: &dyn Engine,
    ) -> Result<()> {
        for bridge in &self.bridges {
            let allowed = numbers.iter().filter(|number| may_have(&number.name, &bridge.machine)).cloned();
            for part in allowed.collect::<Vec<_>>().chunks(NUMBERS) {
                engine.send(bridge, BridgeMessage::Newest(part.to_vec()).to_bytes(self.own).into())?;
            }
        }
        Ok(())
    }

    pub fn take_newest(&mut self) -> Vec<(String, NewestNumber)> {
        std::mem::take(&mut self.newest)
    }

    pub fn take_withdrawn(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.withdrawn)
    }

    pub fn has_bridges(&self) -> bool {
        !self.bridges.is_empty()
    }

    /// Removes a bridge and ends its links. Received units are still delivered.
    pub fn bridge_gone(&mut self, id: u64) {
        self.bridges.retain(|one| one.id != id);
        self.clocks.remove(id);
        for (link, it) in self.links.iter_mut().filter(|(_, it)| it.peer.id == id) {
            it.end();
            self.ready.insert(*link);
        }
    }

    /// Opens a link for a local program to another machine's name.
    ///
    /// If no bridge of that machine is known, the program's connection closes, and it connects again.
    ///
    /// # Errors
    /// Errors of encoding the program's hello.
    pub fn call(&mut self, caller: RelayCaller, name: &str, machine: &str) -> Result<()> {
        let Some(bridge) = self.bridges.iter().rev().find(|bridge| bridge.machine == machine).cloned() else {
            return Ok(());
        };
        let hello = caller.hello()?;
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        let unit = [&length.to_le_bytes()[..], name.as_bytes(), &hello].concat();
        let id = self.next_id();
        let mut link = Link::calling(bridge, caller);
        link.order.send((CALL, unit.into()));
        self.links.insert(id, link);
        self.ready.insert(id);
        Ok(())
    }

    /// Returns the id of a new link. It contains this bridge's number, so it is unique among all bridges.
    pub(super) fn next_id(&mut self) -> Id {
        self.last = self.last.saturating_add(1);
        Id { caller: self.own, number: self.last }
    }

    /// Handles a packet of another machine's bridge. Returns whether it contained that machine's first clock.
    ///
    /// `endpoint` returns a name's endpoint if it is exported to that machine as a channel or controller. Ignores
    /// malformed packets and unknown bridges.
    ///
    /// # Errors
    /// Errors of the engine's `send`.
    pub fn take(
        &mut self,
        machine: &str,
        bytes: &Bytes,
        engine: &dyn Engine,
        endpoint: impl Fn(&str) -> Option<String>,
    ) -> Result<bool> {
        let Some((from, message)) = BridgeMessage::from_bytes(bytes) else { return Ok(false) };
        // A machine cannot use the number of another machine's bridge. Packets before their bridge's presence are
        // dropped and sent again.
        let Some(sender) = self.bridges.iter().find(|it| it.id == from && it.machine == machine).cloned()
        else {
            return Ok(false);
        };
        match message {
            BridgeMessage::Clock(clock, requests_answer) => {
                if requests_answer {
                    self.send_clock(&sender, false, engine)?;
                }
                return Ok(self.clocks.received(from, clock));
            }
            // A bridge can only withdraw its own requests.
            BridgeMessage::Withdrawn(number) => self.withdrawn.push(RequestId { bridge: from, number }),
            BridgeMessage::Newest(numbers) => {
                self.newest.extend(numbers.into_iter().map(|number| (machine.to_owned(), number)));
            }
            BridgeMessage::Unknown(id) => {
                // A bridge can only end its own links.
                if let Some(link) = self.links.get_mut(&id).filter(|link| link.peer.id == from) {
                    link.end();
                    self.ready.insert(id);
                }
            }
            BridgeMessage::Known(known) => {
                // A link that the other bridge never acknowledged may be new to it; the others have ended there.
                for (id, link) in self.links.iter_mut().filter(|(_, link)| link.peer.id == from) {
                    if link.order.is_known() && !known.contains(id) {
                        link.end();
                        self.ready.insert(*id);
                    }
                }
            }
            BridgeMessage::Packet(id, packet) => {
                if let What::Unit(1, CALL, unit) = &packet.what
                    && id.caller == from
                    && !self.links.contains_key(&id)
                    && let Some((name, hello)) = read_call(unit)
                {
                    self.links.insert(id, Link::called(sender.clone()));
                    self.let_in(id, endpoint(name), machine, hello);
                }
                if let What::Unit(1, STREAM, name) = &packet.what
                    && id.caller == from
                    && !self.links.contains_key(&id)
                    && let Ok(name) = std::str::from_utf8(name)
                {
                    self.links.insert(id, Link::stream(sender.clone()));
                    self.opened.push(Opened { id, machine: machine.to_owned(), name: name.to_owned() });
                }
                let Some(link) = self.links.get_mut(&id).filter(|link| link.peer.id == from) else {
                    return engine
                        .send(&sender, BridgeMessage::Unknown(id).to_bytes(self.own).into())
                        .map(|()| false);
                };
                if !link.order.take(packet, Instant::now()) {
                    link.end();
                }
                self.ready.insert(id);
            }
        }
        Ok(false)
    }

    /// Connects to a local program with a remote program's hello, in a thread to keep the loop running.
    ///
    /// Without an endpoint or a free thread, the outcome is that no program answered.
    fn let_in(&self, id: Id, endpoint: Option<String>, machine: &str, hello: Vec<u8>) {
        let (inbox, calls) = (self.inbox.clone(), self.calls.clone());
        let mut open = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(endpoint) = endpoint.filter(|_| open.under_way < CALLS) else {
            open.answered.push((id, CallOutcome::NoProgram));
            return inbox.wake();
        };
        let (answering, machine) = (calls.clone(), machine.to_owned());
        let run = move || {
            let called = RelayLink::call(&endpoint, &hello, &machine, PATIENCE);
            let called = called.map_or(CallOutcome::NoProgram, |(answer, link)| {
                CallOutcome::Answered(answer, link.map(Box::new))
            });
            let mut calls = answering.lock().unwrap_or_else(PoisonError::into_inner);
            calls.under_way = calls.under_way.saturating_sub(1);
            calls.answered.push((id, called));
            drop(calls);
            inbox.wake();
        };
        match start_thread("linkspan-call", run) {
            Ok(_) => open.under_way = open.under_way.saturating_add(1),
            Err(_) => open.answered.push((id, CallOutcome::NoProgram)),
        }
    }

    /// Handles outcomes of connecting to programs. Returns whether a program was missing, and its name may have gone.
    pub fn take_answers(&mut self) -> bool {
        let answered =
            std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner).answered);
        let is_missing = |(_, called): &(Id, CallOutcome)| matches!(called, CallOutcome::NoProgram);
        let missing = answered.iter().any(is_missing);
        for (id, called) in answered {
            if let Some(link) = self.links.get_mut(&id) {
                link.was_called(called);
                self.ready.insert(id);
            }
        }
        missing
    }

    pub fn wake(&mut self, id: Id) {
        self.ready.insert(id);
    }

    /// Handles marked links and expired timers, sends their packets, and removes finished links.
    ///
    /// # Errors
    /// Errors of the engine's `send`.
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
                engine.send(&link.peer, BridgeMessage::Packet(id, packet).to_bytes(self.own).into())?;
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

/// Decodes the name and hello of a call; `None` if malformed.
fn read_call(unit: &Bytes) -> Option<(&str, Vec<u8>)> {
    let (length, rest) = unit.split_first_chunk()?;
    let (name, hello) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(name).ok()?, hello.to_vec()))
}
