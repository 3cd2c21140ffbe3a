//! Finds the records of a file, and corrects its sums after a test changed bytes.

use std::ops::Range;

use mcap::records::op;

/// Returns the codes and the byte ranges of a file's records.
pub fn records_of(file: &[u8]) -> Vec<(u8, Range<usize>)> {
    let (mut at, mut found) = (mcap::MAGIC.len(), Vec::new());
    while at + mcap::MAGIC.len() < file.len() {
        let length = u64::from_le_bytes(file[at + 1..at + 9].try_into().expect("eight bytes"));
        let end = at + 9 + usize::try_from(length).expect("a short file");
        found.push((file[at], at..end));
        at = end;
    }
    found
}

/// Corrects the sums of a closed file's summary and data.
pub fn mend(bytes: &mut [u8]) {
    let records = records_of(bytes);
    // A changed record may have this code as well.
    let ends = records.iter().rfind(|(code, range)| *code == op::DATA_END && range.len() == 13);
    let end = ends.expect("it was closed").1.clone();
    let footer = records.last().expect("it has records").1.clone();
    let sum = crc32fast::hash(&bytes[..end.start]).to_le_bytes();
    bytes[end.start + 9..end.start + 13].copy_from_slice(&sum);
    let sum = crc32fast::hash(&bytes[end.end..footer.end - 4]).to_le_bytes();
    bytes[footer.end - 4..footer.end].copy_from_slice(&sum);
}
