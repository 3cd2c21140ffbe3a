//! All links of a bridge, and the other bridges.
//!
//! A packet is accepted only from a known bridge, and only if the engine delivered it from that bridge's
//! machine. When a bridge appears, again or for the first time, it is sent the links that are known here;
//! links that it has and this bridge has not are ended there. So both sides agree after a connection was lost
//! and one side has noticed it and the other has not.
//!
//! Connecting to a program of this machine may take a while, so a thread of its own does it for each call, up
//! to a limit. All other work is done in `work`, for the links that are marked as ready or whose timers have
//! expired.

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

/// How long a program may take to answer a hello.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most threads that connect to programs of this machine at a time; more calls find no program.
const CALLS: usize = 64;
/// The most numbers of newest messages in a packet; with names of 255 bytes they have 27 KiB.
const NUMBERS: usize = 100;

/// Connections to programs of this machine that are being made.
#[derive(Default)]
struct Calls {
    /// The threads that are running.
    under_way: usize,
    /// The outcomes that the loop has not taken.
    answered: Vec<(Id, CallOutcome)>,
}

/// A stream that another bridge has opened.
pub struct Opened {
    /// Identifies it.
    pub id: Id,
    /// The machine of the other bridge.
    pub machine: String,
    /// The name that it is about.
    pub name: String,
}

/// All links of this bridge.
pub struct Links {
    /// The number of this bridge's incarnation.
    own: u64,
    /// The name of this machine.
    machine: String,
    /// Wakes the loop when a program has answered.
    inbox: Inbox,
    /// The other bridges, in the order in which they appeared.
    pub(super) bridges: Vec<Bridge>,
    /// The clocks of their machines.
    clocks: Clocks,
    /// The links, of both directions.
    pub(super) links: BTreeMap<Id, Link>,
    /// The number of the last link that began here.
    last: u64,
    /// Shared with the threads that connect to programs.
    calls: Arc<Mutex<Calls>>,
    /// The links to handle in the next round.
    pub(super) ready: BTreeSet<Id>,
    /// Streams that other bridges have opened.
    pub(super) opened: Vec<Opened>,
    /// Requests that other bridges have withdrawn, and the loop has not taken.
    withdrawn: Vec<RequestId>,
    /// Numbers of newest messages, each with the machine that has sent it, that the loop has not taken.
    newest: Vec<(String, NewestNumber)>,
}

impl Links {
    /// Creates a set without links.
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

    /// Returns the descriptors to wait for.
    pub fn descriptors(&self) -> impl Iterator<Item = (Id, &OwnedFd)> {
        self.links.iter().filter_map(|(id, link)| Some((*id, link.descriptor()?)))
    }

    /// Returns when the next timer expires.
    pub fn deadline(&self) -> Option<Instant> {
        match self.ready.is_empty() {
            true => self.links.values().filter_map(Link::deadline).min(),
            false => Some(Instant::now()),
        }
    }

    /// Returns the machine of this bridge.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// Registers another bridge, and sends it the links that are known here and the clock of this machine.
    /// Does nothing for this bridge itself.
    ///
    /// # Errors
    /// Those of the engine's `send`.
    pub fn bridge_appeared(&mut self, bridge: Bridge, engine: &dyn Engine) -> Result<()> {
        if bridge.id == self.own {
            return Ok(());
        }
        self.bridges.retain(|one| one.id != bridge.id);
        // It may not have noticed that this bridge was unreachable, and still hold links that have ended here.
        let known = self.links.iter().filter(|(_, link)| link.peer.id == bridge.id).map(|(id, _)| *id);
        let message = BridgeMessage::Known(known.collect());
        engine.send(&bridge, message.to_bytes(self.own).into())?;
        self.clocks.add(&bridge);
        self.send_clock(&bridge, true, engine)?;
        self.bridges.push(bridge);
        Ok(())
    }

    /// Sends every other bridge what the clock of this machine shows.
    ///
    /// # Errors
    /// Those of the engine's `send`.
    pub fn send_clocks(&self, engine: &dyn Engine) -> Result<()> {
        self.bridges.iter().try_for_each(|bridge| self.send_clock(bridge, false, engine))
    }

    /// Sends a bridge what the clock of this machine shows; `requests_answer` requests the value of its own. A bridge
    /// that has not seen this one's presence yet drops the packet, and requests the value later.
    fn send_clock(&self, to: &Bridge, requests_answer: bool, engine: &dyn Engine) -> Result<()> {
        engine.send(to, BridgeMessage::Clock(since_boot(), requests_answer).to_bytes(self.own).into())
    }

