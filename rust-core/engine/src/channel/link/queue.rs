//! Messages that wait for room in the link of a server's client. A slow client delays no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::channel::event_log::EventLog;
use crate::error::Result;
use crate::frame::{Header, Outgoing};
use crate::message::Payload;
use crate::transport::{Sent, Tx};

/// Waiting messages, which a drop of the queue counts as dropped.
pub struct Queue {
    event_log: Arc<EventLog>,
    waiting: VecDeque<(Header, Payload, Instant)>,
    pub bytes: u64,
    /// Since when the partly sent message waits.
    begun: Option<Instant>,
}

impl Queue {
    pub fn new(event_log: &Arc<EventLog>) -> Queue {
        Queue { event_log: event_log.clone(), waiting: VecDeque::new(), bytes: 0, begun: None }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts a message to the link after the waiting ones, or lets it wait.
    ///
    /// After an error, the link has nothing of the message.
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

    pub fn waits_since(&self, tx: &Tx) -> Option<Instant> {
        if tx.has_rest() { self.begun } else { self.waiting.front().map(|(_, _, since)| *since) }
    }

    pub fn count_dropped(&self, messages: u64) {
        self.event_log.dropped.fetch_add(messages, Ordering::Relaxed);
    }

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

/// Sends a frame, and its rest while the peer makes room within a spin, so a slow peer delays no other.
///
/// False if the link has nothing of the frame.
fn send_while_read(tx: &mut Tx, frame: &Outgoing<'_>) -> Result<bool> {
    let sent = tx.try_send(frame)?;
    while tx.has_rest() && tx.spin() && !tx.flush()? {}
    Ok(sent != Sent::Blocked)
}
