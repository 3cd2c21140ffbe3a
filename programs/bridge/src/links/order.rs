//! Delivers units in order and exactly once between two bridges over an engine that loses packets.
//!
//! Uses numbers, acknowledgement, retransmission and a window, but neither clock nor socket: the caller passes the
//! time and sends the packets.
//!
//! Every unit has a number. Each packet acknowledges two numbers: the last received unit, and the last unit delivered
//! to the program. The first ends retransmission, the second makes room in the window. A slow program thus stops its
//! sender, and about one window of bytes waits at the receiver.
//!
//! The receiver drops units that arrive out of order. It requests a retransmission once per gap and again after 40
//! ms. The sender then repeats everything after the gap in smaller bursts. If a packet or request is lost, the
//! sender's timer repeats the units after 300 ms, doubling up to 2 s. Repetitions are unlimited: the other bridge's
//! presence decides when a link ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::packet::{Packet, What};
use crate::clocks::after;

/// The most sent bytes that the other side's program has not received. A longer unit is sent on its own.
pub const WINDOW: usize = 1 << 20;
/// The most bytes in flight, which fit in the engine's queue.
const IN_FLIGHT: usize = 512 << 10;
/// The most bytes in flight after a loss: the same queue would drop a full burst again.
const BURST: usize = 128 << 10;
/// Delivered bytes after which an acknowledgement is sent at once.
const ACK_BYTES: usize = 64 << 10;
const FIRST_RETRY: Duration = Duration::from_millis(300);
/// The longest retransmission time-out, after doubling.
const MAX_RETRY: Duration = Duration::from_secs(2);
/// How long an acknowledgement may wait for a unit that can carry it.
const ACK_DELAY: Duration = Duration::from_millis(20);

/// A unit: its kind, for the layer above, and its bytes.
pub type Unit = (u8, Bytes);

#[derive(Debug)]
pub struct Order {
    /// Unacknowledged units in order; the last has the number `next - 1`.
    kept: VecDeque<Unit>,
    next: u64,
    /// The number of the next unit to send: below `next` if units were lost or wait.
    resend: u64,
    /// Whether units are being repeated, which makes bursts smaller.
    resending: bool,
    peer_received: u64,
    /// The last number that the other side has delivered to its program.
    peer_delivered: u64,
    /// The sizes of units that the other side has not delivered.
    open: VecDeque<usize>,
    open_bytes: usize,
    retry: Option<Instant>,
    retry_timeout: Duration,
    /// The number of the last unit received in order.
    received_last: u64,
    /// Received units that are not delivered.
    inward: VecDeque<Unit>,
    inward_bytes: usize,
    delivered_unacked: usize,
    received_unacked: usize,
    ack_due: Option<Instant>,
    /// The last received number at the last request for retransmission, and its time.
    requested: Option<(u64, Instant)>,
    /// Whether the next packet requests a retransmission or an acknowledgement.
    requests_answer: bool,
    /// Whether the other bridge has gone or lacks the link.
    over: bool,
}

impl Order {
    pub fn new() -> Order {
        Order {
            kept: VecDeque::new(),
            next: 1,
            resend: 1,
            resending: false,
            peer_received: 0,
            peer_delivered: 0,
            open: VecDeque::new(),
            open_bytes: 0,
            retry: None,
            retry_timeout: FIRST_RETRY,
            received_last: 0,
            inward: VecDeque::new(),
            inward_bytes: 0,
            delivered_unacked: 0,
            received_unacked: 0,
            ack_due: None,
            requested: None,
            requests_answer: false,
            over: false,
        }
    }

    pub fn has_room(&self) -> bool {
        self.open_bytes < WINDOW
    }

    pub fn is_received(&self) -> bool {
        self.kept.is_empty()
    }

    pub fn is_known(&self) -> bool {
        self.peer_received > 0
    }

    pub fn send(&mut self, unit: Unit) {
        self.open_bytes = self.open_bytes.saturating_add(unit.1.len());
        self.open.push_back(unit.1.len());
        self.kept.push_back(unit);
        self.next = self.next.saturating_add(1);
    }

