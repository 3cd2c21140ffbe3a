//! Records in a block of bytes, and decompression of chunks.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use linkspan::{Error, ErrorKind};
use mcap::Compression;
use mcap::records::{ChunkHeader, Record, op};

use crate::format;

pub const HEAD: usize = 9;
const FOOTER: usize = HEAD + 20;
const END: u64 = (FOOTER + mcap::MAGIC.len()) as u64;

/// The most skipped records before the first chunk.
const MOST_BEFORE: usize = 1_000;

/// Takes the next record's operation code and content; `None` at the end. An error changes nothing.
///
/// # Errors
/// A text, if the record is longer than the rest.
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

enum Part {
    Bytes(usize),
    /// A text after its length of 32 bits.
    Text,
    /// Pairs of texts after their total length.
    Texts,
    /// Any bytes after a length of 32 bits.
    Block,
}

/// The pieces of supported records; `None` for all others.
fn parts(code: u8) -> Option<&'static [Part]> {
    match code {
        op::SCHEMA => Some(&[Part::Bytes(2), Part::Text, Part::Text, Part::Block]),
        op::CHANNEL => Some(&[Part::Bytes(4), Part::Text, Part::Text, Part::Texts]),
        op::CHUNK => Some(&[Part::Bytes(28), Part::Text]),
        op::METADATA => Some(&[Part::Text, Part::Texts]),
        op::METADATA_INDEX => Some(&[Part::Bytes(16), Part::Text]),
        op::STATISTICS => Some(&[Part::Bytes(42), Part::Block]),
        op::FOOTER => Some(&[]),
        _ => None,
    }
}

/// Takes a block after its length; `None` if it is longer than the rest.
pub fn block<'a>(left: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = left.split_first_chunk::<4>()?;
    let (block, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *left = rest;
    Some(block)
}

/// Returns a record without a later version's fields; completely if its lengths are invalid.
pub fn known(code: u8, data: &[u8]) -> &[u8] {
    let mut left = data;
    let is_whole = parts(code).is_some_and(|parts| lengths_fit(parts, &mut left));
    let more = if is_whole { left.len() } else { 0 };
    data.get(..data.len().saturating_sub(more)).unwrap_or(data)
}

fn lengths_fit(parts: &[Part], left: &mut &[u8]) -> bool {
    parts.iter().all(|part| match part {
        Part::Bytes(count) => left.split_off(..*count).is_some(),
        Part::Text | Part::Block => block(left).is_some(),
        Part::Texts => block(left).is_some_and(|mut texts| {
            while !texts.is_empty() {
                if block(&mut texts).is_none() {
                    return false;
                }
            }
            true
        }),
    })
}

/// Parses a record; `None` for an unneeded kind.
///
/// The MCAP library would allocate memory for any claimed length.
///
/// # Errors
/// A text about the damage.
pub fn parse(code: u8, data: &[u8]) -> Result<Option<Record<'_>>, String> {
    let Some(parts) = parts(code) else { return Ok(None) };
    if !lengths_fit(parts, &mut &*data) {
        return Err("a length in it is beyond its end".to_owned());
    }
    mcap::parse_record(code, data).map(Some).map_err(|error| error.to_string())
}

/// Returns the first chunk's compression; `None` without a chunk among the first records.
///
/// # Errors
/// Errors of the file system.
pub fn compression(file: &File) -> std::io::Result<Option<Compression>> {
    let mut offset = mcap::MAGIC.len() as u64;
    for _ in 0..MOST_BEFORE {
        // A compression's name has at most four letters.
        let mut bytes = [0; HEAD + 28 + 4 + 4];
        let read = file.read_at(&mut bytes, offset)?;
        let Some(([code, length @ ..], data)) = bytes.split_first_chunk::<HEAD>().filter(|_| read >= HEAD)
        else {
            break;
        };
        if *code == op::CHUNK {
            let mut word = data.get(28..).unwrap_or_default();
            return Ok(match block(&mut word) {
                Some(b"zstd") => Some(Compression::Zstd),
                Some(b"lz4") => Some(Compression::Lz4),
                _ => None,
            });
        }
        offset = offset.saturating_add(HEAD as u64).saturating_add(u64::from_le_bytes(*length));
    }
    Ok(None)
}

/// Returns a chunk's decompressed records after checking their sum; uncompressed ones as a slice.
///
/// # Errors
/// `OutOfMemory`; in the inner result, a text about the damage.
pub fn records(chunk: &Bytes, limit: u64) -> linkspan::Result<Result<Bytes, String>> {
    let (header, data) = match parse(op::CHUNK, chunk) {
        Ok(Some(Record::Chunk { header, data })) => (header, data),
        Ok(_) => return Ok(Err("it is none".to_owned())),
        Err(wrong) => return Ok(Err(wrong)),
    };
    let size = header.uncompressed_size;
    if size > limit {
        return Ok(Err(format!("{size} bytes when it is decompressed; at most {limit} are read")));
    }
    if header.compression.is_empty() {
        return Ok(checked(chunk.slice_ref(&data), &header));
    }
    // Untouched memory is not occupied.
    let room = room(size.saturating_add(1), "a chunk")?;
    Ok(decompressed(&header, &data, room).and_then(|records| checked(records, &header)))
}

/// Returns an empty block with capacity for `bytes`.
///
/// # Errors
/// `OutOfMemory`, with `what` in its text.
fn room(bytes: u64, what: &str) -> linkspan::Result<Vec<u8>> {
    let mut block = Vec::new();
    match block.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)) {
        Ok(()) => Ok(block),
        Err(_) => {
            let text = format!(
                "no memory for the {bytes} bytes of {what} of the recording; free some, or raise the limit of this program"
            );
            Err(Error::new(ErrorKind::OutOfMemory, text))
        }
    }
}

