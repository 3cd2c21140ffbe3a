//! Waiting answers of a client, whose link is given up if it does not read them.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use super::ClientTx;
use crate::channel::link::TxPart;
use crate::channel::sending::Sending;
use crate::error::{Error, ErrorKind};
use crate::request::waiting_answers::WaitingClient;
use crate::session::Owner;
use crate::sys::poll::Interest;

impl ClientTx {
    /// Gives up links if too many bytes wait: this client's, and the heaviest of all clients. The caller holds no lock.
    pub(super) fn bound_waiting(&self) {
        if self.conn.links.pending.load(Ordering::Relaxed) {
            self.bound_waiting_of(self.options.max_message_size);
            self.waiting_answers.enforce();
        }
    }

    #[inline(never)]
    fn bound_waiting_of(&self, limit: u64) {
        let mut sending = self.conn.sending.borrow();
        if self.count_waiting(&sending) > limit {
            let text = format!(
                "the client does not receive its answers, of which more than {limit} bytes wait (max_message_size), so it was disconnected; receive the answers, or have fewer requests under way"
            );
            self.give_up(&mut sending, Error::new(ErrorKind::Full, text));
        }
    }

    pub(super) fn count_waiting(&self, sending: &Sending) -> u64 {
        let bytes = sending.part.as_ref().map_or(0, TxPart::waiting_bytes);
        if let Some(since) = sending.part.as_ref().and_then(TxPart::waits_since) {
            self.waits_since.store(self.waiting_answers.moment(since), Ordering::Relaxed);
        }
        self.waiting_answers.replace(self.waiting_bytes.swap(bytes, Ordering::Relaxed), bytes);
        bytes
    }

    /// Gives up the link in both directions: a client must not send requests if its answers cannot be sent. The hang-up
    /// shows the client the end at once, and the serving thread disconnects the client. An event has the reason.
    pub(super) fn give_up(&self, sending: &mut Sending, why: Error) {
        self.lose_link(sending);
        if let Some(guard) = self.guard.upgrade() {
            guard.disconnect();
        }
        // After the client's own end, its earlier frames are received first.
        if why.kind() != ErrorKind::Disconnected {
            let text = format!("{}: {why}", self.source);
            if self.given_up.set(why).is_ok() {
                self.conn.event_log.disconnected(text);
                self.conn.links.server_waker.add_pending(self.conn.links.token);
            }
        }
    }

    pub fn given_up(&self) -> Option<&Error> {
        self.given_up.get()
    }

    pub(super) fn lose_link(&self, sending: &mut Sending) {
        sending.drop_part();
        self.count_waiting(sending);
        self.conn.links.pending.store(false, Ordering::Release);
    }

    /// Sends waiting answers. If some remain, returns a descriptor and the event that reports room.
    pub fn flush(&self) -> Option<(OwnedFd, Interest)> {
        let mut sending = self.conn.sending.borrow();
        let waiting = sending.send_waiting();
        self.count_waiting(&sending);
        match waiting {
            Ok(None) => self.conn.links.pending.store(false, Ordering::Release),
            Ok(room) => return room,
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {}
            Err(error) => self.give_up(&mut sending, error),
        }
        None
    }
}

impl WaitingClient for ClientTx {
    fn owner(&self) -> &Owner {
        &self.owner
    }

    fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    fn waits_since(&self) -> u64 {
        self.waits_since.load(Ordering::Relaxed)
    }

    fn give_up_most(&self, limit: u64) {
        let mut sending = self.conn.sending.borrow();
        let bytes = self.count_waiting(&sending);
        if bytes > 0 {
            let text = format!(
                "the client does not receive its answers, of which {bytes} bytes wait, the most and the longest of all clients, which have more than {limit} bytes together (four times max_message_size), so it was disconnected; receive the answers, or have fewer requests and connections"
            );
            self.give_up(&mut sending, Error::new(ErrorKind::Full, text));
        }
    }
}
