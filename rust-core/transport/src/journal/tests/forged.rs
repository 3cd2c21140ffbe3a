//! Tests of forged journals, and of bodies that contain copies of journals.

use super::*;

/// Makes a valid record of this journal, as any reader of the journal can.
fn forged(id: &super::super::block::JournalId, sequence: u64, after: u64) -> Vec<u8> {
    let stamp = super::super::record::Stamp {
        id,
        sequence,
        sent: 1,
        after,
        session: 9,
        source: "writer",
        schema: 0,
        mask: None,
    };
    let mut record = Vec::new();
    super::super::record::write_head(&mut record, Encoding::Raw, 5, crc32c::crc32c(b"false"), &stamp);
    record.extend_from_slice(b"false");
    record.resize(record.len().next_multiple_of(64), 0);
    record
}

fn identity(journal: &Fixture) -> super::super::block::JournalId {
    let folder = JournalFolder::open(&journal.place, Access::default()).unwrap().unwrap();
    folder.segment(1, false).unwrap().unwrap().1.id
}

#[test]
fn torn_tail_with_forged_records_in_its_body_is_cut() {
    let journal = Fixture::new();
    let writer = journal.writer();
    write(&writer, 1, 2);
    let (word, second) = {
        let segment = fs::metadata(journal.path(&segment_name(1))).unwrap();
        (fs::read(journal.path("committed")).unwrap(), segment.len() as usize)
    };
    let id = identity(&journal);
    // A record in the middle of a body, and a copy of the whole journal.
    let mut body = forged(&id, 9, 8);
    body.extend(fs::read(journal.path(&segment_name(1))).unwrap());
    body.extend(forged(&id, 1 << 40, 1 << 40));
    let longer = body.repeat(40);
    for body in [&body, &longer] {
        let sent = Bytes::from(body.clone());
        let number = writer.append(Encoding::Raw, sent.clone()).unwrap();
        let mut reader = journal.reader(None, Some(Start::Sequence(number)));
        assert_eq!(reader.try_recv().unwrap().unwrap().0.body, sent, "it is read as it was sent");
    }
    drop(writer);
    let (segment, whole) =
        (journal.path(&segment_name(1)), fs::read(journal.path(&segment_name(1))).unwrap());
    // The power cut loses the page of the head but not of the body, or damages one byte of the head.
    for damage in [second..second + 64, second + 20..second + 21, second + 200..second + 201] {
        let mut torn = whole.clone();
        torn[damage.clone()].fill(0xee);
        fs::write(&segment, &torn).unwrap();
        fs::write(journal.path("committed"), &word).unwrap();
        // A later record proves that the torn one was acknowledged. Without the later record the torn one may
        // be cut.
        fs::write(&segment, &torn[..third_of(&whole, second)]).unwrap();
        assert_eq!(journal.writer().last(), 2, "{damage:?}");
        assert_eq!(read(&mut journal.reader(None, Some(Start::First))), [1, 2]);
        fs::write(&segment, &torn).unwrap();
        fs::write(journal.path("committed"), []).unwrap();
        assert_eq!(journal.writer_with(Segmentation::default()).unwrap_err().kind(), ErrorKind::Corrupt);
        let mut reader = journal.reader(None, Some(Start::First));
        for number in [1, 2] {
            assert_eq!(reader.try_recv().unwrap().unwrap().0.header.sequence, number);
        }
        assert!(reader.try_recv().unwrap().is_none());
    }
}

fn third_of(segment: &[u8], at: usize) -> usize {
    let header = super::super::record::read_header(segment[at..at + 64].try_into().unwrap()).unwrap();
    super::super::record::end(at as u64, &header).unwrap() as usize
}

#[test]
fn segment_version_1_is_continued_until_a_body_needs_a_mask() {
    let journal = Fixture::new();
    let folder = JournalFolder::create(&journal.place, Access::default()).unwrap();
    let old =
        super::super::folder::SegmentInfo { version: 1, id: [7; 16], first: 1, created: 1, high: i64::MIN };
    folder.make_segment(old).unwrap();
    let writer = journal.writer();
    write(&writer, 1, 3);
    assert_eq!(journal.segments(), [1]);
    let body = forged(&[7; 16], 9, 8);
    assert_eq!(writer.append(Encoding::Raw, body.clone().into()).unwrap(), 4);
    assert_eq!(journal.segments(), [1, 4], "who reads version 1 alone would not understand it");
    let folder = JournalFolder::open(&journal.place, Access::default()).unwrap().unwrap();
    let versions = [1, 4].map(|first| folder.segment(first, false).unwrap().unwrap().1.version);
    assert_eq!(versions, [1, 2]);
    let mut reader = journal.reader(None, Some(Start::Sequence(4)));
    assert_eq!(reader.try_recv().unwrap().unwrap().0.body, body);
    drop(writer);
    write(&journal.writer(), 5, 6);
    folder.make_segment(super::super::folder::SegmentInfo { version: 3, first: 7, ..old }).unwrap();
    let error = journal.writer_with(Segmentation::default()).unwrap_err();
    assert!(error.kind() == ErrorKind::VersionMismatch && error.text().contains("1 to 2"), "{error}");
}

