//! The wall clock between two readings, by the processor's cycle counter.
//!
//! Reading the clock makes the processor wait for all earlier instructions; the counter needs less than half of the
//! time. So a busy sender reads the clock once a millisecond and adds the cycles since. The result lags and never
//! leads.
//!
//! The counter is used if the kernel measures time by it, and after two measurements of its rate agree. The
//! measurements begin again after a suspension.

use std::cell::Cell;
use std::sync::OnceLock;

#[derive(Clone, Copy)]
pub(super) struct Clocks {
    /// The wall clock, in nanoseconds since 1970.
    pub wall: fn() -> i64,
    /// Nanoseconds of a clock that is never set.
    pub steady: fn() -> i64,
    pub cycles: fn() -> u64,
}

thread_local! {
    static READING: Cell<Reading> = const { Cell::new(Reading::NONE) };
}

/// Returns the time by the counter if this thread has a valid reading, otherwise by `renew`.
///
/// The caller passes [`renew`] with its clocks, which keeps them out of memory.
#[inline]
pub(super) fn now(cycles: impl FnOnce() -> u64, renew: impl FnOnce() -> i64) -> i64 {
    let reading = READING.get();
    // A thread without a reading does not read the counter in vain.
    if reading.valid != 0
        && let Some(now) = reading.at(cycles())
    {
        return now;
    }
    renew()
}

#[cold]
pub(super) fn renew(clocks: Clocks) -> i64 {
    if !is_reliable() {
        return (clocks.wall)();
    }
    let mut reading = READING.get();
    let now = reading.renew(clocks);
    READING.set(reading);
    now
}

/// Whether the kernel measures time by the counter; it stops if processors differ or the rate changes.
fn is_reliable() -> bool {
    static RELIABLE: OnceLock<bool> = OnceLock::new();
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    *RELIABLE.get_or_init(|| std::fs::read(SOURCE).is_ok_and(|source| source.trim_ascii() == b"tsc"))
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The counter right after the clock was read.
    cycles: u64,
    /// Nanoseconds since 1970.
    wall: i64,
    /// How many cycles the reading is valid; 0 for none.
    valid: u64,
    /// Nanoseconds of a cycle, with 32 binary places; 0 until two measurements agree.
    rate: u64,
    /// The rate by the last measurement; 0 if that was impossible.
    measured: u64,
    /// Counter and steady clock at the beginning of the measurement.
    from: (u64, i64),
}

impl Reading {
    const NONE: Reading = Reading { cycles: 0, wall: 0, valid: 0, rate: 0, measured: 0, from: (0, 0) };
    /// How many nanoseconds a reading is valid.
    const VALID: u64 = 1_000_000;
    /// Cycles of the shortest measurement, 10 to 50 ms.
    const MEASURED: u64 = 50_000_000;
    /// More cycles for reading the clocks: another program ran in between.
    const INTERRUPTED: u64 = 5_000;

    fn at(&self, cycles: u64) -> Option<i64> {
        let since = cycles.wrapping_sub(self.cycles);
        // Fewer than 2^24 cycles and a rate below 2^33: nothing overflows.
        let nanos = (since.wrapping_mul(self.rate) >> 32).cast_signed();
        (since < self.valid).then_some(self.wall.wrapping_add(nanos))
    }

    fn renew(&mut self, clocks: Clocks) -> i64 {
        self.valid = 0;
        let cycles = (clocks.cycles)();
        let length = cycles.wrapping_sub(self.from.0);
        if self.rate == 0 && length < Reading::MEASURED {
            return (clocks.wall)();
        }
        let steady = (clocks.steady)();
        let wall = (clocks.wall)();
        // The counter is read after the clock, so the result lags.
        let after = (clocks.cycles)();
        if after.wrapping_sub(cycles) > Reading::INTERRUPTED {
            return wall;
        }
        if length >= Reading::MEASURED {
            let elapsed = steady.wrapping_sub(self.from.1);
            let rate = rate(elapsed, length);
            let agrees = rate != 0 && rate.abs_diff(self.measured) <= rate >> 10;
            (self.rate, self.measured) = (if agrees { rate } else { 0 }, rate);
            self.from = (cycles, steady);
        }
        // None without a rate.
        if let Some(valid) = (Reading::VALID << 32).checked_div(self.rate) {
            (self.cycles, self.wall, self.valid) = (after, wall, valid);
        }
        wall
    }
}

/// The nanoseconds of a cycle with 32 binary places; 0 outside 500 MHz to 10 GHz.
fn rate(nanos: i64, cycles: u64) -> u64 {
    const POSSIBLE: std::ops::Range<u64> = (1 << 32) / 10..(1 << 32) * 2;
    let nanos = u128::from(nanos.max(0).cast_unsigned());
    let rate = (nanos << 32) / u128::from(cycles.max(1));
    u64::try_from(rate).ok().filter(|rate| POSSIBLE.contains(rate)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
