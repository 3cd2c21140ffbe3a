//! Tests of the journal: reading, recovery after a crash, damage, retention.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::folder::{JournalFolder, PAGE, segment_name};
use super::listing;
use super::log::Segmentation;
use super::log::{JournalLog, RecordDraft};
use super::reader::Reader;
use super::replica::history;
use super::writer::{JournalWriter, WriterOptions};
use crate::codec::Encoding;
use crate::deadline::{Deadline, Waiting};
use crate::error::Error;
use crate::error::ErrorKind;
use crate::place::{Access, Place};
use crate::store::{Retention, Start};
use crate::sys::directory::Directory;
use crate::sys::poll::{is_readable, wait_readable};

mod forged;
mod replica;

const LIMIT: u64 = 64 << 20;

struct Fixture {
    around: TempDir,
    place: Place,
}

impl Fixture {
    fn new() -> Fixture {
        let around = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(around.path()).unwrap());
        Fixture { around, place: Place { directory, file: "x.journal".into() } }
    }

    fn writer_with(&self, shape: Segmentation) -> crate::error::Result<JournalWriter> {
        JournalWriter::open(
            &self.place,
            WriterOptions { source: "writer".into(), session: 9, shape, ..WriterOptions::default() },
        )
    }

    fn writer(&self) -> JournalWriter {
        self.writer_with(Segmentation::default()).unwrap()
    }

    fn short(&self) -> JournalWriter {
        self.writer_with(Segmentation { segment_bytes: Some(PAGE + 1000), ..Segmentation::default() })
            .unwrap()
    }

    fn reader(&self, name: Option<&str>, start: Option<Start>) -> Reader {
        Reader::open(&self.place, name, start, LIMIT).unwrap().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.around.path().join("x.journal").join(name)
    }

    fn segments(&self) -> Vec<u64> {
        JournalFolder::open(&self.place, Access::default()).unwrap().unwrap().segments().unwrap()
    }
}

fn write(writer: &JournalWriter, from: u64, to: u64) {
    for i in from..=to {
        assert_eq!(writer.append(Encoding::Raw, format!("record {i}").into()).unwrap(), i);
    }
}

fn read(reader: &mut Reader) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some((frame, sender)) = reader.try_recv().unwrap() {
        assert_eq!(frame.body, format!("record {}", frame.header.sequence));
        assert_eq!((&*sender.source, sender.session), ("writer", 9));
        numbers.push(frame.header.sequence);
    }
    numbers
}

