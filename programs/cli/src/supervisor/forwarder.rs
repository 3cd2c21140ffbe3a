//! Forwards the program's output without blocking on a slow reader.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use linkspan::Result;
use linkspan::service::start_thread;

const WAITING: usize = 64;

/// A thread, because standard output may block and is shared, so it must not be non-blocking.
pub struct Forwarder {
    pieces: SyncSender<Vec<u8>>,
    written: Receiver<()>,
    /// Bytes that were dropped since the queue was full.
    lost: u64,
}

impl Forwarder {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn to(mut out: impl Write + Send + 'static) -> Result<Forwarder> {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (done, written) = channel();
        start_thread("forwarder", move || {
            for piece in waiting {
                if out.write_all(&piece).and_then(|()| out.flush()).is_err() {
                    // The log still has the lines.
                    break;
                }
            }
            // `finish` may have timed out.
            let _ = done.send(());
        })?;
        Ok(Forwarder { pieces, written, lost: 0 })
    }

    /// Queues or drops bytes. Returns the number dropped before, once there is room again.
    pub fn pass(&mut self, bytes: Vec<u8>) -> Option<u64> {
        let length = bytes.len() as u64;
        match self.pieces.try_send(bytes) {
            Ok(()) => self.take_lost(),
            Err(TrySendError::Full(_)) => {
                self.lost += length;
                None
            }
            Err(TrySendError::Disconnected(_)) => None,
        }
    }

    /// Returns the number of dropped bytes that has not been reported yet.
    pub fn take_lost(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.lost)).filter(|lost| *lost > 0)
    }

    pub fn finish(self, within: Duration) {
        drop(self.pieces);
        // A slow reader loses the rest.
        let _ = self.written.recv_timeout(within);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::thread;

    use super::*;

    #[test]
    fn slow_reader_loses_counted_bytes() {
        let (mut read, write) = std::io::pipe().unwrap();
        let mut forwarder = Forwarder::to(write).unwrap();
        let mut reported = 0;
        for _ in 0..1000 {
            reported += forwarder.pass(vec![b'x'; 10_000]).unwrap_or(0);
        }
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            read.read_to_end(&mut all).unwrap();
            all.len() as u64
        });
        let lost = forwarder.take_lost().unwrap();
        forwarder.finish(Duration::from_secs(60));
        assert_eq!(reader.join().unwrap() + lost + reported, 10_000_000);
    }

    #[test]
    fn closed_reader_blocks_nothing() {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let mut forwarder = Forwarder::to(write).unwrap();
        for _ in 0..1000 {
            forwarder.pass(vec![b'x'; 10_000]);
        }
        forwarder.finish(Duration::from_secs(60));
    }
}
