//! What was written of a part and is not in its file yet: a chunk that is not complete, and what is behind the one
//! before it. A chunk goes into the file as a whole, so that the file has no place that is wrong until it is written
//! again. Memory for it is asked for, and may be refused: MCAP's library would end the program.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Beyond so many bytes no more memory is taken than is needed, and none is kept for the next chunk.
const KEPT: usize = 16 << 20;
/// Outside of a chunk, what is as long as that goes into the file without a copy.
const LONG: usize = 64 << 10;

/// The output of MCAP's library: the file, behind what is pending.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Pending>>);

struct Pending {
    file: File,
    /// Bytes in the file.
    begin: u64,
    bytes: Vec<u8>,
    /// Where the next byte goes, in `bytes`.
    at: usize,
    /// No chunk is being written.
    is_between: bool,
}

impl Output {
    /// Of a file that is empty.
    pub fn new(file: File) -> Output {
        Output(Arc::new(Mutex::new(Pending { file, begin: 0, bytes: Vec::new(), at: 0, is_between: false })))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for so many bytes more. Returns false where there is no memory for them.
    #[must_use]
    pub fn reserve(&self, more: usize) -> bool {
        self.pending().reserve(more)
    }

    /// Does this, which writes no chunk, after a flush.
    pub fn between_chunks<T>(&self, what: impl FnOnce() -> T) -> T {
        self.pending().is_between = true;
        let done = what();
        self.pending().is_between = false;
        done
    }
}

impl Pending {
    fn reserve(&mut self, more: usize) -> bool {
        let reserved = if self.at.saturating_add(more) <= KEPT {
            self.bytes.try_reserve(more)
        } else {
            self.bytes.try_reserve_exact(more)
        };
        reserved.is_ok()
    }

    /// Puts everything into the file.
    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.bytes)?;
        self.begin = self.begin.saturating_add(self.bytes.len() as u64);
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.at = 0;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pending = self.pending();
        if pending.is_between && bytes.len() >= LONG {
            pending.write_out()?;
            pending.file.write_all(bytes)?;
            pending.begin = pending.begin.saturating_add(bytes.len() as u64);
            return Ok(bytes.len());
        }
        let at = pending.at;
        let over = pending.bytes.len().saturating_sub(at).min(bytes.len());
        let (written, behind) = bytes.split_at(over);
        if !behind.is_empty() && !pending.reserve(behind.len()) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if let Some(place) = pending.bytes.get_mut(at..at.saturating_add(over)) {
            place.copy_from_slice(written);
        }
        pending.bytes.extend_from_slice(behind);
        pending.at = at.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pending().write_out()
    }
}

impl Seek for Output {
    /// MCAP's library goes back to the head of a chunk that is complete, and then to the end.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut pending = self.pending();
        let place = match to {
            SeekFrom::Start(place) => {
                usize::try_from(place.checked_sub(pending.begin).unwrap_or(u64::MAX)).ok()
            }
            SeekFrom::Current(0) => Some(pending.at),
            SeekFrom::End(0) => {
                pending.write_out()?;
                Some(0)
            }
            _ => None,
        };
        let Some(place) = place.filter(|place| *place <= pending.bytes.len()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        pending.at = place;
        Ok(pending.begin.saturating_add(place as u64))
    }
}