#[test]
fn impossible_numbers_are_corrupt_with_their_file() {
    use super::super::block::{self, BLOCK, Block};
    let journal = Fixture::new();
    write(&journal.writer(), 1, 3);
    let id = identity(&journal);
    let word = |numbers: [u64; 3]| {
        let block = Block { version: 1, id, numbers };
        fs::write(journal.path("committed"), block::write(*b"LKSPDONE", &block, BLOCK)).unwrap();
    };
    // A word with impossible numbers is ignored, even if only its offset is wrong.
    for numbers in
        [[u64::MAX; 3], [u64::MAX, 1, 4096], [3, u64::MAX, 4096], [3, 1, u64::MAX], [3, 1, u64::MAX - 63]]
    {
        word(numbers);
        assert_eq!(read(&mut journal.reader(None, Some(Start::First))), list(1, 3), "{numbers:?}");
        word(numbers);
        assert_eq!(journal.reader(None, None).latest().unwrap().unwrap().0.header.sequence, 3);
        word(numbers);
        listing(&journal.place).unwrap().unwrap();
        assert_eq!(journal.writer().last(), 3, "{numbers:?}");
    }
    for numbers in [[u64::MAX; 4], [u64::MAX, 1, 1, 4096], [1, u64::MAX, 1, 4096], [1, 2, 1, u64::MAX]] {
        let block = Block { version: 1, id, numbers };
        fs::write(journal.path("logger.consumer"), block::write(*b"LKSPREAD", &block, BLOCK)).unwrap();
        let error = Reader::open(&journal.place, Some("logger"), None, LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{numbers:?}: {error}");
        assert!(error.text().contains("logger.consumer"), "{error}");
    }
    fs::remove_file(journal.path("logger.consumer")).unwrap();
    for number in [0, u64::MAX, (1 << 62) + 1] {
        let path = journal.path(&segment_name(number));
        fs::write(&path, b"").unwrap();
        for error in [
            journal.writer_with(Segmentation::default()).unwrap_err(),
            Reader::open(&journal.place, None, None, LIMIT).unwrap_err(),
            listing(&journal.place).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.text().contains(&segment_name(number)), "{error}");
        }
        fs::remove_file(path).unwrap();
    }
    write(&journal.writer(), 4, 4);
}

#[test]
fn append_behind_the_largest_number_is_refused() {
    let journal = Fixture::new();
    let folder = JournalFolder::create(&journal.place, Access::default()).unwrap();
    let last = super::super::block::LARGEST;
    let page =
        super::super::folder::SegmentInfo { version: 2, id: [7; 16], first: last, created: 1, high: 1 };
    folder.make_segment(page).unwrap();
    let writer = journal.writer();
    assert_eq!(writer.append(Encoding::Raw, "record".into()).unwrap(), last);
    for _ in 0..2 {
        let error = writer.append(Encoding::Raw, "one more".into()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::InvalidState && error.text().contains("largest number"),
            "{error}"
        );
    }
    drop(writer);
    let mut reader = journal.reader(None, Some(Start::Sequence(u64::MAX)));
    assert!(reader.try_recv().unwrap().is_none());
    let mut reader = journal.reader(Some("logger"), Some(Start::First));
    assert_eq!(reader.try_recv().unwrap().unwrap().0.header.sequence, last);
    reader.consumed(last).unwrap();
    assert!(reader.try_recv().unwrap().is_none());
    drop(reader);
    assert!(journal.reader(Some("logger"), None).try_recv().unwrap().is_none());
    assert_eq!(journal.writer().last(), last);
}

#[test]
fn forged_record_with_huge_body_is_damage() {
    let journal = Fixture::new();
    write(&journal.writer(), 1, 2);
    let (id, segment) = (identity(&journal), journal.path(&segment_name(1)));
    let whole = fs::read(&segment).unwrap();
    for body in [1 << 62, (1 << 62) - 64] {
        let stamp = super::super::record::Stamp {
            id: &id,
            sequence: 3,
            sent: 1,
            after: 2,
            session: 9,
            source: "writer",
            schema: 0,
            mask: None,
        };
        let mut bytes = whole.clone();
        super::super::record::write_head(&mut bytes, Encoding::Raw, body, 0, &stamp);
        fs::write(&segment, &bytes).unwrap();
        // A following hole of a terabyte is not read.
        fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(1 << 42).unwrap();
        assert_eq!(read(&mut journal.reader(None, Some(Start::First))), [1, 2]);
        assert_eq!(journal.writer().last(), 2);
        assert_eq!(fs::metadata(&segment).unwrap().len(), whole.len() as u64);
    }
}

