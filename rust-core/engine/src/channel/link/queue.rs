//! Messages that the link has not taken, of a link whose sender does not wait: answers to one client of a server, which keeps the
//! others waiting for none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::channel::event_log::EventLog;
use crate::error::Result;
use crate::frame::{Header, Outgoing};
use crate::message::Payload;
use crate::transport::{Sent, Tx};

/// Messages that wait for room, in order. Those that are there when it is dropped, with its link, are counted as dropped.
pub struct Queue {
    event_log: Arc<EventLog>,
    waiting: VecDeque<(Header, Payload)>,
    /// Whether the link has a part of the first one. It is kept here rather than adopted by the transport, which would copy the rest.
    is_started: bool,
    /// Bytes of the bodies of those of which the link has nothing.
    pub bytes: u64,
}

impl Queue {
    /// Returns the queue of a new link of an object with this log.
    pub fn new(event_log: &Arc<EventLog>) -> Queue {
        Queue { event_log: event_log.clone(), waiting: VecDeque::new(), is_started: false, bytes: 0 }
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
        match if self.is_empty() { send_while_read(tx, &frame)? } else { Sent::Blocked } {
            Sent::Whole => return Ok(()),
            Sent::Part => self.is_started = true,
            Sent::Blocked => self.bytes += payload.len() as u64,
        }
        self.waiting.push_back((header, payload.clone()));
        Ok(())
    }

    /// Sends what waits, and what the link has adopted. Returns whether nothing is left.
    pub fn flush(&mut self, tx: &mut Tx) -> Result<bool> {
        while let Some((header, payload)) = self.waiting.front() {
            let sent = send_while_read(tx, &Outgoing::of(*header, payload.memory()))?;
            if sent == Sent::Blocked {
                return Ok(false);
            }
            if !self.is_started {
                self.bytes -= payload.len() as u64;
            }
            self.is_started = sent == Sent::Part;
            if self.is_started {
                return Ok(false);
            }
            self.waiting.pop_front();
        }
        tx.flush()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.event_log.dropped.fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
    }
}

/// Sends a frame in parts as long as the peer makes room within the time of a spin; a peer that reads slowly delays no other.
fn send_while_read(tx: &mut Tx, frame: &Outgoing<'_>) -> Result<Sent> {
    loop {
        match tx.try_send(frame)? {
            Sent::Part if tx.spin() => {}
            sent => return Ok(sent),
        }
    }
}
