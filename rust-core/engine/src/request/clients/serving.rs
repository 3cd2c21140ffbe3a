//! One round of serving the clients: the next frame of each that may have one.

use super::{Clients, FRAMES_PER_ROUND};
use crate::channel::acceptor::ChannelAcceptor;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::request::answer::Request;
use crate::request::client::Got;
use crate::session::inbox::AckTrigger;

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
        if client.half_closed || client.part.parked {
            return None;
        }
        let taken = client.take(&self.options, Some(client.part.trigger()))?;
        self.frames_in_round += 1;
        client.finish(taken)
    }

    /// Serves the queue until there is a request, the queue is empty, or the round ends.
    pub(super) fn poll_clients(&mut self, waiting: &mut Waiting<'_>) -> Result<Option<Request>> {
        // With a single client, a short wait for it keeps no other one waiting.
        let is_single = self.clients.len() == 1 && !waiting.is_none() && !self.watched;
        'clients: while self.frames_in_round < FRAMES_PER_ROUND
            && let Some(token) = self.ready_queue.pop_front()
        {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            client.queued = false;
            if client.half_closed {
                continue;
            }
            self.served.push(token);
            client.part.unpark();
            let (mut consume, mut spins) = (client.begin(&self.options), 0);
            // A short wait for this client is allowed only while no other one is ready.
            let got = loop {
                if let Some(taken) = client.take(&self.options, consume) {
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                    match client.finish(taken) {
                        None => continue 'clients,
                        request => return Ok(request),
                    }
                }
                match client.receive(&self.options, consume.take()) {
                    // A client that never completes a message is not waited for again and again.
                    Ok(Got::Nothing)
                        if spins < FRAMES_PER_ROUND
                            && self.ready_queue.is_empty()
                            && client.part.rx.spin() =>
                    {
                        spins += 1;
                    }
                    Ok(Got::Nothing)
                        if is_single
                            && !client.client_tx.has_unfinished()
                            && drive::data_soon(&mut client.part.rx, waiting)?.is_none() => {}
                    got => break got,
                }
            };
            let request = match got {
                // `park_served` parks it.
                Ok(Got::Nothing) => {
                    client.send_ack(AckTrigger::Park);
                    continue;
                }
                Ok(Got::Frame) => None,
                Ok(Got::Request(request)) => Some(request),
                // One frame was too large and was skipped; the hello contained the limit.
                Err(e) if client.part.rx.goes_on_after(&e) => {
                    self.event_log.count(&self.event_log.dropped);
                    None
                }
                Err(e) => {
                    self.end_link(token, e)?;
                    continue;
                }
            };
            self.frames_in_round += 1;
            client.queued = true;
            self.ready_queue.push_back(token);
            if request.is_some() {
                return Ok(request);
            }
        }
        Ok(None)
    }

    /// Disconnects a client whose link has ended, or that violates the protocol, which is reported as an event.
    ///
    /// # Errors
    /// Why, if all clients share the link.
    fn end_link(&mut self, token: u64, why: Error) -> Result<()> {
        let Some(client) = self.clients.get_mut(&token) else { return Ok(()) };
        // A link without a guard is shared by all clients.
        let is_shared = client.part.guard.is_none();
        // The end of a link that was given up was reported then.
        if !is_shared && client.client_tx.given_up().is_none() {
            self.event_log.disconnected(format!("{}: {why}", client.part.peer.source));
            // A client without a hello that closed its sending side may still read.
            client.half_closed = client.part.rx.is_plain()
                && why.kind() == ErrorKind::Disconnected
                && client.client_tx.half_closed();
        }
        if client.half_closed {
            self.half_closed.push(token);
            client.part.rx.descriptors().into_iter().for_each(|fd| self.epoll.remove(fd));
        } else {
            self.disconnect(token);
        }
        if is_shared { Err(why) } else { Ok(()) }
    }

    /// Parks the clients that were served and have nothing; true if one has something after all.
    pub(super) fn park_served(&mut self) -> Result<bool> {
        for token in self.served.drain(..) {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            if client.part.parked || client.queued || client.half_closed {
                continue;
            }
            if client.part.park().unwrap_or(true) {
                client.queued = true;
                self.ready_queue.push_back(token);
            }
        }
        Ok(!self.ready_queue.is_empty())
    }
}
