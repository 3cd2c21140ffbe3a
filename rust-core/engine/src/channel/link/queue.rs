//! Messages that the link has not taken, of a link whose sender does not wait: answers to one client of a server, which
//! keeps the others waiting for none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::channel::event_log::EventLog;
use crate::error::Result;
use crate::frame::{Header, Outgoing};
use crate::message::Payload;
use crate::transport::{Sent, Tx};

/// Messages that wait for room, in order. Those that are there when it is dropped, with its link, are counted as
/// dropped.
pub struct Queue {
    event_log: Arc<EventLog>,
    /// With the time since when each waits.
    waiting: VecDeque<(Header, Payload, Instant)>,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Since when the one waits of which the link has a part.
    begun: Option<Instant>,
}

impl Queue {
    /// Returns the queue of a new link of an object with this log.
    pub fn new(event_log: &Arc<EventLog>) -> Queue {
        Queue { event_log: event_log.clone(), waiting: VecDeque::new(), bytes: 0, begun: None }
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts a message to the link, behind those that wait; what the link does not take waits.
    ///
    /// # Errors
    /// That of the link; then it has nothing of the message.
    pub fn put(&mut self, tx: &mut Tx, header: Header, payload: &Payload) -> Result<()> {
        let frame = Outgoing::of(header, payload.memory());
        if self.is_empty() && send_while_read(tx, &frame)? {
            self.begun = tx.has_rest().then(Instant::now);
            return Ok(());
        }
        self.bytes += payload.len() as u64;
        self.waiting.push_back((header, payload.clone(), Instant::now()));
        Ok(())
    }

    /// Returns since when the first message waits, or that of which the link has a part.
    pub fn waits_since(&self, tx: &Tx) -> Option<Instant> {
        if tx.has_rest() { self.begun } else { self.waiting.front().map(|(_, _, since)| *since) }
    }

    /// Counts messages that the peer does not get.
    pub fn count_dropped(&self, messages: u64) {
        self.event_log.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    /// Sends what waits, and the rest of what was begun. Returns whether nothing is left.
    pub fn flush(&mut self, tx: &mut Tx) -> Result<bool> {
        while let Some((header, payload, since)) = self.waiting.front() {
            if !send_while_read(tx, &Outgoing::of(*header, payload.memory()))? {
                return Ok(false);
            }
            self.begun = Some(*since);
            self.bytes -= payload.len() as u64;
            self.waiting.pop_front();
        }
        tx.flush()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.count_dropped(self.waiting.len() as u64);
    }
}

/// Sends a frame, and its rest as long as the peer makes room within the time of a spin; a peer that reads slowly
/// delays no other. Returns false if the link has nothing of it.
fn send_while_read(tx: &mut Tx, frame: &Outgoing<'_>) -> Result<bool> {
    let sent = tx.try_send(frame)?;
    while tx.has_rest() && tx.spin() && !tx.flush()? {}
    Ok(sent != Sent::Blocked)
}