/// Returns a block of zeros for data from the file.
///
/// # Errors
/// `OutOfMemory`, with `what` in its text.
pub fn zeroed(bytes: u64, what: &str) -> linkspan::Result<Vec<u8>> {
    let mut block = room(bytes, what)?;
    // `room` has already refused sizes beyond a usize.
    block.resize(usize::try_from(bytes).unwrap_or(usize::MAX), 0);
    Ok(block)
}

fn decompressed(header: &ChunkHeader, data: &[u8], room: Vec<u8>) -> Result<Bytes, String> {
    let failed = |error: std::io::Error| format!("decompressing it: {error}");
    let size = header.uncompressed_size;
    match &*header.compression {
        "zstd" => whole(zstd::stream::read::Decoder::new(data).map_err(failed)?, size, room),
        "lz4" => whole(lz4::Decoder::new(data).map_err(failed)?, size, room),
        other => Err(format!("it is compressed with {other:?}, which this program cannot read")),
    }
}

fn checked(records: Bytes, header: &ChunkHeader) -> Result<Bytes, String> {
    let size = header.uncompressed_size;
    if records.len() as u64 != size {
        return Err(format!("{} bytes when it is decompressed, and it names {size}", records.len()));
    }
    if header.uncompressed_crc != 0 && crc32fast::hash(&records) != header.uncompressed_crc {
        return Err("its bytes do not have the sum that it names".to_owned());
    }
    Ok(records)
}

/// Reads at most one byte more than expected.
fn whole(decoder: impl Read, size: u64, mut bytes: Vec<u8>) -> Result<Bytes, String> {
    decoder
        .take(size.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| format!("decompressing it: {error}"))?;
    Ok(bytes.into())
}

#[derive(Clone, Copy, Debug)]
pub struct Footer {
    /// The offset of the summary; 0 without a summary.
    pub summary: u64,
    /// The offset of the summary's index of groups; 0 without one.
    pub groups: u64,
    /// The sum of the summary and the beginning of this record; 0 without a sum.
    pub sum: u32,
    /// The footer's own offset, after the summary.
    pub at: u64,
    /// The beginning of the footer, which the sum includes.
    pub beginning: [u8; FOOTER - 4],
}

/// Returns the footer, if any.
///
/// # Errors
/// Errors of the file system.
pub fn footer(file: &File, length: u64) -> std::io::Result<Option<Footer>> {
    if !is_closed(file, length)? {
        return Ok(None);
    }
    last_record(file, length)
}

/// [`footer`] for any last bytes.
///
/// # Errors
/// Errors of the file system.
pub fn last_record(file: &File, length: u64) -> std::io::Result<Option<Footer>> {
    let Some(at) = length.checked_sub(END).filter(|at| *at >= mcap::MAGIC.len() as u64) else {
        return Ok(None);
    };
    let mut footer = [0; FOOTER];
    file.read_exact_at(&mut footer, at)?;
    let [code, length @ .., _, _, _, _] = &footer;
    let content = footer.len().saturating_sub(HEAD) as u64;
    if *code != op::FOOTER || length.first_chunk() != Some(&content.to_le_bytes()) {
        return Ok(None);
    }
    let Some((beginning, _)) = footer.split_first_chunk() else { return Ok(None) };
    Ok(match parse(op::FOOTER, footer.get(HEAD..).unwrap_or_default()) {
        Ok(Some(Record::Footer(found))) => Some(Footer {
            summary: found.summary_start,
            groups: found.summary_offset_start,
            sum: found.summary_crc,
            at,
            beginning: *beginning,
        }),
        _ => None,
    })
}

/// Returns whether a header, without its head, names Linkspan as the writer.
pub fn is_of_linkspan(mut header: &[u8]) -> bool {
    let library = block(&mut header).and_then(|_| block(&mut header));
    library.is_some_and(|library| library.starts_with(format::LIBRARY.as_bytes()))
}

/// Returns whether a file of this length ends like a closed file.
///
/// # Errors
/// Errors of the file system.
pub fn is_closed(file: &File, length: u64) -> std::io::Result<bool> {
    let Some(at) = length.checked_sub(mcap::MAGIC.len() as u64) else { return Ok(false) };
    let mut end = [0; mcap::MAGIC.len()];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut end, at)?;
    // The opening magic equals the closing one.
    Ok(at > 0 && end == mcap::MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_records_are_checked_before_memory_is_taken() {
        let text = |text: &str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
        let map = [text("a"), text("b")].concat();
        let metadata = [text("n"), (map.len() as u32).to_le_bytes().to_vec(), map].concat();
        assert!(
            matches!(parse(op::METADATA, &metadata), Ok(Some(Record::Metadata(found))) if found.metadata["a"] == "b")
        );
        for at in [0, 5, 9, 14] {
            let mut forged = metadata.clone();
            forged[at..at + 4].copy_from_slice(&0xfff0_0000u32.to_le_bytes());
            assert!(parse(op::METADATA, &forged).unwrap_err().contains("beyond its end"), "{at}");
        }
        for code in [op::SCHEMA, op::CHANNEL, op::CHUNK, op::METADATA, op::METADATA_INDEX, op::STATISTICS] {
            assert!(parse(code, &[0xff; 60]).is_err(), "{code}");
            assert!(parse(code, &[]).is_err(), "{code}");
        }
    }

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
