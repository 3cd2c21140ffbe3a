//! Units in order and once between two bridges, whatever the engine loses: numbers, acknowledgement, sending again, a window. No clock, no socket.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::packet::{Packet, What};

/// Bytes that were sent and that the other side has not passed on to its program; one longer unit goes alone.
pub const WINDOW: usize = 1 << 20;
/// Bytes that are on their way at once, as few as the engine's queue takes, and where some have been lost.
const ON_THE_WAY: usize = 512 << 10;
const BURST: usize = 128 << 10;
/// The other side is told at once after so many bytes that were passed on.
const OFTEN: usize = 64 << 10;
/// How long an acknowledgement is waited for, at first and at most, before something is sent again.
const PATIENCE: Duration = Duration::from_millis(300);
const MOST_PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take to say how far we have come, where nothing goes back that says it in passing.
const SOON: Duration = Duration::from_millis(20);

/// What is carried: its kind, for the layer above, and its bytes.
pub type Unit = (u8, Bytes);

/// Both directions of one link between two bridges.
#[derive(Debug)]
pub struct Order {
    /// Sent and not acknowledged, the last of them with the number `next - 1`.
    kept: VecDeque<Unit>,
    next: u64,
    /// The next that goes over the network: below `next` where some were lost, or wait.
    resend: u64,
    recovers: bool,
    /// What the other side has received, and what it has passed on to its program.
    received: u64,
    handed: u64,
    /// The sizes of those that it has not passed on.
    open: VecDeque<usize>,
    open_bytes: usize,
    retry: Option<Instant>,
    patience: Duration,
    /// The number of the last that came, those that are still to be passed on, and their bytes.
    came: u64,
    inward: VecDeque<Unit>,
    inward_bytes: usize,
    /// Bytes that were passed on, and that came, of which the other side was not told, and when it is to be.
    unsaid: usize,
    arrived: usize,
    tell: Option<Instant>,
    /// What was missing when the other side was asked for it last, and when that was.
    asked: Option<(u64, Instant)>,
    asks: bool,
    /// Whether the other bridge has gone, or does not know this.
    over: bool,
}

impl Order {
    /// Nothing sent, nothing received.
    pub fn new() -> Order {
        Order {
            kept: VecDeque::new(),
            next: 1,
            resend: 1,
            recovers: false,
            received: 0,
            handed: 0,
            open: VecDeque::new(),
            open_bytes: 0,
            retry: None,
            patience: PATIENCE,
            came: 0,
            inward: VecDeque::new(),
            inward_bytes: 0,
            unsaid: 0,
            arrived: 0,
            tell: None,
            asked: None,
            asks: false,
            over: false,
        }
    }

    /// Whether the window has room.
    pub fn has_room(&self) -> bool {
        self.open_bytes < WINDOW
    }

    /// Whether the other side has received everything.
    pub fn is_received(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether the other side has received anything.
    pub fn is_known(&self) -> bool {
        self.received > 0
    }

    /// Sends this behind all before it.
    pub fn send(&mut self, unit: Unit) {
        self.open_bytes += unit.1.len();
        self.open.push_back(unit.1.len());
        self.kept.push_back(unit);
        self.next += 1;
    }

    /// Its state without the bytes.
    #[cfg(test)]
    pub fn shown(&self) -> String {
        let Order { next, resend, recovers, received, handed, came, retry, tell, .. } = self;
        let (open, inward) = (self.open_bytes, self.inward_bytes);
        format!(
            "next {next} resend {resend} {recovers} received {received} handed {handed} open {open} came {came} inward {inward} retry {retry:?} tell {tell:?}"
        )
    }

    /// Bytes that have come and were not passed on.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.inward_bytes
    }

    /// The next that came.
    pub fn front(&self) -> Option<&Unit> {
        self.inward.front()
    }

    /// It has been passed on.
    pub fn pop(&mut self, now: Instant) -> Option<Unit> {
        let unit = self.inward.pop_front()?;
        self.inward_bytes -= unit.1.len();
        self.unsaid += unit.1.len();
        self.tell_within(if self.unsaid >= OFTEN { Duration::ZERO } else { SOON }, now);
        Some(unit)
    }

