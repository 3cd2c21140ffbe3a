//! Memory for rows: bits and values of variable length; JSON of a cell.

use linkspan::{Encoding, Error, Limits, Payload, Result, Value};

use crate::columns::layout::Buffer;

/// Floats represent all integers up to this one exactly.
pub(super) const EXACT: u64 = 1 << 53;

#[derive(Debug, Default)]
pub(super) struct Bits {
    pub(super) bytes: Vec<u8>,
    pub(super) length: usize,
    pub(super) zeros: usize,
}

impl Bits {
    pub(super) fn push_zeros(&mut self, count: usize) {
        self.length = self.length.saturating_add(count);
        self.zeros = self.zeros.saturating_add(count);
        self.bytes.resize(self.length.div_ceil(8), 0);
    }

    pub(super) fn push(&mut self, is_set: bool) {
        let bit = self.length % 8;
        if bit == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(is_set) << bit;
        }
        self.zeros = self.zeros.saturating_add(usize::from(!is_set));
        self.length = self.length.saturating_add(1);
    }

    pub(super) fn get(&self, at: usize) -> bool {
        self.bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    pub(super) fn truncate(&mut self, length: usize) {
        while self.length > length {
            self.length = self.length.saturating_sub(1);
            self.zeros = self.zeros.saturating_sub(usize::from(!self.get(self.length)));
            if let Some(byte) = self.bytes.get_mut(self.length / 8) {
                *byte &= !(1 << (self.length % 8));
            }
        }
        self.bytes.truncate(self.length.div_ceil(8));
    }
}

/// Values of variable length: their ends after an initial zero, and their bytes.
#[derive(Debug)]
pub(super) struct Long {
    pub(super) ends: Vec<i64>,
    pub(super) bytes: Vec<u8>,
}

impl Default for Long {
    fn default() -> Long {
        Long { ends: vec![0], bytes: Vec::new() }
    }
}

impl Long {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end_at(self.bytes.len());
    }

    pub(super) fn end_at(&mut self, end: usize) {
        // Memory never exceeds the range of i64.
        self.ends.push(i64::try_from(end).unwrap_or(i64::MAX));
    }

    pub(super) fn truncate(&mut self, count: usize) {
        self.ends.truncate(count.saturating_add(1));
        let end = self.ends.last().and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
        self.bytes.truncate(end);
    }

    pub(super) fn push_empty(&mut self, count: usize) {
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.resize(self.ends.len().saturating_add(count), end);
    }

    pub(super) fn buffers(self, validity: Option<Buffer>) -> Vec<Option<Buffer>> {
        vec![validity, Some(Buffer::I64(self.ends)), Some(Buffer::Bytes(self.bytes.into()))]
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let end = |at: usize| self.ends.get(at).and_then(|end| usize::try_from(*end).ok()).unwrap_or(0);
        self.bytes.get(end(at)..end(at.saturating_add(1))).unwrap_or_default()
    }
}

/// Returns a value as JSON, for a column with values of several types.
pub(super) fn json(value: &Value, limits: &Limits) -> Result<Payload> {
    Payload::new(value, Encoding::Json, limits).map_err(|error| {
        let text = format!(
            "a column of values of several types, or of lists, has them as JSON, and as that one is {error}: lines of JSON have it"
        );
        Error::new(error.kind(), text)
    })
}
