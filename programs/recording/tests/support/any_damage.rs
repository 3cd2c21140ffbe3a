//! Takes any bytes as damage of a closed recording.
//!
//! Records of the file and of its chunks are removed, repeated, exchanged and forged. Sums are corrected, which lets
//! the reader proceed. If a reader finds no problem, it must have read exactly the stored messages. The tests and the
//! fuzzing target share this file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use linkspan::Encoding;
use linkspan_recording::event::Kind;
use linkspan_recording::reader::Limits;
use linkspan_recording::{
    ChannelRecord, Compression, Entry, Event, Outline, Part, Reader, Settings, Summary,
};
use mcap::records::op;

/// A message: name, number, body.
type Stored = (String, u64, Vec<u8>);

/// The records of a file with their heads, and its messages.
type Original = (Vec<Vec<u8>>, Vec<Stored>);

/// The most bytes of a record or chunk, which limits the memory of a fuzzer.
const RECORD: u64 = 1 << 20;
/// The most steps of an input.
const STEPS: usize = 8;
/// Numbers near the limits of fields.
const NUMBERS: [u64; 8] = [0, 1, 8, 255, 1 << 31, 1 << 40, u64::MAX >> 1, u64::MAX];

/// The bytes that decide about each step.
struct Chance<'a>(&'a [u8]);

impl Chance<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() << 8 | self.next()) % end.max(1)
    }
}

fn place() -> PathBuf {
    // The number keeps files of parallel tests apart.
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("linkspan-damage-{}-{number}.mcap", std::process::id()))
}

/// Returns the number at the beginning of these bytes.
fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// Returns the records in a block, with their heads.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while bytes.len() >= 9 {
        // A forged record takes the rest.
        let length = usize::try_from(number(&bytes[1..])).unwrap_or(usize::MAX).saturating_add(9);
        let (record, rest) = bytes.split_at(length.min(bytes.len()));
        found.push(record.to_vec());
        bytes = rest;
    }
    found
}

/// Returns a closed recording and its messages: two names, events, a note, an attachment, several chunks.
fn whole(compression: Option<Compression>) -> Original {
    let path = place();
    let facts = BTreeMap::from([("id".to_owned(), "5".repeat(32)), ("part".to_owned(), "1".to_owned())]);
    let mut part =
        Part::create(&path, &facts, Settings { compression, ..Settings::default() }).expect("it is new");
    part.event(&Event::new(1, Kind::Started)).expect("it is written");
    part.attach("notes.txt", 2, b"some text").expect("it is written");
    let ids = ["shm:lab/a", "unix:lab/b"].map(|endpoint| {
        let record = ChannelRecord::new(endpoint, 9, Encoding::Cbor, "cam@north");
        part.channel(&record, 1, false).expect("it is written")
    });
    for number in 1..=9 {
        for id in ids {
            part.message(id, number, 100 + number, 200 + number, &[number as u8; 3]).expect("it is written");
        }
        if number % 3 == 0 {
            part.flush().expect("it is written");
        }
    }
    part.event(&Event::new(300, Kind::Stopped)).expect("it is written");
    part.close("stopped", None).expect("it is written");
    let bytes = std::fs::read(&path).expect("it was written");
    let stored = read(&path, None).1;
    assert_eq!(stored.len(), 18);
    std::fs::remove_file(&path).expect("it is there");
    (records(&bytes[mcap::MAGIC.len()..bytes.len() - mcap::MAGIC.len()]), stored)
}

/// Returns the problems and the messages of a file.
fn read(path: &Path, within: Option<(u64, u64)>) -> (Vec<String>, Vec<Stored>) {
    let limits = Limits { record: RECORD, described: RECORD, ..Limits::default() };
    let mut reader = Reader::of(vec![path.to_owned()], limits).expect("it begins as an MCAP file");
    if let Some((from, to)) = within {
        reader = reader.within(from, to).expect("the file is there");
    }
    let mut messages = Vec::new();
    while let Some(entry) = reader.read().expect("the file is there") {
        if let Entry::Message(message) = entry {
            messages.push((message.channel.topic.clone(), message.number, message.body.to_vec()));
        }
    }
    messages.sort();
    (reader.problems().iter().map(ToString::to_string).collect(), messages)
}

/// Puts a number into a record, or a length into its head.
fn forge(record: &mut [u8], chance: &mut Chance<'_>) {
    let at = 1 + chance.below(record.len() - 8);
    let forged = match chance.next() % 3 {
        0 => NUMBERS[chance.next() % NUMBERS.len()],
        1 => number(&record[at..]).wrapping_add(1),
        _ => number(&record[at..]).wrapping_sub(1),
    };
    record[at..at + 8].copy_from_slice(&forged.to_le_bytes());
}

