//! One round of serving the clients: the next frame of each that may have one.

use super::{Clients, FRAMES_PER_ROUND};
use crate::channel::Acknowledge;
use crate::channel::event_log::EventLog;
use crate::channel::session::inbox::AckTrigger;
use crate::deadline::Waiting;
use crate::error::{ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload, withdrawal};
use crate::request::answer::Request;
use crate::request::client::Client;
use crate::transport::{Losses, extension};

/// Returns the request that was taken in place from this client, unless its caller has withdrawn it; `missed` are the
/// messages before it that were lost.
#[inline(always)]
fn take_over(
    client: &mut Client,
    event_log: &EventLog,
    (message, missed): (Message, u64),
) -> Option<Request> {
    if missed > 0 {
        event_log.lagged(missed);
    }
    if client.is_withdrawn(message.header().kind, message.sequence(), message.session()) {
        event_log.count(&event_log.dropped);
        return None;
    }
    // This thread alone counts them.
    event_log.count_exclusive(&event_log.received);
    Some(Request::new(message, client.client_tx.lend(), None))
}

impl Clients {
    /// Returns the short request that lies ready, if a single client may have something and nothing else is due: what
    /// the round would do, without its lists. `None` for all else, which the round finds.
    #[inline]
    pub(super) fn next_in_place(&mut self) -> Option<Request> {
        if self.ready_queue.len() != 1
            || self.frames_in_round >= FRAMES_PER_ROUND
            || self.options.checks_received().is_some()
            || self.options.ack != Acknowledge::Auto
        {
            return None;
        }
        let client = self.clients.get_mut(self.ready_queue.front()?)?;
        if client.half_closed || client.parked {
            return None;
        }
        let Some(message) = client.take_plain(&self.limits) else { return self.next_short() };
        self.frames_in_round += 1;
        // What is behind it may withdraw it.
        if client.rx.in_place().is_some_and(|half| half.is_ready()) {
            return take_over(client, &self.event_log, (message, 0));
        }
        self.event_log.count_exclusive(&self.event_log.received);
        Some(Request::new(message, client.client_tx.lend(), None))
    }

