//! Reads the summary of a file record by record, with one record in memory.

use std::fs::File;
use std::io::{BufReader, Read, Result};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::chunk::{Footer, HEAD};

const BLOCK: usize = 64 << 10;

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

/// A record's offset and code, `None` at the end; or an unreadable record's offset and the reason.
pub type Step = std::result::Result<Option<(u64, u8)>, (u64, String)>;

pub struct Walk {
    from: BufReader<From>,
    /// The offsets of the next record and of the footer.
    at: u64,
    end: u64,
    most: u64,
    /// The content of the last record.
    pub record: Vec<u8>,
    sum: crc32fast::Hasher,
}

impl Walk {
    /// Begins at the summary; the footer ends it.
    pub fn new(file: &Arc<File>, footer: &Footer, most: u64) -> Walk {
        let from = BufReader::with_capacity(BLOCK, From { file: file.clone(), at: footer.summary });
        let (at, end) = (footer.summary, footer.at);
        Walk { from, at, end, most, record: Vec::new(), sum: crc32fast::Hasher::new() }
    }

    /// Reads the next record into `record`.
    ///
    /// # Errors
    /// Errors of the file system.
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

    /// Whether all records have the footer's sum, if any.
    pub fn has_sum(mut self, footer: &Footer) -> bool {
        self.sum.update(&footer.beginning);
        footer.sum == 0 || self.sum.finalize() == footer.sum
    }
}
