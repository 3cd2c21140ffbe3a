//! Buffers the incomplete chunk of a part, and data after the last chunk.
//!
//! A chunk is written as a whole, so the file never has a place that must be corrected later. Memory is requested with
//! fallible calls, because the MCAP library would end the program.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Beyond, memory is requested exactly and freed after the chunk.
const KEPT: usize = 16 << 20;
/// Outside of a chunk, such data is not copied.
const LONG: usize = 64 << 10;

/// The MCAP library's output: the file, then the pending bytes.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Pending>>);

struct Pending {
    file: File,
    begin: u64,
    bytes: Vec<u8>,
    /// The position of the next byte in `bytes`.
    at: usize,
    is_between: bool,
}

impl Output {
    pub fn new(file: File) -> Output {
        Output(Arc::new(Mutex::new(Pending { file, begin: 0, bytes: Vec::new(), at: 0, is_between: false })))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves memory for more bytes; returns false if it is not available.
    #[must_use]
    pub fn reserve(&self, more: usize) -> bool {
        self.pending().reserve(more)
    }

    /// Runs an operation without a chunk, after a flush.
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
    /// To the head of a complete chunk, and then to the end.
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    /// The file has the flushed bytes, and finally a cursor's content.
    #[test]
    fn file_has_what_was_flushed_and_in_the_end_all() {
        let mut below = crate::chance_tests::below();
        for _ in 0..40 {
            let named = tempfile::NamedTempFile::new().unwrap();
            let content = || std::fs::read(named.path()).unwrap();
            let (mut output, mut model) = (Output::new(named.reopen().unwrap()), Cursor::new(Vec::new()));
            let mut flushed = 0;
            for step in 0..60_u8 {
                let bytes = |count: u64| vec![step; count as usize];
                match below(6) {
                    0..=2 => {
                        let bytes = bytes(below(3_000));
                        output.write_all(&bytes).unwrap();
                        model.write_all(&bytes).unwrap();
                    }
                    // Back to the head of a chunk, which is written again, and then to the end.
                    3 => {
                        let end = model.get_ref().len() as u64;
                        let place = flushed + below(end - flushed + 1);
                        assert_eq!(output.seek(SeekFrom::Start(place)).unwrap(), place);
                        model.set_position(place);
                        let bytes = bytes(below(end - place + 1));
                        output.write_all(&bytes).unwrap();
                        model.write_all(&bytes).unwrap();
                        assert_eq!(output.stream_position().unwrap(), model.position());
                        assert_eq!(output.seek(SeekFrom::End(0)).unwrap(), end);
                        model.set_position(end);
                        flushed = end;
                    }
                    4 => {
                        output.flush().unwrap();
                        flushed = model.get_ref().len() as u64;
                        let long = bytes(below(3 * LONG as u64));
                        output.between_chunks(|| output.clone().write_all(&long)).unwrap();
                        model.write_all(&long).unwrap();
                        if long.len() >= LONG {
                            flushed = model.get_ref().len() as u64;
                        }
                    }
                    _ => {
                        output.flush().unwrap();
                        flushed = model.get_ref().len() as u64;
                    }
                }
                assert_eq!(content(), model.get_ref()[..flushed as usize]);
            }
            output.flush().unwrap();
            assert_eq!(content(), *model.get_ref());
        }
    }

    #[test]
    fn place_that_is_in_the_file_or_behind_all_is_refused() {
        let mut file = tempfile::tempfile().unwrap();
        let mut output = Output::new(file.try_clone().unwrap());
        output.write_all(b"in the file").unwrap();
        output.flush().unwrap();
        output.write_all(b" and pending").unwrap();
        let places = [SeekFrom::Start(10), SeekFrom::Start(24), SeekFrom::Start(u64::MAX), SeekFrom::End(1)];
        for place in places.into_iter().chain([SeekFrom::Current(-1), SeekFrom::End(i64::MIN)]) {
            assert_eq!(output.seek(place).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{place:?}");
        }
        output.flush().unwrap();
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "in the file and pending");
    }

    #[test]
    fn memory_that_there_is_not_is_an_error_and_what_is_pending_stays() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let mut output = Output::new(named.reopen().unwrap());
        output.write_all(b"pending").unwrap();
        assert!(!output.reserve(usize::MAX) && !output.reserve(isize::MAX as usize));
        output.write_all(b" and more").unwrap();
        output.flush().unwrap();
        assert_eq!(std::fs::read(named.path()).unwrap(), b"pending and more");
    }
}
