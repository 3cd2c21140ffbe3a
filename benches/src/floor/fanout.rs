//! The floor of fan-out: a process writes a ring in shared memory; many readers in another follow it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Result;
use crate::cpu::Placement;
use crate::ends::{Shared, split};
use crate::ours::stream::BLOCK;
use crate::worker::{Work, serve};

const SLOTS: usize = BLOCK as usize;

/// A message of 64 bytes after the number that marks it as complete.
#[repr(C, align(128))]
pub struct Slot {
    number: AtomicU64,
    words: [AtomicU64; 8],
}

impl Slot {
    pub fn write(&self, number: u64, content: &[u64; 8]) {
        for (word, value) in self.words.iter().zip(content) {
            word.store(*value, Ordering::Relaxed);
        }
        self.number.store(number, Ordering::Release);
    }

    /// Reads the message with this number; `None` if it is not written yet.
    pub fn read(&self, number: u64) -> Option<[u64; 8]> {
        let there = self.number.load(Ordering::Acquire) >= number;
        there.then(|| self.words.each_ref().map(|word| word.load(Ordering::Relaxed)))
    }
}

#[repr(C)]
struct Ring {
    /// Whether a round is running: readers sleep between rounds.
    running: AtomicBool,
    /// How many messages every reader has read.
    read: AtomicU64,
    slots: [Slot; SLOTS],
}

/// Messages between two acknowledgements with many readers.
const MANY: u64 = 512;

struct Fanout<const PER: u64> {
    ring: Shared<Ring>,
    begins: UnixStream,
    sent: u64,
}

impl<const PER: u64> Work for Fanout<PER> {
    const PER: u64 = PER;

    fn begin(&mut self) -> Result<()> {
        self.ring.running.store(true, Ordering::Release);
        Ok(self.begins.write_all(&[1])?)
    }

    fn once(&mut self) -> Result<()> {
        for _ in 0..PER {
            let slot = &self.ring.slots[self.sent as usize % SLOTS];
            self.sent += 1;
            slot.write(self.sent, &[self.sent; 8]);
        }
        while self.ring.read.load(Ordering::Acquire) < self.sent {
            std::hint::spin_loop();
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.ring.running.store(false, Ordering::Release);
        Ok(())
    }
}

/// Every reader loads every message. It answers once per block, as in ours.
fn read(ring: &Shared<Ring>, readers: usize, per: u64, mut begins: UnixStream) -> Result<()> {
    let mut number = 0;
    loop {
        begins.read_exact(&mut [0])?;
        'round: loop {
            let slot = &ring.slots[number as usize % SLOTS];
            for _ in 0..readers {
                loop {
                    if let Some(words) = slot.read(number + 1) {
                        std::hint::black_box(words);
                        break;
                    }
                    if !ring.running.load(Ordering::Relaxed) {
                        break 'round;
                    }
                    std::hint::spin_loop();
                }
            }
            number += 1;
            if number.is_multiple_of(per) {
                ring.read.store(number, Ordering::Release);
            }
        }
    }
}

/// 64 bytes to this many readers on another processor.
pub fn stream(readers: usize) -> Result<()> {
    if readers <= 4 { start::<BLOCK>(readers) } else { start::<MANY>(readers) }
}

fn start<const PER: u64>(readers: usize) -> Result<()> {
    let ring = Shared::<Ring>::zeroed()?;
    let (begins, theirs) = UnixStream::pair()?;
    let shared = ring.clone();
    split(Placement::Apart, move || read(&shared, readers, PER, theirs))?;
    serve(Fanout::<PER> { ring, begins, sent: 0 })
}