/// Changes the wire version of the header at an offset. Only with `is_damage` the check sum becomes wrong.
fn set_version(segment: &mut [u8], at: usize, is_damage: bool) {
    segment[at + 4] = 2;
    if !is_damage {
        segment[at + 12..at + 16].fill(0);
        let sum = crc32c::crc32c(&segment[at..at + 64]);
        segment[at + 12..at + 16].copy_from_slice(&sum.to_le_bytes());
    }
}

fn newer(number: usize, is_damage: bool) -> (Fixture, Vec<u8>) {
    let journal = Fixture::new();
    write(&journal.writer(), 1, 3);
    let path = journal.path(&segment_name(1));
    let mut segment = fs::read(&path).unwrap();
    let at = (1..number).fold(PAGE as usize, |at, _| third_of(&segment, at));
    set_version(&mut segment, at, is_damage);
    fs::write(&path, &segment).unwrap();
    (journal, segment)
}

#[test]
fn newer_wire_version_is_a_mismatch_and_its_records_stay() {
    for number in 1..=3 {
        for has_word in [true, false] {
            let (journal, segment) = newer(number, false);
            if !has_word {
                fs::write(journal.path("committed"), []).unwrap();
            }
            let error = journal.writer_with(Segmentation::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::VersionMismatch, "record {number}: {error}");
            assert!(error.text().contains("wire version 2"), "{error}");
            assert_eq!(fs::read(journal.path(&segment_name(1))).unwrap(), segment, "no byte was cut");
            let read = || -> crate::error::Result<()> {
                let mut reader = Reader::open(&journal.place, None, Some(Start::First), LIMIT)?.unwrap();
                while reader.try_recv()?.is_some() {}
                Ok(())
            };
            assert_eq!(read().unwrap_err().kind(), ErrorKind::VersionMismatch, "record {number}");
            let seek =
                || Reader::open(&journal.place, None, Some(Start::Sequence(3)), LIMIT)?.unwrap().try_recv();
            let error = seek().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::VersionMismatch, "record {number}: {error}");
            let schemas = super::super::records::schemas(&journal.place);
            assert_eq!(schemas.is_err(), number == 1, "the first record of a segment has its schema");
        }
    }
}

const NEWER_SEGMENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/journals/newer_wire.segment");

#[test]
fn segment_of_a_newer_wire_version_among_the_vectors_is_a_mismatch_and_stays() {
    if std::env::var_os("LINKSPAN_WRITE_VECTORS").is_some() {
        fs::write(NEWER_SEGMENT, newer(2, false).1).unwrap();
    }
    let segment = fs::read(NEWER_SEGMENT).unwrap();
    let journal = Fixture::new();
    drop(journal.writer());
    let path = journal.path(&segment_name(1));
    fs::write(&path, &segment).unwrap();
    fs::write(journal.path("committed"), []).unwrap();
    let read = || -> crate::error::Result<()> {
        let mut reader = Reader::open(&journal.place, None, Some(Start::First), LIMIT)?.unwrap();
        while reader.try_recv()?.is_some() {}
        Ok(())
    };
    let error = read().unwrap_err();
    assert!(error.kind() == ErrorKind::VersionMismatch && error.text().contains("wire version 2"), "{error}");
    let error = journal.writer_with(Segmentation::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionMismatch, "{error}");
    assert_eq!(fs::read(&path).unwrap(), segment, "no byte was cut");
}

#[test]
fn torn_record_in_front_of_a_newer_one_is_not_cut() {
    let (journal, mut segment) = newer(3, false);
    let second = third_of(&segment, PAGE as usize);
    segment[second..second + 64].fill(0);
    fs::write(journal.path(&segment_name(1)), &segment).unwrap();
    fs::write(journal.path("committed"), []).unwrap();
    let error = journal.writer_with(Segmentation::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::VersionMismatch, "{error}");
    assert_eq!(fs::read(journal.path(&segment_name(1))).unwrap(), segment);
}

#[test]
fn damaged_version_byte_is_corrupt() {
    let (journal, _) = newer(2, true);
    let mut reader = journal.reader(None, Some(Start::First));
    assert_eq!(reader.try_recv().unwrap().unwrap().0.header.sequence, 1);
    assert_eq!(reader.try_recv().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(reader.try_recv().unwrap().unwrap().0.header.sequence, 3);
}