    /// Puts something behind all that has come: nothing more comes, and nothing more goes.
    pub fn end(&mut self, unit: Unit) {
        self.inward_bytes += unit.1.len();
        self.inward.push_back(unit);
        self.over = true;
        self.kept.clear();
    }

    /// Says at once how far we have come.
    pub fn tell_now(&mut self, now: Instant) {
        self.tell_within(Duration::ZERO, now);
    }

    /// Takes what came over the network. False where the other side says what cannot be.
    pub fn take(&mut self, packet: Packet, now: Instant) -> bool {
        if self.over {
            return true;
        }
        if packet.received >= self.next || packet.handed > packet.received {
            return false;
        }
        if packet.received > self.received {
            let count = (packet.received - self.received) as usize;
            self.kept.drain(..count);
            self.received = packet.received;
            self.resend = self.resend.max(self.received + 1);
            self.patience = PATIENCE;
            self.retry = None;
        }
        while self.handed < packet.handed {
            self.handed += 1;
            (self.patience, self.retry) = (PATIENCE, None);
            self.open_bytes -= self.open.pop_front().unwrap_or(0);
        }
        if packet.asks {
            self.tell_within(Duration::ZERO, now);
            if self.received + 1 < self.next {
                (self.recovers, self.resend) = (true, self.received + 1);
            }
        }
        let What::Unit(number, kind, body) = packet.what else { return true };
        if number == self.came + 1 && (self.inward_bytes < WINDOW || self.inward.is_empty()) {
            self.came = number;
            self.inward_bytes += body.len();
            self.arrived += body.len();
            self.inward.push_back((kind, body));
            self.tell_within(if self.arrived >= OFTEN { Duration::ZERO } else { SOON }, now);
        } else {
            let missing = number > self.came + 1;
            let is_new = self.asked.is_none_or(|(last, at)| last != self.came || now - at >= SOON * 2);
            if missing && is_new {
                (self.asked, self.asks) = (Some((self.came, now)), true);
            }
            if !missing || is_new {
                self.tell_within(Duration::ZERO, now);
            }
        }
        true
    }

    fn tell_within(&mut self, time: Duration, now: Instant) {
        let at = now + time;
        self.tell = Some(self.tell.map_or(at, |before| before.min(at)));
    }

    /// When [`Order::due`] has something without anything having happened.
    pub fn deadline(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        self.retry.into_iter().chain(self.tell).min()
    }

    /// What goes over the network now.
    pub fn due(&mut self, now: Instant) -> Vec<Packet> {
        if self.over {
            return Vec::new();
        }
        if self.retry.is_some_and(|at| at <= now) {
            (self.recovers, self.resend, self.retry) = (true, self.received + 1, None);
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
            // All was received: that it was passed on may have been said and lost.
            self.asks |= self.kept.is_empty();
        }
        let mut packets = Vec::new();
        let mut on_the_way: usize = self.kept.iter().take(self.sent()).map(|unit| unit.1.len()).sum();
        let most = if self.recovers { BURST } else { ON_THE_WAY };
        while let Some((kind, body)) = self.kept.get(self.sent())
            && (self.sent() == 0 || on_the_way < most)
        {
            on_the_way += body.len();
            packets.push(self.packet(What::Unit(self.resend, *kind, body.clone())));
            self.resend += 1;
        }
        self.recovers &= self.resend < self.next;
        if !self.open.is_empty() && self.retry.is_none() {
            self.retry = Some(now + self.patience);
        }
        let says = self.asks || self.tell.is_some_and(|at| at <= now);
        if says && packets.is_empty() {
            packets.push(self.packet(What::State));
        }
        if !packets.is_empty() {
            (self.tell, self.unsaid, self.arrived, self.asks) = (None, 0, 0, false);
        }
        packets
    }

    /// How many of those that are kept have been sent over the network.
    fn sent(&self) -> usize {
        (self.resend - self.received - 1) as usize
    }

    fn passed_on(&self) -> u64 {
        self.came - self.inward.len() as u64
    }

    fn packet(&self, what: What) -> Packet {
        Packet { received: self.came, handed: self.passed_on(), asks: self.asks, what }
    }
}
