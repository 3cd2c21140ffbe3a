//! The floor at a fixed rate: a ring in shared memory, into which one process copies messages, and out of which another
//! copies them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::fanout::Slot;
use super::memory::futex;
use crate::Result;
use crate::cpu::Placement;
use crate::ends::{Shared, split};
use crate::rate::pace::Stamp;
use crate::rate::{Waits, receive_rounds, serve, shared};

/// A power of two. At 100 kHz it holds the messages of 80 ms.
const SLOTS: u64 = 8192;

/// On a pair of cache lines of its own: the processor fetches lines in pairs.
#[repr(C, align(128))]
struct Apart<T>(T);

#[repr(C)]
struct Ring {
    /// How many messages were read.
    read: Apart<AtomicU64>,
    /// 1 while the reader sleeps, or is about to.
    asleep: Apart<AtomicU32>,
    slots: [Slot; SLOTS as usize],
}

struct Writer {
    ring: Shared<Ring>,
    waits: Waits,
    written: u64,
    /// Up to here there is room.
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
            // Either the reader sees the message, or this sees that it sleeps.
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

/// The bytes as words, which both ends can load and store at once.
fn words(stamp: Stamp) -> [u64; 8] {
    [stamp.number, stamp.intended, 7, 7, 7, 7, 7, 7]
}

/// So many messages a second.
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