    /// Returns the state without the bytes, for test messages.
    #[cfg(test)]
    pub fn shown(&self) -> String {
        let Order {
            next,
            resend,
            resending,
            peer_received,
            peer_delivered,
            received_last,
            retry,
            ack_due,
            ..
        } = self;
        let (open, inward) = (self.open_bytes, self.inward_bytes);
        format!(
            "next {next} resend {resend} {resending} peer_received {peer_received} peer_delivered {peer_delivered} open {open} received_last {received_last} inward {inward} retry {retry:?} ack_due {ack_due:?}"
        )
    }

    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.inward_bytes
    }

    pub fn front(&self) -> Option<&Unit> {
        self.inward.front()
    }

    /// Removes the next unit after its delivery.
    pub fn pop(&mut self, now: Instant) -> Option<Unit> {
        let unit = self.inward.pop_front()?;
        self.inward_bytes = self.inward_bytes.saturating_sub(unit.1.len());
        self.delivered_unacked = self.delivered_unacked.saturating_add(unit.1.len());
        self.ack_within(if self.delivered_unacked >= ACK_BYTES { Duration::ZERO } else { ACK_DELAY }, now);
        Some(unit)
    }

    /// Appends a last unit to the received ones. Nothing is received or sent after it.
    pub fn end(&mut self, unit: Unit) {
        self.inward_bytes = self.inward_bytes.saturating_add(unit.1.len());
        self.inward.push_back(unit);
        self.over = true;
        self.kept.clear();
    }

    pub fn ack_now(&mut self, now: Instant) {
        self.ack_within(Duration::ZERO, now);
    }

    /// Handles a packet. Returns false if it contradicts what was sent, and the caller then ends the link.
    ///
    /// A packet must not acknowledge an unsent number, or more units as delivered than as received.
    pub fn take(&mut self, packet: Packet, now: Instant) -> bool {
        if self.over {
            return true;
        }
        // The numbers come from another machine, and the subtractions below rely on their order.
        if packet.received >= self.next || packet.delivered > packet.received {
            return false;
        }
        if packet.received > self.peer_received {
            let count = packet.received.saturating_sub(self.peer_received) as usize;
            self.kept.drain(..count);
            self.peer_received = packet.received;
            self.resend = self.resend.max(self.peer_received.saturating_add(1));
            self.retry_timeout = FIRST_RETRY;
            self.retry = None;
        }
        while self.peer_delivered < packet.delivered {
            self.peer_delivered = self.peer_delivered.saturating_add(1);
            (self.retry_timeout, self.retry) = (FIRST_RETRY, None);
            self.open_bytes = self.open_bytes.saturating_sub(self.open.pop_front().unwrap_or(0));
        }
        // The other side misses units, or our acknowledgement was lost.
        if packet.requests_answer {
            self.ack_within(Duration::ZERO, now);
            if self.peer_received.saturating_add(1) < self.next {
                (self.resending, self.resend) = (true, self.peer_received.saturating_add(1));
            }
        }
        let What::Unit(number, kind, body) = packet.what else { return true };
        // Drops a unit beyond the window to bound the memory. An honest sender does not send it.
        if number == self.received_last.saturating_add(1)
            && (self.inward_bytes < WINDOW || self.inward.is_empty())
        {
            self.received_last = number;
            self.inward_bytes = self.inward_bytes.saturating_add(body.len());
            self.received_unacked = self.received_unacked.saturating_add(body.len());
            self.inward.push_back((kind, body));
            self.ack_within(if self.received_unacked >= ACK_BYTES { Duration::ZERO } else { ACK_DELAY }, now);
        } else {
            let missing = number > self.received_last.saturating_add(1);
            let is_new = self.requested.is_none_or(|(last, at)| {
                last != self.received_last || now.saturating_duration_since(at) >= ACK_DELAY.saturating_mul(2)
            });
            if missing && is_new {
                (self.requested, self.requests_answer) = (Some((self.received_last, now)), true);
            }
            if !missing || is_new {
                self.ack_within(Duration::ZERO, now);
            }
        }
        true
    }

    /// Schedules an acknowledgement within this time, or earlier if one is already due.
    fn ack_within(&mut self, time: Duration, now: Instant) {
        let at = after(now, time);
        self.ack_due = Some(self.ack_due.map_or(at, |before| before.min(at)));
    }

    /// Returns when a timer gives [`Order::due`] packets.
    pub fn deadline(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        self.retry.into_iter().chain(self.ack_due).min()
    }

    /// Returns the packets to send now: units within the limits, or a due acknowledgement.
    ///
    /// Each unit also carries an acknowledgement.
    pub fn due(&mut self, now: Instant) -> Vec<Packet> {
        if self.over {
            return Vec::new();
        }
        if self.retry.is_some_and(|at| at <= now) {
            (self.resending, self.resend, self.retry) = (true, self.peer_received.saturating_add(1), None);
            self.retry_timeout = self.retry_timeout.saturating_mul(2).min(MAX_RETRY);
            // Everything was received, so the acknowledgement of the delivery may be lost.
            self.requests_answer |= self.kept.is_empty();
        }
        let mut packets = Vec::new();
        // Sent bytes that were not acknowledged as received.
        let mut in_flight: usize = self.kept.iter().take(self.sent()).map(|unit| unit.1.len()).sum();
        let most = if self.resending { BURST } else { IN_FLIGHT };
        while let Some((kind, body)) = self.kept.get(self.sent())
            && (self.sent() == 0 || in_flight < most)
        {
            in_flight = in_flight.saturating_add(body.len());
            packets.push(self.packet(What::Unit(self.resend, *kind, body.clone())));
            self.resend = self.resend.saturating_add(1);
        }
        self.resending &= self.resend < self.next;
        if !self.open.is_empty() && self.retry.is_none() {
            self.retry = Some(after(now, self.retry_timeout));
        }
        let is_due = self.requests_answer || self.ack_due.is_some_and(|at| at <= now);
        if is_due && packets.is_empty() {
            packets.push(self.packet(What::State));
        }
        if !packets.is_empty() {
            (self.ack_due, self.delivered_unacked, self.received_unacked, self.requests_answer) =
                (None, 0, 0, false);
        }
        packets
    }

    fn sent(&self) -> usize {
        self.resend.saturating_sub(self.peer_received).saturating_sub(1) as usize
    }

    fn delivered(&self) -> u64 {
        self.received_last.saturating_sub(self.inward.len() as u64)
    }

    fn packet(&self, what: What) -> Packet {
        Packet {
            received: self.received_last,
            delivered: self.delivered(),
            requests_answer: self.requests_answer,
            what,
        }
    }
}
