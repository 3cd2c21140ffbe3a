//! Records in a block of bytes, and what a chunk decompresses to.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use mcap::records::{Record, op};

/// Bytes of the operation code and the length before a record.
pub const HEAD: usize = 9;
/// Bytes of a footer with its head, and of what ends a file behind it.
const FOOTER: usize = HEAD + 20;

/// Takes the next record: its operation code and its content; `None` behind the last one. What is left is unchanged after an error.
///
/// # Errors
/// What is wrong, for a record that is longer than what is left.
pub fn next_record(left: &mut Bytes) -> Result<Option<(u8, Bytes)>, String> {
    if left.is_empty() {
        return Ok(None);
    }
    let Some(([code, length @ ..], rest)) = left.split_first_chunk::<HEAD>() else {
        return Err(format!("{} bytes are left, too few for a record", left.len()));
    };
    let length = u64::from_le_bytes(*length);
    let end = usize::try_from(length).ok().and_then(|length| HEAD.checked_add(length));
    let Some(end) = end.filter(|end| *end <= left.len()) else {
        return Err(format!("a record of {length} bytes, of which {} are there", rest.len()));
    };
    let code = *code;
    Ok(Some((code, left.split_to(end).slice(HEAD..))))
}

/// Returns the records of a chunk, decompressed and with the sum that it names. Without compression they are a slice of it.
///
/// # Errors
/// What is wrong with it.
pub fn records(chunk: &Bytes, limit: u64) -> Result<Bytes, String> {
    let parsed = mcap::parse_record(op::CHUNK, chunk).map_err(|error| error.to_string())?;
    let Record::Chunk { header, data } = parsed else { return Err("it is none".to_owned()) };
    let size = header.uncompressed_size;
    if size > limit {
        return Err(format!("{size} bytes when it is decompressed; at most {limit} are read"));
    }
    let failed = |error: std::io::Error| format!("decompressing it: {error}");
    let records = match &*header.compression {
        "" => chunk.slice_ref(&data),
        "zstd" => whole(zstd::stream::read::Decoder::new(&*data).map_err(failed)?, size)?,
        "lz4" => whole(lz4::Decoder::new(&*data).map_err(failed)?, size)?,
        other => return Err(format!("it is compressed with {other:?}, which this program cannot read")),
    };
    if records.len() as u64 != size {
        return Err(format!("{} bytes when it is decompressed, and it names {size}", records.len()));
    }
    // 0 stands for no sum.
    if header.uncompressed_crc != 0 && crc32fast::hash(&records) != header.uncompressed_crc {
        return Err("its bytes do not have the sum that it names".to_owned());
    }
    Ok(records)
}

/// Reads what a decompressor gives, no more than one byte beyond what is expected: memory is taken as bytes come.
fn whole(decoder: impl Read, size: u64) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    decoder.take(size + 1).read_to_end(&mut bytes).map_err(|error| format!("decompressing it: {error}"))?;
    Ok(bytes.into())
}

/// Returns the first byte of the summary of a file of this length and the one behind its last; `None` where it has none.
///
/// # Errors
/// Those of the file system.
pub fn summary(file: &File, length: u64) -> std::io::Result<Option<(u64, u64)>> {
    if !crate::writer::is_closed(file, length)? {
        return Ok(None);
    }
    let Some(end) = length.checked_sub((FOOTER + mcap::MAGIC.len()) as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER];
    file.read_exact_at(&mut footer, end)?;
    let found = match mcap::parse_record(footer[0], &footer[HEAD..]) {
        Ok(Record::Footer(found)) => found,
        _ => return Ok(None),
    };
    let begin = found.summary_start;
    Ok((begin >= mcap::MAGIC.len() as u64 && begin < end).then_some((begin, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_from_a_block_until_one_is_longer_than_the_rest() {
        let mut left =
            Bytes::from_static(b"\x05\x02\0\0\0\0\0\0\0ab\x06\0\0\0\0\0\0\0\0\x05\x09\0\0\0\0\0\0\0a");
        assert_eq!(next_record(&mut left).unwrap(), Some((5, Bytes::from_static(b"ab"))));
        assert_eq!(next_record(&mut left).unwrap(), Some((6, Bytes::new())));
        assert!(next_record(&mut left).unwrap_err().contains("a record of 9 bytes, of which 1 are there"));
        assert!(next_record(&mut Bytes::from_static(b"\x05\x02")).unwrap_err().contains("too few"));
        let forged = [&[5][..], &u64::MAX.to_le_bytes()].concat();
        assert!(next_record(&mut Bytes::from(forged)).unwrap_err().contains("18446744073709551615 bytes"));
        assert_eq!(next_record(&mut Bytes::new()).unwrap(), None);
    }
}
