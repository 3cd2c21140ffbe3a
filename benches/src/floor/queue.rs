//! The floor of one-way traffic: a good single-producer single-consumer queue between two threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ours::stream::BLOCK;
use crate::worker::{Work, serve};

struct Stream {
    queue: rtrb::Producer<[u8; 64]>,
    taken: Arc<AtomicU64>,
    sent: u64,
    reader: std::thread::Thread,
    /// Whether a round is running. The reader sleeps between rounds and leaves its processor to other workers.
    running: Arc<AtomicBool>,
}

impl Work for Stream {
    const PER: u64 = BLOCK;

    fn begin(&mut self) -> Result<()> {
        self.running.store(true, Ordering::Release);
        self.reader.unpark();
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.running.store(false, Ordering::Release);
        Ok(())
    }

    fn once(&mut self) -> Result<()> {
        for _ in 0..BLOCK {
            let mut message = [self.sent as u8; 64];
            while let Err(rtrb::PushError::Full(back)) = self.queue.push(message) {
                message = back;
                std::hint::spin_loop();
            }
            self.sent += 1;
        }
        while self.taken.load(Ordering::Acquire) < self.sent {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// Messages of 64 bytes, as many as our ring holds.
pub fn stream(placement: Placement) -> Result<()> {
    let (queue, mut from) = rtrb::RingBuffer::<[u8; 64]>::new(4096);
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    let running = Arc::new(AtomicBool::new(false));
    let read = running.clone();
    let reader = std::thread::Builder::new().name("far".into()).spawn(move || {
        if pin(placement, End::Far).is_err() {
            return;
        }
        let mut number = 0;
        loop {
            match from.pop() {
                Ok(message) => {
                    std::hint::black_box(&message);
                    number += 1;
                    // The acknowledgement is sent once per block, as in ours.
                    if number % BLOCK == 0 {
                        count.store(number, Ordering::Release);
                    }
                }
                Err(_) if !read.load(Ordering::Relaxed) => std::thread::park(),
                Err(_) => std::hint::spin_loop(),
            }
        }
    })?;
    pin(placement, End::Near)?;
    serve(Stream { queue, taken, sent: 0, reader: reader.thread().clone(), running })
}