/// Damages records of a file or a chunk. Content of messages and the type of the file stay, because readers cannot
/// detect such changes.
fn damage(found: &mut Vec<Vec<u8>>, chance: &mut Chance<'_>) {
    if found.is_empty() {
        return;
    }
    let (at, other) = (chance.below(found.len()), chance.below(found.len()));
    match chance.next() % 6 {
        0 => drop(found.remove(at)),
        1 => {
            let record = found[at].clone();
            found.insert(other, record);
        }
        2 => found.swap(at, other),
        3 => found[at][0] = chance.next() as u8,
        4 => found[at][1..9].copy_from_slice(&NUMBERS[chance.next() % NUMBERS.len()].to_le_bytes()),
        _ if !matches!(
            found[at][0],
            op::MESSAGE | op::CHUNK | op::ATTACHMENT | op::METADATA | op::HEADER
        ) =>
        {
            forge(&mut found[at], chance);
        }
        // The times of a chunk, which its sum does not cover.
        _ if found[at][0] == op::CHUNK => forge(&mut found[at][..9 + 16], chance),
        _ => {}
    }
}

/// Damages the records of a chunk, and corrects its size and sum.
fn damage_in_chunk(chunk: &mut Vec<u8>, chance: &mut Chance<'_>) {
    let head = 9 + 8 + 8 + 8 + 4;
    if chunk[0] != op::CHUNK || chunk.len() < head + 12 {
        return;
    }
    let name = u32::from_le_bytes(chunk[head..head + 4].try_into().expect("four bytes")) as usize;
    if name != 0 {
        return;
    }
    let mut found = records(&chunk[head + 12..]);
    damage(&mut found, chance);
    let inner = found.concat();
    chunk.truncate(head + 12);
    chunk[9 + 16..9 + 24].copy_from_slice(&(inner.len() as u64).to_le_bytes());
    chunk[9 + 24..head].copy_from_slice(&crc32fast::hash(&inner).to_le_bytes());
    chunk[head + 4..].copy_from_slice(&(inner.len() as u64).to_le_bytes());
    chunk.extend(inner);
    let length = (chunk.len() - 9) as u64;
    chunk[1..9].copy_from_slice(&length.to_le_bytes());
}

/// Returns the byte range of the first record of a kind.
fn range(found: &[Vec<u8>], code: u8) -> Option<Range<usize>> {
    let at = found.iter().position(|record| record[0] == code)?;
    let begin = mcap::MAGIC.len() + found[..at].iter().map(Vec::len).sum::<usize>();
    Some(begin..begin + found[at].len())
}

/// Returns the file of these records. `mends` selects the sums to correct; the footer has the offset of the summary.
fn file(found: &[Vec<u8>], mends: usize) -> Vec<u8> {
    let mut bytes = [mcap::MAGIC, &found.concat(), mcap::MAGIC].concat();
    let (Some(end), Some(footer)) = (range(found, op::DATA_END), range(found, op::FOOTER)) else {
        return bytes;
    };
    if mends & 1 != 0 && footer.len() == 29 {
        bytes[footer.start + 9..footer.start + 17].copy_from_slice(&(end.end as u64).to_le_bytes());
    }
    if mends & 2 != 0 && footer.len() == 29 && end.end <= footer.start {
        let sum = crc32fast::hash(&bytes[end.end..footer.end - 4]);
        bytes[footer.end - 4..footer.end].copy_from_slice(&sum.to_le_bytes());
    }
    if mends & 4 != 0 && end.len() == 13 {
        let sum = crc32fast::hash(&bytes[..end.start]);
        bytes[end.start + 9..end.end].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

/// Damages a recording according to these bytes, and reads it in each way.
pub fn read_damaged(bytes: &[u8]) {
    static WHOLE: OnceLock<[Original; 2]> = OnceLock::new();
    let originals = WHOLE.get_or_init(|| [whole(None), whole(Some(Compression::Zstd))]);
    let mut chance = Chance(bytes);
    let first = chance.next();
    let (original, stored) = &originals[first >> 3 & 1];
    let mut found = original.clone();
    for _ in 0..1 + chance.next() % STEPS {
        if chance.next().is_multiple_of(3) {
            let chunks: Vec<_> = (0..found.len()).filter(|at| found[*at][0] == op::CHUNK).collect();
            if !chunks.is_empty() {
                damage_in_chunk(&mut found[chunks[chance.below(chunks.len())]], &mut chance);
            }
        } else {
            damage(&mut found, &mut chance);
        }
    }
    let path = place();
    std::fs::write(&path, file(&found, first)).expect("a file of few bytes is written");
    let (problems, messages) = read(&path, None);
    assert!(
        !problems.is_empty() || messages == *stored,
        "nothing is said, and of {} messages there are {}: {messages:?}",
        stored.len(),
        messages.len()
    );
    let (in_time, within) = read(&path, Some((0, u64::MAX)));
    assert_eq!(problems.is_empty(), in_time.is_empty(), "{problems:?} {in_time:?}");
    assert!(!problems.is_empty() || within == messages, "{within:?}");
    // Skipped chunks are counted.
    let (outside, _) = read(&path, Some((u64::MAX, u64::MAX)));
    let outline = Outline::read(&path).expect("the file is there");
    if problems.is_empty() {
        assert!(outside.is_empty(), "{outside:?}");
        assert!(outline.problems.is_empty(), "{:?}", outline.problems);
        let mut reader = Reader::of(vec![path.clone()], Limits::default()).expect("it was read before");
        let summary = Summary::read(&mut reader).expect("the file is there");
        assert_eq!(Vec::from_iter(outline.names), Vec::from_iter(summary.names.into_keys()));
    }
    std::fs::remove_file(&path).expect("it is there");
}
