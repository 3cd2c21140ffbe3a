//! The floor at a fixed rate: a process copies messages into a shared ring, another copies them out.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::fanout::Slot;
use super::memory::futex;
use crate::Result;
use crate::cpu::Placement;
use crate::ends::{Shared, split};
use crate::rate::pace::Stamp;
use crate::rate::{Waits, receive_rounds, serve, shared};

/// A power of two, enough for 80 ms at 100 kHz.
const SLOTS: u64 = 8192;

/// A value on a separate pair of cache lines, because the processor fetches lines in pairs.
#[repr(C, align(128))]
struct Apart<T>(T);

#[repr(C)]
struct Ring {
    read: Apart<AtomicU64>,
    /// 1 while the reader sleeps, or is about to.
    asleep: Apart<AtomicU32>,
    slots: [Slot; SLOTS as usize],
}

struct Writer {
    ring: Shared<Ring>,
    waits: Waits,
    written: u64,
    /// There is room up to this number.
    room: u64,
}

impl Writer {
    fn write(&mut self, content: &[u64; 8]) {
        while self.written == self.room {
            self.room = self.ring.read.0.load(Ordering::Acquire) + SLOTS;
        }
        let slot = &self.ring.slots[(self.written % SLOTS) as usize];
        self.written += 1;
        slot.write(self.written, content);
        if self.waits == Waits::Parked {
            // Either the reader sees the message, or this side sees that the reader sleeps.
            std::sync::atomic::fence(Ordering::SeqCst);
            if self.ring.asleep.0.load(Ordering::Relaxed) == 1 {
                self.ring.asleep.0.store(0, Ordering::Relaxed);
                futex(&self.ring.asleep.0, libc::FUTEX_WAKE, 1);
            }
        }
    }
}

struct Reader {
    ring: Shared<Ring>,
    waits: Waits,
    read: u64,
}

impl Reader {
    fn next(&mut self) -> [u64; 8] {
        let slot = &self.ring.slots[(self.read % SLOTS) as usize];
        loop {
            if let Some(words) = slot.read(self.read + 1) {
                self.read += 1;
                self.ring.read.0.store(self.read, Ordering::Release);
                return words;
            }
            match self.waits {
                Waits::Spinning => std::hint::spin_loop(),
                Waits::Parked => self.sleep(slot),
            }
        }
    }

    fn sleep(&self, slot: &Slot) {
        self.ring.asleep.0.store(1, Ordering::Relaxed);
        std::sync::atomic::fence(Ordering::SeqCst);
        if slot.read(self.read + 1).is_none() {
            futex(&self.ring.asleep.0, libc::FUTEX_WAIT, 1);
        }
        self.ring.asleep.0.store(0, Ordering::Relaxed);
    }
}

/// The bytes as words, which both ends can access at once.
fn words(stamp: Stamp) -> [u64; 8] {
    [stamp.number, stamp.intended, 7, 7, 7, 7, 7, 7]
}

pub fn send(waits: Waits, rate: u64) -> Result<()> {
    let ring = Shared::<Ring>::zeroed()?;
    let (near, far) = shared()?;
    let mut reader = Reader { ring: ring.clone(), waits, read: 0 };
    split(Placement::Apart, move || {
        receive_rounds(far, || {
            let words = std::hint::black_box(reader.next());
            Ok(Stamp { number: words[0], intended: words[1] })
        })
    })?;
    let mut writer = Writer { ring, waits, written: 0, room: 0 };
    serve(near, rate, words, |content| {
        writer.write(&content);
        Ok(())
    })
}
