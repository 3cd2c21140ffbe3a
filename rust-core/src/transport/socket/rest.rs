//! The rest of a message that a deadline left half sent: it counts as sent, so it goes out whatever its sender does next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::deadline::{Deadline, Waiting};
use crate::error::Result;
use crate::sys::thread;
use crate::transport::stream::Stream;

/// Bytes that are still to be written, shared with a thread that waits for room where nobody else does.
pub struct Rest {
    left: Arc<Mutex<Left>>,
    attended: bool,
}

struct Left {
    bytes: Vec<u8>,
    /// So many of them the kernel has.
    written: usize,
}

fn locked(left: &Mutex<Left>) -> MutexGuard<'_, Left> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Left {
    /// Writes what there is room for; true once nothing is left.
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

impl Rest {
    /// These bytes are left.
    pub fn new(bytes: Vec<u8>) -> Rest {
        Rest { left: Arc::new(Mutex::new(Left { bytes, written: 0 })), attended: false }
    }

    /// Writes what there is room for; true once nothing is left.
    pub fn write(&self, stream: &Stream) -> Result<bool> {
        locked(&self.left).write(stream)
    }

    /// Has a thread wait for room and write, until nothing is left or the other side has gone. Where no thread can be had,
    /// the rest goes with the next call.
    pub fn see_off(&mut self, stream: &Stream) {
        if self.attended {
            return;
        }
        let (left, stream) = (self.left.clone(), stream.clone());
        let waits = move || {
            let mut waiting = Waiting::until(Deadline::NEVER);
            loop {
                // The lock is not held while it sleeps: the next call writes, too.
                let written = locked(&left).write(&stream);
                if !matches!(written, Ok(false)) {
                    return;
                }
                if stream.wait_room(&mut waiting).is_err() {
                    return;
                }
            }
        };
        self.attended = thread::start("linkspan-rest", waits).is_ok();
    }
}