fn list(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[test]
fn journal_records_survive_the_writer() {
    let journal = Fixture::new();
    assert!(Reader::open(&journal.place, None, None, LIMIT).unwrap().is_none());
    let writer = journal.writer();
    let mut early = journal.reader(None, None);
    assert_eq!(read(&mut early), [0u64; 0]);
    assert!(early.latest().unwrap().is_none());
    write(&writer, 1, 5);
    assert_eq!(read(&mut early), list(1, 5));
    assert_eq!(journal.writer_with(Segmentation::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
    drop(writer);
    assert_eq!(read(&mut journal.reader(None, Some(Start::First))), list(1, 5));
    write(&journal.writer(), 6, 7);
    assert_eq!(read(&mut early), [6, 7], "a reader outlives writers");
    let mut late = journal.reader(None, None);
    assert_eq!(late.latest().unwrap().unwrap().0.header.sequence, 7);
    assert_eq!(read(&mut late), [7], "one without a name begins with the newest");
    assert_eq!(late.latest().unwrap().unwrap().0.header.sequence, 7);
}

#[test]
fn journal_keeps_bodies_of_every_length() {
    let journal = Fixture::new();
    let writer = journal.writer();
    let sizes = [0usize, 1, 63, 64, 65, 16_383, 16_384, 16_385, 32_768, 32_769, 100_000, 3_000_001];
    for (i, size) in sizes.into_iter().enumerate() {
        let body = Bytes::from(vec![i as u8 + 1; size]);
        assert_eq!(writer.append(Encoding::Raw, body).unwrap(), i as u64 + 1);
    }
    let mut reader = journal.reader(None, Some(Start::First));
    for (i, size) in sizes.into_iter().enumerate() {
        let (frame, _) = reader.try_recv().unwrap().unwrap();
        assert!(frame.body == vec![i as u8 + 1; size], "{size} bytes");
        assert!(size == 0 || frame.body.whole().as_ptr().addr() % 8 == 0);
    }
    let mut narrow = Reader::open(&journal.place, None, Some(Start::Sequence(10)), 50_000).unwrap().unwrap();
    assert_eq!(narrow.try_recv().unwrap().unwrap().0.header.sequence, 10);
    assert_eq!(narrow.try_recv().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(narrow.try_recv().unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(narrow.try_recv().unwrap().is_none());
}

/// Writes records 1 to 3, the third unacknowledged.
///
/// Returns the segment's bytes, and the offsets of the second and the third record.
fn unacknowledged(journal: &Fixture) -> (Vec<u8>, usize, usize) {
    let length = || fs::metadata(journal.path(&segment_name(1))).unwrap().len() as usize;
    let writer = journal.writer();
    write(&writer, 1, 1);
    let second = length();
    write(&writer, 2, 2);
    let (third, word) = (length(), fs::read(journal.path("committed")).unwrap());
    write(&writer, 3, 3);
    drop(writer);
    fs::write(journal.path("committed"), word).unwrap();
    (fs::read(journal.path(&segment_name(1))).unwrap(), second, third)
}

#[test]
fn torn_tail_is_cut_at_the_last_good_record() {
    let journal = Fixture::new();
    let (whole, _, third) = unacknowledged(&journal);
    let (word, segment) = (fs::read(journal.path("committed")).unwrap(), journal.path(&segment_name(1)));
    for length in third..=whole.len() {
        fs::write(&segment, &whole[..length]).unwrap();
        match length % 3 {
            0 => fs::write(journal.path("committed"), &word).unwrap(),
            1 => fs::write(journal.path("committed"), []).unwrap(),
            _ => fs::remove_file(journal.path("committed")).unwrap(),
        }
        let last = if length == whole.len() { 3 } else { 2 };
        assert_eq!(read(&mut journal.reader(None, Some(Start::First))), list(1, last), "cut to {length}");
        let writer = journal.writer();
        assert_eq!(writer.last(), last, "cut to {length}");
        write(&writer, last + 1, last + 2);
        assert_eq!(read(&mut journal.reader(None, Some(Start::First))), list(1, last + 2));
    }
}

#[test]
fn unacknowledged_tail_with_any_damaged_bit_is_cut() {
    let journal = Fixture::new();
    let (whole, _, third) = unacknowledged(&journal);
    let segment = journal.path(&segment_name(1));
    let word = fs::read(journal.path("committed")).unwrap();
    let used = third + super::record::head_length("writer", false) + "record 3".len();
    for at in third..used {
        let mut bad = whole.clone();
        bad[at] ^= 1 << (at % 8);
        let padding = at >= third + 64 + 64 && at < used - "record 3".len();
        fs::write(&segment, &bad).unwrap();
        fs::write(journal.path("committed"), &word).unwrap();
        let last = if padding { 3 } else { 2 };
        assert_eq!(journal.writer().last(), last, "byte {at} of {third}..{used}");
    }
}

#[test]
fn acknowledged_record_damaged_is_corrupt_and_not_cut() {
    let journal = Fixture::new();
    let (whole, second, third) = unacknowledged(&journal);
    let segment = journal.path(&segment_name(1));
    let refused = |at: usize| {
        let bytes = fs::read(&segment).unwrap();
        let error = journal.writer_with(Segmentation::default()).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Corrupt, Some(at as u64)), "{error}");
        assert!(error.text().contains(segment.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing was cut");
    };
    // The third record proves the acknowledgement without the word.
    let body = second + super::record::head_length("writer", false);
    for at in [second, second + 24, second + 70, body, body + 7] {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        fs::write(&segment, &bad).unwrap();
        fs::write(journal.path("committed"), []).unwrap();
        refused(second);
    }
    let journal_word = {
        fs::write(&segment, &whole[..third]).unwrap();
        drop(journal.writer());
        fs::read(journal.path("committed")).unwrap()
    };
    for length in [second, third - 1, second + 10] {
        fs::write(&segment, &whole[..length]).unwrap();
        fs::write(journal.path("committed"), &journal_word).unwrap();
        refused(second);
    }
    let mut reader = journal.reader(None, Some(Start::First));
    assert_eq!(reader.try_recv().unwrap().unwrap().0.header.sequence, 1);
    let error = reader.try_recv().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::Corrupt, Some(second as u64)), "{error}");
    assert!(reader.try_recv().unwrap().is_none(), "reported once");
    // The remedy that the error text gives.
    fs::remove_file(journal.path("committed")).unwrap();
    fs::write(&segment, &whole[..second]).unwrap();
    write(&journal.writer(), 2, 4);
}

#[test]
fn reader_continues_behind_damage() {
    let journal = Fixture::new();
    write(&journal.short(), 1, 30);
    let segments = journal.segments();
    let first = journal.path(&segment_name(segments[1]));
    let whole = fs::read(&first).unwrap();
    let record =
        super::record::length(super::record::head_length("writer", false), "record 11".len() as u64) as usize;
    let last = segments[2] - 1;
    for (lost, start) in [(segments[1] + 1, PAGE as usize + record), (last, whole.len() - record)] {
        for at in [start + 30, start + 80, start + record - 60] {
            let mut bad = whole.clone();
            bad[at] ^= 4;
            fs::write(&first, &bad).unwrap();
            let mut reader = journal.reader(None, Some(Start::First));
            let (mut got, mut errors) = (Vec::new(), Vec::new());
            while got.last() != Some(&30) {
                match reader.try_recv() {
                    Ok(frame) => got.push(frame.unwrap().0.header.sequence),
                    Err(e) => errors.push((e.kind(), e.offset())),
                }
            }
            assert_eq!(errors, [(ErrorKind::Corrupt, Some(start as u64))], "record {lost}, byte {at}");
            assert_eq!(got, (1..=30).filter(|n| *n != lost).collect::<Vec<_>>());
            // The damage does not affect a reader that begins after it.
            assert_eq!(read(&mut journal.reader(None, Some(Start::Sequence(lost + 1)))), list(lost + 1, 30));
        }
    }
    let mut bad = whole.clone();
    bad[100] ^= 1;
    fs::write(&first, &bad).unwrap();
    let mut reader = journal.reader(Some("logger"), Some(Start::Sequence(last)));
    assert_eq!(reader.try_recv().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read(&mut reader), list(last + 1, 30));
    write(&journal.short(), 31, 31);
    fs::write(&first, &whole).unwrap();
    fs::remove_file(journal.path(&segment_name(31))).unwrap();
    fs::remove_file(journal.path("committed")).unwrap();
    fs::write(&first, &whole[..whole.len() - record]).unwrap();
    for gone in [false, true] {
        if gone {
            fs::remove_file(&first).unwrap();
        }
        let mut reader = journal.reader(None, Some(Start::Sequence(last)));
        let error = reader.try_recv().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert_eq!(read(&mut reader), list(last + 1, 30));
    }
}

#[test]
fn power_cut_within_a_batch_cuts_at_the_first_damaged_record() {
    let journal = Fixture::new();
    write(&journal.writer(), 1, 1);
    let word = fs::read(journal.path("committed")).unwrap();
    let segment = journal.path(&segment_name(1));
    let second = fs::metadata(&segment).unwrap().len() as usize;
    let folder = JournalFolder::open(&journal.place, Access::default()).unwrap().unwrap();
    let mut log = JournalLog::open(folder, Segmentation::default(), "writer", 9).unwrap();
    let draft = |text: &'static str| RecordDraft::new(Encoding::Raw, Bytes::from_static(text.as_bytes()));
    for outcome in log.append(&[draft("record 2"), draft("record 3"), draft("record 4")]) {
        outcome.unwrap();
    }
    drop(log);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[second + 20] ^= 1;
    fs::write(&segment, bytes).unwrap();
    fs::write(journal.path("committed"), word).unwrap();
    write(&journal.writer(), 2, 3);
    assert_eq!(read(&mut journal.reader(None, Some(Start::First))), list(1, 3));
}

#[test]
fn reader_starts_at_any_number_across_segments() {
    let journal = Fixture::new();
    let writer = journal.short();
    write(&writer, 1, 40);
    let segments = journal.segments();
    assert!(segments.len() > 5, "{segments:?}");
    for from in 1..=40 {
        assert_eq!(read(&mut journal.reader(None, Some(Start::Sequence(from)))), list(from, 40));
    }
    let mut ahead = journal.reader(None, Some(Start::Sequence(43)));
    assert_eq!(read(&mut ahead), [0u64; 0]);
    write(&writer, 41, 45);
    assert_eq!(read(&mut ahead), [43, 44, 45]);
    drop(writer);
    // Like a kill between making a segment and writing to it.
    let last = *journal.segments().last().unwrap();
    let folder = JournalFolder::open(&journal.place, Access::default()).unwrap().unwrap();
    let (_, page) = folder.segment(last, false).unwrap().unwrap();
    folder.make_segment(super::folder::SegmentInfo { first: 46, ..page }).unwrap();
    for has_word in [true, false] {
        if !has_word {
            fs::remove_file(journal.path("committed")).unwrap();
        }
        assert_eq!(journal.reader(None, None).latest().unwrap().unwrap().0.header.sequence, 45);
        drop(journal.short());
        assert_eq!(journal.reader(None, None).latest().unwrap().unwrap().0.header.sequence, 45);
    }
    write(&journal.short(), 46, 47);
    assert_eq!(read(&mut journal.reader(None, Some(Start::Sequence(44)))), list(44, 47));
}

#[test]
fn reader_starts_at_any_time() {
    let journal = Fixture::new();
    let writer = journal.short();
    write(&writer, 1, 30);
    let mut reader = journal.reader(None, Some(Start::First));
    let mut sent = Vec::new();
    while let Some((frame, _)) = reader.try_recv().unwrap() {
        sent.push(frame.header.sent);
    }
    for (i, at) in sent.iter().enumerate() {
        let first = sent.iter().position(|s| s >= at).unwrap() as u64 + 1;
        let mut reader = journal.reader(None, Some(Start::Time(*at)));
        assert_eq!(read(&mut reader), list(first, 30), "record {}", i + 1);
        let after = sent.iter().position(|s| *s > *at).map_or(31, |i| i as u64 + 1);
        assert_eq!(read(&mut journal.reader(None, Some(Start::Time(*at + 1)))), list(after, 30));
    }
    assert_eq!(read(&mut journal.reader(None, Some(Start::Time(0)))), list(1, 30));
    let mut later = journal.reader(None, Some(Start::Time(sent[29] + 1)));
    assert_eq!(read(&mut later), [0u64; 0]);
    write(&writer, 31, 32);
    assert_eq!(read(&mut later), [31, 32]);
}

#[test]
fn named_reader_resumes_where_it_stopped() {
    let journal = Fixture::new();
    let writer = journal.short();
    write(&writer, 1, 20);
    let mut next = 1;
    for round in 0..12 {
        let mut reader = journal.reader(Some("logger"), None);
        let taken = Reader::open(&journal.place, Some("logger"), None, LIMIT).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddressInUse);
        for i in 0..3 {
            let (frame, _) = reader.try_recv().unwrap().unwrap();
            assert_eq!(frame.header.sequence, next + i, "round {round}");
            // The caller reads ahead: only the record before the last one is consumed.
            reader.consumed((next + i).saturating_sub(1)).unwrap();
        }
        next += 2;
        write(&writer, 20 + round * 2 + 1, 20 + round * 2 + 2);
    }
    drop(writer);
    let mut other = journal.reader(Some("other"), Some(Start::Sequence(40)));
    assert_eq!(read(&mut other), list(40, 44));
    // If either block is torn, the other one counts.
    for at in [0u64, 512] {
        let file = journal.path("logger.consumer");
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[at as usize + 40] ^= 1;
        fs::write(&file, bad).unwrap();
        let (frame, _) = journal.reader(Some("logger"), None).try_recv().unwrap().unwrap();
        assert!([next - 1, next].contains(&frame.header.sequence), "{}", frame.header.sequence);
        fs::write(&file, good).unwrap();
    }
}

#[test]
fn retention_by_size_deletes_segments_and_reports_lagged() {
    let journal = Fixture::new();
    let bytes = 4 * (PAGE + 1000);
    let shape = Segmentation {
        segment_bytes: Some(PAGE + 1000),
        retention: Retention { bytes: Some(bytes), ..Retention::default() },
        ..Segmentation::default()
    };
    let writer = journal.writer_with(shape).unwrap();
    write(&writer, 1, 2);
    let mut slow = journal.reader(Some("slow"), None);
    assert_eq!(slow.try_recv().unwrap().unwrap().0.header.sequence, 1);
    slow.consumed(u64::MAX).unwrap();
    write(&writer, 3, 60);
    let left = journal.segments();
    let size: u64 = left.iter().map(|s| fs::metadata(journal.path(&segment_name(*s))).unwrap().len()).sum();
    assert!(left[0] > 30 && size <= bytes + PAGE + 1000, "{left:?} {size}");
    // It still reads its open segment. Then it reports the number of missed records once.
    let mut read_so_far = 1;
    let missed = loop {
        match slow.try_recv() {
            Ok(Some((frame, _))) => {
                read_so_far += 1;
                assert_eq!(frame.header.sequence, read_so_far);
            }
            Ok(None) => panic!("no missed records were reported"),
            Err(e) => break (e.kind(), e.missed().unwrap()),
        }
    };
    assert_eq!(missed, (ErrorKind::Lagged, left[0] - 1 - read_so_far));
    assert_eq!(read(&mut slow), list(left[0], 60));
    drop(slow);
    let mut again = journal.reader(Some("slow"), None);
    assert_eq!(again.try_recv().unwrap_err().missed(), Some(left[0] - 2), "it had consumed the first alone");
    assert_eq!(read(&mut again), list(left[0], 60));
    let mut first = journal.reader(None, Some(Start::First));
    assert_eq!(read(&mut first), list(left[0], 60));
}

#[test]
fn retention_by_age_and_by_slowest_consumer() {
    let journal = Fixture::new();
    let with =
        |retention| Segmentation { segment_bytes: Some(PAGE + 1000), retention, ..Segmentation::default() };
    write(&journal.short(), 1, 30);
    drop(journal.writer_with(with(Retention { consumed: true, ..Retention::default() })).unwrap());
    assert_eq!(journal.segments()[0], 1, "without a consumer, nothing is deleted");
    for (name, count) in [("fast", 25), ("slow", 12)] {
        let mut reader = journal.reader(Some(name), None);
        for _ in 0..count {
            reader.try_recv().unwrap().unwrap();
        }
        reader.consumed(u64::MAX).unwrap();
    }
    drop(journal.writer_with(with(Retention { consumed: true, ..Retention::default() })).unwrap());
    let left = journal.segments();
    assert!(left[0] > 1 && left[0] <= 13 && left[1] > 13, "{left:?}");
    let mut slow = journal.reader(Some("slow"), None);
    assert_eq!(slow.try_recv().unwrap().unwrap().0.header.sequence, 13);
    let writer = journal.writer_with(with(Retention { age: Some(1), ..Retention::default() })).unwrap();
    assert_eq!(journal.segments().len(), 1, "all but the last are older than a nanosecond");
    write(&writer, 31, 31);
    assert_eq!(journal.segments(), [31]);
}

#[test]
fn append_from_threads_shares_syncs() {
    let journal = Fixture::new();
    let writer = journal.short();
    let mut numbers: Vec<u64> = std::thread::scope(|s| {
        let all: Vec<_> = (0..8)
            .map(|_| {
                s.spawn(|| {
                    let mut last = 0;
                    (0..25)
                        .map(|_| {
                            let number = writer.append(Encoding::Raw, "x".into()).unwrap();
                            assert!(number > last, "in the order of sending");
                            last = number;
                            number
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, list(1, 200));
}

#[test]
fn reader_is_woken_by_commits_only() {
    let journal = Fixture::new();
    let writer = journal.writer();
    let mut reader = journal.reader(None, None);
    assert!(!reader.park().unwrap());
    let asleep = |reader: &Reader| !is_readable(reader.descriptor().unwrap());
    assert!(asleep(&reader));
    std::thread::scope(|s| {
        s.spawn(|| write(&writer, 1, 1));
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        while !reader.park().unwrap() {
            wait_readable(&mut waiting, &[reader.descriptor().unwrap()]).unwrap();
        }
    });
    assert_eq!(read(&mut reader), [1]);
    assert!(!reader.park().unwrap() && asleep(&reader));
    let mut other = journal.reader(Some("other"), None);
    assert_eq!(read(&mut other), [1]);
    other.consumed(u64::MAX).unwrap();
    assert!(asleep(&reader), "another reader's position wakes this one");
    drop(writer);
    fs::remove_dir_all(journal.around.path().join("x.journal")).unwrap();
    assert!(!asleep(&reader) && reader.park().unwrap());
    assert_eq!(reader.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
}

#[test]
fn journal_with_missing_segments_is_not_recreated() {
    let journal = Fixture::new();
    write(&journal.writer(), 1, 1);
    let reader =
        || Reader::open(&journal.place, None, Some(Start::First), LIMIT).map(|reader| reader.is_some());
    let mut open = journal.reader(None, Some(Start::First));
    fs::remove_file(journal.path(&segment_name(1))).unwrap();
    let error: Error = journal.writer_with(Segmentation::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // A reader that waited for a first record would not report the lost ones.
    assert_eq!(reader().unwrap_err().text(), error.text());
    assert_eq!(listing(&journal.place).unwrap_err().text(), error.text());
    assert_eq!(history(&journal.place).unwrap_err().text(), error.text());
    assert_eq!(open.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
    fs::remove_file(journal.path("committed")).unwrap();
    assert!(!reader().unwrap());
    write(&journal.writer(), 1, 1);
}
