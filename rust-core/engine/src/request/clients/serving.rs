//! A step of serving: looks at the next frame of each client in the queue until one is a request.

use super::{Clients, FRAMES_PER_ROUND};
use crate::channel::acceptor::ChannelAcceptor;
use crate::error::{Error, ErrorKind, Result};
use crate::request::answer::Request;
use crate::session::inbox::AckTrigger;

impl Clients {
    /// Returns the next request of the clients in the queue. After `None` (the queue is empty or the round is over),
    /// the caller must call [`Clients::clear`]. Fails with the error of a link that all clients share.
    #[inline]
    pub fn step(&mut self, acceptor: &ChannelAcceptor) -> Result<Option<Request>> {
        if acceptor.queue.has_links() {
            self.accept_new(acceptor)?;
        }
        while self.frames_in_round < FRAMES_PER_ROUND
            && let Some(token) = self.ready_queue.front()
        {
            let token = *token;
            let Some(client) = self.clients.get_mut(&token) else {
                self.ready_queue.pop_front();
                continue;
            };
            let next = client.next(&self.options);
            if matches!(next, Ok(Some(_))) {
                self.note_frame();
                self.idle = 0;
                self.keep_readable();
                return next;
            }
            match next {
                Ok(_) if client.had_nothing => {
                    self.ready_queue.pop_front();
                    client.queued = false;
                    self.served.push(token);
                    if !self.ready_queue.is_empty() {
                        client.send_ack(AckTrigger::Park);
                    }
                }
                Ok(_) => {
                    self.note_frame();
                    self.idle += 1;
                }
                Err(error) => self.skip_or_end(token, error)?,
            }
        }
        Ok(None)
    }

    fn note_frame(&mut self) {
        self.frames_in_round += 1;
        if self.ready_queue.len() > 1 {
            self.ready_queue.rotate_left(1);
        }
    }

    /// Skips the bad frame of the first client in the queue, or ends its link.
    #[cold]
    fn skip_or_end(&mut self, token: u64, error: Error) -> Result<()> {
        let Some(client) = self.clients.get_mut(&token) else { return Ok(()) };
        if client.part.rx.goes_on_after(&error) {
            // One frame was too large and was skipped; the hello contained the limit.
            self.event_log.count(&self.event_log.dropped);
            self.note_frame();
            self.idle += 1;
            return Ok(());
        }
        client.queued = false;
        self.ready_queue.pop_front();
        self.end_link(token, error)
    }

    /// Keeps the event loop's descriptor readable while a client has frames. Parked clients wake it by their links;
    /// they stay in the queue because the next call records their requests as consumed.
    fn keep_readable(&mut self) {
        if self.watched && self.has_more() {
            self.wake.wake();
        }
    }

    #[inline(never)]
    fn has_more(&mut self) -> bool {
        self.server_waker.prepare_park();
        // First the idle clients; the queue then has those with new frames.
        self.park_served();
        let clients = &mut self.clients;
        self.ready_queue.iter().any(|token| {
            let client = clients.get_mut(token).filter(|client| !client.part.parked && !client.half_closed);
            client.is_some_and(|client| {
                !client.part.read_ahead.is_empty() || client.part.park().unwrap_or(true)
            })
        })
    }

    /// Disconnects a client after the end of its link or a violation of the protocol, and reports an event. Returns the
    /// reason as the error if all clients share the link.
    fn end_link(&mut self, token: u64, why: Error) -> Result<()> {
        let Some(client) = self.clients.get_mut(&token) else { return Ok(()) };
        let is_shared = client.part.guard.is_none();
        // The end of a link that was given up has already been reported.
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
}