    /// Sends the bridges of these machines that a request of this bridge was withdrawn. The packet may be
    /// lost; the request has a deadline, too.
    ///
    /// # Errors
    /// Those of the engine's `send`.
    pub fn withdraw(&self, number: u64, machines: &BTreeSet<&str>, engine: &dyn Engine) -> Result<()> {
        let mut bridges = self.bridges.iter().filter(|bridge| machines.contains(bridge.machine.as_str()));
        bridges.try_for_each(|bridge| {
            engine.send(bridge, BridgeMessage::Withdrawn(number).to_bytes(self.own).into())
        })
    }

    /// Sends every other bridge the numbers of the newest messages that its machine may have. The packets may be
    /// lost; the numbers are sent again, a few times.
    ///
    /// # Errors
    /// Those of the engine's `send`.
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

    /// Takes the numbers of newest messages that have arrived, each with the machine that has sent it.
    pub fn take_newest(&mut self) -> Vec<(String, NewestNumber)> {
        std::mem::take(&mut self.newest)
    }

    /// Takes the requests that other bridges have withdrawn.
    pub fn take_withdrawn(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.withdrawn)
    }

    /// Returns whether other bridges are known.
    pub fn has_bridges(&self) -> bool {
        !self.bridges.is_empty()
    }

    /// Removes another bridge, and ends the links with it. Units that have been received are still delivered.
    pub fn bridge_gone(&mut self, id: u64) {
        self.bridges.retain(|one| one.id != id);
        self.clocks.remove(id);
        for (link, it) in self.links.iter_mut().filter(|(_, it)| it.peer.id == id) {
            it.end();
            self.ready.insert(*link);
        }
    }

    /// Opens a link for a program of this machine to a name of another one. If no bridge of that machine is
    /// known, the program's connection is closed, and it connects again.
    ///
    /// # Errors
    /// Those of encoding the program's hello.
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

    /// Returns the identity of a new link. It is unique among all bridges, because it has the number of this
    /// one.
    pub(super) fn next_id(&mut self) -> Id {
        self.last = self.last.saturating_add(1);
        Id { caller: self.own, number: self.last }
    }

    /// Handles a packet of a bridge of another machine. Returns whether it was the first value of that
    /// machine's clock. `endpoint` returns the endpoint of a name of this machine if it is exported to that
    /// machine as a channel or controller. A malformed packet, or one of an unknown bridge, is ignored.
    ///
    /// # Errors
    /// Those of the engine's `send`.
    pub fn take(
        &mut self,
        machine: &str,
        bytes: &Bytes,
        engine: &dyn Engine,
        endpoint: impl Fn(&str) -> Option<String>,
    ) -> Result<bool> {
        let Some((from, message)) = BridgeMessage::from_bytes(bytes) else { return Ok(false) };
        // Another machine cannot use the number of a bridge that is not its own. Packets that arrive before
        // the presence of their bridge are dropped here, and sent again.
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
            // A bridge can withdraw its own requests alone.
            BridgeMessage::Withdrawn(number) => self.withdrawn.push(RequestId { bridge: from, number }),
            BridgeMessage::Newest(numbers) => {
                self.newest.extend(numbers.into_iter().map(|number| (machine.to_owned(), number)));
            }
            BridgeMessage::Unknown(id) => {
                // A bridge can end its own links alone.
                if let Some(link) = self.links.get_mut(&id).filter(|link| link.peer.id == from) {
                    link.end();
                    self.ready.insert(id);
                }
            }
            BridgeMessage::Known(known) => {
                // A link that the other bridge has never acknowledged may be new to it; the others have ended
                // there.
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

    /// Connects to a program of this machine with the hello of another machine's program, in a thread of its
    /// own because the answer may take a while. Without an endpoint, or with too many threads, the outcome is
    /// that no program answered.
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

    /// Handles the outcomes of connecting to programs. Returns whether a program was missing, so that its
    /// name may have gone.
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

    /// Marks a link whose descriptor is readable.
    pub fn wake(&mut self, id: Id) {
        self.ready.insert(id);
    }

    /// Handles the marked links and those with expired timers, sends their packets, and removes those that
    /// are over.
    ///
    /// # Errors
    /// Those of the engine's `send`.
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

/// Returns the name and the hello of a call, or `None` if it is malformed.
fn read_call(unit: &Bytes) -> Option<(&str, Vec<u8>)> {
    let (length, rest) = unit.split_first_chunk()?;
    let (name, hello) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(name).ok()?, hello.to_vec()))
}
