//! Fuzzing: reads any bytes as a segment with a good page, in every way of reading records.
//!
//! `cfg(fuzzing)` skips checksums, because a fuzzer cannot find one. The asserts: no panic, no record that
//! ends at its beginning, no body longer than the file, no tail after the end of the file.

use std::fs::File;
use std::io::Write;

use rustix::fs::{MemfdFlags, memfd_create};

use super::block::{self, Block};
use super::folder::{PAGE, SegmentInfo};
use super::records::{Parts, RecordAt, Records, Walked};
use super::{committed, tail};

/// A fuzzing target: reads the bytes as each file of a journal.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(Block { numbers, .. }) = block::read::<3>(committed::MAGIC, block::VERSION, bytes) {
        assert_eq!(numbers.len(), 3);
    }
    let Ok(file) = memfd_create("linkspan-fuzz", MemfdFlags::CLOEXEC) else { return };
    let mut file = File::from(file);
    let page = vec![0; PAGE as usize];
    if file.write_all(&page).and_then(|()| file.write_all(bytes)).is_err() {
        return;
    }
    let segment = SegmentInfo { version: 2, id: [7; 16], first: 1, created: 0, high: 0 };
    let length = PAGE + bytes.len() as u64;
    let mut records = Records::new(file, segment);
    if let Ok((tail, _)) = tail::scan(&mut records, 1, 0) {
        assert!(tail.end <= length && tail.at <= tail.end, "a tail at {} of {length} bytes", tail.end);
    }
    records.forget();
    for parts in [Parts::Head, Parts::Check, Parts::Body(1 << 16)] {
        records.at = PAGE;
        while let Ok(RecordAt::Record(record)) = records.read_record(None, parts) {
            // Each record ends after its predecessor, so the walk over a file ends.
            assert!(record.end > records.at, "a record that ends at {} where it begins", record.end);
            if let Some(body) = record.body {
                assert!(body.len() as u64 <= length, "a body of {} bytes", body.len());
            }
            records.at = record.end;
        }
    }
    records.at = PAGE;
    if let Ok((_, Walked::PastLast | Walked::Wanted(_))) = records.walk(u64::MAX, |_| true) {
        assert!(records.at > PAGE);
    }
}
