//! One round of serving the clients: the next frame of each that may have one.

use std::time::Duration;

use super::{Clients, FRAMES_PER_ROUND};
use crate::channel::acceptor::ChannelAcceptor;
use crate::channel::event_log::EventLog;
use crate::channel::link::Taken;
use crate::channel::sending::Draft;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Kind};
use crate::message::{Message, Payload};
use crate::request::answer::Request;
use crate::request::client::Client;
use crate::session::inbox::AckTrigger;
use crate::transport::{Losses, extension};

/// What a client has sent.
enum Got {
    /// A message that needed no further checks.
    Taken(Taken),
    /// Any frame.
    Frame(Incoming),
}

/// Returns the request of this message, unless its caller has withdrawn it; `until` is when the caller gives it up, if
/// known.
#[inline(always)]
fn deliver(
    client: &mut Client,
    event_log: &EventLog,
    message: Message,
    until: Option<Duration>,
) -> Option<Request> {
    if client.is_withdrawn(&message) {
        event_log.count(&event_log.dropped);
        return None;
    }
    // This thread alone counts them.
    event_log.count_exclusive(&event_log.received);
    Some(Request::new(message, client.client_tx.clone(), until))
}

impl Clients {
    /// Returns the next request if one client alone may have one and nothing else is to be done first: what
    /// the round would do, without its lists. `None` for everything else, which the round handles.
    #[inline]
    pub fn next_in_place(&mut self, acceptor: &ChannelAcceptor) -> Option<Request> {
        let is_round_over = || self.frames_in_round >= FRAMES_PER_ROUND;
        if self.watched || acceptor.queue.has_links() || self.ready_queue.len() != 1 || is_round_over() {
            return None;
        }
        let client = self.clients.get_mut(self.ready_queue.front()?)?;
        if client.half_closed || client.parked {
            return None;
        }
        let taken = client.take(&self.options, false)?;
        self.frames_in_round += 1;
        let message = client.finish(taken);
        deliver(client, &self.event_log, message, None)
    }

    /// Serves the queue until there is a request, the queue is empty, or the round ends.
    pub(super) fn poll_clients(&mut self, waiting: &mut Waiting<'_>) -> Result<Option<Request>> {
        // With a single client, a short wait for it keeps no other one waiting.
        let is_single = self.clients.len() == 1 && !waiting.is_none() && !self.watched;
        while self.frames_in_round < FRAMES_PER_ROUND
            && let Some(token) = self.ready_queue.pop_front()
        {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            client.queued = false;
            if client.half_closed {
                continue;
            }
            self.served.push(token);
            if client.parked {
                client.part.rx.unpark();
                client.parked = false;
            }
            // A short wait for this client is allowed only while no other one is ready.
            let (mut is_recorded, mut spins) = (false, 0);
            let got = loop {
                if let Some(taken) = client.take(&self.options, is_recorded) {
                    break Ok(Some(Got::Taken(taken)));
                }
                if !is_recorded {
                    client.consumed(&self.options);
                    is_recorded = true;
                }
                match client.part.next_frame() {
                    // A client that never completes a message is not waited for again and again.
                    Ok(None)
                        if spins < FRAMES_PER_ROUND
                            && self.ready_queue.is_empty()
                            && client.part.rx.spin() =>
                    {
                        spins += 1;
                    }
                    Ok(None)
                        if is_single
                            && !client.client_tx.has_unfinished()
                            && drive::data_soon(&mut client.part.rx, waiting)?.is_none() => {}
                    got => break got.map(|frame| frame.map(Got::Frame)),
                }
            };
            let losses = client.part.rx.take_losses();
            if losses != Losses::default() {
                self.event_log.lost(losses);
            }
            match got {
                Ok(Some(Got::Taken(taken))) => {
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                    let message = client.finish(taken);
                    if let Some(request) = deliver(client, &self.event_log, message, None) {
                        return Ok(Some(request));
                    }
                }
                Ok(Some(Got::Frame(frame))) => {
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                    match frame.header.kind {
                        Kind::Request | Kind::Data => {
                            let until = extension::read_until(&frame.extension);
                            match client.accept(frame, &self.options, &self.event_log) {
                                Ok(Some(message)) => {
                                    if let Some(request) = deliver(client, &self.event_log, message, until) {
                                        return Ok(Some(request));
                                    }
                                }
                                Ok(None) => {}
                                Err(e) => self.end_link(token, &e),
                            }
                        }
                        Kind::Bye => {
                            client.part.rx.consumed();
                            client.bye_received = true;
                            client.send_ack(AckTrigger::Requested);
                        }
                        Kind::Ack => match client.part.accept_ack(&frame) {
                            Ok(Some(request)) => client.client_tx.note_withdrawal(request),
                            Ok(None) => {}
                            Err(e) => self.end_link(token, &e),
                        },
                        // The error reply to a line that is no request (JSON-RPC) is sent back
                        // without the program.
                        Kind::Error if client.part.rx.is_plain() => {
                            self.event_log.count(&self.event_log.dropped);
                            let error_reply = Payload::from_body(frame.header.encoding, frame.body);
                            let correlation = frame.header.sequence;
                            let draft = Draft::data(&error_reply);
                            client.client_tx.send(&Draft { kind: Kind::Error, correlation, ..draft })?;
                        }
                        _ => {}
                    }
                }
                // `park_served` parks it.
                Ok(None) => client.send_ack(AckTrigger::Park),
                // One frame was too large and was skipped; the hello contained the limit.
                Err(e) if client.part.rx.goes_on_after(&e) => {
                    self.event_log.count(&self.event_log.dropped);
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                }
                // A link without a guard is shared by all clients.
                Err(e) if client.part.guard.is_none() => {
                    self.disconnect(token);
                    return Err(e);
                }
                // The end of a link that was given up was reported then.
                Err(_) if client.client_tx.given_up().is_some() => self.disconnect(token),
                Err(e) => {
                    self.event_log.disconnected(format!("{}: {e}", client.part.peer.source));
                    // A client without a hello that closed its sending side may still read.
                    client.half_closed = client.part.rx.is_plain()
                        && e.kind() == ErrorKind::Disconnected
                        && client.client_tx.half_closed();
                    if client.half_closed {
                        self.half_closed.push(token);
                        client.part.rx.descriptors().into_iter().for_each(|fd| self.epoll.remove(fd));
                    } else {
                        self.disconnect(token);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Ends the link of a client that violates the protocol, which is reported as an event.
    fn end_link(&mut self, token: u64, violation: &Error) {
        if let Some(client) = self.clients.get(&token) {
            self.event_log.disconnected(format!("{}: {violation}", client.part.peer.source));
        }
        self.disconnect(token);
    }

    /// Parks the clients that were served and have nothing; true if one has something after all.
    pub(super) fn park_served(&mut self) -> Result<bool> {
        for token in self.served.drain(..) {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            if client.parked || client.queued || client.half_closed {
                continue;
            }
            if client.part.rx.park().unwrap_or(true) {
                client.queued = true;
                self.ready_queue.push_back(token);
            } else {
                client.parked = true;
            }
        }
        Ok(!self.ready_queue.is_empty())
    }
}
