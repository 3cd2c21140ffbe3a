//! Sends waiting answers while the server is open and when it closes.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use super::{Clients, ROOM};
use crate::deadline::Waiting;
use crate::drive;
use crate::error::Result;
use crate::request::client::Client;
use crate::request::client_tx::KEPT;
use crate::session::inbox::AckTrigger;
use crate::sys::poll::Interest;
use crate::sys::stop;

impl Clients {
    /// Flushes waiting answers. Disconnects half-closed clients that have all their answers, and clients whose links
    /// were given up; the error is the reason, if all clients share the link. Visits only these clients.
    pub(super) fn flush_pending(&mut self) -> Result<()> {
        let clients = &self.clients;
        let finished = |token: &mut u64| clients.get(token).is_none_or(|c| !c.client_tx.has_unfinished());
        let finished: Vec<u64> = self.half_closed.extract_if(.., finished).collect();
        finished.into_iter().for_each(|token| self.disconnect(token));
        self.server_waker.take_pending(&mut self.unflushed);
        let mut unflushed = std::mem::take(&mut self.unflushed);
        let mut flushed = Ok(());
        for token in &unflushed {
            self.flush(*token);
            flushed = flushed.and(self.disconnect_given_up(*token));
        }
        // A client may have been added both before and after its flush.
        unflushed.sort_unstable();
        unflushed.dedup();
        unflushed.retain(|token| self.clients.get(token).is_some_and(Client::is_unflushed));
        self.unflushed = unflushed;
        flushed
    }

    fn disconnect_given_up(&mut self, token: u64) -> Result<()> {
        let Some(client) = self.clients.get(&token) else { return Ok(()) };
        let Some(error) = client.client_tx.given_up().cloned() else { return Ok(()) };
        let is_shared = client.part.guard.is_none();
        self.disconnect(token);
        if is_shared { Err(error) } else { Ok(()) }
    }

    fn flush(&mut self, token: u64) {
        if token == KEPT {
            let clients = self.clients.values();
            return clients.for_each(|client| client.client_tx.conn.send_ack(AckTrigger::Receive));
        }
        let Some(client) = self.clients.get_mut(&token).filter(|client| client.is_unflushed()) else {
            return;
        };
        client.room = match (client.room.take(), client.client_tx.flush()) {
            (Some(room), Some(_)) => Some(room),
            (Some(room), None) => {
                self.epoll.remove(room);
                None
            }
            (None, Some((room, what))) => {
                self.epoll.add(room.as_fd(), token | ROOM, what).is_ok().then_some(room)
            }
            (None, None) => None,
        };
    }

    /// Stops receiving and sends all waiting answers.
    ///
    /// # Errors
    /// `Timeout` if clients have not received their answers by the deadline.
    pub fn finish(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        // Acknowledges now, because later requests for an acknowledgement are not received.
        for client in self.clients.values_mut() {
            let consume = client.begin(&self.options);
            client.consume(consume);
            client.send_ack(AckTrigger::Close);
        }
        if self.signal_watch.is_some() {
            // A signal that caused the close stays readable and would end every wait.
            self.epoll.remove(stop::waker());
        }
        // From here on, only room for answers and the end of a connection wake this thread.
        for (token, client) in &self.clients {
            for fd in client.part.rx.descriptors() {
                self.epoll.modify(fd, *token, Interest::empty())?;
            }
        }
        loop {
            self.server_waker.prepare_park();
            self.flush_pending()?;
            if self.clients.values().all(|c| !c.client_tx.conn.links.pending.load(Ordering::Acquire)) {
                return Ok(());
            }
            drive::events(&self.epoll, waiting, &mut self.ready)?;
            self.handle_events(Clients::disconnect);
        }
    }
}
