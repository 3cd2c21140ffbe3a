//! The schedule of an open loop, and its latencies. The Rust peer contains the same file.
//!
//! A sender that waits for answers or room sends less while the receiver stalls, so the stall appears as one slow
//! message (coordinated omission). Here, each message due during a stall includes its part of the stall.

use crate::Result;

pub const BYTES: usize = 64;

/// The number of warm-up messages, which let caches, predictors and the other end recover.
const WARM_UP: u64 = u64::MAX - 1;
pub const END: u64 = u64::MAX;
/// The duration of the warm-up in nanoseconds.
const WARM_UP_TIME: u64 = 20_000_000;

/// A clock in nanoseconds that all processes of a machine share.
pub trait Clock {
    fn now(&self) -> u64;

    /// Waits for a time and returns the time after that.
    fn wait_until(&self, time: u64) -> u64 {
        loop {
            let now = self.now();
            if now >= time {
                return now;
            }
            std::hint::spin_loop();
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> u64 {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel writes a timespec of ours.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub number: u64,
    pub intended: u64,
}

impl Stamp {
    pub const LAST: Stamp = Stamp { number: END, intended: 0 };

    pub fn content(self) -> [u8; BYTES] {
        let mut content = [7; BYTES];
        content[..8].copy_from_slice(&self.number.to_le_bytes());
        content[8..16].copy_from_slice(&self.intended.to_le_bytes());
        content
    }

    pub fn read(content: &[u8]) -> Result<Stamp> {
        let word = |at: usize| content.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let all = word(0).zip(word(8)).filter(|_| content.len() == BYTES);
        let (number, intended) = all.ok_or_else(|| format!("a message of {} bytes came", content.len()))?;
        Ok(Stamp { number, intended })
    }
}

/// Sends messages at fixed intervals, then the message that ends the round.
///
/// Each is prepared in advance. A late message is sent at once, and later due times stay unchanged. Returns how many
/// were late by more than an interval.
pub fn send_at_rate<M>(
    clock: &impl Clock,
    interval: u64,
    count: u64,
    mut prepare: impl FnMut(Stamp) -> M,
    mut send: impl FnMut(M) -> Result<()>,
) -> Result<u64> {
    let warm_up = WARM_UP_TIME / interval;
    let begin = clock.now() + interval;
    let mut late = 0;
    for index in 0..warm_up + count {
        let intended = begin + index * interval;
        let number = index.checked_sub(warm_up).unwrap_or(WARM_UP);
        let message = prepare(Stamp { number, intended });
        let began = clock.wait_until(intended);
        late += u64::from(number != WARM_UP && began > intended + interval);
        send(message)?;
    }
    send(prepare(Stamp::LAST))?;
    Ok(late)
}

pub fn receive_round(
    clock: &impl Clock,
    mut receive: impl FnMut() -> Result<Stamp>,
    mut took: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    loop {
        let stamp = receive()?;
        match stamp.number {
            END => return Ok(()),
            WARM_UP => {}
            _ => took(clock.now().saturating_sub(stamp.intended))?,
        }
    }
}
