//! The summary of a file, record by record: what is held is one record, whatever the file says how many there are.

use std::fs::File;
use std::io::{BufReader, Read, Result};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::chunk::{Footer, HEAD};

/// Bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// A file from a place on.
struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

/// Where a record begins and its operation code, `None` behind the last one; or where what cannot be read begins, and
/// why.
pub type Step = std::result::Result<Option<(u64, u8)>, (u64, String)>;

/// Reads the records of a summary.
pub struct Walk {
    from: BufReader<From>,
    /// Where the next record begins, and the footer.
    at: u64,
    end: u64,
    /// Bytes of a record at most.
    most: u64,
    /// The content of the last record.
    pub record: Vec<u8>,
    sum: crc32fast::Hasher,
}

impl Walk {
    /// Begins to read what is between the beginning of the summary and the footer.
    pub fn new(file: &Arc<File>, footer: &Footer, most: u64) -> Walk {
        let from = BufReader::with_capacity(BLOCK, From { file: file.clone(), at: footer.summary });
        let (at, end) = (footer.summary, footer.at);
        Walk { from, at, end, most, record: Vec::new(), sum: crc32fast::Hasher::new() }
    }

    /// Reads the next record into `record`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn next(&mut self) -> Result<Step> {
        let place = self.at;
        let left = self.end.saturating_sub(place);
        if left == 0 {
            return Ok(Ok(None));
        }
        let Some(left) = left.checked_sub(HEAD as u64) else {
            return Ok(Err((place, format!("{left} bytes of the summary are left, too few for a record"))));
        };
        let mut head = [0; HEAD];
        self.from.read_exact(&mut head)?;
        let [code, length @ ..] = head;
        let length = u64::from_le_bytes(length);
        if length > left.min(self.most) {
            return Ok(Err((
                place,
                format!("a record of {length} bytes, of which {left} are in the summary"),
            )));
        }
        self.record.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        self.from.read_exact(&mut self.record)?;
        self.sum.update(&head);
        self.sum.update(&self.record);
        self.at = place.saturating_add(HEAD as u64).saturating_add(length);
        Ok(Ok(Some((place, code))))
    }

    /// Returns whether what was read, which is all, has the sum that the footer names, if it names one.
    pub fn has_sum(mut self, footer: &Footer) -> bool {
        self.sum.update(&footer.beginning);
        footer.sum == 0 || self.sum.finalize() == footer.sum
    }
}
