//! Passing a program's output through, without ever waiting for whoever reads ours.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Pieces that may wait to be written; one is what was read at once.
const WAITING: usize = 64;

/// A thread that writes, since our standard output may be slow, and must not be made non-blocking: others share it.
pub struct Passing {
    pieces: SyncSender<Vec<u8>>,
    written: Receiver<()>,
    /// Bytes that nobody read in time.
    lost: u64,
}

impl Passing {
    /// Begins to write there.
    pub fn to(mut out: impl Write + Send + 'static) -> Passing {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (done, written) = channel();
        thread::spawn(move || {
            for piece in waiting {
                if out.write_all(&piece).and_then(|()| out.flush()).is_err() {
                    // Nobody reads it any more; the log has it.
                    break;
                }
            }
            // Who does not wait for it any more need not hear it.
            let _ = done.send(());
        });
        Passing { pieces, written, lost: 0 }
    }

    /// Passes bytes on, unless too many wait already. Gives the bytes that were lost before, once some pass again.
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

    /// The bytes that were lost and not told of, if any were.
    pub fn take_lost(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.lost)).filter(|lost| *lost > 0)
    }

    /// Waits until all is written, so long at most.
    pub fn finish(self, within: Duration) {
        drop(self.pieces);
        // Who does not read by then is not waited for.
        let _ = self.written.recv_timeout(within);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn who_does_not_read_loses_and_nobody_waits() {
        let (mut read, write) = std::io::pipe().unwrap();
        let mut passing = Passing::to(write);
        let mut told = 0;
        for _ in 0..1000 {
            told += passing.pass(vec![b'x'; 10_000]).unwrap_or(0);
        }
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            read.read_to_end(&mut all).unwrap();
            all.len() as u64
        });
        let lost = passing.take_lost().unwrap();
        passing.finish(Duration::from_secs(60));
        assert_eq!(reader.join().unwrap() + lost + told, 10_000_000);
    }

    #[test]
    fn who_has_gone_is_not_passed_to() {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let mut passing = Passing::to(write);
        for _ in 0..1000 {
            passing.pass(vec![b'x'; 10_000]);
        }
        passing.finish(Duration::from_secs(60));
    }
}
