//! The rest of a message that was sent in part when a deadline passed. The message counts as sent,
//! so the rest has to be written whatever its sender does next.
//!
//! Usually the next call of the sender writes it. Where the program may never send again, a thread
//! waits for room and writes it; both take the same lock for each write, so no byte is written
//! twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::deadline::{Deadline, Waiting};
use crate::error::Result;
use crate::sys::thread;
use crate::transport::stream::Stream;

/// Bytes that are still to be written; shared with the thread, if there is one.
pub struct SendRest {
    /// The bytes, and how many of them the kernel has.
    unwritten: Arc<Mutex<Unwritten>>,
    /// Whether the thread runs.
    has_thread: bool,
}

/// The bytes under the lock.
struct Unwritten {
    bytes: Vec<u8>,
    /// How many of them the kernel has.
    written: usize,
}

/// Locks the bytes, also after a panic of another thread: a write either counts or does not.
fn locked(unwritten: &Mutex<Unwritten>) -> MutexGuard<'_, Unwritten> {
    unwritten.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unwritten {
    /// Writes as much as there is room for; returns true once nothing is left.
    fn write(&mut self, stream: &Stream) -> Result<bool> {
        while self.written < self.bytes.len() {
            match stream.write_bytes(&self.bytes[self.written..])? {
                Some(n) => self.written += n,
                None => return Ok(false),
            }
        }
        stream.flush()
    }
}

impl SendRest {
    /// Returns a rest of these bytes.
    pub fn new(bytes: Vec<u8>) -> SendRest {
        SendRest { unwritten: Arc::new(Mutex::new(Unwritten { bytes, written: 0 })), has_thread: false }
    }

    /// Writes as much as there is room for; returns true once nothing is left.
    ///
    /// # Errors
    /// `Disconnected`.
    pub fn write(&self, stream: &Stream) -> Result<bool> {
        locked(&self.unwritten).write(stream)
    }

    /// Starts a thread that waits for room and writes, until nothing is left or the peer has ended.
    /// Where no thread can be started, the next call writes it.
    pub fn flush_in_background(&mut self, stream: &Stream) {
        if self.has_thread {
            return;
        }
        let (unwritten, stream) = (self.unwritten.clone(), stream.clone());
        let waits = move || {
            let mut waiting = Waiting::until(Deadline::NEVER);
            loop {
                // The lock is not held during the sleep, so the next call of the sender can write,
                // too.
                let written = locked(&unwritten).write(&stream);
                if !matches!(written, Ok(false)) {
                    return;
                }
                if stream.wait_room(&mut waiting).is_err() {
                    return;
                }
            }
        };
        self.has_thread = thread::start("linkspan-rest", waits).is_ok();
    }
}