    /// [`Clients::next_in_place`] for what is no plain request.
    #[inline(never)]
    fn next_short(&mut self) -> Option<Request> {
        let client = self.clients.get_mut(self.ready_queue.front()?)?;
        client.rx.consumed();
        client.consumed();
        let taken = client.take_in_place(&self.options)?;
        self.frames_in_round += 1;
        take_over(client, &self.event_log, taken)
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
                client.rx.unpark();
                client.parked = false;
            }
            if self.options.ack == Acknowledge::Auto || !client.rx.keeps() {
                client.rx.consumed();
            }
            client.consumed();
            // A short wait for this client is allowed only while no other one is ready.
            let (mut in_place, mut spins) = (None, 0);
            let is_in_place = self.options.checks_received().is_none();
            let is_plain = is_in_place && self.options.ack == Acknowledge::Auto;
            let got = loop {
                if is_in_place {
                    if is_plain && let Some(message) = client.take_plain(&self.limits) {
                        in_place = Some((message, 0));
                        break Ok(None);
                    }
                    in_place = client.take_in_place(&self.options);
                    if in_place.is_some() {
                        break Ok(None);
                    }
                }
                match client.read_ahead.next(&mut client.rx) {
                    // A client that never completes a message is not waited for again and again.
                    Ok(None)
                        if spins < FRAMES_PER_ROUND && self.ready_queue.is_empty() && client.rx.spin() =>
                    {
                        spins += 1;
                    }
                    Ok(None)
                        if is_single && client.client_tx.is_idle() && client.rx.sleep_briefly(waiting)? => {}
                    got => break got,
                }
            };
            if let Some(taken) = in_place {
                self.frames_in_round += 1;
                client.queued = true;
                self.ready_queue.push_back(token);
                match take_over(client, &self.event_log, taken) {
                    Some(request) => return Ok(Some(request)),
                    None => continue,
                }
            }
            let losses = client.rx.take_losses();
            if losses != Losses::default() {
                self.event_log.lost(losses);
            }
            match got {
                Ok(Some(frame)) => {
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                    match frame.header.kind {
                        Kind::Request | Kind::Data => {
                            let session = match client.record_received(&frame) {
                                Ok(None) => continue,
                                Ok(Some((session, missed))) => {
                                    if missed > 0 {
                                        self.event_log.lagged(missed);
                                    }
                                    session
                                }
                                Err(e) => {
                                    self.event_log.disconnected(format!("{}: {e}", client.peer.source));
                                    self.disconnect(token);
                                    continue;
                                }
                            };
                            if client.is_withdrawn(frame.header.kind, frame.header.sequence, session) {
                                self.event_log.count(&self.event_log.dropped);
                                continue;
                            }
                            self.event_log.count_exclusive(&self.event_log.received);
                            let source = match extension::read(&frame.extension) {
                                Ok(Some(sender)) => sender.source,
                                _ => client.peer.source.clone(),
                            };
                            let until = extension::read_until(&frame.extension);
                            let message = Message::new(frame, &source, self.options.limits(), session)
                                .with_schema(self.options.checks_received());
                            return Ok(Some(Request::new(message, client.client_tx.lend(), until)));
                        }
                        Kind::Bye => {
                            client.rx.consumed();
                            client.bye_received = true;
                            client.send_ack(AckTrigger::Requested);
                        }
                        Kind::Ack => {
                            if let Some(request) = withdrawal::read(&frame) {
                                client.client_tx.note_withdrawal(request);
                            }
                            let acknowledged = client.negotiated.as_ref().map(|negotiated| {
                                negotiated.session_state.acknowledged(frame.header.correlation)
                            });
                            if let Some(Err(e)) = acknowledged {
                                self.event_log.disconnected(format!("{}: {e}", client.peer.source));
                                self.disconnect(token);
                            }
                        }
                        // The error reply to a line that is no request (JSON-RPC) is sent back
                        // without the program.
                        Kind::Error if client.rx.is_plain() => {
                            self.event_log.count(&self.event_log.dropped);
                            let error_reply = Payload::from_body(frame.header.encoding, frame.body);
                            client.client_tx.send(Kind::Error, frame.header.sequence, 0, &error_reply)?;
                        }
                        _ => {}
                    }
                }
                // `park_served` parks it.
                Ok(None) => client.send_ack(AckTrigger::Park),
                // One frame was too large and was skipped; the hello contained the limit.
                Err(e) if client.rx.goes_on_after(&e) => {
                    self.event_log.count(&self.event_log.dropped);
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                }
                // A link without a guard is shared by all clients.
                Err(e) if client.guard.is_none() => {
                    self.disconnect(token);
                    return Err(e);
                }
                Err(e) => {
                    self.event_log.disconnected(format!("{}: {e}", client.peer.source));
                    // A client without a hello that closed its sending side may still read.
                    client.half_closed = client.rx.is_plain()
                        && e.kind() == ErrorKind::Disconnected
                        && client.client_tx.half_closed();
                    if client.half_closed {
                        self.half_closed.push(token);
                        client.rx.descriptors().into_iter().for_each(|fd| self.epoll.remove(fd));
                    } else {
                        self.disconnect(token);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Parks the clients that were served and have nothing; true if one has something after all.
    pub(super) fn park_served(&mut self) -> Result<bool> {
        for token in self.served.drain(..) {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            if client.parked || client.queued || client.half_closed {
                continue;
            }
            if client.rx.park().unwrap_or(true) {
                client.queued = true;
                self.ready_queue.push_back(token);
            } else {
                client.parked = true;
            }
        }
        Ok(!self.ready_queue.is_empty())
    }
}
